#!/usr/bin/env bash
# The commands of docs/trainer.md give the output that it shows.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/chapter.sh"
chapter "$root" "$1" "$2" docs/trainer.md 20

#!/usr/bin/env bash
# The commands of docs/data.md give the output that they show.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/chapter.sh"
chapter "$root" "$1" "$2" docs/data.md 16

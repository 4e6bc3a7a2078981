#!/usr/bin/env bash
# The commands of docs/losses.md give the output that it shows.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/chapter.sh"
chapter "$root" "$1" "$2" docs/losses.md 10

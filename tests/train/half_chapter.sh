#!/usr/bin/env bash
# The commands of docs/half.md give the output that it shows.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/chapter.sh"
chapter "$root" "$1" "$2" docs/half.md 10

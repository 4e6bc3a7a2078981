#!/usr/bin/env bash
# The commands of the chapters on the block and on places give the output that they show.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/chapter.sh"
chapter "$root" "$1" "$2/block" docs/block.md 8 && chapter "$root" "$1" "$2/bloom" docs/bloom.md 12 &&
  chapter "$root" "$1" "$2/rope" docs/rope.md 11

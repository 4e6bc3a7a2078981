#!/usr/bin/env bash
# The commands of the chapters on sampling, beams and the cache give the output that they show.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/chapter.sh"
export XDG_CACHE_HOME=$2.cache
chapter "$root" "$1" "$2/sampling" docs/sampling.md 15 && chapter "$root" "$1" "$2/beams" docs/beams.md 6 &&
  chapter "$root" "$1" "$2/kv-cache" docs/kv-cache.md 7

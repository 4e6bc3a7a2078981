#!/usr/bin/env bash
# The commands of docs/sft.md and docs/lora.md give the output that they show.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/chapter.sh"
tuff=$1 scratch=$2
(chapter "$root" "$tuff" "$scratch/sft" docs/sft.md 14) && (chapter "$root" "$tuff" "$scratch/lora" docs/lora.md 14)

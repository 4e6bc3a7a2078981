#!/usr/bin/env bash
# The commands of docs/sft.md, docs/lora.md and docs/soft_prompts.md give the output that they show.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/chapter.sh"
tuff=$1 scratch=$2
(chapter "$root" "$tuff" "$scratch/sft" docs/sft.md 14) && (chapter "$root" "$tuff" "$scratch/lora" docs/lora.md 27) &&
  (chapter "$root" "$tuff" "$scratch/soft" docs/soft_prompts.md 12)

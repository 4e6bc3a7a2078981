"""transformers reads a checkpoint that Tuff wrote, and computes what Tuff computes.

    build/tuff generate --model CHECKPOINT --prompt TEXT --greedy --max-new-tokens 16 --json > out.json
    python tools/golden/check_with_transformers.py CHECKPOINT out.json

Loads the folder (any missing, unexpected or misshapen weight is an error) and continues the prompt
greedily; the ids must be those in out.json, written by `tuff generate`. Prints a line.
"""
import json
import sys

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

folder, made = sys.argv[1], json.loads(open(sys.argv[2]).read())
model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True,
                                                   dtype=torch.float32, attn_implementation="eager")
wrong = {k: v for k, v in info.items() if v}
assert not wrong, wrong
tokenizer = PreTrainedTokenizerFast(tokenizer_file=folder + "/tokenizer.json")
ids = tokenizer(made["prompt"], return_tensors="pt")["input_ids"]
out = model.eval().generate(ids, attention_mask=torch.ones_like(ids), do_sample=False,
                            max_new_tokens=len(made["ids"]), pad_token_id=0, eos_token_id=None)
new = out[0, ids.shape[1]:].tolist()
assert new == made["ids"], (new, made["ids"])
print(f"{type(model).__name__}: {sum(p.numel() for p in model.parameters())} parameters, "
      f"{len(new)} greedy ids equal")

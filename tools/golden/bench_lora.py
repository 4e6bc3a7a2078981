#!/usr/bin/env python3
"""Times steps of LoRA with PyTorch, transformers and peft on the CPU: the peer of `tuff bench train --config FILE --lora
r=8`. Random weights of a config.json, random tokens, AdamW over the adapters, all linear layers of the blocks.
    python tools/golden/bench_lora.py config.json --context 512 --batch 1 --dtype float32"""
import argparse
import json
import resource
import statistics
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("config")
for name, value in (("context", 512), ("batch", 1), ("threads", 2), ("rank", 8), ("warmup", 1)):
    parser.add_argument("--" + name, type=int, default=value)
parser.add_argument("--seconds", type=float, default=20, help="time steps for that long, 3 at least")
parser.add_argument("--dtype", default="float32", help="of the frozen weights: float32 or bfloat16")
parser.add_argument("--full", action="store_true", help="all weights learn instead")
o = parser.parse_args()
torch.set_num_threads(o.threads)
torch.manual_seed(1)
config = AutoConfig.for_model(**json.load(open(o.config)))
model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, o.dtype))
if not o.full:
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=o.rank, lora_alpha=2 * o.rank,
                                             target_modules="all-linear"))
model.train()
learnt = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(learnt, lr=3e-4, weight_decay=0.1)
ids = torch.randint(config.vocab_size, (o.batch, o.context + 1))


def step():
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    logits = model(input_ids=ids[:, :-1]).logits.float()
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
    torch.nn.utils.clip_grad_norm_(learnt, 1.0)
    optimizer.step()
    return time.perf_counter() - start


for _ in range(o.warmup):
    step()
times = [step() for _ in range(3)]
while sum(times) < o.seconds:
    times.append(step())
print(json.dumps({"tokens_per_s": round(o.batch * o.context / statistics.median(times), 1),
                  "ms_median": round(statistics.median(times) * 1e3, 1), "steps": len(times), "dtype": o.dtype,
                  "threads": o.threads, "torch": torch.__version__, "learnt": sum(p.numel() for p in learnt),
                  "peak_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))

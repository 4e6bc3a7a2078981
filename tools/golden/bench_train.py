#!/usr/bin/env python3
"""Times training steps of a GPT-2-shaped model in plain PyTorch (f32, AdamW, no dropout, random
tokens), on the CPU or on a GPU (--device cuda; --autocast bf16 is the peer of --amp O1): the peer of
`tuff bench train` with the same sizes. Prints the median tokens/s of the timed steps; --json prints
one object. Needs torch only."""
import argparse
import json
import statistics
import time

import torch

from gpt2 import GPT2, Attention


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("layers", 6), ("heads", 6), ("width", 384), ("context", 256),
                        ("batch", 8), ("vocab", 65), ("threads", 2), ("warmup", 3)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--seconds", type=float, default=20, help="time steps for that long")
    parser.add_argument("--attention", choices=("sdpa", "plain"), default="sdpa")
    parser.add_argument("--adamw", choices=("default", "fused", "foreach"), default="default")
    parser.add_argument("--bidirectional", action="store_true",
                        help="each token sees all others: the peer of a BERT's config.json")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--autocast", choices=("f16", "bf16"), help="mixed precision")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main():
    o = options()
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)
    Attention.causal = not o.bidirectional
    model = GPT2(o.vocab, o.context, o.layers, o.heads, o.width, plain=o.attention == "plain")
    model.to(o.device)
    loss = torch.compile(model.loss) if o.compile else model.loss
    half = {"f16": torch.float16, "bf16": torch.bfloat16}.get(o.autocast)
    choice = {} if o.adamw == "default" else {o.adamw: True}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, **choice)
    ids = torch.randint(o.vocab, (o.batch, o.context + 1), device=o.device)

    def step():
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(o.device, half, enabled=half is not None):
            value = loss(ids)
        value.backward()
        optimizer.step()
        if o.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    for _ in range(o.warmup):
        step()
    times = [step()]
    while sum(times) < o.seconds:
        times.append(step())
    tokens = o.batch * o.context
    result = {
        "tokens_per_s": round(tokens / statistics.median(times), 1),
        "ms_median": round(statistics.median(times) * 1e3, 2),
        "ms_min": round(min(times) * 1e3, 2),
        "steps": len(times), "threads": o.threads, "torch": torch.__version__,
        "attention": o.attention, "adamw": o.adamw,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    if o.json:
        print(json.dumps(result))
    else:
        where = f"{o.threads} threads" if o.device == "cpu" else torch.cuda.get_device_name()
        print(f"torch {result['torch']}, {where}: {result['tokens_per_s']:.0f} tokens/s "
              f"(median of {len(times)} steps, {result['ms_median']:.1f} ms; best "
              f"{result['ms_min']:.1f} ms; {result['parameters']} parameters)")


if __name__ == "__main__":
    main()

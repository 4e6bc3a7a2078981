#!/usr/bin/env python3
"""Trains a GPT-2 in PyTorch from what a Tuff run started with, on the same tokens in the same order
for the same steps, and evaluates it on the same held-out text: what Tuff's own result is compared
with. Needs torch, numpy and safetensors.

    tools/golden/train_reference.py FOLDER [--json] [--steps N] [--threads N] [--out MODEL_DIR]
                                    [--trained MODEL_DIR]

FOLDER holds

  init/config.json, init/model.safetensors
               the initial model as Hugging Face lays out GPT-2 (names with or without the prefix
               "transformer."; f32; tied head; dropout probabilities are ignored: no dropout)
  batches.bin  uint32, little-endian: token ids [steps, accumulate, batch, context + 1]; position i
               of a window predicts id i + 1
  heldout.bin  uint32, little-endian: token ids [heldout_windows, context + 1], read the same way;
               4294967295 fills up the last window and is not counted
  plan.json    {
    "steps": 800, "batch": 8, "context": 256,
    "accumulate": 1,               micro-batches a step (default 1); a step's loss is the mean over
                                   all its predicted tokens
    "lr": [..],                    learning rate of each step
    "betas": [0.9, 0.95], "eps": 1e-8,
    "weight_decay": 0.1,           decoupled (AdamW), on the parameters named in
    "decayed": ["wte.weight", ..], Hugging Face names, prefix optional
    "clip": 1.0,                   global gradient norm; 0 or absent: none
    "heldout_windows": 96,
    "heldout_bytes": 40000         UTF-8 bytes that the predicted held-out tokens decode to
  }

Printed: loss of the first and last step, held-out nats per token and bits per byte,
bits/byte = nats/token * predicted tokens / heldout_bytes / ln 2. --json prints one object, with the
loss of every step. --out writes the trained model as a Hugging Face folder. --trained evaluates one
on the same held-out text: Tuff's own result, computed by PyTorch."""
import argparse
import json
import math
import os
import shutil
import sys
import time

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from gpt2 import GPT2

FILLER = 0xFFFFFFFF  # in heldout.bin


def full_name(name):
    return name if name.startswith("transformer.") else "transformer." + name


def load_model(folder):
    """The model in a Hugging Face folder."""
    with open(os.path.join(folder, "config.json")) as file:
        model = GPT2.from_config(json.load(file))
    # Masks saved by old versions and the tied copy of the token table are no parameters.
    weights = {full_name(name): tensor.float()
               for name, tensor in load_file(os.path.join(folder, "model.safetensors")).items()
               if name != "lm_head.weight" and not name.endswith((".attn.bias", ".masked_bias"))}
    model.load_state_dict(weights)
    return model


def load_ids(path, shape, vocab, filler=None):
    ids = np.fromfile(path, dtype="<u4")
    if ids.size != math.prod(shape):
        sys.exit(f"{path}: {ids.size} ids, but plan.json says {shape}")
    real = ids[ids != filler] if filler is not None else ids
    if real.size and real.max() >= vocab:
        sys.exit(f"{path}: id {real.max()} is outside the vocabulary of {vocab}")
    return torch.from_numpy(ids.astype(np.int64)).view(shape)


def make_optimizer(model, plan):
    decayed = {full_name(name) for name in plan["decayed"]}
    parameters = dict(model.named_parameters())
    if decayed - parameters.keys():
        sys.exit(f"plan.json: no such parameters: {sorted(decayed - parameters.keys())}")
    return torch.optim.AdamW(
        [{"params": [p for n, p in parameters.items() if n in decayed],
          "weight_decay": plan["weight_decay"]},
         {"params": [p for n, p in parameters.items() if n not in decayed], "weight_decay": 0.0}],
        lr=0.0, betas=tuple(plan["betas"]), eps=plan["eps"])


@torch.no_grad()
def nats_per_token(model, windows, batch):
    total = 0.0
    for part in windows.split(batch):
        targets = part[:, 1:]
        rows = model.loss(part.where(part != FILLER, 0), reduction="none").view(targets.shape)
        total += rows[targets != FILLER].double().sum().item()
    return total / predicted(windows)


def predicted(windows):
    return (windows[:, 1:] != FILLER).sum().item()


def train(model, batches, plan, steps):
    """batches: [steps, accumulate, batch, context + 1]. Returns the loss of every step."""
    optimizer = make_optimizer(model, plan)
    losses = []
    began = time.monotonic()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = plan["lr"][step]
        optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for micro in batches[step]:
            # Micro-batches are of one size, so the mean of their means is the step's mean.
            loss = model.loss(micro) / len(batches[step])
            loss.backward()
            total += loss.item()
        if plan.get("clip"):
            torch.nn.utils.clip_grad_norm_(model.parameters(), plan["clip"])
        optimizer.step()
        losses.append(total)
        if step % 20 == 0 or step == steps - 1:
            speed = (step + 1) * batches[0, :, :, 1:].numel() / (time.monotonic() - began)
            print(f"step {step + 1}/{steps} loss {total:.4f} {speed:.0f} tokens/s",
                  file=sys.stderr, flush=True)
    return losses


def save_model(model, source, folder):
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(source, "config.json"), folder)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()},
              os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--steps", type=int, help="stop after so many steps")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", help="write the trained model there")
    parser.add_argument("--trained", help="evaluate this trained model too")
    parser.add_argument("--json", action="store_true")
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    path = lambda *names: os.path.join(o.folder, *names)
    with open(path("plan.json")) as file:
        plan = json.load(file)
    if len(plan["lr"]) != plan["steps"]:
        sys.exit(f"plan.json: {len(plan['lr'])} learning rates for {plan['steps']} steps")
    steps = min(o.steps or plan["steps"], plan["steps"])
    model = load_model(path("init"))
    vocab = model.transformer.wte.weight.shape[0]
    window = plan["context"] + 1
    batches = load_ids(path("batches.bin"), (plan["steps"], plan.get("accumulate", 1),
                                             plan["batch"], window), vocab)
    heldout = load_ids(path("heldout.bin"), (plan["heldout_windows"], window), vocab, FILLER)

    before = nats_per_token(model, heldout, plan["batch"])
    losses = train(model, batches, plan, steps)
    after = nats_per_token(model, heldout, plan["batch"])
    to_bits = predicted(heldout) / plan["heldout_bytes"] / math.log(2)
    other = nats_per_token(load_model(o.trained), heldout, plan["batch"]) if o.trained else None
    if o.out:
        save_model(model, path("init"), o.out)
    if o.json:
        print(json.dumps({"torch": torch.__version__, "steps": steps, "losses": losses,
                          "heldout_nats_before": before, "heldout_nats": after,
                          "heldout_bits_per_byte": after * to_bits,
                          "trained_bits_per_byte": other and other * to_bits}))
    else:
        print(f"torch {torch.__version__}: {steps} steps, loss {losses[0]:.4f} -> {losses[-1]:.4f}")
        print(f"held-out before: {before:.5f} nats/token, {before * to_bits:.5f} bits/byte")
        print(f"held-out: {after:.5f} nats/token, {after * to_bits:.5f} bits/byte")
        if o.trained:
            print(f"{o.trained}: {other:.5f} nats/token, {other * to_bits:.5f} bits/byte")


if __name__ == "__main__":
    main()

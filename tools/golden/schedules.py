"""Golden values of learning-rate schedules, by transformers (PyTorch for reduce_lr_on_plateau): the rate
of each of 40 steps with base rate 2 and warm-up 5; and 40 evaluations' losses with the rates behind them.

    pip install torch transformers
    python3 tools/golden/schedules.py tests/golden/optim/schedules.json
"""
import json
import math
import sys

import torch
from transformers import optimization as o

STEPS, WARMUP, BASE = 40, 5, 2.0


def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)


def rates(make):
    opt = optimizer()
    schedule, seen = make(opt), []
    for _ in range(STEPS):
        seen.append(opt.param_groups[0]["lr"])
        opt.step()
        schedule.step()
    return seen


ends = {"num_warmup_steps": WARMUP, "num_training_steps": STEPS}
out = {
    "constant": rates(lambda x: o.get_constant_schedule_with_warmup(x, WARMUP)),
    "linear": rates(lambda x: o.get_linear_schedule_with_warmup(x, **ends)),
    "cosine": rates(lambda x: o.get_cosine_schedule_with_warmup(x, **ends)),
    "cosine_with_restarts": rates(
        lambda x: o.get_cosine_with_hard_restarts_schedule_with_warmup(x, **ends, num_cycles=3)),
    "inverse_sqrt": rates(lambda x: o.get_inverse_sqrt_schedule(x, WARMUP)),
    "polynomial": rates(lambda x: o.get_polynomial_decay_schedule_with_warmup(
        x, **ends, lr_end=0.1 * BASE, power=2.0)),
    "warmup_stable_decay": rates(lambda x: o.get_wsd_schedule(
        x, num_warmup_steps=WARMUP, num_stable_steps=STEPS - WARMUP - 10, num_decay_steps=10)),
}
losses = [3 * math.exp(-i / 6) + 0.5 + 0.2 * math.sin(1.7 * i) + (0.01 * i if i > 20 else 0)
          for i in range(STEPS)]
opt, seen = optimizer(), []
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.5, patience=2, threshold=1e-2,
                                                     cooldown=1, min_lr=0.05 * BASE)
for loss in losses:
    plateau.step(loss)
    seen.append(opt.param_groups[0]["lr"])
out["losses"], out["reduce_lr_on_plateau"] = losses, seen
json.dump(out, open(sys.argv[1], "w"), indent=1)

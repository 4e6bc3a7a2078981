"""Golden values of the optimizers that a checkpoint's golden file has no steps of: ten steps on its
batch of Lion, Muon (torch.optim.Muon for the matrices of layers, torch.optim.AdamW for the rest) and
GaLore (galore_torch.AdamW, the paper's own), and the moving average of AdamW's (torch.optim.swa_utils).
In float64; Muon's products are bfloat16 in PyTorch, here they are not: what is compared is the formula.

    pip install torch transformers safetensors galore-torch
    python3 tools/golden/optimizers.py tests/golden/models/gpt2-tiny tests/golden/optim/gpt2-tiny.safetensors
"""
import importlib.util
import re
import sys
import types
import warnings

import torch

# The package's __init__ wants CUDA's bitsandbytes; its AdamW does not.
package = types.ModuleType("galore_torch")
package.__path__ = importlib.util.find_spec("galore_torch").submodule_search_locations
sys.modules["galore_torch"] = package
from galore_torch.adamw import AdamW as GaLore
from galore_torch.galore_projector import GaLoreProjector
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import AutoModelForCausalLM

warnings.filterwarnings("ignore")
STEPS, SHOWN = 10, ("transformer.h.0.attn.c_proj.weight", "transformer.h.1.mlp.c_proj.weight",
                    "transformer.h.0.mlp.c_fc.bias", "transformer.h.0.attn.c_attn.weight")
folder, path = sys.argv[1:]
golden = load_file(folder + "/golden.safetensors")
names = ("input_ids", "attention_mask", "position_ids", "labels")
batch = {name: golden[name] for name in names if name in golden}
out = dict(batch)


class Lion(torch.optim.Optimizer):
    """As in Chen et al. 2023, algorithm 2; PyTorch has none."""

    def __init__(self, params, lr, betas, weight_decay):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_((beta1 * m + (1 - beta1) * p.grad).sign(), alpha=group["lr"])
                m.mul_(beta2).add_(p.grad, alpha=1 - beta2)


class Both:
    def __init__(self, *optimizers):
        self.optimizers = optimizers

    def step(self):
        for optimizer in self.optimizers:
            optimizer.step()


def split(model):
    parameters = list(model.named_parameters())
    hidden = [p for name, p in parameters if re.search(r"\.\d+\.", name) and p.dim() == 2]
    ids = {id(p) for p in hidden}
    return hidden, [p for _, p in parameters if id(p) not in ids]


def muon(model, adjust):
    hidden, rest = split(model)
    return Both(torch.optim.Muon(hidden, lr=1e-2, weight_decay=0.1, adjust_lr_fn=adjust),
                torch.optim.AdamW(rest, lr=1e-2, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1))


def galore(model, gap):
    # The package adds eps before it corrects the bias, torch.optim behind it: too small to matter.
    hidden, rest = split(model)
    shared = {"rank": 4, "update_proj_gap": gap, "scale": 0.25, "proj_type": "std"}
    return GaLore([{"params": rest}, {"params": hidden, **shared}], lr=1e-2, eps=1e-12,
                  no_deprecation_warning=True)


def signed(find):
    """Singular vectors have no sign: here the largest entry is positive, that moments mean the same
    behind another decomposition."""

    def method(self, weights, rank, type):
        vectors = find(self, weights, rank, type)
        axis = 1 if type == "right" else 0
        largest = vectors.gather(axis, vectors.abs().argmax(axis, keepdim=True))
        return vectors * largest.sign()

    return method


def run(name, make, average=None):
    model = AutoModelForCausalLM.from_pretrained(folder).double().eval()
    optimizer, losses = make(model), []
    averaged = average and AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(average))
    for _ in range(STEPS):
        model.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
        if averaged:
            averaged.update_parameters(model)
    out[f"opt.{name}.losses"] = torch.tensor(losses)
    for key, p in (averaged.module if averaged else model).named_parameters():
        if key in SHOWN:
            out[f"opt.{name}.after.{key}"] = p.detach().float().clone()
    print(name, " ".join(f"{loss:.5f}" for loss in losses))


exact = torch.Tensor.bfloat16
torch.Tensor.bfloat16 = lambda self: self
run("lion", lambda m: Lion(m.parameters(), 1e-3, (0.9, 0.99), 0.1))
run("muon", lambda m: muon(m, "original"))
run("muon_rms", lambda m: muon(m, "match_rms_adamw"))
torch.Tensor.bfloat16 = exact
run("galore", lambda m: galore(m, 200))
GaLoreProjector.get_orthogonal_matrix = signed(GaLoreProjector.get_orthogonal_matrix)
run("galore_gap", lambda m: galore(m, 4))
run("adamw_average", lambda m: torch.optim.AdamW(m.parameters(), lr=1e-3, weight_decay=0.1), 0.8)
save_file({name: t.contiguous() for name, t in out.items()}, path)

"""Golden values of PyTorch's losses for tests/passes/loss_golden.c: of each case its value and the
gradient of its sum times `dy` (reduction none) or of itself. Logits of some rows are 1e4 large.

    python3 tools/golden/losses.py tests/golden/losses/losses.safetensors
"""
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(1)
N, V = 6, 11
x = torch.randn(N, V) * 3
x[1] = torch.tensor([1e4, -1e4] * 5 + [9999])
x[2] += 1e4
ids = torch.tensor([3, 1, 10, -100, 0, 7])
q = torch.rand(N, V).softmax(1)
w, p = torch.rand(V) + 0.5, torch.rand(V) * 3 + 0.2
t, dy = torch.rand(N, V), torch.randn(N)
logs = F.log_softmax(torch.randn(N, V) * 3, 1)
out = {"x": x, "ids": ids, "q": q, "w": w, "p": p, "t": t, "dy": dy, "logs": logs,
       "log_q": q.log()}


def case(name, f, of):
    leaf = of.clone().requires_grad_()
    y = f(leaf)
    (y if y.dim() == 0 else (y * dy).sum()).backward()
    out[name], out[name + ".grad"] = y.detach().reshape(-1), leaf.grad


for r in "mean", "sum", "none":
    case(f"nll.{r}", lambda a: F.nll_loss(a, ids, w, reduction=r), logs)
    case(f"ce.{r}", lambda a: F.cross_entropy(a, ids, reduction=r), x)
    case(f"ce_weighted.{r}", lambda a: F.cross_entropy(a, ids, w, reduction=r), x)
    case(f"ce_smoothed.{r}",
         lambda a: F.cross_entropy(a, ids, w, reduction=r, label_smoothing=0.1), x)
    case(f"ce_probabilities.{r}",
         lambda a: F.cross_entropy(a, q, w, reduction=r, label_smoothing=0.1), x)
for r in "mean", "sum":
    case(f"mse.{r}", lambda a: F.mse_loss(a, t, reduction=r), x)
    case(f"bce.{r}",
         lambda a: F.binary_cross_entropy_with_logits(a, t, w, reduction=r, pos_weight=p), x)
    case(f"kl.{r}", lambda a: F.kl_div(a, q, reduction=r), logs)
case("kl.batchmean", lambda a: F.kl_div(a, q, reduction="batchmean"), logs)
case("kl_log.batchmean", lambda a: F.kl_div(a, q.log(), reduction="batchmean", log_target=True),
     logs)
save_file({k: v.contiguous() for k, v in out.items()}, sys.argv[1])

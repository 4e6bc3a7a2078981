"""Golden values of PyTorch's image ops for tests/passes/conv_golden.c: a small net of every one of them,
its loss, gradients and running statistics. Writes tests/golden/conv/conv.safetensors, all tensors as
PyTorch holds them (images [B, C, H, W], weights [O, C, KH, KW]).

    python3 tools/golden/conv.py tests/golden/conv/conv.safetensors
"""
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(1)
B, C, O, H, W = 2, 6, 8, 9, 7
out = {
    "x": torch.randn(B, C, H, W),
    "conv.weight": torch.randn(O, C, 3, 3) * 0.2,
    "conv.bias": torch.randn(O),
    "bn.weight": torch.randn(O),
    "bn.bias": torch.randn(O),
    "gn.weight": torch.randn(O),
    "gn.bias": torch.randn(O),
    "down.weight": torch.randn(O, O, 3, 3) * 0.2,
    "point.weight": torch.randn(C, O, 1, 1) * 0.3,
}
leaves = {k: v.clone().requires_grad_() for k, v in out.items()}
mean, var = torch.randn(O) * 0.1, torch.rand(O) + 0.5
out["bn.running_mean"], out["bn.running_var"] = mean.clone(), var.clone()

h = F.conv2d(leaves["x"], leaves["conv.weight"], leaves["conv.bias"], padding=1)
h = F.silu(F.batch_norm(h, mean, var, leaves["bn.weight"], leaves["bn.bias"], training=True,
                        momentum=0.1, eps=1e-5))
h = F.conv2d(h, leaves["down.weight"], stride=2, padding=1)
h = F.silu(F.group_norm(h, 4, leaves["gn.weight"], leaves["gn.bias"], eps=1e-5))
h = F.interpolate(h, scale_factor=2, mode="nearest")
h = F.avg_pool2d(h, 3, stride=2, padding=1)
y = F.conv2d(h, leaves["point.weight"])
out["loss_weight"] = torch.randn_like(y)
(y * out["loss_weight"]).sum().backward()
out["y"] = y.detach()
out["after.bn.running_mean"], out["after.bn.running_var"] = mean, var
for name, leaf in leaves.items():
    out["grad." + name] = leaf.grad
out["eval"] = F.batch_norm(out["x"], torch.full((C,), 0.25), torch.full((C,), 4.0),
                           torch.full((C,), 2.0), torch.full((C,), 1.0), training=False, eps=1e-5)
save_file({k: v.detach().contiguous() for k, v in out.items()}, sys.argv[1])
print("torch", torch.__version__, len(out), "tensors")

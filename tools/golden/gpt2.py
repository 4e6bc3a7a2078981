"""GPT-2 written out in plain PyTorch, with Hugging Face's parameter names, shared by the scripts
here. Linear weights are stored [in, out] as in GPT-2's checkpoints; the head is tied to wte."""
import math

import torch
from torch import nn
from torch.nn import functional as F


class Linear(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return F.linear(x, self.weight.t(), self.bias)


class Attention(nn.Module):
    causal = True  # False: BERT's blocks, but for where their norms stand

    def __init__(self, width, heads, plain):
        super().__init__()
        self.heads, self.plain = heads, plain
        self.c_attn = Linear(width, 3 * width)
        self.c_proj = Linear(width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (s.view(b, t, self.heads, -1).transpose(1, 2)
                   for s in self.c_attn(x).split(c, dim=2))
        if self.plain:
            scores = q @ k.transpose(2, 3) / math.sqrt(c // self.heads)
            if self.causal:
                later = torch.ones(t, t, dtype=torch.bool, device=x.device).triu(1)
                scores = scores.masked_fill(later, float("-inf"))
            y = scores.softmax(-1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.c_proj(y.transpose(1, 2).reshape(b, t, c))


class MLP(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.c_fc = Linear(width, inner)
        self.c_proj = Linear(inner, width)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, width, heads, inner, eps, plain):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps)
        self.attn = Attention(width, heads, plain)
        self.ln_2 = nn.LayerNorm(width, eps)
        self.mlp = MLP(width, inner)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Body(nn.Module):
    def __init__(self, vocab, context, layers, heads, width, inner, eps, plain):
        super().__init__()
        self.wte = nn.Embedding(vocab, width)
        self.wpe = nn.Embedding(context, width)
        self.h = nn.ModuleList(Block(width, heads, inner, eps, plain) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width, eps)

    def forward(self, ids):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1], device=ids.device))
        for block in self.h:
            x = block(x)
        return self.ln_f(x)


class GPT2(nn.Module):
    """No dropout: what is compared and timed here is deterministic."""

    def __init__(self, vocab, context, layers, heads, width, inner=None, eps=1e-5, plain=False):
        super().__init__()
        self.transformer = Body(vocab, context, layers, heads, width, inner or 4 * width, eps, plain)
        for name, parameter in self.named_parameters():
            if name.endswith("weight") and "ln_" not in name:
                scale = math.sqrt(2 * layers) if name.endswith("c_proj.weight") else 1
                nn.init.normal_(parameter, std=0.02 / scale)

    @classmethod
    def from_config(cls, config):
        """config: what a GPT-2 config.json holds."""
        activation = config.get("activation_function", "gelu_new")
        if activation not in ("gelu_new", "gelu_pytorch_tanh"):
            raise ValueError(f"activation_function {activation!r}: only the tanh GELU is written here")
        if not config.get("tie_word_embeddings", True):
            raise ValueError("tie_word_embeddings false: only the tied head is written here")
        return cls(config["vocab_size"], config["n_positions"], config["n_layer"],
                   config["n_head"], config["n_embd"], config.get("n_inner"),
                   config.get("layer_norm_epsilon", 1e-5))

    def forward(self, ids):
        return F.linear(self.transformer(ids), self.transformer.wte.weight)

    def loss(self, window, reduction="mean"):
        """window: [B, T+1] ids; position i predicts id i + 1."""
        logits = self(window[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten(), reduction=reduction)

"""A tiny Marian model, the Transformer of the original paper, with reference values:
python tools/golden/marian.py tests/golden/models"""
import sys

import torch
from safetensors.torch import save_file
from transformers import MarianConfig, MarianMTModel

torch.manual_seed(5)
model = MarianMTModel(MarianConfig(
    vocab_size=48, d_model=16, encoder_layers=2, decoder_layers=3, encoder_attention_heads=2,
    decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=32,
    activation_function="swish", scale_embedding=True, pad_token_id=47, eos_token_id=0,
    decoder_start_token_id=47, forced_eos_token_id=None, init_std=0.1)).eval()
with torch.no_grad():
    for p in model.parameters():
        if p.requires_grad:
            p.mul_(3) if p.dim() > 1 else p.add_(0.1 * torch.randn_like(p))
    model.final_logits_bias.copy_(torch.randn_like(model.final_logits_bias))
inputs = {"input_ids": torch.randint(1, 47, (2, 13)), "attention_mask": torch.ones(2, 13).long()}
inputs["input_ids"][1, 8:] = 47
inputs["attention_mask"][1, 8:] = 0
labels = torch.randint(1, 47, (2, 9))
labels[0, 8], labels[1, 6:] = 0, -100
decoder = torch.cat([torch.full((2, 1), 47), labels[:, :-1].clamp(min=0)], 1)
inputs["decoder_input_ids"] = decoder
folder = sys.argv[1] + "/marian-tiny"
model.save_pretrained(folder)
out = model(**inputs, labels=labels, output_hidden_states=True)
save = dict(inputs, labels=labels, logits=out.logits, hidden=out.decoder_hidden_states[-1],
            loss=out.loss.reshape(1))
out.loss.backward()
save.update({"grad." + n: p.grad for n, p in model.named_parameters() if p.requires_grad})
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, eps=1e-8, weight_decay=0.1)
losses = []
for _ in range(10):
    optimizer.zero_grad()
    loss = model(**inputs, labels=labels).loss
    losses.append(loss.item())
    loss.backward()
    optimizer.step()
save["adamw.losses"] = torch.tensor(losses)
save_file({k: v.detach().clone().contiguous() for k, v in save.items()},
          folder + "/golden.safetensors")

"""Attention weights and masked heads of every model in tests/golden/models, made with transformers:

    python tools/golden/attention.py tests/golden/models [NAME...]

writes NAME/attention.safetensors: the batch of NAME/golden.safetensors, head_mask [N, H], and with it
attentions.0 to N - 1 [B, H, T, S] (of encoder-decoders the encoder's, the decoder's to its own text, the
decoder's to the source), logits, hidden, loss, and the gradients of parameters that are not large. The first GPTs
are given token types too, which are more words there.
Later versions of transformers have no head_mask: here it is a factor of each head's channels before
they are projected, which is the same, since they are linear in the weights.

    python tools/golden/attention.py --task tests/golden/tasks/fill-mask

writes attention.jsonl there, what tuff attention --json prints for "the river is old", "it is new".
"""
import json
import os
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file

PROJECTIONS = ("attn.c_proj", "self_attention.dense", "attn.attention.out_proj", "self_attn.o_proj",
               "attention.output.dense", "self_attn.out_proj", "encoder_attn.out_proj")


def make(folder):
    config = transformers.AutoConfig.from_pretrained(folder)
    kind = getattr(transformers, config.architectures[0])
    model = kind.from_pretrained(folder, attn_implementation="eager").float().eval()
    golden = load_file(folder + "/golden.safetensors")
    inputs = {k: golden[k] for k in ("input_ids", "attention_mask", "position_ids", "token_type_ids",
                                     "labels", "next_sentence_label", "decoder_input_ids")
              if k in golden}
    if config.model_type in ("gpt2", "openai-gpt", "gpt_neo"):  # in the table of tokens
        torch.manual_seed(7)
        inputs["token_type_ids"] = torch.randint(0, config.vocab_size, inputs["input_ids"].shape)
    found = [(n, m) for n, m in model.named_modules() if n.endswith(PROJECTIONS)]
    found = [x for x in found if "encoder_attn" not in x[0]] + [x for x in found
                                                                if "encoder_attn" in x[0]]
    heads = config.num_attention_heads
    torch.manual_seed(len(found) + heads)
    mask = torch.rand(len(found), heads) * 2
    mask[0, 1], mask[-1, 0] = 0, 1

    def masked(row):
        def hook(module, args):
            x = args[0]
            return ((x.unflatten(-1, (heads, -1)) * row[:, None]).flatten(-2),)
        return hook

    for (_, module), row in zip(found, mask):
        module.register_forward_pre_hook(masked(row))
    out = model(**inputs, output_attentions=True, output_hidden_states=True)
    if config.is_encoder_decoder:
        weights = out.encoder_attentions + out.decoder_attentions + out.cross_attentions
        hidden = out.decoder_hidden_states[-1]
    else:
        weights, hidden = out.attentions, out.hidden_states[-1]
    assert len(weights) == len(found)
    save = dict(inputs, head_mask=mask, hidden=hidden)
    save.update({f"attentions.{i}": w * mask[i][:, None, None] for i, w in enumerate(weights)})
    if hasattr(out, "prediction_logits"):
        save["logits"], save["sentence_logits"] = out.prediction_logits, out.seq_relationship_logits
    else:
        save["logits"] = out.logits if hasattr(out, "logits") else out.pooler_output
    if "labels" in inputs:
        out.loss.backward()
        save["loss"] = out.loss.reshape(1)
        save.update({"grad." + n: p.grad for n, p in model.named_parameters()
                     if p.grad is not None and p.numel() <= 2000 and "embed_positions" not in n})
    save_file({k: v.detach().clone().contiguous() for k, v in save.items()},
              folder + "/attention.safetensors")
    print(folder, len(found), "attentions")


def task(folder):
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=folder + "/tokenizer.json",
                                                     model_input_names=["input_ids", "token_type_ids"])
    model = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    inputs = tokenizer("the river is old", "it is new", return_tensors="pt")
    weights = model(**inputs, output_attentions=True).attentions
    ids = inputs["input_ids"][0].tolist()
    maps = [{"layer": i, "head": h, "weights": layer[0, h].tolist()}
            for i, layer in enumerate(weights) for h in range(layer.size(1))]
    with open(folder + "/attention.jsonl", "w") as f:
        f.write(json.dumps({"ids": ids, "tokens": tokenizer.convert_ids_to_tokens(ids),
                            "maps": maps}) + "\n")


if sys.argv[1] == "--task":
    task(sys.argv[2])
    sys.exit()
for name in sys.argv[2:] or sorted(os.listdir(sys.argv[1])):
    if os.path.exists(f"{sys.argv[1]}/{name}/golden.safetensors"):
        make(f"{sys.argv[1]}/{name}")

"""Reference values of small random language models, made with transformers.

    python tools/golden/make_model.py tests/golden/models [NAME...]

writes NAME/config.json, model.safetensors and golden.safetensors for each row of FAMILIES. What is in a
golden file: input_ids, attention_mask (padded on the left of row 1), position_ids where the model has a
table of positions, labels; logits, hidden (the last of hidden_states), loss, grad.<parameter>;
adamw.losses (ten steps: lr 1e-3, betas 0.9 0.999, eps 1e-8, decay 0.1 on everything); prompt and its
greedy and beam continuations (4 beams, 2 returned, length penalty 1, no end token).
"""
import os
import sys

import torch
import transformers
from safetensors.torch import save_file

T, VOCAB = 12, 80
SMALL = dict(vocab_size=VOCAB, hidden_size=24, intermediate_size=40, num_hidden_layers=2,
             num_attention_heads=3, num_key_value_heads=1, max_position_embeddings=64,
             attention_dropout=0.0, pad_token_id=None, bos_token_id=1, eos_token_id=2)
GPT = dict(vocab_size=VOCAB, n_embd=24, n_layer=2, n_head=3, n_positions=64)
OLD = 16  # the context a scaled model was trained for

# name: configuration class, its settings
FAMILIES = {
    "gpt1": ("OpenAIGPTConfig", GPT),
    "bloom": ("BloomConfig", dict(vocab_size=VOCAB, hidden_size=24, n_layer=2, n_head=3)),
    "bloom-post": ("BloomConfig", dict(vocab_size=VOCAB, hidden_size=20, n_layer=2, n_head=5,
                                       apply_residual_connection_post_layernorm=True)),
    "gpt-neo": ("GPTNeoConfig", dict(vocab_size=VOCAB, hidden_size=24, num_layers=2, num_heads=3,
                                     max_position_embeddings=64, window_size=5,
                                     attention_types=[[["global", "local"], 1]])),
    "llama": ("LlamaConfig", SMALL),
    "llama-bias": ("LlamaConfig", dict(SMALL, attention_bias=True, mlp_bias=True, head_dim=12,
                                       tie_word_embeddings=True)),
    "llama3": ("LlamaConfig", dict(SMALL, head_dim=16, rope_parameters=dict(
        rope_type="llama3", rope_theta=100.0, factor=4.0, low_freq_factor=1.0,
        high_freq_factor=4.0, original_max_position_embeddings=OLD))),
    "llama-linear": ("LlamaConfig", dict(SMALL, rope_parameters=dict(
        rope_type="linear", rope_theta=10000.0, factor=4.0))),
    "llama-dynamic": ("LlamaConfig", dict(SMALL, max_position_embeddings=10, rope_parameters=dict(
        rope_type="dynamic", rope_theta=10000.0, factor=4.0))),
    "llama-yarn": ("LlamaConfig", dict(SMALL, head_dim=16, rope_parameters=dict(
        rope_type="yarn", rope_theta=10000.0, factor=4.0,
        original_max_position_embeddings=OLD))),
    "mistral": ("MistralConfig", dict(SMALL, sliding_window=5)),
    "qwen2": ("Qwen2Config", dict(SMALL, sliding_window=5, use_sliding_window=True,
                                  max_window_layers=1)),
    "qwen3": ("Qwen3Config", dict(SMALL, head_dim=12)),
    "gemma2": ("Gemma2Config", dict(SMALL, head_dim=12, sliding_window=5, query_pre_attn_scalar=10,
                                    attn_logit_softcapping=2.0, final_logit_softcapping=3.0)),
    "gemma3": ("Gemma3TextConfig", dict(SMALL, head_dim=12, sliding_window=5,
                                        query_pre_attn_scalar=10, layer_types=[
                                            "sliding_attention", "full_attention"],
                                        rope_parameters={
                                            "sliding_attention": dict(rope_type="default",
                                                                      rope_theta=100.0),
                                            "full_attention": dict(rope_type="linear", factor=2.0,
                                                                   rope_theta=10000.0)})),
}
POSITIONS = ("gpt2", "openai-gpt", "gpt_neo")


def make_model(name):
    kind, settings = FAMILIES[name]
    config = getattr(transformers, kind)(**settings)
    config._attn_implementation = "eager"
    torch.manual_seed(sum(map(ord, name)))
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for p in model.parameters():  # norms and biases must matter, too
            p.copy_(torch.randn_like(p) * 0.1 + (p if p.dim() < 2 else 4 * p))
    return model.float().eval()


def make_batch(model):
    batch = {"input_ids": torch.randint(3, VOCAB, (2, T)),
             "attention_mask": torch.ones(2, T, dtype=torch.long)}
    batch["attention_mask"][1, :4] = 0
    if model.config.model_type in POSITIONS:
        batch["position_ids"] = (batch["attention_mask"].cumsum(1) - 1).clamp(min=0)
    labels = batch["input_ids"].clone()
    labels[batch["attention_mask"] == 0] = -100
    labels[1, 4] = -100  # what a padded position would predict
    labels[0, 7] = -100
    return batch, labels


def forward(model, batch, labels):
    return model(**batch, labels=labels, output_hidden_states=True)


def make(name, folder):
    model = make_model(name)
    model.config.dtype = torch.float32
    model.save_pretrained(folder)
    batch, labels = make_batch(model)
    golden = dict(batch, labels=labels)
    out = forward(model, batch, labels)
    out.loss.backward()
    golden.update(logits=out.logits.detach(), hidden=out.hidden_states[-1].detach(),
                  loss=out.loss.detach().reshape(1))
    for key, p in model.named_parameters():
        if p.grad is not None:
            golden["grad." + key] = p.grad.clone()
    prompt = torch.randint(3, VOCAB, (1, 9))
    usual = dict(attention_mask=torch.ones_like(prompt), max_new_tokens=24, min_new_tokens=24,
                 do_sample=False, eos_token_id=None, pad_token_id=0)
    golden["prompt"] = prompt
    golden["greedy"] = model.generate(prompt, **usual)
    beam = model.generate(prompt, **usual, num_beams=4, num_return_sequences=2, length_penalty=1.0,
                          return_dict_in_generate=True, output_scores=True)
    golden["beam"], golden["beam_scores"] = beam.sequences, beam.sequences_scores
    model = make_model(name)  # a fresh one: dynamic RoPE remembers the longest text it saw
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8,
                                  weight_decay=0.1)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = forward(model, batch, labels).loss
        losses.append(loss.detach())
        loss.backward()
        optimizer.step()
    golden["adamw.losses"] = torch.stack(losses)
    save_file({k: v.contiguous() for k, v in golden.items()},
              os.path.join(folder, "golden.safetensors"))
    if os.path.exists(os.path.join(folder, "generation_config.json")):
        os.remove(os.path.join(folder, "generation_config.json"))
    print(name, sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder)), "bytes")


if __name__ == "__main__":
    for n in sys.argv[2:] or FAMILIES:
        make(n, os.path.join(sys.argv[1], n + "-tiny"))

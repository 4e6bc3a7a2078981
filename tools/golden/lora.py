"""LoRA adapters with PEFT's numbers for tests/models/lora.c: for each base an adapter (random A and B) with the
logits, the loss, the gradients of A and B, their values after three AdamW steps, and a merged weight.
    python tools/golden/lora.py tests/golden/models tests/golden/lora
Made with peft 0.21.2, transformers 5.24, torch 2.15 on the CPU, in double where the model allows: the values
are rounded to float32 once."""
import json
import pathlib
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

# base, settings, the layer whose merged weight is kept
CASES = [
    ("gpt2-tiny", dict(r=4, lora_alpha=8, target_modules=["c_attn", "c_fc", "mlp.c_proj"], fan_in_fan_out=True),
     "transformer.h.1.mlp.c_fc"),
    ("bloom-tiny", dict(r=3, lora_alpha=5, use_rslora=True,
                        target_modules=["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]),
     "transformer.h.0.self_attention.query_key_value"),
    ("llama-tiny", dict(r=8, lora_alpha=16, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj",
                                                            "up_proj", "down_proj"]),
     "model.layers.1.self_attn.v_proj"),
    ("gpt2-tiny", dict(r=4, lora_alpha=8, use_dora=True, target_modules=["c_attn", "c_fc", "mlp.c_proj"],
                       fan_in_fan_out=True), "transformer.h.1.mlp.c_fc"),
    ("bloom-tiny", dict(r=2, lora_alpha=4, use_dora=True, target_modules=["query_key_value", "dense_4h_to_h"]),
     "transformer.h.0.self_attention.query_key_value"),
    ("llama-tiny", dict(r=4, lora_alpha=4, use_dora=True, use_rslora=True,
                        target_modules=["q_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]),
     "model.layers.1.self_attn.v_proj"),
]


def short(name):
    return name.replace(".default", "").replace("magnitude_vector.weight", "magnitude_vector")


def make(models, out, base, settings, kept):
    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_pretrained(models / base, attn_implementation="eager").double().eval()
    vocab = model.config.vocab_size
    peft = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings)).double()
    adapters = {k: p for k, p in peft.named_parameters() if "lora_" in k}
    for k, p in adapters.items():  # float32 values, so that the file holds them exactly
        random = torch.randn(p.shape)
        p.data = (p.data * (1 + 0.2 * random) if "magnitude" in k else random * 0.3).float().double()
    peft.eval()
    folder = out / (base + "-dora" if settings.get("use_dora") else base)
    folder.mkdir(parents=True, exist_ok=True)
    start = {short(k): p.detach().float().contiguous() for k, p in adapters.items()}
    save_file(start, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = peft.peft_config["default"].to_dict()
    config["base_model_name_or_path"] = base
    config["inference_mode"] = True
    config = {k: sorted(v) if isinstance(v, set) else v for k, v in config.items()}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, default=str, sort_keys=True) + "\n")

    ids = torch.randint(vocab, (2, 9))
    golden = {"ids": ids.int()}
    matrices = [p for p in adapters.values() if p.dim() > 1]
    magnitudes = [p for p in adapters.values() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices}, {"params": magnitudes, "weight_decay": 0}], lr=1e-2,
                                  betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    for step in range(3):
        logits = peft(ids[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, vocab), ids[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            golden["logits"] = logits.detach().float()
            for k, p in adapters.items():
                golden["grad." + short(k)] = p.grad.float()
            first = {k: p.data.clone() for k, p in adapters.items()}
        golden[f"loss.{step}"] = loss.detach().float().reshape(1)
        optimizer.step()
    for k, p in adapters.items():
        golden["after." + short(k)] = p.detach().float()
        p.data = first[k]
    weight = dict(peft.merge_and_unload().named_modules())[kept].weight
    golden["merged." + kept + ".weight"] = weight.detach().float()
    save_file({k: v.contiguous() for k, v in golden.items()}, folder / "golden.safetensors")
    print(base, len(adapters), "matrices, loss", *(f"{golden[f'loss.{i}'].item():.5f}" for i in range(3)))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for case in CASES:
        make(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *case)

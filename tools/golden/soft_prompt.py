"""Soft prompts with PEFT's numbers for tests/models/soft_prompt.c: for each base a prompt and a prefix, as PEFT saves
them, with the logits, the loss, the gradient and the values after three AdamW steps; for classifiers, of which one
text is padded, the gradients of the head too and no steps.
    python tools/golden/soft_prompt.py tests/golden/models tests/golden/soft_prompt
Made with peft 0.21.2, transformers 5.24, torch 2.15 on the CPU, in double: the values are rounded to float32 once."""
import inspect
import pathlib
import sys

import torch
from peft import PrefixTuningConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import save_file
from transformers import (AutoModelForCausalLM, BertForSequenceClassification, BertForTokenClassification, BertModel)

KINDS = {"prompt": PromptTuningConfig, "prefix": PrefixTuningConfig}
CASES = [("gpt2-tiny", "prompt", 3), ("gpt2-tiny", "prefix", 3), ("llama-tiny", "prompt", 4),
         ("llama-tiny", "prefix", 5), ("bloom-tiny", "prompt", 2)]


def make(models, out, base, kind, tokens):
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_pretrained(models / base, attn_implementation="eager").double().eval()
    vocab = model.config.vocab_size
    peft = get_peft_model(model, KINDS[kind](task_type="CAUSAL_LM", num_virtual_tokens=tokens)).double().eval()
    learnt = peft.prompt_encoder["default"].embedding.weight
    learnt.data = (torch.randn(learnt.shape) * 0.3).float().double()  # the file holds these exactly
    folder = out / f"{base}-{kind}"
    peft.float().save_pretrained(folder)
    (folder / "README.md").unlink()
    peft.double()
    learnt = peft.prompt_encoder["default"].embedding.weight
    ids = torch.randint(vocab, (2, 9))
    golden = {"ids": ids.int()}
    optimizer = torch.optim.AdamW([learnt], lr=1e-2, betas=(0.9, 0.95), eps=1e-8, weight_decay=0)
    for step in range(3):
        logits = peft(input_ids=ids[:, :-1], attention_mask=torch.ones(2, 8, dtype=torch.long)).logits
        logits = logits[:, -8:]
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, vocab), ids[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            golden["logits"] = logits.detach().float()
            golden["grad.prompt_embeddings"] = learnt.grad.float()
        golden[f"loss.{step}"] = loss.detach().float().reshape(1)
        optimizer.step()
    golden["after.prompt_embeddings"] = learnt.detach().float()
    save_file({k: v.contiguous() for k, v in golden.items()}, folder / "golden.safetensors")
    print(base, kind, tuple(learnt.shape), *(f"{golden[f'loss.{i}'].item():.5f}" for i in range(3)))


# transformers 5 calls past_key_values "cache" and takes both; peft looks for the former in the signature of BertModel.
def name_the_cache():
    shown = inspect.signature(BertModel.forward)
    more = inspect.Parameter("past_key_values", inspect.Parameter.KEYWORD_ONLY, default=None)
    names = [p for p in shown.parameters.values() if p.kind != inspect.Parameter.VAR_KEYWORD]
    BertModel.forward.__signature__ = shown.replace(parameters=names + [more])


def make_classifier(models, out, base, kind, tokens):
    torch.manual_seed(11)
    of_tokens = "tokens" in base
    family = BertForTokenClassification if of_tokens else BertForSequenceClassification
    model = family.from_pretrained(models / base, attn_implementation="eager")
    peft = get_peft_model(model, KINDS[kind](task_type="TOKEN_CLS" if of_tokens else "SEQ_CLS", num_virtual_tokens=tokens))
    learnt = peft.prompt_encoder["default"].embedding.weight
    learnt.data = torch.randn(learnt.shape) * 0.3
    for name, p in peft.named_parameters():
        if "modules_to_save" in name:
            p.data = torch.randn(p.shape) * 0.2
    folder = out / f"{base}-{kind}"
    peft.save_pretrained(folder)
    (folder / "README.md").unlink()
    peft.double().eval()
    ids, lengths = torch.randint(model.config.vocab_size, (2, 9)), torch.tensor([8, 5])
    mask = (torch.arange(8) < lengths[:, None]).long()
    golden = {"ids": ids.int(), "lengths": lengths.int()}
    logits = peft(input_ids=ids[:, :-1], attention_mask=mask).logits
    if of_tokens:
        logits = logits[:, -8:]
        labels = torch.where(mask > 0, ids[:, 1:] % model.config.num_labels, -1)
        golden["labels"] = labels.int()
        loss = torch.nn.functional.cross_entropy(logits.reshape(16, -1), labels.reshape(-1), ignore_index=-1)
    else:
        values = torch.randint(2, logits.shape).double()
        golden["values"] = values.float()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, values)
    loss.backward()
    # Padding's logits are nobody's.
    golden["logits"] = logits.detach().float()
    golden["loss.0"] = loss.detach().float().reshape(1)
    for name, p in peft.named_parameters():
        if p.requires_grad:
            name = "prompt_embeddings" if "prompt_encoder" in name else name.replace("modules_to_save.default.", "")
            golden["grad." + name] = p.grad.float()
    save_file({k: v.contiguous() for k, v in golden.items()}, folder / "golden.safetensors")
    print(base, kind, tuple(learnt.shape), f"{golden['loss.0'].item():.5f}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for case in CASES:
        make(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *case)
    name_the_cache()
    for base in ("bert-labels-tiny", "bert-tokens-tiny"):
        for kind in KINDS:
            make_classifier(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), base, kind, 3)

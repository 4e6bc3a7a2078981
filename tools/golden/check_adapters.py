"""PEFT reads the adapters that Tuff trained: LoRA, rsLoRA, DoRA, a prompt and a prefix over small models; the last step
folder is loaded by PeftModel with no tensor missing, and continues texts greedily as `tuff generate --adapter` does;
the weights that `tuff merge` makes are those of merge_and_unload.

    python tools/golden/check_adapters.py build/tuff tests/golden/models SCRATCH
"""
import json
import os
import shutil
import subprocess
import sys

import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

TUFF, MODELS, SCRATCH = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3]
shutil.rmtree(SCRATCH, ignore_errors=True)
os.makedirs(SCRATCH)
os.chdir(SCRATCH)
KINDS = {"lora": ["--lora", "r=4,alpha=8"], "rslora": ["--lora", "r=4,rslora"], "dora": ["--lora", "r=4,dora"],
         "prompt": ["--prompt-tuning", "4"], "prefix": ["--prefix-tuning", "4"]}
PROMPTS = ["Line 7", "of the", "Line 31 of"]


def run(*args):
    r = subprocess.run([TUFF, *args], capture_output=True, text=True)
    assert r.returncode == 0, (args, r.stderr)
    return r.stdout


with open("text.txt", "w") as f:
    f.writelines(f"Line {i} of the text.\n" for i in range(500))
for name in ("gpt2-tiny", "llama-tiny", "bloom-tiny", "qwen3-tiny"):
    config = AutoConfig.from_pretrained(f"{MODELS}/{name}", vocab_size=400, bos_token_id=None, eos_token_id=0)
    torch.manual_seed(3)
    base = name
    AutoModelForCausalLM.from_config(config).save_pretrained(base)
    run("tokenizer", "train", "--quiet", "--vocab-size", "400", "--out", base, "text.txt")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{base}/tokenizer.json")
    for kind, words in KINDS.items():
        out = f"{name}-{kind}"
        run("train", "--quiet", "--init", base, "--data", "text.txt", "--tokenizer", base, "--out", out, *words,
            "--context", "24", "--batch", "4", "--steps", "30", "--lr", "1e-2")
        folder = f"{out}/{open(out + '/last').read().strip()}"
        model = AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager").eval()
        peft = PeftModel.from_pretrained(model, folder).eval()
        loaded = peft.load_adapter(folder, adapter_name="again")
        assert not [k for k in loaded.missing_keys if ".again." in k], loaded.missing_keys
        learnt = ["prompt_embeddings"] if kind.startswith("pr") else []  # which PEFT takes out by hand
        assert loaded.unexpected_keys == learnt, loaded.unexpected_keys
        for prompt in PROMPTS:
            ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
            for _ in range(12):  # by forward passes: PEFT's generate counts positions of its own with a prompt
                with torch.no_grad():
                    logits = peft(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -1]
                logits[0] = -torch.inf  # the end
                ids = torch.cat([ids, logits.argmax().reshape(1, 1)], 1)
            got = json.loads(run("generate", "--quiet", "--json", "--greedy", "--model", base, "--adapter", folder,
                                 "--prompt", prompt, "--max-new-tokens", "12", "--min-new-tokens", "12").splitlines()[-1])
            assert got["ids"][-12:] == ids[0, -12:].tolist(), (name, kind, prompt, got["ids"], ids[0].tolist())
        line = f"{len(PROMPTS)} texts"
        if kind in ("lora", "rslora", "dora"):
            run("merge", "--quiet", "--model", base, "--adapter", folder, "--out", out + "-merged")
            ours = AutoModelForCausalLM.from_pretrained(out + "-merged").state_dict()
            theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder).merge_and_unload()
            off = max((ours[k] - v).abs().max().item() for k, v in theirs.state_dict().items())
            assert off < 1e-6, (name, kind, off)
            line += f", merged weights within {off:.1e}"
        print(name, kind, "equal:", line, flush=True)

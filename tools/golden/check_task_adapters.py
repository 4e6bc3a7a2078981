"""PEFT reads the adapters that Tuff trained on a task: classifiers of texts and of tokens over small BERTs, with and
without a pooler in the checkpoint, whose heads are in modules_to_save; masked words. The step folder is loaded by PeftModel
with no tensor missing and gives the same log-probabilities as `tuff classify --adapter`, and as what `tuff merge` made,
loaded by transformers; prompts and prefixes of classifiers likewise, but for merging. The other way round Tuff classifies
with what PEFT saved.

    python tools/golden/check_task_adapters.py build/tuff SCRATCH
"""
import json
import math
import os
import shutil
import subprocess
import sys

import torch
from peft import LoraConfig, PeftModel, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from soft_prompt import name_the_cache
from transformers import (BertConfig, BertForMaskedLM, BertForSequenceClassification, BertForTokenClassification, BertModel,
                          PreTrainedTokenizerFast, logging)

logging.set_verbosity_error()
TUFF, SCRATCH = os.path.abspath(sys.argv[1]), sys.argv[2]
shutil.rmtree(SCRATCH, ignore_errors=True)
os.makedirs(SCRATCH)
os.chdir(SCRATCH)
TEXTS = ["a great song", "the awful book was dull", "this film felt nice"]
CLASSES = {"classification": BertForSequenceClassification, "token-classification": BertForTokenClassification}
TYPES = {"classification": "SEQ_CLS", "token-classification": "TOKEN_CLS"}


def run(*args):
    r = subprocess.run([TUFF, *args], capture_output=True, text=True)
    assert r.returncode == 0, (args, r.stderr)
    return r.stdout


def write_data():
    moods, others = "good fine great nice bad poor awful dull".split(), "the a this film book song was felt".split()
    with open("texts.jsonl", "w") as texts, open("words.jsonl", "w") as words:
        for i in range(120):
            line = [moods[i % 2 * 4 + (i * 7 + k) % 4] if k % 3 == 1 else others[(i * 5 + k * 3) % 8] for k in range(6)]
            texts.write(json.dumps({"text": " ".join(line), "label": ["up", "down", "none"][i % 2 + (i % 7 == 0)]}) + "\n")
            words.write(json.dumps({"text": line, "label": ["MOOD" if w in moods else "OTHER" for w in line]}) + "\n")
    with open("plain.txt", "w") as f:
        f.writelines(json.loads(line)["text"] + "\n" for line in open("texts.jsonl"))


def make_bases():
    config = BertConfig(vocab_size=80, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                        max_position_embeddings=32, initializer_range=0.2)
    torch.manual_seed(3)
    for name, kind in (("masked", BertForMaskedLM), ("pooled", BertModel)):
        kind(config).save_pretrained(name)
        run("tokenizer", "train", "--quiet", "--type", "wordpiece", "--vocab-size", "80", "--out", name, "plain.txt")
    return PreTrainedTokenizerFast(tokenizer_file="masked/tokenizer.json")


def ours(task, *words):
    """Log-probabilities: of texts all by label, of tokens that of the likeliest."""
    out = []
    for text in TEXTS:
        p = subprocess.run([TUFF, "classify", "--quiet", "--jsonl", *words], input=json.dumps({"text": text}) + "\n",
                           capture_output=True, text=True)
        assert p.returncode == 0, (words, p.stderr)
        found = json.loads(p.stdout)
        out += [(o["label"], math.log(o["score"])) for o in sorted(found["labels"], key=lambda o: o["label"])] \
            if task == "classification" else [(o["entity"], math.log(o["score"])) for o in found["tokens"]]
    return out


def theirs(task, model, names):
    out = []
    for text in TEXTS:
        with torch.no_grad():
            batch = tokenizer(text, return_tensors="pt")
            p = model.eval()(**batch).logits[0].log_softmax(-1)
        if task == "classification":
            out += sorted((names[i], x.item()) for i, x in enumerate(p))
        else:
            p = p[-batch.input_ids.shape[1]:]  # behind virtual tokens
            out += [(names[row.argmax().item()], row.max().item()) for row in p[1:-1]]
    return out


def compare(a, b, *what):
    assert len(a) == len(b) > 5 and all(x[0] == y[0] for x, y in zip(a, b)), (what, a, b)
    off = max(abs(x[1] - y[1]) for x, y in zip(a, b))
    assert off < 1e-5, (what, off)
    return off


def check_ours(task, base, kind, words):
    out, data = f"{task}-{base}-{kind}", "texts.jsonl" if task == "classification" else "words.jsonl"
    soft = kind in ("prompt", "prefix")
    run("train", "--quiet", "--task", task, "--init", base, "--data", data, "--out", out,
        *((f"--{kind}-tuning", words) if soft else ("--lora", words)), "--epochs", "3", "--batch", "12",
        "--lr", "1e-1" if soft else "1e-2", "--dropout", "0")
    folder = f"{out}/{open(out + '/last').read().strip()}"
    config = json.load(open(folder + "/config.json"))
    names = {int(k): v for k, v in config["id2label"].items()}
    model = CLASSES[task].from_pretrained(base, num_labels=len(names), id2label=names, label2id=config["label2id"])
    peft = PeftModel.from_pretrained(model, folder)
    if not soft:
        loaded = peft.load_adapter(folder, adapter_name="again")
        assert not [k for k in loaded.missing_keys if ".again." in k], loaded.missing_keys
        assert not loaded.unexpected_keys, loaded.unexpected_keys
    got = ours(task, "--model", base, "--adapter", folder)
    offs = [compare(got, theirs(task, peft, names), out)]
    if not soft:
        run("merge", "--quiet", "--model", base, "--adapter", folder, "--out", out + "-merged")
        merged = CLASSES[task].from_pretrained(out + "-merged")
        assert merged.config.id2label == names, merged.config.id2label
        offs.append(compare(got, theirs(task, merged, names), out, "merged"))
    offs.append(compare(got, ours(task, "--model", folder), out, "by its folder"))
    assert kind != "all" or len({name for name, _ in got}) > 1, got
    print(task, base, kind, "Tuff's in PEFT:", len(got), "log-probabilities within", "%.1e" % max(offs), flush=True)


def check_peft(task, base, words, kind=LoraConfig):
    """Some steps by PyTorch; without labels' names in the adapter, they are LABEL_0 ..."""
    torch.manual_seed(5)
    model = CLASSES[task].from_pretrained(base, num_labels=3)
    peft = get_peft_model(model, kind(task_type=TYPES[task], **({"r": 4} if kind is LoraConfig else {}), **words))
    optimizer = torch.optim.AdamW([p for p in peft.parameters() if p.requires_grad], 1e-2)
    for i in range(10):
        batch = tokenizer(TEXTS[i % 3], return_tensors="pt")
        if task == "classification":
            labels = torch.tensor([i % 3])
        else:
            before = words.get("num_virtual_tokens", 0) * (kind is PromptTuningConfig)  # PEFT leaves these to the user
            labels = torch.cat([torch.full((1, before), -100), batch.input_ids % 3], 1)
        peft(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    out = "-".join(["peft", task, base, kind.__name__, *sorted(words)])
    peft.save_pretrained(out)
    off = compare(ours(task, "--model", base, "--adapter", out), theirs(task, peft, [f"LABEL_{i}" for i in range(3)]), out)
    print(out, "in Tuff: log-probabilities within %.1e" % off, flush=True)


def check_masked():
    run("train", "--quiet", "--task", "mlm", "--init", "masked", "--data", "plain.txt", "--out", "mlm", "--lora", "r=4",
        "--epochs", "3", "--batch", "12", "--context", "16", "--lr", "1e-2", "--dropout", "0")
    folder = f"mlm/{open('mlm/last').read().strip()}"
    peft = PeftModel.from_pretrained(BertForMaskedLM.from_pretrained("masked"), folder).eval()
    loaded = peft.load_adapter(folder, adapter_name="again")
    assert not [k for k in loaded.missing_keys if ".again." in k], loaded.missing_keys
    assert not loaded.unexpected_keys, loaded.unexpected_keys
    ids = tokenizer("this [MASK] was nice", return_tensors="pt")
    with torch.no_grad():
        p = peft(**ids).logits[0, 2].log_softmax(-1)
    line = subprocess.run([TUFF, "fill-mask", "--quiet", "--jsonl", "--top", "80", "--model", "masked", "--adapter", folder],
                          input='{"text": "this [MASK] was nice"}\n', capture_output=True, text=True)
    assert line.returncode == 0, line.stderr
    top = json.loads(line.stdout)["masks"][0]
    off = max(abs(math.log(o["score"]) - p[o["token"]].item()) for o in top)
    assert len(top) > 50 and off < 1e-5, (off, len(top))
    print("mlm: Tuff's in PEFT:", len(top), "log-probabilities within %.1e" % off, flush=True)


name_the_cache()
write_data()
tokenizer = make_bases()
for task in CLASSES:
    for base in ("masked", "pooled"):
        check_ours(task, base, "all", "r=4")
        check_ours(task, base, "dora", "r=2,alpha=4,dora,target=query+value")
        check_ours(task, base, "dense", "r=2,rslora,target=query+dense")
        check_ours(task, base, "prompt", "3")
        check_ours(task, base, "prefix", "4")
    for kind in (PromptTuningConfig, PrefixTuningConfig):
        check_peft(task, "pooled", {"num_virtual_tokens": 3}, kind)
    check_peft(task, "pooled", {"target_modules": ["query", "value"]})
    # PEFT itself fails with all-linear of tokens: it gives the classifier ranks and then saves it whole.
    check_peft(task, "pooled", {"target_modules": "all-linear" if task == "classification" else ["key", "output.dense"],
                                "use_dora": True})
    check_peft(task, "masked", {"target_modules": ["query", "dense"], "modules_to_save": ["pooler"], "lora_alpha": 3}
               if task == "classification" else {"target_modules": ["dense"]})
check_masked()

"""transformers reads what `tuff train --task` saved: a small BERT guesses masked words, then learns labels of texts
and of words; each last step folder is loaded as AutoModelFor... with no weight missing, left over or misshapen,
and log-probabilities of all labels, for a masked word of the whole vocabulary's best, are those that Tuff gives.

    python tools/golden/check_tasks.py build/tuff SCRATCH
"""
import json
import os
import shutil
import subprocess
import sys

import torch
import transformers

TUFF, SCRATCH = os.path.abspath(sys.argv[1]), sys.argv[2]
shutil.rmtree(SCRATCH, ignore_errors=True)
os.makedirs(SCRATCH)
os.chdir(SCRATCH)
GOOD, BAD, OTHER = "good fine great nice".split(), "bad poor awful dull".split(), "the a this film book song".split()


def run(*args, text=None):
    r = subprocess.run([TUFF, *args], input=text, capture_output=True, text=True)
    assert r.returncode == 0, (args, r.stderr)
    return r.stdout


def train(task, out, *args):
    run("train", "--quiet", "--task", task, "--out", out, "--epochs", "3", "--lr", "5e-3", "--batch", "8", *args)
    return f"{out}/{open(out + '/last').read().strip()}"


def load(kind, folder):
    model, info = kind.from_pretrained(folder, output_loading_info=True)
    wrong = {k: v for k, v in info.items() if v}
    assert not wrong, (folder, wrong)
    return model.eval(), transformers.AutoTokenizer.from_pretrained(folder)


def logits(model, tokenizer, text):
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt")).logits[0].double().log_softmax(-1)


def lines(command, folder, texts, *args):
    out = run(command, "--quiet", "--model", folder, "--jsonl", *args,
              text="".join(json.dumps({"text": t}) + "\n" for t in texts))
    return [json.loads(x) for x in out.splitlines()]


texts = []
for i in range(96):
    mood = (BAD if i % 2 else GOOD)
    words = [mood[(i * 7 + k) % 4] if k % 3 == 1 else OTHER[(i * 5 + k * 3) % 6] for k in range(3 + i % 5 * 4)]
    texts.append(words)
with open("reviews.jsonl", "w") as f, open("tags.jsonl", "w") as g, open("plain.txt", "w") as h:
    for i, words in enumerate(texts):
        tags = ["MOOD" if w in GOOD + BAD else "O" for w in words]
        f.write(json.dumps({"text": " ".join(words), "label": "down" if i % 2 else "up"}) + "\n")
        g.write(json.dumps({"text": words, "label": tags}) + "\n")
        h.write(" ".join(words) + "\n")
run("tokenizer", "train", "--quiet", "--type", "wordpiece", "--vocab-size", "80", "--out", "tok", "plain.txt")
json.dump({"model_type": "bert", "vocab_size": 80, "hidden_size": 32, "num_hidden_layers": 2,
           "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 32,
           "initializer_range": 0.1}, open("config.json", "w"))
held = ["a great song", "the awful book this dull film was felt a song", "this film"]

read = train("mlm", "read", "--data", "plain.txt", "--config", "config.json", "--tokenizer", "tok")
model, tokenizer = load(transformers.AutoModelForMaskedLM, read)
worst = 0
masked = ["this film was [MASK]", "a [MASK] book"]
for text, got in zip(masked, lines("fill-mask", read, masked, "--top", "5")):
    at = tokenizer(text)["input_ids"].index(tokenizer.mask_token_id)
    want = logits(model, tokenizer, text)[at]
    assert [x["token"] for x in got["masks"][0]] == want.topk(5).indices.tolist()
    worst = max([worst] + [abs(want[x["token"]] - torch.tensor(x["score"]).double().log()).item()
                           for x in got["masks"][0]])
print(f"{type(model).__name__}: log-probabilities differ by {worst:.1e}")
assert worst < 1e-5

judge = train("classification", "judge", "--data", "reviews.jsonl", "--init", "read")
model, tokenizer = load(transformers.AutoModelForSequenceClassification, judge)
worst = 0
for text, got in zip(held, lines("classify", judge, held)):
    want = logits(model, tokenizer, text)
    assert len(got["labels"]) == 2
    for x in got["labels"]:
        worst = max(worst, abs(want[model.config.label2id[x["label"]]].item() - torch.tensor(x["score"]).double().log().item()))
print(f"{type(model).__name__}: log-probabilities differ by {worst:.1e}, labels {model.config.id2label}")
assert worst < 1e-5

tag = train("token-classification", "tag", "--data", "tags.jsonl", "--init", "read")
model, tokenizer = load(transformers.AutoModelForTokenClassification, tag)
worst = n = 0
for text, got in zip(held, lines("classify", tag, held)):
    want = logits(model, tokenizer, text)
    for x in got["tokens"]:
        worst = max(worst, abs(want[x["index"]].max().item() - torch.tensor(x["score"]).double().log().item()))
        assert model.config.id2label[want[x["index"]].argmax().item()] == x["entity"]
        n += 1
print(f"{type(model).__name__}: log-probabilities of {n} words differ by {worst:.1e}")
assert n and worst < 1e-5

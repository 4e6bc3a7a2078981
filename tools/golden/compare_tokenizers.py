"""The command's tokenizers against the reference library's: pipelines of random components (normalizer, pre-tokenizer,
model, post-processor, decoder, added tokens, truncation, padding), as tests/golden/tokenizers/make.py makes
them for pipelines.jsonl, on random texts: Chinese, emoji, combining marks, controls. Everything an encoding
holds and the decoded text are compared.

    python tools/golden/compare_tokenizers.py build/tuff tests/golden/tokenizers SCRATCH [PIPELINES [SEED]]
"""
import json
import os
import random
import subprocess
import sys

TUFF, GOLDEN, SCRATCH = sys.argv[1:4]
PIPELINES, SEED = int((sys.argv[4:5] or [200])[0]), int((sys.argv[5:6] or [1])[0])
TEXTS = 12
source = open(f"{GOLDEN}/make.py", encoding="utf-8").read()
parts = source.split('if "--word-level-trained"')[0], source[source.index("BEHAVIORS ="):source.rindex("write(HERE, ")]
make = {"__file__": f"{os.path.abspath(GOLDEN)}/make.py", "__name__": "make"}
for part in parts:
    exec(part, make)
rng = make["rng"] = random.Random(SEED)
ALPHABETS = ["\U0001f600\U0001f468\u200d\U0001f469\u2764\ufe0f\U0001f1e9\U0001f1ea\U0001f3fd",
             "e\u0301o\u0308\u0327\u0323a\u20d7\u0345\u1ab0",
             "\u4e2d\u6587\u8bcd\u3002\uff0c\u3001\u300c\u300d\U00020000\uf900\u3400",
             "\uac00\u1100\u1161\u11a8\u3042\u30ab\uff76\uff9e",
             "\u0627\u0644\u0639\u064e\u0651\u05d0\u05b8\u0915\u094d\u0937\u093f\u0e01\u0e33",
             "\u00a0\u2003\u2028\u3000\u200b\ufeff\u0085\x0b\x1c\x00\x7f",
             "\ufb01\u00bd\u2460\uff21\u210c\u017f\u0130\u0131\u00df\u1e9e\u01c5\u03a3\u03c2",
             "abc ABC.,!?'0123456789 \n\t#\u2581\u0120"]


def text():
    """One of make.py's, or words of one alphabet or of all."""
    if rng.random() < 0.4:
        return make["odd_text"]()
    out = []
    for _ in range(rng.randint(0, 8)):
        letters = rng.choice(ALPHABETS + ["".join(ALPHABETS)])
        out.append("".join(rng.choice(letters) for _ in range(rng.randint(1, 9))))
        if rng.random() < 0.1:
            out[-1] += chr(rng.choice([rng.randrange(0x250, 0xd800), rng.randrange(0xe000, 0x30000)]))
        if rng.random() < 0.15:
            out[-1] += rng.choice(make["TOKENS"])
    return rng.choice(["", " ", "", "\n"]).join(out)


def tuff(action, tokenizer, lines):
    command = [TUFF, "tokenizer", action, "--tokenizer", tokenizer, "--jsonl"]
    text = "".join(json.dumps(x) + "\n" for x in lines)
    done = subprocess.run(command + ["--full"] * (action == "encode"), input=text, capture_output=True, text=True,
                          timeout=60)
    return [json.loads(x) for x in done.stdout.splitlines()], done.stderr


def main():
    os.makedirs(SCRATCH, exist_ok=True)
    cases = differences = refused = 0
    for i in range(PIPELINES):
        root = json.loads(make["pipeline"]())
        folder = f"{GOLDEN}/{root['model']}/tokenizer.json"
        whole = {**root["parts"], "model": json.load(open(folder, encoding="utf-8"))["model"]}
        path = f"{SCRATCH}/tokenizer.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(whole, file)
        tok = make["Tokenizer"].from_file(path)
        asked, want = [], []
        for _ in range(TEXTS):
            one = {"text": text(), **({"pair": text()} if rng.random() < 0.3 else {})}
            try:
                got = tok.encode(one["text"], one.get("pair"))
                want.append({**make["encoding"](got), "decoded": tok.decode(got.ids)})
                asked.append(one)
            except BaseException:  # some combinations are errors or panics there
                refused += 1
        got, errors = [], ""
        for one in asked:  # one by one: a batch would be padded together
            line, error = tuff("encode", path, [one])
            got += line or [{}]
            errors += error
        back, error = tuff("decode", path, [{"ids": x["ids"]} for x in want])
        for one, w, g, b in zip(asked, want, got, back or [{}] * len(asked)):
            cases += 1
            w = dict(w)
            decoded = w.pop("decoded")
            over = g.pop("overflowing", [])
            g["overflowing"] = [x["ids"] if isinstance(x, dict) else x for x in over]
            wrong = [k for k in w if w[k] != g.get(k)] + ([] if b.get("text") == decoded else ["decoded"])
            if wrong:
                differences += 1
                kept = f"{SCRATCH}/differs-{i}.json"
                os.path.exists(kept) or os.link(path, kept)
                print("DIFFERS", i, wrong, json.dumps(one), errors[:200])
                for k in wrong:
                    both = (decoded, b.get("text")) if k == "decoded" else (w[k], g.get(k))
                    print("   ", k, "reference", both[0], "tuff", both[1])
        os.remove(path)
    print(f"{PIPELINES} pipelines, {cases} texts, {differences} differ; {refused} the reference refuses")
    sys.exit(differences > 0)


if __name__ == "__main__":
    main()

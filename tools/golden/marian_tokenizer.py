"""A small Marian tokenizer as the hub has them (source.spm, target.spm, vocab.json) and what
transformers' MarianTokenizer makes of texts:
python tools/golden/marian_tokenizer.py tests/golden/tokenizers/marian
With --compare TUFF N instead of writing: a tokenizer with sentencepiece's default rules (nmt_nfkc) in
a temporary folder, N random texts, and the command tuff against transformers. Needs sentencepiece."""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

import sentencepiece
from transformers import MarianTokenizer

HERE = os.path.dirname(os.path.abspath(__file__)) + "/../../tests/golden/tokenizers/data/"
BOOK = open(HERE + "shakespeare-300k.txt", encoding="utf-8").read()
MANUAL = open(HERE + "chinese-manpages.txt", encoding="utf-8").read()
# Rules that start alike, rules over a letter and its accent, full width, blanks, one that deletes.
RULES = [("\ufb01", "fi"), ("\u3000", " "), ("\t", " "), ("\n", " "), ("\u00a0", " "),
         ("e\u0301", "\u00e9"), ("a\u0308", "\u00e4"), ("..", "\u2025"), ("...", "\u2026"),
         ("\u200b", ""), ("\u0132", "IJ")] + [(chr(0xff21 + i), chr(65 + i)) for i in range(26)]
CODES = [">>zh<<", ">>de<<", ">>cmn_Hans<<"]
rng = random.Random(4)


def train(path, text, size, rules, **more):
    with tempfile.TemporaryDirectory() as folder:
        if rules:
            with open(folder + "/rules.tsv", "w") as f:
                for a, b in rules:
                    f.write(" ".join(f"{ord(c):X}" for c in a) + "\t" +
                            " ".join(f"{ord(c):X}" for c in b) + "\n")
            more["normalization_rule_tsv"] = folder + "/rules.tsv"
        with open(folder + "/text", "w", encoding="utf-8") as f:
            f.write(text)
        sentencepiece.SentencePieceTrainer.train(
            input=folder + "/text", model_prefix=folder + "/m", vocab_size=size, minloglevel=2,
            num_threads=1, **more)
        shutil.copy(folder + "/m.model", path)


def make(folder, rules, size):
    os.makedirs(folder, exist_ok=True)
    train(folder + "/source.spm", BOOK[:60000], size, rules)
    train(folder + "/target.spm", MANUAL[:9000], 500, None, character_coverage=0.98,
          **({"normalization_rule_name": "identity"} if rules else {}))
    vocab = {"</s>": 0, "<unk>": 1}
    for name in ["target", "source"]:
        spm = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/{name}.spm")
        pieces = [spm.id_to_piece(i) for i in range(3, spm.get_piece_size())]
        for piece in pieces[:-9] if name == "source" else pieces:  # nine pieces have no id
            vocab.setdefault(piece, len(vocab))
    for token in CODES + ["<pad>"]:
        vocab[token] = len(vocab)
    json.dump(vocab, open(folder + "/vocab.json", "w"), indent=1)
    return MarianTokenizer.from_pretrained(folder)


def text():
    parts = []
    for _ in range(rng.randint(1, 6)):
        kind = rng.randint(0, 8)
        if kind < 2:
            at = rng.randrange(len(BOOK))
            parts.append(BOOK[at:at + rng.randint(1, 40)])
        elif kind < 4:
            at = rng.randrange(len(MANUAL))
            parts.append(MANUAL[at:at + rng.randint(1, 12)])
        elif kind == 4:
            parts.append(rng.choice([" ", "  ", "\n", "\t", "\u3000", "\u00a0", "\u200b", "\u2581",
                                     "...", "..", "....", "\x85", "\u2028"]) * rng.randint(1, 3))
        elif kind == 5:
            parts.append(rng.choice(CODES + ["</s>", "<unk>", "<pad>", "<s>", ">>xx<<", ">>", "<<",
                                             ">><<", ">> zh <<"]))
        elif kind == 6:
            parts.append(rng.choice(["cafe\u0301", "\u00e9", "na\u0308h", "a\u0308\u0301", "\ufb01sh",
                                     "\uff34\uff35\uff26\uff26", "\u0132", "\U0001f600", "\u0e01"]))
        elif kind == 7:
            parts.append("".join(chr(rng.randrange(0x21, 0x2fff)) for _ in range(4)))
        else:
            parts.append(rng.choice("ae .zQ\u4e2d") * rng.randint(1, 30))
    return "".join(parts)


FIXED = ["", " ", "  ", "\n", "Good morrow, my lord.", " two  blanks   inside ", "\u2581sign",
         "\u5b57\u7b26\u4e32", "A file: \u6587\u4ef6\u3002", ">>zh<<Good morrow", ">>zh<< Good morrow",
         ">>xx<< unknown code", "late >>zh<< code", ">>", ">><<", ">>never ends", " >>zh<< blank",
         "</s>", "a</s>b", "a </s> b", "<unk> and <pad>", "</s>>>zh<< after", "<s> control",
         "caf\u00e9 cafe\u0301 na\u00efve", "\U0001f600\U0001f600 smile", "....", "\ufb01nd",
         "\uff34\uff35\uff26\uff26", "x" * 300, "\u0e01\u0e02 \u0e03", "\u2581", " \u2581 "]


def case(tok, one):
    ids = tok(one).input_ids
    return {"text": one, "ids": ids, "tokens": tok.convert_ids_to_tokens(ids),
            "decoded": tok.decode(ids, skip_special_tokens=True), "kept": tok.decode(ids)}


if len(sys.argv) == 4 and sys.argv[1] == "--compare":
    with tempfile.TemporaryDirectory() as folder:
        tok = make(folder, None, 1500)
        texts = [t.replace("\0", "") for t in FIXED + [text() for _ in range(int(sys.argv[3]))]]
        bad = 0
        encode = [sys.argv[2], "tokenizer", "encode", "--tokenizer", folder, "--jsonl"]
        lines = "\n".join(json.dumps({"text": t}) for t in texts) + "\n"
        got = subprocess.run(encode, input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout
        for one, line in zip(texts, got.decode().splitlines(), strict=True):
            if json.loads(line)["ids"] != tok(one).input_ids:
                bad += 1
                print(repr(one), tok(one).input_ids, line)
        print(f"{len(texts)} texts, {bad} differ")
else:
    tok = make(sys.argv[1], RULES, 300)
    with open(sys.argv[1] + "/cases.jsonl", "w", encoding="utf-8") as f:
        for one in FIXED + [text() for _ in range(80)]:
            f.write(json.dumps(case(tok, one)) + "\n")

#!/usr/bin/env python3
"""Makes options/ and train/ beside this file with the reference library (pip install
tokenizers==0.23.1). Needed only to make them anew: building and testing use no Python.

options/<name>/   tokenizer.json and cases.jsonl: the vocabulary of bpe-trained with other
                  pre-tokenizers and added tokens
train/<name>/     corpus.txt, train.json (settings) and tokenizer.json (the result)"""
import json
import os
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
BOOK = open(HERE + "/data/shakespeare-300k.txt", encoding="utf-8").read()
MANUAL = open(HERE + "/data/chinese-manpages.txt", encoding="utf-8").read()
GPT4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+")
TOKENS = ["<|endoftext|>", "<a>", "<a>b", "[MASK]", "tok", " the", "é"]
rng = random.Random(20240917)


def text():
    parts = []
    for _ in range(rng.randint(1, 7)):
        kind = rng.randint(0, 7)
        if kind < 2:
            source = rng.choice([BOOK, MANUAL])
            start = rng.randrange(len(source))
            parts.append(source[start:start + rng.randint(1, 40)])
        elif kind == 2:
            parts.append(rng.choice([" ", "  ", "\n", "\t", "\r\n", "\u3000", "\u00a0", "\x85",
                                     "\u180e", "\u200b", "\x1c", "\0"]) * rng.randint(1, 4))
        elif kind == 3:
            parts.append(rng.choice(["'s", "'ll", "'LL", "'re", "don't", "'", "''", "'\u017f"]))
        elif kind < 6:
            parts.append(rng.choice(TOKENS))
        elif kind == 6:
            parts.append("".join(chr(rng.randrange(0x20, 0x2fff)) for _ in range(5)))
        else:
            parts.append(rng.choice(["a", "e", " ", "0", "."]) * rng.randint(1, 80))
    return "".join(parts)


def write(path, name, content):
    os.makedirs(path, exist_ok=True)
    with open(path + "/" + name, "w", encoding="utf-8", newline="") as f:
        f.write(content)


def options(name, change, n=60):
    tok = Tokenizer.from_file(HERE + "/bpe-trained/tokenizer.json")
    change(tok)
    tok = Tokenizer.from_str(tok.to_str())
    lines = []
    for one in [""] + [text() for _ in range(n)]:
        got = tok.encode(one)
        lines.append(json.dumps({"text": one, "ids": got.ids,
                                 "tokens": [tok.id_to_token(i) for i in got.ids],
                                 "decoded": tok.decode(got.ids)}))
    write(f"{HERE}/options/{name}", "tokenizer.json", tok.to_str(pretty=True))
    write(f"{HERE}/options/{name}", "cases.jsonl", "\n".join(lines) + "\n")


def add(tok, flags):
    tok.add_tokens([AddedToken(t, **dict(dict(normalized=False, special=False), **flags(i)))
                    for i, t in enumerate(TOKENS[1:])])


def sequence(*steps):
    return pre_tokenizers.Sequence(list(steps) + [pre_tokenizers.ByteLevel(False, use_regex=False)])


def train(name, corpus, vocab_size, min_frequency, special=(), prefix=False, seen=False, longest=0):
    folder = f"{HERE}/train/{name}"
    write(folder, "corpus.txt", corpus)
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(prefix)
    tok.decoder = decoders.ByteLevel()
    tok.train([folder + "/corpus.txt"], trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=list(special),
        max_token_length=longest or None, show_progress=False,
        initial_alphabet=[] if seen else pre_tokenizers.ByteLevel.alphabet()))
    write(folder, "tokenizer.json", tok.to_str(pretty=True))
    write(folder, "train.json", json.dumps(
        {"vocab_size": vocab_size, "min_frequency": min_frequency, "special_tokens": list(special),
         "add_prefix_space": prefix, "seen_alphabet_only": seen, "max_token_length": longest},
        indent=1) + "\n")


def set_pre(what):
    def change(tok):
        tok.pre_tokenizer = what
    return change


def prefix_and_added(tok):
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(True)
    add(tok, lambda i: {"lstrip": i % 2 == 0, "rstrip": i % 3 == 0, "normalized": i % 4 == 1})


options("prefix", set_pre(pre_tokenizers.ByteLevel(True)))
options("split", set_pre(sequence(pre_tokenizers.Split(Regex(GPT4), "isolated"))))
options("removed", set_pre(sequence(pre_tokenizers.Split(Regex(r"[^\S\n]+|[a-c[x-z-]]+"), "removed"),
                                    pre_tokenizers.Split(".", "isolated"))))
options("words", lambda tok: add(tok, lambda i: {"single_word": True, "special": i % 2 == 0}))
options("strip", lambda tok: add(tok, lambda i: {"lstrip": i % 2 == 0, "rstrip": i % 3 == 0}))
options("prefix-added", prefix_and_added)

runs = "".join(rng.choice(["aaaa", "aa", "abab", "ba", "c", "\n", " ", "abcabc", "bc"])
               for _ in range(1500))
noise = "".join(rng.choice("ab \n") for _ in range(3000))
train("runs", runs, 400, 0, ["ab", "<s>"], seen=True)
train("noise", noise, 300, 2, ["a", "Ġ", "<s>"], prefix=True, seen=True, longest=6)
train("short", BOOK[:20000], 700, 1, ["the", "th", "<|endoftext|>"], longest=4)
train("mixed", MANUAL[5000:11000] + BOOK[30000:40000], 600, 2, prefix=True)

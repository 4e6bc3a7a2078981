#!/usr/bin/env python3
"""Makes options/ and train/ beside this file with the reference library (pip install
tokenizers==0.23.1). Needed only to make them anew: building and testing use no Python.

options/<name>/   tokenizer.json and cases.jsonl: the vocabulary of bpe-trained with other
                  pre-tokenizers and added tokens
pipelines.jsonl   tokenizers of random components around the models of the folders, each with
                  cases: all that an encoding holds, and the decoded text
options/word-level, options/ctc: whole words, characters as speech recognition has them; made by
                  "make.py --word-level" alone
wordlevel-trained: "make.py --word-level-trained"
marks.jsonl       the same for normalization forms and texts of combining marks, and for two
                  ByteLevels in a row; made by "make.py --marks" alone
train/<name>/     corpus.txt, train.json (settings) and tokenizer.json (the result)"""
import json
import os
import random
import sys

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)

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


def keep(name, tok, texts):
    """A tokenizer and what it makes of texts, as options/NAME."""
    lines = []
    for one in texts:
        got = tok.encode(one)
        lines.append(json.dumps({"text": one, "ids": got.ids,
                                 "tokens": [tok.id_to_token(i) for i in got.ids],
                                 "decoded": tok.decode(got.ids)}))
    write(f"{HERE}/options/{name}", "tokenizer.json", tok.to_str(pretty=True))
    write(f"{HERE}/options/{name}", "cases.jsonl", "\n".join(lines) + "\n")


def options(name, change, n=60):
    tok = Tokenizer.from_file(HERE + "/bpe-trained/tokenizer.json")
    change(tok)
    tok = Tokenizer.from_str(tok.to_str())
    keep(name, tok, [""] + [text() for _ in range(n)])


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


def word_level(name, vocab, unk, pre, decoder, texts):
    tok = Tokenizer(models.WordLevel({t: i for i, t in enumerate(vocab)}, unk_token=unk))
    tok.pre_tokenizer = pre
    tok.decoder = decoder
    tok.add_special_tokens(["<pad>"])
    keep(name, tok, texts)


def word_levels():
    words = ["<unk>"] + sorted(set(BOOK[:4000].split()))
    word_level("word-level", words, "<unk>", pre_tokenizers.Whitespace(), None,
               [""] + [text() for _ in range(60)])
    letters = ["<pad>", "|", "_", "<unk>"] + list("abcdefghijklmnopqrstuvwxyz'.,! ")
    spoken = ["h h e <pad> l l <pad> l o | | w o o r l d", "", "|", "<pad> <pad>", "a a . , !",
              "d o | n ' t", "a _ _ b _ _ _ b | 's", "a   b"]
    for _ in range(53):
        spoken.append(" ".join(x for x in rng.choices(letters[:9] + ["é"], k=20) for _ in range(
            rng.randint(1, 3))))
    word_level("ctc", letters, "<unk>", pre_tokenizers.WhitespaceSplit(),
               decoders.CTC(pad_token="_", word_delimiter_token="|"), spoken)


def word_level_trained():
    folder = f"{HERE}/wordlevel-trained"
    settings = {"vocab_size": 900, "min_frequency": 3, "special_tokens": ["<unk>", "<pad>"]}
    tok = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tok.pre_tokenizer = pre_tokenizers.Whitespace()
    tok.train([HERE + "/data/shakespeare-300k.txt"], trainers.WordLevelTrainer(show_progress=False, **settings))
    write(folder, "tokenizer.json", tok.to_str(pretty=True))
    write(folder, "train.json", json.dumps(settings, indent=1) + "\n")


def encoding(e):
    return {"ids": e.ids, "type_ids": e.type_ids, "offsets": [list(o) for o in e.offsets],
            "words": e.word_ids, "attention_mask": e.attention_mask,
            "special_tokens_mask": e.special_tokens_mask,
            "overflowing": [x.ids for x in e.overflowing]}


def marks():
    """Texts whose marks change their order, are composed across others, or come apart."""
    letters = "aeoAO\u0915\u05d0\u0627\u1100\u1161\u30ab\u00e9\u1eb1\ufb01\u00bd\uff76\ufdfa"
    above = "\u0301\u0308\u20d7\u0327\u0323\u0345\u1ab0\u0344\u0f73\u05b8\u064e\u0651\u093f\u094d\u0e33\u11a8\uff9e"
    N, P, lines = normalizers, pre_tokenizers, []
    for normalizer in (N.NFC(), N.NFD(), N.NFKC(), N.NFKD(), N.BertNormalizer(True, True, True, True),
                       N.BertNormalizer(False, False, True, False), N.Sequence([N.NFKD(), N.NFC()]),
                       N.Sequence([N.NFD(), N.StripAccents()]), N.Sequence([N.Lowercase(), N.NFKC()]), None):
        for folder in ("unigram-trained", "gpt1-trained", "bpe-trained")[:2 if normalizer else None]:
            root = json.load(open(f"{HERE}/{folder}/tokenizer.json", encoding="utf-8"))
            root.update(normalizer=None, pre_tokenizer=None, decoder=None, added_tokens=[], post_processor=None)
            tok = Tokenizer.from_str(json.dumps(root))
            tok.normalizer = normalizer
            tok.pre_tokenizer = rng.choice([P.ByteLevel(False, use_regex=False), P.FixedLength(1), P.FixedLength(2)])
            if not normalizer:  # what is spelled is spelled again
                tok.pre_tokenizer = P.Sequence([P.ByteLevel(True, use_regex=False), P.Whitespace(), P.ByteLevel(False)])
            tok.decoder = decoders.Fuse()
            root, cases = json.loads(tok.to_str()), []
            del root["model"]
            for _ in range(8):
                text = "".join(rng.choice(above if rng.random() < 0.7 else letters) for _ in range(rng.randint(1, 14)))
                got = tok.encode(text)
                cases.append(dict({"text": text}, **encoding(got), decoded=tok.decode(got.ids)))
            lines.append(json.dumps({"model": folder, "parts": root, "cases": cases}, ensure_ascii=False,
                                    separators=(",", ":")))
    write(HERE, "marks.jsonl", "\n".join(lines) + "\n")


if "--word-level-trained" in sys.argv:
    word_level_trained()
    sys.exit()

if "--word-level" in sys.argv:
    word_levels()
    sys.exit()

if "--marks" in sys.argv:
    marks()
    sys.exit()

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


BEHAVIORS = ["isolated", "removed", "contiguous", "merged_with_previous", "merged_with_next"]
N, P, PP, D = normalizers, pre_tokenizers, processors, decoders


def some(*choices):
    return rng.choice(choices)()


def flip():
    return rng.random() < 0.5


def odd_text():
    extra = ["e\u0301", "\ufb01", "\u00bd", "\uff21", "\u1100\u1161\u11a8", "\u0130I", "\u00df", "\u2460",
             "\u2581x", "1234", "$5.00!", "a--b", "\U0001f468\u200d\U0001f469"]
    return text()[:60] + rng.choice(extra) + text()[:20]


def normalizer(deep=True):
    steps = [
        lambda: N.BertNormalizer(flip(), flip(), rng.choice([None, True, False]), flip()),
        N.NFC, N.NFD, N.NFKC, N.NFKD, N.Lowercase, N.StripAccents, N.Nmt, N.ByteLevel,
        lambda: N.Replace(rng.choice([" ", "a", Regex(" {2,}"), Regex(r"[aeiou]+")]),
                          rng.choice(["", "\u2581", "xy"])),
        lambda: N.Prepend("\u2581"), lambda: N.Strip(True, False)]
    if deep and rng.random() < 0.4:
        return N.Sequence([normalizer(False) for _ in range(rng.randint(1, 3))])
    return some(*steps)


def pre_tokenizer(deep=True):
    steps = [
        lambda: P.ByteLevel(flip(), flip(), use_regex=flip()), P.Whitespace, P.WhitespaceSplit,
        lambda: P.Punctuation(rng.choice(BEHAVIORS)), lambda: P.Digits(flip()),
        lambda: P.Split(rng.choice([" ", "a", Regex(r"\d+"), Regex(r"\w+|[^\w\s]+")]),
                        rng.choice(BEHAVIORS), flip()),
        lambda: P.Metaspace("\u2581", rng.choice(["always", "first", "never"]), flip()),
        P.BertPreTokenizer, lambda: P.CharDelimiterSplit(rng.choice("ae ")),
        lambda: P.FixedLength(rng.randint(1, 6))]
    if deep and rng.random() < 0.4:
        return P.Sequence([pre_tokenizer(False) for _ in range(rng.randint(1, 3))])
    return some(*steps)


def decoder(deep=True):
    steps = [D.ByteLevel, D.BPEDecoder, D.WordPiece, lambda: D.WordPiece("##", False), D.Metaspace,
             lambda: D.Metaspace("\u2581", "never"), D.ByteFallback, D.Fuse,
             lambda: D.Strip(" ", 1, 0), lambda: D.Strip("a", 1, 2),
             lambda: D.Replace("\u2581", " "), lambda: D.Replace(Regex("a+"), "bb")]
    if deep and flip():
        return D.Sequence([decoder(False) for _ in range(rng.randint(1, 4))])
    return some(*steps)


def post_processor(vocab):
    a, b = rng.sample(sorted(vocab)[:40], 2)
    a, b = (a, vocab[a]), (b, vocab[b])
    template = PP.TemplateProcessing(
        single="X $A Y Y:1", pair="X $A:1 Y $B:2 X:3",
        special_tokens=[("X", a[1]), {"id": "Y", "ids": [b[1], a[1]], "tokens": [b[0], a[0]]}])
    return some(lambda: PP.BertProcessing(a, b), lambda: PP.RobertaProcessing(a, b, flip(), flip()),
                lambda: PP.ByteLevel(trim_offsets=flip()), lambda: template,
                lambda: PP.Sequence([PP.ByteLevel(trim_offsets=True), template]))


def pipeline():
    folder = rng.choice(["bpe-trained", "gpt1-trained", "wordpiece-trained", "unigram-trained"])
    tok = Tokenizer.from_file(f"{HERE}/{folder}/tokenizer.json")
    if rng.random() < 0.75:
        root = json.loads(tok.to_str())
        root.update(normalizer=None, pre_tokenizer=None, decoder=None, added_tokens=[])
        tok = Tokenizer.from_str(json.dumps(root))
        tok.normalizer = normalizer()
        tok.pre_tokenizer = pre_tokenizer()
        tok.decoder = decoder()
    tok.post_processor = post_processor(tok.get_vocab())
    if rng.random() < 0.7:
        tok.add_tokens([AddedToken(t, single_word=flip(), lstrip=flip(), rstrip=flip(),
                                   normalized=flip(), special=flip()) for t in TOKENS[1:]])
    if rng.random() < 0.3:
        tok.enable_truncation(rng.randint(8, 14), stride=rng.randint(0, 1),
                              strategy=rng.choice(["longest_first", "only_first"]),
                              direction=rng.choice(["left", "right"]))
    if rng.random() < 0.3:
        tok.enable_padding(direction=rng.choice(["left", "right"]), pad_id=1, pad_type_id=1,
                           length=rng.choice([None, 20]), pad_to_multiple_of=rng.choice([None, 8]))
    root = json.loads(tok.to_str())
    tok = Tokenizer.from_str(tok.to_str())
    del root["model"]
    cases = []
    for _ in range(3):
        one = {"text": odd_text()}
        if flip():
            one["pair"] = odd_text()
        try:
            got = tok.encode(one["text"], one.get("pair"))
            cases.append(dict(one, **encoding(got), decoded=tok.decode(got.ids)))
        except BaseException:  # some combinations are errors or panics there
            pass
    return json.dumps({"model": folder, "parts": root, "cases": cases}, ensure_ascii=False,
                      separators=(",", ":"))


write(HERE, "pipelines.jsonl", "\n".join(pipeline() for _ in range(60)) + "\n")

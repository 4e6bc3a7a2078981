"""The command against transformers, option by option: the ids that `tuff generate` prints and those that
model.generate makes with the same settings on the reference checkpoints; for draws the frequencies of
the next token against the probabilities that transformers' processors leave.

    python tools/golden/compare_generate.py build/tuff tests/golden SCRATCH
"""
import json
import math
import os
import shutil
import subprocess
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, PreTrainedTokenizerFast

TUFF, GOLDEN, SCRATCH = sys.argv[1:]
PROMPTS = ["The table", "of the text, a longer prompt", "c", "merge the two most frequent symbols into one"]
LETTERS = ["a b c", "h e l l o | w o r l d", "d o n ' t", "x y z . ! a"]
# model, prompts
CASES = [("gpt2-tiny", PROMPTS), ("bloom-tiny", PROMPTS), ("llama-tiny", PROMPTS), ("marian-tiny", LETTERS)]
CAUSAL = [name for name in sorted(os.listdir(f"{GOLDEN}/models"))
          if "tiny" in name and not name.startswith(("bert", "marian"))]
# Rules that look at a batch's padding in transformers: there a sequence is not what it is alone.
PADDING_COUNTS = {"repetition_penalty", "no_repeat_ngram_size", "min_length", "bad_words_ids"}
failures = 0


def tuff(*args):
    done = subprocess.run([TUFF, *args], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{args}: {done.stderr}")
    return done.stdout


def folder_of(name, prompts):
    """The checkpoint with a tokenizer of few enough tokens."""
    folder = f"{SCRATCH}/{name}"
    if not os.path.exists(folder):
        shutil.copytree(f"{GOLDEN}/models/{name}", folder)
        vocab = json.load(open(f"{folder}/config.json"))["vocab_size"]
        if prompts is LETTERS or vocab < 300:
            shutil.copy(f"{GOLDEN}/tokenizers/options/ctc/tokenizer.json", folder)
        else:
            tuff("tokenizer", "train", "--vocab-size", str(min(vocab, 480)), "--out", folder,
                 os.path.dirname(GOLDEN.rstrip("/")) + "/../docs/bpe.md")
    return folder


def open_model(name, prompts):
    folder = folder_of(name, prompts)
    kind = AutoModelForSeq2SeqLM if name.startswith("marian") else AutoModelForCausalLM
    model = kind.from_pretrained(folder).eval()
    model.generation_config = transformers.GenerationConfig(
        decoder_start_token_id=getattr(model.config, "decoder_start_token_id", None),
        eos_token_id=model.config.eos_token_id)  # as both take it from config.json
    return folder, model, PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json")


def wanted(model, tok, prompts, settings, together):
    """Continuations by prompt; together: as one batch, padded."""
    writes = model.config.is_encoder_decoder
    rows = [tok.encode(p) for p in prompts]
    groups = [rows] if together else [[r] for r in rows]
    each, out = settings.get("num_return_sequences", 1), []
    for group in groups:
        n = max(map(len, group))
        pad = [[0] * (n - len(r)) for r in group]
        ids = torch.tensor([r + p if writes else p + r for r, p in zip(group, pad)])
        mask = torch.tensor([[1] * len(r) + p if writes else p + [1] * len(r) for r, p in zip(group, pad)])
        with torch.no_grad():
            made = model.generate(ids, attention_mask=mask, tokenizer=tok, return_dict_in_generate=True,
                                  output_scores=True, pad_token_id=model.config.vocab_size - 1,
                                  **{"do_sample": False, **settings})
        scores = made.sequences_scores.tolist() if settings.get("num_beams", 1) > 1 else [None] * len(made.sequences)
        out += list(zip(made.sequences[:, 1 if writes else n:].tolist(), scores))
    return out, each


def compare(name, folder, model, tok, prompts, settings, options, together=False):
    global failures
    args = ["generate", "--quiet", "--model", folder, "--json"]
    for p in prompts:
        args += ["--prompt", p]
    if settings.get("num_beams", 1) == 1 and not name.startswith("marian"):
        args += ["--greedy"]
    got = [json.loads(line) for line in tuff(*args, *options).splitlines()]
    want, _ = wanted(model, tok, prompts, settings, together)
    bad = len(got) != len(want)
    for one, (ids, score) in zip(got, want):
        ids = ids[:len(one["ids"])] if set(ids[len(one["ids"]):]) <= {model.config.vocab_size - 1} else ids
        bad |= one["ids"] != ids or (score is not None and abs(one["score"] - score) > 1e-4 * max(1, abs(score)))
    failures += bad
    print("DIFFERS" if bad else "same   ", name, " ".join(options), "(one batch)" if together else "", flush=True)
    if bad:
        print("   tuff        ", [(o["ids"], o.get("score")) for o in got], "\n   transformers", want)


def settings_of(model, tok, prompts):
    """Settings for transformers, and as options; end ids are ones that greedy text has."""
    text, _ = wanted(model, tok, prompts, {"max_new_tokens": 12}, False)
    seen = [t for ids, _ in text for t in ids]
    end, other = max(set(seen), key=seen.count), seen[2]
    piece = tok.decode([seen[3]])
    n = ["--max-new-tokens", "12"]
    yield {}, []
    yield {"repetition_penalty": 1.4}, ["--repetition-penalty", "1.4"]
    yield {"no_repeat_ngram_size": 2}, ["--no-repeat-ngram-size", "2"]
    yield {"eos_token_id": [end]}, ["--eos-token-id", str(end)]
    yield {"eos_token_id": [end, other]}, ["--eos-token-id", str(end), "--eos-token-id", str(other)]
    yield {"eos_token_id": [end], "min_new_tokens": 5}, ["--eos-token-id", str(end), "--min-new-tokens", "5"]
    yield {"eos_token_id": [end], "min_length": 9}, ["--eos-token-id", str(end), "--min-length", "9"]
    yield {"forced_bos_token_id": end} if model.config.is_encoder_decoder else {}, \
        ["--forced-bos-token-id", str(end)] if model.config.is_encoder_decoder else []
    yield {"forced_eos_token_id": other}, ["--forced-eos-token-id", str(other)]
    if piece and tok.encode(piece, add_special_tokens=False) == [seen[3]]:
        yield {"bad_words_ids": [[seen[3]]]}, ["--bad-words", piece]
        if prompts is not LETTERS:  # transformers' matcher of stop strings fails on this tokenizer's words
            yield {"stop_strings": [piece]}, ["--stop-strings", piece]
    for beams in (2, 4):
        yield {"num_beams": beams, "num_return_sequences": 2}, ["--num-beams", str(beams), "--num-return-sequences", "2"]
    for early in ("false", "true", "never"):
        for penalty in (0.0, 1.0, 2.0):
            yield ({"num_beams": 3, "num_return_sequences": 3, "eos_token_id": [end], "length_penalty": penalty,
                    "early_stopping": {"false": False, "true": True}.get(early, early)},
                   ["--num-beams", "3", "--num-return-sequences", "3", "--eos-token-id", str(end),
                    "--length-penalty", str(penalty), "--early-stopping", early])
    yield ({"num_beams": 4, "num_return_sequences": 4, "eos_token_id": [end, other], "min_new_tokens": 3},
           ["--num-beams", "4", "--num-return-sequences", "4", "--eos-token-id", str(end), "--eos-token-id", str(other),
            "--min-new-tokens", "3"])
    yield {"num_beams": 3, "no_repeat_ngram_size": 2, "repetition_penalty": 1.2}, \
        ["--num-beams", "3", "--no-repeat-ngram-size", "2", "--repetition-penalty", "1.2"]


def draws(folder, model, tok, settings, options):
    """512 first tokens: none that is banned, and frequencies that fit (chi-square per degree below 2)."""
    global failures
    prompt, counts = PROMPTS[1], {}
    for k in range(8):
        for line in tuff("generate", "--quiet", "--model", folder, "--json", "--prompt", prompt, "--max-new-tokens", "1",
                         "--num-return-sequences", "64", "--seed", str(1000 * k), *options).splitlines():
            t = json.loads(line)["ids"][0]
            counts[t] = counts.get(t, 0) + 1
    with torch.no_grad():
        made = model.generate(torch.tensor([tok.encode(prompt)]), do_sample=True, max_new_tokens=1, output_scores=True,
                              return_dict_in_generate=True, pad_token_id=0, **{"top_k": 0, **settings})
    p = torch.softmax(made.scores[0][0].double(), -1).tolist()
    total, chi, cells, rest = sum(counts.values()), 0.0, 0, [0.0, 0]
    banned = [t for t in counts if p[t] == 0]
    for t, probability in enumerate(p):
        expected = probability * total
        if expected >= 5:
            chi, cells = chi + (counts.get(t, 0) - expected) ** 2 / expected, cells + 1
        else:
            rest = [rest[0] + expected, rest[1] + counts.get(t, 0)]
    if rest[0] >= 1:
        chi, cells = chi + (rest[1] - rest[0]) ** 2 / rest[0], cells + 1
    limit = max(cells - 1, 1) + 4 * math.sqrt(2 * max(cells - 1, 1))
    bad = banned or chi > limit
    failures += bool(bad)
    print("DIFFERS" if bad else "fits   ", "draws", " ".join(options) or "(none)",
          f"allowed {sum(x > 0 for x in p)}, banned drawn {len(banned)}, chi-square {chi:.1f} of at most {limit:.1f}", flush=True)


def main():
    only = os.environ.get("ONLY", "")
    for name, prompts in CASES:
        if only and only != name:
            continue
        if json.load(open(f"{GOLDEN}/models/{name}/config.json"))["vocab_size"] < 300:
            prompts = LETTERS
        folder, model, tok = open_model(name, prompts)
        n = ["--max-new-tokens", "12"]
        for settings, options in settings_of(model, tok, prompts):
            compare(name, folder, model, tok, prompts, {"max_new_tokens": 12, **settings}, n + options)
            if not settings.keys() & PADDING_COUNTS:
                compare(name, folder, model, tok, prompts, {"max_new_tokens": 12, **settings}, n + options, together=True)
    if only not in ("", "draws", "families"):
        return
    if only != "draws":
        for name in CAUSAL:
            config = json.load(open(f"{GOLDEN}/models/{name}/config.json"))
            prompts = LETTERS if config["vocab_size"] < 300 else PROMPTS
            folder, model, tok = open_model(name, prompts)
            for settings, options in (({}, []), ({"num_beams": 3}, ["--num-beams", "3"])):
                compare(name, folder, model, tok, prompts, {"max_new_tokens": 8, **settings},
                        ["--max-new-tokens", "8", *options])
    folder, model, tok = open_model("gpt2-tiny", PROMPTS)
    for settings, options in (({}, []), ({"temperature": 0.7}, ["--temperature", "0.7"]), ({"top_k": 7}, ["--top-k", "7"]),
                              ({"top_p": 0.5}, ["--top-p", "0.5"]), ({"min_p": 0.2}, ["--min-p", "0.2"]),
                              ({"typical_p": 0.4}, ["--typical-p", "0.4"]),
                              ({"epsilon_cutoff": 0.02}, ["--epsilon-cutoff", "0.02"]),
                              ({"eta_cutoff": 0.02}, ["--eta-cutoff", "0.02"]),
                              ({"temperature": 1.3, "top_k": 30, "top_p": 0.9, "repetition_penalty": 1.2},
                               ["--temperature", "1.3", "--top-k", "30", "--top-p", "0.9", "--repetition-penalty", "1.2"])):
        draws(folder, model, tok, settings, options)
    print(failures, "differences")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()

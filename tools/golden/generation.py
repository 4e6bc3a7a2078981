"""Golden continuations: what transformers' generate makes of a checkpoint's prompts, by strategy and option. Batches are
padded on the left there, the sources of an encoder-decoder on the right. Writes generation*.json, a file a model, and
draws-marian.json, what an encoder-decoder's tokens were drawn from:

    python tools/golden/generation.py tests/golden
"""
import json
import math
import random
import sys

import torch
import transformers

PROMPTS = [[496, 109, 396, 452, 167, 242, 194, 344, 132], [17, 3, 250], [88, 41, 41, 7, 300, 299, 298],
           [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26]]


def texts(vocab, lengths, seed):
    draw = random.Random(seed)
    return [[draw.randrange(1, vocab - 1) for _ in range(n)] for n in lengths]


def options(ends):
    beams = {"num_beams": 4, "num_return_sequences": 3}
    yield {"max_new_tokens": 20}
    yield {"max_new_tokens": 20, "repetition_penalty": 1.4}
    yield {"max_new_tokens": 20, "no_repeat_ngram_size": 2, "bad_words_ids": [[ends[0]], [5, 7]]}
    yield {"max_new_tokens": 20, "eos_token_id": ends}
    yield {"max_new_tokens": 20, "eos_token_id": ends, "min_new_tokens": 6}
    yield {"max_new_tokens": 20, **beams}
    for early in (False, True, "never"):
        for penalty in (1.0, 0.0, -0.5, 2.0):
            yield {"max_new_tokens": 20, "eos_token_id": ends, "length_penalty": penalty, "early_stopping": early, **beams}
    yield {"max_new_tokens": 12, "eos_token_id": ends, "num_beams": 2, "num_return_sequences": 2}
    yield {"max_new_tokens": 12, "eos_token_id": ends[:1], "num_beams": 3, "no_repeat_ngram_size": 3,
           "repetition_penalty": 1.2, "min_new_tokens": 4, "num_return_sequences": 1}
    yield {"max_new_tokens": 12, "eos_token_id": ends, "forced_eos_token_id": ends[0], **beams}
    yield {"max_new_tokens": 1, "eos_token_id": ends, **beams}


def few(ends):
    """Where what is new is the model's side of it."""
    beams = {"num_beams": 4, "num_return_sequences": 3}
    yield {"max_new_tokens": 20}
    yield {"max_new_tokens": 20, "eos_token_id": ends, "length_penalty": 1.0, "early_stopping": False, **beams}


def forget(model):
    """Rotary angles with dynamic scaling stay in the module as the longest call so far left them."""
    for m in model.modules():
        if hasattr(m, "max_seq_len_cached"):
            m.max_seq_len_cached, m.inv_freq = m.original_max_seq_len, m.original_inv_freq


def generate(model, prompts, settings, types=None):
    forget(model)
    longest, writes = max(map(len, prompts)), model.config.is_encoder_decoder
    pads = [[0] * (longest - len(p)) for p in prompts]
    ids = torch.tensor([p + e if writes else e + p for p, e in zip(prompts, pads)])
    mask = torch.tensor([[1] * len(p) + e if writes else e + [1] * len(p) for p, e in zip(prompts, pads)])
    more = {"token_type_ids": torch.tensor(types)} if types else {}
    config = transformers.GenerationConfig(
        pad_token_id=model.config.vocab_size - 1, do_sample=False, return_dict_in_generate=True, output_scores=True,
        decoder_start_token_id=getattr(model.config, "decoder_start_token_id", None), **settings)
    with torch.no_grad():
        out = model.generate(ids, attention_mask=mask, generation_config=config, **more)
    wanted = settings.get("num_return_sequences", 1)
    result = []
    for row, sequence in enumerate(out.sequences[:, 1 if writes else longest:].tolist()):
        ends = settings.get("eos_token_id", [])
        cut = next((i + 1 for i, t in enumerate(sequence) if t in ends), len(sequence))
        one = {"ids": sequence[:cut]}
        if "num_beams" in settings:
            one["score"] = float(out.sequences_scores[row])
        result.append(one)
    return [result[i * wanted:(i + 1) * wanted] for i in range(len(prompts))]


def write(root, path, folder, prompts, options, types=None, one_by_one=False):
    kind = transformers.AutoModelForSeq2SeqLM if "marian" in folder else transformers.AutoModelForCausalLM
    model = kind.from_pretrained(f"{root}/models/{folder}").eval()
    model.generation_config = transformers.GenerationConfig()

    def alone(settings):
        return [generate(model, [p], settings, types and [types[i]])[0] for i, p in enumerate(prompts)]

    # End ids that the model is fond of, so that sequences do end.
    seen = [t for row in alone({"max_new_tokens": 20, "num_beams": 4, "num_return_sequences": 4})
            for one in row for t in one["ids"]]
    by_count = sorted(set(seen), key=lambda t: -seen.count(t))
    cases = []
    for ends in (by_count[3:5], by_count[1::3][:8]):
        for settings in options(ends):
            # A rule that looks at padding is not a sequence's own: such cases go one by one.
            single = one_by_one or settings.keys() & {"repetition_penalty", "no_repeat_ngram_size", "min_new_tokens"}
            cases.append({"settings": settings, "out": alone(settings) if single else generate(model, prompts, settings)})
    root_object = {"model": folder, "prompts": prompts, **({"types": types} if types else {}), "cases": cases}
    with open(f"{root}/{path}", "w") as file:
        json.dump(root_object, file, separators=(",", ":"))
    print(path, len(cases), "cases; lengths", sorted({len(o["ids"]) for c in cases for row in c["out"] for o in row}))


def draws(root, path, folder, sources):
    """Continuations that transformers drew, and the processed scores that each token was drawn from."""
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(f"{root}/models/{folder}").eval()
    model.generation_config = transformers.GenerationConfig()
    torch.manual_seed(3)
    cases = []
    for settings in ({}, {"temperature": 1.3, "top_k": 9}, {"temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.3},
                     {"min_p": 0.05, "no_repeat_ngram_size": 1}, {"typical_p": 0.8, "bad_words_ids": [[5], [7, 11]]}):
        for source in sources:
            config = transformers.GenerationConfig(
                do_sample=True, max_new_tokens=6, return_dict_in_generate=True, output_scores=True,
                pad_token_id=model.config.pad_token_id, decoder_start_token_id=model.config.decoder_start_token_id,
                **{"top_k": 0, **settings})
            with torch.no_grad():
                out = model.generate(torch.tensor([source]), generation_config=config)
            scores = [[None if x == -math.inf else round(x, 6) for x in s[0].tolist()] for s in out.scores]
            cases.append({"settings": settings, "source": source, "ids": out.sequences[0].tolist(), "scores": scores})
    with open(f"{root}/{path}", "w") as file:
        json.dump({"model": folder, "cases": cases}, file, separators=(",", ":"))
    print(path, len(cases), "cases")


def main():
    root = sys.argv[1]
    draws(root, "draws-marian.json", "marian-tiny", texts(48, (9, 17), 4))
    write(root, "generation.json", "gpt2-tiny", PROMPTS, options)
    write(root, "generation-types.json", "gpt2-tiny", PROMPTS, few, one_by_one=True,
          types=texts(512, [len(p) for p in PROMPTS], 1))
    write(root, "generation-marian.json", "marian-tiny", texts(48, (9, 3, 17, 26), 2), options)
    # Prompts longer than the model was trained for, one that becomes so, one that does not.
    write(root, "generation-dynamic.json", "llama-dynamic-tiny", texts(80, (18, 15, 8, 4), 3), few, one_by_one=True)


if __name__ == "__main__":
    main()

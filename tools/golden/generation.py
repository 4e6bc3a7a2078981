"""Golden continuations: what transformers' generate makes of a checkpoint's prompts, by strategy and option; batches are
padded on the left there.

    python tools/golden/generation.py tests/golden/models/gpt2-tiny tests/golden/generation.json
"""
import json
import sys

import torch
import transformers

PROMPTS = [[496, 109, 396, 452, 167, 242, 194, 344, 132], [17, 3, 250], [88, 41, 41, 7, 300, 299, 298],
           [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26]]


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


def generate(model, prompts, settings):
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    config = transformers.GenerationConfig(pad_token_id=511, do_sample=False, return_dict_in_generate=True,
                                           output_scores=True, **settings)
    with torch.no_grad():
        out = model.generate(ids, attention_mask=mask, generation_config=config)
    wanted = settings.get("num_return_sequences", 1)
    result = []
    for row, sequence in enumerate(out.sequences[:, longest:].tolist()):
        ends = settings.get("eos_token_id", [])
        cut = next((i + 1 for i, t in enumerate(sequence) if t in ends), len(sequence))
        one = {"ids": sequence[:cut]}
        if "num_beams" in settings:
            one["score"] = float(out.sequences_scores[row])
        result.append(one)
    return [result[i * wanted:(i + 1) * wanted] for i in range(len(prompts))]


def main():
    folder, path = sys.argv[1:]
    model = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
    # End ids that the model is fond of, so that sequences do end.
    seen = [t for row in generate(model, PROMPTS, {"max_new_tokens": 20, "num_beams": 4, "num_return_sequences": 4})
            for one in row for t in one["ids"]]
    by_count = sorted(set(seen), key=lambda t: -seen.count(t))
    cases = []
    for ends in (by_count[3:5], by_count[1::3]):
        for settings in options(ends):
            # A rule that looks at padding is not a sequence's own: such cases go one by one.
            alone = settings.keys() & {"repetition_penalty", "no_repeat_ngram_size", "min_new_tokens"}
            out = [generate(model, [p], settings)[0] for p in PROMPTS] if alone else generate(model, PROMPTS, settings)
            cases.append({"settings": settings, "out": out})
    with open(path, "w") as file:
        json.dump({"prompts": PROMPTS, "cases": cases}, file, separators=(",", ":"))
    print(len(cases), "cases; lengths", sorted({len(o["ids"]) for c in cases for row in c["out"] for o in row}))


if __name__ == "__main__":
    main()

"""transformers reads what Tuff saved: every reference checkpoint is loaded into a model and saved again
(`tuff convert --head`), and converted from its weights in one file, in shards and as pytorch_model.bin;
transformers then finds no weight missing, left over or misshapen, every weight has the original's bits,
and logits are those of the original but for the rounding of another memory alignment.

    python tools/golden/check_saved.py build/tuff tests/golden/models SCRATCH
"""
import json
import os
import shutil
import subprocess
import sys

import torch
import transformers

TUFF, MODELS, SCRATCH = sys.argv[1:]


def load(folder, kind):
    model, info = kind.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    wrong = {k: v for k, v in info.items() if v}
    assert not wrong, (folder, wrong)
    return model.eval()


def logits(model, vocab):
    torch.manual_seed(0)
    ids = torch.randint(1, vocab - 1, (2, 7))
    more = {"decoder_input_ids": ids[:, :4]} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        out = model(ids, **more)
    return out[0]


def convert(*args):
    subprocess.run([TUFF, "convert", "--quiet", *args], check=True)


for name in sorted(os.listdir(MODELS)):
    folder = f"{MODELS}/{name}"
    config = json.load(open(folder + "/config.json"))
    kind = getattr(transformers, config["architectures"][0])
    original = load(folder, kind)
    want = logits(original, config["vocab_size"])
    tried = []
    shutil.rmtree(SCRATCH, ignore_errors=True)
    convert(folder, SCRATCH + "/model", "--head", config["architectures"][0])
    convert(folder, SCRATCH + "/shards", "--shard-megabytes", "1")
    os.makedirs(SCRATCH + "/bin")
    shutil.copy(folder + "/config.json", SCRATCH + "/bin")
    torch.save(original.state_dict(), SCRATCH + "/bin/pytorch_model.bin")
    original.save_pretrained(SCRATCH + "/parts", max_shard_size="20KB")
    convert(SCRATCH + "/bin", SCRATCH + "/from-bin")
    convert(SCRATCH + "/parts", SCRATCH + "/from-parts", "--head", config["architectures"][0])
    for saved in ("model", "shards", "from-bin", "from-parts"):
        model = load(f"{SCRATCH}/{saved}", kind)
        for key, weight in original.state_dict().items():
            assert torch.equal(model.state_dict()[key], weight), (name, saved, key)
        torch.testing.assert_close(logits(model, config["vocab_size"]), want)
        tried.append(saved)
    print(name, config["architectures"][0], "weights and logits equal:", ", ".join(tried), flush=True)

"""Files of torch.save for tests/io/torch_bin.c: python tools/golden/torch_files.py tests/golden/torch

state.bin (zip), legacy.bin (before PyTorch 1.6), nested.bin (a training checkpoint) hold the tensors
of state.safetensors; sharded/ holds them in two files with an index. code.bin and args.bin hold more
than tensors and must be refused. bert-old/ is models/bert-tokens-tiny as BERT's first checkpoints are.
"""
import argparse
import collections
import json
import os
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file


class Code:
    def __reduce__(self):
        return (os.system, ("echo executed > executed",))


def main(folder):
    torch.manual_seed(7)
    os.makedirs(folder + "/sharded", exist_ok=True)
    a = torch.randn(4, 6)
    state = collections.OrderedDict(
        f32=a,
        tied=a,
        parameter=torch.nn.Parameter(torch.randn(3)),
        transposed=a.t(),
        rows=a[1:3],
        column=a[:, 2],
        cube=torch.randn(2, 3, 4).permute(2, 0, 1),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 3),
        f16=torch.randn(5).half(),
        bf16=torch.randn(2, 2).bfloat16(),
        f64=torch.randn(3).double(),
        i64=torch.tensor([[1, -(2**40)]]),
        i32=torch.tensor([-5, 6], dtype=torch.int32),
        i16=torch.tensor([-300], dtype=torch.int16),
        i8=torch.tensor([-7, 7], dtype=torch.int8),
        u8=torch.tensor([200], dtype=torch.uint8),
        bool=torch.tensor([True, False, True]),
    )
    state._metadata = {"": {"version": 1}}
    torch.save(state, folder + "/state.bin")
    torch.save(state, folder + "/legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "lr": 0.1, "model": state, "note": None, "list": [1, 2]},
               folder + "/nested.bin")
    torch.save(dict(state, u16=torch.tensor([65535], dtype=torch.uint16)),
               folder + "/version3.bin", pickle_protocol=4)
    plain = {k: v.detach().clone().contiguous() for k, v in state.items()}
    save_file(plain, folder + "/state.safetensors")
    names = sorted(state)
    parts = {"pytorch_model-00001-of-00002.bin": names[:9],
             "pytorch_model-00002-of-00002.bin": names[9:]}
    for file, keys in parts.items():
        torch.save({k: state[k] for k in keys}, f"{folder}/sharded/{file}")
    with open(folder + "/sharded/pytorch_model.bin.index.json", "w") as f:
        json.dump({"metadata": {"total_size": 0},
                   "weight_map": {k: file for file, keys in parts.items() for k in keys}}, f)
    torch.save({"weight": a, "hook": Code()}, folder + "/code.bin")
    torch.save({"model": {"weight": a}, "args": argparse.Namespace(lr=1)}, folder + "/args.bin")
    torch.save({"c": torch.zeros(2, dtype=torch.complex64)}, folder + "/complex.bin")
    torch.save({"e": torch.zeros(1).expand(1 << 40)}, folder + "/expanded.bin")


def old_bert(folder, source):
    """A checkpoint as BERT's first ones are: the container before PyTorch 1.6, TensorFlow's names of
    norms' parameters, no prefix."""
    state = load_file(source + "/model.safetensors")
    state = collections.OrderedDict(
        (k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"), v)
        for k, v in state.items())
    os.makedirs(folder, exist_ok=True)
    torch.save(state, folder + "/pytorch_model.bin", _use_new_zipfile_serialization=False)
    shutil.copy(source + "/config.json", folder)


main(sys.argv[1])
old_bert(sys.argv[1] + "/bert-old", sys.argv[1] + "/../models/bert-tokens-tiny")

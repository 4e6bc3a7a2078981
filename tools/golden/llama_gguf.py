#!/usr/bin/env python3
"""A Llama- or GPT-2-shaped model with random weights as a GGUF file, for llama.cpp: llama-finetune is the peer
of `tuff bench train` at those sizes, llama-bench of `tuff bench decode`. The tokenizer is that of a byte-level BPE tokenizer.json, its
vocabulary cut or filled up to --vocab. Needs Debian's python3-gguf."""
import argparse
import json

import gguf
import numpy


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer", help="tokenizer.json")
    parser.add_argument("out", help="the file to write")
    parser.add_argument("--arch", choices=("llama", "gpt2"), default="llama")
    for name, value in (("layers", 6), ("heads", 6), ("width", 384), ("hidden", 1024),
                        ("context", 256), ("vocab", 50257)):
        parser.add_argument("--" + name, type=int, default=value)
    return parser.parse_args()


def add_tokenizer(writer, path, size):
    with open(path, encoding="utf-8") as file:
        model = json.load(file)["model"]
    by_id = {i: token for token, i in model["vocab"].items() if i < size}
    tokens = [by_id.get(i, f"<unused{i}>") for i in range(size)]
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    known = set(tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
    writer.add_token_merges([m for m in merges if m.replace(" ", "") in known])
    writer.add_bos_token_id(size - 1)
    writer.add_eos_token_id(size - 1)


def main():
    o = options()
    rng = numpy.random.default_rng(1)
    writer = gguf.GGUFWriter(o.out, o.arch)
    writer.add_context_length(o.context)
    writer.add_embedding_length(o.width)
    writer.add_block_count(o.layers)
    writer.add_feed_forward_length(o.hidden)
    writer.add_head_count(o.heads)
    writer.add_head_count_kv(o.heads)
    if o.arch == "gpt2":
        writer.add_layer_norm_eps(1e-5)
    else:
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_rope_dimension_count(o.width // o.heads)
    writer.add_vocab_size(o.vocab)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    add_tokenizer(writer, o.tokenizer, o.vocab)

    def matrix(name, rows, columns):
        writer.add_tensor(name, rng.normal(0, 0.02, (rows, columns)).astype(numpy.float32))

    def vector(name, size, value):
        writer.add_tensor(name, numpy.full(size, value, numpy.float32))

    def norm(name):
        vector(name + ".weight", o.width, 1)
        if o.arch == "gpt2":
            vector(name + ".bias", o.width, 0)

    def linear(name, outputs, inputs):
        matrix(name + ".weight", outputs, inputs)
        if o.arch == "gpt2":
            vector(name + ".bias", outputs, 0)

    matrix("token_embd.weight", o.vocab, o.width)
    if o.arch == "gpt2":
        matrix("position_embd.weight", o.context, o.width)
    norm("output_norm")
    for i in range(o.layers):
        block = f"blk.{i}."
        norm(block + "attn_norm")
        norm(block + "ffn_norm")
        if o.arch == "gpt2":
            linear(block + "attn_qkv", 3 * o.width, o.width)
        else:
            for name in ("attn_q", "attn_k", "attn_v"):
                linear(block + name, o.width, o.width)
            linear(block + "ffn_gate", o.hidden, o.width)
        linear(block + "attn_output", o.width, o.width)
        linear(block + "ffn_up", o.hidden, o.width)
        linear(block + "ffn_down", o.width, o.hidden)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()

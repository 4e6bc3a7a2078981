"""Reference values of BERT's heads, for tuff verify and for the task commands.

    python tools/golden/bert.py tests/golden/models tests/golden/tasks [--tags]

models/NAME: config.json, model.safetensors, golden.safetensors of tiny random models (see
../shared/golden/README.md for what the tensors are). tasks/NAME: a model with a tokenizer and
cases.jsonl, what transformers' pipelines give. --tags makes tasks/tags alone, from tasks/classify.
"""
import json
import math
import os
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (BertConfig, BertForMaskedLM, BertForNextSentencePrediction,
                          BertForPreTraining, BertForSequenceClassification,
                          BertForTokenClassification, BertModel, GPT2Config, GPT2LMHeadModel,
                          PreTrainedTokenizerFast, pipeline)

TEXT = """The people of the city know that the river is old and the bridge is new.
A good book is a friend, and a bad book is a thief of time.
What is the weather like in the north? It rains, it snows, it is never warm.
She said that the ship would come in the morning, but the sea was too rough.
I do not like this film; the story is dull, the music is loud, and the end is wrong.
I like this film very much: the story is fine, the music is soft, and the end is right.
"""


def config(**more):
    return BertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                      intermediate_size=32, max_position_embeddings=24, **more)


def spread(model, factor):
    """Larger weights than the usual start, so that errors show."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.mul_(factor) if p.dim() > 1 else p.add_(0.1 * torch.randn_like(p))
    return model.eval()


def golden(folder, model, labels):
    spread(model, 6)
    torch.manual_seed(3)
    inputs = {"input_ids": torch.randint(1, 64, (2, 11)),
              "attention_mask": torch.ones(2, 11, dtype=torch.long),
              "token_type_ids": (torch.arange(11) > 5).long().expand(2, 11).contiguous()}
    inputs["input_ids"][0, 4] = 0  # [PAD] where it is seen: its row of the word table does not learn
    inputs["attention_mask"][1, 7:] = 0
    save = dict(inputs, **labels)
    model.save_pretrained(folder)
    out = model(**inputs, **labels, output_hidden_states=True)
    save["hidden"] = out.hidden_states[-1]
    if isinstance(model, BertForPreTraining):
        save["logits"], save["sentence_logits"] = out.prediction_logits, out.seq_relationship_logits
    else:
        save["logits"] = out.pooler_output if isinstance(model, BertModel) else out.logits
    if labels:
        save["loss"] = out.loss.reshape(1)
        out.loss.backward()
        save.update({"grad." + n: p.grad for n, p in model.named_parameters()})
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, eps=1e-8, weight_decay=0.1)
        losses = []
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(**inputs, **labels).loss
            losses.append(loss.item())
            loss.backward()
            optimizer.step()
        save["adamw.losses"] = torch.tensor(losses)
    save_file({k: v.detach().clone().contiguous() for k, v in save.items()},
              folder + "/golden.safetensors")


def heads(folder):
    masked = torch.full((2, 11), -100)
    masked[0, 2], masked[0, 7], masked[1, 3] = 5, 9, 33
    tags = torch.randint(0, 5, (2, 11))
    tags[0, 3] = -100
    tags[1, 7:] = -100
    pair = torch.tensor([0, 1])
    golden(folder + "/bert-next-tiny", BertForNextSentencePrediction(config()), {"labels": pair})
    golden(folder + "/bert-pretraining-tiny", BertForPreTraining(config()),
           {"labels": masked, "next_sentence_label": pair})
    golden(folder + "/bert-tokens-tiny", BertForTokenClassification(config(num_labels=5)),
           {"labels": tags})
    golden(folder + "/bert-regression-tiny", BertForSequenceClassification(config(num_labels=1)),
           {"labels": torch.tensor([0.5, -2.0])})
    golden(folder + "/bert-labels-tiny",
           BertForSequenceClassification(config(num_labels=3,
                                                problem_type="multi_label_classification")),
           {"labels": torch.tensor([[1.0, 0, 1], [0, 1, 1]])})
    golden(folder + "/bert-encoder-tiny", BertModel(config()), {})


def wordpiece():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.train_from_iterator(TEXT.splitlines(), trainers.WordPieceTrainer(
        vocab_size=160, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    t.post_processor = processors.BertProcessing(("[SEP]", t.token_to_id("[SEP]")),
                                                 ("[CLS]", t.token_to_id("[CLS]")))
    return PreTrainedTokenizerFast(tokenizer_object=t, unk_token="[UNK]", pad_token="[PAD]",
                                   cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
                                   model_max_length=48,
                                   model_input_names=["input_ids", "token_type_ids",
                                                      "attention_mask"])


def bytelevel():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(TEXT.splitlines(), trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return PreTrainedTokenizerFast(tokenizer_object=t, eos_token="<|endoftext|>")


def save_task(folder, model, tokenizer, cases):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name in os.listdir(folder):
        if name not in ("config.json", "model.safetensors", "tokenizer.json"):
            os.remove(folder + "/" + name)
    with open(folder + "/cases.jsonl", "w") as f:
        for case in cases:
            f.write(json.dumps(case, ensure_ascii=False) + "\n")


def small(tokenizer, **more):
    return BertConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2,
                      num_attention_heads=4, intermediate_size=64, max_position_embeddings=48, **more)


def embed(model, tokenizer, text):
    inputs = tokenizer(text, return_tensors="pt", truncation=True)
    h = model(**inputs, output_hidden_states=True).hidden_states[-1][0]
    return h.mean(0)


@torch.no_grad()
def tasks(folder):
    lines = TEXT.splitlines()
    t = wordpiece()
    names = {0: "news", 1: "review", 2: "talk"}
    for name, problem in (("classify", None), ("labels", "multi_label_classification")):
        model = spread(BertForSequenceClassification(
            small(t, num_labels=3, id2label=names, problem_type=problem)), 6)
        pipe = pipeline("text-classification", model=model, tokenizer=t, top_k=None, device="cpu")
        cases = [{"text": x, "labels": pipe(x)} for x in lines]
        pair = {"text": lines[0], "text_pair": lines[1][:40]}
        cases.append(dict(pair, labels=pipe(pair)))
        cases = [dict(c, labels=c["labels"][0] if isinstance(c["labels"][0], list) else c["labels"])
                 for c in cases]
        save_task(f"{folder}/{name}", model, t, cases)
    model = spread(BertForMaskedLM(small(t)), 6)
    pipe = pipeline("fill-mask", model=model, tokenizer=t, top_k=3, device="cpu")
    cases = []
    for x in ("The [MASK] is old.", "a good [MASK] is a [MASK], and", "[MASK]"):
        found = pipe(x)
        cases.append({"text": x, "masks": found if isinstance(found[0], list) else [found]})
    cases += [{"text": x, "embedding": embed(model, t, x).tolist()} for x in lines[:3]]
    save_task(f"{folder}/fill-mask", model, t, cases)
    t = bytelevel()
    model = spread(GPT2LMHeadModel(GPT2Config(vocab_size=len(t), n_positions=32, n_embd=32,
                                              n_layer=2, n_head=2)), 6)
    ids = t(TEXT * 2, return_tensors="pt").input_ids
    cases = []
    for stride in (32, 16, 5):
        total, count, before = 0.0, 0, 0
        for begin in range(0, ids.size(1), stride):
            end = min(begin + 32, ids.size(1))
            window, target = ids[:, begin:end], ids[:, begin:end].clone()
            target[:, :before - begin] = -100
            logits = model(window).logits[0, :-1].double()
            losses = torch.nn.functional.cross_entropy(logits, target[0, 1:], reduction="none",
                                                       ignore_index=-100)
            total += losses.sum().item()
            count += (target[0, 1:] != -100).sum().item()
            before = end
            if end == ids.size(1):
                break
        cases.append({"stride": stride, "tokens": count, "loss": total / count,
                      "perplexity": math.exp(total / count)})
    save_task(f"{folder}/perplexity", model, t, cases)
    with open(f"{folder}/perplexity/text.txt", "w") as f:
        f.write(TEXT * 2)



@torch.no_grad()
def tags(folder):
    """With the tokenizer of tasks/classify: training WordPiece twice does not give the same."""
    t = PreTrainedTokenizerFast(tokenizer_file=folder + "/classify/tokenizer.json",
                                unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]",
                                sep_token="[SEP]", mask_token="[MASK]",
                                model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    names = {0: "O", 1: "B-THING", 2: "I-THING", 3: "PLACE"}
    model = spread(BertForTokenClassification(small(t, num_labels=4, id2label=names)), 6)
    pipe = pipeline("token-classification", model=model, tokenizer=t, device="cpu")
    cases = [{"text": x, "tokens": pipe(x)} for x in TEXT.splitlines()[:4] + ["the rivér ÿ, the ship"]]
    for case in cases:
        for token in case["tokens"]:
            token["score"] = float(token["score"])
    save_task(folder + "/tags", model, t, cases)


torch.manual_seed(11)
if "--tags" in sys.argv:
    tags(sys.argv[2])
else:
    heads(sys.argv[1])
    tasks(sys.argv[2])

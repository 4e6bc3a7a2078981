# tuff convert: PyTorch's files and other types to safetensors; what is refused, and that nothing of a
# pickle runs. bash convert.sh TUFF SCRATCH
set -u
tuff=$1
golden=$(cd "$(dirname "$0")/../golden" && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
run() { "$tuff" convert "$@" > out 2> log; }

# Tensors as they are: the data of a file made by torch, and of its parts, is that of one conversion.
run "$golden/torch/state.bin" plain || fail "state.bin: $(cat log)"
grep -q '^18 tensors written to plain$' log || fail "said: $(cat log)"
for from in legacy.bin nested.bin state.safetensors sharded; do
  run "$golden/torch/$from" "as-$from" || fail "$from: $(cat log)"
  cmp -s plain/model.safetensors "as-$from/model.safetensors" || fail "$from gives another file"
done

# A model folder keeps its other files; config.json names the new type. f32 -> bf16 -> f32 loses the
# low bits once: converting again changes nothing.
cp "$golden/models/gpt2-tiny/config.json" "$golden/models/gpt2-tiny/model.safetensors" . || exit 1
mkdir -p model && mv config.json model.safetensors model && echo '{}' > model/tokenizer.json
run model bf16 --dtype bf16 || fail "bf16: $(cat log)"
grep -q '"dtype": "bfloat16"' bf16/config.json || fail "config: $(cat bf16/config.json)"
cmp -s model/tokenizer.json bf16/tokenizer.json || fail "tokenizer.json not copied"
size() { wc -c < "$1"; }
[ $((2 * $(size bf16/model.safetensors))) -lt $((11 * $(size model/model.safetensors) / 10)) ] ||
  fail "bf16 is not half as large"
run bf16 back --dtype f32 && run back again --dtype bf16 || fail "again: $(cat log)"
cmp -s bf16/model.safetensors again/model.safetensors || fail "bf16 is not stable"
run model f16 --dtype=f16 --quiet && [ ! -s log ] || fail "--quiet said: $(cat log)"

# Shards, and back.
run model sharded --shard-megabytes 1 || fail "shards: $(cat log)"
run sharded whole && cmp -s model/model.safetensors whole/model.safetensors || {
  run model whole2; cmp -s whole/model.safetensors whole2/model.safetensors || fail "from shards"
}

# Another head on the same base model: what SRC lacks is said and new, the rest and labels' names stay.
tasks=$golden/tasks
run "$tasks/fill-mask" head --head BertForSequenceClassification --label news --label 'small talk' ||
  fail "head: $(cat log)"
grep -q '^warning: .* has no bert.pooler.dense.weight, bert.pooler.dense.bias, classifier.weight, classifier.bias:' \
  log || fail "head: said $(cat log)"
tr -d ' \n' < head/config.json | grep -q '"id2label":{"0":"news","1":"smalltalk"},"label2id":{"news":0,"smalltalk":1}' ||
  fail "head: $(cat head/config.json)"
"$tuff" classify --quiet --model head 'the river is old' > out 2> log && grep -q 'small talk 0' out ||
  fail "head: $(cat out log)"
"$tuff" embed --quiet --model "$tasks/fill-mask" 'the river is old' > want 2> log
"$tuff" embed --quiet --model head 'the river is old' 2> log | cmp -s - want || fail 'another base model'
run "$tasks/classify" kept --head BertForSequenceClassification || fail "kept: $(cat log)"
grep -q warning log && fail "kept: $(cat log)"
for model in "$tasks/classify" kept; do
  "$tuff" classify --quiet --model "$model" 'a fine film'
done > out 2> log
[ "$(uniq out | wc -l)" -eq 1 ] && grep -q review out || fail "kept: $(cat out log)"
run "$golden/models/bert-encoder-tiny" base --head BertForMaskedLM || fail "base: $(cat log)"
grep -q 'has no cls.predictions.transform.dense.weight, ' log || fail "base: said $(cat log)"
sed 's/"num_hidden_layers": 2/"num_hidden_layers": 1/' "$golden/models/bert-encoder-tiny/config.json" > config.json
cp "$golden/models/bert-encoder-tiny/model.safetensors" .
run . fewer --head BertForMaskedLM && fail 'a base model of more layers was taken'
grep -q 'unexpected encoder.layer.1' log || fail "fewer: said $(cat log)"
rm config.json model.safetensors
[ ! -e fewer ] || fail 'fewer: what was refused left a folder'

# What is saved has the names and shapes that transformers gave each family's file, none more.
names() { # a safetensors file's header is JSON behind 8 bytes that tell its length
  tail -c +9 "$1" | head -c "$(od -An -t u8 -N 8 "$1")" | grep -o '"[^"]*":{"dtype"[^}]*' |
    sed 's/,"data_offsets.*//' | sort
}
for model in "$golden"/models/*-tiny; do
  head=$(grep -A 1 '"architectures"' "$model/config.json" | tail -n 1 | tr -d ' ",')
  rm -rf saved && run "$model" saved --head "$head" --quiet || fail "$model: $(cat log)"
  [ ! -s log ] || fail "$model: $(cat log)"
  names "$model/model.safetensors" > want
  names saved/model.safetensors | cmp -s - want && [ "$(wc -l < want)" -gt 20 ] || fail "$model: other names"
  families=$((${families:-0} + 1))
done
[ "$families" -ge 23 ] || fail "only $families models"

# Refused, in one line, and nothing is left or run.
refused() { # TEXT ARGUMENTS...
  local text=$1 code
  shift
  run "$@"
  code=$?
  [ $code -ne 0 ] && [ "$(grep -c . log)" -eq 1 ] && grep -qF -- "$text" log ||
    fail "$*: exit code $code, said: $(cat log)"
}
refused 'names "posix system"' "$golden/torch/code.bin" code
refused 'names "argparse Namespace"' "$golden/torch/args.bin" args
[ ! -e executed ] && [ ! -e code ] && [ ! -e args ] || fail "left: $(ls)"
refused 'plain/model.safetensors is there already' "$golden/torch/state.bin" plain
refused 'No such file' nowhere.bin nowhere
refused 'SRC and DST' model
refused '"f8" is not f32' model other --dtype f8
refused 'are of a --head' model other --label a
refused 'supported for "gpt2": GPT2LMHeadModel' model other --head BertModel
head -c 3000 "$golden/torch/state.bin" > cut.bin
refused 'cut short' cut.bin cut
echo "all passed"

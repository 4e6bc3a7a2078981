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
head -c 3000 "$golden/torch/state.bin" > cut.bin
refused 'cut short' cut.bin cut
echo "all passed"

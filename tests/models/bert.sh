# tuff verify passes on BERT with each of its heads and on an encoder-decoder, and all there is in the
# reference files is looked at; commands for causal models refuse it. bash bert.sh TUFF SCRATCH
set -u
tuff=$1
golden=$(cd "$(dirname "$0")/../golden/models" && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
folders=("$golden"/bert-* "$golden/marian-tiny")
for name in bert-mlm-tiny bert-cls-tiny; do
  [ -d "${TUFF_SHARED:-/nonexistent}/golden/models/$name" ] &&
    folders+=("$TUFF_SHARED/golden/models/$name")
done
[ ${#folders[@]} -ge 7 ] || fail "found only ${folders[*]}"
validate=()
[ -n "${TUFF_TEST_VALIDATE:-}" ] && validate=(--validate)
pairs=()
for folder in "${folders[@]}"; do
  pairs+=("$folder" "$folder/golden.safetensors")
done
# The same model as BERT's first checkpoints are: a pickle, and TensorFlow's names.
pairs+=("$golden/../torch/bert-old" "$golden/bert-tokens-tiny/golden.safetensors")
"$tuff" verify "${pairs[@]}" --strict "${validate[@]}" > log 2>&1 || fail "$(grep -v '^ok' log)"
grep -v '^ok' log
[ "$(grep -c '^[1-9][0-9]* checked, 0 missed, 0 not checked$' log)" -eq $((${#pairs[@]} / 2)) ] ||
  fail "not all were checked"

# Other tasks and heads.
model=$golden/bert-tokens-tiny
"$tuff" generate --model "$model" --tokenizer "$golden/../tokenizers/bpe-trained" --prompt a \
  > log 2>&1 && fail "generate took BERT"
grep -q 'generating needs a causal language model or an encoder-decoder, which BertForTokenClassification is not' log ||
  fail "generate said: $(cat log)"
"$tuff" train --init "$model" --tokenizer "$golden/../tokenizers/bpe-trained" --steps 1 --out no \
  --data "$golden/../tasks/perplexity/text.txt" > log 2>&1 && fail "train took BERT as a language model"
grep -q 'training needs a causal language model, which BertForTokenClassification is not' log ||
  fail "train said: $(cat log)"
"$tuff" plan --model bert --preset tiny > log 2>&1 && grep -q '^  peak' log || fail "plan of masked words: $(cat log)"
sed 's/BertForTokenClassification/BertForQuestionAnswering/' "$model/config.json" > config.json
cp "$model/model.safetensors" .
"$tuff" verify . "$model/golden.safetensors" > log 2>&1 && fail "an unknown head was taken"
grep -q 'BertForQuestionAnswering.*supported for "bert": BertForMaskedLM, BertForPreTraining' log ||
  fail "unknown head: $(cat log)"
echo "all passed"

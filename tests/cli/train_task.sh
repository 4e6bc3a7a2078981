# tuff train --task: a small BERT guesses masked words, then learns labels of texts and of words from CSV and JSON
# lines; stopped and resumed it ends on the same bits; what is wrong gets one line. bash train_task.sh TUFF SCRATCH
set -u
tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
export XDG_CACHE_HOME=$2/cache
fail() { echo "failed: $*"; exit 1; }
# refused WORDS ARGS...: exit code 1 or 2, and these words on the last line.
refused() {
  local words=$1 code
  shift
  "$tuff" train --quiet "$@" > out 2> err
  code=$?
  [ $code = 1 ] || [ $code = 2 ] || fail "$* gave $code"
  [ "$(wc -l < err)" = 1 ] && grep -qF -- "$words" err || fail "$*: $(cat err), not: $words"
}

# Two moods: four words each, among words of no mood.
seq 0 119 | awk '
  BEGIN { split("good fine great nice bad poor awful dull", mood); split("the a this film book song was felt", other) }
  { x = $1 % 2 * 4; s = ""
    for (i = 0; i < 6; i++) s = s (i ? " " : "") (i % 3 == 1 ? mood[x + ($1 * 7 + i) % 4 + 1] : other[($1 * 5 + i * 3) % 8 + 1])
    print s "\t" ($1 % 2 ? "down" : "up") }' > all.tsv
awk -F '\t' 'BEGIN { print "label,review" } { print $2 ",\"" $1 "\"" }' all.tsv > reviews.csv
cut -f 1 all.tsv > plain.txt
awk -F '\t' '{ n = split($1, w, " "); t = l = ""
  for (i = 1; i <= n; i++) { t = t (i > 1 ? ", " : "") "\"" w[i] "\""
    l = l (i > 1 ? ", " : "") (index(" good fine great nice bad poor awful dull ", " " w[i] " ") ? "\"MOOD\"" : "\"O\"") }
  print "{\"words\": [" t "], \"tags\": [" l "]}" }' all.tsv > tags.jsonl
"$tuff" tokenizer train --quiet --type wordpiece --vocab-size 80 --out tok plain.txt 2> err || fail "$(cat err)"
echo '{"model_type": "bert", "vocab_size": 80, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
  "intermediate_size": 64, "max_position_embeddings": 32, "initializer_range": 0.1}' > config.json

# Masked words: better than guessing; whole words too.
"$tuff" train --task mlm --config config.json --tokenizer tok --data plain.txt --out mlm --batch 24 --context 16 \
  --epochs 6 --lr 1e-2 --dropout 0 --whole-words > out 2> err || fail "mlm: $(cat err)"
grep -q '^done after step 30 of 30' out && grep -q '^validation loss [0-9.]*, perplexity' out || fail "mlm: $(cat out)"
awk -F, 'NR > 1 && $6 != "" { if (!first) first = $6; last = $6 } END { exit !(last < 0.9 * first && last < 4) }' \
  mlm/metrics.csv || fail "mlm did not learn: $(cut -d, -f 6 mlm/metrics.csv | tr '\n' ' ')"
grep -q BertForMaskedLM mlm/step-00000030/config.json || fail "architecture: $(cat mlm/step-00000030/config.json)"
"$tuff" fill-mask --quiet --model mlm --top 1 'this film was [MASK]' > out 2> err || fail "fill-mask: $(cat err)"

# Labels of texts, from that model: far above chance, and `tuff classify` takes the result.
task=(--task classification --init mlm --data reviews.csv --text-field review --batch 12 --context 16
  --lr 1e-2 --dropout 0.1)
"$tuff" train "${task[@]}" --out class --epochs 4 > out 2> err || fail "classification: $(cat err)"
grep -qE 'accuracy (0\.9|1\.0)[0-9]*, f1 (0\.9|1\.0)' out || fail "classification: $(cat out)"
[ "$("$tuff" classify --quiet --model class --top 1 "$(sed -n 1p plain.txt)" "$(sed -n 2p plain.txt)" 2> err |
  cut -d ' ' -f 1 | tr '\n' ' ')" = 'up down ' ] || fail "classify: $(cat err)"

# Stopped in the middle of an epoch and resumed: the same bits. Other settings are named, and may be forced.
"$tuff" train --quiet "${task[@]}" --out half --steps 36 --eval-every 7 --log-format json > log 2> err &
pid=$!
until grep -q '"event":"save"' log 2> /dev/null; do kill -0 $pid 2> /dev/null || break; sleep 0.02; done
kill -9 $pid 2> /dev/null; wait $pid 2> /dev/null
[ "$(cat half/last 2> /dev/null)" != step-00000036 ] || echo "note: it was quicker than the kill"
refused 'resume: changed since the checkpoint: batch (was 12, is 10)' "${task[@]}" --out half --steps 36 --resume \
  --batch 10
refused 'holds checkpoints already' "${task[@]}" --out half --steps 36
"$tuff" train --quiet --out half --resume > out 2> err || fail "resume: $(cat err)"
"$tuff" train --quiet "${task[@]}" --out whole --steps 36 --eval-every 7 > out 2> err || fail "whole: $(cat err)"
cmp half/step-00000036/model.safetensors whole/step-00000036/model.safetensors || fail "resumed: other bits"
cut -d, -f 1-4,6,11- half/metrics.csv | cmp - <(cut -d, -f 1-4,6,11- whole/metrics.csv) || fail "resumed: other metrics"
"$tuff" train --quiet "${task[@]}" --out half --steps 40 --resume --force > out 2> err || fail "--force: $(cat err)"

# All of it by the code of training on text: optimizer, mixed precision, micro-batches, averages, what is frozen,
# a further set. Stopped behind an odd number of micro-batches and resumed, the same bits.
head -41 reviews.csv > other.csv
more=(--task classification --init mlm --data reviews.csv --text-field review --batch 6 --accumulate 3 --lr 3e-3
  --optimizer lion --amp O1 --amp-dtype f16 --checkpoint block --ema 0.9 --freeze 'bert.embeddings.*'
  --eval-data other=other.csv --eval-every 2 --steps 6 --seed 3 --keep 9)
"$tuff" train --quiet "${more[@]}" --out all > out 2> err || fail "all of it: $(cat err)"
cp -r all part && rm -rf part/step-0000000[46] && echo step-00000002 > part/last && echo step-00000002 > part/best
"$tuff" train --quiet --out part --resume > out 2> err || fail "resumed: $(cat err)"
for file in model exp_avg ema optimizer; do
  cmp {all,part}/step-00000006/$file.safetensors || fail "resumed: other bits in $file"
done
head -1 all/metrics.csv | grep -q 'eval_validation_accuracy,eval_validation_f1,eval_other_loss,eval_other_accuracy' ||
  fail "columns: $(head -1 all/metrics.csv)"
"$tuff" train "${more[@]}" --out none --patience 1 --lr 0 --steps 30 2>&1 | grep -q 'no better for a while' ||
  fail "patience"

# Labels of words.
"$tuff" train --task token-classification --init mlm --data tags.jsonl --text-field words --label-field tags \
  --out tags --batch 12 --context 16 --epochs 2 --lr 1e-2 --dropout 0 > out 2> err || fail "tags: $(cat err)"
grep -qE 'f1 (0\.9|1\.0)' out || fail "token classification: $(cat out)"
grep -q BertForTokenClassification "tags/$(cat tags/best)/config.json" || fail "architecture of tags"

# What is wrong.
refused 'no column "text"; there are label, review' --task classification --init mlm --data reviews.csv --context 16 --out no --steps 1
{ cat reviews.csv; echo 'sideways,"a film"'; } > other.csv
refused 'other.csv:122: label "sideways" is none of down, up' --task classification --init class --data other.csv \
  --context 16 --out no --steps 1 --text-field review
mkdir only && cp plain.txt only
refused 'has one label only' --task classification --init mlm --data only --context 16 --out no --steps 1
refused 'a text file has "text" and, by its folder, "label"' --task classification --init mlm --data plain.txt --context 16 --out no \
  --steps 1
refused 'the family gpt2 has no head for masked words' --task mlm --model gpt2 --tokenizer tok --data plain.txt --context 16 --out no \
  --steps 1
for option in 'prompt-tuning 4' 'prefix-tuning 4'; do
  refused 'a soft prompt needs a causal language model or a classifier' --task mlm --init mlm --data plain.txt --context 16 \
    --out no --steps 1 --$option
done
for option in pack 'neftune 5'; do
  refused "not for task classification" --task classification --init mlm --data reviews.csv --text-field review --context 16 \
    --out no --steps 1 --$option
done
refused 'metric-for-best-model "precision": there is loss, accuracy, f1' --task classification --init mlm --data reviews.csv \
  --text-field review --context 16 --out no --steps 1 --metric-for-best-model precision
refused 'metric-for-best-model "f1": there is loss' --task mlm --init mlm --data plain.txt --context 16 --out no --steps 1 \
  --metric-for-best-model f1
refused 'lm, mlm, classification or token-classification' --task sorting --data plain.txt --out no --steps 1
refused '--data PATH is needed' --task mlm --context 16 --out no --steps 1
[ ! -e no ] || fail "a refused run left its folder"
echo "all passed"

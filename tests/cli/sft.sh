# tuff sft as users run it: a base model, then instructions; what it writes and says, going on, chatting
# with it, and what bad input gets. bash sft.sh TUFF SCRATCH
set -u
tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
refused() { # TEXT COMMAND...: fails with that line and makes nothing
  local text=$1
  shift
  "$@" > out 2> err && fail "taken: $*"
  grep -q -- "$text" err || fail "$*: $(cat err)"
  [ "$(grep -c '^tuff sft: ' err)" = 1 ] || fail "not one line: $(cat err)"
}
export XDG_CACHE_HOME=$2/cache

seq 1 300 | awk '{ a = $1 % 6; b = $1 % 7 + 1; print "the sum of", a, "and", b, "is", a + b "." }' > text.txt
"$tuff" tokenizer train --type bpe --vocab-size 300 --special-token '<|endoftext|>' --out tok text.txt > log 2>&1 ||
  fail "$(cat log)"
printf '{"model_type":"bloom","vocab_size":300,"hidden_size":32,"n_layer":2,"n_head":4,"eos_token_id":0,"bos_token_id":0,
  "initializer_range":0.1}' > config.json
"$tuff" train --quiet --config config.json --data text.txt --tokenizer tok --out base --context 16 --batch 8 --steps 40 \
  --lr 3e-3 > log 2>&1 || fail "train: $(cat log)"
seq 0 119 | awk '{ printf "{\"instruction\": \"%s%s\", \"output\": \"%s\"}\n", $1 % 2 ? "sum?" : "is?",
  ($1 > 59 ? " and more of it, please" : ""), $1 % 2 ? "odd" : "even" }' > data.jsonl
sft() { # OUT OPTIONS...
  local out=$1
  shift
  "$tuff" sft --model base --data data.jsonl --out "$out" --context 64 --batch 4 --epochs 8 --lr 4e-3 --warmup 5 \
    --validation 0.1 --max-new-tokens 8 --save-every 20 --eval-every 30 "$@"
}
sft run --prompt "sum?" > out 2> err || fail "sft: $(cat err)"
grep -q '^data: 108 examples to train on, 12 held out; micro-batches of [0-9]* x [0-9]*, ' err || fail "data: $(cat err)"
grep -q '^template: Human/Assistant.*; [0-9]* of [0-9]* tokens are answers$' err || fail "template: $(cat err)"
grep -q 'validation loss [0-9.]*, perplexity [0-9.]*$' err || fail "perplexity: $(cat err)"
before=$(sed -n 's/^exact match on 12 held-out examples: \([0-9]*\) before.*/\1/p' out)
after=$(sed -n 's/^exact match on 12 .* \([0-9]*\) after .*/\1/p' out)
[ "${before:-9}" -le 1 ] && [ "${after:-0}" -ge 11 ] || fail "nothing was learnt: $(cat out)"
grep -A 3 '^Human: sum?$' out | grep -q '^  before: ' || fail "no answers: $(cat out)"
grep -A 4 '^Human: sum?$' out | grep -q '^  after:    odd$' || fail "no answers: $(cat out)"
last=run/$(cat run/last)
for f in chat_template.jinja tokenizer_config.json config.json model.safetensors tokenizer.json; do
  [ -s "$last/$f" ] || fail "no $last/$f"
done

# Several examples a row: as well.
sft packed --pack --quiet > out 2> err || fail "--pack: $(cat err)"
after=$(sed -n 's/^exact match on 12 .* \([0-9]*\) after .*/\1/p' out)
[ "${after:-0}" -ge 11 ] || fail "--pack: nothing was learnt: $(cat out)"
grep -q '"pack": true' "packed/$(cat packed/last)/trainer.json" || fail "--pack is not kept"

# chat asks in the manner that was learnt, of the trained run too when it is tuned further.
[ "$(printf 'is?\n/new\nsum? and more of it, please\n' | "$tuff" chat --quiet --model run --greedy 2> err | head -1)" = even ] ||
  fail "chat: $(cat err)"
grep -q 'no chat template' err && fail "the template was not found"
"$tuff" sft --model run --data data.jsonl --out more --context 64 --steps 2 --quiet > out 2> err || fail "$(cat err)"

# Further sets: at a rate of 0 the loss of all that one step trains on is that of the same examples as a set, in rows of
# their own and packed; one longer than all that is trained on has its shape; a resumed run knows them.
head -4 data.jsonl > four.jsonl
echo '{"instruction": "is?", "output": "even odd even odd even odd even odd even odd even odd even odd even odd"}' > long.jsonl
sets() { # OUT OPTIONS...
  "$tuff" sft --quiet --model run --out "$@" --data four.jsonl --eval-data same=four.jsonl --eval-data long=long.jsonl --validation 0 \
    --context 128 --batch 8 --lr 0 --steps 1 --dropout 0 > out 2> err || fail "--eval-data: $(cat err)"
  awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; if (!at["eval_same_loss"] || !at["eval_long_loss"]) exit 1 }
    NR == 2 { trained = $2 } { same = $at["eval_same_loss"]; long = $at["eval_long_loss"] }
    END { off = same - trained; exit !(same > 0 && long > 0 && long != same && off < 2e-5 && off > -2e-5) }' "$1/metrics.csv" ||
    fail "sets: $(cat "$1/metrics.csv")"
}
sets alone
sets together --pack
"$tuff" sft --quiet --out alone --resume --steps 2 --force > out 2> err || fail "resume: $(cat err)"
tail -n 1 alone/metrics.csv | grep -qE '^2,.*[0-9],[0-9.]+$' || fail "sets are forgotten: $(cat alone/metrics.csv)"

# Interrupted, then gone on with: the same bits.
total=$(ls run | sed -n 's/^step-0*//p' | sort -n | tail -1)
sft cut --quiet --steps "$total" --epochs 0 > out 2> err || fail "$(cat err)"
cmp "$last/model.safetensors" "cut/$(cat cut/last)/model.safetensors" || fail "the same run has other bits"
rm -rf "cut/$(cat cut/last)"
"$tuff" sft --out cut --resume --quiet > out 2> err || fail "resume: $(cat err)"
cmp "$last/model.safetensors" "cut/$(cat cut/last)/model.safetensors" || fail "a resumed run has other bits"
refused 'changed since the checkpoint: ' "$tuff" sft --out cut --resume --steps 999 --quiet --lr 1

# JSON
sft json --steps 3 --epochs 0 --log-format json > out 2> err || fail "json: $(cat err)"
grep -v -q '^{.*}$' out && fail "not JSON: $(grep -v '^{.*}$' out)"
grep -q '^{"event":"exact_match","before":[0-9]*,"after":[0-9]*,"of":12}$' out || fail "$(cat out)"
grep -q '^{"event":"answer","step":0,"prompt":".*","answer":".*","expected":"[a-z]*"}$' out || fail "$(cat out)"

# What is refused
head -3 data.jsonl > wrong.jsonl
echo '{"title": "x"}' >> wrong.jsonl
refused 'wrong.jsonl:4: not instruction data' "$tuff" sft --model base --data wrong.jsonl --out no
refused 'no example to learn from' "$tuff" sft --model base --data data.jsonl --out no --context 4 --quiet
refused 'NAME=PATH is meant' "$tuff" sft --model base --data data.jsonl --eval-data four.jsonl --out no --steps 1 --quiet
refused 'nothing.json' "$tuff" sft --model base --data data.jsonl --eval-data x=nothing.json --out no --steps 1 --quiet
refused '--model DIR is needed' "$tuff" sft --data data.jsonl --out no
refused 'no checkpoint to resume' "$tuff" sft --out nowhere --resume
refused 'nothing.json' "$tuff" sft --model base --data nothing.json --out no
refused 'holds checkpoints already' "$tuff" sft --model base --data data.jsonl --out run --quiet
[ ! -e no ] && [ ! -e nowhere ] || fail "a refused run left something"
echo "all passed"

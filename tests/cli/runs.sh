# tuff runs: runs side by side; and --patience, which ends a run that gets no better, to the bit also when it was
# interrupted. bash runs.sh TUFF SCRATCH
set -u
tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
export XDG_CACHE_HOME=$2/cache
seq 1 200 | awk '{ print $1 * 7919 % 1009, $1 * 104729 % 997 }' > text.txt
"$tuff" tokenizer train --quiet --vocab-size 280 --out tok text.txt > log 2>&1 || fail "$(cat log)"
printf '{"model_type":"gpt2","vocab_size":280,"n_positions":16,"n_embd":32,"n_layer":1,"n_head":2}' > config.json
train() { # OUT OPTIONS...
  local out=$1
  shift
  "$tuff" train --quiet --config config.json --data text.txt --tokenizer tok --out "$out" --context 16 --batch 4 --steps 80 \
    --eval-every 4 --save-every 4 --lr 2e-2 --warmup 2 "$@" > out 2> err || fail "train: $(cat err)"
}
# Numbers out of nowhere are soon learnt by heart: the held-out ones then get worse.
train all/long
train all/short --patience 3 --seed 1
grep -q '^no better for a while: ended after step [0-9]* of 80' out || fail "not ended: $(cat out)"
ended=$(sed 's/step-0*//' all/short/last)
[ "$ended" -lt 80 ] || fail "ended at $ended"
best=$(sed 's/step-0*//' all/short/best)
[ $((best + 12)) = "$ended" ] && [ -s "all/short/$(cat all/short/best)/model.safetensors" ] || fail "best $best, ended $ended"
cp -r all/short cut && rm -rf "cut/$(cat cut/last)"
"$tuff" train --out cut --resume --quiet > out 2> err || fail "resume: $(cat err)"
grep -q "^no better for a while: ended after step $ended of 80" out || fail "resumed: $(cat out)"
cmp "cut/$(cat cut/last)/model.safetensors" "all/short/$(cat all/short/last)/model.safetensors" || fail "other bits"

train all/other --seed 2 --lr 1e-2 --steps 4
"$tuff" runs all > out 2> err || fail "runs: $(cat err)"
[ "$(head -1 out | tr -s ' ')" = "run step of loss val_loss best tokens/s" ] || fail "$(cat out)"
[ "$(sed -n '2,4s/ .*//p' out | tr '\n' ' ')" = "all/long all/other all/short " ] || fail "$(cat out)"
awk -v e="$ended" '$1 == "all/long" { l = $2 == 80 && $3 == 80 && $6 <= $5 } $1 == "all/short" { s = $2 == e && $6 < $5 }
  $1 == "all/other" { o = $2 == 4 && $3 == 4 } END { exit !(l && s && o) }' out || fail "numbers: $(cat out)"
grep -q '^seed: 1, 2, 1$' out && grep -q '^lr: 0.02, 0.01, 0.02$' out || fail "differences: $(cat out)"
grep -q '^batch:' out && fail "batch is the same: $(cat out)"
"$tuff" runs --json all/long all/other > out 2> err || fail "json: $(cat err)"
[ "$(grep -c '^{"run":"all/[a-z]*","step":[0-9]*,"steps":[0-9]*,"loss":[0-9.]*,.*"settings":{.*}}$' out)" = 2 ] || fail "$(cat out)"
mkdir empty
"$tuff" runs empty > out 2> err && fail "an empty folder has runs"
grep -q 'empty: no run there' err || fail "$(cat err)"
echo 'x,y' > empty/metrics.csv
echo '1,"' >> empty/metrics.csv
"$tuff" runs empty > out 2> err || grep -q 'metrics.csv' err || fail "$(cat err)"
echo "all passed"

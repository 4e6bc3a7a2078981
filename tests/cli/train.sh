# tuff train as users run it: what it writes and says, going on, starting from a checkpoint, damage;
# then the model talks. bash train.sh TUFF SCRATCH
set -u
tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
export XDG_CACHE_HOME=$2/cache

seq 1 4000 | awk '{ print "line", $1, "of the text: " $1 * 7 % 13, "sheep,", $1 % 5, "goats." }' > text.txt
"$tuff" tokenizer train --type bpe --vocab-size 300 --out tok text.txt > log 2>&1 || fail "tokenizer: $(cat log)"
cat > config.json << EOF
{"model_type": "gpt2", "vocab_size": 300, "n_positions": 16, "n_embd": 32, "n_layer": 2, "n_head": 4,
 "embd_pdrop": 0.1, "resid_pdrop": 0.1, "attn_pdrop": 0.1}
EOF
run() { # FOLDER OPTIONS...
  out=$1
  shift
  "$tuff" train --config config.json --data text.txt --tokenizer tok --out "$out" --context 16 --batch 4 \
    --steps 60 --save-every 7 --eval-every 20 --eval-batches 4 "$@"
}
last=step-00000060

# Text: the result on stdout, progress on stderr, one plain line at a time.
run whole > out 2> err || fail "train: $(cat err)"
for f in metrics.csv loss.png last best data.tok $last/config.json $last/model.safetensors $last/tokenizer.json \
  $last/exp_avg.safetensors $last/exp_avg_sq.safetensors $last/trainer.json; do
  [ -s "whole/$f" ] || fail "no whole/$f"
done
ls whole/events.out.tfevents.* > /dev/null || fail "no event file"
for line in '^done after step 60 of 60' 'bits per byte$' "^checkpoint  whole/$last$" '^metrics     whole/metrics.csv$' \
  '^loss curve  whole/loss.png$'; do
  grep -q "$line" out || fail "no \"$line\": $(cat out)"
done
for line in '^data: [0-9]* tokens' 'bytes: parameters [0-9]*, gradients [0-9]*, optimizer [0-9]*, activations' \
  '^ready after' '^step 1/60  loss [0-9.]*  [0-9]* tokens/s  ETA' '^step 60/60' \
  '^step 20: validation loss' "^saved whole/step-00000007"; do
  grep -q "$line" err || fail "no \"$line\": $(cat err)"
done
grep -q "$(printf '\r')\|$(printf '\033')" err && fail "a bar where there is no terminal"
[ "$(sed -n 1p whole/metrics.csv)" = step,loss,grad_norm,lr,tokens_per_s,val_loss,val_bits_per_byte,watts,celsius,joules_per_1000_tokens ] || fail "columns"
[ "$(grep -c '^[0-9]*,[0-9]' whole/metrics.csv)" -eq 60 ] || fail "not a row a step"
[ "$(awk -F, 'NR > 1 && $6 != "" { printf "%s ", $1 }' whole/metrics.csv)" = "20 40 60 " ] || fail "not three evaluations"
awk -F, 'NR > 1 && $2 != "" { if (!first) first = $2; last = $2 } END { exit !(last < 0.8 * first) }' whole/metrics.csv ||
  fail "nothing was learnt"

# JSON: an object a line and nothing else; the same run again, to the bit.
run again --log-format json > out 2> err || fail "json: $(cat err)"
[ "$(grep -c '^{"event":"step","step":[0-9]*,"steps":60,.*"loss":[0-9.]*,.*}$' out)" -eq 60 ] || fail "rows: $(head -3 out)"
grep -v -q '^{.*}$' out && fail "not JSON: $(grep -v '^{.*}$' out)"
cmp whole/$last/model.safetensors again/$last/model.safetensors || fail "the same run has other bits"

# A bar where there is a terminal (script makes one, where /dev/pts is mounted).
if ! script -qec true /dev/null > /dev/null 2>&1 < /dev/null; then
  echo "no terminal can be made here: the bar is not tried"
else
  script -qec "'$tuff' train --config config.json --data whole/data.tok --out bar --context 16 --batch 4 --steps 5" \
    /dev/null > screen 2>&1 < /dev/null || fail "on a terminal: $(cat screen)"
  grep -q '\[[#.]*\] step 5/5  loss' screen || fail "no bar: $(cat screen)"
fi

# A damaged checkpoint is passed over, and the end is the same again; the run's name is enough.
n=$(ls -d again/step-* | wc -l)
[ "$n" -ge 2 ] || fail "only $n checkpoints kept"
printf x | dd of=again/$last/model.safetensors bs=1 seek=2000 conv=notrunc 2> /dev/null
"$tuff" train --out again --resume --quiet > log 2>&1 || fail "resume from the one before: $(cat log)"
grep -q "passed over: again/$last/model.safetensors" log || fail "the damage is not told: $(cat log)"
cmp whole/$last/model.safetensors again/$last/model.safetensors || fail "other bits from the one before"

# More steps are another schedule: said, and done with --force.
"$tuff" train --out again --resume --steps 70 --quiet > log 2>&1 && fail "another number of steps was taken in silence"
grep -q 'steps (was 60, is 70)' log || fail "steps: $(cat log)"
"$tuff" train --out again --resume --steps 70 --force --quiet > log 2>&1 || fail "--force: $(cat log)"
grep -q '^done after step 70 of 70' log || fail "--force: $(cat log)"

# Starting from a checkpoint: its model and its tokenizer, new data. By epochs, until the time is over.
"$tuff" train --init whole --data text.txt --out tuned --context 16 --batch 8 --lr 0 --warmup 0 --steps 2 --dropout 0 \
  --weight-decay 0 --quiet > log 2>&1 || fail "--init: $(cat log)"
cmp whole/$last/model.safetensors tuned/step-00000002/model.safetensors || fail "--init: other weights at a rate of 0"
"$tuff" train --init whole --data whole/data.tok --out timed --context 16 --batch 8 --epochs 1000 --seconds 4 \
  --eval-batches 1 --eval-every 0 --quiet > log 2>&1 || fail "--seconds: $(cat log)"
grep -q '^out of time after step' log || fail "--seconds: $(cat log)"
grep -q '^go on       tuff train --out timed --resume$' log || fail "how to go on: $(cat log)"

# Several prompts at once give what each gives alone.
"$tuff" generate --quiet --model whole --prompt "line 7" --max-new-tokens 8 --greedy --json > one 2> log ||
  fail "generate: $(cat log)"
"$tuff" generate --quiet --model whole --prompt "line 7" --prompt "of the text: 1 sheep" --max-new-tokens 8 --greedy \
  --json > two
[ "$(head -n 1 two)" = "$(cat one)" ] || fail "a prompt in company: $(cat one two)"
echo "all passed"

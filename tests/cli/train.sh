# Trains, kills, resumes, damages, locks and mistypes, as users do. bash train.sh TUFF SCRATCH
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
steps=60
start() { # FOLDER OPTIONS...: the same training everywhere; replaces the shell it is called in
  out=$1
  shift
  exec "$tuff" train --config config.json --data text.txt --tokenizer tok --out "$out" --context 16 --batch 4 \
    --steps $steps --save-every 7 --eval-every 20 --eval-batches 4 --quiet "$@"
}
run() { (start "$@"); }
last=step-000000$steps

run whole > log 2>&1 || fail "train: $(cat log)"
for f in metrics.csv loss.png last best $last/model.safetensors $last/tokenizer.json; do
  [ -s "whole/$f" ] || fail "no whole/$f"
done
grep -q 'bits per byte' log || fail "no bits per byte: $(cat log)"

# Killed at random moments, each time resumed: the same bits in the end.
for round in 1 2 3; do
  start killed --resume > log 2>&1 &
  pid=$!
  sleep "$(awk -v r=$round$RANDOM 'BEGIN { srand(r); print 0.3 + rand() * 1.2 }')"
  kill -9 $pid 2> /dev/null
  wait $pid 2> /dev/null
done
run killed --resume > log 2>&1 || fail "resume: $(cat log)"
cmp whole/$last/model.safetensors killed/$last/model.safetensors || fail "other bits after kill -9"
cmp whole/$last/exp_avg_sq.safetensors killed/$last/exp_avg_sq.safetensors || fail "other optimizer states"
[ "$(cut -d, -f1,2 whole/metrics.csv)" = "$(cut -d, -f1,2 killed/metrics.csv)" ] || fail "other metrics"

# The first Ctrl-C finishes the step, saves, exits with 3.
steps=100000
start stopped > log 2>&1 &
pid=$!
for _ in $(seq 100); do [ -e stopped/last ] && break; sleep 0.1; done
run stopped > log2 2>&1 && fail "a second writer was let in"
grep -q "in use by process $pid" log2 || fail "the holder is not named: $(cat log2)"
kill -USR1 $pid
sleep 0.3
kill -INT $pid
wait $pid
[ $? -eq 3 ] || fail "exit code after Ctrl-C: $(cat log)"
stopped=$(cat stopped/last)
[ -s "stopped/$stopped/model.safetensors" ] || fail "nothing saved on Ctrl-C"

# A damaged checkpoint is passed over.
steps=60
n=$(ls -d killed/step-* | wc -l)
[ "$n" -ge 2 ] || fail "only $n checkpoints kept"
printf x | dd of=killed/$last/model.safetensors bs=1 seek=2000 conv=notrunc 2> /dev/null
run killed --resume > log 2>&1 || fail "resume from the one before: $(cat log)"
cmp whole/$last/model.safetensors killed/$last/model.safetensors || fail "other bits from the one before"

# What cannot be done is one line, exit 1 or 2, and nothing is lost.
refused() { # WORDS CODE COMMAND...
  words=$1 code=$2
  shift 2
  "$@" > log 2>&1
  got=$?
  [ $got -eq "$code" ] || fail "$words: exit $got: $(cat log)"
  grep -q -- "$words" log || fail "no \"$words\": $(cat log)"
  [ "$(grep -c '^tuff ' log)" -eq 1 ] || fail "not one line: $(cat log)"
}
refused 'lr (was' 1 run whole --resume --lr 0.5
refused 'holds checkpoints already' 1 run whole
refused 'unknown option' 2 run new --stepz 3
refused 'n_positions\|positions' 1 run new --context 32
: > empty.txt
refused 'empty.txt\|not one byte\|empty' 1 "$tuff" train --config config.json --data empty.txt --tokenizer tok --out new --steps 1
refused 'nowhere' 1 "$tuff" train --config config.json --data text.txt --tokenizer nowhere --out new2 --steps 1
sed 's/300/200/' config.json > small.json
refused "vocabulary has 300 ids" 1 "$tuff" train --config small.json --data text.txt --tokenizer tok --out new3 --context 16 --steps 1
refused 'nowhere' 1 "$tuff" generate --model nowhere --prompt x
head -c 1000 whole/$last/model.safetensors > cut && mkdir -p broken && cp whole/$last/*.json broken/ && cp cut broken/model.safetensors
refused 'model.safetensors' 1 "$tuff" generate --model broken --prompt x
VK_DRIVER_FILES=/nonexistent VK_ICD_FILENAMES=/nonexistent refused 'no Vulkan driver' 1 "$tuff" devices

# Several prompts at once give what each gives alone.
"$tuff" generate --quiet --model whole --prompt "line 7" --max-new-tokens 8 --greedy --json > one 2> log || fail "generate: $(cat log)"
"$tuff" generate --quiet --model whole --prompt "line 7" --prompt "of the text: 1 sheep" --max-new-tokens 8 --greedy --json > two
[ "$(head -n 1 two)" = "$(cat one)" ] || fail "a prompt in company: $(cat one two)"
echo "all passed"

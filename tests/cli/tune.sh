# tuff tune: measures, keeps, is found again; training goes on with other kernels only by force; bad
# words. bash tune.sh TUFF SCRATCH
set -u
tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
export XDG_CACHE_HOME=$PWD/cache
cat > config.json << EOF2
{"model_type": "gpt2", "vocab_size": 300, "n_positions": 16, "n_embd": 32, "n_layer": 1, "n_head": 2}
EOF2

"$tuff" tune --config config.json --batch 2 --seconds 0.001 --quiet > out 2> log || fail "tune: $(cat log)"
grep -q '^matmul nt f32 32x96x32x1 .* ms .* x$' out || fail "a call is missing: $(cat out)"
grep -q '^attention 2x2x2 16x16x16 causal .* ms .* x$' out || fail "no attention: $(cat out)"
grep -q '^attention_grad 2x2x2 16x16x16 causal .* ms .* x$' out || fail "no gradient of it: $(cat out)"
grep -q '^all of a step: .* ms, with the winners .* ms' out || fail "no sum: $(cat out)"
[ "$(ls cache/tuff/tuning-*.json | wc -l)" -eq 1 ] || fail "no file: $(ls cache/tuff)"
file=$(ls cache/tuff/tuning-*.json)
n=$(sed -n 's/^\([0-9]*\) choices .*/\1/p' out)
[ "$(grep -c '"variant"' "$file")" -eq "$n" ] || fail "$n choices, not in $(cat "$file")"

# What generating calls: rows of one token, and prompts.
"$tuff" tune --config config.json --generate --batch 1 --seconds 0.001 --quiet > out 2> log ||
  fail "tune --generate: $(cat log)"
grep -q '^matmul nt f32 1x96x32x1 ' out && grep -q '^matmul nt f32 64x96x32x1 ' out || fail "rows: $(cat out)"
grep -q '^all of the programs: ' out || fail "no sum: $(cat out)"

refused() { # WORDS CODE COMMAND...
  words=$1 code=$2
  shift 2
  "$@" > out 2> log
  got=$?
  [ $got -eq "$code" ] && grep -q -- "$words" log && [ "$(grep -c . log)" -eq 1 ] ||
    fail "$*: exit $got, $(cat log)"
}
refused 'no model preset\|nosuch' 1 "$tuff" tune --preset nosuch
refused 'batch: 0 is not between' 2 "$tuff" tune --batch 0
refused 'XDG_CACHE_HOME' 1 env -u XDG_CACHE_HOME -u HOME "$tuff" tune --preset tiny

# A run, then another choice of kernel for one of its products.
rm -f "$file"
seq 1 1000 | awk '{ print "line", $1, "of the text: " $1 * 7 % 13, "sheep,", $1 % 5, "goats." }' > text.txt
"$tuff" tokenizer train --type bpe --vocab-size 300 --out tok text.txt > log 2>&1 || fail "$(cat log)"
train() { "$tuff" train --out run --quiet "$@" > out 2> log; }
train --config config.json --data text.txt --tokenizer tok --context 16 --batch 2 --steps 4 \
  --save-every 2 || fail "train: $(cat log)"
echo step-00000002 > run/last
"$tuff" devices --json > devices.json 2> log
if grep -q '"class": "cpu"' devices.json; then
  value() { sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" devices.json | head -n 1; }
  cat > "$file" << EOF2
{"tuff_tuning": 1, "device": "here", "uuid": "$(value uuid)", "driver_version": $(value driver_version),
 "choices": {"matmul nt f32 32x96x32x1": {"variant": "cpu", "tile": 4097}}}
EOF2
  cp -r run twin
  train --resume && fail "other kernels were taken in silence"
  grep -q 'kernels or tiles' log && [ "$(grep -c . log)" -eq 1 ] || fail "other kernels: $(cat log)"
  train --resume --force || fail "--force: $(cat log)"
  mv "$file" aside
  "$tuff" train --out twin --resume --quiet > out 2> log || fail "the same kernels again: $(cat log)"
  echo broken > "$file"
  "$tuff" bench matmul --m 32 --n 96 --k 32 --seconds 0.01 > out 2> log || fail "a broken file: $(cat log)"
  [ "$(grep -c 'tuning ignored' log)" -eq 1 ] || fail "a broken file is not told: $(cat log)"
fi
echo ok

# tuff plan: sums, what fits, what would, a device that is not here, bad descriptions.
# bash plan.sh TUFF SCRATCH
set -u
tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }

cat > caps.json << EOF
{"name": "Small GPU", "type": "discrete", "class": "generic", "memory_available": 2500000000,
 "max_allocation": 1073741824, "max_invocations": 256}
EOF
plan() { "$tuff" plan --no-device caps.json "$@" > out 2> log; }
number() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" out; }

# GPT-2's 124 439 808 parameters; every tensor on 256 elements; two AdamW states each.
plan --preset gpt2 --batch 1 --context 256 --json || fail "plan: $(cat log)"
[ "$(number parameter_count)" -eq 124439808 ] || fail "parameters: $(cat out)"
p=$(number parameters)
[ "$p" -ge $((124439808 * 4)) ] && [ "$p" -lt $((124500000 * 4)) ] ||
  fail "parameter bytes: $p"
[ "$(number gradients)" -eq "$p" ] || fail "gradients: $(cat out)"
[ "$(number optimizer)" -ge $((2 * p)) ] || fail "optimizer: $(cat out)"
[ "$(number peak)" -eq $((p + $(number frozen) + $(number gradients) + $(number optimizer) +
  $(number activations) + $(number inputs) + $(number tables) + $(number constants) + $(number staging))) ] || fail "the peak is not the sum: $(cat out)"
plan --preset gpt2 --batch 1 --context 256 || fail "plan: $(cat log)"
grep -q 'Small GPU has .* it fits' out || fail "no verdict: $(cat out)"

# States in host memory are none of the device's; frozen parameters have none, nor gradients; a moving
# average is one more.
plan --preset gpt2 --batch 1 --context 256 --offload states --json || fail "--offload: $(cat log)"
[ "$(number host)" -eq $((2 * p)) ] || fail "host: $(cat out)"
plan --preset gpt2 --batch 1 --context 256 --freeze '*wte*+*wpe*' --json || fail "--freeze: $(cat log)"
[ $(($(number parameters) + $(number frozen))) -eq "$p" ] || fail "frozen: $(cat out)"
[ "$(number gradients)" -eq "$(number parameters)" ] || fail "gradients of frozen: $(cat out)"
plan --preset gpt2 --batch 1 --context 256 --ema 0.999 --offload states --json || fail "--ema: $(cat log)"
[ "$(number host)" -ge $((3 * p)) ] || fail "average: $(cat out)"
plan --preset gpt2 --batch 1 --offload nowhere && fail "--offload nowhere"
plan --preset gpt2 --batch 1 --freeze '*nothing*' && fail "--freeze of nothing"
grep -q 'no parameter has such a name' log || fail "--freeze: $(cat log)"
# A budget that one sequence exceeds with everything made again: the states move, as the last resort.
plan --preset gpt2 --batch 2 --context 64 --memory 1300MB || fail "--memory: $(cat log)"
grep -q -- '--offload states' out || fail "--memory: no last resort: $(cat out)"
grep -q '^  host ' out || fail "--memory: $(cat out)"

# What does not fit names a change that does, and that change fits.
follow() { # OPTIONS: refused; the change named is taken and must fit, one step more must not
  plan "$@" && fail "$*: it should not fit"
  [ "$(grep -c . log)" -eq 1 ] || fail "$*: not one line: $(cat log)"
  advice=$(sed -n 's/.*; \(--batch [0-9]*\( --context [0-9]*\)*\).*/\1/p' log)
  [ -n "$advice" ] || fail "$*: no change named: $(cat log)"
  plan "$@" $advice || fail "$* $advice does not fit: $(cat out log)"
}
follow --preset gpt2 --context 256 --batch 8
follow --preset gpt2 --context 1024 --batch 1
plan --preset gpt2 --context 1024 --batch 1 --context $((${advice##* } + 1)) && fail "a longer context fits too"
plan --preset gpt2 --context 256 --batch 8 --json && fail "--json: exit code"
grep -q '"fits":false.*"remedy":"--batch' out || fail "--json: no remedy: $(cat out)"
# Logits of 8 x 1024 x 50257 would be larger than a piece of 512 MiB: made in chunks, which is said.
# Of 64 sequences the wide layers' values are too large: one is named.
sed 's/2500000000/80000000000/' caps.json > large.json
"$tuff" plan --no-device large.json --preset gpt2 --batch 8 --context 1024 > out 2> log || fail "chunks: $(cat log)"
grep -q '1570.5 MiB: made in chunks of 1280 rows' out || fail "chunks: $(cat out)"
"$tuff" plan --no-device large.json --preset gpt2 --batch 64 --context 1024 > out 2> log && fail "a value fits into a piece"
grep -q '\[.*2304\].*one allocation.*--batch [1-9]' log || fail "a large value: $(cat log)"
plan --preset gpt2-xl && fail "gpt2-xl fits"
grep -q 'only a smaller model' log || fail "gpt2-xl: $(cat log)"

# A tiled GPU with room for tiles sums weight gradients in parts, which takes memory; one whose shared
# memory holds no tile does not.
sed 's/generic/tiled/; s/"max_inv/"max_shared_bytes": 32768, "max_inv/' caps.json > tiled.json
sed 's/generic/tiled/' caps.json > none.json
activations() { "$tuff" plan --no-device "$1" --preset tiny --batch 16 --json > out 2> log ||
  fail "$1: $(cat log)"; number activations; }
[ "$(activations none.json)" -eq "$(activations caps.json)" ] || fail "no tile: $(cat out)"
[ "$(activations tiled.json)" -gt "$(activations caps.json)" ] || fail "no parts: $(cat out)"
# A GPU with matrix units is described by the shapes they multiply. What a tile of products keeps in shared
# memory depends on the shape, so other shapes are other tiles, other parts of k and another plan;
# what is no product of such halves has the plan of a GPU without.
cat > wide.json << EOF
{"model_type": "gpt2", "vocab_size": 64, "n_positions": 256, "n_embd": 768, "n_layer": 1, "n_head": 8}
EOF
sed -i 's/"max_invocations": 256/"max_invocations": 128, "compute_units": 132/' tiled.json
shape() { # SIDE DTYPE
  sed 's/"max_inv/"subgroup_size": 32, "matrix_units": true, "matrix_shapes": [SHAPE], "max_inv/' tiled.json |
    sed "s/SHAPE/{\"m\": $1, \"n\": $1, \"k\": 16, \"dtype\": \"$2\"}/" > matrix.json
}
wide() { # CAPS OPTIONS
  "$tuff" plan --no-device "$@" --config wide.json --batch 8 --json > out 2> log || fail "$*: $(cat log)"
  number activations
}
f16='--amp O2 --amp-dtype f16' bf16='--amp O2 --amp-dtype bf16'
shape 16 f16
[ "$(wide matrix.json $f16)" -ne "$(wide tiled.json $f16)" ] || fail "matrix units plan as none: $(cat out)"
[ "$(wide matrix.json $bf16)" -eq "$(wide tiled.json $bf16)" ] || fail "units of F16 take BF16: $(cat out)"
[ "$(wide matrix.json --amp O0)" -eq "$(wide tiled.json --amp O0)" ] || fail "units of F16 take F32: $(cat out)"
small=$(wide matrix.json $f16)
shape 32 f16
[ "$(wide matrix.json $f16)" -lt "$small" ] || fail "shapes of 32 x 32 plan as of 16 x 16: $(cat out)"
shape 48 f16 # no tile is made of such
[ "$(wide matrix.json $f16)" -eq "$(wide tiled.json $f16)" ] || fail "shapes of 48 x 48: $(cat out)"
shape 16 bf16
[ "$(wide matrix.json $bf16)" -ne "$(wide tiled.json $bf16)" ] || fail "units of BF16: $(cat out)"

# Without any driver the plan stands, and is the same.
VK_DRIVER_FILES=/nonexistent VK_ICD_FILENAMES=/nonexistent "$tuff" plan --preset tiny > out 2> log ||
  fail "no driver: $(cat log)"
grep -q '^  peak' out || fail "no driver: $(cat out)"
# What `tuff train` then counts is what was planned.
seq 1 200 | awk '{ print "line", $1, "of", $1 * 7 % 13, "sheep." }' > text.txt
"$tuff" tokenizer train --type bpe --vocab-size 280 --out tok text.txt > log 2>&1 || fail "tokenizer: $(cat log)"
cat > config.json << EOF
{"model_type": "gpt2", "vocab_size": 280, "n_positions": 16, "n_embd": 32, "n_layer": 2, "n_head": 4,
 "embd_pdrop": 0, "resid_pdrop": 0.1, "attn_pdrop": 0}
EOF
XDG_CACHE_HOME=$2 "$tuff" train --config config.json --data text.txt --tokenizer tok --out run --context 12 \
  --batch 3 --steps 700 > out 2> log < /dev/null & # stopped as soon as it has said what it takes
train=$!
for _ in $(seq 300); do
  grep -q '^ready' log && break
  sleep 0.1
done
kill $train 2> /dev/null
wait $train
taken=$(sed -n 's/.*bytes: parameters.*, all \([0-9]*\), of .*/\1/p' log)
"$tuff" plan --config config.json --context 12 --batch 3 --steps 700 --json > out 2> log || fail "plan: $(cat log)"
[ "$(number peak)" = "$taken" ] || fail "planned $(number peak), train took $taken"
# With adapters what is allocated is what was planned: within 5 %.
for lora in r=4 r=2,dora,target=c_attn; do
  "$tuff" plan --config config.json --context 12 --batch 3 --steps 1 --lora $lora --dtype bf16 --json > out 2> log ||
    fail "plan --lora: $(cat log)"
  [ "$(number frozen)" -gt 0 ] && [ "$(number gradients)" = "$(number parameters)" ] || fail "$lora: $(cat out)"
  peak=$(number peak)
  XDG_CACHE_HOME=$2 "$tuff" bench train --config config.json --context 12 --batch 3 --lora $lora --dtype bf16 --seconds 0.01 --json > out 2> log ||
    fail "bench --lora: $(cat log)"
  taken=$(number allocated)
  [ $((taken * 100)) -ge $((peak * 95)) ] && [ $((taken * 100)) -le $((peak * 105)) ] || fail "$lora: planned $peak, took $taken"
done
# A task's head: of a classifier it learns beside the adapters, with the pooler that a checkpoint for masked words
# lacks; C labels of width 16 are 17 C numbers, the pooler 16 x 17. What a run takes is what was planned.
golden=$(cd "$(dirname "$0")/.." && pwd)/golden/tasks/fill-mask
mkdir m && cp "$golden"/{config.json,model.safetensors,tokenizer.json} m/
width=$(sed -n 's/.*"hidden_size": *\([0-9]*\).*/\1/p' m/config.json)
for i in $(seq 40); do echo "$((i % 3)),the film is warm"; done | sed '1i label,text' > three.csv
learning() { "$tuff" plan --model m --lora r=2,target=query --batch 4 --context 8 --steps 10 --json "$@" > out 2> log ||
  fail "plan $*: $(cat log)"; number trainable; }
[ $(($(learning --task classification --labels 5) - $(learning --task classification --labels 3))) -eq $((2 * (width + 1))) ] ||
  fail "labels: $(cat out)"
ranks=$(learning)
[ $(($(learning --task token-classification --labels 3) - ranks)) -eq $((3 * (width + 1))) ] || fail "of tokens: $(cat out)"
[ $(($(learning --task classification --labels 3) - ranks)) -eq $((3 * (width + 1) + width * (width + 1))) ] ||
  fail "classifier and pooler: $(cat out)"
peak=$(number peak)
task() { XDG_CACHE_HOME=$OLDPWD "$tuff" train --task classification --init m --data three.csv --lora r=2,target=query --batch 4 \
  --context 8 --steps 10 "$@" > out 2> log || fail "train $*: $(cat log)"; }
task --out taken
[ "$(sed -n 's/.*bytes: parameters.*, all \([0-9]*\), of .*/\1/p' log)" = "$peak" ] ||
  fail "task: planned $peak: $(grep bytes: log)"
task --out budget --memory 64MiB
within=$(sed -n 's/^memory: .*: \([0-9.]*\) MiB of.*/\1/p' log)
[ "$within" = "$(awk -v n="$peak" 'BEGIN { printf "%.1f", n / 1048576 }')" ] || fail "the budget is another: $(grep memory: log)"
# By epochs, the schedule's table is as long as the steps there will be: the budget's count is the plan's.
within() { [ "$(sed -n 's/^memory: .*: \([0-9.]*\) MiB of.*/\1/p' log)" = \
  "$(sed -n 's/.*bytes: parameters.*, all \([0-9]*\), of .*/\1/p' log | awk '{ printf "%.1f", $1 / 1048576 }')" ] ||
  fail "$1: $(grep 'memory:\|bytes:' log)"; }
XDG_CACHE_HOME=$2 "$tuff" train --task classification --init m --data three.csv --lora r=2,target=query --batch 4 --context 8 \
  --epochs 2 --out epochs --memory 64MiB > out 2> log || fail "train by epochs: $(cat log)"
within "a task"
XDG_CACHE_HOME=$2 "$tuff" train --config config.json --data three.csv --text-field text --tokenizer tok --context 12 --batch 3 \
  --epochs 2 --out text --memory 64MiB > out 2> log || fail "text by epochs: $(cat log)"
within "text"
for kind in prompt prefix; do
  "$tuff" plan --preset tiny --$kind-tuning 4 --batch 2 --context 16 --json > out 2> log || fail "plan --$kind-tuning: $(cat log)"
  [ "$(number frozen)" -gt "$(number parameters)" ] && [ "$(number trainable)" -gt 0 ] || fail "$kind: $(cat out)"
done
# The list of `tuff devices --json` is accepted as it is.
"$tuff" devices --json > list.json 2> log || fail "devices: $(cat log)"
"$tuff" plan --no-device list.json --preset tiny > here 2> log || fail "own list: $(cat log)"
"$tuff" plan --no-device list.json --device 7 --preset tiny > out 2> log && fail "device 7 of the list"

refused() { # WORDS CODE OPTIONS...
  words=$1 code=$2
  shift 2
  "$tuff" plan "$@" > out 2> log
  got=$?
  [ $got -eq "$code" ] && grep -q -- "$words" log || fail "$*: exit $got, $(cat log)"
  [ "$(grep -c . log)" -eq 1 ] || fail "$*: not one line: $(cat log)"
}
refused 'missing.json' 1 --no-device missing.json
echo '{"memory_available": 1' > cut.json
refused 'cut.json' 1 --no-device cut.json
echo '[]' > empty.json
refused 'describes no device' 1 --no-device empty.json
echo '{"memory_available": -5, "max_allocation": 1}' > negative.json
refused 'memory_available: -5' 1 --no-device negative.json
echo '{"memory_available": 5}' > limits.json
refused 'max_allocation is missing' 1 --no-device limits.json
echo '{"memory_available": 5, "max_allocation": "x"}' > wrong.json
refused 'max_allocation' 1 --no-device wrong.json
for shape in '{"m": 16, "n": 16, "k": 0, "dtype": "f16"}' '{"m": 16, "n": 16, "k": 16, "dtype": "f64"}' 3; do
  echo "{\"memory_available\": 5, \"max_allocation\": 5, \"matrix_shapes\": [$shape]}" > shape.json
  refused 'matrix_shapes.0. needs' 1 --no-device shape.json
done
echo '{"memory_available": 5, "max_allocation": 5, "matrix_shapes": 16}' > shape.json
refused 'must be a list' 1 --no-device shape.json
echo '{"memory_available": 5, "max_allocation": 5, "usable": false, "unusable_reason": "too old"}' > old.json
refused 'too old' 1 --no-device old.json
refused 'preset' 1 --preset nonsense
refused 'positions' 1 --preset tiny --context 100000
refused 'batch' 2 --batch 0
refused '"chess": lm, mlm' 2 --task chess
refused 'no head for' 1 --preset tiny --task classification
refused 'exclude each other' 1 --preset tiny --lora r=2 --prompt-tuning 3
refused 'exclude' 2 --preset tiny --config caps.json
echo "all passed"

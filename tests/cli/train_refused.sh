# What tuff train cannot do: one clear line, exit 1 (2 for the command line), nothing left behind.
# bash train_refused.sh TUFF SCRATCH
set -u
tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
export XDG_CACHE_HOME=$2/cache

seq 1 1000 | awk '{ print "line", $1, "of the text: " $1 * 7 % 13, "sheep,", $1 % 5, "goats." }' > text.txt
"$tuff" tokenizer train --type bpe --vocab-size 300 --out tok text.txt > log 2>&1 || fail "tokenizer: $(cat log)"
cat > config.json << EOF
{"model_type": "gpt2", "vocab_size": 300, "n_positions": 16, "n_embd": 32, "n_layer": 2, "n_head": 4}
EOF
train() { "$tuff" train --out new --context 16 --batch 2 --quiet "$@"; }
usual="--config config.json --data text.txt --tokenizer tok --steps 2"
# WORDS CODE COMMAND...
refused() {
  words=$1 code=$2
  shift 2
  "$@" > log 2>&1
  got=$?
  [ $got -eq "$code" ] || fail "$words: exit $got: $(cat log)"
  grep -q -e "$words" log || fail "no \"$words\": $(cat log)"
  [ "$(wc -l < log)" -eq 1 ] || fail "not one line: $(cat log)"
  [ ! -e new ] || fail "$words: left behind: $(ls new)"
}
# The same through the options.
wrong() {
  words=$1 code=$2
  shift 2
  refused "$words" "$code" train "$@"
}

# shellcheck disable=SC2086 # the options are words
{
  wrong 'unknown option "--stepz"' 2 $usual --stepz 3
  wrong '\-\-lr: "fast" is not a number' 2 $usual --lr fast
  wrong '\-\-steps: -1 is not between' 2 $usual --steps=-1
  wrong '\-\-schedule "square"' 2 $usual --schedule square
  wrong '\-\-optimizer "adamx"' 2 $usual --optimizer adamx
  wrong 'group "wte": must be PATTERN:lr=X,decay=Y' 1 $usual --group wte
  wrong 'group "\*:lr=0": must be' 1 $usual --group '*:lr=0'
  wrong 'pattern "nothing\*": no parameter has such a name' 1 $usual --freeze 'nothing*'
  wrong 'freeze: nothing is left to train' 1 $usual --freeze '*'
  wrong 'offload "there": states, frozen or all' 1 $usual --offload there
  wrong '\-\-galore-rank: 300 is not between' 2 $usual --galore-rank 300
  wrong '\-\-log-format "xml"' 2 $usual --log-format xml
  wrong '\-\-model "rnn"' 2 $usual --model rnn
  wrong 'exclude each other' 2 $usual --preset tiny
  wrong 'exclude each other' 2 $usual --epochs 1
  wrong 'unexpected "text.txt"' 2 $usual text.txt
  wrong '\-\-data PATH is needed' 2 --config config.json --tokenizer tok --steps 2
  wrong 'how long to train' 2 --config config.json --data text.txt --tokenizer tok
  wrong 'there is tiny, mini' 1 --preset huge --data text.txt --tokenizer tok --steps 2
  wrong 'context 17 is longer than the model.s 16 positions' 1 $usual --context 17
  wrong 'nothing to resume\|no checkpoint to resume' 1 --resume
  wrong 'no device\|not match\|no usable\|"nothing"' 1 $usual --device nothing
}
for word in out=; do
  "$tuff" train --data text.txt --steps 2 > log 2>&1
  [ $? -eq 2 ] && grep -q -- "--${word%=} RUN is needed" log || fail "no --out: $(cat log)"
done

# data
: > empty.txt
mkdir none
printf 'ab' > short.txt
head -c 300 /dev/urandom > noise.tok
: > empty.tok
with() { refused "$1" 1 train --config config.json --tokenizer tok --steps 2 --data "$2"; }
with 'empty.txt' empty.txt
with 'none' none
with 'not-there.txt' not-there.txt
with 'tokens, a context of 16 needs one more' short.txt
with 'noise.tok' noise.tok
with 'empty.tok' empty.tok
wrong 'needs a tokenizer' 1 --config config.json --data text.txt --steps 2
wrong 'nowhere' 1 --config config.json --data text.txt --tokenizer nowhere --steps 2
mkdir badtok
head -c 2000 tok/tokenizer.json > badtok/tokenizer.json
wrong 'badtok/tokenizer.json' 1 --config config.json --data text.txt --tokenizer badtok --steps 2
sed 's/300/200/' config.json > small.json
wrong "the data's vocabulary has 300 ids, the model's 200" 1 --config small.json --data text.txt --tokenizer tok --steps 2

# model
echo '{"model_type": "gpt2", "n_head": 5, "n_embd": 32}' > odd.json
head -c 40 config.json > cut.json
for f in odd.json cut.json gone.json; do
  wrong "$f" 1 --config $f --data text.txt --tokenizer tok --steps 2
done
wrong 'training needs [0-9]* MiB (parameters' 1 --preset gpt2-xl --batch 4000 --data text.txt --tokenizer tok --steps 2
VK_DRIVER_FILES=/nonexistent VK_ICD_FILENAMES=/nonexistent wrong 'no Vulkan driver' 1 --config config.json \
  --data text.txt --tokenizer tok --steps 2

# A checkpoint to begin with that is cut, or is not what its config says.
train --config config.json --data text.txt --tokenizer tok --steps 1 > log 2>&1 || fail "train: $(cat log)"
mv new good
first=good/step-00000001
mkdir broken other
cp $first/*.json broken/ && head -c 1000 $first/model.safetensors > broken/model.safetensors
sed 's/"n_layer": 2/"n_layer": 3/' $first/config.json > other/config.json && cp $first/model.safetensors other/
cp tok/tokenizer.json other/
wrong 'broken/model.safetensors' 1 --init broken --data text.txt --steps 1
wrong 'missing transformer.h.2\|missing h.2' 1 --init other --data text.txt --steps 1
refused 'model.safetensors' 1 "$tuff" generate --quiet --model broken --prompt x
refused 'nowhere' 1 "$tuff" generate --quiet --model nowhere --prompt x

# A run that is there is not written over, nor gone on with as something else.
sum=$(cat good/*/* good/*.csv 2> /dev/null | cksum)
refused 'good: holds checkpoints already; --resume' 1 "$tuff" train --quiet --config config.json --data text.txt \
  --tokenizer tok --out good --context 16 --batch 2 --steps 1
refused 'batch (was 2, is 3)' 1 "$tuff" train --quiet --out good --resume --batch 3
refused "the model's configuration" 1 "$tuff" train --quiet --out good --resume --preset tiny
"$tuff" tokenizer train --type bpe --vocab-size 290 --out tok2 text.txt > log 2>&1 || fail "tokenizer: $(cat log)"
refused 'another tokenizer' 1 "$tuff" train --quiet --out good --resume --tokenizer tok2
[ "$sum" = "$(cat good/*/* good/*.csv | cksum)" ] || fail "a refused run was changed"
: > good/$(basename $first)/exp_avg.safetensors
mv good/data.tok d.tok
rm -rf new
printf x | dd of=d.tok bs=1 seek=200 conv=notrunc 2> /dev/null
wrong 'd.tok' 1 --config config.json --data d.tok --steps 1
echo "all passed"

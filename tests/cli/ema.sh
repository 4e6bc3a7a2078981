# Moving averages where only a part learns: with --freeze, adapters, soft prompts and tasks they are what is evaluated, saved
# beside the weights and used with --ema; merge writes them as weights. bash ema.sh TUFF SCRATCH
set -u
tuff=$1 root=$(cd "$(dirname "$0")/.." && pwd)
rm -rf "$2" && mkdir -p "$2/m" "$2/b" && cd "$2" || exit 1
export XDG_CACHE_HOME=$2/cache
fail() { echo "failed: $*"; exit 1; }
quietly() { "$tuff" "$@" --quiet > out 2> err || fail "$*: $(cat err)"; }
cp "$root"/golden/models/gpt2-tiny/{config.json,model.safetensors} m/
seq 1 400 | awk '{ print "Line", $1, "of the text." }' > text.txt
seq 401 500 | awk '{ print "Line", $1, "of a text." }' > held.txt
quietly tokenizer train --vocab-size 400 --out m text.txt
train() { # RUN OPTIONS: six steps, each saved; the text held out is evaluated at the end
  quietly train --data text.txt --eval-data held=held.txt --out "$@" --context 32 --batch 4 --validation 0 --eval-every 0 \
    --save-every 1 --keep 0 --dropout 0
}
score() { awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "eval_held_loss") at = i } $at != "" { v = $at } END { print v }' "$1"/metrics.csv; }
near() { awk -v a="$1" -v b="$2" -v off="$3" 'BEGIN { exit !(a != "" && b != "" && a - b < off && b - a < off) }'; }
values() { # FILE: of all its tensors, one a line
  local head
  head=$(od -A n -t u8 -N 8 "$1" | tr -d ' ')
  od -A n -v -t f4 -w4 -j $((head + 8)) "$1"
}
recursion() { # RUN FILE: a <- a / 2 + w / 2 over the saved steps, in double; the sixth average is this, and no weight
  for i in 1 2 3 4 5 6; do values "$1/step-0000000$i/$2.safetensors" > w$i; done
  values "$1/step-00000006/ema.safetensors" > a
  [ "$(wc -l < a)" = "$(wc -l < w6)" ] || fail "$1: $(wc -l < a) averages of $(wc -l < w6) values"
  paste w1 w2 w3 w4 w5 w6 a | awk '{ m = $1; for (i = 2; i <= 6; i++) m = m / 2 + $i / 2
    if (m - $7 > 1e-6 || $7 - m > 1e-6) bad++; if ($6 != $7) other++ } END { exit !(!bad && other > NR / 2) }' ||
    fail "$1: other averages"
}
same() { # RUN: what was evaluated is what merge --ema writes
  quietly train --init "$1-ema" --data text.txt --eval-data held=held.txt --out "$1-scored" --context 32 --batch 4 --validation 0 \
    --dropout 0 --steps 1 --lr 0
  near "$(score "$1")" "$(score "$1-scored")" 2e-5 || fail "$1: evaluated $(score "$1"), averages have $(score "$1-scored")"
}
loss() { "$tuff" perplexity --quiet --json --context 32 "$@" held.txt 2> err | sed -n 's/.*"loss": *\([0-9.]*\).*/\1/p'; [ ! -s err ] || cat err; }

# Frozen parameters have no average, and are as they were.
train part --init m --tokenizer m --steps 6 --lr 2e-2 --ema 0.5 --freeze '*wte*+transformer.h.0.*'
grep -aq wte.weight part/step-00000006/model.safetensors || fail "no wte"
grep -aqE 'wte.weight|h[.]0[.]' part/step-00000006/ema.safetensors && fail "an average of what is frozen"
quietly merge --model part --ema --out part-ema
same part
near "$(loss --model part-ema)" "$(loss --model part --ema)" 1e-6 || fail "perplexity: $(loss --model part --ema), not $(loss --model part-ema)"
near "$(loss --model part)" "$(loss --model part --ema)" 1e-3 && fail "the averages are the weights"
say() { "$tuff" generate --quiet --seed 5 --temperature 1.5 --prompt 'Line 7' --max-new-tokens 24 "$@" 2> err || fail "generate $*: $(cat err)"; }
[ "$(say --model part --ema)" = "$(say --model part-ema)" ] || fail "generate: $(say --model part --ema)"

# LoRA and DoRA: averages of A, B and magnitudes.
for kind in r=4,target=c_attn+c_fc r=2,dora,target=c_proj; do
  rm -rf low low-ema low-scored
  train low --init m --tokenizer m --steps 6 --lr 5e-2 --ema 0.5 --lora $kind
  recursion low adapter_model
  quietly merge --model m --adapter low --ema --out low-ema
  same low
  [ "$(loss --model m --adapter low --ema)" = "$(loss --model low-ema)" ] || fail "$kind: --adapter: $(loss --model m --adapter low --ema)"
  [ "$(loss --model low --ema)" = "$(loss --model low-ema)" ] || fail "$kind: --model: $(loss --model low --ema)"
  near "$(loss --model low)" "$(loss --model low --ema)" 1e-4 && fail "$kind: the averages are the weights"
  [ "$(say --model low --ema)" = "$(say --model low-ema)" ] || fail "$kind: generate: $(say --model low --ema)"
done

# Soft prompts: as a folder whose adapter is the averages.
for kind in prompt prefix; do
  train $kind --init m --tokenizer m --steps 6 --lr 1 --ema 0.5 --$kind-tuning 4
  recursion $kind adapter_model
  cp -r $kind/step-00000006 $kind-ema && cp $kind-ema/{ema,adapter_model}.safetensors
  [ "$(say --model m --adapter $kind --ema)" = "$(say --model m --adapter $kind-ema)" ] || fail "$kind: $(say --model $kind --ema)"
  [ "$(say --model $kind --ema)" != "$(say --model $kind)" ] || fail "$kind: the averages are the weights"
done

# A task's: head and ranks.
cp "$root"/golden/tasks/fill-mask/{config.json,model.safetensors,tokenizer.json} b/
(echo label,text; for i in 1 2 3 4 5 6; do for w in warm fine like new; do echo "up,the film is $w"; done
  for w in bad old never end; do echo "down,the film is $w"; done; done) > films.csv
for how in --lora=r=4,target=query '--freeze=bert.encoder.layer.0.*'; do
  rm -rf task task-ema
  quietly train --task classification --init b --data films.csv --out task --steps 6 --batch 8 --lr 2e-2 --ema 0.5 --dropout 0 "$how"
  quietly merge --model task --ema --out task-ema
  classify() { "$tuff" classify --quiet "$@" 'the film is warm' 'the film is old' 2> err || fail "classify: $(cat err)"; }
  [ "$(classify --model task --ema)" = "$(classify --model task-ema)" ] || fail "$how: $(classify --model task --ema), not $(classify --model task-ema)"
  [ "$(classify --model task --ema)" != "$(classify --model task)" ] || fail "$how: the averages are the weights"
done

refused() { # TEXT COMMAND...
  local text=$1
  shift
  "$tuff" "$@" --quiet > out 2> err && fail "taken: $*"
  [ "$(wc -l < err)" = 1 ] && grep -qF -- "$text" err || fail "$*: $(cat err), not: $text"
}
refused 'm: has no ema.safetensors' generate --model m --ema --prompt x
quietly train --data text.txt --out plain --init m --tokenizer m --context 32 --batch 4 --steps 1 --lora r=1
refused 'has no ema.safetensors' merge --model m --adapter plain --ema --out no
refused 'plain/last is there already' merge --model part --ema --out plain
refused '--adapter DIR or --ema is needed' merge --model m --out no
[ ! -e no ] || fail "a refused merge left something"
echo "all passed"

# LoRA as users run it: adapters trained by sft and by train, gone on with to the bit, used by generate and chat,
# merged; what is refused. bash lora.sh TUFF SCRATCH
set -u
tuff=$1 root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$2" && mkdir -p "$2/m" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
refused() { # TEXT COMMAND...
  local text=$1
  shift
  "$@" > out 2> err && fail "taken: $*"
  grep -q -- "$text" err || fail "$*: $(cat err)"
  [ "$(grep -c '^tuff [a-z]*: ' err)" = 1 ] || fail "not one line: $(cat err)"
}
export XDG_CACHE_HOME=$PWD/cache
cp "$root"/tests/golden/models/gpt2-tiny/{config.json,model.safetensors} m/
sed -i 's/"eos_token_id": [0-9]*/"eos_token_id": 0/; s/"bos_token_id": [0-9]*/"bos_token_id": 0/' m/config.json
"$tuff" tokenizer train --type bpe --vocab-size 512 --special-token '<|endoftext|>' --out m "$root/docs/bpe.md" > log 2>&1 ||
  fail "$(cat log)"
cp m/model.safetensors base.safetensors
seq 0 39 | awk '{ printf "{\"prompt\": \"Tell %d\", \"completion\": \"The word is number %d.\"}\n", $1, $1 % 4 }' > data.jsonl
sft() {
  "$tuff" sft --model m --data data.jsonl --context 64 --lr 1e-2 --steps 24 --save-every 8 --validation 0.1 --test 2 \
    --max-new-tokens 4 --quiet "$@" > out 2> err || fail "sft $*: $(cat err)"
}
sft --out run --lora r=4,alpha=8,dropout=0.1,target=c_attn+mlp.c_fc --lora-plus 2
last=run/$(cat run/last)
for f in adapter_config.json adapter_model.safetensors config.json tokenizer.json chat_template.jinja exp_avg.safetensors; do
  [ -s "$last/$f" ] || fail "no $last/$f"
done
[ ! -e "$last/model.safetensors" ] || fail "the base was saved too"
cmp m/model.safetensors base.safetensors || fail "the base was changed"
[ "$(wc -c < "$last/adapter_model.safetensors")" -lt 40000 ] || fail "large: $(ls -l "$last")"
grep -q '"r": 4' "$last/adapter_config.json" && grep -q '"base_model_name_or_path": "m"' "$last/adapter_config.json" &&
  grep -q '"fan_in_fan_out": true' "$last/adapter_config.json" || fail "$(cat "$last/adapter_config.json")"
awk -F, 'NR > 1 && $2 != "" { if (!first) first = $2; last = $2 } END { exit !(last < 0.8 * first) }' run/metrics.csv ||
  fail "nothing was learnt: $(cat run/metrics.csv)"

# Gone on with: the same bits.
cp -r run cut && rm -rf "cut/$(cat cut/last)"
"$tuff" sft --out cut --resume --quiet > out 2> err || fail "resume: $(cat err)"
cmp "$last/adapter_model.safetensors" "cut/$(cat cut/last)/adapter_model.safetensors" || fail "a resumed run has other bits"
refused 'changed since the checkpoint: .*lora' "$tuff" sft --out cut --resume --quiet --lora r=4,target=c_attn

# The same text by the adapter over its model, by the folder that names it, and merged; another without it.
say() { "$tuff" generate --quiet --greedy --max-new-tokens 12 --prompt 'Human: Tell 3' "$@" 2> err || fail "generate: $(cat err)"; }
say --model m > plain
say --model m --adapter run > adapted
say --model run > named
"$tuff" merge --quiet --model m --adapter run --out merged > out 2> err || fail "merge: $(cat err)"
say --model merged > merged.txt
cmp -s plain adapted && fail "the adapter changes nothing"
cmp adapted named && cmp adapted merged.txt || fail "not the same text: $(cat adapted named merged.txt)"
printf 'Tell 3\n' | "$tuff" chat --quiet --model run --greedy --max-new-tokens 8 > out 2> err || fail "chat: $(cat err)"
[ -s out ] || fail "chat says nothing"

# Adapters on text, all linear layers.
"$tuff" train --init m --data "$root/docs/bpe.md" --tokenizer m --out text --lora r=2 --context 16 --batch 2 --steps 4 --quiet \
  > out 2> err || fail "train: $(cat err)"
for name in c_attn attn.c_proj c_fc mlp.c_proj; do
  grep -aq "h.1.*$name.lora_B" "text/$(cat text/last)/adapter_model.safetensors" || fail "no $name"
done
say --model m --adapter text > out

# A frozen base stays in its checkpoint's type: the losses are those of the same values as f32, with less memory.
"$tuff" convert --quiet --dtype bf16 m half && "$tuff" convert --quiet --dtype f32 half wide || fail "convert"
for base in half wide; do
  "$tuff" train --init $base --data "$root/docs/bpe.md" --tokenizer m --out on-$base --lora r=2 --context 16 --batch 2 \
    --steps 4 > out 2> err || fail "train on $base: $(cat err)"
  cut -d, -f1,2 on-$base/metrics.csv > $base.csv
  sed -n 's/^model: .* all \([0-9]*\), .*/\1/p' err > $base.bytes
done
paste -d, half.csv wide.csv | awk -F, 'NR > 1 && $2 != "" { n++; d = $2 - $4; if (d * d > 1e-8 * $4 * $4) exit 1 } END { exit n != 4 }' ||
  fail "other losses on a bf16 base: $(paste half.csv wide.csv)"
[ "$(cat half.bytes)" -lt "$(cat wide.bytes)" ] || fail "bf16 weights take $(cat half.bytes) bytes, f32 $(cat wide.bytes)"

# NEFTune's noise changes the training, the same way every time, and not the evaluation before it.
noise() { # RUN OPTIONS...
  "$tuff" train --init m --data "$root/docs/bpe.md" --tokenizer m --context 16 --batch 2 --steps 3 --eval-every 1 --quiet --dropout 0 \
    --lora r=2 --out "$@" > out 2> err || fail "train $*: $(cat err)"
  cut -d, -f1-4,6- "$1/metrics.csv" > "$1.csv"
}
noise quiet && noise loud --neftune 5 && noise again --neftune 5
cmp loud.csv again.csv || fail "the noise is another in each run"
cmp -s quiet.csv loud.csv && fail "no noise"

# A soft prompt gone on with has the same bits.
soft() { "$tuff" train --init m --data "$root/docs/bpe.md" --tokenizer m --context 16 --batch 2 --steps 4 --save-every 2 --quiet "$@" \
  > out 2> err || fail "train $*: $(cat err)"; }
soft --out soft --prefix-tuning 3
cp -r soft soft-cut && rm -rf "soft-cut/$(cat soft-cut/last)"
"$tuff" train --out soft-cut --resume --quiet > out 2> err || fail "resume: $(cat err)"
cmp "soft/$(cat soft/last)/adapter_model.safetensors" "soft-cut/$(cat soft-cut/last)/adapter_model.safetensors" ||
  fail "a resumed soft prompt has other bits"

# A folder whose name ends like a weight is that folder.
cp -r soft soft=0.5
[ "$(say --model m --adapter soft)" = "$(say --model m --adapter soft=0.5)" ] || fail "soft=0.5 is no folder"

# What is refused.
refused 'exclude each other' "$tuff" train --init m --data data.jsonl --tokenizer m --out no --steps 1 --lora r=2 --prompt-tuning 2 --quiet
refused 'a second soft prompt' "$tuff" generate --model m --adapter soft --adapter soft --prompt x --quiet
cp -r "$root/tests/golden/lora/llama-tiny" other
refused 'other/adapter_model.safetensors: an adapter for another model' "$tuff" generate --model m --adapter other --prompt x --quiet
refused 'no linear layer of a gpt2' "$tuff" sft --model m --data data.jsonl --out no --lora target=q_proj --quiet
refused 'options are r=N' "$tuff" sft --model m --data data.jsonl --out no --lora rank=3 --quiet
refused 'need a trained model' "$tuff" train --data "$root/docs/bpe.md" --tokenizer m --out no --steps 1 --lora r=2 --quiet
refused '--adapter DIR or --ema is needed' "$tuff" merge --model m --out no
refused 'is there already' "$tuff" merge --model m --adapter run --out merged
[ ! -e no ] || fail "a refused run left something"
echo "all passed"

# tuff verify passes on a checkpoint of every family, and each family's switches matter: with one
# changed in config.json it does not.
set -u
tuff=$1 golden=$(cd "$(dirname "$0")/../golden/models" && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
for model in "$golden"/*-tiny; do
  case ${model##*/} in
    gpt2-tiny) continue ;; # cli.verify's
    bert-* | marian-*) continue ;; # bert.sh's
  esac
  [ -f "$model/golden.safetensors" ] || continue
  "$tuff" verify "$model" "$model/golden.safetensors" > log 2>&1 || fail "${model##*/}: $(grep -v ^ok log)"
  for name in logits hidden loss adamw.losses greedy; do
    grep -q "^ok  *$name " log || fail "${model##*/}: $name was not checked"
  done
done

# Attention's weights, and what is left when heads are masked.
for file in "$golden"/*-tiny/attention.safetensors; do
  "$tuff" verify "${file%/*}" "$file" --strict > log 2>&1 || fail "$file: $(grep -v ^ok log)"
  grep -q '^ok  *attentions.1 ' log || fail "$file: no weights"
  heads=$((${heads:-0} + 1))
done
[ "$heads" -ge 23 ] || fail "only $heads models have weights"

# Matrices in half precision on the device: within what rounding them explains, and rounded they are.
while read -r model type what; do
  "$tuff" verify "$golden/$model-tiny" "$golden/$model-tiny/golden.safetensors" --dtype "$type" > log 2>&1 ||
    fail "$model in $type: $(grep -v ^ok log)"
  grep -q "^ok  *$what  *error [0-9.]*e-0[234]" log || fail "$model in $type: $(cat log)"
done << end
gpt2 f16 logits
bloom bf16 logits
llama bf16 hidden
gemma2 f16 logits
bert-encoder bf16 hidden
marian f16 logits
end

# One driver is enough for the rest.
case ${VK_DRIVER_FILES:-} in *swiftshader*) echo "all passed"; exit 0 ;; esac

# family, what to look for in its config.json, what to write instead
changed() {
  mkdir changed && cp "$golden/$1-tiny/model.safetensors" changed/
  sed "s/$2/$3/" "$golden/$1-tiny/config.json" > changed/config.json
  cmp -s changed/config.json "$golden/$1-tiny/config.json" && fail "$1: nothing changed by $2"
  "$tuff" verify changed "$golden/$1-tiny/golden.safetensors" > log 2>&1 && fail "$1: $2 -> $3 makes no difference"
  grep -q '^MISS  logits' log || fail "$1: $2 -> $3: $(cat log)"
  rm -r changed
}
changed bloom-post 'post_layernorm": true' 'post_layernorm": false'
changed gpt-neo 'window_size": 5' 'window_size": 6'
changed llama 'rope_theta": 10000' 'rope_theta": 9000'
changed llama3 'low_freq_factor": 1' 'low_freq_factor": 2'
changed llama-linear 'factor": 4' 'factor": 3'
changed llama-dynamic 'factor": 4' 'factor": 5'
changed llama-yarn 'factor": 4' 'factor": 3'
changed mistral 'sliding_window": 5' 'sliding_window": null'
changed qwen2 'use_sliding_window": true' 'use_sliding_window": false'
changed gemma2 'attn_logit_softcapping": 2' 'attn_logit_softcapping": 3'
changed gemma2 'final_logit_softcapping": 3' 'final_logit_softcapping": 4'
changed gemma3 'query_pre_attn_scalar": 10' 'query_pre_attn_scalar": 12'
echo "all passed"

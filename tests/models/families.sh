# tuff verify passes on a checkpoint of every family, and each family's switches matter: with one
# changed in config.json it does not.
set -u
tuff=$1 golden=$(cd "$(dirname "$0")/../golden/models" && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
# Several pairs go to one process: their kernels are compiled once. `section MODEL_DIR` prints what
# log has of a model.
section() { awk -v from="$1 against " '/ against /{ on = index($0, from) == 1 } on' log; }
pairs=()
for model in "$golden"/*-tiny; do
  case ${model##*/} in
    gpt2-tiny) continue ;; # cli.verify's
    bert-* | marian-*) continue ;; # bert.sh's
  esac
  [ -f "$model/golden.safetensors" ] || continue
  pairs+=("$model" "$model/golden.safetensors")
done
[ ${#pairs[@]} -ge 30 ] || fail "only ${pairs[*]}"
"$tuff" verify "${pairs[@]}" > log 2>&1 || fail "$(grep -v ^ok log)"
for ((i = 0; i < ${#pairs[@]}; i += 2)); do
  model=${pairs[i]}
  for name in logits hidden loss adamw.losses greedy; do
    section "$model" | grep -q "^ok  *$name " || fail "${model##*/}: $name was not checked"
  done
done

# Attention's weights, and what is left when heads are masked.
pairs=()
for file in "$golden"/*-tiny/attention.safetensors; do
  pairs+=("${file%/*}" "$file")
done
[ ${#pairs[@]} -ge 46 ] || fail "only $((${#pairs[@]} / 2)) models have weights"
"$tuff" verify "${pairs[@]}" --strict > log 2>&1 || fail "$(grep -v ^ok log)"
for ((i = 0; i < ${#pairs[@]}; i += 2)); do
  section "${pairs[i]}" | grep -q '^ok  *attentions.1 ' || fail "${pairs[i]}: no weights"
done

# Numbers stored in half precision, all models: logits within what rounding matrices explains and gradients
# within what rounding values does; and rounded they are.
shared=${TUFF_SHARED:-/nonexistent}/golden/models
pairs=()
for file in "$golden"/*-tiny/golden.safetensors "$shared"/*-tiny/golden.safetensors; do
  [ -f "$file" ] && pairs+=("${file%/*}" "$file")
done
[ ${#pairs[@]} -ge 44 ] || fail "half precision: only ${pairs[*]}"
for type in f16 bf16; do
  "$tuff" verify "${pairs[@]}" --dtype $type > log 2>&1 || fail "in $type: $(grep -v ^ok log)"
  for ((i = 0; i < ${#pairs[@]}; i += 2)); do
    case ${pairs[i]} in *bert-encoder-tiny) what='hidden' ;; *) what='logits grad.[a-z.]*' ;; esac
    for name in $what; do
      section "${pairs[i]}" | grep -q "^ok  *$name[^ ]*  *error [0-9.]*e-0[1234]" ||
        fail "${pairs[i]} in $type: $name: $(section "${pairs[i]}")"
    done
  done
done

# One driver is enough for the rest.
case ${VK_DRIVER_FILES:-} in *swiftshader*) echo "all passed"; exit 0 ;; esac

# family, what to look for in its config.json, what to write instead
pairs=() changes=()
changed() {
  local folder=changed-$((${#changes[@]} + 1))
  mkdir $folder && cp "$golden/$1-tiny/model.safetensors" $folder/
  sed "s/$2/$3/" "$golden/$1-tiny/config.json" > $folder/config.json
  cmp -s $folder/config.json "$golden/$1-tiny/config.json" && fail "$1: nothing changed by $2"
  pairs+=($folder "$golden/$1-tiny/golden.safetensors") changes+=("$1: $2 -> $3")
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
"$tuff" verify "${pairs[@]}" > log 2>&1 && fail "no change makes a difference"
for ((i = 0; i < ${#changes[@]}; i++)); do
  section changed-$((i + 1)) | grep -q '^MISS  logits' ||
    fail "${changes[i]} makes no difference: $(section changed-$((i + 1)))"
done
echo "all passed"

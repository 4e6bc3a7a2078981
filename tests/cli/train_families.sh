# A tiny Bloom by its preset and a tiny Llama by its config.json learn a text from scratch; what is
# saved is read again, its config says the same, and the families do not mix.
set -u
tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
for i in $(seq 400); do echo "one two three four five six seven eight nine ten"; done > text.txt
"$tuff" tokenizer train --type bpe --vocab-size 280 --out tok text.txt > log 2>&1 || fail "$(cat log)"
cat > llama.json << 'END'
{"model_type": "llama", "vocab_size": 280, "hidden_size": 32, "intermediate_size": 64,
 "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
 "max_position_embeddings": 32, "rope_theta": 1000.0, "tie_word_embeddings": true}
END
usual="--data text.txt --tokenizer tok --batch 4 --context 16 --lr 1e-2 --validation 0.1"
learns() {
  name=$1 && shift
  "$tuff" train $usual --out $name "$@" > log 2>&1 || fail "$name: $(cat log)"
  loss=$(awk -F, 'NR > 1 && $2 != "" { x = $2 } END { print x }' $name/metrics.csv)
  awk "BEGIN { exit !($loss < 1.5) }" || fail "$name: loss $loss after training"
  "$tuff" generate --model $name --prompt "one two" --max-new-tokens 12 --greedy > out 2> log || fail "$name: $(cat log)"
  grep -q "one two three four" out || fail "$name goes on with: $(cat out)"
}
learns bloom --model bloom --preset tiny --steps 30
learns llama --config llama.json --steps 40
grep -q '"BloomForCausalLM"' bloom/step-*/config.json || fail "bloom: architecture"
"$tuff" train $usual --out llama --config llama.json --resume --steps 40 > log 2>&1 ||
  fail "the saved config is another one: $(cat log)"
"$tuff" train $usual --out other --model gpt2 --config llama.json --steps 1 > log 2>&1 &&
  fail "a Llama's config was taken for a GPT-2"
grep -q 'llama.json is a "llama"' log || fail "$(cat log)"
"$tuff" train $usual --out other --model gpt9 --steps 1 > log 2>&1 && fail "there is no gpt9"
# transformers would divide by a cap of 0
"$tuff" train $usual --out gemma --model gemma3_text --preset tiny --steps 1 > log 2>&1 || fail "gemma: $(cat log)"
grep -q '"final_logit_softcapping": null' gemma/step-*/config.json || fail "gemma: a cap that is none"
echo "all passed"

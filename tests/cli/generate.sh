# tuff generate: beams, several sequences, stop strings, end ids, batches, refusals; on the reference
# checkpoint with a tokenizer of its size.
set -u
tuff=$1 root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$2" && mkdir -p "$2/m" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
export XDG_CACHE_HOME=$PWD/cache
cp "$root"/tests/golden/models/gpt2-tiny/{config.json,model.safetensors} m/
"$tuff" tokenizer train --type bpe --vocab-size 512 --out m "$root/docs/bpe.md" > log 2>&1 || fail "$(cat log)"
generate() { "$tuff" generate --quiet --model m "$@" 2> log || fail "generate $*: $(cat log)"; }
ids() { sed 's/.*"ids":\[\([^]]*\)\].*/\1/'; }

# Beams: as many as asked for, best first, never worse than the greedy text (at a length penalty of 0).
generate --prompt "The table" --num-beams 4 --num-return-sequences 3 --max-new-tokens 8 --json > beams
[ "$(wc -l < beams)" = 3 ] || fail "$(cat beams)"
sed 's/.*"score":\(-[0-9.e-]*\)}.*/\1/' beams > scores
sort -g -r scores | cmp -s - scores || fail "scores are not in order: $(cat scores)"
[ "$(ids < beams | sort -u | wc -l)" = 3 ] || fail "beams are alike: $(cat beams)"
generate --prompt "The table" --num-beams 3 --do-sample --seed 4 --max-new-tokens 8 --json > drawn
generate --prompt "The table" --num-beams 3 --do-sample --seed 4 --max-new-tokens 8 --json | cmp -s - drawn ||
  fail "beam-sample is not reproducible"

# A checkpoint in half precision stays so on the device, as does one that is converted while it loads.
for type in f16 bf16; do
  "$tuff" convert m m."$type" --dtype "$type" --quiet > log 2>&1 || fail "$(cat log)"
  "$tuff" generate --quiet --model m."$type" --prompt "The table" --greedy --max-new-tokens 8 --json > half 2> log ||
    fail "$type: $(cat log)"
  generate --dtype "$type" --prompt "The table" --greedy --max-new-tokens 8 --json | cmp -s - half ||
    fail "$type: converted before and while loading differ"
done
"$tuff" generate --quiet --model m --prompt a --dtype f8 > log 2>&1 && fail "--dtype f8 was taken"
grep -q -- '--dtype: "f8" is not f32, f16 or bf16' log || fail "$(cat log)"

# Several sequences a prompt: sequence i has seed N + i; each is what it is alone.
generate --prompt "a b" --num-return-sequences 3 --seed 7 --max-new-tokens 8 --json > three
generate --prompt "a b" --seed 8 --max-new-tokens 8 --json > second
[ "$(sed -n 2p three)" = "$(cat second)" ] || fail "a sequence in company: $(cat three second)"
generate --prompt "a b" --prompt "of the text, a longer prompt" --prompt c --seed 7 --max-new-tokens 8 --json \
  --batch-invariant > batch
generate --prompt "a b" --seed 7 --max-new-tokens 8 --json --batch-invariant > alone
[ "$(sed -n 1p batch)" = "$(cat alone)" ] || fail "batch-invariant: $(cat batch alone)"

# Dynamic RoPE scaling is for more positions than the model was trained with: 10, and four times as many.
mkdir dynamic && cp "$root"/tests/golden/models/llama-dynamic-tiny/{config.json,model.safetensors} dynamic/
"$tuff" generate --quiet --model dynamic --tokenizer "$root/tests/golden/tokenizers/options/ctc" \
  --prompt "a b" --greedy --min-new-tokens 60 --max-new-tokens 60 --json > long 2> log ||
  fail "dynamic: $(cat log)"
n=$(ids < long | tr , '\n' | wc -l)
[ "$n" -gt 30 ] && [ "$n" -le 40 ] || fail "dynamic: $n tokens: $(cat long)"

# An encoder-decoder: nothing is drawn, lines of standard input are prompts, each gets what it gets alone.
letters=$root/tests/golden/tokenizers/options/ctc
mkdir marian && cp "$root"/tests/golden/models/marian-tiny/*.json marian/ &&
  cp "$root"/tests/golden/models/marian-tiny/model.safetensors marian/
translate() {
  "$tuff" generate --quiet --model marian --tokenizer "$letters" --json "$@" 2> log || fail "translate $*: $(cat log)"
}
printf 'a b c d e f\n\nx y\n' | translate --prompt - --max-new-tokens 6 > lines
[ "$(wc -l < lines)" = 2 ] || fail "lines: $(cat lines)"
translate --prompt 'x y' --max-new-tokens 6 --seed 5 | cmp -s - <(sed -n 2p lines) || fail "a translation in company: $(cat lines)"
# Drawn where that is asked for: by the seed alone.
translate --prompt 'x y' --do-sample --seed 5 --max-new-tokens 12 > drawn
translate --prompt 'x y' --do-sample --seed 5 --max-new-tokens 12 | cmp -s - drawn || fail "draws: $(cat drawn)"
translate --prompt 'x y' --do-sample --seed 6 --max-new-tokens 12 | cmp -s - drawn && fail "the seed changes nothing"
translate --prompt 'x y' --max-new-tokens 12 | cmp -s - drawn && fail "--do-sample changes nothing"
# What generation_config.json says stands; an option comes first.
word=$(sed -n 2p lines | ids | cut -d, -f1)
echo "{\"eos_token_id\": 0, \"bad_words_ids\": [[$word]], \"num_beams\": 2, \"num_return_sequences\": 2, \"max_length\": 6}" \
  > marian/generation_config.json
translate --prompt 'x y' > beams
[ "$(grep -c score beams)" = 2 ] && [ "$(ids < beams | tr , '\n' | wc -l)" -le 10 ] &&
  [ "$(ids < beams | tr , '\n' | grep -cx "$word")" = 0 ] || fail "generation_config.json: $(cat beams)"
translate --prompt 'x y' --num-beams 1 --num-return-sequences 1 --max-new-tokens 3 > one
[ "$(grep -c score one)" = 0 ] && [ "$(wc -l < one)" = 1 ] || fail "options first: $(cat one)"
# A folder as the hub has it, source.spm and vocab.json: what is shown is what the ids decode to.
pieces=$root/tests/golden/tokenizers/marian
mkdir hub && cp "$root"/tests/golden/models/marian-tiny/{config.json,model.safetensors} "$pieces"/*.spm hub &&
  { head -n 48 "$pieces/vocab.json"; echo '"<pad>": 47}'; } > hub/vocab.json
"$tuff" generate --quiet --model hub --prompt 'two lords' --max-new-tokens 6 > shown 2> log || fail "hub: $(cat log)"
"$tuff" generate --quiet --model hub --prompt 'two lords' --max-new-tokens 6 --json 2> log | ids | tr , ' ' |
  "$tuff" tokenizer decode --tokenizer hub | cmp -s - shown || fail "hub: $(cat shown log)"
[ "$(wc -c < shown)" -gt 3 ] || fail "hub: $(cat shown)"
rm hub/vocab.json
"$tuff" generate --quiet --model hub --prompt a > log 2>&1 && fail "a folder without vocab.json was read"
grep -q 'hub/vocab.json' log && [ "$(wc -l < log)" = 1 ] || fail "hub: $(cat log)"
echo '{"top_p": 3}' > marian/generation_config.json
"$tuff" generate --quiet --model marian --tokenizer "$letters" --prompt a > log 2>&1 && fail "top_p 3 was taken"
grep -q top_p log || fail "$(cat log)"
echo hi | "$tuff" chat --quiet --model marian --tokenizer "$letters" > log 2>&1 && fail "an encoder-decoder chatted"
grep -q 'is an encoder-decoder' log || fail "$(cat log)"

# Token types: of a table's row 5 the text is another.
generate --prompt "The table" --greedy --max-new-tokens 8 --json > plain
generate --prompt "The table" --greedy --max-new-tokens 8 --json --token-type-id 5 > typed
cmp -s plain typed && fail "token types change nothing: $(cat typed)"

# Ends: a stop string, an end id, none before min-new-tokens; forced ids.
generate --prompt "The table" --greedy --max-new-tokens 12 --json > greedy
text=$(sed 's/.*"text":"\([^"]*\)","ids.*/\1/' greedy) first=$(ids < greedy | cut -d, -f1)
third=$(ids < greedy | cut -d, -f3)
generate --prompt "The table" --greedy --max-new-tokens 12 --json --eos-token-id "$first" > one
[ "$(ids < one)" = "$first" ] || fail "end id: $(cat one)"
generate --prompt "The table" --greedy --max-new-tokens 12 --json --eos-token-id "$first" --min-new-tokens 4 > four
[ "$(ids < four | tr , '\n' | head -4 | grep -cx "$first")" = 0 ] || fail "min-new-tokens: $(cat four)"
generate --prompt "The table" --greedy --max-new-tokens 4 --json --forced-bos-token-id 65 --forced-eos-token-id 66 > forced
[[ "$(ids < forced)" == 65,*,66 ]] || fail "forced: $(cat forced)"
printf '%s' "$text" | grep -q '\\' || {
  stop=${text:4:2}
  generate --prompt "The table" --greedy --max-new-tokens 12 --stop-strings "$stop" --json > stopped
  [ "$(ids < stopped | tr , '\n' | wc -l)" -lt 12 ] && grep -qF -- "$stop" stopped || fail "stop: $(cat stopped greedy)"
}
generate --prompt "The table" --greedy --max-new-tokens 12 --no-repeat-ngram-size 1 --json > distinct
[ "$(ids < distinct | tr , '\n' | sort -u | wc -l)" = 12 ] || fail "no-repeat-ngram-size: $(cat distinct)"

refused() {
  local part=$1 code=$2
  shift 2
  "$tuff" generate --quiet --model m "$@" > out 2> log
  [ $? = "$code" ] && grep -q -- "$part" log || fail "$* gave $(cat log), wanted $part"
}
refused 'early-stopping' 2 --prompt x --num-beams 2 --early-stopping maybe
refused 'num-return-sequences' 2 --prompt x --num-beams 2 --num-return-sequences 3
refused 'all or none' 2 --prompt x --prompt -
refused 'token type 512' 1 --prompt x --token-type-id 512
refused 'eos-token-id "y"' 2 --prompt x --eos-token-id y
refused 'top-p' 2 --prompt x --top-p 1.5
refused 'bad-words' 1 --prompt x --bad-words ''
"$tuff" generate --help | grep -q -- '--no-repeat-ngram-size' || fail "help"
echo "all passed"

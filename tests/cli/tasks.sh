# tuff classify, fill-mask, embed, perplexity: what transformers' pipelines give
# (tools/golden/bert.py), in every way of asking. bash tasks.sh TUFF SCRATCH
set -u
tuff=$1
tasks=$(cd "$(dirname "$0")/../golden/tasks" && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
export XDG_CACHE_HOME=$2/cache
fail() { echo "failed: $*"; exit 1; }

# same WANT GOT: two files of JSON lines, equal but for numbers, which may differ by 2e-5.
same() {
  [ "$(wc -l < "$1")" -eq "$(wc -l < "$2")" ] && paste -d '\n' "$1" "$2" | sed 's/[[,:{} ]\+/ /g' | awk '
    NR % 2 { n = split($0, want); next }
    { if (split($0, got) != n) { print "another length:", $0; exit 1 }
      for (i = 1; i <= n; i++) {
        a = want[i]; b = got[i]; sub(/]+$/, "", a); sub(/]+$/, "", b)
        if (a ~ /^-?[0-9.e-]+$/ ? (a - b > 2e-5 || b - a > 2e-5) : a != b) {
          print "not", a, "but", b, "in", $0; exit 1 }
        numbers += a ~ /^-?[0-9]*[.]/ } }
    END { if (!numbers) exit 1 }'
}

for name in classify labels tags; do
  "$tuff" classify --model "$tasks/$name" --jsonl < "$tasks/$name/cases.jsonl" > got 2> log ||
    fail "$name: $(cat log)"
  same "$tasks/$name/cases.jsonl" got || fail "$name"
done
grep '"masks"' "$tasks/fill-mask/cases.jsonl" > want
"$tuff" fill-mask --model "$tasks/fill-mask" --jsonl --top 3 < want > got 2> log ||
  fail "fill-mask: $(cat log)"
same want got || fail "fill-mask"
grep '"embedding"' "$tasks/fill-mask/cases.jsonl" > want
"$tuff" embed --model "$tasks/fill-mask" --jsonl < want > got 2> log || fail "embed: $(cat log)"
same want got || fail "embed"

# Each alone, and as a word: the same. (Lengths of one program here, of several above.)
sed 's/.*"text": "\([^"]*\)".*/\1/' want > texts
"$tuff" embed --model "$tasks/fill-mask" < texts 2> log | cmp -s - got || fail "embed of lines"
head -n 1 got > first
"$tuff" embed --model "$tasks/fill-mask" "$(head -n 1 texts)" > alone 2> log &&
  same first alone || fail "embed of a word"
"$tuff" embed --model "$tasks/fill-mask" --normalize a 2> log | tr '[],' '\n\n\n' |
  awk '/^-?[0-9]/ { sum += $1 * $1 } END { exit sum < 0.99999 || sum > 1.00001 }' || fail "--normalize"
"$tuff" classify --model "$tasks/classify" --top 1 'A good book is a friend' > out 2> log
grep -qE '^(news|review|talk) 0\.[0-9]{4}$' out || fail "classify printed $(cat out log)"
"$tuff" fill-mask --model "$tasks/fill-mask" 'The [MASK] is old.' > out 2> log
[ "$(wc -l < out)" -eq 5 ] || fail "fill-mask printed $(cat out log)"
read -r score sequence < <(head -n 1 "$tasks/fill-mask/cases.jsonl" |
  sed 's/.*"masks": \[\[{"score": \([0-9.]*\), [^}]*"sequence": "\([^"]*\)"}, .*/\1 \2/' | sed 's/"}.*//')
[ "$(head -n 1 out)" = "$(printf '%.4f  %s' "$score" "$sequence")" ] || fail "fill-mask printed $(cat out)"

# Attention: the weights of all heads, of one, and pictures.
model=$tasks/fill-mask
"$tuff" attention --model "$model" --prompt 'the river is old' --pair 'it is new' --json > got 2> log ||
  fail "attention: $(cat log)"
same "$model/attention.jsonl" got || fail attention
"$tuff" attention --model "$model" --prompt 'the river is <old>' --layer 1 --head 2 > got 2> log ||
  fail "attention: $(cat log)"
[ "$(head -n 1 got)" = 'layer 1 head 2' ] && [ "$(grep -c '|.*|$' got)" = "$(($(wc -l < got) - 1))" ] &&
  grep -q '^       \[CLS\] |[^|]\{8\}|$' got || fail "attention printed $(cat got)"
for name in a.svg a.png; do
  "$tuff" attention --model "$model" --prompt 'the river is old' --out $name > got 2> log &&
    [ ! -s got ] || fail "attention --out $name: $(cat got log)"
done
[ "$(grep -c '>layer [01] head [0-3]</text>' a.svg)" = 8 ] && [ "$(grep -c '>river</text>' a.svg)" = 16 ] &&
  [ "$(tail -n 1 a.svg)" = '</svg>' ] || fail 'attention: a.svg'
[ "$(head -c 4 a.png | tail -c 3)" = PNG ] || fail 'attention: a.png'

# Windows: one after the other, half over each other, nearly all.
for stride in 32 16 5; do
  "$tuff" perplexity --model "$tasks/perplexity" "$tasks/perplexity/text.txt" --stride $stride --json \
    > got 2> log || fail "perplexity: $(cat log)"
  grep "\"stride\": $stride," "$tasks/perplexity/cases.jsonl" | tr -d ' {}' | tr ',' '\n' > want
  tr -d ' {}' < got | tr ',' '\n' | awk -F: 'NR == FNR { want[$1] = $2; next }
    $1 in want { checked++; d = $2 / want[$1] - 1; if (d > 1e-5 || d < -1e-5) exit 1 }
    END { exit checked != 3 }' want - || fail "perplexity, stride $stride: $(cat got want)"
done

# Angles of dynamic RoPE scaling are those of the window's own length, which is no program's: transformers'
# losses (5.24, no windows) of 20 and of 32 tokens, where the model was trained for 10.
text='t h e | r i v e r | i s | o l d , t h e | b o a t | i s | n e w'
for case in '39 4.3936967849731445' '63 4.372379302978516'; do
  printf %s "${text:0:${case% *}}" > letters
  "$tuff" perplexity --quiet --model "$tasks/../models/llama-dynamic-tiny" --context 40 --json letters \
    --tokenizer "$tasks/../tokenizers/options/ctc" > got 2> log || fail "dynamic: $(cat log)"
  tr -d ' {}' < got | tr ',' '\n' | awk -F: -v want="${case#* }" '$1 == "\"loss\"" { d = $2 / want - 1 }
    END { exit !(d < 1e-5 && d > -1e-5 && NR) }' || fail "dynamic: $(cat got), wanted ${case#* }"
  grep -q '"loss"' got || fail "dynamic: $(cat got)"
done

# An encoder-decoder's three kinds: as JSON each row sums to 1, and in a picture.
marian="$tasks/../models/marian-tiny --tokenizer $tasks/../tokenizers/options/ctc"
"$tuff" attention --model $marian --prompt 'a b c d' --target 'x y' --json > got 2> log || fail "marian: $(cat log)"
[ "$(grep -o '"part":"[a-z]*"' got | sort | uniq -c | tr -d ' \n')" = '6"part":"cross"6"part":"decoder"4"part":"encoder"' ] ||
  fail "marian: $(cat got)"
tr '[' '\n' < got | grep -E '^[0-9.e-]+,[0-9.e,-]+\]' | sed 's/\].*//' | grep '\.' | awk -F, '{ s = 0
  for (i = 1; i <= NF; i++) s += $i
  if (s < 0.9999 || s > 1.0001) bad++; wide[NF]++ }
  END { exit bad > 0 || wide[4] != 4 * 4 + 6 * 3 || wide[3] != 6 * 3 }' || fail "marian: rows of $(cat got)"
"$tuff" attention --model $marian --prompt 'a b c d' --target 'x y' --part cross --layer 2 --out c.svg > got 2> log &&
  [ "$(grep -c '>cross layer 2 head [01]</text>' c.svg)" = 2 ] || fail "marian: $(cat got log)"

# Refused in one line.
refused() { # TEXT COMMAND...
  local text=$1
  shift
  "$tuff" "$@" > out 2> log < /dev/null && fail "$*: was accepted"
  [ "$(grep -vc '^device: ' log)" -eq 1 ] && grep -qF -- "$text" log || fail "$*: said $(cat log)"
}
long=$(printf 'the %.0s' $(seq 60))
refused 'text 1 has 62 tokens; the model takes 1 to 48' embed --model "$tasks/fill-mask" "$long"
"$tuff" embed --truncate --model "$tasks/fill-mask" "$long" > out 2> log || fail "--truncate: $(cat log)"
refused 'not of a model that classifies' classify --model "$tasks/fill-mask" a
refused 'not of a masked language model' fill-mask --model "$tasks/classify" '[MASK]'
refused 'layers 0 to 1 of heads 0 to 3' attention --model "$model" --prompt a --head 4
refused 'ends in .svg or .png' attention --model "$model" --prompt a --out a.jpg
refused 'cannot create' attention --model "$model" --prompt a --out no/folder/a.png
refused 'no token types' attention --model "$tasks/perplexity" --prompt a --pair b
refused 'has no tokens' attention --model "$tasks/perplexity" --prompt ''
refused 'is an encoder-decoder' attention --model $marian --prompt a
refused 'no decoder beside an encoder' attention --model "$model" --prompt a --target b
refused 'encoder, decoder or cross' attention --model $marian --prompt a --target b --part both
refused 'has no [MASK]' fill-mask --model "$tasks/fill-mask" 'nothing'
refused 'causal language model' perplexity --model "$tasks/fill-mask" "$tasks/perplexity/text.txt"
: > empty
refused 'fewer than two tokens' perplexity --model "$tasks/perplexity" empty
refused '--model DIR is needed' embed a
refused 'stride must not exceed' perplexity --model "$tasks/perplexity" --stride 40 log
for bad in '{"text": 7}' '["a"]' '{"text": "a", "text_pair": []}' 'text'; do
  echo "$bad" | "$tuff" classify --model "$tasks/classify" --jsonl > out 2> log && fail "took $bad"
  grep -q 'text 1' log || fail "$bad: $(cat log)"
done
printf 'a\377b\n' | "$tuff" embed --model "$tasks/fill-mask" > out 2> log && fail "took bytes that are no text"
grep -q 'text 1: is not valid UTF-8' log || fail "bytes: $(cat log)"
echo "all passed"

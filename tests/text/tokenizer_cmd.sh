#!/usr/bin/env bash
# tuff tokenizer as a user drives it: train, encode, decode, and what bad input gets.
set -u
tuff=$1 scratch=$2
golden=$(cd "$(dirname "$0")/../golden/tokenizers" && pwd)
rm -rf "$scratch"
mkdir -p "$scratch"
cd "$scratch" || exit 1
checks=0 failures=0
check() { # DESCRIPTION CONDITION...
  checks=$((checks + 1))
  local what=$1
  shift
  "$@" && return
  failures=$((failures + 1))
  echo "failed: $what"
}
# refused CODE WORD COMMAND...: that exit code, one line on stderr that says WORD, no output.
refused() {
  local code=$1 word=$2
  shift 2
  "$@" > out 2> err < /dev/null
  local got=$?
  check "exit code $got, not $code: $*" [ $got = "$code" ]
  check "one line with \"$word\", not \"$(cat err)\": $*" \
    eval '[ "$(wc -l < err)" = 1 ] && grep -qF -- "$word" err'
  check "output in spite of failure: $*" [ ! -s out ]
}

# Training writes the reference's file, byte for byte but for the newline at its end.
"$tuff" tokenizer train --type bpe --vocab-size 600 --out trained "$golden/data/shakespeare-300k.txt" \
  > out 2> err
check "train succeeds" [ $? = 0 ]
check "train says what it made" grep -q 'trained: 600 tokens from 1 file' out
check "no progress bar without a terminal" [ ! -s err ]
printf '\n' | cat "$golden/bpe-trained/tokenizer.json" - > want
check "the reference's file" cmp trained/tokenizer.json want
check "nothing else is left there" [ "$(ls -A trained)" = tokenizer.json ]
"$tuff" tokenizer train --vocab-size 600 --special-token '<unk>' --special-token '<s>' \
  --special-token '</s>' --special-token '<pad>' --split ' ?[^(\s|[.,!?…。，、।۔،])]+' --out bloom \
  "$golden/data/shakespeare-300k.txt" > out 2> err
printf '\n' | cat "$golden/bloom-trained/tokenizer.json" - > want
check "with another split pattern: $(cat err)" cmp bloom/tokenizer.json want

# Lines there and back; the newline is not part of the text.
printf 'Hello, world!\n\n  two  <|endoftext|> caf\303\251 \345\214\227\r\nno newline' > lines
"$tuff" tokenizer encode --tokenizer trained lines > ids
check "one line of ids a line" [ "$(wc -l < ids)" = 4 ]
check "an empty line has none" [ "$(sed -n 2p ids)" = "" ]
check "a file is as standard input" cmp ids <("$tuff" tokenizer encode --tokenizer trained - < lines)
"$tuff" tokenizer decode --tokenizer trained/tokenizer.json --keep-special ids > back
{ cat lines; echo; } > want
check "decoding gives the text back" cmp back want
"$tuff" tokenizer decode --tokenizer trained ids > back
check "special tokens vanish" grep -q '  two   caf' back
"$tuff" tokenizer encode --tokenizer trained --special-as-text lines > plain
check "special tokens as text" eval '! cmp -s plain ids'

# JSON lines: the reference cases.
"$tuff" tokenizer encode --jsonl --tokenizer "$golden/bpe-trained" "$golden/bpe-trained/cases.jsonl" > out
check "all cases" [ "$(wc -l < out)" = 146 ]
printf '{"ids": [36, 361, 79, 12, 265, 282, 371, 0], "tokens": ["Hello"]}\n{"ids": []}\n' |
  "$tuff" tokenizer decode --jsonl --tokenizer trained > back
check "decoded JSON" [ "$(sed -n 2p back)" = '{"text": ""}' ]
"$tuff" tokenizer encode --jsonl --tokenizer trained <<< '{"text": "a\n\u0000b \ud83d\udc4d", "x": 1}' |
  "$tuff" tokenizer decode --jsonl --tokenizer trained > back
check "JSON there and back" [ "$(cat back)" = '{"text": "a\n\u0000b 👍"}' ]

# One clear line, and nothing half-written.
head -c 300 "$golden/bpe-trained/tokenizer.json" > cut.json
: > empty.txt
refused 2 'one of train' "$tuff" tokenizer
refused 2 'unknown action' "$tuff" tokenizer teach
refused 2 '--tokenizer' "$tuff" tokenizer encode lines
refused 2 'too many' "$tuff" tokenizer encode --tokenizer trained lines lines
refused 1 'missing.json' "$tuff" tokenizer encode --tokenizer missing.json lines
refused 1 'cut.json' "$tuff" tokenizer encode --tokenizer cut.json lines
refused 1 'missing.txt' "$tuff" tokenizer encode --tokenizer trained missing.txt
refused 1 'lines:1' "$tuff" tokenizer encode --jsonl --tokenizer trained lines
refused 1 'lines:1' "$tuff" tokenizer decode --tokenizer trained lines
refused 1 'lines:1' "$tuff" tokenizer decode --jsonl --tokenizer trained lines
echo '5 600' > ids
refused 1 'id 600' "$tuff" tokenizer decode --tokenizer trained ids
echo '5 99999999999999999999' > ids
refused 1 'ids:1' "$tuff" tokenizer decode --tokenizer trained ids
echo '{"text": 5}' > bad.jsonl
refused 1 '"text"' "$tuff" tokenizer encode --jsonl --tokenizer trained bad.jsonl
echo '{"ids": [5, "a"]}' > bad.jsonl
refused 1 '"ids"' "$tuff" tokenizer decode --jsonl --tokenizer trained bad.jsonl
refused 2 '--out' "$tuff" tokenizer train lines
refused 2 'no text files' "$tuff" tokenizer train --out made
refused 2 '--type' "$tuff" tokenizer train --type letters --out made lines
refused 2 '--vocab-size' "$tuff" tokenizer train --vocab-size 0 --out made lines
refused 1 'vocabulary size 100' "$tuff" tokenizer train --vocab-size 100 --out made lines
refused 1 'empty.txt' "$tuff" tokenizer train --out made empty.txt
refused 1 'missing.txt' "$tuff" tokenizer train --out made lines missing.txt
check "no folder of a training that failed" [ ! -e made ]
"$tuff" tokenizer encode --tokenizer trained lines > /dev/full 2> err
check "a full disk is a failure" [ $? = 1 ]

echo "$checks checks, $failures failures"
[ $failures = 0 ]

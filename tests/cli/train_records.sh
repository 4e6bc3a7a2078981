# A language model on records of JSON, CSV and TSV: the same tokens from each, a document a record with the end token behind
# it; the share held out; what is wrong. bash train_records.sh TUFF SCRATCH
set -u
tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
export XDG_CACHE_HOME=$2/cache
fail() { echo "failed: $*"; exit 1; }
seq 1 300 | awk '{ print "Line", $1, "of", $1 * 7 % 13, "sheep." }' > text.txt
"$tuff" tokenizer train --quiet --vocab-size 300 --out tok text.txt > out 2>&1 || fail "tokenizer: $(cat out)"
awk '{ print "{\"id\": " NR ", \"body\": \"" $0 "\"}" }' text.txt > text.jsonl
(echo '['; sed '$!s/$/,/' text.jsonl; echo ']') > text.json
(echo id,body; awk '{ print NR ",\"" $0 "\"" }' text.txt) > text.csv
tr , '\t' < text.csv | tr -d '"' > text.tsv
train() { # RUN OPTIONS
  "$tuff" train --quiet --tokenizer tok --preset tiny --context 16 --batch 2 --steps 2 --text-field body --out "$@" > out 2> err ||
    fail "train $*: $(cat err)"
}
for end in jsonl json csv tsv; do
  train $end --data text.$end --validation 0
  cmp $end/data.tok jsonl/data.tok || fail "$end: other tokens"
done
od -A n -v -t u2 -w2 -j 128 jsonl/data.tok | tr -d ' ' | paste -s -d ' ' > ids
"$tuff" tokenizer decode --tokenizer tok --keep-special ids > back 2> err || fail "decode: $(cat err)"
sed 's/<|endoftext|>/\n/g' back | grep . | cmp - text.txt || fail "other texts: $(head -c 200 back)"
[ "$(grep -o '<|endoftext|>' back | wc -l)" = 300 ] || fail "a record without an end"

# A tenth is held out, whole records; a second set may have another form; a resumed run has the same field.
train held --data text.jsonl --validation 0.1 --eval-data table=text.csv
held=$(od -A n -t u8 -j 24 -N 16 held/data.tok | awk '{ print ($1 - $2) / $1 }')
awk -v x="$held" 'BEGIN { exit !(x > 0.08 && x < 0.12) }' || fail "held out: $held"
grep -q eval_table_loss held/metrics.csv || fail "no second set"
cp -r held more && "$tuff" train --out more --resume --quiet --text-field id > out 2> err && fail "another field is taken"
grep -q 'text-field (was "body", is "id")' err || fail "resume: $(cat err)"

# What is wrong gets one line and leaves nothing.
refused() { # TEXT OPTIONS
  local text=$1
  shift
  "$tuff" train --quiet --tokenizer tok --preset tiny --context 16 --batch 2 --steps 2 --out no "$@" > out 2> err && fail "taken: $*"
  [ "$(wc -l < err)" = 1 ] && grep -qF -- "$text" err || fail "$*: $(cat err), not: $text"
  [ ! -e no ] || fail "$*: left something"
}
refused 'text.jsonl:1: no field "text"; there are "id", "body"' --data text.jsonl
refused 'text.csv: no column "words"; there are id, body' --data text.csv --text-field words
(cat text.jsonl; echo '{"body": ["a", "list"]}') > list.jsonl
refused 'list.jsonl:301: field "body" is no text' --data list.jsonl --text-field body
(cat text.jsonl; echo '{"body": ') > cut.jsonl
refused 'cut.jsonl:301: not valid JSON' --data cut.jsonl --text-field body
refused 'windows of text are full as they are' --data text.jsonl --text-field body --pack
(echo '{"body": ""}'; cat text.jsonl) > empty.jsonl
train empty --data empty.jsonl --validation 0
grep -q '1 of 301 records have no text and are left out, the first is empty.jsonl:1' err || fail "empty: $(cat err)"
cmp empty/data.tok jsonl/data.tok || fail "an empty record leaves a trace"
echo "all passed"

# tuff profile: the table, JSON, the trace, the profiled command's own output, bad words.
# bash profile.sh TUFF SCRATCH
set -u
tuff=$1 root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
export XDG_CACHE_HOME=$PWD/cache
train="bench train --layers 1 --heads 2 --width 32 --context 16 --batch 2 --seconds 0.05"

"$tuff" profile --quiet $train > out 2> log || fail "profile: $(cat log)"
grep -q '^train: .* tokens/s' out || fail "the command's own line is gone: $(cat out)"
grep -q '^optim/step[a-z_.0-9]* .* [0-9.]* .*mem$' out || fail "no row of AdamW: $(cat out)"
grep -q '^kernels .* ms of .* runs: the device was idle' out || fail "no sum: $(cat out)"
grep -q '^roofs of .*GFLOP/s multiply-add' out || fail "no roofs: $(cat out)"
"$tuff" profile --quiet --top 2 $train > out 2> log || fail "--top: $(cat log)"
grep -q '^and [0-9]* more$' out || fail "--top: $(cat out)"
"$tuff" profile --by op --json $train --json > out 2> log || fail "--json: $(cat log)"
[ "$(grep -c . out)" -eq 2 ] || fail "--json: not a line each: $(cat out)"
tail -n 1 out | grep -q '^{"device".*"by":"op".*"roofs".*"op":"matmul","backward":true' ||
  fail "--json: $(tail -n 1 out)"
"$tuff" profile --by=shape --trace trace.json $train > out 2> log || fail "--trace: $(cat log)"
grep -q '^train matmul (backward) matmul/.*\[32, 32\]' out || fail "--by shape: $(cat out)"
grep -q '"ph":"X"' trace.json && grep -q '"submit train"' trace.json || fail "the trace is empty"
[ "$(tail -n 1 trace.json)" = "]}" ] || fail "the trace has no end"

refused() { # WORDS CODE OPTIONS...
  words=$1 code=$2
  shift 2
  "$tuff" profile "$@" > out 2> log
  got=$?
  [ $got -eq "$code" ] && grep -q -- "$words" log && [ "$(grep -c . log)" -eq 1 ] ||
    fail "profile $*: exit $got, $(cat log)"
}
refused 'which command' 2
refused 'which command' 2 --json
refused '"nosuch" is no command' 2 nosuch
refused '"profile" is no command to profile' 2 profile bench copy
refused 'by "colour"' 2 --by colour bench copy
refused 'nothing ran' 1 devices --json
refused 'say what to measure' 2 --quiet bench --quiet nothing
"$tuff" profile --trace /nonexistent/t --quiet bench copy --megabytes 1 --seconds 0.01 > out 2> log &&
  fail "a trace to nowhere"
grep -q '/nonexistent/t' log || fail "a trace to nowhere: $(cat log)"

# The table of docs/profile.md: what is counted is said; ids have buckets where there is a gradient.
"$tuff" bench adamw --parameters 5000 --seconds 0.01 --quiet > out 2> log || fail "adamw: $(cat log)"
grep -q ' GB/s of 28 bytes a parameter' out || fail "adamw: $(cat out)"
"$tuff" bench op --op embedding --m 64 --n 32 --backward --seconds 0.01 --quiet > out 2> log ||
  fail "embedding: $(cat log)"
grep -q ' GB/s .* of what is copied.*embedding/grad' out || fail "embedding: $(cat out)"

# docs/profile.md: its commands do what it says.
commands=$(sed -n 's/^    build\/tuff //p' "$root/docs/profile.md")
[ "$(echo "$commands" | wc -l)" -eq 4 ] || fail "docs/profile.md has other commands: $commands"
rm -f trace.json
while read -r line; do
  # shellcheck disable=SC2086 # the options are words
  "$tuff" $line > out 2> log < /dev/null || fail "docs/profile.md: tuff $line: $(cat log)"
  grep -q '% roof$\|choices for' out || fail "docs/profile.md: tuff $line: $(cat out)"
done <<< "$commands"
[ -s trace.json ] && ls cache/tuff/tuning-*.json > /dev/null || fail "docs/profile.md leaves no files"
if command -v xmllint > /dev/null; then
  xmllint --noout "$root/docs/profile.svg" || fail "docs/profile.svg is no XML"
fi
echo ok

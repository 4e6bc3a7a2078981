# tuff profile: the table, JSON, the trace, the profiled command's own output, bad words.
# bash profile.sh TUFF SCRATCH
set -u
tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
train="bench train --layers 1 --heads 2 --width 32 --context 16 --batch 2 --seconds 0.05"

"$tuff" profile --quiet $train > out 2> log || fail "profile: $(cat log)"
grep -q '^train: .* tokens/s' out || fail "the command's own line is gone: $(cat out)"
grep -q '^optim/adamw .* [0-9.]* .*mem$' out || fail "no row of AdamW: $(cat out)"
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
echo ok

# export_run (tools/golden): what it writes is what the run was: weights that begin the same run, the
# held-out text token by token, plan and sizes. bash export_run.sh TUFF SCRATCH
set -u
tuff=$1 export_run=$(dirname "$1")/export_run
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
export XDG_CACHE_HOME=$2/cache

seq 1 900 | awk '{ print "line", $1, "of the text: " $1 * 7 % 13, "sheep,", $1 % 5, "goats." }' > text.txt
"$tuff" tokenizer train --type bpe --vocab-size 300 --out tok text.txt > log 2>&1 || fail "tokenizer: $(cat log)"
train() { # FOLDER OPTIONS...
  out=$1
  shift
  "$tuff" train --data text.txt --tokenizer tok --out "$out" --context 16 --batch 3 --accumulate 2 --steps 5 \
    --save-every 0 --eval-every 0 "$@" > log 2>&1 || fail "train $out: $(cat log)"
}
train run --preset tiny --lr 2e-3 --warmup 2 --schedule linear
"$export_run" run out > log 2>&1 || fail "export: $(cat log)"

# Begun with those weights the run is the same: every loss, norm and rate.
train again --init out/init --lr 2e-3 --warmup 2 --schedule linear
for run in run again; do cut -d, -f 1-4 $run/metrics.csv > $run.csv; done
cmp run.csv again.csv || fail "other weights: $(cat run.csv again.csv)"

# The targets of heldout.bin, in order and without the filler, are the held-out tokens: the last ones
# of data.tok, whose header says how many there are (u64 at 24) and how many of them are to train on.
read -r all learnt < <(od -An -v -t u8 -j 24 -N 16 run/data.tok)
od -An -v -w68 -t u4 out/heldout.bin | awk '{ for (i = 2; i <= NF; i++) if ($i != 4294967295) print $i }' > targets
od -An -v -w2 -t u2 -j $((128 + 2 * learnt)) run/data.tok | awk '{ print $1 }' > tokens
[ "$(grep -c . tokens)" -eq $((all - learnt)) ] || fail "data.tok: $all tokens, $learnt to train on"
cmp targets tokens || fail "heldout.bin is not the held-out text"

# 5 steps of 2 micro-batches of 3 windows of 17 tokens, all of the vocabulary.
[ "$(wc -c < out/batches.bin)" -eq $((5 * 2 * 3 * 17 * 4)) ] || fail "batches: $(wc -c < out/batches.bin) bytes"
od -An -v -w68 -t u4 out/batches.bin | awk '{ for (i = 1; i <= NF; i++) if ($i >= 300) bad = 1 } END { exit bad }' ||
  fail "batches: no tokens"
[ "$(od -An -v -w68 -t u4 out/batches.bin | sort -u | grep -c .)" -eq 30 ] || fail "batches: a window twice"
for word in '"steps": 5' '"accumulate": 2' '"batch": 3' '"context": 16' '"weight_decay": 0.1' '"clip": 1.0' \
  '"transformer.wte.weight"'; do
  grep -q "$word" out/plan.json || fail "plan.json: no $word"
done
grep -q '"transformer.h.0.ln_1.weight"' out/plan.json && fail "plan.json: norms have no weight decay"
[ -e out/export.tmp ] && fail "export.tmp was left"

refused() { # WORDS RUN
  "$export_run" "$2" refused > log 2>&1 && fail "$2: not refused"
  [ "$(grep -c . log)" -eq 1 ] && grep -q -- "$1" log || fail "$2: $(cat log)"
}
train random --preset tiny --dropout 0.1
refused 'dropout' random
refused 'no checkpoint' tok
refused 'nowhere' nowhere
echo "all passed"

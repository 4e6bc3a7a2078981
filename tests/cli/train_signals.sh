# Signals to tuff train, two writers, a full disk. bash train_signals.sh TUFF SCRATCH
set -u
tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2> /dev/null' EXIT
export XDG_CACHE_HOME=$2/cache

seq 1 2000 | awk '{ print "line", $1, "of the text: " $1 * 7 % 13, "sheep,", $1 % 5, "goats." }' > text.txt
"$tuff" tokenizer train --type bpe --vocab-size 300 --out tok text.txt > log 2>&1 || fail "tokenizer: $(cat log)"
cat > config.json << EOF
{"model_type": "gpt2", "vocab_size": 300, "n_positions": 16, "n_embd": 32, "n_layer": 2, "n_head": 4}
EOF
start() { # FOLDER OPTIONS...: far more steps than there is time for
  out=$1
  shift
  exec "$tuff" train --config config.json --data text.txt --tokenizer tok --out "$out" --context 16 --batch 4 \
    --steps 1000000 --eval-every 0 --save-every 0 --quiet "$@"
}
rows() { cat "$1/metrics.csv" 2> /dev/null | wc -l; }
await() { # CONDITION...: for at most 180 s, which a busy machine with a cold shader cache can need
  for _ in $(seq 1800); do
    eval "$*" && return
    kill -0 $pid 2> /dev/null || fail "ended early: $(cat log)"
    sleep 0.1
  done
  fail "waited for: $*: $(cat log)"
}
stops() { # CODE: the run ends with it
  wait $pid
  code=$?
  [ $code -eq "$1" ] || fail "exit $code, not $1: $(cat log)"
}

# SIGUSR1 saves and goes on; the second writer is told whose the folder is; Ctrl-C saves and stops.
start a > log 2>&1 &
pid=$!
await '[ $(rows a) -gt 5 ]'
[ ! -e a/last ] || fail "saved without being asked"
kill -USR1 $pid
await '[ -s a/last ]'
first=$(cat a/last)
(start a) > log2 2>&1 && fail "a second writer was let in"
grep -q "in use by process $pid\$" log2 || fail "the holder is not named: $(cat log2)"
(start a --resume) > log2 2>&1 && fail "a second writer was let in to resume"
n=$(rows a)
await '[ $(rows a) -gt $((n + 5)) ]'
kill -INT $pid
stops 3
[ "$(cat a/last)" != "$first" ] || fail "Ctrl-C did not save"
grep -q "^stopped after step" log || fail "not reported: $(cat log)"

# SIGTERM is the same. The next run takes over and begins where it stopped.
stopped=$(cat a/last)
start a --resume > log 2>&1 &
pid=$!
await '[ $(rows a) -gt $((10#${stopped#step-} + 5)) ]'
kill -TERM $pid
stops 3
[ "$(cat a/last)" != "$stopped" ] || fail "SIGTERM did not save"

# The second signal ends it at once, whatever it is doing, and the last checkpoint is whole.
stopped=$(cat a/last)
start a --resume > log 2>&1 &
pid=$!
await '[ $(rows a) -gt $((10#${stopped#step-} + 5)) ]'
kill -STOP $pid # so that both are there before a step can end
kill -INT $pid
kill -TERM $pid
kill -CONT $pid
wait $pid
code=$?
[ $code -eq 143 ] || [ $code -eq 130 ] || fail "exit $code after two signals: $(cat log)"
[ "$(cat a/last)" = "$stopped" ] || fail "a hurried end changed the last checkpoint"
"$tuff" generate --quiet --model a --prompt 'line 7' --max-new-tokens 4 --greedy > log 2>&1 || fail "$(cat log)"

# Stopped before the first step: nothing was done, nothing is left.
start early > log 2>&1 &
pid=$!
# INT, USR1 and TERM are handled (a sanitizer handles more).
await '[ $((0x0$(sed -n "s/^SigCgt:[[:space:]]*//p" /proc/$pid/status) & 0x4202)) -eq $((0x4202)) ]'
kill -INT $pid
stops 3
pid=
[ ! -e early ] || [ -s early/last ] || fail "half a run is left: $(ls early)"

# A disk of 2 MB, where this kernel lets a user mount one; tests/train/fit.c limits file sizes instead.
if unshare -Urm sh -c 'mount -t tmpfs -o size=2m none /mnt' 2> /dev/null; then
  unshare -Urm sh -c '
    mount -t tmpfs -o size=2m none /mnt || exit 9
    "$1" train --config config.json --data text.txt --tokenizer tok --out /mnt/run --context 16 --batch 4 \
      --steps 100000 --save-every 2 --keep 0 --quiet > log 2>&1
    echo "code $?" >> log
    ls /mnt/run > files
    "$1" generate --quiet --model /mnt/run --prompt "line 7" --max-new-tokens 4 --greedy >> log 2>&1
    echo "generate $?" >> log' sh "$tuff"
  grep -q '^code 1$' log || fail "full disk: $(cat log)"
  grep -q '^generate 0$' log || fail "the checkpoint on the full disk: $(cat log)"
  [ "$(grep -c '^tuff train: .*No space left' log)" -eq 1 ] || fail "not one line: $(cat log)"
  grep -q 'tmp' files && fail "half a checkpoint is left: $(cat files)"
else
  echo "no disk can be mounted here: the full one is left to train.fit"
fi
echo "all passed"

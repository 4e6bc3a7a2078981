# tuff train killed with SIGKILL at random moments, many times, and resumed: the same bits as the run
# that was left alone. bash train_kill.sh TUFF SCRATCH
set -u
tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2> /dev/null' EXIT
export XDG_CACHE_HOME=$2/cache
export TUFF_SYS=$2/none # so that no watts are in the metrics, which differ
all=0 seed=${SEED:-$$}
echo "seed $seed"
RANDOM=$seed

seq 1 4000 | awk '{ print "line", $1, "of the text: " $1 * 7 % 13, "sheep,", $1 % 5, "goats." }' > text.txt
"$tuff" tokenizer train --type bpe --vocab-size 300 --out tok text.txt > log 2>&1 || fail "tokenizer: $(cat log)"
cat > config.json << EOF
{"model_type": "gpt2", "vocab_size": 300, "n_positions": 16, "n_embd": 32, "n_layer": 2, "n_head": 4,
 "embd_pdrop": 0.1, "resid_pdrop": 0.1, "attn_pdrop": 0.1}
EOF
start() { # FOLDER: replaces the shell it is called in, so that its pid is the run's
  exec "$tuff" train --config config.json --data text.txt --tokenizer tok --out "$1" --context 16 --batch 2 \
    --accumulate 2 --steps $steps --save-every 2 --eval-every 25 --eval-batches 4 --quiet --resume $options
}
rows() { [ -e $run/metrics.csv ] && wc -l < $run/metrics.csv || echo 0; }

# Killed by progress, not by the clock, so that a busy machine kills no less: after up to 6 more
# steps and a random moment of a step (a checkpoint is written every other one). One in four is
# killed in its first half second instead, mostly before its first step.
trial() { # NAME STEPS KILLS OPTIONS FILES: other names and words for the same
  name=$1 steps=$2 most=$3 options=$4 files=$5 run=$1-killed kills=0
  last=step-$(printf %08d $steps)
  (start $name-whole) > log 2>&1 || fail "$name: train: $(cat log)"
  while [ $kills -lt $most ] && [ ! -e $run/$last/manifest.json ]; do
    before=$(rows)
    goal=$((before + 1 + RANDOM % 6))
    start $run > log 2>&1 &
    pid=$!
    if [ $((RANDOM % 4)) -eq 0 ]; then
      sleep 0.$(printf %03d $((RANDOM % 500)))
    else
      while [ "$(rows)" -lt $goal ] && kill -0 $pid 2> /dev/null; do sleep 0.005; done
      sleep 0.$(printf %03d $((RANDOM % 30)))
    fi
    kill -9 $pid 2> /dev/null && kills=$((kills + 1))
    wait $pid 2> /dev/null
  done
  pid=
  (start $run) > log 2>&1 || fail "$name: resume: $(cat log)"
  all=$((all + kills))
  for f in $files; do
    cmp $name-whole/$last/$f.safetensors $run/$last/$f.safetensors || fail "$name: other $f after $kills kills"
  done
  cmp $name-whole/$last/trainer.json $run/$last/trainer.json || fail "$name: other state after $kills kills"
  [ "$(cut -d, -f1-4,6- $name-whole/metrics.csv)" = "$(cut -d, -f1-4,6- $run/metrics.csv)" ] || fail "$name: other metrics"
  cmp $name-whole/best $run/best || fail "$name: another best one"
  left=$(ls $run | grep -v -x -e 'step-[0-9]*' -e data.tok -e lock -e last -e best -e metrics.csv -e loss.png -e report.html \
    -e 'events.out.*')
  [ -z "$left" ] || fail "$name: left behind: $left"
  echo "$name: $kills kills"
}
trial adamw 110 13 "" "model exp_avg exp_avg_sq"
# The scale of the loss ("optimizer") is part of the state.
trial mixed 60 7 "--optimizer lion --lr 1e-4 --amp O1 --amp-dtype f16 --checkpoint block" "model exp_avg optimizer"
[ $all -eq 20 ] || fail "$all kills of 20"
echo "all passed"

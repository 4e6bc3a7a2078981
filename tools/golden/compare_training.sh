#!/usr/bin/env bash
# Trains the model of a finished run of `tuff train` once more, in PyTorch on the CPU: from the same
# weights on the same tokens in the same order with the same learning rates. Prints both held-out
# bits per byte and their ratio; exit code 1 where Tuff's is more than 1.02 times PyTorch's.
#
#   tools/golden/compare_training.sh [RUN]
#
# RUN is build/demo/run unless given; what is not there yet is trained by tools/demo first. PYTHON
# names a Python that has torch, numpy and safetensors (python3), THREADS how many threads PyTorch
# takes (1, which is best for so small a model).
set -euo pipefail
cd "$(dirname "$0")/../.."

run=${1:-build/demo/run} python=${PYTHON:-python3}
if [ $# -eq 0 ] && [ ! -e "$run/last" ]; then
  tools/demo
fi
[ -s "$run/last" ] || { echo "compare_training: $run: holds no finished run" >&2; exit 1; }
cmake --build build --target export_run > build/export_run.log || { cat build/export_run.log; exit 1; }
last=$run/$(cat "$run/last") folder=build/compare
rm -rf "$folder"
build/export_run "$run" "$folder"
"$python" tools/golden/train_reference.py "$folder" --json --threads "${THREADS:-1}" --trained "$last" \
  > "$folder/reference.json"

"$python" - "$run/metrics.csv" "$folder/reference.json" << 'EOF'
import csv, json, sys

with open(sys.argv[1]) as file:
    rows = list(csv.DictReader(file))
with open(sys.argv[2]) as file:
    theirs = json.load(file)
ours = [float(row["loss"]) for row in rows if row["loss"]]
last = [row for row in rows if row["val_bits_per_byte"]][-1:]
if not last or int(last[0]["step"]) != theirs["steps"] or len(ours) != theirs["steps"]:
    sys.exit(f"{sys.argv[1]}: no evaluation after step {theirs['steps']}, or a step is missing")
bits, reference = float(last[0]["val_bits_per_byte"]), theirs["heldout_bits_per_byte"]
apart = [abs(a - b) for a, b in zip(ours, theirs["losses"])]
print(f"{theirs['steps']} steps; losses differ by {apart[0]:.1e} at the first, "
      f"{max(apart[:100]):.1e} at most in the first 100, {max(apart):.1e} in all")
print(f"held-out bits per byte: Tuff {bits:.5f} (PyTorch evaluates that model to "
      f"{theirs['trained_bits_per_byte']:.5f}), PyTorch {theirs['torch']} {reference:.5f}, "
      f"ratio {bits / reference:.4f}")
if apart[0] > 1e-3 * theirs["losses"][0]:
    sys.exit("the first losses are not those of the same weights and tokens")
sys.exit(bits > 1.02 * reference)
EOF

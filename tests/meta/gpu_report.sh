#!/usr/bin/env bash
# tools/gpu_report in its short form: one file that holds devices, tests, benches and a profile; a
# failing test is named in it with its output; sizes are those of the kind of device.
# bash gpu_report.sh TUFF SCRATCH
set -u
tuff=$1 root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
report="$root/tools/gpu_report"

"$report" --short --tuff "$tuff" --out report.md 2> log || fail "$(tail -n 3 log) $(cat report.md)"
for words in '^# Tuff on a device' '^- tuff [0-9.]*, commit ' '"driver_version": ' '^5 passed, 0 failed$' \
  '^    copy: .* GB/s' '^    matmul: .* GFLOP/s' '^    attention: ' '^    train: .* tokens/s' \
  '^    decode: .* tokens/s' '^    roofs of .*measured' '^    matmul (backward) '; do
  grep -q -- "$words" report.md || fail "no \"$words\" in $(cat report.md)"
done
grep -q '(exit ' report.md && fail "a command failed: $(cat report.md)"

# Tests beside another command: one that fails with a word, and none at all.
mkdir -p fake/tests && ln -s "$tuff" fake/tuff
printf '#!/bin/sh\necho the sum is off\nexit 1\n' > fake/tests/test_ops_scale
chmod +x fake/tests/test_ops_scale
"$report" --short --tuff fake/tuff --out failing.md 2> log && fail "a failing test, and exit 0"
grep -q '^failed: test_ops_scale, exit 1$' failing.md && grep -q '^0 passed, 1 failed$' failing.md &&
  grep -q '^    the sum is off$' failing.md || fail "the failure is not told: $(cat failing.md)"

# In the long form a GPU is asked for more than a software driver: what is asked a command that only says
# which it is. Tests run several at once, each counted.
mkdir -p said/tests
for kind in discrete cpu; do
  printf '#!/bin/sh\ncase $* in\n"devices --json") echo "  \\"name\\": \\"It\\","
    echo "  \\"type\\": \\"%s\\"," ;;\n*--json*) echo "{\\"device\\":\\"It\\"}" ;;\nesac\n' $kind > said/tuff
  chmod +x said/tuff
  for test in ops_scale ops_add vk_device graph_profile; do
    printf '#!/bin/sh\nexit 0\n' > said/tests/test_$test
    chmod +x said/tests/test_$test
  done
  "$report" --jobs 3 --tuff said/tuff --out $kind.md 2> log || fail "$kind: $(cat log $kind.md)"
  grep -q '^4 passed, 0 failed$' $kind.md || fail "$kind, tests: $(cat $kind.md)"
done
for words in 'matmul --dtype bf16 --layout tn --m 4096' '--context 1024 --batch 8 --amp O1' \
  'adamw --parameters 124000000' 'decode .* --prompt 224 .* --batch 8' 'bench train --batch 8'; do
  grep -q -e "\$ tuff bench .*${words#bench }" discrete.md || fail "no $words in $(cat discrete.md)"
  grep -q -e "$words" cpu.md && fail "$words on a software driver"
done
grep -q '\$ tuff bench train --quiet$' cpu.md || fail "a software driver's: $(cat cpu.md)"
"$report" --jobs none 2> log && fail "--jobs none"
grep -q -- '--jobs "none": a number' log || fail "--jobs none: $(cat log)"
"$report" --tuff nowhere/tuff 2> log && fail "without a command"
grep -q 'nowhere/tuff is not there' log || fail "without a command: $(cat log)"
"$report" --speed 2> log && fail "an unknown option"
grep -q 'unknown option "--speed"' log || fail "unknown option: $(cat log)"
echo ok

# docs/gpu.md: its commands run, and its arithmetic of waves is that of the device it names.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd) tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
commands=0
while read -r line; do
  commands=$((commands + 1))
  # shellcheck disable=SC2086 # words
  "$tuff" ${line#build/tuff } > log 2>&1 || fail "$line: $(cat log)"
  [ -s log ] || fail "$line: said nothing"
done < <(sed -n 's/^    \(build\/tuff .*\)/\1/p' "$root/docs/gpu.md")
[ $commands -eq 2 ] || fail "$commands commands"
grep -q '% roof' log || fail "the profile: $(cat log)"
# 144 tiles of 128 x 128: the fullest of 132 has 2, the mean is 1.09; in 8 parts 9 of 8.
awk 'BEGIN { g = 768 / 128 * 3072 / 128; u = 132
  up = int((g + u - 1) / u); parts = int((8 * g + u - 1) / u)
  exit !(g == 144 && up == 2 && sprintf("%.2f", g / u) == "1.09" && parts == 9) }' ||
  fail "the arithmetic of waves"
# Every file and option that it sends to is there.
for path in tools/gpu_report tools/bench_ggml.c tools/golden/bench_matmul.py tools/golden/bench_train.py \
  src/ops/matmul_tiled.c tests/ops/matmul_tiled.c; do
  grep -q "${path##*/}" "$root/docs/gpu.md" && [ -e "$root/$path" ] || fail "$path"
done
grep -q -- '--short' "$root/tools/gpu_report" || fail "--short"
echo "all passed"

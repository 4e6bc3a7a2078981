# tuff verify passes on the reference checkpoint, and notices one moved value of each kind.
set -u
tuff=$1 golden=$(cd "$(dirname "$0")/../golden/models/gpt2-tiny" && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
"$tuff" verify "$golden" "$golden/golden.safetensors" --strict > log 2>&1 || fail "$(cat log)"
LC_ALL=C sed 's/"loss":/"lost":/' "$golden/golden.safetensors" > lost.safetensors
"$tuff" verify "$golden" lost.safetensors --strict > log 2>&1 && fail "--strict passed with tensors unchecked"
grep -q 'not checked  lost' log || fail "unchecked tensors are not listed"
"$tuff" verify "$golden" lost.safetensors > log 2>&1 || fail "$(cat log)"

# move NAME FILE: adds to the middle bytes of a tensor in a copy: offsets come from the header's JSON.
begin=$((8 + $(od -An -tu8 -N8 "$golden/golden.safetensors")))
move() {
  range=$(head -c $begin "$golden/golden.safetensors" | tail -c +9 |
    sed "s/.*\"$1\":{[^}]*\"data_offsets\":\[\([0-9]*\),\([0-9]*\)\].*/\1 \2/")
  at=$((begin + ${range% *} + (${range#* } - ${range% *}) / 12 * 4)) # in the first row, which has no padding
  [ -e "$2" ] || cp "$golden/golden.safetensors" "$2"
  chmod u+w "$2"
  # 1000.0 as F32: far outside every tolerance; for ids (I64) another token.
  printf '\000\000\172\104' | dd of="$2" bs=1 seek=$at conv=notrunc 2> /dev/null
}
names="logits hidden loss grad.transformer.wte.weight adamw.losses clip.norm smooth.loss
  clip.grad.transformer.h.0.mlp.c_fc.weight greedy beam beam_scores proc.out.top_p"
pairs=()
for name in $names; do
  move "$name" "$name"
  pairs+=("$golden" "$name")
done
"$tuff" verify "${pairs[@]}" > log 2>&1 && fail "no moved value was noticed"
for name in $names; do
  awk -v from=" against $name" '/ against /{ on = substr($0, length($0) - length(from) + 1) == from } on' log > part
  grep -q "^MISS  $name" part || fail "$name: a moved value was not noticed: $(grep MISS part)"
done

# In half precision too: logits, gradients, processors, texts. Beams that are within rounding of others are
# found wrong by their scores.
for name in greedy beam proc.out.top_p; do move $name texts; done
for type in f16 bf16; do
  "$tuff" verify "$golden" logits "$golden" grad.transformer.wte.weight "$golden" texts --dtype $type > log 2>&1 &&
    fail "no moved value was noticed in $type"
  [ "$(sed -n 's/^MISS  *\([^ ]*\) .*/\1/p' log | sort | tr '\n' ' ')" = \
    'beam_scores grad.transformer.wte.weight greedy logits proc.out.top_p ' ] || fail "in $type: $(grep -v ^ok log)"
  grep '^ok    greedy ' log | grep -q 'of 24 steps told' || fail "$(grep greedy log)"
done

# Several pairs: each is judged, and one that fails is told in its place.
"$tuff" verify "$golden" "$golden/golden.safetensors" "$golden" /nonexistent "$golden" lost.safetensors \
  --quiet > log 2>&1 && fail "a file that is not there passed"
[ "$(grep -c ' 0 missed' log)" -eq 2 ] && grep -A 1 'against /nonexistent$' log | grep -q '/nonexistent: ' ||
  fail "three pairs: $(grep -v ^ok log)"
"$tuff" verify "$golden" > log 2>&1
[ $? -eq 2 ] && grep -q 'in pairs' log || fail "one word: $(cat log)"
echo "all passed"

# The committed SPIR-V of shaders that stock compilers are too old for is that of today's sources: its
# hash says so, takes no notice of comments, and notices every other change, in includes too.
# bash prebuilt.sh TUFF SCRATCH
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$2" && mkdir -p "$2/build" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }

"$root/tools/prebuild" --check > log 2>&1 || fail "$(cat log)"
grep -q ' none stale' log || fail "said: $(cat log)"
cp -r "$root/tools" "$root/shaders" . || exit 1
echo "// only a comment" >> shaders/matmul/coopmat_copy.glsl
tools/prebuild --check > log 2>&1 || fail "a comment counts: $(cat log)"
for file in matmul/coopmat.comp matmul/coopmat_copy.glsl lib/prelude.glsl; do
  cp "shaders/$file" kept
  echo "const uint TUFF_CHANGED = 1u;" >> "shaders/$file"
  tools/prebuild --check > log 2>&1 && fail "a change of $file was not noticed"
  grep -q "prebuilt/matmul/coopmat.f16.spv was made of another matmul/coopmat.comp.*tools/prebuild" \
    log || fail "no remedy: $(cat log)"
  mv kept "shaders/$file"
done
sed -i 's/-DELEMENT=float16_t/-DELEMENT=float16_t -DMORE/' shaders/matmul/coopmat.comp
tools/prebuild --check > log 2>&1 && fail "a change of flags was not noticed"
tools/prebuild --nonsense > log 2>&1
[ $? -eq 2 ] || fail "exit code of a wrong option"
echo "all passed"

# The examples build against an installed libtuff through pkg-config and do what they say.
set -u
tuff=$1 root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
cmake --install "$(dirname "$tuff")" --prefix "$PWD/prefix" > install.log 2>&1 || fail "$(cat install.log)"
pc=$(dirname "$(find prefix -name tuff.pc)")
export PKG_CONFIG_PATH=$PWD/$pc LD_LIBRARY_PATH=$PWD/${pc%/pkgconfig}
# What the comment at the top of a file says: its lines that call glslangValidator, then cc.
for source in "$root"/examples/*.c; do
  name=$(basename "$source" .c)
  sed -nE 's/^ \*     (glslangValidator .*)/\1/p' "$source" > shaders
  while read -r line; do
    (cd "$root/examples" && eval "${line/-o /-o "$2/"}") > shaders.log || fail "$name: $(cat shaders.log)"
  done < shaders
  # shellcheck disable=SC2046
  cc -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Werror -I. "$source" $(pkg-config --cflags --libs tuff) -lm -o "$name" || fail "$name does not build"
  "./$name" > "$name.out" 2>&1 || fail "$name: $(cat "$name.out")"
  cat "$name.out"
done
grep -q 'More than 90 % of new' classify.out || fail "classify: $(cat classify.out)"
grep -q 'More than 90 % of the words' translate.out || fail "translate: $(cat translate.out)"
grep -q 'below 1e-6' attention.out || fail "attention: $(cat attention.out)"
grep -q 'and so on: 5 6 7 8 9 0 1 2' gpt.out || fail "gpt: $(cat gpt.out)"
grep -q '1000 gradients: below 0.01' new_op.out || fail "new_op: $(cat new_op.out)"
for source in "$root"/examples/*.c; do
  [ "$(wc -l < "$source")" -le 100 ] || fail "$source: an example should stay short"
done
echo "all passed"

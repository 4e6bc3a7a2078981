# The examples build against an installed libtuff through pkg-config and do what they say.
set -u
tuff=$1 root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
cmake --install "$(dirname "$tuff")" --prefix "$PWD/prefix" > install.log 2>&1 || fail "$(cat install.log)"
pc=$(dirname "$(find prefix -name tuff.pc)")
export PKG_CONFIG_PATH=$PWD/$pc LD_LIBRARY_PATH=$PWD/${pc%/pkgconfig}
# bloom_chat talks with a folder as the hub has it: here a small Bloom that knows next to nothing.
export XDG_CACHE_HOME=$PWD/cache
"$tuff" tokenizer train --type bpe --vocab-size 300 --out tok "$root/docs/bpe.md" > tok.log 2>&1 || fail "$(cat tok.log)"
echo '{"model_type": "bloom", "vocab_size": 300, "hidden_size": 32, "n_layer": 1, "n_head": 2}' > bloom.json
"$tuff" train --config bloom.json --tokenizer tok --data "$root/docs/bpe.md" --out run --context 16 --batch 2 --steps 1 \
  --quiet > train.log 2>&1 || fail "$(cat train.log)"
declare -A words=([bloom_chat]="run/step-00000001 Hello Again")
# What the comment at the top of a file says: its lines that call glslangValidator, then cc.
for source in "$root"/examples/*.c; do
  name=$(basename "$source" .c)
  sed -nE 's/^ \*     (glslangValidator .*)/\1/p' "$source" > shaders
  while read -r line; do
    (cd "$root/examples" && eval "${line/-o /-o "$2/"}") > shaders.log || fail "$name: $(cat shaders.log)"
  done < shaders
  # shellcheck disable=SC2046
  cc -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Werror -I. "$source" $(pkg-config --cflags --libs tuff) -lm -o "$name" || fail "$name does not build"
  # shellcheck disable=SC2086
  "./$name" ${words[$name]:-} > "$name.out" 2>&1 || fail "$name: $(cat "$name.out")"
  cat "$name.out"
done
grep -q 'More than 90 % of new' classify.out || fail "classify: $(cat classify.out)"
grep -q 'More than 90 % of the words' translate.out || fail "translate: $(cat translate.out)"
grep -q 'after the stop: the same batch' data.out || fail "data: $(cat data.out)"
grep -q 'below 1e-6' attention.out || fail "attention: $(cat attention.out)"
grep -q 'and so on: 5 6 7 8 9 0 1 2' gpt.out || fail "gpt: $(cat gpt.out)"
grep -q '1000 gradients: below 0.01' new_op.out || fail "new_op: $(cat new_op.out)"
# Its lines stand in the chapter.
while IFS= read -r line; do
  grep -qF -- "    $line" "$root/docs/half.md" || fail "docs/half.md does not have: $line"
done < halves.out
[ "$(wc -c < bloom_chat.out)" -gt 20 ] || fail "bloom_chat: $(cat bloom_chat.out)"
for source in "$root"/examples/*.c; do
  [ "$(wc -l < "$source")" -le 100 ] || fail "$source: an example should stay short"
done
echo "all passed"

#!/usr/bin/env bash
# docs/conv.md: its commands run, what it says of the rates is there to be compared, the line it breaks
# is there to be broken; and bench conv refuses what cannot be.
set -u
tuff=$1 root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
chapter=$root/docs/conv.md

mapfile -t commands < <(sed -n 's/^    build\/tuff \(bench .*\)$/\1/p' "$chapter")
[ ${#commands[@]} -ge 4 ] || fail "docs/conv.md: ${#commands[@]} commands"
for command in "${commands[@]}"; do
  # shellcheck disable=SC2086 # the options are words
  "$tuff" $command --seconds 0.01 --json > out.json 2> log || fail "$command: $(cat log)"
  tail -1 out.json | grep -Eq '"gflops": ?[0-9.]+' || fail "$command: $(cat out.json)"
done

while read -r experiment; do
  file=${experiment##* }
  sed "$(sed "s/^'\(.*\)' src.*$/\1/" <<< "$experiment")" "$root/$file" > broken.c || fail "$experiment"
  cmp -s broken.c "$root/$file" && fail "docs/conv.md: its sed changes nothing in $file"
done < <(sed -n 's/^    sed -i //p' "$chapter")
[ -s broken.c ] || fail "docs/conv.md breaks nothing"
for file in $(grep -o '`\(src\|shaders\|tests\)/[a-z0-9_/]*\.[a-z]*`' "$chapter" | tr -d '`' | sort -u); do
  [ -f "$root/$file" ] || fail "docs/conv.md names $file, which is not there"
done

refused() { # WORDS OPTIONS...: exit code not 0, one line that says WORDS
  local words=$1
  shift
  "$tuff" bench conv "$@" > out 2> log && fail "bench conv $*: accepted"
  grep -q "$words" log || fail "bench conv $*: $(cat log)"
}
refused "larger than x" --height 4 --kernel 9 --padding 0
refused "not between" --stride 0
refused "for matmul, attention" --dtype f16
echo "all passed"

# docs/attention.md: its commands show what it says, and the line it breaks is there to be broken.
# bash attention.sh TUFF SCRATCH
set -u
tuff=$1 root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
doc=$root/docs/attention.md

sed -n 's/^    build\/tuff \(bench attention .*\)$/\1/p' "$doc" > commands
[ "$(wc -l < commands)" -eq 2 ] || fail "not two bench commands in $doc"
while read -r command; do
  # shellcheck disable=SC2086
  "$tuff" $command --seconds 0.01 --json 2> log || fail "$command: $(cat log)"
done < commands > results
memory=$(sed -n 's/.*"activations": *\([0-9]*\).*/\1/p' results)
set -- $memory
[ $# -eq 2 ] || fail "no activations in $(cat results)"
# Twice the tokens: twice the memory, but for what has a fixed size or is rounded up.
[ "$2" -gt $(($1 * 19 / 10)) ] && [ "$2" -lt $(($1 * 21 / 10)) ] || fail "memory $1, then $2"

experiment=$(sed -n "s/^    sed -i '\(.*\)' shaders.*\$/\1/p" "$doc")
file=$(sed -n "s/^    sed -i '.*' \(shaders.*\)\$/\1/p" "$doc")
[ -n "$experiment" ] && [ -n "$file" ] || fail "$doc breaks nothing"
sed "$experiment" "$root/$file" > broken
cmp -s broken "$root/$file" && fail "its sed changes nothing in $file"
[ -s "$root/docs/attention.svg" ] || fail "no picture"
echo ok

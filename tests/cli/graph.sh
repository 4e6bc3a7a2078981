# tuff graph: nodes, saved values, gradient edges, the picture; what cannot be drawn is refused; the
# chapter's commands do what it says. bash graph.sh TUFF SCRATCH
set -u
tuff=$1 root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
# The graph needs no device at all.
export VK_DRIVER_FILES=/nonexistent VK_ICD_FILENAMES=/nonexistent

graph() { "$tuff" graph --preset tiny --vocab 384 "$@" 2> log; }
graph > forward || fail "$(cat log)"
graph --backward > both || fail "$(cat log)"
[ "$(grep -c '^ *[0-9]* > ' forward)" -gt 20 ] || fail "forward: $(head forward)"
grep -q '^ *[0-9]* < ' forward && fail "a backward node without --backward"
[ "$(grep -c '^ *[0-9]* > ' both)" -eq "$(grep -c '^ *[0-9]* > ' forward)" ] || fail "another forward pass"
grep -q 'saved' forward && fail "something is saved for no backward pass"
grep -q 'saved for the backward pass, gradient t[0-9]' both || fail "no saved value with its gradient"
# Every parameter is read, and every one's gradient is written.
parameters=$(sed -n 's/.* variable \(transformer[^ ]*\)$/\1/p' both | sort -u)
[ "$(echo "$parameters" | wc -l)" -eq 28 ] || fail "$(echo "$parameters" | wc -l) parameters in 2 layers"
for p in $parameters; do
  grep -q "gradient of $p, added to" both || fail "no gradient of $p"
done
# Nothing reads a value before it is made.
awk '
  /^ *[0-9]+ [<>]/ { for (i = 4; i <= NF; i++) if ($i ~ /^t[0-9]+$/ && !($i in made)) { print "node " $1 " reads " $i; bad = 1 } }
  /^ +t[0-9]+ / { made[$1] = 1 }
  END { exit bad }' both > early || fail "$(cat early)"

graph --backward --format dot > g.dot || fail "$(cat log)"
[ "$(grep -c 'label="[0-9]* [a-z_]*\\n\[' g.dot)" -eq "$(grep -c '^ *[0-9]* [<>] ' both)" ] || fail "dot: nodes"
grep -q 'style=dashed' g.dot && grep -q 'style=dotted' g.dot || fail "dot: saved and gradient edges"
if command -v dot > /dev/null; then
  dot -Tsvg -o g.svg g.dot || fail "Graphviz does not read it"
fi

graph --backward --format svg --out arena.svg || fail "$(cat log)"
[ "$(head -c 4 arena.svg)" = "<svg" ] && [ "$(tail -n 1 arena.svg)" = "</svg>" ] || fail "svg: $(tail -n 1 arena.svg)"
[ "$(grep -c '<title>' arena.svg)" -gt 30 ] || fail "svg: places"
if command -v xmllint > /dev/null; then
  xmllint --noout arena.svg || fail "svg is no XML"
fi
grep -q 'chunk 1' arena.svg && fail "svg: a second chunk of 5 MiB"
"$tuff" graph --preset gpt2 --batch 16 --context 128 --backward --format svg > large.svg 2> log || fail "$(cat log)"
grep -q '>chunk 1<' large.svg || fail "svg: the second chunk is not marked"

# Names from a file cannot break the picture.
mkdir -p 'a<b"&c' && cp "$root/tests/golden/models/gpt2-tiny/config.json" 'a<b"&c/'
"$tuff" graph --config 'a<b"&c/config.json' --batch 2 --format svg > odd.svg 2> log || fail "$(cat log)"
grep -q 'a<b"&c' odd.svg && fail "svg: a name is not escaped"

refused() { # WORDS CODE OPTIONS...
  words=$1 code=$2
  shift 2
  "$tuff" graph "$@" > out 2> log
  got=$?
  [ $got -eq "$code" ] && grep -q -- "$words" log || fail "$*: exit $got, $(cat log)"
  [ "$(grep -c . log)" -eq 1 ] || fail "$*: not one line: $(cat log)"
}
refused 'text, dot or svg' 2 --format png
refused 'exclude' 2 --preset tiny --config x
refused 'nonsense' 1 --preset nonsense
refused 'nowhere' 1 --config nowhere/config.json
refused 'positions' 1 --preset tiny --context 129
refused 'folder-that-is-not' 1 --preset tiny --out folder-that-is-not/arena.svg
refused 'batch' 2 --preset tiny --batch 0

# docs/autograd.md: the picture is the command's, and the line it breaks is there to be broken.
command=$(sed -n 's/^    build\/tuff \(graph .*\) --out arena.svg$/\1/p' "$root/docs/autograd.md")
[ -n "$command" ] || fail "docs/autograd.md draws no picture"
"$tuff" $command --out again.svg 2> log || fail "$(cat log)"
cmp again.svg "$root/docs/arena.svg" || fail "docs/arena.svg: draw it again: tuff $command --out docs/arena.svg"
experiment=$(sed -n "s/^    sed -i \('.*'\) \(src.*\)\$/sed \1 \"\$root\/\2\"/p" "$root/docs/autograd.md")
[ -n "$experiment" ] || fail "docs/autograd.md breaks nothing"
eval "$experiment" > broken.c
file=$(sed -n "s/^    sed -i '.*' \(src.*\)\$/\1/p" "$root/docs/autograd.md")
cmp -s broken.c "$root/$file" && fail "docs/autograd.md: its sed changes nothing in $file"
echo "all passed"

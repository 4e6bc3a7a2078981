# tools/demo_chat, shortened: its data is the same on every machine and fit for its purpose, the whole way is gone,
# and what it suggests at its end works. The full one takes minutes. bash demo_chat.sh TUFF SCRATCH
set -u
tuff=$1 root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
export XDG_CACHE_HOME=$2/cache
"$root/tools/demo_chat" --tuff "$tuff" --out "$2/demo" --pretrain 60 --tune 40 > log 2>&1 || fail "$(cat log)"
[ "$(sort demo/instructions.jsonl | uniq -d | wc -l)" = 0 ] || fail "the same instruction twice"
for task in 'Add ' 'Turn round: ' 'look up ' 'Put brackets' 'List with a comma' '反过来写' '是多少' '里找' '加括号'; do
  [ "$(grep -c "$task" demo/instructions.jsonl)" -ge 20 ] || fail "less than 20 of \"$task\""
done
[ "$(cksum < demo/instructions.jsonl)" = "962406656 326398" ] || fail "other data: $(cksum < demo/instructions.jsonl)"
grep -q '^exact match on 200 held-out examples: [0-9] before' log || fail "before: $(cat log)"
grep -q '^  before: ' log && grep -q '^  after: ' log && grep -q '^  expected: ' log || fail "$(cat log)"
chat=$(sed -n 's/^talk to it *//p' log)
printf 'Turn round: moon\n' | (cd "$root" && $chat --quiet) > answer 2> err || fail "$chat: $(cat err)"
[ -s answer ] || fail "no answer"
echo "all passed"

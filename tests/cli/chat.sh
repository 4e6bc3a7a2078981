# tuff chat through a pipe: turns, the model's template, commands, errors that do not end it, Ctrl-C.
set -u
tuff=$1 root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$2" && mkdir -p "$2/m" && cd "$2" || exit 1
fail() { echo "failed: $*"; exit 1; }
export XDG_CACHE_HOME=$PWD/cache
cp "$root"/tests/golden/models/gpt2-tiny/{config.json,model.safetensors} m/
"$tuff" tokenizer train --type bpe --vocab-size 512 --out m "$root/docs/bpe.md" > log 2>&1 || fail "$(cat log)"
chat() { "$tuff" chat --quiet --model m --greedy --max-new-tokens 10 "$@" 2> log || fail "chat: $(cat log)"; }

# No template: Human and Assistant. /new forgets, so the same question has the same answer.
printf 'Hello you\n' | chat > once
[ -s once ] || fail "no answer"
printf 'Hello you\n/new\nHello you\n/save it.json\n/quit\nnever read\n' | chat > twice
cat once once | cmp -s - twice || fail "after /new: $(cat once twice)"
printf 'Hello you\nHello you\n/save both.json\n' | chat > history
cat once once | cmp -s - history && fail "the history changes nothing"
[ "$(grep -c '"role": "user"' both.json)$(grep -c '"role": "assistant"' both.json)" = 22 ] || fail "$(cat both.json)"
[ "$(grep -c '"role"' it.json)" = 2 ] || fail "$(cat it.json)"
printf 'Hello you\n' | chat --system "Be kind." > kind
cmp -s once kind && fail "--system changes nothing"

# The model's own template, from either file: its text is the whole prompt.
printf '{"bos_token": {"content": "<"}, "chat_template": "{{ bos_token }}{{ messages[-1].content }}>"}' \
  > m/tokenizer_config.json
printf 'The table\n' | chat > own
"$tuff" generate --quiet --model m --greedy --max-new-tokens 10 --prompt '<The table>' > plain 2> log
[ "<The table>$(sed 's/^ *//' own)" = "$(sed 's/^<The table> */<The table>/' plain)" ] || fail "$(cat own plain)"
printf '{%% if messages[-1].content == "no" %%}{{ raise_exception("not that") }}{%% endif %%}{{ messages | length }}' \
  > m/chat_template.jinja
printf 'no\n/nothing\n/save\nyes\n/help\n' | "$tuff" chat --quiet --model m --greedy --max-new-tokens 4 > out 2> log ||
  fail "$(cat log)"
grep -q 'm/chat_template.jinja: line 1: not that' log || fail "raise_exception: $(cat log)"
grep -q 'no command "/nothing"' log && grep -q "needs a file's name" log && grep -q '/new  ' log || fail "$(cat log)"
printf '{%% for %%}' > m/chat_template.jinja
printf 'x\n' | "$tuff" chat --quiet --model m > out 2> log && fail "a broken template was taken"
grep -q 'm/chat_template.jinja: line 1: ' log || fail "$(cat log)"
rm m/chat_template.jinja
# wrong TEMPLATE MESSAGE: what tokenizer_config.json has as its template, and what is said of that.
wrong() {
  printf '{"chat_template": %s}' "$1" > m/tokenizer_config.json
  printf 'x\n' | "$tuff" chat --quiet --model m --max-new-tokens 1 > out 2> log
  grep -q "m/tokenizer_config.json: chat_template: $2" log || fail "$1: $(cat log)"
}
wrong '"a\n{% break %}"' 'line 2: break'
wrong '"a\n\n{{ nothing() }}"' 'line 3: '
wrong '[{"name": "tool_use", "template": "x"}]' 'must be a text, or a list'
wrong 7 'must be a text, or a list'
rm m/tokenizer_config.json

# Ctrl-C stops the answer and not the conversation.
printf '{"model_type":"gpt2","vocab_size":512,"n_positions":8192,"n_embd":32,"n_layer":1,"n_head":2}' > config.json
"$tuff" train --config config.json --data "$root/docs/bpe.md" --tokenizer m --out long --context 16 --batch 2 --steps 1 \
  --quiet > log 2>&1 || fail "train: $(cat log)"
mkfifo in
"$tuff" chat --quiet --model long --context 8192 --max-new-tokens 8000 --seed 3 < in > answers 2> log &
pid=$!
exec 3> in
echo "Tell me" >&3
for _ in $(seq 200); do [ -s answers ] && break; sleep 0.1; done
kill -INT $pid
for _ in $(seq 200); do [ "$(tail -c 1 answers | od -An -c | tr -d ' ')" = '\n' ] && break; sleep 0.1; done
size=$(wc -c < answers)
[ "$size" -gt 0 ] || fail "no answer came: $(cat log)"
echo "/save long.json" >&3
echo "/quit" >&3
exec 3>&-
wait $pid || fail "Ctrl-C ended it: $(cat log)"
[ "$(grep -c '"role"' long.json)" = 2 ] || fail "the stopped answer is not kept: $(cat long.json log)"
[ "$size" -lt 15000 ] || fail "the answer was not stopped: $size bytes"
echo "all passed"

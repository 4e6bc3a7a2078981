# Adapters of tasks: a small BERT learns labels of texts and of words by LoRA and DoRA with a head beside, and masked words;
# stopped and resumed it ends on the same bits; classify says the same by --adapter, by the run and merged; what is
# refused. bash lora_task.sh TUFF SCRATCH
set -u
tuff=$1 root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$2" && mkdir -p "$2/m" && cd "$2" || exit 1
export XDG_CACHE_HOME=$2/cache
fail() { echo "failed: $*"; exit 1; }
refused() { # TEXT COMMAND...
  local text=$1
  shift
  "$@" > out 2> err && fail "taken: $*"
  [ "$(wc -l < err)" = 1 ] && grep -qF -- "$text" err || fail "$*: $(cat err), not: $text"
}
train() { "$tuff" train --quiet --batch 12 --lr 2e-2 --dropout 0 "$@" > out 2> err || fail "train $*: $(cat err)"; }
classify() { "$tuff" classify --quiet "$@" 'the music is warm' 'this book is bad' 2> err || fail "classify $*: $(cat err)"; }

cp "$root"/tests/golden/tasks/fill-mask/{config.json,model.safetensors,tokenizer.json} m/
cp m/model.safetensors base.safetensors
seq 0 95 | awk '
  BEGIN { split("warm fine like new bad old never end", mood); split("film music book story", thing); split("the this a that", article)
    print "label,text" > "texts.csv" }
  { n = $1; w = mood[n % 2 * 4 + int(n / 2) % 4 + 1]
    s = article[int(n / 8) % 4 + 1] " " thing[int(n / 3) % 4 + 1] " is " w
    print (n % 2 ? "down" : "up") "," s > "texts.csv"
    gsub(" ", "\", \"", s); print "{\"text\": [\"" s "\"], \"label\": [\"O\", \"O\", \"O\", \"" (n % 2 ? "DOWN" : "UP") "\"]}" > "words.jsonl"
    print article[int(n / 8) % 4 + 1], thing[int(n / 3) % 4 + 1], "is", w > "plain.txt" }'

# Labels of texts: only the adapter and the head are saved, the head with the pooler, which the checkpoint lacks.
train --task classification --init m --data texts.csv --out run --lora r=8,alpha=32,dropout=0.1,target=query+value \
  --ema 0.5 --steps 32 --eval-every 8 --save-every 8 --keep 0
last=run/$(cat run/last)
grep -q '"task_type": "SEQ_CLS"' "$last/adapter_config.json" && [ "$(tr -d ' \n' < "$last/adapter_config.json" |
  grep -o '"modules_to_save":[^]]*')" = '"modules_to_save":["classifier","pooler"' ] || fail "$(cat "$last/adapter_config.json")"
[ ! -e "$last/model.safetensors" ] && [ -s "$last/ema.safetensors" ] || fail "$(ls "$last")"
for name in classifier.weight classifier.bias bert.pooler.dense.weight bert.encoder.layer.1.attention.self.query.lora_B.weight; do
  grep -aq "\"base_model.model.$name\"" "$last/adapter_model.safetensors" || fail "no $name"
done
cmp m/model.safetensors base.safetensors || fail "the base was changed"

# The same labels by the adapter over its model, by the run that names it, and merged.
classify --model m --adapter run > adapted
classify --model run > named
"$tuff" merge --quiet --model m --adapter run --out merged > out 2> err || fail "merge: $(cat err)"
classify --model merged > merged.txt
cmp adapted named && cmp adapted merged.txt || fail "not the same: $(cat adapted named merged.txt)"
[ "$(cut -d ' ' -f 1 adapted | tr '\n' ' ')" = 'up down ' ] || fail "classify: $(cat adapted)"
grep -q '"0": "down"' merged/config.json && grep -q BertForSequenceClassification merged/config.json || fail "$(cat merged/config.json)"
classify --model m --adapter run=0.5 --adapter run=0.5 | cmp - adapted || fail "two halves are no whole"

# Gone on with: the same bits.
cp -r run cut && rm -rf "cut/$(cat cut/last)" && for n in last best; do echo step-00000024 > cut/$n; done
[ -d cut/step-00000024 ] || fail "no checkpoint to go back to: $(ls cut)"
"$tuff" train --out cut --resume --quiet > out 2> err || fail "resume: $(cat err)"
for file in adapter_model exp_avg ema; do
  cmp "$last/$file.safetensors" "cut/$(cat cut/last)/$file.safetensors" || fail "a resumed run has other bits"
done

# A checkpoint with a pooler keeps it; a model that has learnt the task gives its labels and head.
train --task classification --init merged --data texts.csv --out more --lora r=2,dora --steps 2
tr -d ' \n' < "more/$(cat more/last)/adapter_config.json" | grep -q '"modules_to_save":\["classifier"\]' || fail "the pooler learns"
tr -d ' \n' < "more/$(cat more/last)/adapter_config.json" |
  grep -q '"target_modules":\["query","key","value","output.dense","intermediate.dense"\]' ||
  fail "targets: $(cat "more/$(cat more/last)/adapter_config.json")"
classify --model more --top 1 | cut -d ' ' -f 1 | tr '\n' ' ' | grep -q 'up down' || fail "what was learnt is gone: $(classify --model more)"

# Labels of words, by all linear layers; and of masked words, whose head stays as it is.
train --task token-classification --init m --data words.jsonl --out words --lora r=8,alpha=32,dora --steps 24
classify --model m --adapter words > out
[ "$(sed 's/ 0\.[0-9]*//g; s/ 1\.0*//g' out | cut -f 1 | tr '\n' ' ')" = 'warm UP bad DOWN ' ] || fail "words: $(cat out)"
grep -q '"task_type": "TOKEN_CLS"' "words/$(cat words/last)/adapter_config.json" || fail "task_type of tokens"
train --task mlm --init m --data plain.txt --out mlm --lora r=4,target=query+dense --context 16 --epochs 2
grep -q '"modules_to_save": null' "mlm/$(cat mlm/last)/adapter_config.json" || fail "$(cat "mlm/$(cat mlm/last)/adapter_config.json")"
grep -aq cls.predictions.transform.dense.lora_B "mlm/$(cat mlm/last)/adapter_model.safetensors" || fail "no adapter of the head's layer"
"$tuff" fill-mask --quiet --model m --top 1 'the music is [MASK]' > plain.out 2> err || fail "fill-mask: $(cat err)"
"$tuff" fill-mask --quiet --model m --adapter mlm --top 1 'the music is [MASK]' > out 2> err || fail "fill-mask: $(cat err)"
cmp -s plain.out out && fail "masked words: the adapter changes nothing"

# Virtual tokens beside a head that learns: PEFT's names; the same by --adapter and by the run; gone on with, the same
# bits. A text may be as long as the model takes, less the virtual tokens.
for kind in prompt prefix; do
  train --task classification --init m --data texts.csv --out $kind --$kind-tuning 3 --lr 1e-1 --epochs 6 --save-every 18 --keep 0
  last=$kind/$(cat $kind/last)
  grep -q '"task_type": "SEQ_CLS"' "$last/adapter_config.json" && [ "$(tr -d ' \n' < "$last/adapter_config.json" |
    grep -o '"modules_to_save":[^]]*')" = '"modules_to_save":["classifier","score","pooler"' ] || fail "$(cat "$last/adapter_config.json")"
  for name in base_model.classifier.weight base_model.bert.pooler.dense.bias prompt_embeddings; do
    grep -aq "\"$name\"" "$last/adapter_model.safetensors" || fail "$kind: no $name"
  done
  classify --model m --adapter $kind > adapted
  classify --model $kind | cmp - adapted || fail "$kind: not the same by the run"
  [ $kind = prompt ] || [ "$(cut -d ' ' -f 1 adapted | tr '\n' ' ')" = 'up down ' ] || fail "$kind: $(cat adapted)"
  rm -rf cut && cp -r $kind cut && rm -rf "cut/$(cat cut/last)" && for n in last best; do echo step-00000018 > cut/$n; done
  "$tuff" train --out cut --resume --quiet > out 2> err || fail "$kind: resume: $(cat err)"
  cmp "$last/adapter_model.safetensors" "cut/$(cat cut/last)/adapter_model.safetensors" || fail "$kind: a resumed run has other bits"
done
train --task token-classification --init m --data words.jsonl --out tokens --prefix-tuning 4 --lr 1e-1 --epochs 8
classify --model m --adapter tokens > out
[ "$(sed 's/ 0\.[0-9]*//g; s/ 1\.0*//g' out | cut -f 1 | tr '\n' ' ')" = 'warm UP bad DOWN ' ] || fail "words by a prefix: $(cat out)"
"$tuff" plan --model m --task classification --prompt-tuning 3 --batch 4 --context 16 > out 2> err || fail "plan: $(cat err)"

# What is refused.
refused 'a soft prompt needs a causal language model or a classifier, which BertForMaskedLM is not' \
  "$tuff" train --quiet --task mlm --init m --data plain.txt --out no --prompt-tuning 2 --steps 1 --context 16
refused 'virtual tokens leave no room: the model takes' \
  "$tuff" train --quiet --task classification --init m --data texts.csv --out no --prompt-tuning 400 --steps 1
train --task classification --init m --data texts.csv --out second --lora r=4,target=query --steps 1 --seed 9
refused 'heads cannot be added up' "$tuff" classify --model m --adapter run --adapter second --quiet x
refused 'than the adapter before: heads cannot be added up' "$tuff" merge --quiet --model m --adapter run --adapter second --out no
refused 'nowhere/adapter_config.json: cannot open' "$tuff" classify --model m --adapter nowhere --quiet x
refused 'an adapter for another model' "$tuff" classify --model m --adapter run --adapter words --quiet x
refused 'its config.json is not of a model that classifies' "$tuff" classify --model m --adapter mlm --quiet x
refused 'has no cls.predictions.transform.dense.weight, which adapters leave frozen' \
  "$tuff" train --quiet --task mlm --init merged --data plain.txt --out no --lora r=2 --steps 1 --context 16
refused 'target "c_attn" is no linear layer of a bert' \
  "$tuff" train --quiet --task classification --init m --data texts.csv --out no --lora target=c_attn --steps 1
refused 'adapters need a trained model' \
  "$tuff" train --quiet --task classification --config m/config.json --tokenizer m --data texts.csv --out no --lora r=2 --steps 1
[ ! -e no ] || fail "a refused run left something"
echo "all passed"

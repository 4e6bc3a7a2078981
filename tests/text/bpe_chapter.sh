#!/usr/bin/env bash
# The commands of docs/bpe.md give the output that it shows: lines "    $ command" (continued after
# a backslash), then the indented lines under them.
set -u
scratch=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$scratch"
mkdir -p "$scratch/build" "$scratch/bin"
cd "$scratch" || exit 1
ln -s "$root/tests" tests
ln -s "$1" bin/tuff
export PATH=$scratch/bin:$PATH
checks=0 failures=0
command='' wanted=''
finish() {
  [ -n "$command" ] || return
  checks=$((checks + 1))
  got=$(bash -c "$command" 2>&1)
  if [ "$got" != "${wanted%$'\n'}" ]; then
    failures=$((failures + 1))
    printf 'failed: %s\n  gave: %s\n  the chapter says: %s\n' "$command" "$got" "$wanted"
  fi
  command='' wanted=''
}
while IFS= read -r line || [ -n "$line" ]; do
  if [[ $command == *\\ ]]; then
    command=${command%\\}${line#    }
  elif [[ $line == '    $ '* ]]; then
    finish
    command=${line#'    $ '}
  elif [[ -n $command && $line == '    '* ]]; then
    wanted+=${line#    }$'\n'
  else
    finish
  fi
done < "$root/docs/bpe.md"
finish
echo "$checks checks, $failures failures"
[ $failures = 0 ] && [ $checks -ge 8 ]

# A chapter of docs/ is run: lines "    $ command" (continued after a backslash), then the indented
# lines under them, which are its output; "    ..." alone stands for any. Files that it names must
# be there. A test sources this and calls: chapter ROOT TUFF SCRATCH docs/NAME.md CHECKS (at least).
chapter() {
  local root=$1 scratch=$3 file=$4 least=$5 line command='' wanted='' name
  rm -rf "$scratch"
  mkdir -p "$scratch/build" "$scratch/bin"
  cd "$scratch" || exit 1
  ln -s "$root/tests" tests
  ln -s "$2" bin/tuff
  export PATH=$scratch/bin:$PATH
  checks=0 failures=0
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
  done < "$root/$file"
  finish
  while read -r name; do
    checks=$((checks + 1))
    [ -e "$root/$name" ] || { failures=$((failures + 1)); echo "failed: $file names $name"; }
  done < <(grep -oE '`(src|shaders|tests|tools|include|examples)/[A-Za-z0-9_./-]+`' "$root/$file" |
    tr -d '`' | sort -u)
  echo "$checks checks, $failures failures"
  [ $failures = 0 ] && [ $checks -ge "$least" ]
}
finish() { # uses chapter's variables
  local got
  [ -n "$command" ] || return
  checks=$((checks + 1))
  got=$(bash -c "$command" 2>&1)
  wanted=${wanted%$'\n'}
  if [ "$got" != "$wanted" ] && ! { [ "$wanted" = ... ] && [ -n "$got" ]; }; then
    failures=$((failures + 1))
    printf 'failed: %s\n  gave: %s\n  the chapter says: %s\n' "$command" "$got" "$wanted"
  fi
  command='' wanted=''
}

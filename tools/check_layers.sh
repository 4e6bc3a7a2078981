#!/usr/bin/env bash
# Checks the rules of src/README.md that a compiler does not: tools/check_layers.sh [ROOT].
# A line a violation, exit code 1 if there is any. Folders that do not exist are no violation.
#   - a file in src/X includes its own folder, lower layers (the table in src/README.md), tuff/,
#     and from the kernel layer up the parameter headers in shaders/
#   - vulkan.h only in vk/; getenv only in cli/; the operating system only in base/os_*.c,
#     base/base.c (its locks) and cli/
#   - the library does not print, exit or abort
#   - public headers include tuff/ and standard headers only
#   - one op is one name: src/ops/<op>.c, tests/ops/<op>.c, TUFF_OP(<op>) in src/ops/ops.def
set -u
export LC_ALL=C
cd "${1:-$(dirname "$0")/..}" || exit 2

count=0
wrong() { echo "$*"; count=$((count + 1)); }

# Layers by folder, from the table: | a/ b/ | what | 10 |. `shown` is the number as written there,
# which may be a half (6½); `layer` is twice that.
declare -A layer shown
while IFS='|' read -r _ folders _ number _; do
  number=${number// /}
  for folder in $folders; do
    folder=${folder%/}
    shown[$folder]=$number
    layer[$folder]=$((2 * ${number%½}))
    [ "$number" = "${number%½}" ] || layer[$folder]=$((layer[$folder] + 1))
  done
done < <(grep -aE '^\|( *[a-z]+/)+ *\|.*\| *[0-9]+(½)? *\|$' src/README.md)
if [ ${#layer[@]} -eq 0 ]; then
  echo "src/README.md: no table of layers found"
  exit 1
fi
kernel_layer=${layer[kernel]:-8}

os_headers='unistd|fcntl|pthread|sched|dirent|poll|dlfcn|termios|windows|io|direct|process'
os_headers="<($os_headers)\.h>|<(sys|linux|mach)/"
standard='assert|ctype|errno|float|inttypes|limits|math|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|time'

# includes FILE: "LINE what", what with its quotes or angle brackets.
includes() {
  sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*([<"][^>"]+[>"]).*$/\1/; T; =; p' "$1" |
    paste -d ' ' - -
}

# code FILE: its text without comments and string contents, line numbers kept.
code() {
  "${CC:-cc}" -x c -fpreprocessed -E -dD - < "$1" 2> /dev/null | awk '
    /^# [0-9]+ "<stdin>"/ { want = $2; next }
    /^#/ && /^# [0-9]+ / { next }
    { while (at < want - 1) { print ""; at++ } print; at++; want = 0 }' |
    sed -E 's/"([^"\\]|\\.)*"/""/g'
}

# calls REGEX: "LINE:name" of calls of such functions in $text.
calls() { grep -anoP "(?<![\\w.>])($1)(?=\\s*\\()" <<< "$text"; }

check_include() { # FILE FOLDER LINE WHAT
  local file=$1 folder=$2 line=$3 name=${4:1:-1} target
  case $4 in
    \<vulkan/* | \<vk_*)
      [ "$folder" = vk ] || wrong "$file:$line: $4 outside src/vk" ;;
    \<*)
      if [[ $4 =~ $os_headers ]]; then
        case $file in
          src/base/os_*.c | src/base/base.c | src/cli/*) ;;
          *) wrong "$file:$line: $4: the operating system is reached through base/os.h" ;;
        esac
      fi ;;
    \"tuff/*)
      [ -f "include/$name" ] || wrong "$file:$line: $4 is no public header" ;;
    *)
      target=${name%%/*}
      # The list of ops is data of the ops layer that the graph declares its table from.
      [ "$file $name" = "src/graph/op.h ops/ops.def" ] && return
      if [ -n "${layer[$target]:-}" ] && [ -f "src/$name" ]; then
        [ "$target" = "$folder" ] || [ "${layer[$target]}" -lt "${layer[$folder]}" ] ||
          wrong "$file:$line: $folder (layer ${shown[$folder]}) includes $4 of layer ${shown[$target]}"
      elif [ -f "shaders/$name" ]; then
        [ "${layer[$folder]}" -ge "$kernel_layer" ] ||
          wrong "$file:$line: $folder (layer ${shown[$folder]}) includes $4 of the shaders"
      else
        wrong "$file:$line: $4 is not written as folder/file of src, shaders or include"
      fi ;;
  esac
}

check_calls() { # FILE FOLDER
  local file=$1 hit text
  [ "$2" != cli ] || return 0
  text=$(code "$file")
  while read -r hit; do
    wrong "$file:${hit%%:*}: ${hit#*:} outside src/cli"
  done < <(calls 'getenv|secure_getenv|setenv|putenv')
  while read -r hit; do
    wrong "$file:${hit%%:*}: ${hit#*:}: the library does not print, exit or abort"
  done < <(calls 'printf|vprintf|puts|putchar|perror|exit|_Exit|_exit|abort|assert')
  while read -r hit; do
    wrong "$file:${hit%%:*}: the library does not print"
  done < <(grep -anE '\b(stdout|stderr)\b' <<< "$text")
  case $file in src/base/os_*.c) return 0 ;; esac
  while read -r hit; do
    wrong "$file:${hit%%:*}: ${hit#*:}: the operating system is reached through base/os.h"
  done < <(calls 'fopen|freopen|tmpfile|remove|rename|system|popen|signal|time|clock|localtime')
}

for folder in src/*/; do
  folder=${folder#src/} folder=${folder%/}
  compgen -G "src/$folder/*" > /dev/null || continue
  if [ -z "${layer[$folder]:-}" ]; then
    wrong "src/$folder: not in the table of src/README.md"
    continue
  fi
  for file in src/"$folder"/*.[ch]; do
    [ -f "$file" ] || continue
    while read -r line what; do
      check_include "$file" "$folder" "$line" "$what"
    done < <(includes "$file")
    check_calls "$file" "$folder"
  done
done

for file in include/tuff/*.h; do
  [ -f "$file" ] || continue
  while read -r line what; do
    name=${what:1:-1}
    case $what in
      \"tuff/*) [ -f "include/$name" ] || wrong "$file:$line: $what does not exist" ;;
      *) [[ $what =~ ^\<($standard)\.h\>$ ]] ||
        wrong "$file:$line: $what: public headers include tuff/ and standard headers only" ;;
    esac
  done < <(includes "$file")
done

# An op's gradient may be an op of its own in the same file: <op>_<more> belongs to <op>.c. A file
# that defines no op is shared code with a header of its own name, or <op>_<part>.c of an op.
defines_op() { grep -qE '^const struct tuff_op tuff_op_' "$1" 2> /dev/null; }
listed=" $(sed -nE 's/^[[:space:]]*TUFF_OP\(([a-z0-9_]+)\).*/\1/p' src/ops/ops.def 2> /dev/null |
  tr '\n' ' ')"
for file in src/ops/*.c; do
  [ -f "$file" ] || continue
  op=$(basename "$file" .c)
  if ! defines_op "$file"; then
    [ -f "src/ops/$op.h" ] || defines_op "src/ops/${op%_*}.c" ||
      wrong "$file: defines no op, has no header and is no part of one"
    continue
  fi
  [ -f "tests/ops/$op.c" ] || wrong "$file: has no tests/ops/$op.c"
  case $listed in
    *" $op "*) ;;
    *) wrong "$file: TUFF_OP($op) is not in src/ops/ops.def" ;;
  esac
done
for file in tests/ops/*.c; do
  [ -f "$file" ] || continue
  op=$(basename "$file" .c)
  [ -f "src/ops/$op.c" ] || wrong "$file: there is no src/ops/$op.c"
done
for op in $listed; do
  file=$(grep -lE "\\btuff_op_$op\\b *=" src/ops/*.c 2> /dev/null)
  base=$(basename "${file:-/}" .c)
  case $op in
    "$base" | "$base"_*) ;;
    *) wrong "src/ops/ops.def: tuff_op_$op is not defined in a file of its name (${file:-none})" ;;
  esac
done

[ $count -eq 0 ] || echo "$count violations of src/README.md"
[ $count -eq 0 ]

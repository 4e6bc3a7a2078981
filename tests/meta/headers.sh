#!/usr/bin/env bash
# Every public header compiles alone as C11 and as C++17, and hides nothing from C++ linkage: one
# that declares functions wraps them in extern "C".
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
warnings="-Wall -Wextra -Wpedantic -Werror -fsyntax-only"
failed=0 count=0
for header in "$root"/include/tuff/*.h; do
  name=tuff/$(basename "$header")
  count=$((count + 1))
  for language in "c -std=c11 -Wstrict-prototypes" "c++ -std=c++17"; do
    compiler=${CC:-cc}
    [ "${language%% *}" = c ] || compiler=${CXX:-c++}
    # Twice: the guard must hold. The declaration is there because an empty unit is no valid C.
    # shellcheck disable=SC2086 # the options are words
    printf '#include "%s"\n#include "%s"\nextern int tuff_unit;\n' "$name" "$name" |
      $compiler -x $language $warnings -I "$root/include" - ||
      { echo "$name does not compile alone as ${language%% *}"; failed=1; }
  done
  if grep -q TUFF_API "$header" && ! grep -q 'extern "C"' "$header"; then
    echo "$name declares functions outside extern \"C\""
    failed=1
  fi
done
echo "$count headers"
[ $count -gt 0 ] && [ $failed -eq 0 ]

#!/usr/bin/env bash
# The tree keeps the rules of src/README.md, and the check would notice if it did not.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$2
check=$root/tools/check_layers.sh
failed=0

"$check" "$root" || failed=1

# A small tree with one violation of each kind; each must be named, and nothing else.
rm -rf "$scratch"
mkdir -p "$scratch"/{include/tuff,shaders/sum,src/{base,text,vk,kernel,ops,passes,cli,lost},tests/ops}
cd "$scratch" || exit 1
put() { mkdir -p "$(dirname "$1")" && printf '%s\n' "${@:2}" > "$1"; }
put src/README.md '| folder | what | layer |' '|---|---|---|' '| base/ | . | 1 |' '| text/ | . | 2 |' \
  '| vk/ | . | 3 |' '| kernel/ | . | 4 |' '| ops/ | . | 6 |' '| passes/ | . | 6½ |' '| cli/ | . | 11 |'
put include/tuff/good.h '#include <stdint.h>'
put include/tuff/bad.h '#include <jansson.h>'
put shaders/sum/sum.h '#define SUM 1'
put src/base/base.h '#include "tuff/good.h"'
put src/base/os_posix.c '#include <unistd.h>' 'FILE *f(void) { return fopen("a", "r"); }'
put src/base/up.c '/* getenv("in a comment") is fine */' '#include "vk/vk.h"'
put src/text/text.c '#include "base/base.h"' '#include "../base/base.h"' '#include "sum/sum.h"' \
  'const char *s = "printf(1)";' 'int f(void) { return getenv("HOME") != 0; }' \
  'int g(struct x *x) { return x->exit(1); }'
put src/text/os.c '#include <sys/mman.h>' '' '' 'void f(void) { exit(1); }'
put src/vk/vk.h '#include <vulkan/vulkan.h>'
put src/kernel/kernel.c '#include <vulkan/vulkan.h>' '#include "sum/sum.h"' '#include "tuff/none.h"'
put src/cli/main.c '#include <unistd.h>' 'int main(void) { return !getenv("HOME"); }'
put src/ops/sum.c 'const struct tuff_op tuff_op_sum = {0}, tuff_op_sum_backward = {0};'
put src/ops/shared.c '#include "ops/shared.h"'
put src/ops/shared.h 'int x;'
put src/ops/high.c '#include "passes/passes.h"'
put src/ops/high.h
put src/passes/passes.h '#include "ops/shared.h"'
put src/ops/lonely.c 'const struct tuff_op tuff_op_lonely = {0};'
put src/ops/lonely.h
put src/ops/sum_part.c 'int x;'
put src/ops/stray.c 'int x;'
put src/ops/ops.def 'TUFF_OP(sum)' 'TUFF_OP(sum_backward)' 'TUFF_OP(ghost)'
put src/lost/lost.c 'int x;'
put tests/ops/sum.c 'int x;'
put tests/ops/orphan.c 'int x;'

"$check" "$scratch" > found && { echo "the check passed a tree full of violations"; failed=1; }
expect() {
  grep -qF "$1" found || { echo "not noticed: $1"; failed=1; }
  expected=$((expected + 1))
}
expected=0
expect 'src/base/up.c:2: base (layer 1) includes "vk/vk.h" of layer 3'
expect 'src/text/text.c:2: "../base/base.h" is not written as'
expect 'src/text/text.c:3: text (layer 2) includes "sum/sum.h" of the shaders'
expect 'src/text/text.c:5: getenv outside src/cli'
expect 'src/text/os.c:1: <sys/mman.h>'
expect 'src/text/os.c:4: exit'
expect 'src/kernel/kernel.c:1: <vulkan/vulkan.h> outside src/vk'
expect 'src/kernel/kernel.c:3: "tuff/none.h" is no public header'
expect 'src/ops/high.c:1: ops (layer 6) includes "passes/passes.h" of layer 6½'
expect 'src/lost: not in the table'
expect 'include/tuff/bad.h:1: <jansson.h>'
expect 'src/ops/lonely.c: has no tests/ops/lonely.c'
expect 'src/ops/lonely.c: TUFF_OP(lonely) is not in'
expect 'src/ops/stray.c: defines no op'
expect 'tests/ops/orphan.c: there is no src/ops/orphan.c'
expect 'src/ops/ops.def: tuff_op_ghost is not defined'
grep -qF "$expected violations" found || { echo "other than the $expected expected:"; cat found; failed=1; }
exit $failed

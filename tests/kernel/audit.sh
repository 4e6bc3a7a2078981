# What AMD's compiler makes of the kernels, without a GPU: none spills, and the loop of the tiled
# products is at least 80 % multiply-adds. (docs/audit.md has all figures; attention's kernels are
# not among those checked, since at large heads they do spill.)
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
compgen -G '/usr/share/vulkan/icd.d/radeon_icd*.json' > /dev/null || { echo "no RADV: skipped"; exit 0; }
TUFF_AUDIT=$(dirname "$1")/audit "$root/tools/audit" --check elementwise/ embedding/ loss/ matmul/ \
  optim/ reduce/ rows/

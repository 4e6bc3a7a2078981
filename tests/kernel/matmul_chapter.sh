# The commands of docs/matmul.md run, and take the kernels that they name; the tables of what
# compilers made says what docs/audit.md says.
set -u
tuff=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
commands=0 failed=0
while read -r line; do
  commands=$((commands + 1))
  variant=${line##*--variant }
  case $line in
    *' --layout tn '*) kernel=matmul/sum_parts ;;
    *) kernel=matmul/${variant%%.*} ;;
  esac
  # shellcheck disable=SC2086 # the options are words
  got=$("$tuff" ${line#build/tuff } 2>&1) || { echo "failed: $line: $got"; failed=1; }
  [[ $got == *' GFLOP/s'*", $kernel"* ]] || { echo "not $kernel: $line: $got"; failed=1; }
done < <(sed -n 's/^    \(build\/tuff .*\)$/\1/p' "$root/docs/matmul.md")
echo "$commands commands"

# row SECTION KERNEL CONSTANTS: share and registers in the audit.
row() {
  awk -F ' *[|] *' -v section="$1" -v kernel="$2" -v constants="$3" '
    /^## / { here = index($0, section) }
    here && $2 == kernel && $3 == constants { sub(/.*: /, "", $10); print $10 " | " $4; exit }' \
    "$root/docs/audit.md"
}
for tile in generic s m l; do
  kernel=matmul/tiled constants="$tile nt"
  [ $tile != generic ] || { kernel=matmul/generic.f32; constants=; }
  said=$(grep "^| $tile" "$root/docs/matmul.md")
  for section in 'RDNA3' 'NVIDIA Ampere'; do
    figures=$(row "$section" "$kernel" "$constants")
    [[ -n $figures && $said == *"| $figures |"* ]] ||
      { echo "$tile, $section: audit.md says \"$figures\""; failed=1; }
  done
done
# products SECTION CONSTANTS: registers, products and loads of matmul/coopmat in the audit.
products() {
  awk -F ' *[|] *' -v section="$1" -v constants="$2" '
    /^## / { here = index($0, section) }
    here && $2 == "matmul/coopmat.f16" && $3 == constants {
      sub(/ matrix products/, "", $10); sub(/ shared loads/, "", $10)
      print "| " $4 " | " $10 " | " $5 " |"; exit }' "$root/docs/audit.md"
}
for tile in s m l; do
  for section in 'RDNA3, matrix units' 'NVIDIA Ampere'; do
    figures=$(products "$section" "$tile nt")
    [[ -n $figures && $(grep "^| ${section%,*}, $tile |" "$root/docs/matmul.md") == *"$figures" ]] ||
      { echo "$tile, $section: audit.md says \"$figures\""; failed=1; }
  done
done
[ $commands -ge 7 ] && [ $failed -eq 0 ]

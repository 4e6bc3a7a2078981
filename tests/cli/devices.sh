# tuff devices: what it lists, as lines and as JSON, how a device is chosen, and no driver at all.
# bash devices.sh TUFF SCRATCH
set -u
tuff=$1
rm -rf "$2" && mkdir -p "$2" && cd "$2" || exit 1
export XDG_CACHE_HOME=$2/cache
fail() { echo "failed: $*"; exit 1; }

"$tuff" devices > list 2> log || fail "devices: $(cat log)"
"$tuff" devices --json > list.json 2> log || fail "devices --json: $(cat log)"
for key in index name type driver driver_version api_version vendor_id device_id uuid pci class usable \
  unusable_reason unified_memory memory_total memory_available memory_budget heap_size subgroup_size \
  subgroup_min subgroup_max subgroup_shuffle f16 bf16 int8 int16 int64 cooperative_matrix max_allocation \
  max_buffer max_texel_elements max_storage_range max_shared_bytes max_invocations max_push_bytes \
  max_groups timestamp_ns pipeline_uuid; do
  grep -q "\"$key\":" list.json || fail "no \"$key\" in --json"
done
value() { sed -n "s/^ *\"$1\": \"*\([^\",]*\)\"*,*$/\1/p" list.json | head -n 1; }
name=$(sed -n 's/^ *"name": "\(.*\)",$/\1/p' list.json | head -n 1) uuid=$(value uuid)
grep -qF "0  $name" list || fail "the two lists differ: $(cat list)"
grep -q "uuid $uuid" list || fail "no uuid in the list"
[ "$(value usable)" = true ] || fail "the first device is not usable"
[ ${#uuid} -eq 32 ] || fail "uuid $uuid"
[ "$(value memory_available)" -gt 100000000 ] || fail "memory $(value memory_available)"

# Every way to choose it leads to the same device; what leads nowhere says what there is.
bench() { "$tuff" bench copy --megabytes 1 --seconds 0.01 "$@" > log 2>&1; }
for choice in 0 "uuid:$uuid" "${name%% *}"; do
  bench --device "$choice" || fail "--device $choice: $(cat log)"
  grep -qF "$name" log || fail "--device $choice: another device: $(cat log)"
done
for choice in 99 nonsense uuid:00 pci:0000:ff:1f.7; do
  bench --device "$choice" && fail "--device $choice was accepted"
  grep -qF "there is 0 = $name" log || fail "--device $choice: $(cat log)"
done

VK_DRIVER_FILES=/nonexistent VK_ICD_FILENAMES=/nonexistent "$tuff" devices > out 2> log
[ $? -eq 1 ] || fail "exit code without a driver"
[ "$(grep -c . log)" -eq 1 ] && [ ! -s out ] || fail "not one line: $(cat out log)"
grep -q 'no Vulkan driver.*apt-get install' log || fail "no remedy: $(cat log)"
"$tuff" devices --nonsense > log 2>&1
[ $? -eq 2 ] || fail "exit code of a wrong option"
echo "all passed"

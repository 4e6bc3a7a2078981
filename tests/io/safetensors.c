/* safetensors: round trips of every type, streaming, shards, and files that break the rules. */
#include "base/base.h"
#include "base/os.h"
#include "test.h"
#include "tuff/io.h"

#include <unistd.h>

#define FOLDER TEST_BINARY_DIR "/safetensors"

static struct tuff_ctx *ctx;

/* A file of the given header text and `data` bytes of data, opened from exactly sized memory so
 * that the address sanitizer sees a read beyond it. */
static enum tuff_status open_text(const char *header, size_t data)
{
    uint64_t length = strlen(header);
    size_t size = 8 + length + data;
    uint8_t *bytes = calloc(size, 1);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    struct tuff_weights_file *file;
    enum tuff_status status = tuff_weights_open_memory(ctx, "memory", bytes, size, &file);
    CHECK((status == TUFF_OK) == (file != NULL));
    tuff_weights_close(file);
    free(bytes);
    return status;
}

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"

static void test_rules(void)
{
    static const struct {
        const char *header;
        size_t data;
        enum tuff_status status;
        const char *text; /* that the error must contain */
    } cases[] = {
        {"{" A "}", 8, TUFF_OK, ""},
        {"{" A "}   ", 8, TUFF_OK, ""},
        {"{}", 0, TUFF_OK, ""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, TUFF_OK, ""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0,9],\"data_offsets\":[0,0]}}", 0, TUFF_OK, ""},
        {"{" A ",\"__metadata__\":{\"format\":\"pt\"}}", 8, TUFF_OK, ""},
        {"{" A "}", 7, TUFF_E_FORMAT, "cut short"},
        {"{" A "}", 9, TUFF_E_FORMAT, "1 bytes of data belong to no tensor"},
        {"{" A "," A "}", 8, TUFF_E_FORMAT, "duplicate"},
        {"{" A ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}", 8, TUFF_E_FORMAT,
         "\"b\" begins at byte 4"},
        {"{" A ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[9,13]}}", 13,
         TUFF_E_FORMAT, "the one before it ends at 8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, TUFF_E_FORMAT,
         "need 12"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, TUFF_E_FORMAT,
         "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, TUFF_E_FORMAT,
         "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, TUFF_E_FORMAT,
         "dimension 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8, TUFF_E_FORMAT,
         "dimension 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0,
         TUFF_E_FORMAT, "overflows"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8, TUFF_E_FORMAT,
         "must be a list"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8,
         TUFF_E_UNSUPPORTED, "9 dimensions"},
        {"{\"a\":{\"dtype\":\"F7\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, TUFF_E_UNSUPPORTED,
         "\"F7\""},
        {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, TUFF_E_FORMAT, "no \"dtype\""},
        {"{\"a\\nb\":7}", 0, TUFF_E_FORMAT, "\"a?b\" is not a tensor"},
        {"{" A ",\"__metadata__\":{\"format\":1}}", 8, TUFF_E_FORMAT, "__metadata__"},
        {"{" A ",\"__metadata__\":[]}", 8, TUFF_E_FORMAT, "__metadata__"},
        {"[" A "]", 8, TUFF_E_FORMAT, "not a JSON object"},
        {"{" A, 8, TUFF_E_FORMAT, "not valid JSON"},
        {"{\"a\\u0000\":1}", 0, TUFF_E_FORMAT, "not valid JSON"},
        {"", 0, TUFF_E_FORMAT, "not a safetensors file"},
    };
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        enum tuff_status status = open_text(cases[i].header, cases[i].data);
        CHECK_MSG(status == cases[i].status, "%s: %s", cases[i].header, tuff_error_text(ctx));
        if (status != TUFF_OK)
            CHECK_MSG(strstr(tuff_error_text(ctx), cases[i].text) &&
                          strstr(tuff_error_text(ctx), "memory") &&
                          !strchr(tuff_error_text(ctx), '\n'),
                      "%s", tuff_error_text(ctx));
    }
    struct tuff_weights_file *file;
    CHECK(tuff_weights_open_memory(ctx, "m", "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, &file) ==
          TUFF_E_FORMAT);
    CHECK(tuff_weights_open_memory(ctx, "m", "\x01\xe1\xf5\x05\0\0\0\0{}", 10, &file) ==
          TUFF_E_FORMAT);
    CHECK(strstr(tuff_error_text(ctx), "100000001 bytes"));
}

static const struct tuff_tensor_spec specs[] = {
    {"f64", TUFF_F64, 1, {3}},
    {"i64", TUFF_I64, 2, {1, 3}},
    {"wte.weight", TUFF_F32, 2, {3, 1}},
    {"i32", TUFF_I32, 1, {3}},
    {"u32", TUFF_U32, 1, {3}},
    {"none", TUFF_F32, 2, {0, 5}},
    {"bf16", TUFF_BF16, 1, {3}},
    {"f16", TUFF_F16, 3, {1, 1, 3}},
    {"i16", TUFF_I16, 1, {3}},
    {"u16", TUFF_U16, 1, {3}},
    {"i8", TUFF_I8, 1, {3}},
    {"u8", TUFF_U8, 1, {3}},
    {"bool", TUFF_BOOL, 1, {3}},
    {"scalar \xc3\xa9\"\\", TUFF_I8, 0, {0}},
};
#define N_SPECS (sizeof specs / sizeof specs[0])

/* Three values of any type: 1, 0, and the type's own extreme. */
static const struct {
    double f64[3];
    int64_t i64[3];
    float f32[3];
    int32_t i32[3];
    uint32_t u32[3];
    uint16_t bf16[3], f16[3];
    int16_t i16[3];
    uint16_t u16[3];
    int8_t i8[3];
    uint8_t u8[3], boolean[3];
    int8_t scalar;
} values = {{1, 0, -1e300},
            {1, 0, INT64_MIN},
            {1, 0, -3e38f},
            {1, 0, INT32_MIN},
            {1, 0, UINT32_MAX},
            {0x3f80, 0, 0xff7f},
            {0x3c00, 0, 0xfbff},
            {1, 0, INT16_MIN},
            {1, 0, UINT16_MAX},
            {1, 0, INT8_MIN},
            {1, 0, UINT8_MAX},
            {1, 0, 1},
            -7};

static void write_values(const char *path)
{
    struct tuff_safetensors_writer *writer = NULL;
    CHECK_OK(ctx, tuff_safetensors_create(ctx, path, specs, N_SPECS, &writer));
    if (!writer)
        return;
    CHECK_OK(ctx, tuff_safetensors_append(writer, values.f64, 24));
    CHECK_OK(ctx, tuff_safetensors_append(writer, values.i64, 24));
    CHECK_OK(ctx, tuff_safetensors_append_f32(writer, values.f32, 1));
    CHECK_OK(ctx, tuff_safetensors_append_f32(writer, values.f32 + 1, 2));
    CHECK_OK(ctx, tuff_safetensors_append(writer, values.i32, 12));
    CHECK_OK(ctx, tuff_safetensors_append(writer, values.u32, 12));
    static const float rounded[6] = {1.001f, 0x1p-140f, -3.3895e38f, 1.0001f, 0, -65510};
    CHECK_OK(ctx, tuff_safetensors_append_f32(writer, rounded, 6)); /* spans bf16 and f16 */
    CHECK_OK(ctx, tuff_safetensors_append(writer, values.i16, 1));  /* half an element */
    CHECK_OK(ctx, tuff_safetensors_append(writer, (const char *) values.i16 + 1, 5));
    CHECK_OK(ctx, tuff_safetensors_append(writer, values.u16, 6));
    CHECK_OK(ctx, tuff_safetensors_append(writer, values.i8, 3));
    CHECK_OK(ctx, tuff_safetensors_append(writer, values.u8, 3));
    CHECK_OK(ctx, tuff_safetensors_append(writer, values.boolean, 3));
    CHECK_OK(ctx, tuff_safetensors_append(writer, &values.scalar, 1));
    CHECK_OK(ctx, tuff_safetensors_finish(&writer));
    CHECK(!writer && tuff_os_path_kind(FOLDER "/all.safetensors.tmp") == TUFF_PATH_NONE);
}

static void check_floats(const struct tuff_weights_file *file)
{
    static const char *const names[] = {"f64", "wte.weight", "bf16", "f16"};
    static const float want[4][3] = {
        {1, 0, -INFINITY}, {1, 0, -3e38f}, {1, 0, -0x1.fep127f}, {1, 0, -65504}};
    for (size_t i = 0; i < 4; i++) {
        const struct tuff_file_tensor *tensor = tuff_weights_find(file, names[i]);
        float got[3] = {9, 9, 9};
        CHECK(tensor && tensor->count == 3);
        CHECK_OK(ctx, tuff_file_tensor_read_f32(ctx, tensor, 0, 3, got));
        CHECK_MSG(!memcmp(got, want[i], 12), "%s: %g %g %g", names[i], got[0], got[1], got[2]);
        CHECK_OK(ctx, tuff_file_tensor_read_f32(ctx, tensor, 2, 1, got));
        CHECK(got[0] == want[i][2]);
        CHECK(tuff_file_tensor_read_f32(ctx, tensor, 2, 2, got) == TUFF_E_RANGE);
        CHECK(tuff_file_tensor_read_f32(ctx, tensor, 4, 0, got) == TUFF_E_RANGE);
        CHECK(tuff_file_tensor_read_f32(ctx, tensor, 1, UINT64_MAX, got) == TUFF_E_RANGE);
    }
    int64_t none[3];
    CHECK(tuff_file_tensor_read_i64(ctx, tuff_weights_find(file, "f64"), 0, 3, none) ==
          TUFF_E_DTYPE);
}

static void check_integers(const struct tuff_weights_file *file)
{
    static const char *const names[] = {"i64", "i32", "u32", "i16", "u16", "i8", "u8", "bool"};
    static const int64_t last[] = {INT64_MIN,  INT32_MIN, UINT32_MAX, INT16_MIN,
                                   UINT16_MAX, INT8_MIN,  UINT8_MAX,  1};
    for (size_t i = 0; i < TUFF_COUNT(names); i++) {
        const struct tuff_file_tensor *tensor = tuff_weights_find(file, names[i]);
        int64_t got[3] = {9, 9, 9};
        float none[3];
        CHECK(tensor && tensor->count == 3);
        CHECK_OK(ctx, tuff_file_tensor_read_i64(ctx, tensor, 0, 3, got));
        CHECK_MSG(got[0] == 1 && got[1] == 0 && got[2] == last[i], "%s", names[i]);
        CHECK(tuff_file_tensor_read_f32(ctx, tensor, 0, 3, none) == TUFF_E_DTYPE);
        CHECK(strstr(tuff_error_text(ctx), names[i]));
    }
}

static void test_round_trip(void)
{
    const char *path = FOLDER "/all.safetensors";
    write_values(path);
    struct tuff_weights_file *file = NULL;
    CHECK_OK(ctx, tuff_weights_open(ctx, path, &file));
    if (!file)
        return;
    CHECK(tuff_weights_count(file) == N_SPECS);
    const char *before = "";
    for (size_t i = 0; i < N_SPECS; i++) {
        const struct tuff_file_tensor *tensor = tuff_weights_get(file, i);
        CHECK(tensor && strcmp(before, tensor->name) < 0);
        before = tensor->name;
        CHECK((uintptr_t) tensor->data % tuff_dtype_size(tensor->dtype) == 0);
        CHECK(tensor->size == tensor->count * tuff_dtype_size(tensor->dtype));
    }
    CHECK(!tuff_weights_get(file, N_SPECS) && !tuff_weights_find(file, "absent"));
    const struct tuff_file_tensor *tensor = tuff_weights_find(file, "scalar \xc3\xa9\"\\");
    CHECK(tensor && tensor->rank == 0 && tensor->count == 1 &&
          *(const int8_t *) tensor->data == -7);
    tensor = tuff_weights_find(file, "none");
    CHECK(tensor && tensor->rank == 2 && tensor->dims[1] == 5 && tensor->size == 0);
    const char *format = tuff_weights_metadata(file, "format");
    CHECK(format && !strcmp(format, "pt") && !tuff_weights_metadata(file, "x"));
    check_floats(file);
    check_integers(file);
    tuff_weights_close(file);
}

/* Every cut and every changed byte of the header (the length included) gives a status; what still
 * opens can be read. Data bytes carry no structure, so a change there always opens. */
static void test_hostile(void)
{
    struct tuff_map map;
    CHECK_OK(ctx, tuff_os_map(ctx, FOLDER "/all.safetensors", &map));
    uint64_t length;
    memcpy(&length, map.data, 8);
    struct tuff_weights_file *file;
    for (size_t size = 0; size < map.size; size++) {
        uint8_t *cut = malloc(size ? size : 1);
        memcpy(cut, map.data, size);
        CHECK(tuff_weights_open_memory(ctx, "cut", cut, size, &file) == TUFF_E_FORMAT && !file);
        free(cut);
    }
    size_t opened = 0, refused = 0;
    for (size_t at = 0; at < 8 + length; at++)
        for (int change = 1; change < 256; change += at < 8 ? 1 : 13) {
            uint8_t *bytes = malloc(map.size);
            memcpy(bytes, map.data, map.size);
            bytes[at] ^= (uint8_t) change;
            enum tuff_status status =
                tuff_weights_open_memory(ctx, "x", bytes, map.size, &file);
            CHECK((status == TUFF_OK) == (file != NULL));
            for (size_t i = 0; file && i < tuff_weights_count(file); i++) {
                const struct tuff_file_tensor *tensor = tuff_weights_get(file, i);
                const uint8_t *data = tensor->data;
                CHECK(data >= bytes && data + tensor->size <= bytes + map.size);
            }
            opened += status == TUFF_OK;
            refused += status != TUFF_OK;
            tuff_weights_close(file);
            free(bytes);
        }
    CHECK(opened > 100 && refused > 1000); /* a letter of a name is free to change */
    tuff_os_unmap(&map);
}

static void test_writer_refuses(void)
{
    static const struct tuff_tensor_spec two[2] = {{"a", TUFF_F32, 1, {2}}, {"b", TUFF_I8, 1, {4}}};
    static const struct tuff_tensor_spec bad[][2] = {
        {{"a", TUFF_F32, 1, {2}}, {"a", TUFF_F32, 1, {2}}},
        {{"__metadata__", TUFF_F32, 1, {2}}, {"b", TUFF_F32, 1, {2}}},
        {{"a", TUFF_F32, 9, {2}}, {"b", TUFF_F32, 1, {2}}},
        {{"a", TUFF_F32, 1, {-2}}, {"b", TUFF_F32, 1, {2}}},
        {{"a", TUFF_F32, 2, {INT64_MAX, 2}}, {"b", TUFF_F32, 1, {2}}},
        {{"a\xff", TUFF_F32, 1, {2}}, {"b", TUFF_F32, 1, {2}}},
        {{NULL, TUFF_F32, 1, {2}}, {"b", TUFF_F32, 1, {2}}},
    };
    const char *path = FOLDER "/refused.safetensors";
    const float data[4] = {0};
    struct tuff_safetensors_writer *writer = NULL;
    for (size_t i = 0; i < TUFF_COUNT(bad); i++)
        CHECK(tuff_safetensors_create(ctx, path, bad[i], 2, &writer) == TUFF_E_ARG && !writer);
    CHECK_OK(ctx, tuff_os_write_file(ctx, path, "old", 3));
    CHECK_OK(ctx, tuff_safetensors_create(ctx, path, two, 2, &writer));
    CHECK_OK(ctx, tuff_safetensors_append_f32(writer, data, 2));
    CHECK(tuff_safetensors_append_f32(writer, data, 1) == TUFF_E_DTYPE);
    CHECK(tuff_safetensors_append(writer, data, 4) == TUFF_E_DTYPE); /* it sticks */
    CHECK(tuff_safetensors_finish(&writer) == TUFF_E_DTYPE);
    CHECK_OK(ctx, tuff_safetensors_create(ctx, path, two, 2, &writer));
    CHECK(tuff_safetensors_append(writer, data, 13) == TUFF_E_RANGE);
    tuff_safetensors_abort(&writer);
    CHECK_OK(ctx, tuff_safetensors_create(ctx, path, two, 2, &writer));
    CHECK_OK(ctx, tuff_safetensors_append(writer, data, 11));
    CHECK(tuff_safetensors_finish(&writer) == TUFF_E_STATE);
    CHECK(strstr(tuff_error_text(ctx), "\"b\" is missing"));
    CHECK(tuff_safetensors_create(ctx, FOLDER "/absent/x", two, 2, &writer) == TUFF_E_IO);
    CHECK(tuff_os_path_kind(FOLDER "/refused.safetensors.tmp") == TUFF_PATH_NONE);
    struct tuff_map map;
    CHECK_OK(ctx, tuff_os_map(ctx, path, &map));
    CHECK(map.size == 3 && !memcmp(map.data, "old", 3));
    tuff_os_unmap(&map);
}

/* The file that is being written leads to a device that has no room. */
static void test_full_disk(void)
{
    static const struct tuff_tensor_spec large = {"a", TUFF_F32, 1, {100000}};
    static const float data[100000];
    const char *path = FOLDER "/full.safetensors", *temp = FOLDER "/full.safetensors.tmp";
    struct tuff_safetensors_writer *writer;
    if (symlink("/dev/full", temp) != 0) {
        printf("skipped: full disk (no symbolic links here)\n");
        return;
    }
    CHECK_OK(ctx, tuff_safetensors_create(ctx, path, &large, 1, &writer));
    tuff_safetensors_append_f32(writer, data, 100000);
    CHECK(tuff_safetensors_finish(&writer) == TUFF_E_IO && !writer);
    CHECK_MSG(strstr(tuff_error_text(ctx), "full.safetensors"), "%s", tuff_error_text(ctx));
    CHECK(tuff_os_path_kind(path) == TUFF_PATH_NONE && tuff_os_path_kind(temp) == TUFF_PATH_NONE);
}

static enum tuff_status source(void *user, size_t tensor, uint64_t first, uint64_t n, void *to)
{
    if (tensor == *(size_t *) user)
        return tuff_fail(ctx, TUFF_E_STOPPED, "enough");
    for (uint64_t i = 0; i < n; i++) {
        if (tensor == 1)
            ((int16_t *) to)[i] = (int16_t) (first + i);
        else
            ((float *) to)[i] = (float) (first + i + tensor);
    }
    return TUFF_OK;
}

static const struct tuff_tensor_spec many[4] = {{"a", TUFF_F32, 2, {70000, 2}},
                                                {"b", TUFF_I16, 1, {1000}},
                                                {"c", TUFF_F32, 1, {10}},
                                                {"d", TUFF_BF16, 1, {100}}};

static void check_saved(const char *folder, size_t n_files)
{
    struct tuff_os_list list;
    CHECK_OK(ctx, tuff_os_list(ctx, folder, &list));
    CHECK_MSG(list.n == n_files, "%zu files", list.n);
    tuff_os_list_free(&list);
    struct tuff_weights_file *file = NULL;
    CHECK_OK(ctx, tuff_weights_open(ctx, folder, &file));
    if (!file)
        return;
    CHECK(tuff_weights_count(file) == 4);
    float *a = malloc(140000 * sizeof *a), d[100];
    int64_t b[1000];
    CHECK_OK(ctx, tuff_file_tensor_read_f32(ctx, tuff_weights_find(file, "a"), 0, 140000, a));
    CHECK_OK(ctx, tuff_file_tensor_read_i64(ctx, tuff_weights_find(file, "b"), 0, 1000, b));
    CHECK_OK(ctx, tuff_file_tensor_read_f32(ctx, tuff_weights_find(file, "d"), 0, 100, d));
    CHECK(a[0] == 0 && a[65536] == 65536 && a[139999] == 139999);
    CHECK(b[999] == 999 && d[0] == 3 && d[99] == 102);
    free(a);
    tuff_weights_close(file);
}

static void test_shards(void)
{
    const char *folder = FOLDER "/shards";
    size_t fail_at = 9;
    struct tuff_safetensors_save_params params = {
        .folder = folder, .source = source, .source_user = &fail_at};
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, folder));
    CHECK_OK(ctx, tuff_safetensors_save(ctx, &params, many, 4));
    check_saved(folder, 1);
    CHECK_OK(ctx, tuff_os_remove_tree(ctx, folder));
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, folder));
    params.shard_max = 2040; /* a alone; b and c to the byte; d */
    CHECK_OK(ctx, tuff_safetensors_save(ctx, &params, many, 4));
    check_saved(folder, 4);

    /* Through the index's own path, and with a shard that is not what the index says. */
    struct tuff_weights_file *file;
    const char *index = FOLDER "/shards/model.safetensors.index.json";
    CHECK_OK(ctx, tuff_weights_open(ctx, index, &file));
    tuff_weights_close(file);
    static const char *const maps[] = {
        "{\"weight_map\":{\"b\":\"model-00001-of-00003.safetensors\"}}",
        "{\"weight_map\":{\"b\":\"../shards/model-00001-of-00003.safetensors\"}}",
        "{\"weight_map\":{\"b\":7}}",
        "{\"weight_map\":{}}",
        "{}",
        "[1]",
        "{",
    };
    for (size_t i = 0; i < TUFF_COUNT(maps); i++) {
        CHECK_OK(ctx, tuff_os_write_file(ctx, index, maps[i], strlen(maps[i])));
        CHECK_MSG(tuff_weights_open(ctx, folder, &file) == TUFF_E_FORMAT, "%s", maps[i]);
    }
    const char *missing = "{\"weight_map\":{\"b\":\"gone.safetensors\"}}";
    CHECK_OK(ctx, tuff_os_write_file(ctx, index, missing, strlen(missing)));
    CHECK(tuff_weights_open(ctx, folder, &file) == TUFF_E_IO);
    CHECK(strstr(tuff_error_text(ctx), "gone.safetensors"));

    CHECK_OK(ctx, tuff_os_remove_tree(ctx, folder));
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, folder));
    CHECK(tuff_weights_open(ctx, folder, &file) == TUFF_E_IO);
    CHECK(strstr(tuff_error_text(ctx), "model.safetensors"));
    fail_at = 3;
    CHECK(tuff_safetensors_save(ctx, &params, many, 4) == TUFF_E_STOPPED);
    struct tuff_tensor_spec twice[2] = {many[2], many[2]};
    params.shard_max = 1;
    CHECK(tuff_safetensors_save(ctx, &params, twice, 2) == TUFF_E_ARG);
    struct tuff_os_list list;
    CHECK_OK(ctx, tuff_os_list(ctx, folder, &list));
    CHECK(list.n == 0);
    tuff_os_list_free(&list);
}

static enum tuff_status copy_source(void *user, size_t tensor, uint64_t first, uint64_t n, void *to)
{
    return tuff_file_tensor_read_f32(ctx, tuff_weights_get(user, tensor), first, n, to);
}

/* A checkpoint as transformers wrote it, written again in three shards: the same tensors, to the
 * bit. */
static void test_golden(void)
{
    const char *path = TEST_SOURCE_DIR "/golden/models/gpt2-tiny";
    struct tuff_weights_file *file = NULL, *copy = NULL;
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER "/copy"));
    CHECK_OK(ctx, tuff_weights_open(ctx, path, &file));
    size_t n = file ? tuff_weights_count(file) : 0;
    struct tuff_tensor_spec *all = calloc(n + 1, sizeof *all);
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        const struct tuff_file_tensor *tensor = tuff_weights_get(file, i);
        all[i] = (struct tuff_tensor_spec){tensor->name, tensor->dtype, tensor->rank, {0}};
        memcpy(all[i].dims, tensor->dims, sizeof all[i].dims);
        total += tensor->size;
        CHECK(tensor->dtype == TUFF_F32);
    }
    CHECK(n > 20 && total > 100000);
    struct tuff_safetensors_save_params params = {
        .folder = FOLDER "/copy", .shard_max = total / 2, .source = copy_source};
    params.source_user = file;
    CHECK_OK(ctx, tuff_safetensors_save(ctx, &params, all, n));
    CHECK(tuff_os_path_kind(FOLDER "/copy/model.safetensors.index.json") == TUFF_PATH_FILE);
    CHECK_OK(ctx, tuff_weights_open(ctx, FOLDER "/copy", &copy));
    CHECK(copy && tuff_weights_count(copy) == n);
    for (size_t i = 0; i < n && copy; i++) {
        const struct tuff_file_tensor *a = tuff_weights_get(file, i);
        const struct tuff_file_tensor *b = tuff_weights_find(copy, a->name);
        CHECK(b && a->rank == b->rank && !memcmp(a->dims, b->dims, sizeof a->dims));
        CHECK(b && a->size == b->size && !memcmp(a->data, b->data, (size_t) a->size));
    }
    tuff_weights_close(copy);
    tuff_weights_close(file);
    free(all);

    char *golden = tuff_os_path_join(path, "golden.safetensors");
    CHECK_OK(ctx, tuff_weights_open(ctx, golden, &file));
    const struct tuff_file_tensor *labels = file ? tuff_weights_find(file, "labels") : NULL;
    CHECK(labels && labels->dtype == TUFF_I64 && labels->rank == 2);
    size_t ignored = 0;
    for (uint64_t i = 0; labels && i < labels->count; i++) {
        int64_t label = 0;
        CHECK_OK(ctx, tuff_file_tensor_read_i64(ctx, labels, i, 1, &label));
        ignored += label == -100;
        CHECK(label == -100 || label >= 0);
    }
    CHECK(ignored > 0);
    tuff_weights_close(file);
    free(golden);
}

int main(void)
{
    ctx = tuff_ctx_create(NULL);
    CHECK_OK(ctx, tuff_os_remove_tree(ctx, FOLDER));
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER));
    test_rules();
    test_round_trip();
    test_hostile();
    test_writer_refuses();
    test_full_disk();
    test_shards();
    test_golden();
    tuff_ctx_destroy(ctx);
    return test_end();
}

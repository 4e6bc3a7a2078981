/* Files of torch.save: every tensor equal to its safetensors twin, cut and changed files refused,
 * nothing executed. tools/golden/torch_files.py makes them. */
#include "base/base.h"
#include "base/os.h"
#include "io/zip.h"
#include "test.h"
#include "tuff/io.h"

#define GOLDEN TEST_SOURCE_DIR "/golden/torch/"

static struct tuff_ctx *ctx;

static void same_tensors(const char *name, size_t more)
{
    struct tuff_weights_file *file, *want;
    CHECK_OK(ctx, tuff_weights_open(ctx, name, &file));
    CHECK_OK(ctx, tuff_weights_open(ctx, GOLDEN "state.safetensors", &want));
    CHECK_MSG(file && tuff_weights_count(file) == tuff_weights_count(want) + more, "%s", name);
    for (size_t i = 0; file && want && i < tuff_weights_count(want); i++) {
        const struct tuff_file_tensor *a = tuff_weights_get(want, i);
        const struct tuff_file_tensor *b = tuff_weights_find(file, a->name);
        CHECK_MSG(b && a->dtype == b->dtype && a->rank == b->rank && a->size == b->size &&
                      !memcmp(a->dims, b->dims, sizeof a->dims) &&
                      !memcmp(a->data, b->data, (size_t) a->size),
                  "%s of %s", a->name, name);
    }
    const struct tuff_file_tensor *a = file ? tuff_weights_find(file, "f32") : NULL;
    const struct tuff_file_tensor *tied = file ? tuff_weights_find(file, "tied") : NULL;
    if (!strstr(name, "sharded"))
        CHECK(a && tied && a->data == tied->data);
    tuff_weights_close(file);
    tuff_weights_close(want);
}

static void refused(const char *name, enum tuff_status status, const char *text)
{
    struct tuff_weights_file *file;
    char path[512];
    snprintf(path, sizeof path, GOLDEN "%s", name);
    CHECK_MSG(tuff_weights_open(ctx, path, &file) == status && !file, "%s: %s", name,
              tuff_error_text(ctx));
    CHECK_MSG(strstr(tuff_error_text(ctx), text) && strstr(tuff_error_text(ctx), path), "%s",
              tuff_error_text(ctx));
}

/* Opens bytes in memory of exactly their size, and reads all that comes out of them. */
static enum tuff_status open_bytes(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    struct tuff_weights_file *file;
    memcpy(exact, bytes, size);
    enum tuff_status status = tuff_weights_open_memory(ctx, "memory", exact, size, &file);
    unsigned sum = 0;
    for (size_t i = 0; file && i < tuff_weights_count(file); i++) {
        const struct tuff_file_tensor *t = tuff_weights_get(file, i);
        for (uint64_t k = 0; k < t->size; k++)
            sum += ((const uint8_t *) t->data)[k];
    }
    CHECK((status == TUFF_OK) == (file != NULL) && sum < UINT32_MAX);
    tuff_weights_close(file);
    free(exact);
    return status;
}

static void test_hostile(const char *name)
{
    struct tuff_map map;
    CHECK_OK(ctx, tuff_os_map(ctx, name, &map));
    for (size_t n = 0; n < map.size; n += n < 200 ? 1 : 37)
        CHECK_MSG(open_bytes(map.data, n) != TUFF_OK, "%s cut to %zu", name, n);
    uint8_t *bytes = malloc(map.size);
    size_t good = 0;
    for (size_t i = 0; i < map.size; i += 3) {
        static const uint8_t values[] = {0, 1, 0x7f, 0xff, '.', 'R', 'h', '('};
        memcpy(bytes, map.data, map.size);
        bytes[i] = values[i % sizeof values];
        good += open_bytes(bytes, map.size) == TUFF_OK;
    }
    CHECK(good > 0); /* a changed number is a changed number */
    free(bytes);
    tuff_os_unmap(&map);
}

/* Pickles by hand, in the older container: magic number, version, system, then `state`, no keys. */
static void test_pickles(void)
{
    static const char begin[] = "\x80\2\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3."
                                "\x80\2}X\x0d\0\0\0little_endian\x88s.";
    static const struct {
        const char *state;
        size_t n;
        const char *text;
    } cases[] = {
#define CASE(state, text) {state, sizeof state - 1, text}
        CASE("\x80\2cos\nsystem\nX\1\0\0\0x\x85R.", "\"os system\""),
        CASE("\x80\2cposix\nsystem\n.", "\"posix system\""),
        CASE("\x80\4\x8c\2os\x8c\6system\x93.", "\"os system\""),
        CASE("\x80\2ctorch._utils\n_rebuild_tensor_v2\n)R.", "of other kinds"),
        CASE("\x80\2ctorch\nFloatStorage\n)R.", "calls a type"),
        CASE("\x80\2ccollections\nOrderedDict\n}b.", "attributes"),
        CASE("\x80\2}}}.", "more or less than one value"),
        CASE("\x80\2.", "more or less than one value"),
        CASE("\x80\2(.", "more or less than one value"),
        CASE("\x80\2t.", "without its mark"),
        CASE("\x80\2(}u.", "do not belong"),
        CASE("\x80\2}(K\1u.", "do not belong"),
        CASE("\x80\2](K\1K\2u.", "no list or dict"),
        CASE("\x80\2h\7.", "not written"),
        CASE("\x80\2}r\xff\xff\xff\xff.", "too high a number"),
        CASE("\x80\2K\1K\1\x87.", "more values than there are"),
        CASE("\x80\2X\xff\xff\xff\x7f.", "cut short"),
        CASE("\x80\2cos\n", "does not end"),
        CASE("\x80\2S'a'\n.", "opcode 0x53"),
        CASE("\x80\2i", "opcode 0x69"),
        CASE("\x80\2\x82\1.", "opcode 0x82"),
        CASE("\x80\6}.", "protocol 6"),
        CASE("\x80\2K\1Q.", "no storage"),
        CASE("\x80\2}.\x80\2].", "no state dict"),
        /* A list that holds itself. */
        CASE("\x80\2}X\1\0\0\0a]q\1h\1as.\x80\2].", "no state dict"),
#undef CASE
    };
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        uint8_t bytes[512];
        memcpy(bytes, begin, sizeof begin - 1);
        memcpy(bytes + sizeof begin - 1, cases[i].state, cases[i].n);
        CHECK(open_bytes(bytes, sizeof begin - 1 + cases[i].n) != TUFF_OK);
        CHECK_MSG(strstr(tuff_error_text(ctx), cases[i].text), "case %zu: %s", i,
                  tuff_error_text(ctx));
    }
}

/* Depth and sharing cost nothing: 2^60 paths through 60 tuples are never walked. */
static void test_bomb(void)
{
    uint8_t bytes[4096];
    size_t n = 0;
    memcpy(bytes, "\x80\2]q\0", 5);
    n = 5;
    for (int i = 0; i < 60; i++) {
        memcpy(bytes + n, "h\0h\0\x86q\0", 7);
        n += 7;
    }
    bytes[n++] = '.';
    CHECK(open_bytes(bytes, n) == TUFF_E_FORMAT);
}

static void test_zip(void)
{
    struct tuff_map map;
    struct tuff_arena arena = {0};
    struct tuff_zip zip;
    CHECK_OK(ctx, tuff_os_map(ctx, GOLDEN "state.bin", &map));
    CHECK_OK(ctx, tuff_zip_open(ctx, "zip", map.data, map.size, &arena, &zip));
    const struct tuff_zip_entry *entry = tuff_zip_find(&zip, "state/byteorder");
    CHECK(entry && entry->size == 6 && !memcmp(entry->data, "little", 6));
    CHECK(!tuff_zip_find(&zip, "state/byteorde"));
    /* Any archive program may add a note, and compress. */
    uint8_t *bytes = calloc(1, map.size + 300);
    memcpy(bytes, map.data, map.size);
    CHECK(open_bytes(bytes, map.size + 300) == TUFF_OK);
    uint8_t *central = bytes;
    for (uint8_t *at = bytes; at + 4 < bytes + map.size; at++)
        if (!memcmp(at, "PK\1\2", 4))
            central = at;
    central[10] = 8;
    CHECK(open_bytes(bytes, map.size) == TUFF_E_UNSUPPORTED);
    CHECK(strstr(tuff_error_text(ctx), "compressed"));
    free(bytes);
    tuff_arena_fini(&arena);
    tuff_os_unmap(&map);
}

int main(void)
{
    ctx = tuff_ctx_create(NULL);
    same_tensors(GOLDEN "state.bin", 0);
    same_tensors(GOLDEN "legacy.bin", 0);
    same_tensors(GOLDEN "nested.bin", 0);
    same_tensors(GOLDEN "version3.bin", 1);
    same_tensors(GOLDEN "sharded", 0);
    same_tensors(GOLDEN "sharded/pytorch_model.bin.index.json", 0);
    refused("code.bin", TUFF_E_UNSUPPORTED, "\"posix system\"");
    refused("args.bin", TUFF_E_UNSUPPORTED, "\"argparse Namespace\"");
    refused("complex.bin", TUFF_E_UNSUPPORTED, "\"torch ComplexFloatStorage\"");
    refused("expanded.bin", TUFF_E_FORMAT, "\"e\" is a view that takes more bytes");
    test_hostile(GOLDEN "state.bin");
    test_hostile(GOLDEN "legacy.bin");
    test_pickles();
    test_bomb();
    test_zip();
    tuff_ctx_destroy(ctx);
    return test_end();
}

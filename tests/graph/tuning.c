/* graph/tuning: choices of a tuning file are followed, saved and found again; a file that is broken,
 * foreign or old is ignored with one line; choices no op offers are not taken. */
#include "base/os.h"
#include "device.h"
#include "graph/plan.h"
#include "tuff/ops.h"
#include "tuff/tune.h"

enum { M = 64, N = 48, K = 96 };
static const char *const folder = TEST_BINARY_DIR "/tuning";
static int warnings;
static char last_warning[1024];

static void count_warnings(void *user, enum tuff_log_level level, const char *line)
{
    (void) user;
    if (level < TUFF_LOG_WARN)
        return;
    warnings++;
    snprintf(last_warning, sizeof last_warning, "%s", line);
}

struct product {
    float y[M * N];
    char call[TUFF_CALL_TEXT];
    uint64_t numerics;
    struct tuff_choice taken, list[32];
    size_t n;
};

/* One product on the device, and what computed it. */
static bool multiply(struct tuff_ctx *ctx, struct tuff_device *device, struct product *o)
{
    struct tuff_store *store = NULL;
    struct tuff_graph *g = NULL;
    struct tuff_program *p = NULL;
    struct tuff_variable *a, *b;
    static float x[M * K];
    *o = (struct product) {.n = 0};
    for (int i = 0; i < M * K; i++)
        x[i] = (float) (i * 37 % 101) / 101 - 0.5f;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    CHECK_OK(ctx, tuff_store_add(store, &(struct tuff_variable_params) {
                      .name = "a", .rank = 2, .dims = {M, K}}, &a));
    CHECK_OK(ctx, tuff_store_add(store, &(struct tuff_variable_params) {
                      .name = "b", .rank = 2, .dims = {N, K}}, &b));
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    struct tuff_tensor *y = tuff_matmul(g, tuff_use(g, a), tuff_use(g, b), .transpose_b = true);
    struct tuff_node *node = y->producer;
    struct tuff_tensor *out = tuff_output(g, y, "y");
    tuff_node_call(node, o->call);
    CHECK_OK(ctx, tuff_program_create(store, g, NULL, &p));
    o->taken = node->choice;
    o->n = node->op->candidates(node, tuff_device_info(device), o->list, TUFF_COUNT(o->list));
    CHECK_OK(ctx, tuff_store_allocate(store, false, 0));
    CHECK_OK(ctx, tuff_variable_write(store, a, TUFF_VALUE, x));
    CHECK_OK(ctx, tuff_variable_write(store, b, TUFF_VALUE, x));
    enum tuff_status status = tuff_program_begin(p);
    if (status == TUFF_OK)
        status = tuff_program_submit(p);
    if (status == TUFF_OK)
        status = tuff_program_wait(p, 0);
    CHECK_OK(ctx, status);
    if (status == TUFF_OK)
        memcpy(o->y, tuff_program_output(p, out, 0), sizeof o->y);
    o->numerics = tuff_program_numerics(p);
    tuff_program_destroy(p);
    tuff_store_destroy(store);
    return status == TUFF_OK;
}

/* Another device handle, as another process would have it. */
static struct product again(struct tuff_ctx *ctx)
{
    struct product o = {.n = 0};
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    if (device) {
        CHECK_OK(ctx, tuff_tuning_load(device, folder));
        multiply(ctx, device, &o);
        test_device_end(device);
    }
    return o;
}

/* A tuning with the text `from` put in for `to`. */
static void forge(struct tuff_ctx *ctx, const char *path, const struct tuff_map *good,
                  const char *from, const char *to)
{
    char text[4096];
    const char *at = strstr((const char *) good->data, from);
    CHECK_MSG(at, "no %s in the file", from);
    if (!at)
        return;
    int n = snprintf(text, sizeof text, "%.*s%s%s", (int) (at - (const char *) good->data),
                     (const char *) good->data, to, at + strlen(from));
    CHECK_OK(ctx, tuff_os_write_file(ctx, path, text, (size_t) n));
}

static void test_bad_files(struct tuff_ctx *ctx, const struct product *plain)
{
    static const struct {
        const char *from, *to, *words;
    } cases[] = {{"{", "", "tuning ignored"},
                 {"\"tuff_tuning\": 1", "\"tuff_tuning\": 2", "format 1"},
                 {"\"uuid\": \"", "\"uuid\": \"f", "another device"},
                 {"\"driver_version\": ", "\"driver_version\": 9", "another driver version"},
                 {"\"tile\": ", "\"tile\": -", "no variant and tile"},
                 {"\"variant\": \"", "\"variant\": \"far too long a word for it ", "no variant"},
                 {"\"variant\": \"", "\"variant\": \"un", "the default is taken"},
                 {"\"tile\": ", "\"tile\": 77", "the default is taken"},
                 {"\"choices\": {", "\"choices\": [], \"other\": {", "format 1"}};
    struct tuff_os_list list = {0};
    struct tuff_map map = {0};
    CHECK_OK(ctx, tuff_os_list(ctx, folder, &list));
    CHECK_MSG(list.n == 1, "%zu files", list.n);
    char *path = list.n ? tuff_os_path_join(folder, list.items[0]) : NULL;
    if (!path || tuff_os_map(ctx, path, &map) != TUFF_OK)
        return;
    struct tuff_map good = {calloc(1, map.size + 1), map.size};
    memcpy((void *) (uintptr_t) good.data, map.data, map.size);
    tuff_os_unmap(&map);
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        forge(ctx, path, &good, cases[i].from, cases[i].to);
        warnings = 0;
        struct product o = again(ctx);
        CHECK_MSG(warnings == 1 && strstr(last_warning, cases[i].words), "%s: %d lines, \"%s\"",
                  cases[i].to, warnings, last_warning);
        CHECK(!*o.taken.variant && o.numerics == plain->numerics &&
              !memcmp(o.y, plain->y, sizeof o.y));
    }
    CHECK_OK(ctx, tuff_os_write_file(ctx, path, good.data, good.size));
    warnings = 0;
    CHECK(*again(ctx).taken.variant && warnings == 0);
    free((void *) (uintptr_t) good.data);
    free(path);
    tuff_os_list_free(&list);
}

int main(void)
{
    struct tuff_ctx *ctx =
        tuff_ctx_create(&(struct tuff_ctx_params) {.log = count_warnings});
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    static struct product plain, other;
    if (!device || tuff_os_remove_tree(ctx, folder) != TUFF_OK || !multiply(ctx, device, &plain))
        return 1;
    bool generic = tuff_device_info(device)->device_class == TUFF_CLASS_GENERIC;
    CHECK(!strcmp(plain.call, "matmul nt f32 64x48x96x1") && !*plain.taken.variant);
    CHECK(plain.n > 1 || generic);
    if (generic) { /* it has one kernel for a product: nothing to choose */
        test_device_end(device);
        tuff_ctx_destroy(ctx);
        return test_end();
    }
    /* Each choice that is offered is followed, and right to rounding: sums of K products below 1/4. */
    size_t chosen = 0, followed = 0;
    for (size_t i = 0; i < plain.n; i++) {
        CHECK_OK(ctx, tuff_choice_set(device, plain.call, &plain.list[i]));
        multiply(ctx, device, &other);
        CHECK(!strcmp(other.taken.variant, plain.list[i].variant));
        double worst = 0;
        for (size_t k = 0; k < M * N; k++)
            worst = fmax(worst, fabs((double) other.y[k] - (double) plain.y[k]));
        CHECK_MSG(worst <= K * 0.25 * 1.2e-7 * 2, "%s %u is off by %g", plain.list[i].variant,
                  plain.list[i].tile, worst);
        if (other.numerics != plain.numerics) {
            chosen = i;
            followed++;
        }
    }
    CHECK_MSG(followed > 0, "no choice of %zu changed a kernel", plain.n);
    CHECK_OK(ctx, tuff_choice_set(device, plain.call, NULL));
    CHECK(tuff_tuning_count(device) == 0);
    CHECK_OK(ctx, tuff_choice_set(device, plain.call, &plain.list[chosen]));
    CHECK_OK(ctx, tuff_tuning_save(device, folder));
    multiply(ctx, device, &other);
    struct product found = again(ctx);
    CHECK(found.numerics == other.numerics && !memcmp(found.y, other.y, sizeof found.y));
    test_device_end(device);
    test_bad_files(ctx, &plain);
    CHECK_OK(ctx, tuff_os_remove_tree(ctx, folder));
    warnings = 0;
    CHECK(!*again(ctx).taken.variant && warnings == 0); /* no file is no reason to talk */
    tuff_ctx_destroy(ctx);
    return test_end();
}

/* embedding: repeated and missing ids, ids out of range, many rows; gradient by buckets into a
 * variable and into a table that was computed; what the host puts into buckets. */
#include "op_test.h"

#define N 23
static double buckets[TUFF_EMBEDDING_BUCKET_WORDS(N)];
static double ids[N] = {3, 0, 3, 9, 9, 9, 1, 3, 0, 8, 2, 2, 9, 3, 3, 3, 7, 6, 0, 1, 4, 9, 3};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    /* arg: the table is computed, so that its gradient does not go straight to the arena. */
    return tuff_embedding(g, arg ? tuff_scale(g, in[0], 1, 0) : in[0], in[1], in[2]);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    size_t width = (size_t) c->in[0].dims[1], height = (size_t) c->in[0].dims[0];
    for (size_t i = 0; i < n_y; i++) {
        size_t id = (size_t) in[1][i / width];
        y[i] = id < height ? in[0][id * width + i % width] : 0;
    }
}

#define IDS(r, ...) {.rank = r, .dims = {__VA_ARGS__}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = ids}
#define BUCKETS                                                                                    \
    {.rank = 1, .dims = {TUFF_EMBEDDING_BUCKET_WORDS(N)}, .fill = OT_VALUES, .dtype = TUFF_U32,     \
     .values = buckets}
#define CASE(label, ...)                                                                           \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 3, .build = build, .ref = ref}
#define COMPUTED(label, ...)                                                                       \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 3, .build = build, .ref = ref, .arg = ""}
static const struct ot_case cases[] = {
    CASE("one texel", {2, {10, 4}}, IDS(1, N), BUCKETS),
    CASE("texels", {2, {10, 24}}, IDS(1, N), BUCKETS),
    CASE("texels, more than a block", {2, {10, 132}}, IDS(2, N, 1), BUCKETS),
    CASE("texels, ids out of range", {2, {5, 8}}, IDS(1, N), BUCKETS),
    COMPUTED("computed table", {2, {12, 9}}, IDS(1, N), BUCKETS),
    COMPUTED("computed table, texels", {2, {12, 20}}, IDS(1, N), BUCKETS),
    CASE("narrow", {2, {10, 1}}, IDS(1, N), BUCKETS),
    CASE("odd", {2, {10, 13}}, IDS(1, N), BUCKETS),
    CASE("wide", {2, {11, 130}}, IDS(1, N), BUCKETS),
    CASE("large table", {2, {70000, 3}}, IDS(2, 1, N), BUCKETS),
    CASE("ids out of range", {2, {5, 6}}, IDS(1, N), BUCKETS),
};

static void bad_ids(struct tuff_graph *g)
{
    tuff_embedding(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), tuff_fill(g, 1, 1, (int64_t[]) {3}),
                   NULL);
}

static void no_buckets(struct tuff_graph *g)
{
    struct tuff_store *store = NULL;
    struct tuff_variable *v = NULL;
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    if (tuff_store_create(ctx, NULL, &store) == TUFF_OK &&
        tuff_store_add(store, &(struct tuff_variable_params) {.name = "table", .rank = 2,
                                                              .dims = {3, 4}}, &v) == TUFF_OK)
        tuff_backward(g, tuff_sum(g, tuff_embedding(g, tuff_use(g, v),
                                                    tuff_input(g, "ids", TUFF_U32, 1,
                                                               (int64_t[]) {3}), NULL)));
    tuff_store_destroy(store);
    tuff_ctx_destroy(ctx);
}

static void bad_buckets(struct tuff_graph *g)
{
    tuff_embedding(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}),
                   tuff_input(g, "ids", TUFF_U32, 1, (int64_t[]) {3}),
                   tuff_input(g, "buckets", TUFF_U32, 1, (int64_t[]) {3}));
}

/* Count, ids ascending, starts, positions ascending within an id; TUFF_IGNORE stands nowhere. */
static bool buckets_as_documented(void)
{
    static const uint32_t list[6] = {70000, 5, TUFF_IGNORE, 70000, 0, 5};
    uint32_t w[TUFF_EMBEDDING_BUCKET_WORDS(6)];
    if (tuff_embedding_buckets(NULL, list, 6, w) != TUFF_OK)
        return false;
    const uint32_t *unique = w + 1, *starts = unique + 6, *rows = starts + 7;
    return w[0] == 3 && unique[0] == 0 && unique[1] == 5 && unique[2] == 70000 && starts[0] == 0 &&
           starts[1] == 1 && starts[2] == 3 && starts[3] == 5 && rows[0] == 4 && rows[1] == 1 &&
           rows[2] == 5 && rows[3] == 0 && rows[4] == 3;
}

static const struct ot_error errors[] = {
    {"size of buckets", bad_buckets, TUFF_E_SHAPE},
    {"ids dtype", bad_ids, TUFF_E_DTYPE},
    {"gradient without buckets", no_buckets, TUFF_E_ARG},
};

int main(int argc, char **argv)
{
    uint32_t list[N], words[TUFF_EMBEDDING_BUCKET_WORDS(N)] = {0};
    for (size_t i = 0; i < N; i++)
        list[i] = (uint32_t) ids[i];
    if (tuff_embedding_buckets(NULL, list, N, words) != TUFF_OK)
        return 1;
    if (!buckets_as_documented()) {
        printf("tuff_embedding_buckets: not as documented\n");
        return 1;
    }
    for (size_t i = 0; i < TUFF_COUNT(words); i++)
        buckets[i] = words[i];
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}

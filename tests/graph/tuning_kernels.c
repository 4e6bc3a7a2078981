/* graph/tuning_kernels: each choice that an op offers a tuning, on this device and as GPUs have them, is
 * followed, and comes to the default's result within rounding. */
#include "device.h"
#include "graph/plan.h"
#include "ops/half.h"
#include "tuff/ops.h"

enum { MOST = 2048, MOST_CHOICES = 3 };

/* What a case's graph gives: y, and the gradient of its trainable variable, if any. */
struct results {
    float y[MOST], dx[MOST];
    size_t n, n_dx;
    uint64_t numerics;
    struct {
        char call[TUFF_CALL_TEXT];
        struct tuff_choice taken, list[64];
        size_t n;
    } nodes[4];
    size_t n_nodes;
};

struct made {
    struct tuff_graph *g;
    struct tuff_store *store;
    struct tuff_variable *x; /* trainable; NULL: none */
};

static struct tuff_tensor *use(struct made *m, const char *name, enum tuff_dtype dtype, int rank,
                               const int64_t *dims)
{
    struct tuff_variable *v = NULL;
    bool train = name[0] == 'x';
    struct tuff_variable_params params = {.name = name, .dtype = dtype, .rank = rank,
                                          .role = train ? TUFF_TRAINABLE : TUFF_FROZEN};
    memcpy(params.dims, dims, (size_t) rank * sizeof *dims);
    CHECK(tuff_store_add(m->store, &params, &v) == TUFF_OK);
    if (train)
        m->x = v;
    return tuff_use(m->g, v);
}
#define USE(m, name, dtype, ...)                                                                   \
    use(m, name, dtype, sizeof(int64_t[]) {__VA_ARGS__} / 8, (const int64_t[]) {__VA_ARGS__})

static struct tuff_tensor *vector(struct made *m)
{
    return tuff_matmul(m->g, USE(m, "a", TUFF_F32, 2, 96), USE(m, "b", TUFF_F32, 160, 96),
                       .transpose_b = true);
}

static struct tuff_tensor *row(struct made *m)
{
    return tuff_matmul(m->g, USE(m, "a", TUFF_F32, 1, 64), USE(m, "b", TUFF_F32, 64, 100), .alpha = 1);
}

static struct tuff_tensor *long_k(struct made *m)
{
    return tuff_matmul(m->g, USE(m, "a", TUFF_F32, 640, 33), USE(m, "b", TUFF_F32, 640, 40),
                       .transpose_a = true);
}

static struct tuff_tensor *halves(struct made *m)
{
    struct tuff_tensor *y = tuff_matmul(m->g, USE(m, "a", TUFF_F16, 40, 576),
                                        USE(m, "b", TUFF_F16, 48, 576), .transpose_b = true);
    return tuff_is_half(y) ? tuff_cast(m->g, y, TUFF_F32) : y;
}

static struct tuff_tensor *attention(struct made *m)
{
    struct tuff_tensor *y = tuff_attention(m->g, USE(m, "x", TUFF_F32, 1, 20, 96), NULL, NULL,
                                           .heads = 2, .causal = true);
    tuff_backward(m->g, tuff_sum(m->g, y));
    return y;
}

/* Operands are below 1/2 in magnitude. `terms` of a sum whose terms' magnitudes come to `most` at the
 * most: two orders of adding differ by 2 terms eps most / 2. In attention the longest are those of dV:
 * 20 queries' probabilities, each off by the rounding of 16 products and of 20 terms. A result in F16 is
 * rounded: what differs a little may fall on neighbours, 2^-10 of `most` apart. */
static const struct test_case {
    const char *name;
    struct tuff_tensor *(*build)(struct made *m);
    double terms, most;
    bool half;
} cases[] = {{"a vector's product", vector, 96, 24},
             {"a row's product", row, 64, 16},
             {"a long k", long_k, 640, 160},
             {"f16", halves, 576, 144, true},
             {"attention", attention, 20 + 16, 20}};

static void fill(struct tuff_ctx *ctx, struct tuff_store *store)
{
    for (size_t i = 0; i < tuff_store_count(store); i++) {
        struct tuff_variable *v = tuff_store_get(store, i);
        size_t n = (size_t) tuff_variable_elements(v);
        bool half = tuff_variable_dtype(v) == TUFF_F16;
        float *data = calloc(n, sizeof *data);
        for (size_t k = 0; k < n; k++) {
            float x = (float) ((k + 5 * i) * 37 % 101) / 101 - 0.5f;
            if (half)
                ((uint16_t *) data)[k] = tuff_f32_to_f16(x);
            else
                data[k] = x;
        }
        CHECK_OK(ctx, tuff_variable_write(store, v, TUFF_VALUE, data));
        free(data);
    }
}

static void note_choices(const struct tuff_graph *g, const struct tuff_device_info *info,
                         struct results *r)
{
    for (size_t i = 0; i < g->nodes.n && r->n_nodes < TUFF_COUNT(r->nodes); i++) {
        const struct tuff_node *node = g->nodes.items[i];
        char call[TUFF_CALL_TEXT];
        tuff_node_call(node, call);
        if (!*call || !node->live)
            continue;
        struct tuff_choice *list = r->nodes[r->n_nodes].list;
        memcpy(r->nodes[r->n_nodes].call, call, sizeof call);
        r->nodes[r->n_nodes].taken = node->choice;
        r->nodes[r->n_nodes++].n =
            node->op->candidates(node, info, list, TUFF_COUNT(r->nodes[0].list));
    }
}

static void run(struct tuff_ctx *ctx, struct tuff_device *device, const struct test_case *c,
                struct results *r)
{
    struct made m = {0};
    struct tuff_program *p = NULL;
    memset(r, 0, sizeof *r);
    CHECK_OK(ctx, tuff_store_create(ctx, device, &m.store));
    CHECK_OK(ctx, tuff_graph_create(ctx, &m.g));
    struct tuff_tensor *y = c->build(&m), *out = tuff_output(m.g, y, "y");
    enum tuff_status status = tuff_program_create(m.store, m.g, NULL, &p);
    if (status == TUFF_OK)
        note_choices(m.g, tuff_device_info(device), r);
    if (status == TUFF_OK)
        status = tuff_store_allocate(m.store, m.x != NULL, 0);
    if (status == TUFF_OK)
        fill(ctx, m.store);
    if (status == TUFF_OK)
        status = tuff_program_begin(p);
    if (status == TUFF_OK)
        status = tuff_program_submit(p);
    if (status == TUFF_OK)
        status = tuff_program_wait(p, 0);
    if (status == TUFF_OK && m.x)
        status = tuff_variable_read(m.store, m.x, TUFF_GRADIENT, r->dx);
    CHECK_OK(ctx, status);
    if (status == TUFF_OK) {
        r->n = (size_t) tuff_elements(y);
        r->n_dx = m.x ? (size_t) tuff_variable_elements(m.x) : 0;
        memcpy(r->y, tuff_program_output(p, out, 0), r->n * sizeof *r->y);
        r->numerics = tuff_program_numerics(p);
    }
    tuff_program_destroy(p);
    tuff_store_destroy(m.store);
}

static double apart(const float *a, const float *b, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++)
        worst = fmax(worst, fabs((double) a[i] - (double) b[i])); /* no NaN: fmax drops it */
    return worst;
}

static bool finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

/* All choices of all nodes; how many made another program. */
static size_t test_case(struct tuff_ctx *ctx, struct tuff_device *device, const struct test_case *c)
{
    static struct results plain, other;
    size_t followed = 0;
    run(ctx, device, c, &plain);
    CHECK_MSG(plain.n_nodes > 0, "%s: no op with choices", c->name);
    for (size_t i = 0; i < plain.n_nodes; i++) {
        const char *call = plain.nodes[i].call;
        size_t step = (plain.nodes[i].n + MOST_CHOICES - 1) / MOST_CHOICES; /* compiling takes long */
        for (size_t k = 0; k < plain.nodes[i].n; k += step) {
            const struct tuff_choice *choice = &plain.nodes[i].list[k];
            CHECK_OK(ctx, tuff_choice_set(device, call, choice));
            run(ctx, device, c, &other);
            double off = fmax(apart(plain.y, other.y, plain.n), apart(plain.dx, other.dx, plain.n_dx));
            CHECK_MSG(!strcmp(other.nodes[i].taken.variant, choice->variant), "%s: %s is not taken",
                      call, choice->variant);
            CHECK_MSG(other.n == plain.n && finite(other.y, other.n) && finite(other.dx, other.n_dx) &&
                          off <= (c->terms * 1.2e-7 + (c->half ? 0x1p-10 : 0)) * c->most,
                      "%s: %s %u is off by %g", call, choice->variant, choice->tile, off);
            followed += other.numerics != plain.numerics;
        }
        CHECK_OK(ctx, tuff_choice_set(device, call, NULL));
    }
    return followed;
}

int main(void)
{
    static const char *const kernels[] = {NULL, "tiled", "coopmat"};
    struct tuff_ctx *ctx = test_ctx();
    for (size_t i = 0; i < TUFF_COUNT(kernels); i++) {
        struct tuff_device *device = NULL;
        struct tuff_device_params params = {.force_kernels = kernels[i], .validate = test_validate(),
                                            .select = getenv("TUFF_TEST_DEVICE")};
        enum tuff_status status = tuff_device_create(ctx, &params, &device);
        if (status == TUFF_E_UNSUPPORTED && i == 2)
            break; /* no cooperative matrices here */
        CHECK_OK(ctx, status);
        for (size_t k = 0; device && k < TUFF_COUNT(cases); k++) {
            size_t followed = test_case(ctx, device, &cases[k]);
            printf("%s, %s: %zu other programs\n", kernels[i] ? kernels[i] : "default", cases[k].name,
                   followed);
            /* f32's tiles are no choice on matrix units' behalf, and halves have none without. */
            CHECK_MSG(followed > 0 || i != 1 || k == 3, "%s has no choice", cases[k].name);
            CHECK_MSG(followed > 0 || i != 2 || k != 3, "no choice on matrix units");
        }
        if (device)
            test_device_end(device);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}

/* Muon and GaLore: hidden matrices wide, tall, square and odd against double precision: the quintic
 * iteration; the angle between GaLore's subspace and that of a host SVD, its vectors' order and sign,
 * the shapes of states; embeddings and vectors are AdamW's; a gradient that is not finite changes
 * nothing. */
#include "base/rng.h"
#include "device.h"
#include "graph/store.h"
#include "tuff/graph.h"
#include "tuff/ops.h"
#include "tuff/optim.h"

enum { STEPS = 3, MOST = 256 * 64, RANK = 4 };
static const struct {
    const char *name;
    int64_t rows, cols; /* cols 0: a vector */
    bool hidden;
} shapes[] = {{"h.0.wide.weight", 12, 31, true},    {"wte.weight", 40, 16, false},
              {"h.0.tall.weight", 37, 9, true},     {"h.1.square.weight", 16, 16, true},
              {"h.1.large.weight", 48, 80, true},   {"h.1.bias", 33, 0, false},
              {"h.10.one.weight", 1, 20, false},
              {"h.2.packed.weight", 64, 192, true}, {"h.2.long.weight", 256, 64, true}};
enum { N = sizeof shapes / sizeof *shapes };
static const double rate = 1e-2;

struct run {
    struct tuff_store *store;
    struct tuff_variable *v[N];
    struct tuff_optimizer *optimizer;
    struct tuff_program *apply, *refresh;
    struct tuff_program *dirt; /* leaves NaN where activations come to lie */
};

static struct tuff_program *dirt(struct tuff_ctx *ctx, struct run *r)
{
    struct tuff_graph *g;
    struct tuff_program *p = NULL;
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    tuff_output(g, tuff_sum(g, tuff_fill(g, NAN, 1, (int64_t[]) {1 << 20})), "sum");
    CHECK_OK(ctx, tuff_program_create(r->store, g, NULL, &p));
    return p;
}

static struct tuff_program *program(struct tuff_ctx *ctx, struct run *r, bool refresh)
{
    struct tuff_graph *g;
    struct tuff_program *p = NULL;
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    if (refresh)
        tuff_optimizer_refresh(g, r->optimizer);
    else
        tuff_optimizer_apply(g, r->optimizer, NULL, NULL);
    CHECK_OK(ctx, tuff_program_create(r->store, g, NULL, &p));
    return p;
}

static void begin(struct tuff_ctx *ctx, struct tuff_device *device,
                  struct tuff_optimizer_params params, struct run *r)
{
    *r = (struct run) {0};
    CHECK_OK(ctx, tuff_store_create(ctx, device, &r->store));
    for (int i = 0; i < N; i++)
        CHECK_OK(ctx, tuff_store_add(r->store,
                                     &(struct tuff_variable_params) {
                                         .name = shapes[i].name, .dtype = TUFF_F32,
                                         .rank = shapes[i].cols ? 2 : 1,
                                         .dims = {shapes[i].rows, shapes[i].cols},
                                         .role = TUFF_TRAINABLE},
                                     &r->v[i]));
    params.lr = &rate;
    params.lr_count = 1;
    params.weight_decay[0] = 0.1;
    CHECK_OK(ctx, tuff_optimizer_create(r->store, &params, &r->optimizer));
    r->dirt = dirt(ctx, r);
    r->apply = program(ctx, r, false);
    if (params.kind == TUFF_GALORE)
        r->refresh = program(ctx, r, true);
    CHECK_OK(ctx, tuff_store_allocate(r->store, true, tuff_optimizer_states(&params)));
    CHECK_OK(ctx, tuff_optimizer_start(r->optimizer, 0));
}

static void end(struct run *r)
{
    tuff_program_destroy(r->dirt);
    tuff_program_destroy(r->apply);
    tuff_program_destroy(r->refresh);
    tuff_optimizer_destroy(r->optimizer);
    tuff_store_destroy(r->store);
}

static void run_program(struct tuff_ctx *ctx, struct tuff_program *p)
{
    CHECK_OK(ctx, tuff_program_begin(p));
    CHECK_OK(ctx, tuff_program_submit(p));
    CHECK_OK(ctx, tuff_program_wait(p, 0));
}

/* A sum of products of random vectors, of sizes that fall as 1, 2^-1/2, 3^-1/2, ...: what gradients look like. */
static void fill(float *x, int i, uint64_t seed)
{
    int64_t rows = shapes[i].rows, cols = shapes[i].cols ? shapes[i].cols : 1;
    int64_t terms = rows < cols ? rows : cols;
    struct tuff_rng rng;
    tuff_rng_init(&rng, seed, (uint64_t) i);
    memset(x, 0, (size_t) (rows * cols) * sizeof *x);
    for (int64_t t = 0; t < terms; t++) {
        double u[256], v[256];
        for (int64_t k = 0; k < rows; k++)
            u[k] = tuff_rng_normal(&rng);
        for (int64_t k = 0; k < cols; k++)
            v[k] = tuff_rng_normal(&rng);
        for (int64_t k = 0; k < rows * cols; k++)
            x[k] += (float) (1e-3 * u[k / cols] * v[k % cols] / (double) (1 + t));
    }
}

static int64_t elements(int i)
{
    return shapes[i].rows * (shapes[i].cols ? shapes[i].cols : 1);
}

/* ---- references ---- */

/* c [m, n] = a [m, k] b [k, n], or with b [n, k]. */
static void product(const double *a, const double *b, double *c, int64_t m, int64_t n, int64_t k,
                    bool turned)
{
    for (int64_t i = 0; i < m * n; i++) {
        c[i] = 0;
        for (int64_t l = 0; l < k; l++)
            c[i] += a[i / n * k + l] * (turned ? b[i % n * k + l] : b[l * n + i % n]);
    }
}

static void orthogonalize(double *x, int64_t rows, int64_t cols)
{
    static double a[80 * 80], b[80 * 80], y[MOST], turned[MOST];
    double norm = 0;
    bool tall = rows > cols;
    int64_t r = tall ? cols : rows, c = tall ? rows : cols;
    for (int64_t i = 0; i < rows * cols; i++)
        norm += x[i] * x[i];
    for (int64_t i = 0; i < rows * cols; i++)
        turned[tall ? i % cols * rows + i / cols : i] = x[i] / fmax(sqrt(norm), 1e-7);
    for (int step = 0; step < 5; step++) {
        product(turned, turned, a, r, r, c, true);
        product(a, a, b, r, r, r, false);
        for (int64_t i = 0; i < r * r; i++)
            b[i] = -4.7750 * a[i] + 2.0315 * b[i];
        product(b, turned, y, r, c, r, false);
        for (int64_t i = 0; i < r * c; i++)
            turned[i] = 3.4445 * turned[i] + y[i];
    }
    for (int64_t i = 0; i < rows * cols; i++)
        x[i] = turned[tall ? i % cols * rows + i / cols : i];
}

/* Singular vectors of the smaller side, rows of p [least, least], first the first: Jacobi's method on the
 * Gram matrix; its errors are 1e-16 of the first value's square. */
static void host_svd(const double *g, int64_t rows, int64_t cols, double *p)
{
    static double a[80 * 80], values[80];
    bool right = rows >= cols;
    int64_t n = right ? cols : rows, m = right ? rows : cols;
    for (int64_t i = 0; i < n * n; i++) {
        a[i] = 0;
        p[i] = i / n == i % n;
        for (int64_t k = 0; k < m; k++)
            a[i] += right ? g[k * cols + i / n] * g[k * cols + i % n]
                          : g[i / n * cols + k] * g[i % n * cols + k];
    }
    for (int sweep = 0; sweep < 30; sweep++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = i + 1; j < n; j++) {
                if (a[i * n + j] == 0)
                    continue;
                double z = (a[j * n + j] - a[i * n + i]) / (2 * a[i * n + j]);
                double t = (z >= 0 ? 1 : -1) / (fabs(z) + sqrt(1 + z * z));
                double c = 1 / sqrt(1 + t * t), s = c * t;
                for (int64_t k = 0; k < n; k++) {
                    double x = a[k * n + i], y = a[k * n + j];
                    a[k * n + i] = c * x - s * y;
                    a[k * n + j] = s * x + c * y;
                }
                for (int64_t k = 0; k < n; k++) {
                    double x = a[i * n + k], y = a[j * n + k], u = p[i * n + k], v = p[j * n + k];
                    a[i * n + k] = c * x - s * y;
                    a[j * n + k] = s * x + c * y;
                    p[i * n + k] = c * u - s * v;
                    p[j * n + k] = s * u + c * v;
                }
            }
    for (int64_t i = 0; i < n; i++)
        values[i] = a[i * n + i];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++)
            if (values[j] > values[i]) {
                double v = values[i];
                values[i] = values[j];
                values[j] = v;
                for (int64_t k = 0; k < n; k++) {
                    double x = p[i * n + k];
                    p[i * n + k] = p[j * n + k];
                    p[j * n + k] = x;
                }
            }
}

/* ---- tests ---- */

static void test_muon(struct tuff_ctx *ctx, struct tuff_device *device, bool match, bool nesterov)
{
    struct tuff_optimizer_params params = tuff_optimizer_defaults(TUFF_MUON);
    static float x[MOST];
    static double v[N][MOST], b[N][MOST], u[MOST], m2[N][MOST];
    struct run r;
    params.match_rms_adamw = match;
    params.nesterov = nesterov;
    begin(ctx, device, params, &r);
    memset(b, 0, sizeof b);
    memset(m2, 0, sizeof m2);
    for (int i = 0; i < N; i++) {
        CHECK(tuff_optimizer_is_hidden(r.v[i]) == shapes[i].hidden);
        fill(x, i, 9);
        for (int64_t k = 0; k < elements(i); k++)
            v[i][k] = x[k];
        CHECK_OK(ctx, tuff_variable_write(r.store, r.v[i], TUFF_VALUE, x));
    }
    for (int t = 1; t <= STEPS; t++) {
        for (int i = 0; i < N; i++) {
            fill(x, i, (uint64_t) t);
            CHECK_OK(ctx, tuff_variable_write(r.store, r.v[i], TUFF_GRADIENT, x));
            double rows = (double) shapes[i].rows, cols = (double) shapes[i].cols;
            for (int64_t k = 0; k < elements(i); k++) {
                double g = x[k];
                b[i][k] += (shapes[i].hidden ? 0.05 : 0.1) * (g - b[i][k]);
                m2[i][k] = 0.95 * m2[i][k] + 0.05 * g * g;
                u[k] = nesterov ? 0.05 * g + 0.95 * b[i][k] : b[i][k];
                if (!shapes[i].hidden)
                    u[k] = b[i][k] / (1 - pow(0.9, t)) /
                           (sqrt(m2[i][k] / (1 - pow(0.95, t))) + 1e-8);
            }
            double scale = 1;
            if (shapes[i].hidden) {
                orthogonalize(u, shapes[i].rows, shapes[i].cols);
                scale = match ? 0.2 * sqrt(fmax(rows, cols)) : sqrt(fmax(1, rows / cols));
            }
            for (int64_t k = 0; k < elements(i); k++)
                v[i][k] = v[i][k] * (1 - rate * 0.1) - rate * scale * u[k];
        }
        run_program(ctx, r.dirt);
        run_program(ctx, r.apply);
    }
    for (int i = 0; i < N; i++) {
        double worst = 0, size = 0;
        CHECK_OK(ctx, tuff_variable_read(r.store, r.v[i], TUFF_VALUE, x));
        for (int64_t k = 0; k < elements(i); k++) {
            worst = fmax(worst, fabs(x[k] - v[i][k]));
            size = fmax(size, fabs(v[i][k]));
        }
        /* Small singular values grow by 3.4445 in each of five steps, and with them, 485-fold, what
         * rounding by 2^-24 of the largest did to them: 3e-5 of a step of rate * scale. */
        CHECK_MSG(worst < 3e-5 * rate * 2 * STEPS + 3e-7 * size, "%s: off by %g of %g",
                  shapes[i].name, worst, size);
        CHECK_OK(ctx, tuff_variable_read(r.store, r.v[i], TUFF_GRADIENT, x));
        for (int64_t k = 0; k < elements(i); k++)
            CHECK(x[k] == 0);
    }
    end(&r);
}

/* The sine of the largest principal angle between the rows of p and of the host's first `rank`. */
static double angle(const float *p, const double *host, int64_t rank, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < rank; i++) {
        static double rest[80];
        double left = 0;
        for (int64_t k = 0; k < n; k++)
            rest[k] = p[i * n + k];
        for (int64_t j = 0; j < rank; j++) {
            double dot = 0;
            for (int64_t k = 0; k < n; k++)
                dot += p[i * n + k] * host[j * n + k];
            for (int64_t k = 0; k < n; k++)
                rest[k] -= dot * host[j * n + k];
        }
        for (int64_t k = 0; k < n; k++)
            left += rest[k] * rest[k];
        worst += left; /* the squared sines' sum is at least the largest */
    }
    return sqrt(worst);
}

static void test_galore(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tuff_optimizer_params params = tuff_optimizer_defaults(TUFF_GALORE);
    static float x[MOST], p[RANK * 80], before[MOST];
    static double g[MOST], host[80 * 80];
    struct run r;
    params.rank = RANK;
    begin(ctx, device, params, &r);
    CHECK(tuff_optimizer_refreshes(&params, 0) && !tuff_optimizer_refreshes(&params, 199) &&
          tuff_optimizer_refreshes(&params, 400));
    for (int i = 0; i < N; i++) {
        fill(x, i, 5);
        CHECK_OK(ctx, tuff_variable_write(r.store, r.v[i], TUFF_GRADIENT, x));
    }
    run_program(ctx, r.dirt);
    run_program(ctx, r.refresh);
    for (int i = 0; i < N; i++) {
        char name[64];
        int64_t rows = shapes[i].rows, cols = shapes[i].cols, n = rows < cols ? rows : cols;
        snprintf(name, sizeof name, "optim.projection.%s", shapes[i].name);
        struct tuff_variable *projection = tuff_store_find(r.store, name);
        CHECK((projection != NULL) == shapes[i].hidden);
        if (!projection)
            continue;
        snprintf(name, sizeof name, "optim.exp_avg.%s", shapes[i].name);
        struct tuff_variable *moment = tuff_store_find(r.store, name);
        CHECK(moment && tuff_variable_elements(moment) == RANK * (rows < cols ? cols : rows));
        fill(x, i, 5);
        for (int64_t k = 0; k < rows * cols; k++)
            g[k] = x[k];
        host_svd(g, rows, cols, host);
        CHECK_OK(ctx, tuff_variable_read(r.store, projection, TUFF_VALUE, p));
        CHECK_MSG(angle(p, host, RANK, n) < 1e-3, "%s: the angle's sine is %g", shapes[i].name,
                  angle(p, host, RANK, n));
        for (int64_t j = 0; j < RANK; j++) {
            double dot = 0, norm = 0;
            float largest = 0;
            for (int64_t k = 0; k < n; k++) {
                dot += p[j * n + k] * host[j * n + k];
                norm += p[j * n + k] * p[j * n + k];
                largest = fabsf(p[j * n + k]) > fabsf(largest) ? p[j * n + k] : largest;
            }
            CHECK_MSG(fabs(fabs(dot) - 1) < 1e-5 && fabs(norm - 1) < 1e-5 && largest > 0,
                      "%s: vector %d: cosine %g, norm %g", shapes[i].name, (int) j, dot, norm);
        }
    }
    /* Not finite: neither subspaces nor values move. */
    run_program(ctx, r.apply);
    for (int i = 0; i < N; i++) {
        fill(x, i, 6);
        x[elements(i) - 1] = NAN;
        CHECK_OK(ctx, tuff_variable_write(r.store, r.v[i], TUFF_GRADIENT, x));
    }
    struct tuff_variable *projection = tuff_store_find(r.store, "optim.projection.h.1.large.weight");
    CHECK_OK(ctx, tuff_variable_read(r.store, r.v[4], TUFF_VALUE, before));
    CHECK_OK(ctx, tuff_variable_read(r.store, projection, TUFF_VALUE, p));
    run_program(ctx, r.refresh);
    run_program(ctx, r.apply);
    CHECK_OK(ctx, tuff_variable_read(r.store, r.v[4], TUFF_VALUE, x));
    CHECK(!memcmp(x, before, 48 * 80 * sizeof *x) && before[0] != 0);
    CHECK_OK(ctx, tuff_variable_read(r.store, projection, TUFF_VALUE, x));
    CHECK(!memcmp(x, p, RANK * 48 * sizeof *p));
    end(&r);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    if (device) {
        test_muon(ctx, device, false, true);
        test_muon(ctx, device, true, false);
        test_galore(ctx, device);
        test_device_end(device);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}

/* ops/linear_cross_entropy: the head's product and its cross-entropy, some rows at a time, so that
 * the logits never exist whole. It is made of other ops: forward, each chunk's logits give its rows'
 * losses and are forgotten; backward, they are computed again (a third more work for the head) and
 * turned into their gradient in place, which gives the chunk's share of both gradients. The weight's
 * shares are added one by one, in order of the chunks.
 *
 * Of half operands all products are of halves: logits are F32 sums, their gradient is rounded beside them
 * (loss scaling lifts it as it lifts what a product of halves is given anywhere), hidden's gradient
 * has hidden's dtype, and the weight's shares are F32 until they are one. */
#include "ops/cross_entropy.h"
#include "ops/half.h"
#include "tuff/ops.h"

enum { IN_HIDDEN, IN_WEIGHT, IN_TARGETS, IN_SCALE, IN_ROWS, IN_STATS, N_IN };

struct attr {
    int64_t chunk; /* rows */
    float smoothing;
};

/* Even chunks, but of whole tiles of a product where there are several: 128 rows each. */
int64_t tuff_linear_cross_entropy_chunk(int64_t rows, int64_t vocabulary)
{
    enum { TILE = 128, MANY = 4096 };
    /* Bytes of logits. lavapipe binds 128 MiB; batches of so many rows are for GPUs, where each chunk adds
     * to the whole gradient of the weight. */
    const int64_t most = 512 << 20, part = (rows < MANY ? 120 : 256) << 20;
    int64_t row = (int64_t) tuff_align_up((uint64_t) vocabulary, 8) * 4;
    if (rows < 1 || rows <= most / row)
        return 0;
    int64_t fit = TUFF_MAX(part / row, 1);
    uint64_t chunks = tuff_div_up((uint64_t) rows, (uint64_t) fit);
    uint64_t even = tuff_div_up((uint64_t) rows, chunks);
    int64_t chunk = (int64_t) tuff_align_up(even, even > TILE ? TILE : 8);
    if (chunk > TILE && chunk > fit)
        chunk = fit / TILE * TILE;
    return TUFF_MIN(chunk, rows);
}

static struct tuff_tensor *rows_of(struct tuff_graph *g, struct tuff_tensor *x, int64_t at,
                                   int64_t chunk)
{
    return x ? tuff_slice(g, x, 0, at, TUFF_MIN(chunk, x->dims[0] - at)) : NULL;
}

static struct tuff_tensor *logits_of(struct tuff_graph *g, struct tuff_tensor *hidden,
                                     struct tuff_tensor *weight)
{
    return tuff_matmul(g, hidden, weight, .transpose_b = true, .pad_rows = true);
}

/* All parts along the first axis; a concat takes only so many at a time. The list is used up. */
static struct tuff_tensor *join(struct tuff_graph *g, struct tuff_tensor **parts, int n)
{
    while (n > 1) {
        int made = 0;
        for (int i = 0; i < n; i += TUFF_NODE_INPUTS)
            parts[made++] = tuff_concat(g, parts + i, TUFF_MIN(n - i, TUFF_NODE_INPUTS), 0);
        n = made;
    }
    return parts[0];
}

static bool valid(struct tuff_graph *g, const struct tuff_tensor *hidden,
                  const struct tuff_tensor *weight, const struct tuff_tensor *targets,
                  int64_t chunk)
{
    if (hidden->rank < 1 || weight->rank != 2 || !tuff_contiguous(weight) ||
        hidden->dims[hidden->rank - 1] != weight->dims[1] ||
        targets->rank != hidden->rank - 1 || !tuff_contiguous(targets) ||
        memcmp(targets->dims, hidden->dims, (size_t) targets->rank * sizeof *hidden->dims))
        tuff_graph_fail(g, TUFF_E_SHAPE, "linear_cross_entropy: hidden %s, weight %s, targets %s",
                        tuff_shape_text(hidden), tuff_shape_text(weight), tuff_shape_text(targets));
    else if (chunk < 0 || (chunk && tuff_rows(hidden) / chunk > 4096))
        tuff_graph_fail(g, TUFF_E_RANGE, "linear_cross_entropy: chunks of %lld rows",
                        (long long) chunk);
    else
        return true;
    return false;
}

/* The losses and statistics of all rows, by chunks. No gradient goes through these nodes, for the rows are
 * read by a node that gives them none. */
static bool forward(struct tuff_graph *g, struct tuff_tensor *const in[], const struct attr *attr,
                    struct tuff_tensor **rows, struct tuff_tensor **stats)
{
    int64_t n = in[IN_HIDDEN]->dims[0], chunk = attr->chunk;
    int parts = (int) tuff_div_up((uint64_t) n, (uint64_t) chunk);
    size_t size = (size_t) parts * sizeof(struct tuff_tensor *);
    struct tuff_tensor **losses = tuff_arena_alloc(&g->memory, size);
    struct tuff_tensor **numbers = tuff_arena_alloc(&g->memory, size);
    if (!losses || !numbers) {
        tuff_graph_fail(g, TUFF_E_NOMEM, "linear_cross_entropy: out of host memory");
        return false;
    }
    for (int i = 0; i < parts; i++) {
        struct tuff_tensor *h = rows_of(g, in[IN_HIDDEN], i * chunk, chunk);
        tuff_cross_entropy_stats(g, logits_of(g, h, in[IN_WEIGHT]),
                                 rows_of(g, in[IN_TARGETS], i * chunk, chunk), in[IN_SCALE],
                                 attr->smoothing, &losses[i], &numbers[i]);
    }
    *rows = g->status == TUFF_OK ? join(g, losses, parts) : NULL;
    *stats = g->status == TUFF_OK ? join(g, numbers, parts) : NULL;
    return g->status == TUFF_OK;
}

struct tuff_tensor *tuff_linear_cross_entropy_with(
    struct tuff_graph *g, struct tuff_tensor *hidden, struct tuff_tensor *weight,
    struct tuff_tensor *targets, struct tuff_tensor *scale,
    const struct tuff_linear_cross_entropy_args *args)
{
    struct attr attr = {args->chunk, args->label_smoothing};
    if (args->rows)
        *args->rows = NULL;
    if (!tuff_is_half(hidden) || !weight || weight->dtype != hidden->dtype) {
        hidden = tuff_widen(g, hidden);
        weight = tuff_widen(g, weight);
    }
    scale = tuff_widen(g, scale);
    if (!hidden || !weight || !targets || !scale ||
        !tuff_check_float(g, "linear_cross_entropy", "hidden", hidden) ||
        !tuff_check_float(g, "linear_cross_entropy", "weight", weight) ||
        !valid(g, hidden, weight, targets, attr.chunk))
        return NULL;
    int64_t n = tuff_rows(hidden), columns = weight->dims[1];
    if (!attr.chunk)
        attr.chunk = tuff_linear_cross_entropy_chunk(n, weight->dims[0]);
    if (!attr.chunk)
        return tuff_cross_entropy(g, logits_of(g, hidden, weight), targets, scale,
                                  .rows = args->rows, .label_smoothing = attr.smoothing);
    if (!tuff_contiguous(hidden))
        hidden = tuff_copy(g, hidden);
    struct tuff_tensor *in[N_IN] = {tuff_reshape(g, hidden, 2, (int64_t[]) {n, columns}), weight,
                                    tuff_reshape(g, targets, 1, &n), scale};
    if (!in[IN_HIDDEN] || !in[IN_TARGETS] || !forward(g, in, &attr, &in[IN_ROWS], &in[IN_STATS]))
        return NULL;
    struct tuff_tensor *loss = tuff_tensor_new(g, TUFF_F32, 1, (int64_t[]) {1});
    if (!loss || !tuff_node_add(g, &tuff_op_linear_cross_entropy, in, N_IN, &loss, 1,
                                &attr, sizeof attr))
        return NULL;
    if (args->rows)
        *args->rows = tuff_reshape(g, in[IN_ROWS], targets->rank, targets->dims);
    return loss;
}

/* The rows' losses alone are read. */
static struct tuff_halves halves(const struct tuff_node *node, const struct tuff_device_info *device)
{
    (void) node;
    (void) device;
    return (struct tuff_halves) {1u << IN_HIDDEN | 1u << IN_WEIGHT, 0};
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    tuff_cross_entropy_total(r, node, node->in[IN_ROWS], node->in[IN_SCALE]);
}

/* Adds d^T h to the weight's gradient: to what it is a copy of, chunk by chunk; where it was made of other
 * values, to *sum. */
static void add_share(struct tuff_graph *g, struct tuff_tensor *weight, struct tuff_tensor *d,
                      struct tuff_tensor *h, struct tuff_tensor **sum)
{
    struct tuff_tensor *to = tuff_is_half_parameter(weight->producer) ? weight->producer->in[0] : weight;
    if (!weight->needs_grad)
        return;
    if (tuff_is_half(to))
        *sum = tuff_matmul(g, d, h, .transpose_a = true, .residual = *sum);
    else
        g->contribute(g, to, tuff_matmul(g, d, h, .transpose_a = true));
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    struct tuff_tensor *weight = node->in[IN_WEIGHT], *hidden = node->in[IN_HIDDEN];
    const struct attr *attr = node->attr;
    int64_t n = hidden->dims[0], chunk = attr->chunk;
    int parts = (int) tuff_div_up((uint64_t) n, (uint64_t) chunk);
    struct tuff_tensor **list =
        tuff_arena_alloc(&g->memory, (size_t) parts * sizeof(struct tuff_tensor *));
    for (int i = 0; i < parts && list && g->status == TUFF_OK; i++) {
        struct tuff_tensor *h = rows_of(g, hidden, i * chunk, chunk);
        struct tuff_tensor *d = tuff_cross_entropy_grad(
            g, logits_of(g, h, weight), rows_of(g, node->in[IN_TARGETS], i * chunk, chunk),
            node->in[IN_SCALE], rows_of(g, node->in[IN_STATS], i * chunk, chunk), dy[0],
            attr->smoothing, hidden->dtype);
        if (!d)
            return;
        add_share(g, weight, d, h, &dx[IN_WEIGHT]);
        list[i] = hidden->needs_grad ? tuff_matmul(g, d, weight, .dtype = hidden->dtype) : NULL;
    }
    if (!list)
        tuff_graph_fail(g, TUFF_E_NOMEM, "linear_cross_entropy: out of host memory");
    else if (hidden->needs_grad && g->status == TUFF_OK)
        dx[IN_HIDDEN] = join(g, list, parts);
}

const struct tuff_op tuff_op_linear_cross_entropy = {
    .name = "linear_cross_entropy", .record = record, .convert = tuff_half_convert, .halves = halves,
    .grad = grad};

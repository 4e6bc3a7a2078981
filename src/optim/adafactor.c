/* optim/adafactor: second moments factored into a number a row and one a column: an op a parameter,
 * with states of its own shapes. */
#include "optim/flat.h"

#include "optim/adafactor.h"

#define SUMS 4 /* numbers of scratch before the rows' sums */

struct shape {
    bool vector;
    uint32_t rows, cols;
};

static struct shape shape_of(const struct tuff_variable *v)
{
    int64_t cols = v->rank ? v->dims[v->rank - 1] : 1;
    bool vector = v->rank < 2;
    return (struct shape) {vector, vector ? 1 : (uint32_t) (v->elements / cols), (uint32_t) cols};
}

enum tuff_status tuff_adafactor_add_states(struct tuff_optimizer *o)
{
    struct tuff_store *store = o->store;
    size_t n = store->variables.n; /* states are behind them */
    o->factored = tuff_calloc(TUFF_MAX(n, 1), sizeof *o->factored);
    if (!o->factored)
        return tuff_fail(store->ctx, TUFF_E_NOMEM, "adafactor: out of host memory");
    for (size_t i = 0; i < n; i++) {
        struct tuff_variable *v = store->variables.items[i];
        if (v->role != TUFF_TRAINABLE)
            continue;
        if (v->rank > 2)
            return tuff_fail(store->ctx, TUFF_E_SHAPE, "adafactor: %s has %d axes; vectors and "
                             "matrices are supported", v->name, v->rank);
        struct shape s = shape_of(v);
        struct tuff_factored *f = &o->factored[o->n_factored++];
        f->parameter = v;
        int64_t rows = s.vector ? s.cols : s.rows, cols = s.cols;
        bool transposed = tuff_optimizer_transposed(v); /* names are by the shape in files */
        const char *of_rows = transposed ? "col_var" : "row_var";
        const char *of_cols = transposed ? "row_var" : "col_var";
        TUFF_TRY(tuff_optimizer_add_state(store, s.vector ? "variance" : of_rows, v, 1, &rows, false,
                                          &f->row));
        if (!s.vector)
            TUFF_TRY(tuff_optimizer_add_state(store, of_cols, v, 1, &cols, false, &f->col));
    }
    return TUFF_OK;
}

enum { IN_FACTORS, IN_VALUE, IN_GRAD, IN_ROW, IN_COL, N_IN };

struct attr {
    const struct tuff_optimizer *optimizer;
    const struct tuff_variable *parameter;
};

static uint64_t adafactor_scratch(const struct tuff_node *node,
                                  const struct tuff_device_info *device)
{
    (void) device;
    const struct attr *attr = node->attr;
    return (SUMS + 2 * (uint64_t) shape_of(attr->parameter).rows) * 4;
}

/* The passes, in order, and what each of them reads and writes. */
static const struct pass {
    const char *name;
    bool of_vectors, of_matrices, own_vector; /* own_vector: another kernel for vectors */
    bool by_element;                          /* groups: else by row, or one */
    bool one;
    bool values, grads, rows, cols;           /* read */
    bool scratch;                             /* read */
    int write;                                /* the out[] changed besides scratch; -1: none */
} passes[] = {
    {"rows", true, true, true, false, false, true, true, true, false, false, IN_ROW},
    {"cols", false, true, false, true, false, false, true, false, true, false, IN_COL},
    {"totals", true, true, false, false, true, false, false, true, false, true, -1},
    {"norms", true, true, true, false, false, false, true, true, true, true, -1},
    {"total", true, true, false, false, true, false, false, false, false, true, -1},
    {"apply", true, true, true, true, false, true, true, true, true, true, IN_VALUE},
};

static void adafactor_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    const struct tuff_optimizer_params *o = &attr->optimizer->params;
    struct shape s = shape_of(attr->parameter);
    uint64_t n = (uint64_t) s.rows * s.cols;
    struct tuff_adafactor_params p = {.value = tuff_address(r, node->in[IN_VALUE]),
                                      .grad = tuff_address(r, node->in[IN_GRAD]),
                                      .row = tuff_address(r, node->in[IN_ROW]),
                                      .col = node->in[IN_COL] ? tuff_address(r, node->in[IN_COL])
                                                              : 0,
                                      .factors = tuff_address(r, node->in[IN_FACTORS]),
                                      .scratch = tuff_scratch_address(r, node),
                                      .rows = s.rows,
                                      .cols = s.cols,
                                      .group = attr->parameter->group,
                                      .eps1 = (float) o->eps,
                                      .eps2 = (float) o->eps2,
                                      .d = (float) o->d};
    for (size_t i = 0; i < TUFF_COUNT(passes); i++) {
        const struct pass *pass = &passes[i];
        char kernel[48];
        if (!(s.vector ? pass->of_vectors : pass->of_matrices))
            continue;
        snprintf(kernel, sizeof kernel, "optim/adafactor.%s%s", pass->name,
                 s.vector && pass->own_vector ? "_vector" : "");
        bool columns = pass->write == IN_COL;
        struct tuff_launch_params launch = {
            .kernel = kernel,
            .push = &p,
            .push_bytes = sizeof p,
            .groups = {pass->one          ? 1
                       : pass->by_element ? tuff_groups(columns ? s.cols : n, 64)
                                          : tuff_groups(s.rows, 1)},
            .in = {node->in[IN_FACTORS], pass->values ? node->in[IN_VALUE] : NULL,
                   pass->grads ? node->in[IN_GRAD] : NULL, pass->rows ? node->in[IN_ROW] : NULL,
                   pass->cols ? node->in[IN_COL] : NULL},
            .reads_scratch = pass->scratch,
            .writes_scratch = !pass->by_element,
            .flops = 4.0 * (double) n};
        if (pass->write >= 0)
            launch.out[0] = node->out[pass->write - 1];
        if (pass->write == IN_VALUE)
            launch.out[1] = node->out[IN_GRAD - 1];
        tuff_launch(r, &launch);
    }
}

static const struct tuff_op adafactor_op = {
    .name = "adafactor", .record = adafactor_record, .scratch = adafactor_scratch, .effect = true};

void tuff_adafactor_steps(struct tuff_graph *g, const struct tuff_optimizer *o,
                          struct tuff_tensor *factors)
{
    for (size_t i = 0; i < o->n_factored && g->status == TUFF_OK; i++) {
        const struct tuff_factored *f = &o->factored[i];
        struct tuff_tensor *in[N_IN] = {factors, tuff_use_copy(g, f->parameter, TUFF_VALUE),
                                        tuff_use_copy(g, f->parameter, TUFF_GRADIENT),
                                        tuff_use_copy(g, f->row, TUFF_VALUE),
                                        f->col ? tuff_use_copy(g, f->col, TUFF_VALUE) : NULL};
        struct tuff_tensor *out[N_IN - 1] = {0};
        for (int k = 1; k < N_IN && g->status == TUFF_OK; k++)
            out[k - 1] = in[k] ? tuff_next_version(in[k]) : NULL;
        tuff_node_add(g, &adafactor_op, in, N_IN, out, N_IN - 1,
                      &(struct attr) {o, f->parameter}, sizeof(struct attr));
    }
}

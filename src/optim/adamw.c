/* optim/adamw: the flat update: gradient norm, AdamW, counting. */
#include "graph/op.h"
#include "graph/store.h"
#include "tuff/optim.h"

#include <math.h>

#include "optim/adamw.h"
#include "optim/adamw_cpu.h"
#include "optim/advance.h"
#include "optim/factors.h"
#include "optim/norm.h"
#include "optim/sumsq.h"
#include "optim/sumsq_cpu.h"

/* Fixed, so that sums have one order on all devices but software ones: 64 invocations each. */
#define NORM_GROUPS 64
#define CORRECTIONS_MAX 65536

struct tuff_adamw {
    struct tuff_store *store;
    struct tuff_adamw_params params;
    double *lr;
    int64_t n_corrections;
    struct tuff_variable *applied, *rates, *correction, *groups;
};

static enum tuff_status add(struct tuff_store *store, const char *name, enum tuff_dtype dtype,
                            int64_t n, struct tuff_variable **v)
{
    return tuff_store_add(store,
                          &(struct tuff_variable_params) {.name = name,
                                                          .dtype = dtype,
                                                          .rank = 1,
                                                          .dims = {n},
                                                          .role = TUFF_STATE},
                          v);
}

/* After how many steps both corrections are 1 in F32. */
static int64_t corrections_needed(double beta1, double beta2)
{
    double slow = TUFF_MAX(beta1, beta2);
    double steps = slow > 0 ? -26 * log(2) / log(slow) : 1;
    return (int64_t) TUFF_MIN(TUFF_MAX(ceil(steps), 1), (double) CORRECTIONS_MAX);
}

enum tuff_status tuff_adamw_create(struct tuff_store *store, const struct tuff_adamw_params *params,
                                   struct tuff_adamw **out)
{
    *out = NULL;
    bool betas = params->beta1 >= 0 && params->beta1 < 1 && params->beta2 >= 0 && params->beta2 < 1;
    if (!betas || !(params->eps > 0) || !(params->clip >= 0) || params->lr_count < 1)
        return tuff_fail(store->ctx, TUFF_E_RANGE,
                         "adamw: betas must be in [0, 1), eps > 0, clip >= 0, one rate or more");
    struct tuff_adamw *o = tuff_calloc(1, sizeof *o);
    if (!o || !(o->lr = tuff_calloc((size_t) params->lr_count, sizeof *o->lr))) {
        free(o);
        return tuff_fail(store->ctx, TUFF_E_NOMEM, "adamw: out of host memory");
    }
    o->store = store;
    o->params = *params;
    memcpy(o->lr, params->lr, (size_t) params->lr_count * sizeof *o->lr);
    o->n_corrections = corrections_needed(params->beta1, params->beta2);
    enum tuff_status status;
    TUFF_TRY_GOTO(add(store, "optim.applied", TUFF_U32, 1, &o->applied));
    TUFF_TRY_GOTO(add(store, "optim.lr", TUFF_F32, params->lr_count, &o->rates));
    TUFF_TRY_GOTO(add(store, "optim.correction", TUFF_F32, 2 * o->n_corrections, &o->correction));
    TUFF_TRY_GOTO(add(store, "optim.groups", TUFF_F32, 2 * TUFF_OPTIM_GROUPS, &o->groups));
    *out = o;
    return TUFF_OK;
fail:
    tuff_adamw_destroy(o);
    return status;
}

void tuff_adamw_destroy(struct tuff_adamw *o)
{
    if (o)
        free(o->lr);
    free(o);
}

enum tuff_status tuff_adamw_start(struct tuff_adamw *o, uint32_t applied)
{
    const struct tuff_adamw_params *p = &o->params;
    size_t n = (size_t) TUFF_MAX(p->lr_count, 2 * o->n_corrections);
    float groups[2 * TUFF_OPTIM_GROUPS], *table = tuff_calloc(n, sizeof *table);
    if (!table)
        return tuff_fail(o->store->ctx, TUFF_E_NOMEM, "adamw: out of host memory");
    for (int i = 0; i < TUFF_OPTIM_GROUPS; i++) {
        groups[i] = p->lr_scale[i] != 0 ? (float) p->lr_scale[i] : 1;
        groups[TUFF_OPTIM_GROUPS + i] = (float) p->weight_decay[i];
    }
    for (int64_t i = 0; i < p->lr_count; i++)
        table[i] = (float) o->lr[i];
    enum tuff_status status = tuff_variable_write(o->store, o->rates, TUFF_VALUE, table);
    for (int64_t t = 0; t < o->n_corrections; t++) {
        table[2 * t] = (float) (1 - pow(p->beta1, (double) (t + 1)));
        table[2 * t + 1] = (float) (1 - pow(p->beta2, (double) (t + 1)));
    }
    if (status == TUFF_OK)
        status = tuff_variable_write(o->store, o->correction, TUFF_VALUE, table);
    free(table);
    if (status == TUFF_OK)
        status = tuff_variable_write(o->store, o->groups, TUFF_VALUE, groups);
    return status == TUFF_OK ? tuff_variable_write(o->store, o->applied, TUFF_VALUE, &applied)
                             : status;
}

enum tuff_status tuff_adamw_set_rates(struct tuff_adamw *o, const double *lr, int64_t n)
{
    if (n < 1 || n > o->params.lr_count)
        return tuff_fail(o->store->ctx, TUFF_E_RANGE, "adamw: %lld rates; there is room for %lld",
                         (long long) n, (long long) o->params.lr_count);
    for (int64_t i = 0; i < o->params.lr_count; i++)
        o->lr[i] = lr[TUFF_MIN(i, n - 1)];
    return TUFF_OK;
}

/* ---- what the kernels of software devices share ---- */

enum {
    CPU_SUBGROUPS = 32,  /* a group, where the device can: starting a group costs microseconds */
    CPU_GROUPS = 4096,   /* group numbers have three base-16 digits */
    SUMSQ_OWN = 1024,    /* elements a subgroup */
    ADAMW_OWN = 128
};

/* Subgroups a group; 0 where there are no kernels for the device. */
static uint32_t cpu_subgroups(const struct tuff_device_info *device)
{
    bool known = device->subgroup_size == 4 || device->subgroup_size == 8;
    if (device->device_class != TUFF_CLASS_CPU || !known)
        return 0;
    uint32_t most = device->max_invocations / device->subgroup_size / 4 * 4;
    return TUFF_MIN(CPU_SUBGROUPS, most);
}

static uint32_t groups_of(uint64_t n, uint64_t own, uint32_t subgroups)
{
    return (uint32_t) tuff_div_up(n, own * subgroups);
}

/* Elements of a chunk that one launch takes: what can be bound, and be numbered. */
static uint64_t cpu_most(const struct tuff_device_info *device, uint64_t own)
{
    uint64_t most = own * cpu_subgroups(device) * CPU_GROUPS;
    return TUFF_MIN(most, device->max_storage_range / (4 * TUFF_SEGMENT) * TUFF_SEGMENT);
}

static void cpu_launch(struct tuff_recorder *r, struct tuff_launch_params launch,
                       const char *kernel, uint32_t t[16])
{
    const struct tuff_device_info *device = tuff_record_device(r);
    uint32_t spec[] = {cpu_subgroups(device) * device->subgroup_size, cpu_subgroups(device)};
    char name[32];
    for (uint32_t i = 0; i < 16; i++)
        t[i] = i;
    snprintf(name, sizeof name, "%s.sg%u", kernel, device->subgroup_size);
    launch.kernel = name;
    launch.spec = spec;
    launch.n_spec = TUFF_COUNT(spec);
    tuff_launch(r, &launch);
}

/* ---- the global norm ---- */

/* Partial sums of n elements: one a subgroup, also of those that have nothing to sum. A multiple of
 * 4, as optim/norm wants, since subgroups is one. */
static uint64_t cpu_partials(const struct tuff_device_info *device, uint64_t n)
{
    uint32_t subgroups = cpu_subgroups(device);
    return (uint64_t) groups_of(n, SUMSQ_OWN, subgroups) * subgroups;
}

static uint64_t norm_scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    uint64_t partials = 0;
    for (int i = 0; i < TUFF_NODE_INPUTS && node->in[i]; i++) {
        uint64_t cpu = cpu_subgroups(device)
                           ? cpu_partials(device, (uint64_t) tuff_elements(node->in[i])) : 0;
        partials += TUFF_MAX(cpu, NORM_GROUPS * 64);
    }
    return partials * 4;
}

/* Adds the partial sums of x behind the `first` there are; returns how many there are then. */
static uint32_t sumsq_cpu(struct tuff_recorder *r, const struct tuff_node *node,
                          const struct tuff_tensor *x, uint32_t first)
{
    const struct tuff_tensor scratch = {.storage = node->scratch}; /* all that a view looks at */
    const struct tuff_device_info *device = tuff_record_device(r);
    uint64_t n = (uint64_t) tuff_elements(x);
    uint64_t most = (uint64_t) SUMSQ_OWN * cpu_subgroups(device) * CPU_GROUPS;
    for (uint64_t at = 0; at < n; at += most) {
        uint64_t part = TUFF_MIN(n - at, most);
        struct tuff_sumsq_cpu_params p = {
            .x = tuff_address(r, x) + at * 4, .n = (uint32_t) part, .first = first};
        cpu_launch(r,
                   (struct tuff_launch_params) {
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {groups_of(part, SUMSQ_OWN, cpu_subgroups(device))},
                       .views = {&scratch},
                       .in = {x},
                       .writes_scratch = true,
                       .flops = 2.0 * p.n,
                       .bytes_read = 4.0 * p.n},
                   "optim/sumsq_cpu", p.t);
        first += (uint32_t) cpu_partials(device, part);
    }
    return first;
}

static uint32_t sumsq(struct tuff_recorder *r, const struct tuff_node *node,
                      const struct tuff_tensor *x, uint32_t first)
{
    struct tuff_sumsq_params p = {.x = tuff_address(r, x),
                                  .partial = tuff_scratch_address(r, node),
                                  .n = (uint32_t) tuff_elements(x),
                                  .first = first};
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = "optim/sumsq",
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .groups = {NORM_GROUPS},
                                                 .in = {x},
                                                 .writes_scratch = true,
                                                 .flops = 2.0 * p.n});
    return first + NORM_GROUPS * 64;
}

static void norm_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor scratch = {.storage = node->scratch};
    bool cpu = tuff_use_cpu_kernels(r) && cpu_subgroups(tuff_record_device(r)) &&
               tuff_storage_view(r, &scratch, 0);
    struct tuff_norm_params total = {.partial = tuff_scratch_address(r, node),
                                     .norm = tuff_address(r, node->out[0])};
    for (int i = 0; i < TUFF_NODE_INPUTS && node->in[i]; i++)
        total.n = (cpu ? sumsq_cpu : sumsq)(r, node, node->in[i], total.n);
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = "optim/norm",
                                                 .push = &total,
                                                 .push_bytes = sizeof total,
                                                 .out = {node->out[0]},
                                                 .reads_scratch = true});
}

static const struct tuff_op grad_norm_op = {
    .name = "grad_norm", .record = norm_record, .scratch = norm_scratch, .element_flops = 2};

/* ---- the update ---- */

enum { IN_VALUE, IN_GRAD, IN_MEAN, IN_SQUARE, IN_NORM, IN_APPLIED, IN_RATES, IN_CORRECTION,
       IN_GROUPS, N_IN };

struct attr {
    const struct tuff_adamw *optimizer;
    uint32_t chunk;
};

/* What factors.comp makes. */
static uint64_t adamw_scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    (void) node;
    return cpu_subgroups(device) ? (4 + 2 * TUFF_OPTIM_GROUPS) * 4 : 0;
}

static bool cpu_fits(const struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_device_info *device = tuff_record_device(r);
    if (!node->scratch || !tuff_use_cpu_kernels(r))
        return false;
    for (int i = IN_VALUE; i <= IN_SQUARE; i++)
        if (!tuff_storage_view(r, node->in[i], 4 * TUFF_SEGMENT))
            return false;
    return cpu_most(device, ADAMW_OWN) > 0;
}

/* The scalars that all elements share. */
static void record_factors(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_adamw *o = ((const struct attr *) node->attr)->optimizer;
    struct tuff_factors_params p = {.factors = tuff_scratch_address(r, node),
                                    .groups = tuff_address(r, node->in[IN_GROUPS]),
                                    .rates = tuff_address(r, node->in[IN_RATES]),
                                    .correction = tuff_address(r, node->in[IN_CORRECTION]),
                                    .norm = tuff_address(r, node->in[IN_NORM]),
                                    .applied = tuff_address(r, node->in[IN_APPLIED]),
                                    .n_rates = (uint32_t) o->params.lr_count,
                                    .n_corrections = (uint32_t) o->n_corrections,
                                    .clip = (float) o->params.clip};
    struct tuff_launch_params launch = {.kernel = "optim/factors",
                                        .push = &p,
                                        .push_bytes = sizeof p,
                                        .writes_scratch = true};
    for (int i = IN_NORM; i < N_IN; i++)
        launch.in[i - IN_NORM] = node->in[i];
    tuff_launch(r, &launch);
}

static void adamw_cpu_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    const struct tuff_adamw_params *o = &attr->optimizer->params;
    const struct tuff_device_info *device = tuff_record_device(r);
    uint64_t n = (uint64_t) tuff_elements(node->in[IN_VALUE]), most = cpu_most(device, ADAMW_OWN);
    record_factors(r, node);
    for (uint64_t at = 0; at < n; at += most) {
        uint64_t part = TUFF_MIN(n - at, most);
        struct tuff_adamw_cpu_params p = {
            .value = tuff_address(r, node->in[IN_VALUE]) + at * 4,
            .grad = tuff_address(r, node->in[IN_GRAD]) + at * 4,
            .mean = tuff_address(r, node->in[IN_MEAN]) + at * 4,
            .square = tuff_address(r, node->in[IN_SQUARE]) + at * 4,
            .table = tuff_record_store(r)->table.items[attr->chunk].address + at / TUFF_SEGMENT * 4,
            .factors = tuff_scratch_address(r, node),
            .n = (uint32_t) part,
            .beta1 = (float) o->beta1,
            .beta2 = (float) o->beta2,
            .eps = (float) o->eps};
        struct tuff_launch_params launch = {
            .push = &p,
            .push_bytes = sizeof p,
            .groups = {groups_of(part, ADAMW_OWN, cpu_subgroups(device))},
            .reads_scratch = true,
            .flops = 16.0 * p.n,
            .bytes_read = 16.0 * p.n,
            .bytes_written = 16.0 * p.n};
        for (int i = IN_VALUE; i <= IN_SQUARE; i++) {
            launch.in[i] = launch.views[i] = node->in[i];
            launch.out[i] = node->out[i];
            launch.part[i].offset = at * 4;
            launch.part[i].size = part * 4;
        }
        cpu_launch(r, launch, "optim/adamw_cpu", p.t);
    }
}

static void adamw_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    if (cpu_fits(r, node)) {
        adamw_cpu_record(r, node);
        return;
    }
    const struct attr *attr = node->attr;
    const struct tuff_adamw_params *o = &attr->optimizer->params;
    uint64_t n = (uint64_t) tuff_elements(node->in[IN_VALUE]);
    struct tuff_adamw_step_params p = {
        .value = tuff_address(r, node->in[IN_VALUE]),
        .grad = tuff_address(r, node->in[IN_GRAD]),
        .mean = tuff_address(r, node->in[IN_MEAN]),
        .square = tuff_address(r, node->in[IN_SQUARE]),
        .table = tuff_record_store(r)->table.items[attr->chunk].address,
        .groups = tuff_address(r, node->in[IN_GROUPS]),
        .rates = tuff_address(r, node->in[IN_RATES]),
        .correction = tuff_address(r, node->in[IN_CORRECTION]),
        .norm = tuff_address(r, node->in[IN_NORM]),
        .applied = tuff_address(r, node->in[IN_APPLIED]),
        .n = (uint32_t) n,
        .n_rates = (uint32_t) o->lr_count,
        .n_corrections = (uint32_t) attr->optimizer->n_corrections,
        .beta1 = (float) o->beta1,
        .beta2 = (float) o->beta2,
        .eps = (float) o->eps,
        .clip = (float) o->clip};
    struct tuff_launch_params launch = {.kernel = "optim/adamw",
                                        .push = &p,
                                        .push_bytes = sizeof p,
                                        .groups = {tuff_groups(n, 4096)}};
    memcpy(launch.in, node->in, sizeof launch.in);
    memcpy(launch.out, node->out, sizeof launch.out);
    tuff_launch(r, &launch);
}

static const struct tuff_op adamw_op = {
    .name = "adamw",
    .record = adamw_record,
    .scratch = adamw_scratch,
    .element_flops = 16,
    .effect = true};

static void advance_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    struct tuff_advance_params p = {.norm = tuff_address(r, node->in[0]),
                                    .applied = tuff_address(r, node->in[1])};
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = "optim/advance",
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .in = {node->in[0], node->in[1]},
                                                 .out = {node->out[0]}});
}

static const struct tuff_op advance_op = {
    .name = "advance", .record = advance_record, .effect = true};

void tuff_adamw_apply(struct tuff_graph *g, struct tuff_adamw *o, struct tuff_tensor **norm_out,
                      struct tuff_tensor **applied_out)
{
    struct tuff_store *store = o->store;
    struct tuff_tensor *grads[TUFF_NODE_INPUTS] = {0};
    enum tuff_status laid_out = tuff_store_layout(store);
    size_t chunks = store->trainable_elements.n;
    if (laid_out != TUFF_OK || !chunks || chunks > TUFF_NODE_INPUTS) {
        tuff_graph_fail(g, laid_out != TUFF_OK ? laid_out : TUFF_E_STATE,
                        "adamw: %zu chunks of parameters; 1 to %d are supported", chunks,
                        TUFF_NODE_INPUTS);
        return;
    }
    for (size_t c = 0; c < chunks; c++)
        grads[c] = tuff_use_arena(g, store, TUFF_GRADIENT, (uint32_t) c);
    struct tuff_tensor *norm = tuff_tensor_new(g, TUFF_F32, 1, (int64_t[]) {1});
    tuff_node_add(g, &grad_norm_op, grads, (int) chunks, &norm, 1, NULL, 0);
    struct tuff_tensor *applied = tuff_use(g, o->applied);
    for (size_t c = 0; c < chunks && g->status == TUFF_OK; c++) {
        struct tuff_tensor *in[N_IN] = {
            tuff_use_arena(g, store, TUFF_VALUE, (uint32_t) c), grads[c],
            tuff_use_arena(g, store, TUFF_STATE_0, (uint32_t) c),
            tuff_use_arena(g, store, TUFF_STATE_1, (uint32_t) c), norm, applied,
            tuff_use(g, o->rates), tuff_use(g, o->correction), tuff_use(g, o->groups)};
        struct tuff_tensor *out[4] = {0};
        for (int i = 0; i < 4 && g->status == TUFF_OK; i++)
            out[i] = tuff_next_version(in[i]);
        tuff_node_add(g, &adamw_op, in, N_IN, out, 4,
                      &(struct attr) {o, (uint32_t) c}, sizeof(struct attr));
    }
    struct tuff_tensor *next = g->status == TUFF_OK ? tuff_next_version(applied) : NULL;
    tuff_node_add(g, &advance_op, (struct tuff_tensor *[]) {norm, applied}, 2, &next, 1, NULL, 0);
    if (norm_out)
        *norm_out = norm;
    if (applied_out)
        *applied_out = next;
}

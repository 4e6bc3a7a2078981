/* optim/flat_step: an optimizer whose rule treats elements one by one, as one dispatch a chunk of
 * the arenas. */
#include "optim/flat.h"

#include "optim/factors.h"
#include "optim/step.h"
#include "optim/step_cpu.h"

enum {
    CPU_SUBGROUPS = 32, /* a group, where the device can: starting a group costs microseconds */
    STEP_OWN = 128      /* elements a subgroup */
};

/* ---- what the kernels of software devices share ---- */

uint32_t tuff_flat_subgroups(const struct tuff_device_info *device)
{
    bool known = device->subgroup_size == 4 || device->subgroup_size == 8;
    if (device->device_class != TUFF_CLASS_CPU || !known)
        return 0;
    uint32_t most = device->max_invocations / device->subgroup_size / 4 * 4;
    return TUFF_MIN(CPU_SUBGROUPS, most);
}

uint32_t tuff_flat_groups_of(uint64_t n, uint64_t own, uint32_t subgroups)
{
    return (uint32_t) tuff_div_up(n, own * subgroups);
}

void tuff_flat_launch(struct tuff_recorder *r, struct tuff_launch_params launch, const char *kernel,
                      uint32_t t[16])
{
    const struct tuff_device_info *device = tuff_record_device(r);
    uint32_t subgroups = tuff_flat_subgroups(device);
    uint32_t spec[] = {subgroups * device->subgroup_size, subgroups};
    char name[48];
    for (uint32_t i = 0; i < 16; i++)
        t[i] = i;
    snprintf(name, sizeof name, "%s.sg%u", kernel, device->subgroup_size);
    launch.kernel = name;
    launch.spec = spec;
    launch.n_spec = TUFF_COUNT(spec);
    tuff_launch(r, &launch);
}

/* ---- rules ---- */

struct rule {
    const char *name; /* of the kernels' variant */
    float h[3];       /* its three numbers: shaders/optim/rules.glsl */
    double flops;     /* an element */
};

static struct rule rule_of(const struct tuff_optimizer_params *p)
{
    float beta1 = (float) p->beta1, beta2 = (float) p->beta2, eps = (float) p->eps;
    float momentum = (float) p->momentum, alpha = (float) p->alpha;
    switch (p->kind) {
    case TUFF_SGD:
        if (p->momentum == 0)
            return (struct rule) {"sgd", {0}, 5};
        return (struct rule) {
            "momentum", {momentum, (float) (1 - p->dampening), p->nesterov ? 1 : 0}, 10};
    case TUFF_ADAGRAD:
        return (struct rule) {"adagrad", {0, 0, eps}, 10};
    case TUFF_RMSPROP:
        return momentum != 0 ? (struct rule) {"rmsprop_momentum", {momentum, alpha, eps}, 14}
                             : (struct rule) {"rmsprop", {0, alpha, eps}, 12};
    case TUFF_ADADELTA:
        return (struct rule) {"adadelta", {0, (float) p->rho, eps}, 18};
    case TUFF_LION:
        return (struct rule) {"lion", {beta1, beta2, 0}, 12};
    case TUFF_ADAM:
        return (struct rule) {"adam", {beta1, beta2, eps}, 18};
    default:
        return (struct rule) {"adamw", {beta1, beta2, eps}, 16};
    }
}

/* ---- the factors ---- */

enum { FACTORS_NORM, FACTORS_APPLIED, FACTORS_RATES, FACTORS_CORRECTION, FACTORS_GROUPS,
       FACTORS_SCALE, FACTORS_IN };

static void factors_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_optimizer *o = *(const struct tuff_optimizer *const *) node->attr;
    struct tuff_factors_params p = {.factors = tuff_address(r, node->out[0]),
                                    .groups = tuff_address(r, node->in[FACTORS_GROUPS]),
                                    .rates = tuff_address(r, node->in[FACTORS_RATES]),
                                    .correction = tuff_address(r, node->in[FACTORS_CORRECTION]),
                                    .norm = tuff_address(r, node->in[FACTORS_NORM]),
                                    .applied = tuff_address(r, node->in[FACTORS_APPLIED]),
                                    .loss_scale = tuff_address(r, node->in[FACTORS_SCALE]),
                                    .n_rates = (uint32_t) o->params.lr_count,
                                    .n_corrections = (uint32_t) o->n_corrections,
                                    .clip = (float) o->params.clip};
    uint32_t spec[] = {node->in[FACTORS_SCALE] != NULL};
    struct tuff_launch_params launch = {.kernel = "optim/factors",
                                        .spec = spec,
                                        .n_spec = 1,
                                        .push = &p,
                                        .push_bytes = sizeof p,
                                        .out = {node->out[0]}};
    memcpy(launch.in, node->in, sizeof launch.in);
    tuff_launch(r, &launch);
}

static const struct tuff_op factors_op = {.name = "optim_factors", .record = factors_record};

struct tuff_tensor *tuff_optimizer_factors(struct tuff_graph *g, const struct tuff_optimizer *o,
                                           struct tuff_tensor *norm, struct tuff_tensor *applied,
                                           struct tuff_tensor *scale)
{
    struct tuff_tensor *in[FACTORS_IN] = {norm, applied, tuff_use(g, o->rates),
                                          tuff_use(g, o->correction), tuff_use(g, o->groups),
                                          scale};
    struct tuff_tensor *out = tuff_tensor_new(g, TUFF_F32, 1, (int64_t[]) {TUFF_FACTORS});
    return tuff_node_add(g, &factors_op, in, FACTORS_IN, &out, 1, &o, sizeof o) ? out : NULL;
}

/* ---- the step ---- */

/* States come last: a rule may have none, one or two. */
enum { IN_FACTORS, IN_VALUE, IN_GRAD, IN_A, IN_B, N_IN };

struct attr {
    const struct tuff_optimizer *optimizer;
    uint32_t chunk;
};

/* Elements of a chunk that one launch takes: what can be bound, and be numbered. */
static uint64_t cpu_most(const struct tuff_device_info *device)
{
    uint64_t most = (uint64_t) STEP_OWN * tuff_flat_subgroups(device) * TUFF_FLAT_GROUPS;
    return TUFF_MIN(most, device->max_storage_range / (4 * TUFF_SEGMENT) * TUFF_SEGMENT);
}

static bool cpu_fits(const struct tuff_recorder *r, const struct tuff_node *node)
{
    if (!tuff_use_cpu_kernels(r))
        return false;
    for (int i = IN_VALUE; i < N_IN; i++)
        if (node->in[i] && !tuff_storage_view(r, node->in[i], 4 * TUFF_SEGMENT))
            return false;
    return cpu_most(tuff_record_device(r)) > 0;
}

/* Address of element `at`; 0 where there is no such state. */
static uint64_t element(const struct tuff_recorder *r, const struct tuff_tensor *x, uint64_t at)
{
    return x ? tuff_address(r, x) + at * 4 : 0;
}

static void step_cpu_record(struct tuff_recorder *r, const struct tuff_node *node,
                            const struct rule *rule)
{
    const struct attr *attr = node->attr;
    const struct tuff_device_info *device = tuff_record_device(r);
    struct tuff_tensor *const *in = node->in;
    uint64_t n = (uint64_t) tuff_elements(in[IN_VALUE]), most = cpu_most(device);
    char kernel[48];
    snprintf(kernel, sizeof kernel, "optim/step_cpu.%s", rule->name);
    for (uint64_t at = 0; at < n; at += most) {
        uint64_t part = TUFF_MIN(n - at, most);
        struct tuff_optim_step_cpu_params p = {
            .value = element(r, in[IN_VALUE], at),
            .grad = element(r, in[IN_GRAD], at),
            .a = element(r, in[IN_A], at),
            .b = element(r, in[IN_B], at),
            .table = tuff_record_store(r)->table.items[attr->chunk].address + at / TUFF_SEGMENT * 4,
            .factors = tuff_address(r, in[IN_FACTORS]),
            .n = (uint32_t) part,
            .beta1 = rule->h[0],
            .beta2 = rule->h[1],
            .eps = rule->h[2]};
        struct tuff_launch_params launch = {
            .push = &p,
            .push_bytes = sizeof p,
            .groups = {tuff_flat_groups_of(part, STEP_OWN, tuff_flat_subgroups(device))},
            .in = {in[IN_FACTORS]},
            .flops = rule->flops * p.n};
        for (int i = IN_VALUE; i < N_IN && in[i]; i++) {
            int slot = i - IN_VALUE;
            launch.in[i] = launch.views[slot] = in[i];
            launch.out[slot] = node->out[slot];
            launch.part[slot].offset = at * 4;
            launch.part[slot].size = part * 4;
            launch.bytes_read += 4.0 * p.n;
            launch.bytes_written += 4.0 * p.n;
        }
        tuff_flat_launch(r, launch, kernel, p.t);
    }
}

static void step_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    struct rule rule = rule_of(&attr->optimizer->params);
    if (cpu_fits(r, node)) {
        step_cpu_record(r, node, &rule);
        return;
    }
    uint64_t n = (uint64_t) tuff_elements(node->in[IN_VALUE]);
    char kernel[48];
    snprintf(kernel, sizeof kernel, "optim/step.%s", rule.name);
    struct tuff_optim_step_params p = {
        .value = element(r, node->in[IN_VALUE], 0),
        .grad = element(r, node->in[IN_GRAD], 0),
        .a = element(r, node->in[IN_A], 0),
        .b = element(r, node->in[IN_B], 0),
        .table = tuff_record_store(r)->table.items[attr->chunk].address,
        .factors = tuff_address(r, node->in[IN_FACTORS]),
        .n = (uint32_t) n,
        .beta1 = rule.h[0],
        .beta2 = rule.h[1],
        .eps = rule.h[2]};
    struct tuff_launch_params launch = {.kernel = kernel,
                                        .push = &p,
                                        .push_bytes = sizeof p,
                                        .groups = {tuff_groups(n, TUFF_SEGMENT)},
                                        .flops = rule.flops * (double) n};
    memcpy(launch.in, node->in, sizeof launch.in);
    memcpy(launch.out, node->out, sizeof launch.out);
    tuff_launch(r, &launch);
}

static const struct tuff_op step_op = {
    .name = "optim_step", .record = step_record, .element_flops = 16, .effect = true};

void tuff_flat_step(struct tuff_graph *g, const struct tuff_optimizer *o,
                    struct tuff_tensor *factors, uint32_t chunk)
{
    static const enum tuff_copy copies[] = {TUFF_VALUE, TUFF_GRADIENT, TUFF_STATE_0, TUFF_STATE_1};
    int n = 2 + tuff_optimizer_states(&o->params);
    struct tuff_tensor *in[N_IN] = {factors}, *out[N_IN - 1] = {0};
    for (int i = 0; i < n && g->status == TUFF_OK; i++) {
        in[1 + i] = tuff_use_arena(g, o->store, copies[i], chunk);
        out[i] = g->status == TUFF_OK ? tuff_next_version(in[1 + i]) : NULL;
    }
    tuff_node_add(g, &step_op, in, 1 + n, out, n, &(struct attr) {o, chunk}, sizeof(struct attr));
}

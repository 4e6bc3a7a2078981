/* optim/grad_norm: the global norm of the gradient. */
#include "optim/flat.h"

#include "optim/norm.h"
#include "optim/sumsq.h"
#include "optim/sumsq_cpu.h"

/* Fixed, so that sums have one order on all devices but software ones: groups of 128 invocations, as
 * many as fill the largest GPU, but none that has nothing to sum. */
enum { NORM_GROUPS = 2048, SUMSQ_BLOCK = 2048 /* elements a group at a time */ };
#define SUMSQ_OWN 1024 /* elements a subgroup of the kernel for software devices */

static uint32_t partials_of(uint64_t n)
{
    return (uint32_t) TUFF_MIN(tuff_div_up(n, SUMSQ_BLOCK), NORM_GROUPS);
}

/* Partial sums of n elements: one a subgroup, also of those that have nothing to sum. */
static uint64_t cpu_partials(const struct tuff_device_info *device, uint64_t n)
{
    uint32_t subgroups = tuff_flat_subgroups(device);
    return (uint64_t) tuff_flat_groups_of(n, SUMSQ_OWN, subgroups) * subgroups;
}

static uint64_t norm_scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    uint64_t partials = 0;
    for (int i = 0; i < TUFF_NODE_INPUTS && node->in[i]; i++) {
        uint64_t n = (uint64_t) tuff_elements(node->in[i]);
        uint64_t cpu = tuff_flat_subgroups(device) ? cpu_partials(device, n) : 0;
        partials += TUFF_MAX(cpu, partials_of(n));
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
    uint64_t most = (uint64_t) SUMSQ_OWN * tuff_flat_subgroups(device) * TUFF_FLAT_GROUPS;
    for (uint64_t at = 0; at < n; at += most) {
        uint64_t part = TUFF_MIN(n - at, most);
        struct tuff_sumsq_cpu_params p = {
            .x = tuff_address(r, x) + at * 4, .n = (uint32_t) part, .first = first};
        tuff_flat_launch(r,
                   (struct tuff_launch_params) {
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_flat_groups_of(part, SUMSQ_OWN, tuff_flat_subgroups(device))},
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
                                                 .groups = {partials_of(p.n)},
                                                 .in = {x},
                                                 .writes_scratch = true,
                                                 .flops = 2.0 * p.n});
    return first + partials_of(p.n);
}

static void norm_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor scratch = {.storage = node->scratch};
    bool cpu = tuff_use_cpu_kernels(r) && tuff_flat_subgroups(tuff_record_device(r)) &&
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

struct tuff_tensor *tuff_grad_norm(struct tuff_graph *g, struct tuff_tensor *const *chunks, int n)
{
    struct tuff_tensor *norm = tuff_tensor_new(g, TUFF_F32, 1, (int64_t[]) {1});
    return tuff_node_add(g, &grad_norm_op, chunks, n, &norm, 1, NULL, 0) ? norm : NULL;
}

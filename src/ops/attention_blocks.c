/* ops/attention_blocks: attention and its gradient for software drivers with scalar uniform loads;
 * shaders/attention/blocks.glsl says how. Here is which launches that takes: some (batch row, key
 * head)s at a time, of these a block of queries, of which bands of 64 meet bands of 64 keys. */
#include "ops/attention.h"

#include "attention/combine.h"
#include "attention/pack.h"
#include "attention/scores.h"
#include "attention/sums.h"

enum {
    BAND = TUFF_ATTENTION_BAND,
    SUBGROUPS = 8,     /* a group, of scores and sums; pack has 4 */
    LEAST = 33,        /* queries, keys: where most of a band would be empty, other kernels win */
    WIDE = 129,        /* channels from which on there is no faster kernel */
    MOST_BANDS = 32,   /* of queries in a block */
    MOST_TILES = 4096, /* group numbers have four octal digits */
    SCORES = 4 << 20   /* bytes of p and dS at a time */
};

struct blocks {
    const struct tuff_node *node;
    const struct tuff_attention_call *call;
    uint32_t d, pitch, T, S, group, all_z;
    uint32_t q_bands, k_bands;
    uint32_t z0, z;            /* at work */
    uint32_t block0, block;    /* bands of queries at work */
    uint32_t most_z, most_block;
    int ahead, back;           /* a query at place p sees keys p - back .. p + ahead */
    bool backward;
    uint64_t scratch;          /* its address */
    /* Floats of the scratch: where the first z has them, and floats a z. */
    struct part {
        uint64_t at, z;
    } q, k, v, o, k_panels, v_panels, k_flags, v_flags, q_flags, o_flags, delta, p, ds, stats;
    uint64_t floats;
};

/* A range of bands. */
struct bands {
    uint32_t first, end;
};

static void put(struct blocks *b, struct part *part, uint64_t floats)
{
    part->z = floats;
    part->at = b->floats;
    b->floats += floats * b->most_z;
}

static void place_parts(struct blocks *b)
{
    uint64_t q = (uint64_t) b->group * b->q_bands * BAND, k = (uint64_t) b->k_bands * BAND;
    uint64_t p = (uint64_t) b->group * b->k_bands * b->most_block * BAND * BAND;
    /* Without a backward pass the log-sum-exp stands first. */
    const struct tuff_tensor *lse = b->backward ? NULL : b->node->out[1];
    b->floats = lse && !tuff_needed(lse) ? tuff_align_up((uint64_t) tuff_elements(lse), BAND) : 0;
    put(b, &b->q, q * b->pitch);
    put(b, &b->v, b->backward ? 0 : k * b->pitch);
    put(b, &b->k, b->backward ? k * b->pitch : 0);
    put(b, &b->o, b->backward ? q * b->pitch : 0);
    put(b, &b->k_panels, k * b->d);
    put(b, &b->v_panels, b->backward ? k * b->d : 0);
    put(b, &b->k_flags, k);
    put(b, &b->v_flags, k);
    put(b, &b->q_flags, q);
    put(b, &b->o_flags, q);
    put(b, &b->delta, b->backward ? q : 0);
    put(b, &b->p, p);
    put(b, &b->ds, b->backward ? p : 0);
    put(b, &b->stats, b->backward ? 0 : p / BAND * 2);
}

/* Rows that a group of pack_cpu.rows copies, the fewest that any group has. */
static uint32_t own_rows(int64_t d)
{
    return d <= 64 ? 8 : d <= 128 ? 4 : 2;
}

static bool describe(const struct tuff_node *node, const struct tuff_device_info *device,
                     struct blocks *b)
{
    const struct tuff_attention_attr *attr = node->attr;
    const struct tuff_tensor *q = node->in[ATTENTION_Q], *k = node->in[ATTENTION_K];
    int64_t T = q->dims[1], S = k->dims[1], all = q->dims[0] * attr->kv_heads;
    int64_t most = (int64_t) MOST_TILES * own_rows(attr->head_size);
    /* Of 4 lanes it would take twice the code for as many sums: minutes to compile on SwiftShader. */
    if (!device->uniform_loads || device->subgroup_size != 8 || T < LEAST ||
        S < LEAST || T > most || S > most || all > INT32_MAX / attr->heads ||
        attr->head_size < WIDE)
        return false;
    *b = (struct blocks) {.node = node, .T = (uint32_t) T, .S = (uint32_t) S,
                          .d = (uint32_t) attr->head_size, .all_z = (uint32_t) all,
                          .group = (uint32_t) (attr->heads / attr->kv_heads),
                          .backward = node->in[ATTENTION_DO] != NULL};
    int64_t window = TUFF_MIN(attr->window, 1 << 30), far = T + S;
    b->ahead = (int) (attr->causal ? 0 : window ? TUFF_MIN(window - 1, far) : far);
    b->back = (int) (window ? TUFF_MIN(window - 1, far) : far);
    b->pitch = (uint32_t) tuff_align_up(b->d, 16);
    b->q_bands = (uint32_t) tuff_div_up((uint64_t) T, BAND);
    b->k_bands = (uint32_t) tuff_div_up((uint64_t) S, BAND);
    uint64_t band = (uint64_t) b->group * b->k_bands * BAND * BAND * 4 * (b->backward ? 2 : 1);
    uint64_t bands = TUFF_MAX(SCORES / band, 1);
    b->most_block = (uint32_t) TUFF_MIN(TUFF_MIN(bands, b->q_bands), MOST_BANDS);
    uint64_t z = TUFF_MIN(TUFF_MAX(bands / b->q_bands, 1), MOST_TILES);
    /* As even as they can be. */
    b->most_z = (uint32_t) tuff_div_up(b->all_z, tuff_div_up(b->all_z, TUFF_MIN(z, b->all_z)));
    place_parts(b);
    return true;
}

uint64_t tuff_attention_blocks_scratch(const struct tuff_node *node,
                                       const struct tuff_device_info *device)
{
    struct blocks b;
    return describe(node, device, &b) && b.floats * 4 <= device->max_storage_range / 2
               ? b.floats * 4
               : 0;
}

bool tuff_attention_blocks_fit(const struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_device_info *device = tuff_record_device(r);
    const struct tuff_tensor scratch = {.storage = node->scratch};
    if (!node->scratch || !tuff_use_cpu_kernels(r) || !tuff_attention_blocks_scratch(node, device) ||
        !tuff_storage_view(r, &scratch, 0))
        return false;
    int first = node->in[ATTENTION_DO] ? 2 : 0; /* outputs: o, or q, k and v */
    for (int i = 0; i <= first; i++)
        if (node->out[i] && !tuff_storage_view(r, node->out[i], 0))
            return false;
    return true;
}

/* Bands of keys that the pairs of a band of queries reach, at least one; in the gradient every band
 * of keys is in some. */
static struct bands reach(const struct blocks *b, uint32_t band)
{
    int64_t place = (int64_t) band * BAND + b->S - b->T;
    int64_t last = TUFF_MIN(place + BAND - 1 + b->ahead, (int64_t) b->S - 1);
    int64_t first = TUFF_MIN(TUFF_MAX(place - b->back, 0) / BAND, b->k_bands - 1);
    int64_t end = TUFF_MAX(last < 0 ? 0 : last / BAND + 1, first + 1);
    if (b->backward && band == 0)
        first = 0;
    if (b->backward && band + 1 == b->q_bands)
        end = b->k_bands;
    return (struct bands) {(uint32_t) first, (uint32_t) end};
}

/* Bands of the queries at work that reach a band of keys. */
static struct bands reached(const struct blocks *b, uint32_t key_band)
{
    struct bands x = {b->block0, b->block0};
    for (uint32_t i = b->block0; i < b->block0 + b->block; i++) {
        struct bands keys = reach(b, i);
        if (keys.first > key_band || keys.end <= key_band)
            continue;
        if (x.first == x.end)
            x.first = i;
        x.end = i + 1;
    }
    return x;
}

static void identity(uint32_t t[8])
{
    for (uint32_t i = 0; i < 8; i++)
        t[i] = i;
}

static uint64_t address(const struct blocks *b, struct part part, uint64_t floats)
{
    return b->scratch + (part.at + floats) * 4;
}

static void emit(struct tuff_recorder *r, const struct blocks *b, const char *kernel,
                 const struct tuff_tensor *bound, struct tuff_launch_params *launch)
{
    const struct tuff_tensor scratch = {.storage = b->node->scratch};
    char name[48];
    snprintf(name, sizeof name, "attention/%s.sg%u", kernel, tuff_record_device(r)->subgroup_size);
    launch->kernel = name;
    launch->views[0] = launch->views[1] = bound ? bound : &scratch;
    launch->writes_scratch = !bound;
    launch->reads_scratch = bound != NULL;
    tuff_launch(r, launch);
}

static uint32_t digits(uint32_t groups)
{
    return groups > 512 ? 4 : groups > 64 ? 3 : groups > 8 ? 2 : 1;
}

/* The constants of attention/blocks.glsl, spec[at] and on: of all launches of a kernel the same. */
static void number_digits(const struct blocks *b, uint32_t *spec, uint32_t at, uint32_t rows, uint32_t y)
{
    spec[at] = digits(TUFF_MAX(b->q_bands, b->k_bands) * BAND / rows);
    spec[at + 1] = digits(y);
    spec[at + 2] = digits(b->most_z);
}

/* What is packed: rows of queries, `head` of their z, or of keys. */
struct source {
    const struct tuff_tensor *x;
    uint64_t address;
    const uint32_t *s;
    bool queries;
};

static void pack(struct tuff_recorder *r, const struct blocks *b, const struct source *x,
                 struct part to, struct part flags, bool panels, bool delta)
{
    uint32_t heads = x->queries ? b->group : 1, bands = x->queries ? b->q_bands : b->k_bands;
    uint32_t own = panels ? 16 : own_rows(b->d), columns = panels ? (uint32_t) tuff_div_up(b->d, 16) : 1;
    uint32_t spec[5] = {b->d, delta};
    number_digits(b, spec, 2, own * 4, columns);
    for (uint32_t h = 0; h < heads; h++) {
        struct tuff_attention_pack_params p = {
            .from = x->address + (uint64_t) h * b->d * 4,
            .o = b->call->push.o + (uint64_t) h * b->d * 4,
            .s = {x->s[0], x->s[1], x->s[2] * heads},
            .so = {b->call->shape.so[0], b->call->shape.so[1], b->call->shape.so[2] * heads},
            .Hkv = b->call->shape.Hkv,
            .z0 = b->z0,
            .T = x->queries ? b->T : b->S,
            .to = (uint32_t) (to.at + h * to.z / heads),
            .to_z = (uint32_t) to.z,
            .flags = (uint32_t) (flags.at + h * flags.z / heads),
            .delta = (uint32_t) (b->delta.at + h * flags.z / heads),
            .rows_z = (uint32_t) flags.z};
        identity(p.t);
        double bytes = 4.0 * b->z * p.T * b->d;
        emit(r, b, panels ? "pack_cpu.panels" : "pack_cpu.rows", NULL,
             &(struct tuff_launch_params) {
                 .push = &p,
                 .push_bytes = sizeof p,
                 .groups = {bands * BAND / own / 4, columns, b->z},
                 .spec = spec,
                 .n_spec = TUFF_COUNT(spec),
                 .in = {x->x, delta ? b->node->in[ATTENTION_O] : NULL},
                 .bytes_read = delta ? 2 * bytes : bytes,
                 .bytes_written = bytes});
    }
}

enum scores { FORWARD, KNOWN, GRAD };

/* Queries `rows` against keys `keys`, bands all. */
static void scores(struct tuff_recorder *r, const struct blocks *b, enum scores what, uint32_t head,
                   struct bands rows, struct bands keys)
{
    static const char *const kernels[] = {"scores_cpu.forward", "scores_cpu.known",
                                          "scores_cpu.grad"};
    const struct tuff_attention_attr *attr = b->node->attr;
    const struct tuff_tensor *lse = b->node->in[ATTENTION_LSE];
    struct part a = what == GRAD ? b->o : b->q, panels = what == GRAD ? b->v_panels : b->k_panels;
    struct part to = what == GRAD ? b->ds : b->p;
    uint64_t band = (uint64_t) b->most_block * BAND * BAND; /* floats between bands of keys */
    uint64_t row = (uint64_t) rows.first * BAND, of_head = head * to.z / b->group;
    uint64_t at = of_head + keys.first * band + (row - b->block0 * BAND) * BAND;
    uint64_t of_row = head * b->q_flags.z / b->group; /* what is a row: rows of all queries */
    struct tuff_attention_scores_params p = {
        .a = address(b, a, head * a.z / b->group + row * b->pitch),
        .b = address(b, panels, (uint64_t) keys.first * BAND * b->d),
        .shape = b->call->push.shape,
        .T = b->T,
        .S = b->S,
        .to = (uint32_t) (to.at + at),
        .to_z = (uint32_t) to.z,
        .to_band = (uint32_t) band,
        .other = (uint32_t) (what == FORWARD ? b->stats.at + at / BAND * 2
                             : what == KNOWN ? b->ds.at + at
                                             : b->p.at + at),
        .a_z = (uint32_t) a.z,
        .b_z = (uint32_t) panels.z,
        .row0 = (uint32_t) row,
        .key0 = keys.first * BAND,
        .z0 = b->z0,
        .head = head};
    if (what == FORWARD) {
        p.x = address(b, b->v_flags, p.key0);
        p.x_z = (uint32_t) b->v_flags.z;
    } else if (what == KNOWN) {
        p.x = tuff_address(r, lse) + ((uint64_t) b->z0 * b->group + head) * b->T * 4;
        p.x_z = b->group * b->T;
        p.y = address(b, b->o_flags, of_row);
        p.y_z = (uint32_t) b->o_flags.z;
    } else {
        p.x = address(b, b->p, at);
        p.y = address(b, b->delta, of_row);
        p.y_z = (uint32_t) b->delta.z;
    }
    identity(p.t);
    uint32_t n = (rows.end - rows.first) * BAND, own = b->d <= 64 ? 2 : 1;
    uint32_t spec[10] = {b->d, attr->dropout > 0, 0, 0, attr->softcap > 0, b->node->in[ATTENTION_SLOPES] != NULL,
                         b->node->in[ATTENTION_SEGMENTS] != NULL};
    number_digits(b, spec, 7, own * SUBGROUPS, b->k_bands);
    emit(r, b, kernels[what], NULL,
         &(struct tuff_launch_params) {
             .push = &p,
             .push_bytes = sizeof p,
             .groups = {n / own / SUBGROUPS, keys.end - keys.first, b->z},
             .spec = spec,
             .n_spec = TUFF_COUNT(spec),
             .in = {b->node->in[ATTENTION_VISIBLE], b->node->in[ATTENTION_SEED],
                    b->node->in[ATTENTION_SLOPES], b->node->in[ATTENTION_SEGMENTS],
                    what == KNOWN ? lse : NULL},
             .flops = 2.0 * n * (keys.end - keys.first) * BAND * b->z * b->d,
             .bytes_read = 4.0 * (n + (keys.end - keys.first) * BAND) * b->z * b->d,
             .bytes_written = 4.0 * n * (keys.end - keys.first) * BAND * b->z});
}

/* All scores of the queries at work; bands of keys that the same queries reach in one launch. */
static void all_scores(struct tuff_recorder *r, const struct blocks *b, enum scores what)
{
    for (uint32_t head = 0; head < b->group; head++)
        for (uint32_t first = 0, end; first < b->k_bands; first = end) {
            struct bands rows = reached(b, first);
            for (end = first + 1; end < b->k_bands; end++) {
                struct bands next = reached(b, end);
                if (next.first != rows.first || next.end != rows.end)
                    break;
            }
            if (rows.first < rows.end)
                scores(r, b, what, head, rows, (struct bands) {first, end});
        }
}

static void combine(struct tuff_recorder *r, const struct blocks *b)
{
    uint64_t before = (uint64_t) b->z0 * b->group;
    uint32_t row0 = b->block0 * BAND, rows = TUFF_MIN(b->block * BAND, b->T - row0);
    struct tuff_attention_combine_params p = {
        .stats = address(b, b->stats, 0),
        .lse = b->call->push.lse + before * b->T * 4,
        .heads = b->z * b->group,
        .T = b->T,
        .S = b->S,
        .row0 = row0,
        .rows = rows,
        .block = b->most_block * BAND,
        .bands = b->k_bands,
        .ahead = b->ahead,
        .back = b->back};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = "attention/combine_cpu",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {(uint32_t) tuff_div_up((uint64_t) p.heads * rows, 64)},
                       .out = {NULL, b->node->out[1]},
                       .writes_scratch = true,
                       .bytes_read = 8.0 * p.heads * rows * b->k_bands,
                       .bytes_written = 4.0 * p.heads * rows * (b->k_bands + 1)});
}

/* A sum over a band: which tensor it goes to, and where that is. */
struct target {
    const struct tuff_tensor *c;
    uint64_t address;
    uint32_t at;
    const uint32_t *s;
    bool queries; /* its rows are those of queries */
};

/* Rows `rows` (bands, of queries or keys) of the target (+)= factors a times band `k` of b's rows. */
static void sums(struct tuff_recorder *r, const struct blocks *b, const struct target *c,
                 struct part a, struct part rows_of_b, uint32_t head, struct bands rows, uint32_t k,
                 bool first)
{
    uint64_t band = (uint64_t) b->most_block * BAND * BAND, of_head = head * a.z / b->group;
    uint64_t row = (uint64_t) rows.first * BAND, of_k = (uint64_t) k * BAND;
    uint32_t heads = c->queries ? b->group : 1;
    uint64_t to = row * c->s[1] + (c->queries ? (uint64_t) head * b->d : 0);
    bool forward = !b->backward;
    uint64_t a_at = c->queries ? k * band + (row - b->block0 * BAND) * BAND
                               : rows.first * band + (of_k - b->block0 * BAND) * BAND;
    struct tuff_attention_sums_params p = {
        .a = address(b, a, of_head + a_at),
        .b = address(b, rows_of_b, (c->queries ? 0 : head * rows_of_b.z / b->group) + of_k * b->pitch),
        .w = forward ? address(b, b->stats, (of_head + a_at) / BAND * 2) : 0,
        .c = c->address + to * 4,
        .at = (uint32_t) (c->at + to),
        .s = {c->s[0], c->s[1], c->s[2] * heads},
        .Hkv = b->call->shape.Hkv,
        .z0 = b->z0,
        .rows = (c->queries ? b->T : b->S) - (uint32_t) row,
        .a_z = (uint32_t) a.z,
        .a_band = (uint32_t) band,
        .b_z = (uint32_t) rows_of_b.z,
        .w_z = (uint32_t) b->stats.z,
        .first = first};
    identity(p.t);
    uint32_t n = (rows.end - rows.first) * BAND, spec[5] = {b->d, forward};
    number_digits(b, spec, 2, 8 * SUBGROUPS, b->pitch / 16);
    emit(r, b, c->queries ? "sums_cpu.rows" : "sums_cpu.columns", c->c,
         &(struct tuff_launch_params) {
             .push = &p,
             .push_bytes = sizeof p,
             .groups = {n / 8 / SUBGROUPS, b->pitch / 16, b->z},
             .spec = spec,
             .n_spec = TUFF_COUNT(spec),
             .out = {c->c},
             .flops = 2.0 * n * BAND * b->z * b->d,
             .bytes_read = 4.0 * n * (BAND + b->d) * b->z,
             .bytes_written = 4.0 * n * b->z * b->d});
}

/* One band of keys after another, added to rows of queries. */
static void sum_keys(struct tuff_recorder *r, const struct blocks *b, const struct target *c,
                     struct part a, struct part keys)
{
    for (uint32_t head = 0; head < b->group; head++)
        for (uint32_t k = 0; k < b->k_bands; k++) {
            struct bands all = reached(b, k);
            for (uint32_t i = all.first, end; i < all.end; i = end) {
                bool first = reach(b, i).first == k;
                for (end = i + 1; end < all.end && (reach(b, end).first == k) == first;)
                    end++;
                sums(r, b, c, a, keys, head, (struct bands) {i, end}, k, first);
            }
        }
}

/* The first band of queries that reaches a band of keys. */
static uint32_t first_of(const struct blocks *b, uint32_t key_band)
{
    uint32_t i = 0;
    while (i + 1 < b->q_bands && reach(b, i).end <= key_band)
        i++;
    return i;
}

/* One band of queries after another, and their heads, added to rows of keys. */
static void sum_queries(struct tuff_recorder *r, const struct blocks *b, const struct target *c,
                        struct part a, struct part queries)
{
    for (uint32_t i = b->block0; i < b->block0 + b->block; i++)
        for (uint32_t head = 0; head < b->group; head++) {
            struct bands all = reach(b, i);
            for (uint32_t k = all.first, end; k < all.end; k = end) {
                bool first = !head && first_of(b, k) == i;
                for (end = k + 1; end < all.end && (!head && first_of(b, end) == i) == first;)
                    end++;
                sums(r, b, c, a, queries, head, (struct bands) {k, end}, i, first);
            }
        }
}

static bool start(struct tuff_recorder *r, const struct tuff_node *node,
                  const struct tuff_attention_call *c, struct blocks *b)
{
    if (!describe(node, tuff_record_device(r), b))
        return false;
    b->call = c;
    b->scratch = tuff_scratch_address(r, node);
    return true;
}

/* Walks over the (batch row, key head)s. */
static bool next_z(struct blocks *b)
{
    b->z0 += b->z;
    b->z = TUFF_MIN(b->most_z, b->all_z - b->z0);
    b->block0 = b->block = 0;
    return b->z0 < b->all_z;
}

static bool next_block(struct blocks *b)
{
    b->block0 += b->block;
    b->block = TUFF_MIN(b->most_block, b->q_bands - b->block0);
    return b->block0 < b->q_bands;
}

void tuff_attention_blocks_forward(struct tuff_recorder *r, const struct tuff_node *node,
                                   const struct tuff_attention_call *c)
{
    struct blocks b;
    if (!start(r, node, c, &b))
        return;
    struct source q = {node->in[ATTENTION_Q], c->push.q, c->shape.sq, true};
    struct source k = {node->in[ATTENTION_K], c->push.k, c->shape.sk, false};
    struct source v = {node->in[ATTENTION_V], c->push.v, c->shape.sv, false};
    struct target o = {node->out[0], c->push.o, 4 * c->o_at, c->shape.so, true};
    while (next_z(&b)) {
        pack(r, &b, &q, b.q, b.q_flags, false, false);
        pack(r, &b, &k, b.k_panels, b.k_flags, true, false);
        pack(r, &b, &v, b.v, b.v_flags, false, false);
        while (next_block(&b)) {
            all_scores(r, &b, FORWARD);
            combine(r, &b);
            sum_keys(r, &b, &o, b.p, b.v);
        }
    }
}

void tuff_attention_blocks_backward(struct tuff_recorder *r, const struct tuff_node *node,
                                    const struct tuff_attention_call *c)
{
    const struct tuff_attention_attr *attr = node->attr;
    struct blocks b;
    if (!start(r, node, c, &b))
        return;
    struct source q = {node->in[ATTENTION_Q], c->push.q, c->shape.sq, true};
    struct source k = {node->in[ATTENTION_K], c->push.k, c->shape.sk, false};
    struct source v = {node->in[ATTENTION_V], c->push.v, c->shape.sv, false};
    struct source grad = {node->in[ATTENTION_DO], c->push.dO, c->shape.sdo, true};
    struct tuff_tensor *const *out = node->out;
    struct target dq = {out[0], c->push.dq, 4 * c->dq_at, c->shape.sdq, true};
    struct target dk = {out[attr->packed ? 0 : 1], c->push.dk, 4 * c->dk_at, c->shape.sdk, false};
    struct target dv = {out[attr->packed ? 0 : 2], c->push.dv, 4 * c->dv_at, c->shape.sdv, false};
    while (next_z(&b)) {
        pack(r, &b, &q, b.q, b.q_flags, false, false);
        pack(r, &b, &k, b.k, b.k_flags, false, false);
        pack(r, &b, &grad, b.o, b.o_flags, false, true);
        pack(r, &b, &k, b.k_panels, b.k_flags, true, false);
        pack(r, &b, &v, b.v_panels, b.v_flags, true, false);
        while (next_block(&b)) {
            all_scores(r, &b, KNOWN);
            all_scores(r, &b, GRAD);
            sum_queries(r, &b, &dv, b.p, b.o);
            sum_queries(r, &b, &dk, b.ds, b.q);
            sum_keys(r, &b, &dq, b.ds, b.k);
        }
    }
}

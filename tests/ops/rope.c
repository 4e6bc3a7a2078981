/* rope: both pairings, part of a head, strided rows, positions in any order; its table. */
#include "op_test.h"

struct arg {
    int heads;
    bool interleaved;
    int64_t slice; /* > 0: channels of x that are taken, from channel 4 on */
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    struct tuff_tensor *x = in[0];
    if (a->slice)
        x = tuff_slice(g, x, tuff_rank(x) - 1, 4, a->slice);
    return tuff_rope(g, x, in[1], in[2], .heads = a->heads, .interleaved = a->interleaved);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const struct arg *a = c->arg;
    size_t whole = (size_t) c->in[0].dims[c->in[0].rank - 1], heads = (size_t) a->heads;
    size_t width = a->slice ? (size_t) a->slice : whole, d = width / heads;
    size_t r = (size_t) c->in[1].dims[1], last = (size_t) c->in[1].dims[0] - 1;
    for (size_t row = 0; row < n_y / width; row++)
        for (size_t h = 0; h < heads; h++) {
            const double *x = in[0] + row * whole + (a->slice ? 4 : 0) + h * d;
            const double *t = in[1] + TUFF_MIN((size_t) in[2][row], last) * r;
            double *to = y + row * width + h * d;
            memcpy(to, x, d * sizeof *to);
            for (size_t i = 0; i < r / 2; i++) {
                size_t first = a->interleaved ? 2 * i : i;
                size_t second = a->interleaved ? 2 * i + 1 : i + r / 2;
                to[first] = x[first] * t[i] - x[second] * t[r / 2 + i];
                to[second] = x[second] * t[i] + x[first] * t[r / 2 + i];
            }
        }
}

static const double positions[] = {0, 5, 2, 2, 7, 1, 3, 4, 6, 900};
#define ARG(...) (&(const struct arg) {__VA_ARGS__})
#define POSITIONS(n)                                                                               \
    {.rank = 1, .dims = {n}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = positions}
#define TABLE(n) {.rank = 2, .dims = {8, n}, .constant = true}
#define CASE(label, argument, ...)                                                                 \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 3, .build = build, .ref = ref, .arg = argument}
static const struct ot_case cases[] = {
    CASE("one", ARG(.heads = 1), {2, {1, 2}}, TABLE(2), POSITIONS(1)),
    CASE("halves", ARG(.heads = 3), {3, {2, 5, 48}}, TABLE(16), POSITIONS(10)),
    CASE("interleaved", ARG(.heads = 3, .interleaved = true), {3, {2, 5, 48}}, TABLE(16),
         POSITIONS(10)),
    CASE("part of a head", ARG(.heads = 2), {2, {7, 40}}, TABLE(8), POSITIONS(7)),
    CASE("part, interleaved", ARG(.heads = 2, .interleaved = true), {2, {7, 40}}, TABLE(12),
         POSITIONS(7)),
    CASE("whole heads", ARG(.heads = 3), {3, {2, 5, 192}}, TABLE(64), POSITIONS(10)),
    CASE("whole long heads, strided rows", ARG(.heads = 2, .slice = 256), {3, {2, 4, 264}}, TABLE(128),
         POSITIONS(8)),
    CASE("whole heads of 32", ARG(.heads = 10), {2, {5, 320}}, TABLE(32), POSITIONS(5)),
    CASE("strided rows", ARG(.heads = 2, .slice = 24), {3, {2, 4, 40}}, TABLE(12), POSITIONS(8)),
};

static void bad_table(struct tuff_graph *g)
{
    tuff_rope(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 8}), tuff_fill(g, 1, 2, (int64_t[]) {9, 6}),
              tuff_input(g, "p", TUFF_U32, 1, (int64_t[]) {3}), .heads = 2);
}

static void bad_positions(struct tuff_graph *g)
{
    tuff_rope(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 8}), tuff_fill(g, 1, 2, (int64_t[]) {9, 4}),
              tuff_input(g, "p", TUFF_U32, 1, (int64_t[]) {4}), .heads = 2);
}

static void bad_heads(struct tuff_graph *g)
{
    tuff_rope(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 9}), tuff_fill(g, 1, 2, (int64_t[]) {9, 2}),
              tuff_input(g, "p", TUFF_U32, 1, (int64_t[]) {3}), .heads = 3);
}

static const struct ot_error errors[] = {
    {"table", bad_table, TUFF_E_SHAPE},
    {"positions", bad_positions, TUFF_E_SHAPE},
    {"odd heads", bad_heads, TUFF_E_SHAPE},
};

static void check_table(void)
{
    float table[3 * 4];
    tuff_rope_table(10000, 4, 3, table);
    CHECK(table[0] == 1 && table[2] == 0); /* position 0 turns nothing */
    CHECK(fabs((double) table[2 * 4] - cos(2)) < 1e-7);
    CHECK(fabs((double) table[2 * 4 + 1] - cos(0.02)) < 1e-7);
    CHECK(fabs((double) table[2 * 4 + 3] - sin(0.02)) < 1e-7);
}

int main(int argc, char **argv)
{
    check_table();
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}

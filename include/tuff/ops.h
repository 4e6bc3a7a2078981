/* Ops: functions that add a node to a graph and return its value. PyTorch's names and meanings.
 *
 * All take and return graph-owned tensors; NULL in gives NULL out; a wrong shape or dtype makes the
 * graph's sticky error (TUFF_E_SHAPE, TUFF_E_DTYPE, TUFF_E_RANGE) whose text names op and argument.
 * Every op is differentiable in its float inputs unless it says otherwise. Where F32 is said, F16
 * and BF16 may be given too: an op then computes in F32, rounds its result once to the dtype of its
 * first argument, and gives each value a gradient of its own dtype. F32 all the same are sums,
 * column sums and losses, sums and products of two dtypes, and a matmul that is not told another
 * dtype. All sums are taken in F32 in a fixed order: a device gives the same bits twice. Inputs must be contiguous unless said
 * otherwise; tuff_copy makes them so. N is the number of rows: all axes but the last. */
#ifndef TUFF_OPS_H
#define TUFF_OPS_H

#include "tuff/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- making and moving values ---- */

/* A constant: every element is `value`. F32. cost 4 bytes an element. */
TUFF_API struct tuff_tensor *tuff_fill(struct tuff_graph *g, float value, int rank,
                                       const int64_t *dims);
/* The same elements in the same order under another shape: a view, nothing moves. Rows that stand
 * apart evenly (see pad_rows) stay so when the last axis is kept. */
TUFF_API struct tuff_tensor *tuff_reshape(struct tuff_graph *g, struct tuff_tensor *x, int rank,
                                          const int64_t *dims);
/* Axes in another order: out axis i is x's axis order[i]. A strided view; tuff_copy makes it
 * contiguous. */
TUFF_API struct tuff_tensor *tuff_permute(struct tuff_graph *g, struct tuff_tensor *x,
                                          const int *order);
/* Elements start .. start+length-1 of one axis. A strided view. */
TUFF_API struct tuff_tensor *tuff_slice(struct tuff_graph *g, struct tuff_tensor *x, int axis,
                                        int64_t start, int64_t length);
/* A contiguous copy of any view. cost 8 bytes an element. */
TUFF_API struct tuff_tensor *tuff_copy(struct tuff_graph *g, struct tuff_tensor *x);
/* Joins n tensors, equal but for `axis`, along it. Views allowed. */
TUFF_API struct tuff_tensor *tuff_concat(struct tuff_graph *g, struct tuff_tensor *const *x, int n,
                                         int axis);
/* y = x as another dtype. F32 <-> U32 by value (towards zero; out of range is undefined; no
 * gradient). F32 <-> F16, BF16 to the nearest value, ties to even, beyond the largest to infinity;
 * any view; the gradient is dy as x's dtype. F16 <-> BF16 by way of F32. cost 6 bytes an element. */
TUFF_API struct tuff_tensor *tuff_cast(struct tuff_graph *g, struct tuff_tensor *x,
                                       enum tuff_dtype dtype);
/* y[n, ..] = x[index[n], ..]: rows of the first axis by a U32 index of any shape; an index out of
 * range gives a row of zeros. x F32 [R, ..], y index's shape + x's other axes.
 * grad: through tuff_embedding only; gather itself is not differentiable. */
TUFF_API struct tuff_tensor *tuff_gather(struct tuff_graph *g, struct tuff_tensor *x,
                                         struct tuff_tensor *index);

/* a[index[r], :] = x[r, :] in a variable a [R, W]: mutation, x F32 [N, W] (rows may be strided),
 * index U32 [N] of distinct rows; an index >= R is left out. Returns a's next version. Not
 * differentiable. */
TUFF_API struct tuff_tensor *tuff_scatter(struct tuff_graph *g, struct tuff_tensor *a,
                                          struct tuff_tensor *index, struct tuff_tensor *x);

/* ---- elementwise ---- */

/* y = a + b, y = a * b with NumPy's broadcasting (axes aligned at the end, size 1 stretches).
 * Views allowed. grad: dy (times the other factor), summed over broadcast axes. */
TUFF_API struct tuff_tensor *tuff_add(struct tuff_graph *g, struct tuff_tensor *a,
                                      struct tuff_tensor *b);
TUFF_API struct tuff_tensor *tuff_mul(struct tuff_graph *g, struct tuff_tensor *a,
                                      struct tuff_tensor *b);
/* y = alpha x + beta. */
TUFF_API struct tuff_tensor *tuff_scale(struct tuff_graph *g, struct tuff_tensor *x, float alpha,
                                        float beta);
/* y = max(x, 0); the gradient at 0 is 0. */
TUFF_API struct tuff_tensor *tuff_relu(struct tuff_graph *g, struct tuff_tensor *x);
enum tuff_gelu_form {
    TUFF_GELU_TANH, /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): GPT-2's "gelu_new" */
    TUFF_GELU_ERF   /* 0.5 x (1 + erf(x / sqrt 2)) */
};
/* Hendrycks & Gimpel 2016, arXiv:1606.08415. saves x. */
TUFF_API struct tuff_tensor *tuff_gelu(struct tuff_graph *g, struct tuff_tensor *x,
                                       enum tuff_gelu_form form);
/* y = x / (1 + e^-x), also called swish. saves x. Elfwing et al. 2017, arXiv:1702.03118. */
TUFF_API struct tuff_tensor *tuff_silu(struct tuff_graph *g, struct tuff_tensor *x);
/* y = (e^x - e^-x) / (e^x + e^-x). saves x. */
TUFF_API struct tuff_tensor *tuff_tanh(struct tuff_graph *g, struct tuff_tensor *x);
/* Inverted dropout: y = keep ? x / (1 - p) : 0. The mask is Philox4x32-10 of key seed[0..1] and
 * counter (i / 4, 0, 0, stream), word i mod 4, kept where its upper 24 bits / 2^24 >= p; it is
 * regenerated for the gradient, never stored. seed U32 [2], usually an input that changes every
 * step; stream tells the dropouts of one graph apart. 0 <= p < 1; p = 0 returns x.
 * Srivastava et al. 2014. */
TUFF_API struct tuff_tensor *tuff_dropout(struct tuff_graph *g, struct tuff_tensor *x, float p,
                                          struct tuff_tensor *seed, uint32_t stream);

/* y = x + scale u, u uniform in [-1, 1): 2^-23 times the upper 24 bits of the word that tuff_dropout has for
 * the element, less 1. scale >= 0. grad: x's is dy. */
TUFF_API struct tuff_tensor *tuff_noise(struct tuff_graph *g, struct tuff_tensor *x, float scale,
                                        struct tuff_tensor *seed, uint32_t stream);
/* What DoRA multiplies outputs of a linear layer with: y[o] = magnitude[o] / |row o of W + scale B A|,
 * the length from parts that cost no product of W's size squared: |w + scale b A|^2 = |w|^2 + scale b . (2 A w +
 * scale A A^T b). magnitude [n]; base [n], |w|^2 of each row; b [n, r]; change [n, r] = 2 W A^T + scale B (A
 * A^T). y [n], 0 where a row has no length. Liu et al. 2024, arXiv:2402.09353.
 * grad: magnitude alone, lengths being constants there (section 4.3). saves 1 / lengths. */
TUFF_API struct tuff_tensor *tuff_dora_scale(struct tuff_graph *g, struct tuff_tensor *magnitude,
                                             struct tuff_tensor *base, struct tuff_tensor *b,
                                             struct tuff_tensor *change, float scale);

/* ---- sums ---- */

/* The sum of all elements, shape [1]. */
TUFF_API struct tuff_tensor *tuff_sum(struct tuff_graph *g, struct tuff_tensor *x);
/* Over all axes but the last: [.., C] to [C]. */
TUFF_API struct tuff_tensor *tuff_column_sum(struct tuff_graph *g, struct tuff_tensor *x);
/* Sums the axes that broadcasting `dims` to x's shape would stretch: the reverse of broadcasting.
 * x itself when the shapes are equal. */
TUFF_API struct tuff_tensor *tuff_sum_to(struct tuff_graph *g, struct tuff_tensor *x, int rank,
                                         const int64_t *dims);
/* Adds x to a mutable copy (gradient arena) of a variable: a = a + x. Not differentiable. */
TUFF_API struct tuff_tensor *tuff_accumulate(struct tuff_graph *g, struct tuff_tensor *a,
                                             struct tuff_tensor *x);

/* ---- matmul ---- */

enum tuff_activation {
    TUFF_ACT_NONE,
    TUFF_ACT_GELU_TANH,
    TUFF_ACT_GELU_ERF,
    TUFF_ACT_RELU,
    TUFF_ACT_SILU,
    TUFF_ACT_TANH
};
struct tuff_matmul_args {
    bool transpose_a, transpose_b; /* read a as [.., K, M], b as [.., N, K] */
    float alpha;                   /* 0 counts as 1 */
    struct tuff_tensor *bias;      /* [N] */
    enum tuff_activation activation;
    struct tuff_tensor *residual;  /* y's shape; added last */
    enum tuff_dtype dtype;         /* of y: F32 unless said; half precision is rounded once */
    bool pad_rows;                 /* y's rows stand a multiple of 8 apart (its gradient then suits
                                      wide loads): for consumers that take padded rows */
};
/* y = act(alpha op(a) op(b) + bias) + residual.
 * a [.., M, K] or [.., K, M]; b [.., K, N] or [.., N, K]; leading axes equal, or absent in b (then
 * a's are rows). The last axis of a and b contiguous, others strided. a and b F32, F16 or BF16, each
 * as it likes; sums in F32.
 * grad: a, b, bias, residual; saves a, b and, with an activation, its argument.
 * cost 2 M N K FLOP a batch. */
TUFF_API struct tuff_tensor *tuff_matmul_with(struct tuff_graph *g, struct tuff_tensor *a,
                                              struct tuff_tensor *b,
                                              const struct tuff_matmul_args *args);
#define tuff_matmul(g, a, b, ...)                                                                  \
    tuff_matmul_with(g, a, b, &(const struct tuff_matmul_args) {__VA_ARGS__})

/* ---- rows ---- */

/* y[n, :] = (x[n, :] - mean) rstd weight + bias, rstd = (var + eps)^-1/2, var the mean square
 * deviation. x [.., C], weight and bias [C] (bias may be NULL). eps > 0.
 * saves mean and rstd [N], x. Ba, Kiros, Hinton 2016, arXiv:1607.06450. */
TUFF_API struct tuff_tensor *tuff_layer_norm(struct tuff_graph *g, struct tuff_tensor *x,
                                             struct tuff_tensor *weight, struct tuff_tensor *bias,
                                             float eps);
/* y[n, :] = x[n, :] rstd weight, rstd = (mean of x[n, c]^2 + eps)^-1/2. x [.., C], weight [C].
 * eps > 0. saves rstd [N, 2], x. Zhang & Sennrich 2019, arXiv:1910.07467. */
TUFF_API struct tuff_tensor *tuff_rms_norm(struct tuff_graph *g, struct tuff_tensor *x,
                                           struct tuff_tensor *weight, float eps);
struct tuff_rope_args {
    int heads;
    bool interleaved; /* pairs are channels 2i and 2i + 1; else i and i + R / 2 (rotate_half) */
};
/* Rotary position embedding: pair i of each head's first R channels, (a, b), becomes (a cos - b sin,
 * b cos + a sin) of the angle that row `position` of the table has for it; other channels stay.
 * x F32 [.., H D], D even, rows evenly strided; table F32 [P, R], R <= D even: R / 2 cosines, then
 * as many sines (no gradient); positions U32, one a row of x; one >= P counts as P - 1.
 * grad: the rotation back. Su et al. 2021, arXiv:2104.09864. */
TUFF_API struct tuff_tensor *tuff_rope_with(struct tuff_graph *g, struct tuff_tensor *x,
                                            struct tuff_tensor *table,
                                            struct tuff_tensor *positions,
                                            const struct tuff_rope_args *args);
#define tuff_rope(g, x, table, positions, ...)                                                     \
    tuff_rope_with(g, x, table, positions, &(const struct tuff_rope_args) {__VA_ARGS__})
/* Fills a table [positions, size]: angles p base^(-2 i / size), in double. base is usually 10000. */
TUFF_API void tuff_rope_table(double base, int64_t size, int64_t positions, float *table);
/* y[n, c] = exp(x[n, c] - m) / sum_k exp(x[n, k] - m), m the row's maximum. saves y. */
TUFF_API struct tuff_tensor *tuff_softmax(struct tuff_graph *g, struct tuff_tensor *x);
/* y[n, c] = (x[n, c] - m) - ln sum_k exp(x[n, k] - m), m the row's maximum. saves y. */
TUFF_API struct tuff_tensor *tuff_log_softmax(struct tuff_graph *g, struct tuff_tensor *x);
/* y[.., :] = table[ids[..], :]. table F32 [V, C], ids U32. An id >= V gives a row of zeros.
 * `buckets` (NULL: no gradient) makes the gradient deterministic and proportional to the ids: a
 * U32 tensor [1 + 3 n + 1] the host fills with tuff_embedding_buckets for n = elements of ids. */
TUFF_API struct tuff_tensor *tuff_embedding(struct tuff_graph *g, struct tuff_tensor *table,
                                            struct tuff_tensor *ids, struct tuff_tensor *buckets);
/* Words a `buckets` input for n ids needs, and its filling: count of distinct ids, those ids
 * (padded to n), their starts (n + 1), positions sorted by id then position (n). */
#define TUFF_EMBEDDING_BUCKET_WORDS(n) (2 + 3 * (n))
TUFF_API enum tuff_status tuff_embedding_buckets(struct tuff_ctx *ctx, const uint32_t *ids,
                                                 size_t n, uint32_t *buckets);

#define TUFF_IGNORE 0xffffffffu
struct tuff_cross_entropy_args {
    struct tuff_tensor **rows; /* takes the loss of each row [..], for reading; or NULL */
    float label_smoothing;     /* e, 0 <= e < 1 */
};
/* loss [1] = weight[0] * sum over rows with target != TUFF_IGNORE of -log softmax(logits)[target],
 * and e (logits[target] - mean of the row's logits) more where smoothed by e: that is the cross-entropy
 * with 1 - e + e / V as the target's share and e / V as the others'. Szegedy et al. 2016,
 * arXiv:1512.00567.
 * logits F32 [.., V] whose rows may be padded (row pitch >= V), targets U32 [..], weight F32 [1]
 * (usually 1 / counted tokens, an input; no gradient). A target >= V that is not TUFF_IGNORE counts
 * as ignored.
 * saves logits and the rows' log-sum-exp. grad: logits. */
TUFF_API struct tuff_tensor *tuff_cross_entropy_with(struct tuff_graph *g,
                                                     struct tuff_tensor *logits,
                                                     struct tuff_tensor *targets,
                                                     struct tuff_tensor *weight,
                                                     const struct tuff_cross_entropy_args *args);
#define tuff_cross_entropy(g, logits, targets, weight, ...)                                        \
    tuff_cross_entropy_with(g, logits, targets, weight,                                            \
                            &(const struct tuff_cross_entropy_args) {__VA_ARGS__})

struct tuff_linear_cross_entropy_args {
    int64_t chunk;             /* rows of logits at a time; 0: tuff_linear_cross_entropy_chunk's */
    struct tuff_tensor **rows; /* as tuff_cross_entropy's */
    float label_smoothing;
};

/* tuff_cross_entropy of hidden weight^T, hidden [.., C], weight [V, C], whose logits [.., V] never
 * exist whole: `chunk` rows at a time, forward and in the gradient, where each chunk's are made once
 * more (2 N V C further FLOP). Where tuff_linear_cross_entropy_chunk is 0 the logits are made whole
 * after all. Loss and the gradient of hidden have the same bits for every
 * chunk of at least 32 rows; that of weight is the sum of the chunks' in order, which are added to
 * an accumulated gradient one by one. hidden and weight are F32, or both of one half type: then all
 * products are of halves, logits are F32 sums, their gradient is rounded to that type, and the shares of
 * the weight's gradient are added up in F32. Where they differ both are read as F32. Saves hidden and two
 * numbers a row; no more than two chunks of logits in memory. After Mini-sequence Transformer: Luo et al. 2024, arXiv:2407.15892. */
TUFF_API struct tuff_tensor *tuff_linear_cross_entropy_with(
    struct tuff_graph *g, struct tuff_tensor *hidden, struct tuff_tensor *weight,
    struct tuff_tensor *targets, struct tuff_tensor *scale,
    const struct tuff_linear_cross_entropy_args *args);
#define tuff_linear_cross_entropy(g, hidden, weight, targets, scale, ...)                          \
    tuff_linear_cross_entropy_with(g, hidden, weight, targets, scale,                              \
                                   &(const struct tuff_linear_cross_entropy_args) {__VA_ARGS__})
/* Rows a chunk for so many rows of logits of so large a vocabulary: at most 120 MiB of them, from 4096 rows on
 * 256 MiB; 0: they are small enough to be made whole (512 MiB). */
TUFF_API int64_t tuff_linear_cross_entropy_chunk(int64_t rows, int64_t vocabulary);

/* ---- losses as PyTorch has them ---- */

/* What becomes of the losses of elements: their mean or sum, shape [1], or themselves. BATCHMEAN: the
 * sum by the size of the first axis. */
enum tuff_reduction {
    TUFF_REDUCTION_MEAN,
    TUFF_REDUCTION_SUM,
    TUFF_REDUCTION_NONE,
    TUFF_REDUCTION_BATCHMEAN
};
struct tuff_nll_args {
    enum tuff_reduction reduction; /* MEAN: by the weights w[target] of counted rows, added up */
    struct tuff_tensor *weight;    /* w: F32 [V], one a class; NULL: all 1. No gradient */
    float label_smoothing;         /* e, 0 <= e < 1 */
};
/* Of each row: -(1 - e) w[target] x[target] - e / V sum over c of w[c] x[c]; 0 where the target is
 * TUFF_IGNORE (or >= V). x F32 [.., V] are logarithms of probabilities (tuff_log_softmax), targets U32
 * [..]. Where no row is counted the mean is 0. saves nothing. grad: x. */
TUFF_API struct tuff_tensor *tuff_nll_loss_with(struct tuff_graph *g, struct tuff_tensor *x,
                                                struct tuff_tensor *targets,
                                                const struct tuff_nll_args *args);
#define tuff_nll_loss(g, x, targets, ...)                                                          \
    tuff_nll_loss_with(g, x, targets, &(const struct tuff_nll_args) {__VA_ARGS__})
/* tuff_nll_loss of tuff_log_softmax(logits); or, with targets F32 of the logits' shape, which are
 * probabilities q, of each row -sum over c of w[c] ((1 - e) q[c] + e / V) log_softmax(logits)[c], whose
 * mean is by rows. grad: logits, and q. tuff_cross_entropy is the same in one kernel where there are no
 * weights of classes and the host knows how many targets count. saves log_softmax(logits). */
TUFF_API struct tuff_tensor *tuff_cross_entropy_loss_with(struct tuff_graph *g,
                                                          struct tuff_tensor *logits,
                                                          struct tuff_tensor *targets,
                                                          const struct tuff_nll_args *args);
#define tuff_cross_entropy_loss(g, logits, targets, ...)                                           \
    tuff_cross_entropy_loss_with(g, logits, targets, &(const struct tuff_nll_args) {__VA_ARGS__})
/* target (ln target - x), or exp(target) (target - x) where the target is a logarithm too; x are
 * logarithms of probabilities, of the target's shape. 0 ln 0 is 0. BATCHMEAN gives the divergence
 * proper. saves both. Kullback & Leibler 1951. */
TUFF_API struct tuff_tensor *tuff_kl_div(struct tuff_graph *g, struct tuff_tensor *x,
                                         struct tuff_tensor *target, bool log_target,
                                         enum tuff_reduction reduction);
/* (x - target)^2 of each element; x and target of one shape. saves both. */
TUFF_API struct tuff_tensor *tuff_mse_loss(struct tuff_graph *g, struct tuff_tensor *x,
                                           struct tuff_tensor *target,
                                           enum tuff_reduction reduction);
struct tuff_bce_args {
    enum tuff_reduction reduction;
    struct tuff_tensor *pos_weight; /* p, stretched to x's shape; NULL: 1 */
    struct tuff_tensor *weight;     /* of each loss, stretched to x's shape; NULL: 1 */
};
/* -p target ln s - (1 - target) ln(1 - s), s = 1 / (1 + e^-x), without p taken as max(x, 0) - target x
 * + ln(1 + e^-|x|): finite and exact for logits of any size. Targets are usually in 0 .. 1. x and
 * target of one shape. saves both. */
TUFF_API struct tuff_tensor *
tuff_binary_cross_entropy_with_logits_with(struct tuff_graph *g, struct tuff_tensor *x,
                                           struct tuff_tensor *target,
                                           const struct tuff_bce_args *args);
#define tuff_binary_cross_entropy_with_logits(g, x, target, ...)                                   \
    tuff_binary_cross_entropy_with_logits_with(g, x, target,                                       \
                                               &(const struct tuff_bce_args) {__VA_ARGS__})

/* ---- images: [B, H, W, C], channels together ---- */

struct tuff_conv2d_args {
    int stride;               /* of both axes; 0: 1 */
    int padding;              /* pixels of zeros on each side */
    struct tuff_tensor *bias; /* [O] */
};
/* y[b, i, j, o] = bias[o] + sum over k, l, c of x[b, i s + k - p, j s + l - p, c] w[o, k, l, c], s
 * = stride, p = padding; pixels outside count as 0. x [B, H, W, C], w [O, KH, KW, C], y [B, (H + 2
 * p - KH) / s + 1, (W + 2 p - KW) / s + 1, O]. PyTorch's conv2d, its images [B, C, H, W] and
 * weights [O, C, KH, KW] being stored with channels last, which makes every sum run along memory.
 * grad: x, w, bias. saves x and w. A kernel of 1 x 1 with stride 1 is a matmul.
 * cost 2 O KH KW C FLOP a pixel of y; each gradient the same. LeCun et al. 1989. */
TUFF_API struct tuff_tensor *tuff_conv2d_with(struct tuff_graph *g, struct tuff_tensor *x,
                                              struct tuff_tensor *w,
                                              const struct tuff_conv2d_args *args);
#define tuff_conv2d(g, x, w, ...)                                                                  \
    tuff_conv2d_with(g, x, w, &(const struct tuff_conv2d_args) {__VA_ARGS__})
/* Weights from the layout of files, [O, C, KH, KW] = dims, to that of tuff_conv2d, and back: host
 * memory of the caller, elements as many as dims say, no overlap. */
TUFF_API void tuff_conv2d_weight_from_oihw(const float *oihw, const int64_t dims[4], float *ohwi);
TUFF_API void tuff_conv2d_weight_to_oihw(const float *ohwi, const int64_t dims[4], float *oihw);

/* y = act((x - mean) rstd weight + bias), rstd = (var + eps)^-1/2: mean and variance (mean square
 * deviation) are taken over each image's groups of C / groups neighbouring channels, all positions
 * together. x [B, .., C], weight and bias [C] (bias may be NULL), groups divides C, eps > 0,
 * activation none, silu or relu: fused, its argument is made again for the gradient.
 * saves x and a table [B, 5, C]. cost 12 bytes an element, 28 for the gradient.
 * Wu & He 2018, arXiv:1803.08494. */
TUFF_API struct tuff_tensor *tuff_group_norm(struct tuff_graph *g, struct tuff_tensor *x,
                                             int groups, struct tuff_tensor *weight,
                                             struct tuff_tensor *bias, float eps,
                                             enum tuff_activation activation);
struct tuff_batch_norm_args {
    bool training;                              /* by x's own mean and variance */
    struct tuff_tensor *running_mean, *running_var; /* [C]; while training variables, or NULL */
    float momentum, eps;                        /* PyTorch's defaults are 0.1 and 1e-5 */
    enum tuff_activation activation;            /* as group_norm's */
    struct tuff_tensor **next_mean, **next_var; /* their next versions go here; may be NULL */
};
/* y = act((x - mean) rstd weight + bias) by channel, x [.., C], weight and bias [C] (bias may be
 * NULL). training: mean and variance are those of x's N rows (N > 1), and the running statistics
 * are changed as a version step: running = (1 - momentum) running + momentum new, where the new
 * variance is the unbiased one (N / (N - 1) times the mean square deviation that x is divided by).
 * Else mean and variance are the running statistics, and constants to the gradient.
 * saves x and a table [1, 5, C]. cost as group_norm. Ioffe & Szegedy 2015, arXiv:1502.03167. */
TUFF_API struct tuff_tensor *tuff_batch_norm_with(struct tuff_graph *g, struct tuff_tensor *x,
                                                  struct tuff_tensor *weight,
                                                  struct tuff_tensor *bias,
                                                  const struct tuff_batch_norm_args *args);
#define tuff_batch_norm(g, x, weight, bias, ...)                                                   \
    tuff_batch_norm_with(g, x, weight, bias, &(const struct tuff_batch_norm_args) {__VA_ARGS__})
/* y[b, i, j, c] = the mean of x[b, i s - p + k, j s - p + l, c] over 0 <= k, l < kernel, pixels
 * outside counting as 0 (PyTorch's count_include_pad); s = stride (0: kernel), p = padding, at most
 * kernel / 2. y [B, (H + 2 p - kernel) / s + 1, .., C]; rows and columns that fill no window are
 * left out. Saves nothing. cost 4 bytes an element of x and of y. */
TUFF_API struct tuff_tensor *tuff_avg_pool2d(struct tuff_graph *g, struct tuff_tensor *x,
                                             int kernel, int stride, int padding);
/* y[b, i, j, c] = x[b, i / factor, j / factor, c]: y [B, factor H, factor W, C]. Saves nothing.
 * cost 4 bytes an element of x and of y. */
TUFF_API struct tuff_tensor *tuff_upsample_nearest(struct tuff_graph *g, struct tuff_tensor *x,
                                                   int factor);

/* ---- attention ---- */

struct tuff_attention_args {
    int heads;                    /* H */
    int kv_heads;                 /* 0: as heads; H must be a multiple */
    bool causal;                  /* query i sees keys j <= i + (S - T) */
    float scale;                  /* 0: 1 / sqrt(D) */
    struct tuff_tensor *visible;  /* U32 [B, 2]: first visible key and end; NULL: all keys */
    struct tuff_tensor *segments; /* U32 [B, T, 2], T = S: several texts in a row. First row and end of the
                                     segment each row is of; queries see the keys of their own only.
                                     Neither may fall from row to row. NULL: one segment. Kernels walk
                                     over tiles within segments only */
    int64_t window;               /* > 0: query i, at p = i + S - T, sees keys p - window < j, and
                                     where it is not causal j < p + window */
    float softcap;                /* > 0: scores are softcap tanh(. / softcap) before the bias */
    struct tuff_tensor *slopes;   /* F32 [H], not differentiated: ALiBi adds slopes[h] (j - p) */
    float dropout;                /* of the probabilities */
    struct tuff_tensor *seed;     /* U32 [2], with dropout */
    uint32_t stream;
    struct tuff_tensor *head_mask; /* F32 [H]: factors of the heads' probabilities; differentiated */
    struct tuff_tensor **weights;  /* the probabilities go here (tuff_attention_weights) */
};
/* With k and v NULL, q is packed: [B, T, (H + 2 Hkv) D], queries, then keys, then values.
 * o[b, i, h, :] = sum_j softmax_j(s(i, j)) v[b, j, h', :] over the visible keys, with scores
 * s(i, j) = scale q[b, i, h, :] . k[b, j, h', :], soft-capped and biased if wanted, and h' =
 * h / (H / Hkv) (grouped queries: Ainslie et al. 2023, arXiv:2305.13245). ALiBi: Press et al. 2021,
 * arXiv:2108.12409. q [B, T, H D], k and v [B, S, Hkv D]: usually slices of one packed [B, T, 3 C], so
 * the first two axes may be strided. A query that sees no key gives 0 and no gradient. What stands
 * at keys that a query does not see never reaches it, nor do such queries the keys' gradients, NaN
 * and infinities included; a query that sees one may get NaN in all its channels. o [B, T, H D].
 * saves q, k, v, o and the log-sum-exp [B, H, T]: memory grows with T, not T^2.
 * Dao 2023, arXiv:2307.08691; the gradient is deterministic (no atomics). */
TUFF_API struct tuff_tensor *tuff_attention_with(struct tuff_graph *g, struct tuff_tensor *q,
                                                 struct tuff_tensor *k, struct tuff_tensor *v,
                                                 const struct tuff_attention_args *args);
#define tuff_attention(g, q, k, v, ...)                                                            \
    tuff_attention_with(g, q, k, v, &(const struct tuff_attention_args) {__VA_ARGS__})
/* The probabilities of tuff_attention, [B, H, T, S], after dropout: rows sum to 1 without it, keys
 * that are not visible have 0. With head_mask or weights, tuff_attention itself goes this way (the
 * mask multiplied in): same results to rounding, same dropout mask, and differentiable too, but its
 * memory grows with T S. head_mask and weights mean nothing here.
 * saves the scores [B, H, T, S] and their log-sum-exp. Vaswani et al. 2017, arXiv:1706.03762. */
TUFF_API struct tuff_tensor *tuff_attention_weights_with(struct tuff_graph *g,
                                                         struct tuff_tensor *q,
                                                         struct tuff_tensor *k,
                                                         const struct tuff_attention_args *args);
#define tuff_attention_weights(g, q, k, ...)                                                       \
    tuff_attention_weights_with(g, q, k, &(const struct tuff_attention_args) {__VA_ARGS__})

struct tuff_attention_cached_args {
    int heads, kv_heads;          /* as above */
    float scale;                  /* 0: 1 / sqrt(D) */
    int64_t block;                /* tokens a cache block, a power of two */
    struct tuff_tensor *table;    /* U32 [R, max_blocks]: the row's cache blocks in order */
    struct tuff_tensor *visible;  /* U32 [R]: how many keys the row sees; 0: the row gives 0 */
    int64_t window;               /* > 0: of those the last `window` only */
    float softcap;                /* as above */
    struct tuff_tensor *slopes;   /* F32 [H]: ALiBi, the row's place being its last key's */
};
/* Attention of single queries against a paged cache: row r of q [R, H D] (rows may be strided)
 * sees keys 0 .. visible[r]-1 of its sequence, whose token t stands in row
 * table[r, t / block] * block + t % block of keys and values [blocks * block, Hkv D]. Any mix of
 * sequences and of positions of one sequence: prefill, decode and beams are the same op.
 * Kwon et al. 2023, arXiv:2309.06180. Not differentiable. */
TUFF_API struct tuff_tensor *
tuff_attention_cached_with(struct tuff_graph *g, struct tuff_tensor *q, struct tuff_tensor *keys,
                           struct tuff_tensor *values,
                           const struct tuff_attention_cached_args *args);
#define tuff_attention_cached(g, q, keys, values, ...)                                             \
    tuff_attention_cached_with(g, q, keys, values,                                                 \
                               &(const struct tuff_attention_cached_args) {__VA_ARGS__})

#ifdef __cplusplus
}
#endif
#endif

/* bench_ggml: rates of ggml's matrix product, the peer of `tuff bench matmul --layout nt` on a driver.
 *
 *     cc -O2 -o bench_ggml tools/bench_ggml.c -lggml -lggml-base
 *     GGML_VK_VISIBLE_DEVICES=0 ./bench_ggml DEVICE TYPE MxNxK... (Vulkan0 or CPU; f32, f16 or bf16)
 *
 * ggml takes both operands with k inside (nt). The first run is left out; then runs for half a
 * second, of which the median counts. A tool of developers, not built by cmake: it may exit. */
#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 200 };

static void die(const char *what, const char *which)
{
    fprintf(stderr, "bench_ggml: %s %s\n", what, which);
    exit(1);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

/* Numbers in [-0.5, 0.5), converted to the tensor's type. */
static void fill(struct ggml_tensor *t)
{
    size_t n = (size_t) ggml_nelements(t);
    float *x = malloc(n * sizeof *x);
    unsigned state = 1;
    void *bytes = malloc(ggml_nbytes(t));
    if (!x || !bytes)
        die("out of memory for", ggml_get_name(t));
    for (size_t i = 0; i < n; i++)
        x[i] = (float) ((state = state * 1664525u + 1013904223u) >> 8) / 16777216.0f - 0.5f;
    if (t->type == GGML_TYPE_F16)
        ggml_fp32_to_fp16_row(x, bytes, (int64_t) n);
    else if (t->type == GGML_TYPE_BF16)
        ggml_fp32_to_bf16_row(x, bytes, (int64_t) n);
    else
        memcpy(bytes, x, ggml_nbytes(t));
    ggml_backend_tensor_set(t, bytes, 0, ggml_nbytes(t));
    free(bytes);
    free(x);
}

static void bench(ggml_backend_t backend, enum ggml_type type, const char *shape)
{
    long m, n, k;
    if (sscanf(shape, "%ldx%ldx%ld", &m, &n, &k) != 3 || m < 1 || n < 1 || k < 1)
        die("no shape MxNxK:", shape);
    struct ggml_init_params params = {ggml_tensor_overhead() * 8 + ggml_graph_overhead(), NULL, true};
    struct ggml_context *ctx = ggml_init(params);
    struct ggml_tensor *weights = ggml_new_tensor_2d(ctx, type, k, n);
    struct ggml_tensor *rows = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, k, m);
    struct ggml_cgraph *graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, ggml_mul_mat(ctx, weights, rows));
    if (!ggml_backend_alloc_ctx_tensors(ctx, backend))
        die("no memory for", shape);
    fill(weights);
    fill(rows);
    double seconds[MOST], spent = 0;
    int runs = 0;
    for (int i = 0; i < MOST && (i < 2 || spent < 0.5); i++) {
        int64_t begin = ggml_time_us();
        if (ggml_backend_graph_compute(backend, graph) != GGML_STATUS_SUCCESS)
            die("cannot compute", shape);
        ggml_backend_synchronize(backend);
        double took = (double) (ggml_time_us() - begin) * 1e-6;
        if (i) /* the first one compiles */
            spent += seconds[runs++] = took;
    }
    qsort(seconds, (size_t) runs, sizeof *seconds, compare);
    double median = seconds[runs / 2];
    printf("ggml %s nt %s: %.3f ms median of %d, %.2f GFLOP/s\n", ggml_type_name(type), shape,
           1e3 * median, runs, 2e-9 * (double) m * (double) n * (double) k / median);
    ggml_free(ctx);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        die("usage:", "DEVICE TYPE MxNxK...");
    static const enum ggml_type types[] = {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16};
    size_t type = 0;
    while (type < 3 && strcmp(ggml_type_name(types[type]), argv[2]))
        type++;
    if (type == 3)
        die("no type", argv[2]);
    ggml_time_init();
    ggml_backend_load_all();
    ggml_backend_dev_t device = ggml_backend_dev_by_name(argv[1]);
    ggml_backend_t backend = device ? ggml_backend_dev_init(device, NULL) : NULL;
    if (!backend) {
        for (size_t i = 0; i < ggml_backend_dev_count(); i++)
            fprintf(stderr, "there is %s\n", ggml_backend_dev_name(ggml_backend_dev_get(i)));
        die("no device", argv[1]);
    }
    printf("%s: %s\n", argv[1], ggml_backend_dev_description(device));
    for (int i = 3; i < argc; i++)
        bench(backend, types[type], argv[i]);
    ggml_backend_free(backend);
    return 0;
}

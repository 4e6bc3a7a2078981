/* Times OpenBLAS' sgemm on this machine's cores: the peer of `tuff bench matmul`. Not part of the
 * build, because nothing else here needs a BLAS:
 *
 *   cc -O2 -o build/bench_sgemm tools/bench_sgemm.c -lopenblas     (Debian: libopenblas-dev)
 *   build/bench_sgemm [THREADS]
 *
 * A line a size and layout: GFLOP/s of the median and of the best call after a warm-up, for
 * C[M,N] = op(A)·op(B) with 2·M·N·K operations. */
#define _POSIX_C_SOURCE 200809L
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_CALLS = 4096 };
static const double budget = 1.5; /* seconds a line */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

/* Values in [-1, 1): speed does not depend on them, as long as none is subnormal. */
static float *filled(size_t n)
{
    float *p = malloc(n * sizeof *p);
    for (size_t i = 0; p && i < n; i++)
        p[i] = (float) ((i * 2654435761u >> 8) % 2048) / 1024.0f - 1.0f;
    return p;
}

static int bench(const char *layout, int m, int n, int k)
{
    static double times[MAX_CALLS];
    float *a = filled((size_t) m * k), *b = filled((size_t) k * n), *c = filled((size_t) m * n);
    if (!a || !b || !c) {
        fprintf(stderr, "bench_sgemm: out of memory\n");
        return 1;
    }
    enum CBLAS_TRANSPOSE ta = layout[0] == 't' ? CblasTrans : CblasNoTrans;
    enum CBLAS_TRANSPOSE tb = layout[1] == 't' ? CblasTrans : CblasNoTrans;
    int lda = layout[0] == 't' ? m : k, ldb = layout[1] == 't' ? k : n, calls = 0;
    double begin = 0;
    for (int warm = 3; calls < MAX_CALLS; warm--) {
        double start = now();
        cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1.0f, a, lda, b, ldb, 0.0f, c, n);
        if (warm > 0) {
            begin = now();
            continue;
        }
        times[calls++] = now() - start;
        if (now() - begin > budget)
            break;
    }
    qsort(times, (size_t) calls, sizeof *times, compare);
    double flop = 2.0 * m * n * k;
    printf("%s %dx%dx%d: %.1f GFLOP/s (best %.1f, %d calls)\n", layout, m, n, k,
           flop / times[calls / 2] * 1e-9, flop / times[0] * 1e-9, calls);
    free(a);
    free(b);
    free(c);
    return 0;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 2;
    static const int sizes[][3] = {{2048, 512, 768}, {1024, 1024, 1024}, {512, 512, 512}};
    static const char *const layouts[] = {"nt", "nn", "tn"};
    openblas_set_num_threads(threads);
    printf("%s, %d threads, kernels %s\n", openblas_get_config(), openblas_get_num_threads(),
           openblas_get_corename());
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof layouts / sizeof *layouts; j++)
            if (bench(layouts[j], sizes[i][0], sizes[i][1], sizes[i][2]))
                return 1;
    return 0;
}

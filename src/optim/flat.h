/* optim/flat.h: kernels over the flat arenas: what they share on software devices, and the ops that
 * an optimizer's graph is made of. */
#ifndef TUFF_OPTIM_FLAT_H
#define TUFF_OPTIM_FLAT_H

#include "graph/op.h"
#include "graph/store.h"
#include "tuff/optim.h"

#include <math.h>

/* Subgroups a group of the kernels for software devices; 0 where there are none for the device. */
uint32_t tuff_flat_subgroups(const struct tuff_device_info *device);
/* Groups of n elements, `own` of them a subgroup. */
uint32_t tuff_flat_groups_of(uint64_t n, uint64_t own, uint32_t subgroups);
#define TUFF_FLAT_GROUPS 4096 /* at most: group numbers have three base-16 digits */
/* Adds the device's group size and t[i] = i (matmul/uniform.glsl), and launches. */
void tuff_flat_launch(struct tuff_recorder *r, struct tuff_launch_params launch, const char *kernel,
                      uint32_t t[16]);

#define TUFF_GALORE_RANK_MAX 256

/* What a flat step reads that all its elements share; made once a step. */
enum { TUFF_FACTORS = 56 };

/* Adafactor's states of a parameter: a number a row and one a column; of a vector one an element, and
 * no columns. */
struct tuff_factored {
    struct tuff_variable *parameter, *row, *col;
};

/* Muon's and GaLore's states of a hidden matrix: a [R, C]; or a, b of the projection's shape, and p. */
struct tuff_hidden {
    struct tuff_variable *parameter, *a, *b, *p;
};

struct tuff_optimizer {
    struct tuff_store *store;
    struct tuff_optimizer_params params;
    double *lr;
    int64_t n_corrections;
    struct tuff_variable *applied, *rates, *correction, *groups;
    struct tuff_variable *scale, *norms; /* NULL: none */
    struct tuff_factored *factored; /* Adafactor */
    size_t n_factored;
    struct tuff_hidden *hidden; /* Muon, GaLore */
    size_t n_hidden;
};

/* "optim.<kind>.<parameter>": a state with a shape of its own; transposed: in files. */
enum tuff_status tuff_optimizer_add_state(struct tuff_store *store, const char *kind,
                                          const struct tuff_variable *parameter, int rank,
                                          const int64_t *dims, bool transposed,
                                          struct tuff_variable **state);
/* A matrix that files have the other way. */
bool tuff_optimizer_transposed(const struct tuff_variable *v);

/* The 2-norm of a list of chunks together: [1]. */
struct tuff_tensor *tuff_grad_norm(struct tuff_graph *g, struct tuff_tensor *const *chunks,
                                   int n);
/* The factors of the step that follows `applied` ones: [TUFF_FACTORS]. */
struct tuff_tensor *tuff_optimizer_factors(struct tuff_graph *g, const struct tuff_optimizer *o,
                                           struct tuff_tensor *norm, struct tuff_tensor *applied,
                                           struct tuff_tensor *scale);
/* The step of a chunk of the arenas. */
void tuff_flat_step(struct tuff_graph *g, const struct tuff_optimizer *o,
                    struct tuff_tensor *factors, uint32_t chunk);

/* The norm of gradients that were scaled, unscaled; behind all that reads the scale, its next value. */
struct tuff_tensor *tuff_unscale(struct tuff_graph *g, struct tuff_tensor *norm,
                                 struct tuff_tensor *scale);
void tuff_loss_scale_next(struct tuff_graph *g, struct tuff_tensor *norm, struct tuff_tensor *scale);
/* Values of a chunk of the arenas rounded to half precision. */
void tuff_round_step(struct tuff_graph *g, const struct tuff_optimizer *o, uint32_t chunk);

/* matrix.c: Muon's and GaLore's states, and their steps of the hidden matrices. */
enum tuff_status tuff_matrix_add_states(struct tuff_optimizer *o);
void tuff_matrix_steps(struct tuff_graph *g, const struct tuff_optimizer *o,
                       struct tuff_tensor *factors);
/* GaLore: the matrix is projected from the right. */
bool tuff_galore_right(const struct tuff_variable *v);

/* average.c: the moving average's step of a chunk. */
void tuff_average_step(struct tuff_graph *g, const struct tuff_optimizer *o,
                       struct tuff_tensor *factors, uint32_t chunk);
/* The window of gradient norms; the norm, or infinity where it is an outlier among them. */
enum tuff_status tuff_outlier_add(struct tuff_optimizer *o);
enum tuff_status tuff_outlier_clear(struct tuff_optimizer *o);
struct tuff_tensor *tuff_outlier(struct tuff_graph *g, const struct tuff_optimizer *o,
                                 struct tuff_tensor *norm);

/* Adafactor: its states, of all parameters that the store has, and the steps of all. */
enum tuff_status tuff_adafactor_add_states(struct tuff_optimizer *o);
void tuff_adafactor_steps(struct tuff_graph *g, const struct tuff_optimizer *o,
                          struct tuff_tensor *factors);

#endif

/* models/weights.h: what every model does with its parameters: add, initialise, load, save. */
#ifndef TUFF_MODELS_WEIGHTS_H
#define TUFF_MODELS_WEIGHTS_H

#include "base/base.h"
#include "tuff/graph.h"

#include <math.h>

/* What names of adapters' tensors begin with; of a head beside virtual tokens only with TUFF_PEFT_PREFIX. */
#define TUFF_PEFT_PREFIX "base_model."
#define TUFF_LORA_PREFIX TUFF_PEFT_PREFIX "model."

/* cols 0: a vector of `rows`. frozen: config.frozen_dtype. file: NULL, or the order files have it
 * in. */
enum tuff_status tuff_weight_add(struct tuff_store *store, const char *name, int64_t rows,
                                 int64_t cols, uint32_t group, enum tuff_dtype frozen,
                                 const struct tuff_file_order *file,
                                 struct tuff_variable **variable);
/* Values as floats, of any type, in the order files have. */
enum tuff_status tuff_weight_read(struct tuff_store *store, const struct tuff_variable *v,
                                  enum tuff_copy copy, float *data);
/* tuff_variable_write of elements in the order files have. */
enum tuff_status tuff_weight_write(struct tuff_store *store, struct tuff_variable *v,
                                   enum tuff_copy copy, const float *data);
/* mean + deviation * normal, from stream `stream` of the seed. */
enum tuff_status tuff_weight_init(struct tuff_store *store, struct tuff_variable *v, double mean,
                                  double deviation, uint64_t seed, uint64_t stream);
/* What a checkpoint's names may be besides those of the store. */
struct tuff_weight_names {
    const char *prefix;         /* they may lack it: a base model's do */
    const char *tied;           /* may be there and is not read; NULL: none */
    const char *const *ignored; /* ends of names that are not read; NULL-ended */
    bool some;                  /* the file may lack any of the variables, which stay as they are */
    /* Not NULL: variables of a head (outside the prefix, or the pooler) may be missing, and are added
     * here; tensors of other heads are not read. */
    struct tuff_missing_weights {
        struct tuff_variable **items;
        size_t n, cap;
    } *missing;
};
/* Every trainable or frozen variable of the store from the checkpoint at `path`. Missing, unexpected
 * and misshapen tensors are listed in one error. */
enum tuff_status tuff_weights_load(struct tuff_store *store, const char *path,
                                   const struct tuff_weight_names *names);
/* folder/model.safetensors in F32; names lose `prefix` (""), as those of base models have none. */
enum tuff_status tuff_weights_save(struct tuff_store *store, const char *folder,
                                   const char *prefix);
/* folder/<name>.safetensors: another copy of the same variables (optimizer states), same names. */
enum tuff_status tuff_weights_save_copy(struct tuff_store *store, const char *folder,
                                        const char *name, enum tuff_copy copy);

/* Reads what tuff_weights_save_copy wrote; names and shapes must be equal. */
enum tuff_status tuff_weights_load_copy(struct tuff_store *store, const char *path,
                                        enum tuff_copy copy);

/* A variable of adapters: it is in their files. */
bool tuff_lora_owns(const struct tuff_variable *variable);
/* A weight's name in a model's file. */
const char *tuff_weight_name(const struct tuff_variable *variable);
/* The name in a model's file of what is in one of both; NULL: it is a part of adapters only. */
const char *tuff_lora_saved(const struct tuff_variable *variable);
/* Of a head: outside the base model, whose names begin with `prefix`, or the pooler, which heads bring along. */
bool tuff_weight_of_head(const char *name, const char *prefix);

/* The same of the variables that are selected, whatever their role, alone in their file. */
typedef bool (*tuff_select_fn)(const struct tuff_variable *variable);
enum tuff_status tuff_weights_save_some(struct tuff_store *store, const char *folder,
                                        const char *name, tuff_select_fn select);
enum tuff_status tuff_weights_load_some(struct tuff_store *store, const char *path,
                                        tuff_select_fn select);

/* file_order.c: a copy of n elements in the order of files or of the device; NULL: no memory. */
float *tuff_file_reordered(const struct tuff_file_order *file, const float *from, size_t n, bool to_file);

#endif

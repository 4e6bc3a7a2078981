/* data/samples.h: what encoded texts with labels are, for those that collate them. */
#ifndef TUFF_DATA_SAMPLES_H
#define TUFF_DATA_SAMPLES_H

#include "base/base.h"
#include "tuff/data_loader.h"

enum { SAMPLE_SECOND = 1, SAMPLE_SPECIAL = 2, SAMPLE_INNER = 4 }; /* of the second text; added by the tokenizer;
                                                                     not the first of its word */
struct sample_entry {
    size_t first, n; /* into the arrays */
    uint32_t label;  /* SEQUENCE */
};
struct tuff_samples {
    enum tuff_sample_kind kind;
    struct { uint32_t *items; size_t n, cap; } ids;
    struct { uint32_t *items; size_t n, cap; } labels; /* as many as ids, as marks are */
    struct { uint8_t *items; size_t n, cap; } marks;
    struct { struct sample_entry *items; size_t n, cap; } entries;
    size_t longest;
};

#endif

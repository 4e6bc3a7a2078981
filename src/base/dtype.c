#include "tuff/dtype.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[TUFF_DTYPE_COUNT] = {
    [TUFF_F32] = {"F32", 4}, [TUFF_F16] = {"F16", 2}, [TUFF_BF16] = {"BF16", 2},
    [TUFF_F64] = {"F64", 8}, [TUFF_I64] = {"I64", 8}, [TUFF_I32] = {"I32", 4},
    [TUFF_U32] = {"U32", 4}, [TUFF_I16] = {"I16", 2}, [TUFF_U16] = {"U16", 2},
    [TUFF_I8] = {"I8", 1},   [TUFF_U8] = {"U8", 1},   [TUFF_BOOL] = {"BOOL", 1},
};

size_t tuff_dtype_size(enum tuff_dtype dtype)
{
    return (unsigned) dtype < TUFF_DTYPE_COUNT ? dtypes[dtype].size : 0;
}

const char *tuff_dtype_name(enum tuff_dtype dtype)
{
    return (unsigned) dtype < TUFF_DTYPE_COUNT ? dtypes[dtype].name : "?";
}

bool tuff_dtype_parse(const char *name, enum tuff_dtype *dtype)
{
    for (int i = 0; i < TUFF_DTYPE_COUNT; i++)
        if (!strcmp(name, dtypes[i].name)) {
            *dtype = (enum tuff_dtype) i;
            return true;
        }
    return false;
}

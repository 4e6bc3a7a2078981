/* Shapes that reach every kernel form of softmax and log_softmax. `build` and `ref` are those of the
 * file that includes this; their argument, if there is one, asks for a view (columns first). */
#ifndef SOFTMAX_CASES_H
#define SOFTMAX_CASES_H
#include "op_test.h"

static const double large[] = {1e4, -1e4, 0, 9999, -1e4, -1e4, -1e4, -9999, 1e4, 1e4, 1e4, 1e4};

#define CASE(label, ...) {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref}
#define SOFTMAX_CASES \
    CASE("one", {1, {1}}), \
    CASE("one row", {1, {12}}), \
    CASE("one column", {2, {9, 1}}), \
    CASE("odd", {2, {7, 13}}), \
    CASE("short rows", {3, {3, 67, 32}}), \
    CASE("group", {2, {11, 68}}), \
    CASE("group odd", {2, {11, 257}}), \
    CASE("rows odd", {2, {131, 77}}), \
    CASE("unrolled", {2, {19, 1024}}), \
    CASE("quads", {2, {3, 260}}), \
    CASE("quads, 256 lanes", {2, {2, 4100}}), \
    CASE("quads, not held", {2, {2, 8196}}), \
    /* Where one probability is near 1, dx = y (dy - sum dy y) cancels to a few tenths of dy, but the \
     * rounding of the y that it reads, 1 unit of dy, stays. */ \
    {.name = "spread", .in = {{2, {19, 100}, .scale = 30}}, .n_in = 1, .build = build, .ref = ref, \
     .half_grad_units = 8}, \
    CASE("many rows", {2, {65551, 4}}), \
    CASE("large", {2, {3, 4}, OT_VALUES, .values = large}), \
    {.name = "view", .in = {{2, {36, 10}}}, .n_in = 1, .build = build, .ref = ref, .arg = ""}
#endif

/* mul: equal shapes, broadcasting either way, one element, many. */
#define OP(a, b) ((a) * (b))
#define BUILD tuff_mul
#include "broadcast.h"

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}

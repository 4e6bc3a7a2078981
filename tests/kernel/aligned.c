/* kernel: what is read and written through an address says an alignment, and one that its largest scalar
 * fits (Vulkan's VUID-StandaloneSpirv-PhysicalStorageBuffer64-06314). Looked up in the SPIR-V itself:
 * stock validators are too old to know the rule, and compilers to follow it. */
#include "kernel/kernel.h"
#include "test.h"

enum { INT = 21, FLOAT, VECTOR, MATRIX, ARRAY = 28, RUNTIME_ARRAY, STRUCT, POINTER = 32, VARIABLE = 59,
       LOAD = 61, STORE, ACCESS_CHAIN = 65, IN_BOUNDS_ACCESS_CHAIN, PHYSICAL = 5349, ALIGNED = 2 };

struct module {
    uint32_t *words;
    size_t n;
    size_t *made; /* where an id is made: types, variables and what may be a pointer; 0: elsewhere */
};

#define EACH(m, at) for (size_t at = 5; at < (m)->n; at += (m)->words[at] >> 16)

static void index_ids(struct module *m)
{
    m->made = calloc(m->words[3], sizeof *m->made);
    EACH(m, i) {
        uint32_t op = m->words[i] & 0xffff;
        if ((op >= INT && op <= MATRIX) || (op >= ARRAY && op <= POINTER))
            m->made[m->words[i + 1]] = i;
        if (op == VARIABLE || op == LOAD || op == ACCESS_CHAIN || op == IN_BOUNDS_ACCESS_CHAIN)
            m->made[m->words[i + 2]] = i;
    }
}

/* Bytes of the largest scalar of a type. */
static uint32_t largest(const struct module *m, uint32_t type)
{
    size_t at = m->made[type];
    uint32_t most = 0;
    switch (m->words[at] & 0xffff) {
    case INT:
    case FLOAT:
        return m->words[at + 2] / 8;
    case POINTER:
        return 8;
    case STRUCT:
        for (size_t k = 2; k < m->words[at] >> 16; k++) {
            uint32_t bytes = largest(m, m->words[at + k]);
            most = bytes > most ? bytes : most;
        }
        return most;
    default: /* of elements */
        return largest(m, m->words[at + 2]);
    }
}

/* Loads and stores through addresses; those that are wrong, and where the last load of 8 bytes says its
 * alignment. */
static size_t wrong_ones(const struct module *m, size_t *seen, size_t *wide)
{
    size_t wrong = 0;
    EACH(m, i) {
        uint32_t op = m->words[i] & 0xffff;
        if (op != LOAD && op != STORE)
            continue;
        size_t pointer = m->made[m->words[op == LOAD ? i + 3 : i + 1]];
        size_t type = pointer ? m->made[m->words[pointer + 1]] : 0; /* not one: a function's parameter */
        if (!type || m->words[type + 2] != PHYSICAL)
            continue;
        size_t mask = op == LOAD ? i + 4 : i + 3;
        bool said = mask < i + (m->words[i] >> 16) && m->words[mask] & ALIGNED;
        uint32_t bytes = largest(m, m->words[type + 3]);
        wrong += !said || m->words[mask + 1] % bytes;
        ++*seen;
        if (bytes == 8)
            *wide = mask + 1;
    }
    return wrong;
}

int main(void)
{
    size_t all = 0, wide_ones = 0;
    for (const struct tuff_kernel *k = tuff_kernel_table; k->name; k++) {
        struct module m = {malloc(k->words * 4), k->words, NULL};
        size_t seen = 0, wide = 0;
        memcpy(m.words, k->code, k->words * 4);
        index_ids(&m);
        size_t wrong = wrong_ones(&m, &seen, &wide);
        CHECK_MSG(!wrong, "%s: %zu of %zu", k->name, wrong, seen);
        all += seen;
        if (wide) { /* the check notices */
            wide_ones++;
            m.words[wide] = 4;
            CHECK(wrong_ones(&m, &seen, &wide) == wrong + 1);
        }
        free(m.words);
        free(m.made);
    }
    CHECK_MSG(all > 1000 && wide_ones > 10, "%zu, %zu kernels with addresses in memory", all, wide_ones);
    return test_end();
}

/* text/char_ages: where the tables of Unicode that the Hugging Face library carries are older or
 * newer than those of utf8proc (Unicode 14 or 15): found by asking both about every character. The
 * tables stand where they are used. */
#ifndef TUFF_TEXT_CHAR_AGES_H
#define TUFF_TEXT_CHAR_AGES_H

#include "base/base.h"

struct tuff_char_range {
    uint32_t first, last;
};
static inline bool tuff_char_in(const struct tuff_char_range *ranges, size_t n, uint32_t cp)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle].last < cp)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && ranges[low].first <= cp;
}
#define TUFF_CHAR_IN(ranges, cp) tuff_char_in(ranges, TUFF_COUNT(ranges), cp)

#endif

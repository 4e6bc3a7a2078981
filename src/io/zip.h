/* io/zip: where the files of an uncompressed zip archive lie in memory. Zip64 too. */
#ifndef TUFF_IO_ZIP_H
#define TUFF_IO_ZIP_H

#include "base/base.h"

struct tuff_zip_entry {
    const char *name; /* of the arena; no NUL inside */
    const uint8_t *data;
    size_t size;
};
struct tuff_zip {
    struct tuff_zip_entry *items; /* sorted by name, names unique; of the arena */
    size_t n;
};

/* TUFF_E_UNSUPPORTED for compressed or encrypted entries. Checksums are not looked at: that would
 * read the whole file. APPNOTE.TXT of PKWARE is the format's description. */
enum tuff_status tuff_zip_open(struct tuff_ctx *ctx, const char *path, const uint8_t *bytes,
                               size_t size, struct tuff_arena *arena, struct tuff_zip *zip);
const struct tuff_zip_entry *tuff_zip_find(const struct tuff_zip *zip, const char *name);

#endif

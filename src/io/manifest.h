/* io/manifest: manifest.json of a checkpoint folder: what it must hold, to the bit. */
#ifndef TUFF_MANIFEST_H
#define TUFF_MANIFEST_H

#include "base/base.h"

struct tuff_manifest_file {
    char *path; /* below the folder */
    uint64_t size, hash;
};
struct tuff_manifest {
    struct tuff_manifest_file *items;
    size_t n, cap;
};

/* Lists all files below the folder (an old manifest left out), syncs them and their folders, and
 * hashes them. Zero-initialise; fini also after a failure. */
enum tuff_status tuff_manifest_collect(struct tuff_ctx *ctx, const char *folder,
                                       struct tuff_manifest *manifest);
void tuff_manifest_fini(struct tuff_manifest *manifest);
/* {"format": "tuff checkpoint", "version": 1, "step": N,
 *  "files": {"path": {"size": N, "xxh64": "16 digits"}}}, synced. */
enum tuff_status tuff_manifest_write(struct tuff_ctx *ctx, const char *folder, uint64_t step,
                                     const struct tuff_manifest *manifest);
/* Every file is there with its size and hash. Files that the manifest does not name are nobody's
 * business. step may be NULL. */
enum tuff_status tuff_manifest_verify(struct tuff_ctx *ctx, const char *folder, uint64_t *step);

#endif

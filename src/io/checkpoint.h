/* io/checkpoint: run folders with one folder a saved step.
 *
 *     RUN/step-00000200/   whatever the caller wrote, and manifest.json: size and XXH64 of each
 * file RUN/last, RUN/best   one line each: the name of such a folder
 *
 * A folder is made as step-00000200.tmp and gets its name only when all of it is on disk; after
 * that the one-line files are replaced; after that old folders go. So whatever moment the machine
 * stops at, a complete checkpoint is there, and the newest that verifies is the one to load. One
 * writer a run: the caller holds the run's lock. */
#ifndef TUFF_CHECKPOINT_H
#define TUFF_CHECKPOINT_H

#include "base/base.h"

struct tuff_checkpoint;

/* Makes RUN (where needed) and an empty step-NNNNNNNN.tmp in it. */
enum tuff_status tuff_checkpoint_begin(struct tuff_ctx *ctx, const char *run, uint64_t step,
                                       struct tuff_checkpoint **checkpoint);
/* Path of the folder to write into; files and folders of any depth. Borrowed. */
const char *tuff_checkpoint_folder(const struct tuff_checkpoint *checkpoint);

enum tuff_checkpoint_stage {
    TUFF_CHECKPOINT_SYNCED,   /* files on disk, no manifest */
    TUFF_CHECKPOINT_MANIFEST, /* complete, but under its temporary name */
    TUFF_CHECKPOINT_ASIDE,    /* an older folder of the same step has moved to *.old */
    TUFF_CHECKPOINT_RENAMED,  /* in place, `last` names the one before */
    TUFF_CHECKPOINT_LAST,     /* `last` names it */
    TUFF_CHECKPOINT_BEST,     /* so does `best`, where asked */
    TUFF_CHECKPOINT_STAGES
};

struct tuff_checkpoint_params {
    bool best; /* `best` is to name it too */
    int keep;  /* folders to keep besides those `last` and `best` name; 0: all */
    /* Called after each stage; the tests stop the process there. */
    void (*at_stage)(void *user, enum tuff_checkpoint_stage stage);
    void *user;
};
/* The checkpoint is gone afterwards, whatever is returned, and *checkpoint is NULL. On a failure
 * before the rename nothing of it is left; old folders that cannot be removed are logged only. */
enum tuff_status tuff_checkpoint_commit(struct tuff_checkpoint **checkpoint,
                                        const struct tuff_checkpoint_params *params);
/* Removes the temporary folder. Accepts a pointer to NULL. */
void tuff_checkpoint_abort(struct tuff_checkpoint **checkpoint);

/* Reads every file the manifest names. TUFF_E_FORMAT (or _IO) with the file that differs. */
enum tuff_status tuff_checkpoint_verify(struct tuff_ctx *ctx, const char *folder);

/* The newest folder that verifies; broken ones are passed over with a warning in the log. *folder
 * is the caller's to free, and NULL (with TUFF_OK) when there is none. step may be NULL. */
enum tuff_status tuff_checkpoint_newest(struct tuff_ctx *ctx, const char *run, char **folder,
                                        uint64_t *step);
/* The folder that RUN/<name> ("last" or "best") names, verified. */
enum tuff_status tuff_checkpoint_named(struct tuff_ctx *ctx, const char *run, const char *name,
                                       char **folder, uint64_t *step);
/* What a user means by a folder: the checkpoint that RUN/best names, or RUN/last, or the folder itself. *folder is
 * the caller's to free. */
enum tuff_status tuff_checkpoint_resolve(struct tuff_ctx *ctx, const char *path, char **folder);
/* Removes the folders of steps after this one: for going on from an older checkpoint, so that what
 * it leaves behind is not the newest. With them go the beginnings of files that a killed writer left:
 * a run killed while it drew its last picture saves nothing more that would remove it. */
enum tuff_status tuff_checkpoint_drop_after(struct tuff_ctx *ctx, const char *run, uint64_t step);

#endif

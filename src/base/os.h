/* base/os: everything that asks the operating system. Implemented in os_posix.c only, so that a
 * port is one more file. Paths are UTF-8 byte strings. */
#ifndef TUFF_OS_H
#define TUFF_OS_H

#include "base/base.h"

#include <time.h>

/* A file mapped read-only. Zero-length files map to data = "" and size 0. */
struct tuff_map {
    const uint8_t *data;
    size_t size;
};
enum tuff_status tuff_os_map(struct tuff_ctx *ctx, const char *path, struct tuff_map *map);
void tuff_os_unmap(struct tuff_map *map);

/* The first line of a small file (of /sys) without its end; false: not readable, or empty. */
bool tuff_os_read_small(const char *path, char *text, size_t size);

/* Replaces the file `path` by `size` bytes: written beside it, synced, renamed, folder synced. On
 * failure (a full disk too) the old file is intact and nothing is left behind. */
enum tuff_status tuff_os_write_file(struct tuff_ctx *ctx, const char *path, const void *data,
                                    size_t size);

/* A file being written. Errors are kept until close, which syncs and reports them. */
struct tuff_os_file;
/* append: positions at the end of an existing file; otherwise truncates. */
enum tuff_status tuff_os_open(struct tuff_ctx *ctx, const char *path, bool append,
                              struct tuff_os_file **file);
enum tuff_status tuff_os_write(struct tuff_os_file *file, const void *data, size_t size);
enum tuff_status tuff_os_flush(struct tuff_os_file *file); /* hands buffers to the system */
enum tuff_status tuff_os_close(struct tuff_os_file **file, bool sync);
enum tuff_status tuff_os_truncate(struct tuff_ctx *ctx, const char *path, uint64_t size);

enum tuff_status tuff_os_mkdirs(struct tuff_ctx *ctx, const char *path);
enum tuff_status tuff_os_rename(struct tuff_ctx *ctx, const char *from, const char *to);
enum tuff_status tuff_os_sync_dir(struct tuff_ctx *ctx, const char *path);
/* Renames a finished file over `to` and syncs the folder: after it `to` is the new file for good. */
enum tuff_status tuff_os_replace(struct tuff_ctx *ctx, const char *from, const char *to);
/* Overwrites bytes inside an existing file and syncs it. */
enum tuff_status tuff_os_patch(struct tuff_ctx *ctx, const char *path, uint64_t offset,
                               const void *data, size_t size);
/* Removes a file or a folder with all in it; a missing one is no error. Does not follow links. */
enum tuff_status tuff_os_remove_tree(struct tuff_ctx *ctx, const char *path);
enum tuff_path_kind { TUFF_PATH_NONE, TUFF_PATH_FILE, TUFF_PATH_DIR, TUFF_PATH_OTHER };
enum tuff_path_kind tuff_os_path_kind(const char *path);
bool tuff_os_may_write(const char *path); /* this user may open it for reading and writing */
/* Entry names of a folder (without . and ..), sorted by byte. Free with tuff_os_list_free. */
struct tuff_os_list {
    char **items;
    size_t n, cap;
};
enum tuff_status tuff_os_list(struct tuff_ctx *ctx, const char *path, struct tuff_os_list *list);
void tuff_os_list_free(struct tuff_os_list *list);
/* "a/b" from "a" and "b"; malloc'ed, NULL when exhausted. */
char *tuff_os_path_join(const char *folder, const char *name);

/* Exclusive lock on a file that names its holder. TUFF_E_BUSY with the holder's pid in the text.
 * Dropped by the system when the process dies. */
struct tuff_os_lock;
enum tuff_status tuff_os_lock(struct tuff_ctx *ctx, const char *path, struct tuff_os_lock **lock);
void tuff_os_unlock(struct tuff_os_lock **lock);

/* Makes way for other programs: threads begun from now on too. False: the system refused. */
bool tuff_os_yield_to_others(void);
void tuff_os_sleep(double seconds);
double tuff_os_now(void);          /* seconds, monotonic */
double tuff_os_wall_clock(void);   /* seconds since 1970 */
bool tuff_os_local_time(double clock, struct tm *parts); /* in the user's time zone */
int tuff_os_cpu_count(void);       /* usable by this process, >= 1 */
uint64_t tuff_os_memory_available(void); /* bytes: MemAvailable capped by the cgroup; 0 unknown */
uint64_t tuff_os_peak_rss(void);   /* bytes */
enum tuff_status tuff_os_random(struct tuff_ctx *ctx, void *bytes, size_t size);

struct tuff_thread;
/* The function runs on a new thread; join frees it. */
enum tuff_status tuff_thread_create(struct tuff_ctx *ctx, void (*fn)(void *), void *user,
                                    struct tuff_thread **thread);
void tuff_thread_join(struct tuff_thread **thread);

struct tuff_mutex;
struct tuff_mutex *tuff_mutex_create(void);
void tuff_mutex_destroy(struct tuff_mutex *mutex);
void tuff_mutex_lock(struct tuff_mutex *mutex);
void tuff_mutex_unlock(struct tuff_mutex *mutex);
/* Condition of the mutex itself: one waiting room a mutex is all that is needed here. */
void tuff_mutex_wait(struct tuff_mutex *mutex);
void tuff_mutex_wake_all(struct tuff_mutex *mutex);

#endif

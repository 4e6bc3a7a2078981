/* base/os for POSIX systems. */
#define _GNU_SOURCE
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static enum tuff_status io_error(struct tuff_ctx *ctx, const char *what, const char *path)
{
    int error = errno;
    return tuff_fail(ctx, TUFF_E_IO, "%s: cannot %s: %s", path, what, strerror(error));
}

enum tuff_status tuff_os_map(struct tuff_ctx *ctx, const char *path, struct tuff_map *map)
{
    *map = (struct tuff_map) {(const uint8_t *) "", 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return io_error(ctx, "open", path);
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        if (S_ISDIR(st.st_mode))
            errno = EISDIR;
        enum tuff_status status = io_error(ctx, "read", path);
        close(fd);
        return status;
    }
    if (st.st_size > 0) {
        void *data = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            enum tuff_status status = io_error(ctx, "map", path);
            close(fd);
            return status;
        }
        *map = (struct tuff_map) {data, (size_t) st.st_size};
    }
    close(fd);
    return TUFF_OK;
}

void tuff_os_unmap(struct tuff_map *map)
{
    if (map->size)
        munmap((void *) (uintptr_t) map->data, map->size);
    *map = (struct tuff_map) {0};
}

static bool write_all(int fd, const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, TUFF_MIN(size, (size_t) 1 << 30));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = ENOSPC;
            return false;
        }
        data += n;
        size -= (size_t) n;
    }
    return true;
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t) (slash - path));
}

enum tuff_status tuff_os_write_file(struct tuff_ctx *ctx, const char *path, const void *data,
                                    size_t size)
{
    char *temp = NULL, *folder = parent_of(path);
    enum tuff_status status = TUFF_OK;
    if (!folder || asprintf(&temp, "%s.tmp.%ld", path, (long) getpid()) < 0) {
        free(folder);
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    }
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        status = io_error(ctx, "create", temp);
    } else {
        bool good = write_all(fd, data, size) && fsync(fd) == 0;
        if (!good)
            status = io_error(ctx, "write", path);
        if (close(fd) != 0 && good)
            status = io_error(ctx, "write", path);
        if (status == TUFF_OK && rename(temp, path) != 0)
            status = io_error(ctx, "replace", path);
        if (status != TUFF_OK)
            unlink(temp);
        else
            status = tuff_os_sync_dir(ctx, folder);
    }
    free(temp);
    free(folder);
    return status;
}

struct tuff_os_file {
    struct tuff_ctx *ctx;
    char *path;
    int fd;
    enum tuff_status status;
    size_t n;
    uint8_t buffer[1 << 16];
};

enum tuff_status tuff_os_open(struct tuff_ctx *ctx, const char *path, bool append,
                              struct tuff_os_file **file)
{
    *file = NULL;
    struct tuff_os_file *f = tuff_calloc(1, sizeof *f);
    if (!f || !(f->path = strdup(path))) {
        free(f);
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    }
    f->ctx = ctx;
    f->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);
    if (f->fd < 0) {
        enum tuff_status status = io_error(ctx, "create", path);
        free(f->path);
        free(f);
        return status;
    }
    *file = f;
    return TUFF_OK;
}

enum tuff_status tuff_os_flush(struct tuff_os_file *f)
{
    if (f->status == TUFF_OK && f->n && !write_all(f->fd, f->buffer, f->n))
        f->status = io_error(f->ctx, "write", f->path);
    f->n = 0;
    return f->status;
}

enum tuff_status tuff_os_write(struct tuff_os_file *f, const void *data, size_t size)
{
    if (size > sizeof f->buffer - f->n)
        tuff_os_flush(f);
    if (size >= sizeof f->buffer) {
        if (f->status == TUFF_OK && !write_all(f->fd, data, size))
            f->status = io_error(f->ctx, "write", f->path);
    } else {
        memcpy(f->buffer + f->n, data, size);
        f->n += size;
    }
    return f->status;
}

enum tuff_status tuff_os_close(struct tuff_os_file **file, bool sync)
{
    struct tuff_os_file *f = *file;
    *file = NULL;
    if (!f)
        return TUFF_OK;
    tuff_os_flush(f);
    if (f->status == TUFF_OK && sync && fsync(f->fd) != 0)
        f->status = io_error(f->ctx, "sync", f->path);
    if (close(f->fd) != 0 && f->status == TUFF_OK)
        f->status = io_error(f->ctx, "write", f->path);
    enum tuff_status status = f->status;
    free(f->path);
    free(f);
    return status;
}

enum tuff_status tuff_os_truncate(struct tuff_ctx *ctx, const char *path, uint64_t size)
{
    return truncate(path, (off_t) size) == 0 ? TUFF_OK : io_error(ctx, "truncate", path);
}

enum tuff_status tuff_os_mkdirs(struct tuff_ctx *ctx, const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    enum tuff_status status = TUFF_OK;
    for (char *at = copy + 1; status == TUFF_OK; at++) {
        if (*at != '/' && *at)
            continue;
        char kept = *at;
        *at = 0;
        if (mkdir(copy, 0777) != 0 && (errno != EEXIST || tuff_os_path_kind(copy) != TUFF_PATH_DIR))
            status = io_error(ctx, "create folder", copy);
        *at = kept;
        if (!kept)
            break;
    }
    free(copy);
    return status;
}

enum tuff_status tuff_os_rename(struct tuff_ctx *ctx, const char *from, const char *to)
{
    return rename(from, to) == 0 ? TUFF_OK : io_error(ctx, "rename", from);
}

enum tuff_status tuff_os_sync_dir(struct tuff_ctx *ctx, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return io_error(ctx, "open folder", path);
    /* Some file systems cannot sync a folder and say EINVAL: nothing is lost by that. */
    enum tuff_status status =
        fsync(fd) == 0 || errno == EINVAL ? TUFF_OK : io_error(ctx, "sync folder", path);
    close(fd);
    return status;
}

enum tuff_status tuff_os_replace(struct tuff_ctx *ctx, const char *from, const char *to)
{
    char *folder = parent_of(to);
    if (!folder)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", to);
    enum tuff_status status =
        rename(from, to) == 0 ? tuff_os_sync_dir(ctx, folder) : io_error(ctx, "replace", to);
    free(folder);
    return status;
}

enum tuff_status tuff_os_patch(struct tuff_ctx *ctx, const char *path, uint64_t offset,
                               const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return io_error(ctx, "open", path);
    enum tuff_status status = TUFF_OK;
    if (lseek(fd, (off_t) offset, SEEK_SET) < 0 || !write_all(fd, data, size) || fsync(fd) != 0)
        status = io_error(ctx, "write", path);
    if (close(fd) != 0 && status == TUFF_OK)
        status = io_error(ctx, "write", path);
    return status;
}

enum tuff_path_kind tuff_os_path_kind(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return TUFF_PATH_NONE;
    if (S_ISDIR(st.st_mode))
        return TUFF_PATH_DIR;
    return S_ISREG(st.st_mode) ? TUFF_PATH_FILE : TUFF_PATH_OTHER;
}

bool tuff_os_may_write(const char *path)
{
    return access(path, R_OK | W_OK) == 0;
}

enum tuff_status tuff_os_remove_tree(struct tuff_ctx *ctx, const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? TUFF_OK : io_error(ctx, "look at", path);
    if (!S_ISDIR(st.st_mode))
        return unlink(path) == 0 ? TUFF_OK : io_error(ctx, "remove", path);
    struct tuff_os_list list = {0};
    enum tuff_status status = tuff_os_list(ctx, path, &list);
    for (size_t i = 0; i < list.n && status == TUFF_OK; i++) {
        char *child = tuff_os_path_join(path, list.items[i]);
        status = child ? tuff_os_remove_tree(ctx, child)
                       : tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
        free(child);
    }
    tuff_os_list_free(&list);
    if (status == TUFF_OK && rmdir(path) != 0)
        status = io_error(ctx, "remove", path);
    return status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

enum tuff_status tuff_os_list(struct tuff_ctx *ctx, const char *path, struct tuff_os_list *list)
{
    *list = (struct tuff_os_list) {0};
    DIR *dir = opendir(path);
    if (!dir)
        return io_error(ctx, "list", path);
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        char **slot = TUFF_PUSH(list);
        if (!slot || !(*slot = strdup(entry->d_name))) {
            closedir(dir);
            tuff_os_list_free(list);
            return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
        }
    }
    closedir(dir);
    if (list->n)
        qsort(list->items, list->n, sizeof *list->items, by_name);
    return TUFF_OK;
}

void tuff_os_list_free(struct tuff_os_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct tuff_os_list) {0};
}

char *tuff_os_path_join(const char *folder, const char *name)
{
    char *path = NULL;
    size_t n = strlen(folder);
    if (asprintf(&path, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name) < 0)
        return NULL;
    return path;
}

struct tuff_os_lock {
    int fd;
};

enum tuff_status tuff_os_lock(struct tuff_ctx *ctx, const char *path, struct tuff_os_lock **lock)
{
    *lock = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return io_error(ctx, "create lock", path);
    char holder[32] = "";
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = read(fd, holder, sizeof holder - 1);
        holder[TUFF_MAX(n, 0)] = 0;
        close(fd);
        return tuff_fail(ctx, TUFF_E_BUSY, "%s: in use by process %s", path,
                         holder[0] ? holder : "(unknown)");
    }
    int n = snprintf(holder, sizeof holder, "%ld", (long) getpid());
    struct tuff_os_lock *made = tuff_calloc(1, sizeof *made);
    if (!made || ftruncate(fd, 0) != 0 || !write_all(fd, (const uint8_t *) holder, (size_t) n)) {
        enum tuff_status status = io_error(ctx, "write", path);
        free(made);
        close(fd);
        return status;
    }
    made->fd = fd;
    *lock = made;
    return TUFF_OK;
}

void tuff_os_unlock(struct tuff_os_lock **lock)
{
    if (*lock) {
        close((*lock)->fd);
        free(*lock);
        *lock = NULL;
    }
}

static double clock_seconds(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

bool tuff_os_read_small(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    return *text != 0;
}

bool tuff_os_yield_to_others(void)
{
    return setpriority(PRIO_PROCESS, 0, 10) == 0;
}

void tuff_os_sleep(double seconds)
{
    struct timespec left = {(time_t) seconds, (long) ((seconds - (double) (time_t) seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

double tuff_os_now(void)
{
    return clock_seconds(CLOCK_MONOTONIC);
}

double tuff_os_wall_clock(void)
{
    return clock_seconds(CLOCK_REALTIME);
}

bool tuff_os_local_time(double clock, struct tm *parts)
{
    time_t t = (time_t) clock;
    return localtime_r(&t, parts) != NULL;
}

int tuff_os_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int) n : 1;
}

static uint64_t number_after(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    char line[256];
    unsigned long long value = 0;
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), "%llu", &value) == 1)
            break;
    fclose(file);
    return value;
}

uint64_t tuff_os_memory_available(void)
{
    uint64_t bytes = number_after("/proc/meminfo", "MemAvailable:") * 1024;
    uint64_t limit = number_after("/sys/fs/cgroup/memory.max", "");
    uint64_t used = number_after("/sys/fs/cgroup/memory.current", "");
    if (limit && limit > used && (!bytes || limit - used < bytes))
        bytes = limit - used;
    return bytes;
}

uint64_t tuff_os_peak_rss(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t) usage.ru_maxrss * 1024 : 0;
}

enum tuff_status tuff_os_random(struct tuff_ctx *ctx, void *bytes, size_t size)
{
    return getrandom(bytes, size, 0) == (ssize_t) size ? TUFF_OK
                                                       : io_error(ctx, "read", "random source");
}

struct tuff_thread {
    pthread_t id;
    void (*fn)(void *);
    void *user;
};

static void *thread_main(void *arg)
{
    struct tuff_thread *thread = arg;
    thread->fn(thread->user);
    return NULL;
}

enum tuff_status tuff_thread_create(struct tuff_ctx *ctx, void (*fn)(void *), void *user,
                                    struct tuff_thread **thread)
{
    struct tuff_thread *t = tuff_calloc(1, sizeof *t);
    *thread = NULL;
    if (!t)
        return tuff_fail(ctx, TUFF_E_NOMEM, "thread: out of host memory");
    t->fn = fn;
    t->user = user;
    int error = pthread_create(&t->id, NULL, thread_main, t);
    if (error) {
        free(t);
        return tuff_fail(ctx, TUFF_E_NOMEM, "cannot start a thread: %s", strerror(error));
    }
    *thread = t;
    return TUFF_OK;
}

void tuff_thread_join(struct tuff_thread **thread)
{
    if (*thread) {
        pthread_join((*thread)->id, NULL);
        free(*thread);
        *thread = NULL;
    }
}

struct tuff_mutex {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
};

struct tuff_mutex *tuff_mutex_create(void)
{
    struct tuff_mutex *mutex = tuff_calloc(1, sizeof *mutex);
    if (mutex) {
        pthread_mutex_init(&mutex->mutex, NULL);
        pthread_cond_init(&mutex->cond, NULL);
    }
    return mutex;
}

void tuff_mutex_destroy(struct tuff_mutex *mutex)
{
    if (mutex) {
        pthread_mutex_destroy(&mutex->mutex);
        pthread_cond_destroy(&mutex->cond);
        free(mutex);
    }
}

void tuff_mutex_lock(struct tuff_mutex *mutex)
{
    pthread_mutex_lock(&mutex->mutex);
}

void tuff_mutex_unlock(struct tuff_mutex *mutex)
{
    pthread_mutex_unlock(&mutex->mutex);
}

void tuff_mutex_wait(struct tuff_mutex *mutex)
{
    pthread_cond_wait(&mutex->cond, &mutex->mutex);
}

void tuff_mutex_wake_all(struct tuff_mutex *mutex)
{
    pthread_cond_broadcast(&mutex->cond);
}

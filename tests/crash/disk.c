/* What a process does to the files under one directory, logged and, if told to, refused.

   Preloaded (LD_PRELOAD) between a process and the C library. SQLite inside apsw, and Python, change files by the
   calls below and by no others: neither writes through mapped memory (but to a -shm, which means nothing after a
   power cut). sendfile and copy_file_range are refused, so that who copies files falls back to write.

   Environment: DISK_ROOT, the directory; DISK_LOG, a file that records are appended to (disk_log.py reads them);
   DISK_FAULT, a file that is mapped as `struct fault` (faulty_disk.py writes it). Each of the last two may lack.

   A call that changes something and its record are one step to the threads of this process; other processes append
   to the same log, and their records stand in the order in which they are allowed to touch the files. An fsync has
   two records: it makes durable what was written before it began, by the time at which it has ended. In a process
   that is logged it takes a millisecond and does nothing else: what a power cut leaves is told from the log. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

enum { MAX_FILES = 65536, SYNC_MICROSECONDS = 1000 };

/* Kinds of records; disk_log.py has the same. */
enum { CREATE = 1, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, RENAME, UNLINK, MAKE_FOLDER, REMOVE_FOLDER };

/* Calls that can be refused, as bits; faulty_disk.py has the same. */
enum { CALL_OPEN = 1, CALL_WRITE = 2, CALL_SYNC = 4, CALL_RENAME = 8, CALL_UNLINK = 16, CALL_TRUNCATE = 32 };

struct record {
    uint64_t inode;  /* of the file or folder that changes */
    uint64_t offset; /* where a WRITE begins, the size a TRUNCATE leaves, the number of an fsync */
    uint32_t kind;
    uint32_t length; /* of what follows: what is written, or paths below the root, each ended by a NUL */
};

struct fault {
    _Atomic uint32_t armed;
    uint32_t calls;
    uint32_t error;
    _Atomic int32_t skip;  /* so many calls still pass */
    _Atomic int32_t times; /* so many fail then; -1: all */
    _Atomic uint32_t hits; /* so many have failed */
    uint32_t delay;        /* microseconds before a call fails: others queue up behind it */
    char pattern[256];     /* of the path below the root */
};

struct watched {
    uint64_t inode;
    char path[PATH_MAX];
};

static char root[PATH_MAX];
static size_t root_length;
static int log_file = -1;
static struct fault *fault;
static struct watched *files[MAX_FILES]; /* by descriptor */
static pthread_mutex_t step = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t last_sync;

__attribute__((constructor)) static void begin(void) {
    const char *directory = getenv("DISK_ROOT"), *log = getenv("DISK_LOG"), *control = getenv("DISK_FAULT");
    if (directory == NULL)
        return;
    snprintf(root, sizeof root, "%s/", directory);
    root_length = strlen(root);
    last_sync = (uint64_t)getpid() << 32; /* numbers of several processes differ */
    if (log != NULL)
        log_file = REAL(open)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (control != NULL) {
        int descriptor = REAL(open)(control, O_RDWR | O_CLOEXEC);
        void *mapped = mmap(NULL, sizeof *fault, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        fault = mapped == MAP_FAILED ? NULL : mapped;
    }
    if ((log != NULL && log_file < 0) || (control != NULL && fault == NULL)) {
        perror("disk.c");
        abort();
    }
}

/* The path below the root, "" for the root itself; NULL for what is elsewhere. */
static const char *below(int folder, const char *path, char *whole) {
    char link[64], base[PATH_MAX] = "";
    if (root_length == 0 || path == NULL)
        return NULL;
    if (path[0] == '/') {
        snprintf(whole, PATH_MAX, "%s/", path);
    } else {
        if (folder == AT_FDCWD) {
            if (getcwd(base, sizeof base) == NULL)
                return NULL;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length < 0)
                return NULL;
            base[length] = 0;
        }
        if (snprintf(whole, PATH_MAX, "%s/%s/", base, path) >= PATH_MAX)
            return NULL;
    }
    if (strncmp(whole, root, root_length) != 0)
        return NULL;
    whole[strlen(whole) - 1] = 0;
    return strlen(whole) < root_length ? "" : whole + root_length;
}

static struct watched *file_of(int descriptor) {
    return descriptor >= 0 && descriptor < MAX_FILES ? files[descriptor] : NULL;
}

static void append(uint32_t kind, uint64_t inode, uint64_t offset, const void *data, size_t length) {
    struct record record = {inode, offset, kind, (uint32_t)length};
    struct iovec parts[] = {{&record, sizeof record}, {(void *)data, length}};
    if (log_file >= 0 && REAL(writev)(log_file, parts, 2) != (ssize_t)(sizeof record + length)) {
        perror("disk.c: the log"); /* half a record would make nonsense of what follows */
        abort();
    }
}

/* Whether a call is to fail now: -1, with errno, or 0. */
static int refused(uint32_t call, const char *path) {
    if (fault == NULL || path == NULL || !fault->armed || !(fault->calls & call))
        return 0;
    if (fnmatch(fault->pattern, path, 0) != 0 || atomic_fetch_sub(&fault->skip, 1) > 0)
        return 0;
    for (int32_t left = fault->times; left >= 0;)
        if (left == 0)
            return 0;
        else if (atomic_compare_exchange_weak(&fault->times, &left, left - 1))
            break;
    atomic_fetch_add(&fault->hits, 1);
    usleep(fault->delay);
    errno = (int)fault->error;
    return -1;
}

static uint64_t inode_of(int descriptor) {
    struct stat found;
    return fstat(descriptor, &found) == 0 ? found.st_ino : 0;
}

/* Whoever creates a file is told from who finds it by O_EXCL, which holds between processes, too. */
static int opened(int folder, const char *name, int flags, mode_t mode) {
    int (*real)(int, const char *, int, ...) = REAL(openat64);
    char whole[PATH_MAX];
    const char *path = below(folder, name, whole);
    if (path == NULL)
        return real(folder, name, flags, mode);
    if (refused(CALL_OPEN, path))
        return -1;
    pthread_mutex_lock(&step);
    int is_new = 0, descriptor = -1;
    if (flags & O_CREAT && (flags & O_TMPFILE) != O_TMPFILE) {
        descriptor = real(folder, name, flags | O_EXCL, mode);
        is_new = descriptor >= 0;
        if (!is_new && errno == EEXIST && !(flags & O_EXCL))
            descriptor = real(folder, name, flags, mode);
    } else {
        descriptor = real(folder, name, flags, mode);
    }
    int error = errno;
    if (descriptor >= 0 && descriptor < MAX_FILES) {
        struct watched *file = malloc(sizeof *file);
        file->inode = inode_of(descriptor);
        snprintf(file->path, sizeof file->path, "%s", path);
        free(files[descriptor]);
        files[descriptor] = file;
        if (is_new)
            append(CREATE, file->inode, 0, path, strlen(path) + 1);
        else if (flags & O_TRUNC)
            append(TRUNCATE, file->inode, 0, NULL, 0);
    }
    pthread_mutex_unlock(&step);
    errno = error;
    return descriptor;
}

#define MODE(flags, mode)                                                                                    \
    mode_t mode = 0;                                                                                         \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                                     \
        va_list rest;                                                                                        \
        va_start(rest, flags);                                                                               \
        mode = va_arg(rest, mode_t);                                                                         \
        va_end(rest);                                                                                        \
    }

EXPORT int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    return opened(AT_FDCWD, path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    return opened(AT_FDCWD, path, flags, mode);
}

EXPORT int openat(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    return opened(folder, path, flags, mode);
}

EXPORT int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags, mode)
    return opened(folder, path, flags, mode);
}

EXPORT int close(int descriptor) {
    struct watched *file = file_of(descriptor);
    if (file != NULL) {
        files[descriptor] = NULL;
        free(file);
    }
    return REAL(close)(descriptor);
}

EXPORT ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = REAL(pwrite64);
    struct watched *file = file_of(descriptor);
    if (file == NULL)
        return real(descriptor, data, size, offset);
    if (refused(CALL_WRITE, file->path))
        return -1;
    pthread_mutex_lock(&step);
    ssize_t written = real(descriptor, data, size, offset);
    int error = errno;
    if (written > 0)
        append(WRITE, file->inode, (uint64_t)offset, data, (size_t)written);
    pthread_mutex_unlock(&step);
    errno = error;
    return written;
}

EXPORT ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
    return pwrite64(descriptor, data, size, offset);
}

EXPORT ssize_t write(int descriptor, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t) = REAL(write);
    struct watched *file = file_of(descriptor);
    if (file == NULL)
        return real(descriptor, data, size);
    if (refused(CALL_WRITE, file->path))
        return -1;
    pthread_mutex_lock(&step);
    off_t offset = lseek(descriptor, 0, fcntl(descriptor, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    ssize_t written = real(descriptor, data, size);
    int error = errno;
    if (written > 0)
        append(WRITE, file->inode, (uint64_t)offset, data, (size_t)written);
    pthread_mutex_unlock(&step);
    errno = error;
    return written;
}

EXPORT ssize_t sendfile64(int out, int in, off64_t *offset, size_t size) {
    ssize_t (*real)(int, int, off64_t *, size_t) = REAL(sendfile64);
    return file_of(out) == NULL ? real(out, in, offset, size) : (errno = EINVAL, -1);
}

EXPORT ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
    ssize_t (*real)(int, off64_t *, int, off64_t *, size_t, unsigned) = REAL(copy_file_range);
    return file_of(out) == NULL ? real(in, from, out, to, size, flags) : (errno = EINVAL, -1);
}

EXPORT int ftruncate64(int descriptor, off64_t size) {
    int (*real)(int, off64_t) = REAL(ftruncate64);
    struct watched *file = file_of(descriptor);
    if (file == NULL)
        return real(descriptor, size);
    if (refused(CALL_TRUNCATE, file->path))
        return -1;
    pthread_mutex_lock(&step);
    int result = real(descriptor, size), error = errno;
    if (result == 0)
        append(TRUNCATE, file->inode, (uint64_t)size, NULL, 0);
    pthread_mutex_unlock(&step);
    errno = error;
    return result;
}

EXPORT int ftruncate(int descriptor, off_t size) {
    return ftruncate64(descriptor, size);
}

static int synced(int descriptor, int (*real)(int)) {
    struct watched *file = file_of(descriptor);
    if (file == NULL)
        return real(descriptor);
    if (refused(CALL_SYNC, file->path))
        return -1;
    if (log_file < 0)
        return real(descriptor);
    uint64_t number = atomic_fetch_add(&last_sync, 1) + 1, inode = file->inode;
    pthread_mutex_lock(&step);
    append(SYNC_BEGIN, inode, number, NULL, 0);
    pthread_mutex_unlock(&step);
    usleep(SYNC_MICROSECONDS);
    pthread_mutex_lock(&step);
    append(SYNC_END, inode, number, NULL, 0);
    pthread_mutex_unlock(&step);
    return 0;
}

EXPORT int fsync(int descriptor) {
    return synced(descriptor, REAL(fsync));
}

EXPORT int fdatasync(int descriptor) {
    return synced(descriptor, REAL(fdatasync));
}

/* A change of names: `result` of the real call, and its record. */
#define NAMES(call, path, kind, inode, action, data, length)                                                 \
    if (refused(call, path))                                                                                 \
        return -1;                                                                                           \
    pthread_mutex_lock(&step);                                                                               \
    int result = action, error = errno;                                                                      \
    if (result == 0)                                                                                         \
        append(kind, inode, 0, data, length);                                                                \
    pthread_mutex_unlock(&step);                                                                             \
    errno = error;                                                                                           \
    return result;

EXPORT int renameat(int old_folder, const char *old, int new_folder, const char *new) {
    int (*real)(int, const char *, int, const char *) = REAL(renameat);
    char old_whole[PATH_MAX], new_whole[PATH_MAX], both[2 * PATH_MAX];
    const char *from = below(old_folder, old, old_whole), *to = below(new_folder, new, new_whole);
    if (from == NULL || to == NULL)
        return real(old_folder, old, new_folder, new);
    size_t first = strlen(from) + 1, second = strlen(to) + 1;
    memcpy(both, from, first);
    memcpy(both + first, to, second);
    NAMES(CALL_RENAME, to, RENAME, 0, real(old_folder, old, new_folder, new), both, first + second)
}

EXPORT int rename(const char *old, const char *new) {
    return renameat(AT_FDCWD, old, AT_FDCWD, new);
}

EXPORT int unlinkat(int folder, const char *name, int flags) {
    int (*real)(int, const char *, int) = REAL(unlinkat);
    char whole[PATH_MAX];
    const char *path = below(folder, name, whole);
    if (path == NULL)
        return real(folder, name, flags);
    uint32_t kind = flags & AT_REMOVEDIR ? REMOVE_FOLDER : UNLINK;
    NAMES(CALL_UNLINK, path, kind, 0, real(folder, name, flags), path, strlen(path) + 1)
}

EXPORT int unlink(const char *path) {
    return unlinkat(AT_FDCWD, path, 0);
}

EXPORT int rmdir(const char *path) {
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

EXPORT int mkdirat(int folder, const char *name, mode_t mode) {
    int (*real)(int, const char *, mode_t) = REAL(mkdirat);
    char whole[PATH_MAX];
    const char *path = below(folder, name, whole);
    if (path == NULL)
        return real(folder, name, mode);
    struct stat found = {0};
    NAMES(CALL_OPEN, path, MAKE_FOLDER, found.st_ino,
          real(folder, name, mode) == 0 ? fstatat(folder, name, &found, 0) : -1, path, strlen(path) + 1)
}

EXPORT int mkdir(const char *path, mode_t mode) {
    return mkdirat(AT_FDCWD, path, mode);
}

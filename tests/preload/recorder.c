/* Stands between a program and its files (LD_PRELOAD) and writes down, in order and with contents, what the program did
 * to the files of one folder: so that what a power cut leaves can be made from it (tests/src/power/image.rs, which reads
 * what `record` writes). It can also end the program, or fill the disk, at a given call.
 *
 *   RECORDER_FOLDER=PATH   the folder, absolute
 *   RECORDER_JOURNAL=PATH  where it is written down; not in the folder
 *   RECORDER_DIE_AT=N      the program is killed instead of its N-th change (from 0); a write leaves half its bytes
 *   RECORDER_FULL_AT=N     from the N-th change on what needs room fails with ENOSPC, the first write having left half ...
 *   RECORDER_ROOM=PATH     ... until this file is there
 *   RECORDER_FAIL=KIND     calls of a kind fail: `error` any change, with EIO; `sync` a sync, with EIO, and what it should have
 *                          kept is gone; `full` what needs room, with ENOSPC; `short` a write, which keeps half and says so
 *   RECORDER_FAIL_AT=N     ... the N-th of them (from 0), once ...
 *   RECORDER_FAIL_ON=1     ... or each from there on
 *   RECORDER_UNSYNCED=S    files whose name ends so are never synced, though the program is told they are
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static const char *folder, *room, *unsynced, *fail;
static long die_at = -1, full_at = -1, fail_at = -1, changes, failing;
static int full, fails_on;
static uint64_t syncs;

static long number(const char *name) {
    const char *value = getenv(name);
    return value ? atol(value) : -1;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("RECORDER_JOURNAL");
    folder = getenv("RECORDER_FOLDER");
    room = getenv("RECORDER_ROOM");
    unsynced = getenv("RECORDER_UNSYNCED");
    die_at = number("RECORDER_DIE_AT");
    full_at = number("RECORDER_FULL_AT");
    fail = getenv("RECORDER_FAIL");
    fail_at = number("RECORDER_FAIL_AT");
    fails_on = number("RECORDER_FAIL_ON") == 1;
    if (path && folder)
        journal = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* One line of the journal; the caller holds the lock. */
static void record(char what, uint64_t inode, uint64_t a, const char *path, const void *data, size_t length) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct __attribute__((packed)) {
        uint64_t nanos, inode, a;
        uint32_t path, data;
        char what;
    } head = {(uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, inode, a, (uint32_t)strlen(path), (uint32_t)length, what};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)data, length}};
    if (syscall(SYS_writev, journal, parts, 3) != (long)(sizeof head + head.path + length))
        raise(SIGKILL);
}

static int below(const char *path) {
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && (path[length] == 0 || path[length] == '/');
}

/* The absolute path of a name, or 0 if it is not in the folder. */
static int in_folder(int at, const char *name, char *path) {
    if (journal < 0 || !name)
        return 0;
    size_t used = 0;
    if (name[0] != '/') {
        if (at == AT_FDCWD) {
            if (syscall(SYS_getcwd, path, PATH_MAX) < 0)
                return 0;
        } else {
            char link[64] = "/proc/self/fd/";
            char *digit = link + strlen(link);
            char digits[16];
            int count = 0;
            for (int rest = at; rest || !count; rest /= 10)
                digits[count++] = (char)('0' + rest % 10);
            while (count)
                *digit++ = digits[--count];
            *digit = 0;
            long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
            if (length < 0)
                return 0;
            path[length] = 0;
        }
        used = strlen(path);
        if (name[0])
            path[used++] = '/';
    }
    if (used + strlen(name) >= PATH_MAX)
        return 0;
    strcpy(path + used, name);
    return below(path);
}

/* Whether an open file is one of the folder's; its path. */
static int ours(int fd, char *path, struct stat *found) {
    int saved = errno;
    int is = journal >= 0 && fd >= 0 && fd != journal && in_folder(fd, "", path) && fstat(fd, found) == 0 &&
             (S_ISREG(found->st_mode) || S_ISDIR(found->st_mode));
    errno = saved;
    return is;
}

/* What a change is: a write, another that needs room, a sync, or a change of names or to less. */
enum { WRITES, GROWS, SYNCS, OTHER };

/* Before each change, under the lock: ends the program, or says what is to become of the change. */
enum { GOES_ON, HALF, FULL, SHORT, BROKEN };

static int meant(int what) {
    if (!fail)
        return GOES_ON;
    if (strcmp(fail, "error") == 0)
        return BROKEN;
    if (strcmp(fail, "sync") == 0 && what == SYNCS)
        return BROKEN;
    if (strcmp(fail, "full") == 0 && (what == WRITES || what == GROWS))
        return FULL;
    if (strcmp(fail, "short") == 0 && what == WRITES)
        return SHORT;
    return GOES_ON;
}

static int turn(int what, const char *path, int *dies) {
    long this = changes++;
    *dies = die_at >= 0 && this == die_at;
    if (*dies)
        return HALF;
    int way = meant(what);
    if (way != GOES_ON && fail_at >= 0) {
        long nth = failing++;
        if (nth == fail_at || (fails_on && nth > fail_at)) {
            record('N', 0, 0, path, 0, 0);
            return way;
        }
    }
    if (full_at < 0 || this < full_at || (what != WRITES && what != GROWS))
        return GOES_ON;
    if (room && syscall(SYS_faccessat, AT_FDCWD, room, F_OK) == 0)
        return GOES_ON;
    return full++ ? FULL : HALF;
}

static long refused(int way) {
    pthread_mutex_unlock(&lock);
    errno = way == BROKEN ? EIO : ENOSPC;
    return -1;
}

static void die(void) {
    raise(SIGKILL);
    for (;;)
        pause();
}

/* Before something is sent: who hears it finds it written down. */
static void sends(int fd) {
    int saved = errno, domain = 0;
    socklen_t length = sizeof domain;
    if (journal >= 0 && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0) {
        pthread_mutex_lock(&lock);
        record('S', 0, (uint64_t)domain, "", 0, 0);
        pthread_mutex_unlock(&lock);
    }
    errno = saved;
}

/* Writing: `at` is the place, or -1 for the file's own. */
static long written(int fd, const void *bytes, size_t length, off_t at) {
    char path[PATH_MAX];
    struct stat found;
    if (!ours(fd, path, &found)) {
        if (at < 0)
            sends(fd);
        return at < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, at);
    }
    pthread_mutex_lock(&lock);
    int dies, way = turn(WRITES, path, &dies);
    if (way == FULL || way == BROKEN || (way == HALF && !dies && length < 2))
        return refused(way);
    if (way == HALF || (way == SHORT && length > 1))
        length /= 2;
    long done = at < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, at);
    int saved = errno;
    if (done > 0) {
        if (at < 0)
            at = syscall(SYS_lseek, fd, 0, SEEK_CUR) - done;
        record('W', found.st_ino, (uint64_t)at, path, bytes, (size_t)done);
    }
    if (dies)
        die();
    pthread_mutex_unlock(&lock);
    errno = saved;
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) { return written(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return written(fd, bytes, length, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) { return written(fd, bytes, length, at); }

/* A vector's first part only: a short write is one all the same. */
static long gathered(int fd, const struct iovec *parts, int count, off_t at) {
    char path[PATH_MAX];
    struct stat found;
    if (!ours(fd, path, &found)) {
        if (at < 0)
            sends(fd);
        return at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, at, 0);
    }
    for (int part = 0; part < count; part++)
        if (parts[part].iov_len)
            return written(fd, parts[part].iov_base, parts[part].iov_len, at);
    return 0;
}

ssize_t writev(int fd, const struct iovec *parts, int count) { return gathered(fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return gathered(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return gathered(fd, parts, count, at); }

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    sends(fd);
    return syscall(SYS_sendto, fd, bytes, length, flags, 0, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    sends(fd);
    return syscall(SYS_sendmsg, fd, message, flags);
}

/* Not copied inside the kernel: the program then reads and writes. */
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
    (void)in, (void)from, (void)out, (void)to, (void)length, (void)flags;
    errno = ENOSYS;
    return -1;
}

ssize_t sendfile(int out, int in, off_t *from, size_t length) {
    (void)in, (void)from, (void)out, (void)length;
    errno = ENOSYS;
    return -1;
}

ssize_t sendfile64(int out, int in, off64_t *from, size_t length) {
    (void)in, (void)from, (void)out, (void)length;
    errno = ENOSYS;
    return -1;
}

static int sized(int fd, off_t length, int grows_only) {
    char path[PATH_MAX];
    struct stat found;
    if (!ours(fd, path, &found))
        return (int)(grows_only ? syscall(SYS_fallocate, fd, 0, 0, length) : syscall(SYS_ftruncate, fd, length));
    pthread_mutex_lock(&lock);
    int dies, way = turn(length > found.st_size ? GROWS : OTHER, path, &dies);
    if (dies)
        die();
    if (way != GOES_ON)
        return (int)refused(way);
    long done = grows_only ? syscall(SYS_fallocate, fd, 0, 0, length) : syscall(SYS_ftruncate, fd, length);
    int saved = errno;
    if (done == 0 && !(grows_only && length <= found.st_size))
        record('T', found.st_ino, (uint64_t)length, path, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return (int)done;
}

int ftruncate(int fd, off_t length) { return sized(fd, length, 0); }
int ftruncate64(int fd, off64_t length) { return sized(fd, length, 0); }
int posix_fallocate(int fd, off_t from, off_t length) { return sized(fd, from + length, 1) ? errno : 0; }
int posix_fallocate64(int fd, off64_t from, off64_t length) { return sized(fd, from + length, 1) ? errno : 0; }
int fallocate(int fd, int mode, off_t from, off_t length) {
    return mode ? (int)syscall(SYS_fallocate, fd, mode, from, length) : sized(fd, from + length, 1);
}
int fallocate64(int fd, int mode, off64_t from, off64_t length) { return fallocate(fd, mode, from, length); }

static int opened(int at, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !in_folder(at, name, path))
        return (int)syscall(SYS_openat, at, name, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat before, found;
    int there = fstatat(AT_FDCWD, path, &before, 0) == 0;
    if (!there || ((flags & O_TRUNC) && before.st_size)) {
        int dies, way = turn(there ? OTHER : GROWS, path, &dies);
        if (dies)
            die();
        if (way != GOES_ON)
            return (int)refused(way);
    }
    int fd = (int)syscall(SYS_openat, at, name, flags, mode);
    int saved = errno;
    if (fd >= 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode)) {
        if (!there)
            record('C', found.st_ino, 0, path, 0, 0);
        else if ((flags & O_TRUNC) && before.st_size)
            record('T', found.st_ino, 0, path, 0, 0);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return fd;
}

static mode_t mode_of(int flags, va_list rest) {
    return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(rest, int) : 0;
}

#define OPENS(NAME, AT, ...)                     \
    int NAME(__VA_ARGS__, int flags, ...) {      \
        va_list rest;                            \
        va_start(rest, flags);                   \
        mode_t mode = mode_of(flags, rest);      \
        va_end(rest);                            \
        return opened(AT, name, flags, mode);    \
    }
OPENS(open, AT_FDCWD, const char *name)
OPENS(open64, AT_FDCWD, const char *name)
OPENS(openat, at, int at, const char *name)
OPENS(openat64, at, int at, const char *name)

/* Changes of names: `what` is done to `path`, `other` is the other name. */
static int named(char what, const char *path, const char *other, long (*change)(void *), void *given) {
    pthread_mutex_lock(&lock);
    int dies, way = turn(what == 'D' || what == 'L' ? GROWS : OTHER, path, &dies);
    if (dies)
        die();
    if (way != GOES_ON)
        return (int)refused(way);
    long done = change(given);
    int saved = errno;
    if (done == 0) {
        struct stat found = {0};
        if (what == 'D')
            (void)fstatat(AT_FDCWD, path, &found, 0);
        record(what, found.st_ino, 0, path, other, strlen(other));
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return (int)done;
}

struct names { int from_at, to_at, flags; const char *from, *to; mode_t mode; };
static long renames(void *given) {
    struct names *it = given;
    return syscall(SYS_renameat2, it->from_at, it->from, it->to_at, it->to, it->flags);
}
static long links(void *given) {
    struct names *it = given;
    return syscall(SYS_linkat, it->from_at, it->from, it->to_at, it->to, it->flags);
}
static long unlinks(void *given) {
    struct names *it = given;
    return syscall(SYS_unlinkat, it->from_at, it->from, it->flags);
}
static long makes(void *given) {
    struct names *it = given;
    return syscall(SYS_mkdirat, it->from_at, it->from, it->mode);
}

static int one(char what, struct names it, long (*change)(void *)) {
    char path[PATH_MAX];
    return in_folder(it.from_at, it.from, path) ? named(what, path, "", change, &it) : (int)change(&it);
}
static int two(char what, struct names it, long (*change)(void *)) {
    char from[PATH_MAX], to[PATH_MAX];
    int is = in_folder(it.from_at, it.from, from), too = in_folder(it.to_at, it.to, to);
    return is || too ? named(what, from, to, change, &it) : (int)change(&it);
}

int rename(const char *from, const char *to) { return two('R', (struct names){AT_FDCWD, AT_FDCWD, 0, from, to, 0}, renames); }
int renameat(int a, const char *from, int b, const char *to) { return two('R', (struct names){a, b, 0, from, to, 0}, renames); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    return two('R', (struct names){a, b, (int)flags, from, to, 0}, renames);
}
int link(const char *from, const char *to) { return two('L', (struct names){AT_FDCWD, AT_FDCWD, 0, from, to, 0}, links); }
int linkat(int a, const char *from, int b, const char *to, int flags) { return two('L', (struct names){a, b, flags, from, to, 0}, links); }
int unlink(const char *name) { return one('U', (struct names){AT_FDCWD, 0, 0, name, 0, 0}, unlinks); }
int unlinkat(int at, const char *name, int flags) { return one('U', (struct names){at, 0, flags, name, 0, 0}, unlinks); }
int rmdir(const char *name) { return one('U', (struct names){AT_FDCWD, 0, AT_REMOVEDIR, name, 0, 0}, unlinks); }
int mkdir(const char *name, mode_t mode) { return one('D', (struct names){AT_FDCWD, 0, 0, name, 0, mode}, makes); }
int mkdirat(int at, const char *name, mode_t mode) { return one('D', (struct names){at, 0, 0, name, 0, mode}, makes); }

/* What was written before the call began is durable once it has ended. */
static int synced(int fd, long call) {
    char path[PATH_MAX];
    struct stat found;
    if (!ours(fd, path, &found))
        return (int)syscall(call, fd);
    size_t length = strlen(path), end = unsynced ? strlen(unsynced) : 0;
    if (unsynced && length >= end && strcmp(path + length - end, unsynced) == 0)
        return 0;
    pthread_mutex_lock(&lock);
    int dies, way = turn(SYNCS, path, &dies);
    if (dies)
        die();
    uint64_t this = ++syncs;
    record('B', found.st_ino, this, path, 0, 0);
    if (way == BROKEN) {
        record('F', found.st_ino, this, path, 0, 0);
        return (int)refused(way);
    }
    pthread_mutex_unlock(&lock);
    int done = (int)syscall(call, fd), saved = errno;
    if (done == 0) {
        pthread_mutex_lock(&lock);
        record('E', found.st_ino, this, path, 0, 0);
        pthread_mutex_unlock(&lock);
    }
    errno = saved;
    return done;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* A file that is written by mapping it would be written unseen: that is said, and the image is refused. */
static void *mapped(void *at, size_t length, int protection, int flags, int fd, off_t from) {
    char path[PATH_MAX];
    struct stat found;
    if (fd >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE) && ours(fd, path, &found)) {
        pthread_mutex_lock(&lock);
        record('X', found.st_ino, 0, path, 0, 0);
        pthread_mutex_unlock(&lock);
    }
    return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, from);
}
void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t from) { return mapped(at, length, protection, flags, fd, from); }
void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t from) { return mapped(at, length, protection, flags, fd, from); }

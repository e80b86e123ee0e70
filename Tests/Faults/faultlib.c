// Preloaded into the service, makes its N-th change to a file fail, fall short, or be the last.
//
//   cc -shared -fPIC -O1 -o faultlib.so faultlib.c
//   LD_PRELOAD=./faultlib.so FAULT_DIRECTORY=/data:/run FAULT_MODE=fail FAULT_AT=7 … polyak serve
//
// Counted are, of paths under one of the directories of FAULT_DIRECTORY (absolute, separated by
// colons): open that creates, write, pwrite, fsync, fdatasync, ftruncate, fallocate, rename, link,
// unlink, rmdir, mkdir, in all their variants; with FAULT_READS=1 also every other open, read and
// pread. FAULT_ONLY=fsync,fdatasync counts these
// alone; a call is named by the plain one of its family, and reading opens are "openread".
//
//   FAULT_MODE    fail         the call does nothing and reports FAULT_ERRNO (EIO by default)
//                 short        a write takes half of its bytes; other calls are left alone
//                 full         as short, and the call after it fails: a disk that fills up
//                 kill-before  SIGKILL instead of the call
//                 kill-half    SIGKILL after half of a write; instead of any other call
//                 kill-after   SIGKILL after the call
//                 skip         the call does nothing and reports success: a disk that lies
//   FAULT_AT      which call, from 1 up; 0 or nothing: none, all are only counted
//   FAULT_STICKY  1: that call and all later ones
//   FAULT_COUNT   a file of 512 bytes that is made if need be and kept across starts, in the
//                 machine's byte order: how many calls were counted (8 bytes); which call to hit
//                 (8 bytes; set from FAULT_AT at the start, if that is given, and by the driver at
//                 any time); how many were hit (8 bytes); from byte 24 on the first hit call's
//                 name and path, ended by a zero byte
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
// The same function under the name it has where files may be large.
#define ALIAS(name) __attribute__((visibility("default"), alias(name)))

enum mode { FAIL, SHORT, FULL, KILL_BEFORE, KILL_HALF, KILL_AFTER, SKIP };

// What becomes of one call.
enum fate { GO, REFUSE, HALVE, HALVE_AND_DIE, DIE_AFTER, PRETEND };

struct board {
    _Atomic uint64_t count;
    _Atomic uint64_t at;
    _Atomic uint64_t hits;
    char first[488];
};

static struct board unshared;
static struct board *board = &unshared;
static const char *directories;
static const char *only;
static enum mode mode;
static int error_number = EIO;
static int sticky;
static int reads;

static int is_set(const char *name) {
    const char *value = getenv(name);
    return value && strcmp(value, "1") == 0;
}

__attribute__((constructor)) static void begin(void) {
    static const char *const modes[] = {"fail",      "short",      "full", "kill-before",
                                        "kill-half", "kill-after", "skip"};
    static const struct {
        const char *name;
        int number;
    } errors[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EMFILE", EMFILE}, {"EDQUOT", EDQUOT}};
    directories = getenv("FAULT_DIRECTORY");
    only = getenv("FAULT_ONLY");
    sticky = is_set("FAULT_STICKY");
    reads = is_set("FAULT_READS");
    const char *wanted = getenv("FAULT_MODE");
    for (size_t i = 0; wanted && i < sizeof modes / sizeof *modes; i++) {
        mode = strcmp(wanted, modes[i]) == 0 ? (enum mode)i : mode;
    }
    wanted = getenv("FAULT_ERRNO");
    for (size_t i = 0; wanted && i < sizeof errors / sizeof *errors; i++) {
        error_number = strcmp(wanted, errors[i].name) == 0 ? errors[i].number : error_number;
    }
    const char *path = getenv("FAULT_COUNT");
    if (path) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || syscall(SYS_ftruncate, fd, sizeof *board) != 0) {
            abort();
        }
        void *map = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) {
            abort();
        }
        close(fd);
        board = map;
    }
    if (getenv("FAULT_AT")) {
        board->at = strtoull(getenv("FAULT_AT"), NULL, 10);
    }
}

static _Noreturn void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    // The signal may take a moment; nothing may happen in it.
    for (;;) {
        pause();
    }
}

static int is_inside(const char *path) {
    for (const char *start = directories; start && *start;) {
        size_t length = strcspn(start, ":");
        if (length > 0 && strncmp(path, start, length) == 0 &&
            (path[length] == '/' || path[length] == 0)) {
            return 1;
        }
        start += length + (start[length] == ':');
    }
    return 0;
}

// The path of an open file, as the kernel knows it: no table to keep up with dup and close.
static const char *path_of(int fd, char *buffer) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, buffer, PATH_MAX - 1);
    buffer[length > 0 ? length : 0] = 0;
    return buffer;
}

static const char *path_at(int directory, const char *path, char *buffer) {
    if (path[0] == '/') {
        return path;
    }
    char base[PATH_MAX];
    if (directory == AT_FDCWD) {
        if (syscall(SYS_getcwd, base, sizeof base) < 0) {
            return path;
        }
    } else {
        path_of(directory, base);
    }
    if (snprintf(buffer, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) {
        abort();
    }
    return buffer;
}

static int is_wanted(const char *name) {
    if (!only) {
        return 1;
    }
    size_t length = strlen(name);
    for (const char *start = only; *start;) {
        size_t word = strcspn(start, ",");
        if (word == length && strncmp(start, name, length) == 0) {
            return 1;
        }
        start += word + (start[word] == ',');
    }
    return 0;
}

static enum fate fate_of(const char *name, const char *path, int is_write) {
    if (!is_inside(path) || !is_wanted(name)) {
        return GO;
    }
    uint64_t number = atomic_fetch_add(&board->count, 1) + 1, at = board->at;
    uint64_t last = sticky ? UINT64_MAX : mode == FULL ? at + 1 : at;
    if (at == 0 || number < at || number > last) {
        return GO;
    }
    if (atomic_fetch_add(&board->hits, 1) == 0) {
        snprintf(board->first, sizeof board->first, "%s %s", name, path);
    }
    switch (mode) {
    case FAIL:
        return REFUSE;
    case SHORT:
        return is_write ? HALVE : GO;
    case FULL:
        return number > at ? REFUSE : is_write ? HALVE : GO;
    case KILL_BEFORE:
        die();
    case KILL_HALF:
        if (is_write) {
            return HALVE_AND_DIE;
        }
        die();
    case KILL_AFTER:
        return DIE_AFTER;
    case SKIP:
        return PRETEND;
    }
    return GO;
}

static enum fate fate_of_fd(const char *name, int fd, int is_write) {
    int saved = errno;
    char buffer[PATH_MAX];
    enum fate fate = fate_of(name, path_of(fd, buffer), is_write);
    errno = saved;
    return fate;
}

static enum fate fate_at(const char *name, int directory, const char *path) {
    int saved = errno;
    char buffer[PATH_MAX];
    enum fate fate = fate_of(name, path_at(directory, path, buffer), 0);
    errno = saved;
    return fate;
}

// A call of any kind but a write: `real` is made unless its fate is another.
#define CALL(type, chosen, failure, success, real)                                                 \
    do {                                                                                           \
        enum fate what = (chosen);                                                                 \
        if (what == REFUSE) {                                                                      \
            errno = error_number;                                                                  \
            return failure;                                                                        \
        }                                                                                          \
        if (what == PRETEND) {                                                                     \
            return success;                                                                        \
        }                                                                                          \
        type result = (type)(real);                                                                \
        if (what == DIE_AFTER) {                                                                   \
            die();                                                                                 \
        }                                                                                          \
        return result;                                                                             \
    } while (0)

// A write of `count` bytes; `real` writes as many as `taken` says.
#define WRITE(name, fd, count, real)                                                               \
    do {                                                                                           \
        size_t taken = (count);                                                                    \
        enum fate what = fate_of_fd(name, fd, 1);                                                  \
        if (what == REFUSE) {                                                                      \
            errno = error_number;                                                                  \
            return -1;                                                                             \
        }                                                                                          \
        if (what == PRETEND) {                                                                     \
            return (ssize_t)taken;                                                                 \
        }                                                                                          \
        if ((what == HALVE || what == HALVE_AND_DIE) && taken > 1) {                               \
            taken /= 2;                                                                            \
        }                                                                                          \
        ssize_t result = (real);                                                                   \
        if (what == DIE_AFTER || what == HALVE_AND_DIE) {                                          \
            die();                                                                                 \
        }                                                                                          \
        return result;                                                                             \
    } while (0)

// Opening and reading: pretending has nothing to give, so it is left alone.

static enum fate unless_pretended(enum fate chosen) { return chosen == PRETEND ? GO : chosen; }

static enum fate fate_of_open(int directory, const char *path, int flags) {
    if (flags & O_CREAT) {
        return unless_pretended(fate_at("open", directory, path));
    }
    return reads ? unless_pretended(fate_at("openread", directory, path)) : GO;
}

static int open_any(int directory, const char *path, int flags, mode_t permissions) {
    CALL(int, fate_of_open(directory, path, flags), -1, -1,
         syscall(SYS_openat, directory, path, flags, permissions));
}

static mode_t permissions_of(int flags, va_list *list) {
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(*list, mode_t) : 0;
}

EXPORT int open(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t permissions = permissions_of(flags, &list);
    va_end(list);
    return open_any(AT_FDCWD, path, flags, permissions);
}
EXPORT int openat(int directory, const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t permissions = permissions_of(flags, &list);
    va_end(list);
    return open_any(directory, path, flags, permissions);
}
ALIAS("open") int open64(const char *path, int flags, ...);
ALIAS("openat") int openat64(int directory, const char *path, int flags, ...);
// What a compiler with _FORTIFY_SOURCE makes of an open that creates nothing.
ALIAS("open") int __open_2(const char *path, int flags, ...);
ALIAS("open") int __open64_2(const char *path, int flags, ...);
ALIAS("openat") int __openat_2(int directory, const char *path, int flags, ...);
ALIAS("openat") int __openat64_2(int directory, const char *path, int flags, ...);

EXPORT int creat(const char *path, mode_t permissions) {
    return open_any(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, permissions);
}
ALIAS("creat") int creat64(const char *path, mode_t permissions);

static enum fate fate_of_read(const char *name, int fd) {
    return reads ? unless_pretended(fate_of_fd(name, fd, 0)) : GO;
}

EXPORT ssize_t read(int fd, void *bytes, size_t count) {
    CALL(ssize_t, fate_of_read("read", fd), -1, -1, syscall(SYS_read, fd, bytes, count));
}
EXPORT ssize_t pread(int fd, void *bytes, size_t count, off_t offset) {
    CALL(ssize_t, fate_of_read("pread", fd), -1, -1,
         syscall(SYS_pread64, fd, bytes, count, offset));
}
ALIAS("pread") ssize_t pread64(int fd, void *bytes, size_t count, off_t offset);

// Contents

EXPORT ssize_t write(int fd, const void *bytes, size_t count) {
    WRITE("write", fd, count, syscall(SYS_write, fd, bytes, taken));
}
EXPORT ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    WRITE("pwrite", fd, count, syscall(SYS_pwrite64, fd, bytes, taken, offset));
}
ALIAS("pwrite") ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset);

EXPORT int fsync(int fd) {
    CALL(int, fate_of_fd("fsync", fd, 0), -1, 0, syscall(SYS_fsync, fd));
}
EXPORT int fdatasync(int fd) {
    CALL(int, fate_of_fd("fdatasync", fd, 0), -1, 0, syscall(SYS_fdatasync, fd));
}

EXPORT int ftruncate(int fd, off_t size) {
    CALL(int, fate_of_fd("ftruncate", fd, 0), -1, 0, syscall(SYS_ftruncate, fd, size));
}
ALIAS("ftruncate") int ftruncate64(int fd, off_t size);

EXPORT int fallocate(int fd, int flags, off_t offset, off_t count) {
    CALL(int, fate_of_fd("fallocate", fd, 0), -1, 0,
         syscall(SYS_fallocate, fd, flags, offset, count));
}
ALIAS("fallocate") int fallocate64(int fd, int flags, off_t offset, off_t count);

// Returns the error's number. What the C library does where the file system cannot, is left out.
EXPORT int posix_fallocate(int fd, off_t offset, off_t count) {
    return fallocate(fd, 0, offset, count) == 0 ? 0 : errno;
}
ALIAS("posix_fallocate") int posix_fallocate64(int fd, off_t offset, off_t count);

// Names

EXPORT int renameat2(int from, const char *path, int to, const char *target, unsigned flags) {
    CALL(int, fate_at("rename", to, target), -1, 0,
         syscall(SYS_renameat2, from, path, to, target, flags));
}
EXPORT int renameat(int from, const char *path, int to, const char *target) {
    return renameat2(from, path, to, target, 0);
}
EXPORT int rename(const char *path, const char *target) {
    return renameat2(AT_FDCWD, path, AT_FDCWD, target, 0);
}

EXPORT int linkat(int from, const char *path, int to, const char *target, int flags) {
    CALL(int, fate_at("link", to, target), -1, 0,
         syscall(SYS_linkat, from, path, to, target, flags));
}
EXPORT int link(const char *path, const char *target) {
    return linkat(AT_FDCWD, path, AT_FDCWD, target, 0);
}

EXPORT int unlinkat(int directory, const char *path, int flags) {
    CALL(int, fate_at(flags & AT_REMOVEDIR ? "rmdir" : "unlink", directory, path), -1, 0,
         syscall(SYS_unlinkat, directory, path, flags));
}
EXPORT int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
EXPORT int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

EXPORT int mkdirat(int directory, const char *path, mode_t permissions) {
    CALL(int, fate_at("mkdir", directory, path), -1, 0,
         syscall(SYS_mkdirat, directory, path, permissions));
}
EXPORT int mkdir(const char *path, mode_t permissions) {
    return mkdirat(AT_FDCWD, path, permissions);
}

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "CBench.h"

enum { HUGE = 2 * 1024 * 1024 };

static size_t rounded(size_t bytes) { return (bytes + HUGE - 1) / HUGE * HUGE; }

void *bench_map(size_t bytes) {
    size_t size = rounded(bytes);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    madvise(memory, size, MADV_HUGEPAGE);
    memset(memory, 0, size);
    return memory;
}

int bench_memfd(const void *bytes, size_t length) {
    int fd = memfd_create("model", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    size_t done = 0;
    while (done < length) {
        ssize_t written = pwrite(fd, (const char *)bytes + done, length - done, (off_t)done);
        if (written < 0) break;
        done += (size_t)written;
    }
    if (done == length && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0) return fd;
    int error = errno;
    close(fd);
    return -error;
}

void bench_unmap(void *memory, size_t bytes) { munmap(memory, rounded(bytes)); }

pid_t bench_spawn(const char *const arguments[], const char *log_path) {
    int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (log < 0) return -errno;
    pid_t parent = getpid(), child = fork();
    int error = errno;
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) _exit(127);
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        execvp(arguments[0], (char *const *)arguments);
        _exit(127);
    }
    close(log);
    return child < 0 ? -error : child;
}

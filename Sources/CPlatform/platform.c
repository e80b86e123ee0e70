#define _GNU_SOURCE
#include "CPlatform.h"

#include <fcntl.h>

int platform_accept(int listener, struct sockaddr *address, socklen_t *length) {
    return accept4(listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int platform_allocate(int fd, int keeps_size, off_t offset, off_t count) {
    return fallocate(fd, keeps_size ? FALLOC_FL_KEEP_SIZE : 0, offset, count);
}

int platform_direct(void) { return O_DIRECT; }

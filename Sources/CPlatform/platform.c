#define _GNU_SOURCE
#include "CPlatform.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int platform_accept(int listener, struct sockaddr *address, socklen_t *length) {
    return accept4(listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int platform_allocate(int fd, int keeps_size, off_t offset, off_t count) {
    return fallocate(fd, keeps_size ? FALLOC_FL_KEEP_SIZE : 0, offset, count);
}

int platform_direct(void) { return O_DIRECT; }

ssize_t platform_receive(
    int fd, void *buffer, size_t length, int descriptors[PLATFORM_DESCRIPTORS], int *count) {
    union {
        struct cmsghdr aligned;
        char bytes[CMSG_SPACE(PLATFORM_DESCRIPTORS * sizeof(int))];
    } control;
    struct iovec piece = {.iov_base = buffer, .iov_len = length};
    struct msghdr message = {
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    *count = 0;
    ssize_t received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (received < 0) return received;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    for (; header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t bytes = header->cmsg_len - CMSG_LEN(0);
        memcpy(descriptors + *count, CMSG_DATA(header), bytes);
        *count += (int)(bytes / sizeof(int));
    }
    return received;
}

int platform_open_beneath(int directory, const char *path) {
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int platform_keeps_size(int fd) {
    int seals = fcntl(fd, F_GET_SEALS);
    struct statfs system;
    return seals >= 0 && (seals & F_SEAL_SHRINK) && fstatfs(fd, &system) == 0
        && system.f_type == TMPFS_MAGIC;
}

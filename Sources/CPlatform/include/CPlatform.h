// What Swift's Glibc module does not show of Linux.
//
// Only headers that do not need _GNU_SOURCE: with it, types like fd_set get other fields than the
// Glibc module's and Swift refuses to see the two together. What needs it is wrapped in platform.c.
#ifndef CPLATFORM_H
#define CPLATFORM_H
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

// accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC.
int platform_accept(int listener, struct sockaddr *address, socklen_t *length);

// fallocate(2): reserves blocks; with `keeps_size` the file's size stays as it is.
int platform_allocate(int fd, int keeps_size, off_t offset, off_t count);

// The flag O_DIRECT of open(2).
int platform_direct(void);

// Descriptors that platform_receive takes at once.
#define PLATFORM_DESCRIPTORS 4

// recvmsg(2) on a Unix socket: fills up to `length` bytes of `buffer`, and `descriptors` with the
// first PLATFORM_DESCRIPTORS that came with them, close-on-exec; the kernel closes what is beyond.
ssize_t platform_receive(
    int fd, void *buffer, size_t length, int descriptors[PLATFORM_DESCRIPTORS], int *count);

// openat2(2) for reading, non-blocking: `path` must lead to something beneath `directory` without
// a symbolic link.
int platform_open_beneath(int directory, const char *path);

// Whether `fd` is a memfd of ordinary pages that is sealed against shrinking: a mapping of it
// then stays readable, whatever others do. Huge pages can run out on a read.
int platform_keeps_size(int fd);
#endif

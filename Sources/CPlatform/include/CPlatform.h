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
#endif

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
#include <netinet/in.h>
#include <netinet/tcp.h>

// accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC.
int platform_accept(int listener, struct sockaddr *address, socklen_t *length);
#endif

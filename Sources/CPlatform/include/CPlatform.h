// What Swift's Glibc module does not show of Linux.
#ifndef CPLATFORM_H
#define CPLATFORM_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <signal.h>
#endif

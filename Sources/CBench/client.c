#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "CBench.h"
#include "http.h"
#include "link.h"

// Connected, with a bound on every wait: a server that hangs must not hang the benchmark too.
static int finish(int fd, int failed) {
    struct timeval wait = {.tv_sec = 60};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (!failed) return fd;
    int error = errno;
    close(fd);
    return -error;
}

int bench_connect_port(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0) return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    return finish(fd, connect(fd, (struct sockaddr *)&address, sizeof address));
}

int bench_connect_path(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    return finish(fd, connect(fd, (struct sockaddr *)&address, sizeof address));
}

int bench_free_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int failed = bind(fd, (struct sockaddr *)&address, length)
        || getsockname(fd, (struct sockaddr *)&address, &length);
    int port = failed ? -errno : ntohs(address.sin_port);
    close(fd);
    return port;
}

static int read_answer(bench_link *link, char *kept, size_t room, bench_answer *answer) {
    char *buffer = link->buffer;
    size_t filled = 0, head = 0;
    while (head == 0) {
        if (filled == BENCH_PIECE) return -EMSGSIZE;
        ssize_t count = bench_link_read(link, buffer + filled, BENCH_PIECE - filled);
        if (count < 0) return (int)count;
        filled += (size_t)count;
        head = bench_head_length(buffer, filled);
    }
    if (head < 12 || memcmp(buffer, "HTTP/1.", 7) != 0) return -EBADMSG;
    answer->status = atoi(buffer + 9);
    answer->length = answer->status == 304 ? 0 : bench_content_length(buffer, head);
    const char *tag = bench_field(buffer, head, "etag:");
    size_t tag_length = tag ? strcspn(tag, "\r") : 0;
    if (tag_length >= sizeof answer->entity_tag) tag_length = sizeof answer->entity_tag - 1;
    if (tag) memcpy(answer->entity_tag, tag, tag_length);
    answer->entity_tag[tag_length] = 0;
    size_t got = filled - head;
    if (got > answer->length) return -EBADMSG;
    memcpy(kept, buffer + head, got < room ? got : room);
    while (got < answer->length) {
        size_t left = answer->length - got;
        char *to = got < room ? kept + got : buffer;
        size_t space = got < room ? room - got : BENCH_PIECE;
        ssize_t count = bench_link_read(link, to, left < space ? left : space);
        if (count < 0) return (int)count;
        got += (size_t)count;
    }
    return 0;
}

// Writes a head, which fits into any socket's buffer, with a descriptor.
static int write_with(int fd, int passed, const char *head, size_t length) {
    union {
        struct cmsghdr aligned;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.aligned = {
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
    memcpy(CMSG_DATA(&control.aligned), &passed, sizeof passed);
    struct iovec piece = {.iov_base = (void *)head, .iov_len = length};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1,
        .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent < 0) return -errno;
    return (size_t)sent == length ? 0 : -EMSGSIZE;
}

int bench_exchange(
    bench_link *link, const bench_request *request, void *kept, size_t room,
    bench_answer *answer) {
    if (link->is_http2) return bench_h2_exchange(link, request, kept, room, answer);
    char head[4096], length[48] = "";
    if (request->length)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", request->length);
    int count = snprintf(
        head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n", request->method,
        request->target, request->fields, length);
    if (count >= (int)sizeof head) return -EMSGSIZE;
    int failed = request->passed < 0
        ? bench_link_write(link, head, (size_t)count, request->length > 0)
        : write_with(link->fd, request->passed, head, (size_t)count);
    if (!failed && request->length)
        failed = bench_link_write(link, request->body, request->length, false);
    return failed ? failed : read_answer(link, kept, room, answer);
}

int bench_redis_set(bench_link *link, const void *value, size_t length) {
    char head[64], answer[64];
    int head_length = snprintf(
        head, sizeof head, "*3\r\n$3\r\nSET\r\n$1\r\nm\r\n$%zu\r\n", length);
    int failed = bench_link_write(link, head, (size_t)head_length, true);
    if (!failed) failed = bench_link_write(link, value, length, true);
    if (!failed) failed = bench_link_write(link, "\r\n", 2, false);
    if (failed) return failed;
    ssize_t count = bench_link_read(link, answer, sizeof answer);
    if (count < 0) return (int)count;
    return count == 5 && memcmp(answer, "+OK\r\n", 5) == 0 ? 0 : -EBADMSG;
}

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

// Receives something; 0 at the end of the stream counts as a reset.
static ssize_t receive(int fd, void *buffer, size_t room) {
    for (;;) {
        ssize_t count = recv(fd, buffer, room, 0);
        if (count > 0) return count;
        if (count == 0) return -ECONNRESET;
        if (errno != EINTR) return -errno;
    }
}

static int read_answer(int fd, char *kept, size_t room, bench_answer *answer) {
    static _Thread_local char *buffer;
    if (!buffer && !(buffer = malloc(BENCH_PIECE))) return -ENOMEM;
    size_t filled = 0, head = 0;
    while (head == 0) {
        if (filled == BENCH_PIECE) return -EMSGSIZE;
        ssize_t count = receive(fd, buffer + filled, BENCH_PIECE - filled);
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
        ssize_t count = receive(fd, to, left < space ? left : space);
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
    int fd, int passed, const char *head, size_t head_length, const void *body,
    size_t body_length, void *kept, size_t room, bench_answer *answer) {
    int failed = passed < 0
        ? bench_write_all(fd, head, head_length, body_length ? MSG_MORE : 0)
        : write_with(fd, passed, head, head_length);
    if (!failed && body_length) failed = bench_write_all(fd, body, body_length, 0);
    return failed ? failed : read_answer(fd, kept, room, answer);
}

int bench_redis_set(int fd, const void *value, size_t length) {
    char head[64], answer[64];
    int head_length = snprintf(
        head, sizeof head, "*3\r\n$3\r\nSET\r\n$1\r\nm\r\n$%zu\r\n", length);
    int failed = bench_write_all(fd, head, (size_t)head_length, MSG_MORE);
    if (!failed) failed = bench_write_all(fd, value, length, MSG_MORE);
    if (!failed) failed = bench_write_all(fd, "\r\n", 2, 0);
    if (failed) return failed;
    ssize_t count = receive(fd, answer, sizeof answer);
    if (count < 0) return (int)count;
    return count == 5 && memcmp(answer, "+OK\r\n", 5) == 0 ? 0 : -EBADMSG;
}

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "CBench.h"
#include "http.h"

typedef struct {
    int fd, file;
    size_t file_length;
    int busy_microseconds;
} floor_connection;

int bench_floor_listen(int *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, length) || listen(fd, 1024)
        || getsockname(fd, (struct sockaddr *)&address, &length)) {
        int error = errno;
        close(fd);
        return -error;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static int send_file(const floor_connection *peer) {
    char head[96];
    int length = snprintf(
        head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", peer->file_length);
    if (bench_write_all(peer->fd, head, (size_t)length, MSG_MORE)) return -1;
    off_t offset = 0;
    while ((size_t)offset < peer->file_length)
        if (sendfile(peer->fd, peer->file, &offset, peer->file_length - (size_t)offset) <= 0)
            return -1;
    return 0;
}

static int64_t microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void wake_at(const floor_connection *peer, int bytes) {
    setsockopt(peer->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

// Waits for a whole piece, for some time without sleeping.
static void await_piece(const floor_connection *peer, size_t piece) {
    wake_at(peer, (int)piece);
    struct pollfd look = {.fd = peer->fd, .events = POLLIN};
    int64_t end = microseconds() + peer->busy_microseconds;
    while (poll(&look, 1, 0) == 0 && microseconds() < end) sched_yield();
}

// One request after the other, none pipelined: what follows a head is its body.
static void *serve(void *argument) {
    floor_connection peer = *(floor_connection *)argument;
    free(argument);
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    char *buffer = malloc(BENCH_PIECE);
    size_t filled = 0;
    while (buffer) {
        ssize_t count = recv(peer.fd, buffer + filled, BENCH_PIECE - filled, 0);
        if (count <= 0) break;
        filled += (size_t)count;
        size_t head = bench_head_length(buffer, filled);
        if (head == 0) continue;
        int get = memcmp(buffer, "GET ", 4) == 0;
        size_t left = head + bench_content_length(buffer, head) - filled;
        while (left > 0) {
            size_t piece = left < BENCH_PIECE ? left : BENCH_PIECE;
            if (peer.busy_microseconds > 0) await_piece(&peer, piece);
            count = recv(peer.fd, buffer, piece, 0);
            if (count <= 0) break;
            left -= (size_t)count;
        }
        if (left > 0) break;
        if (peer.busy_microseconds > 0) wake_at(&peer, 1);
        if (get ? send_file(&peer) : bench_write_all(peer.fd, answer, sizeof answer - 1, 0)) break;
        filled = 0;
    }
    free(buffer);
    close(peer.fd);
    return NULL;
}

int bench_floor_serve(int listener, int file, size_t file_length, int busy_microseconds) {
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL), on = 1;
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            return -errno;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        floor_connection *peer = malloc(sizeof *peer);
        pthread_t thread;
        if (!peer) return -ENOMEM;
        *peer = (floor_connection){fd, file, file_length, busy_microseconds};
        int failed = pthread_create(&thread, NULL, serve, peer);
        if (failed) return -failed;
        pthread_detach(thread);
    }
}

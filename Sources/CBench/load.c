#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CBench.h"
#include "http.h"

enum { ANSWER_ROOM = 4096, EVENTS = 512 };

typedef struct {
    int fd;
    size_t filled;
    char answer[ANSWER_ROOM];
} load_connection;

struct bench_load {
    int poller, connections, expected_status;
    size_t request_length;
    char *request;
    load_connection *each;
};

bench_load *bench_load_open(int port, int connections, const char *request, int expected_status) {
    bench_load *load = calloc(1, sizeof *load);
    if (!load) return NULL;
    load->poller = epoll_create1(EPOLL_CLOEXEC);
    load->expected_status = expected_status;
    load->request = strdup(request);
    load->request_length = strlen(request);
    load->each = calloc((size_t)connections, sizeof *load->each);
    if (load->poller < 0 || !load->request || !load->each) {
        bench_load_close(load);
        return NULL;
    }
    for (int i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &load->each[i]};
        int fd = bench_connect_port(port);
        if (fd < 0 || epoll_ctl(load->poller, EPOLL_CTL_ADD, fd, &event)) {
            bench_load_close(load);
            return NULL;
        }
        load->each[i].fd = fd;
        load->connections++;
    }
    return load;
}

void bench_load_close(bench_load *load) {
    for (int i = 0; i < load->connections; i++) close(load->each[i].fd);
    if (load->poller >= 0) close(load->poller);
    free(load->each);
    free(load->request);
    free(load);
}

static int ask(const bench_load *load, load_connection *peer) {
    peer->filled = 0;
    return bench_write_all(peer->fd, load->request, load->request_length, 0);
}

// 1 when the answer is whole, 0 when more must come.
static int take(const bench_load *load, load_connection *peer) {
    ssize_t count =
        recv(peer->fd, peer->answer + peer->filled, ANSWER_ROOM - peer->filled, MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (count == 0) return -ECONNRESET;
    peer->filled += (size_t)count;
    size_t head = bench_head_length(peer->answer, peer->filled);
    if (head == 0) return 0;
    int status = head > 12 ? atoi(peer->answer + 9) : 0;
    if (status != load->expected_status) return -EBADMSG;
    size_t body = status == 304 ? 0 : bench_content_length(peer->answer, head);
    return peer->filled >= head + body;
}

int bench_load_run(bench_load *load, int requests) {
    struct epoll_event events[EVENTS];
    int sent = 0, done = 0;
    for (; sent < load->connections && sent < requests; sent++) {
        int failed = ask(load, &load->each[sent]);
        if (failed) return failed;
    }
    while (done < requests) {
        int ready = epoll_wait(load->poller, events, EVENTS, 10000);
        if (ready == 0) return -ETIMEDOUT;
        if (ready < 0 && errno != EINTR) return -errno;
        for (int i = 0; i < ready; i++) {
            load_connection *peer = events[i].data.ptr;
            int whole = take(load, peer);
            if (whole < 0) return whole;
            if (whole == 0) continue;
            done++;
            if (sent == requests) continue;
            sent++;
            int failed = ask(load, peer);
            if (failed) return failed;
        }
    }
    return 0;
}

#define _GNU_SOURCE
#include "link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"

// The peer is this machine's own service with a certificate of the moment: not verified.
static SSL *encrypt(int fd, bool http2) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context) return NULL;
    SSL *tls = SSL_new(context);
    SSL_CTX_free(context);
    const unsigned char *name = (const unsigned char *)(http2 ? "\2h2" : "\10http/1.1");
    if (tls && (SSL_set_alpn_protos(tls, name, http2 ? 3 : 9) || SSL_set_fd(tls, fd) != 1
                || SSL_connect(tls) != 1)) {
        SSL_free(tls);
        return NULL;
    }
    return tls;
}

bench_link *bench_link_open(int fd, bool encrypted, bool http2, int *error) {
    bench_link *link = calloc(1, sizeof *link);
    *error = -ENOMEM;
    if (!link || !(link->buffer = malloc(BENCH_PIECE))) {
        free(link);
        close(fd);
        return NULL;
    }
    link->fd = fd;
    link->is_http2 = http2;
    *error = 0;
    if (encrypted && !(link->tls = encrypt(fd, http2))) *error = -EPROTO;
    if (!*error && http2) *error = bench_h2_begin(link);
    if (!*error) return link;
    bench_link_close(link);
    return NULL;
}

void bench_link_close(bench_link *link) {
    SSL_free(link->tls);
    close(link->fd);
    free(link->buffer);
    free(link);
}

int bench_link_write(bench_link *link, const void *bytes, size_t length, bool more) {
    if (!link->tls) return bench_write_all(link->fd, bytes, length, more ? MSG_MORE : 0);
    size_t written;
    if (length == 0) return 0;
    return SSL_write_ex(link->tls, bytes, length, &written) == 1 ? 0 : -EPIPE;
}

ssize_t bench_link_read(bench_link *link, void *memory, size_t room) {
    if (link->tls) {
        size_t count;
        return SSL_read_ex(link->tls, memory, room, &count) == 1 ? (ssize_t)count : -ECONNRESET;
    }
    for (;;) {
        ssize_t count = recv(link->fd, memory, room, 0);
        if (count > 0) return count;
        // The end of the stream in the midst of an answer is as bad as a reset.
        if (count == 0) return -ECONNRESET;
        if (errno != EINTR) return -errno;
    }
}

bool bench_link_has_input(bench_link *link) {
    if (link->start < link->end || (link->tls && SSL_pending(link->tls) > 0)) return true;
    struct pollfd wait = {.fd = link->fd, .events = POLLIN};
    return poll(&wait, 1, 0) > 0;
}

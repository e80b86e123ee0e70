// A blocking connection as client.c and h2.c need it: plain or encrypted.
#ifndef CBENCH_LINK_H
#define CBENCH_LINK_H
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "CBench.h"

struct bench_link {
    int fd;
    SSL *tls;
    // What was received and not looked at lies between start and end; BENCH_PIECE bytes of room.
    char *buffer;
    size_t start, end;
    // HTTP/2 only: what the server allows, and the last stream.
    bool is_http2;
    uint32_t stream;
    int64_t connection_window, initial_window;
    size_t largest_frame;
    // Bytes of DATA for which no window was given back.
    int64_t owed;
};

// Writes all of it; 0 or a negative errno.
int bench_link_write(bench_link *link, const void *bytes, size_t length, bool more);
// Receives something into memory; a negative errno, -ECONNRESET at the end.
ssize_t bench_link_read(bench_link *link, void *memory, size_t room);
// Whether bytes can be received without waiting.
bool bench_link_has_input(bench_link *link);

// HTTP/2 (RFC 9113): the connection's beginning, and one request with its answer.
int bench_h2_begin(bench_link *link);
int bench_h2_exchange(
    bench_link *link, const bench_request *request, void *kept, size_t room, bench_answer *answer);

#endif

// The parts of the benchmark that must cost as little as possible: the client's and the floor
// servers' loops. Blocking sockets, no allocation per request. Failures are negative errno values.
#ifndef CBENCH_H
#define CBENCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Memory on huge pages where the kernel grants them, every page touched; NULL if there is none.
void *bench_map(size_t bytes);
void bench_unmap(void *memory, size_t bytes);

// A memfd with these contents that cannot shrink, or a negative errno.
int bench_memfd(const void *bytes, size_t length);

// Starts a program whose output goes to log_path and which dies with the calling thread.
pid_t bench_spawn(const char *const arguments[], const char *log_path);

// A port that was free a moment ago, or a negative errno.
int bench_free_port(void);

// A blocking connection with TCP_NODELAY to 127.0.0.1:port.
int bench_connect_port(int port);
// A blocking connection to a Unix socket.
int bench_connect_path(const char *path);

// An HTTP answer as the client saw it.
typedef struct {
    int status;
    // Bytes of the body, which may be more than what was kept.
    size_t length;
    // The ETag, cut at 127 bytes; empty without one.
    char entity_tag[128];
} bench_answer;

// A connection that speaks HTTP/1.1 or HTTP/2, plain or over TLS without looking at the server's
// certificate. It owns fd, also when it fails: NULL and a negative errno.
typedef struct bench_link bench_link;
bench_link *bench_link_open(int fd, bool encrypted, bool http2, int *error);
void bench_link_close(bench_link *link);

typedef struct {
    const char *method, *target;
    // Each line as HTTP/1.1 has it, its end included; "" for none.
    const char *fields;
    const void *body;
    // 0: no body.
    size_t length;
    // A descriptor to go with the head over a plain Unix socket, or -1.
    int passed;
} bench_request;

// Sends a request and reads its answer, whose length must be told in advance over HTTP/1.1; over
// HTTP/2 no entity tag is read, and a status that is not in HPACK's static table is 0.
// 0 or a negative errno. The body's first `room` bytes go to `kept`, what is beyond is dropped
// through a hot buffer.
int bench_exchange(
    bench_link *link, const bench_request *request, void *kept, size_t room,
    bench_answer *answer);

// Encrypts as TLS 1.3 does, into a buffer that stays in cache; 0 or a negative errno.
int bench_seal(const void *bytes, size_t length);

// redis: SET of value under the key m; 0 or a negative errno.
int bench_redis_set(bench_link *link, const void *value, size_t length);

// Writes `bytes`, which begin at a page, past the page cache and syncs; 0 or a negative errno.
int bench_write_direct(const char *path, const void *bytes, size_t count);

// The floor: accepts for ever, one blocking thread per connection. A body is read in pieces of
// 256 KiB and dropped; a GET is answered from `file` by sendfile. Before a thread sleeps until
// there is a piece, it looks for one for `busy_microseconds`.
int bench_floor_listen(int *port);
int bench_floor_serve(int listener, int file, size_t file_length, int busy_microseconds);

// A keep-alive load: `connections` to 127.0.0.1:port, each with one request outstanding.
typedef struct bench_load bench_load;
bench_load *bench_load_open(int port, int connections, const char *request, int expected_status);
// Sends `requests` requests in all and reads their answers on one thread; 0 or a negative errno,
// -EBADMSG for an answer with another status.
int bench_load_run(bench_load *load, int requests);
void bench_load_close(bench_load *load);

#endif

// The little of HTTP/1.1 that client, load and floor need.
#ifndef CBENCH_HTTP_H
#define CBENCH_HTTP_H
#include <stddef.h>

enum { BENCH_PIECE = 256 * 1024 };

// Bytes of the head that begins at text, its empty line included; 0 if it is not whole.
size_t bench_head_length(const char *text, size_t length);
// The value of a field in a whole head, up to the head's end; NULL without one.
// `name` is in lower case with its colon.
const char *bench_field(const char *head, size_t length, const char *name);
// The Content-Length of a whole head; 0 without one.
size_t bench_content_length(const char *head, size_t length);
// Writes all of it; 0 or a negative errno.
int bench_write_all(int fd, const void *bytes, size_t length, int flags);

#endif

#define _GNU_SOURCE
#include "http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

size_t bench_head_length(const char *text, size_t length) {
    const char *end = memmem(text, length, "\r\n\r\n", 4);
    return end ? (size_t)(end - text) + 4 : 0;
}

const char *bench_field(const char *head, size_t length, const char *name) {
    size_t name_length = strlen(name);
    const char *line = head, *end = head + length;
    while ((line = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        line++;
        if ((size_t)(end - line) <= name_length) break;
        if (strncasecmp(line, name, name_length) != 0) continue;
        for (line += name_length; *line == ' '; line++) {}
        return line;
    }
    return NULL;
}

size_t bench_content_length(const char *head, size_t length) {
    const char *value = bench_field(head, length, "content-length:");
    return value ? strtoull(value, NULL, 10) : 0;
}

int bench_write_all(int fd, const void *bytes, size_t length, int flags) {
    const char *next = bytes;
    while (length > 0) {
        ssize_t sent = send(fd, next, length, flags | MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        next += sent;
        length -= (size_t)sent;
    }
    return 0;
}

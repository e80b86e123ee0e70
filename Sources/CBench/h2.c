// As much of an HTTP/2 client (RFC 9113) as uploads and downloads at full speed need: one stream
// after the other, frames of up to 1 MiB, windows wide open, fields as literals (RFC 7541).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "http.h"
#include "link.h"

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { FRAME_HEAD = 9, FIELD_ROOM = 4096, LARGEST_FRAME = 1 << 20 };
static const uint32_t widest = 0x7FFFFFFF;

static void put_frame_head(
    unsigned char *to, size_t length, int type, int flags, uint32_t stream) {
    to[0] = (unsigned char)(length >> 16);
    to[1] = (unsigned char)(length >> 8);
    to[2] = (unsigned char)length;
    to[3] = (unsigned char)type;
    to[4] = (unsigned char)flags;
    stream = htonl(stream);
    memcpy(to + 5, &stream, 4);
}

static uint32_t get32(const unsigned char *bytes) {
    uint32_t value;
    memcpy(&value, bytes, 4);
    return ntohl(value);
}

static int send_frame(
    bench_link *link, int type, int flags, uint32_t stream, const void *payload, size_t length) {
    unsigned char head[FRAME_HEAD];
    put_frame_head(head, length, type, flags, stream);
    int failed = bench_link_write(link, head, sizeof head, length > 0);
    return failed ? failed : bench_link_write(link, payload, length, false);
}

static int widen(bench_link *link, uint32_t by) {
    uint32_t value = htonl(by);
    return send_frame(link, WINDOW_UPDATE, 0, 0, &value, sizeof value);
}

int bench_h2_begin(bench_link *link) {
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // ENABLE_PUSH 0, INITIAL_WINDOW_SIZE 2^31 - 1, MAX_FRAME_SIZE 1 MiB.
    static const unsigned char settings[] = {
        0, 2, 0, 0, 0, 0, 0, 4, 0x7F, 0xFF, 0xFF, 0xFF, 0, 5, 0, 0x10, 0, 0};
    link->connection_window = link->initial_window = 65535;
    link->largest_frame = 16384;
    int failed = bench_link_write(link, preface, sizeof preface - 1, true);
    if (!failed) failed = send_frame(link, SETTINGS, 0, 0, settings, sizeof settings);
    return failed ? failed : widen(link, widest - 65535);
}

// Makes `count` bytes of the buffer available, which it has room for.
static int buffer_at_least(bench_link *link, size_t count) {
    if (link->start + count > BENCH_PIECE) {
        memmove(link->buffer, link->buffer + link->start, link->end - link->start);
        link->end -= link->start;
        link->start = 0;
    }
    while (link->end - link->start < count) {
        ssize_t got = bench_link_read(link, link->buffer + link->end, BENCH_PIECE - link->end);
        if (got < 0) return (int)got;
        link->end += (size_t)got;
    }
    return 0;
}

// One stream's progress.
typedef struct {
    int64_t window;
    bool is_answered;
    char *kept;
    size_t room;
    bench_answer *answer;
} exchange;

// Takes a DATA frame's payload from the buffer and the socket, as far as wanted to memory.
static int take_data(bench_link *link, exchange *stream, size_t length) {
    link->owed += (int64_t)length;
    while (length > 0) {
        size_t at = stream->answer->length;
        size_t space = at < stream->room ? stream->room - at : 0;
        size_t buffered = link->end - link->start, piece = length;
        if (buffered > 0) {
            if (piece > buffered) piece = buffered;
            memcpy(stream->kept + at, link->buffer + link->start, piece < space ? piece : space);
            link->start += piece;
        } else {
            char *to = space > 0 ? stream->kept + at : link->buffer;
            size_t most = space > 0 ? space : BENCH_PIECE;
            ssize_t got = bench_link_read(link, to, piece < most ? piece : most);
            if (got < 0) return (int)got;
            piece = (size_t)got;
            link->start = link->end = 0;
        }
        stream->answer->length += piece;
        length -= piece;
    }
    return 0;
}

static int take_settings(
    bench_link *link, exchange *stream, const unsigned char *at, size_t length) {
    for (; length >= 6; at += 6, length -= 6) {
        uint32_t value = get32(at + 2);
        if (at[1] == 4) {
            if (stream) stream->window += (int64_t)value - link->initial_window;
            link->initial_window = value;
        }
        if (at[1] == 5) link->largest_frame = value;
    }
    return send_frame(link, SETTINGS, ACK, 0, NULL, 0);
}

// The status where it is a whole entry of the static table (RFC 7541 appendix A), else 0.
static int status_of(const unsigned char *block, size_t length) {
    static const int statuses[] = {200, 204, 206, 304, 400, 404, 500};
    // Updates of the table's size come first.
    while (length > 0 && (block[0] & 0xE0) == 0x20) block++, length--;
    return length > 0 && block[0] >= 0x88 && block[0] <= 0x8E ? statuses[block[0] - 0x88] : 0;
}

static int take_frame(bench_link *link, exchange *stream) {
    int failed = buffer_at_least(link, FRAME_HEAD);
    if (failed) return failed;
    const unsigned char *head = (unsigned char *)link->buffer + link->start;
    size_t length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    int type = head[3], flags = head[4];
    uint32_t number = get32(head + 5);
    link->start += FRAME_HEAD;
    if (type == DATA) {
        if (number != link->stream) return -EBADMSG;
        if ((failed = take_data(link, stream, length))) return failed;
        stream->is_answered = flags & END_STREAM;
        return 0;
    }
    if (length > BENCH_PIECE || (failed = buffer_at_least(link, length))) return -EMSGSIZE;
    const unsigned char *payload = (unsigned char *)link->buffer + link->start;
    link->start += length;
    switch (type) {
        case HEADERS:
            stream->answer->status = status_of(payload, length);
            stream->is_answered = flags & END_STREAM;
            return 0;
        // After its answer the server may say that it needs no more of the body.
        case RST_STREAM:
            return number == link->stream && !stream->is_answered ? -ECONNRESET : 0;
        case SETTINGS:
            return flags & ACK ? 0 : take_settings(link, stream, payload, length);
        case PING:
            return flags & ACK ? 0 : send_frame(link, PING, ACK, 0, payload, length);
        case GOAWAY:
            return -ECONNABORTED;
        case WINDOW_UPDATE:
            *(number ? &stream->window : &link->connection_window) += get32(payload);
            return 0;
        default:
            return 0;
    }
}

static size_t put_string(unsigned char *to, const char *text, size_t length) {
    // An integer with a prefix of 7 bits (RFC 7541 section 5.1); strings here are below 16 kB.
    size_t used = 0;
    if (length < 127) {
        to[used++] = (unsigned char)length;
    } else {
        to[used++] = 127;
        size_t rest = length - 127;
        for (; rest >= 128; rest >>= 7) to[used++] = (unsigned char)(rest | 128);
        to[used++] = (unsigned char)rest;
    }
    memcpy(to + used, text, length);
    return used + length;
}

static size_t put_field(
    unsigned char *to, const char *name, size_t name_length, const char *value, size_t length) {
    to[0] = 0;
    size_t used = 1 + put_string(to + 1, name, name_length);
    for (size_t i = used - name_length; i < used; i++)
        if (to[i] >= 'A' && to[i] <= 'Z') to[i] |= 0x20;
    return used + put_string(to + used, value, length);
}

static int send_head(bench_link *link, const bench_request *request) {
    unsigned char block[FIELD_ROOM];
    size_t used = 0, fields = strlen(request->fields);
    if (fields + strlen(request->target) + 128 > FIELD_ROOM) return -EMSGSIZE;
    used += put_field(block, ":method", 7, request->method, strlen(request->method));
    used += put_field(block + used, ":scheme", 7, link->tls ? "https" : "http", link->tls ? 5 : 4);
    used += put_field(block + used, ":authority", 10, "localhost", 9);
    used += put_field(block + used, ":path", 5, request->target, strlen(request->target));
    for (const char *line = request->fields; *line;) {
        const char *colon = strchr(line, ':'), *end = strstr(line, "\r\n");
        if (!colon || !end) return -EINVAL;
        const char *value = colon + 1 + strspn(colon + 1, " ");
        used += put_field(
            block + used, line, (size_t)(colon - line), value, (size_t)(end - value));
        line = end + 2;
    }
    if (request->length) {
        char text[24];
        int digits = snprintf(text, sizeof text, "%zu", request->length);
        used += put_field(block + used, "content-length", 14, text, (size_t)digits);
    }
    int flags = END_HEADERS | (request->length ? 0 : END_STREAM);
    return send_frame(link, HEADERS, flags, link->stream, block, used);
}

static int send_body(bench_link *link, const bench_request *request, exchange *stream) {
    const char *next = request->body;
    size_t left = request->length;
    while (left > 0 && !stream->is_answered) {
        int64_t open =
            stream->window < link->connection_window ? stream->window : link->connection_window;
        size_t most = link->largest_frame < LARGEST_FRAME ? link->largest_frame : LARGEST_FRAME;
        size_t piece = left < most ? left : most;
        // Small frames cost both sides more than a moment of waiting.
        int64_t wanted = (int64_t)(piece < 16384 ? piece : 16384);
        bool must_wait = open < wanted;
        if (must_wait || (open < 4 * LARGEST_FRAME && bench_link_has_input(link))) {
            int failed = take_frame(link, stream);
            if (failed) return failed;
            continue;
        }
        if ((int64_t)piece > open) piece = (size_t)open;
        left -= piece;
        int failed =
            send_frame(link, DATA, left ? 0 : END_STREAM, link->stream, next, piece);
        if (failed) return failed;
        next += piece;
        stream->window -= (int64_t)piece;
        link->connection_window -= (int64_t)piece;
    }
    return 0;
}

int bench_h2_exchange(
    bench_link *link, const bench_request *request, void *kept, size_t room,
    bench_answer *answer) {
    *answer = (bench_answer){0};
    link->stream = link->stream ? link->stream + 2 : 1;
    exchange stream = {
        .window = link->initial_window, .kept = kept, .room = room, .answer = answer};
    int failed = send_head(link, request);
    if (!failed) failed = send_body(link, request, &stream);
    while (!failed && !stream.is_answered) failed = take_frame(link, &stream);
    if (!failed && link->owed > 1 << 30) {
        failed = widen(link, (uint32_t)link->owed);
        link->owed = 0;
    }
    return failed;
}

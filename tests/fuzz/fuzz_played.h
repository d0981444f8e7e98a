// fuzz_played.h - an application for the reactor's fuzzer: the first letter of a target's path is
// the way to answer. Everything that it is given is looked at. Included by one program: with its
// functions.
#pragma once

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "cleanup.h"
#include "exchange.h"
#include "head.h"
#include "request.h"
#include "websocket.h"

enum {
    PLAYED_EXCHANGES = 8, // at once
    PLAYED_FILE = 5000,   // bytes
    PLAYED_PIECES = 3,
};

// A request that is answered later, or the WebSocket that it has become.
struct played_exchange {
    struct played *played;
    struct request *request; // NULL: free, or it is a WebSocket's
    struct websocket *websocket;
    bool waits;  // to be released
    bool noted;  // something has happened
    bool lost;   // its client has gone
    bool began;  // its answer has
    bool opened; // it is a WebSocket's turn next
};

struct played {
    struct played_exchange exchanges[PLAYED_EXCHANGES];
    size_t bodies; // sources that are not released
};

struct played_source {
    struct played *played;
    unsigned left; // pieces
    bool fails;
};

static inline void played_begin(struct played *played)
{
    *played = (struct played){.bodies = 0};
    for (size_t i = 0; i < PLAYED_EXCHANGES; i++)
        played->exchanges[i].played = played;
}

// --- what comes is what may come ---

static inline bool is_token(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= ' ' || c >= 127 || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
            return false;
    }
    return text.size > 0;
}

static inline bool is_text(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < ' ' && c != '\t') || c == 127)
            return false;
    }
    return true;
}

static inline void played_check(const struct request_head *head)
{
    unsigned hosts = 0, lengths = 0, codings = 0;
    must(is_token(head->method) && head->target.size > 0);
    must(is_text(head->target) && memchr(head->target.data, ' ', head->target.size) == NULL);
    must(head->version.size == 8 && str_starts(head->version, STR("HTTP/1.")));
    must(head->header_count <= 100);
    for (size_t i = 0; i < head->header_count; i++) {
        const struct header *header = &head->headers[i];
        must(is_token(header->name) && is_text(header->value));
        hosts += str_equal_nocase(header->name, STR("host"));
        lengths += str_equal_nocase(header->name, STR("content-length"));
        codings += str_equal_nocase(header->name, STR("transfer-encoding"));
    }
    must(lengths <= 1 && (lengths == 0 || codings == 0));
    must(hosts <= 1 && (hosts == 1 || str_equal(head->version, STR("HTTP/1.0"))));
}

// --- answers at once ---

static inline int played_next(void *owner, struct str *piece)
{
    struct played_source *source = owner;
    if (source->left == 0)
        return source->fails ? -1 : 0;
    source->left--;
    *piece = STR("a piece of it");
    return 1;
}

static inline void played_drop(void *owner)
{
    struct played_source *source = owner;
    source->played->bodies--;
    free(source);
}

static inline void played_head(struct request *request)
{
    struct head *head = request_response_head(request);
    must(head_begin(head, STR("OK")) == 0);
    must(head_add(head, STR("Content-Type"), STR("text/plain")) == HEAD_FINE);
}

static inline void played_respond(struct request *request, struct response response)
{
    struct err err;
    played_head(request);
    response.status = 200;
    must(request_respond(request, &response, &err) == 0);
}

static inline void played_pieces(struct played *played, struct request *request, char kind)
{
    const struct body_source next = {.next = played_next, .fd = -1};
    struct played_source *source = calloc(1, sizeof *source);
    must(source != NULL);
    played->bodies++;
    *source = (struct played_source){played, PLAYED_PIECES, kind == 'c'};
    played_respond(request,
                   (struct response){.content_length = kind == 'l' ? PLAYED_PIECES * 13 : -1,
                                     .source = &next,
                                     .release = played_drop,
                                     .owner = source});
}

static inline void played_file(struct request *request)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    must(fd >= 0 && ftruncate(fd, PLAYED_FILE) == 0);
    const struct body_source source = {.fd = fd, .offset = 7};
    played_respond(request,
                   (struct response){.content_length = PLAYED_FILE - 7, .source = &source});
}

// What came, wherever it is, can be read.
static inline void played_body(struct request *request)
{
    struct str memory = request_body(request);
    int fd = request_body_file(request);
    unsigned sum = 0;
    for (size_t i = 0; i < memory.size; i++)
        sum += (unsigned char)memory.data[i];
    must(fd < 0 || (memory.size == 0 && lseek(fd, 0, SEEK_END) > 0));
    must(sum != UINT32_MAX);
}

// --- answers that come later ---

static inline void played_note(void *owner)
{
    ((struct played_exchange *)owner)->noted = true;
}

static inline void played_lost(void *owner)
{
    struct played_exchange *exchange = owner;
    exchange->noted = exchange->lost = true;
}

// False: there are enough.
static inline bool played_exchange(struct played *played, struct request *request, char kind)
{
    static const struct exchange_events events = {played_note, played_note, played_note,
                                                  played_lost};
    struct websocket_offer offer;
    unsigned status = 0;
    bool offered = websocket_is_offered(request, &offer, &status);
    for (size_t i = 0; i < PLAYED_EXCHANGES && status == 0; i++) {
        struct played_exchange *exchange = &played->exchanges[i];
        if (exchange->request != NULL || exchange->websocket != NULL)
            continue;
        *exchange = (struct played_exchange){.played = played, .request = request, .noted = true};
        exchange->waits = kind == 'w';
        exchange->opened = offered;
        exchange_begin(request, &events, exchange);
        return true;
    }
    if (status != 0)
        websocket_refuse(request, status);
    return status != 0;
}

static inline void played_open(struct played_exchange *exchange)
{
    static const struct websocket_events events = {played_note, played_note};
    struct err err;
    played_head(exchange->request);
    exchange->websocket = websocket_accept(exchange->request, STR(""), &events, exchange, &err);
    if (exchange->websocket == NULL)
        exchange_end(exchange->request, true);
    exchange->request = NULL;
}

static inline void played_echo(struct played_exchange *exchange)
{
    struct err err;
    enum websocket_kind kind;
    struct str message;
    enum websocket_receiving got;
    while ((got = websocket_receive(exchange->websocket, &kind, &message)) == WEBSOCKET_MESSAGE) {
        must(message.size <= 1000);
        if (str_equal(message, STR("close")))
            websocket_close(exchange->websocket, 4000, STR("as you like"));
        else
            websocket_send(exchange->websocket, kind, message, &err);
    }
    if (got == WEBSOCKET_CLOSED)
        websocket_release(steal_ptr(&exchange->websocket), 1000);
}

// All of the body, then an answer in pieces.
static inline void played_continue(struct played_exchange *exchange)
{
    struct request *request = exchange->request;
    struct str piece;
    struct err err;
    enum exchange_reading reading;
    while ((reading = exchange_read(request, &piece)) == EXCHANGE_PIECE)
        ;
    if (reading == EXCHANGE_WAIT && !exchange->lost)
        return;
    bool cut = exchange->lost || reading == EXCHANGE_LOST;
    if (!cut) {
        played_head(request);
        cut = exchange_respond(request, 200, -1, &err) < 0;
        for (unsigned i = 0; i < PLAYED_PIECES && !cut; i++)
            cut = exchange_push(request, STR("a piece of it"), &err) < 0;
    }
    exchange->request = NULL;
    exchange_end(request, cut);
}

// Whether something was done.
static inline bool played_go_on(struct played *played)
{
    bool worked = false;
    for (size_t i = 0; i < PLAYED_EXCHANGES; i++) {
        struct played_exchange *exchange = &played->exchanges[i];
        if (!exchange->noted || (exchange->waits && !exchange->lost))
            continue;
        exchange->noted = false;
        worked = true;
        if (exchange->websocket != NULL)
            played_echo(exchange);
        else if (exchange->request != NULL && exchange->opened && !exchange->lost)
            played_open(exchange);
        else if (exchange->request != NULL)
            played_continue(exchange);
    }
    return worked;
}

// What waits goes on.
static inline void played_release(struct played *played)
{
    for (size_t i = 0; i < PLAYED_EXCHANGES; i++) {
        if (played->exchanges[i].waits)
            played->exchanges[i].noted = true;
        played->exchanges[i].waits = false;
    }
}

// --- the application ---

static inline bool played_streams(void *owner, const struct request *request)
{
    (void)owner;
    played_check(request_head(request));
    return true;
}

static inline char played_kind(const struct request *request)
{
    struct str target = request_head(request)->target;
    return target.size > 1 ? target.data[1] : ' ';
}

static inline void played_handle(void *owner, struct request *request)
{
    struct played *played = owner;
    char kind = played_kind(request);
    played_check(request_head(request));
    bool whole = request_has_body(request);
    if (whole)
        played_body(request);
    if ((kind == 'x' || kind == 'w' || !whole) && played_exchange(played, request, kind))
        return;
    if (kind == 'p' || kind == 'l' || kind == 'c')
        played_pieces(played, request, kind);
    else if (kind == 'f')
        played_file(request);
    else if (kind == 'e')
        request_fail(request, 503);
    else if (kind != 'n')
        played_respond(request, (struct response){.content_length = -1, .body = STR("text")});
}

// When the reactor has gone: nothing is left.
static inline void played_end(const struct played *played)
{
    must(played->bodies == 0);
    for (size_t i = 0; i < PLAYED_EXCHANGES; i++)
        must(played->exchanges[i].request == NULL && played->exchanges[i].websocket == NULL);
}

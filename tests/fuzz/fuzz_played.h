// fuzz_played.h - an application for the reactor's fuzzer: the first letter of a target's path is
// the way to answer. Everything that it is given is looked at. Included by one program: with its
// functions.
#pragma once

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "fuzz_played_head.h"
#include "fuzz_played_later.h"
#include "head.h"
#include "request.h"

enum { PLAYED_FILE = 5000 }; // bytes

struct played_source {
    struct played *played;
    unsigned left; // pieces
    bool fails;
};

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

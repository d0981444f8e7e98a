// played_site.h - an application in C for the real reactor: each target is one way to answer.
#pragma once

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "head.h"
#include "played_body.h"

enum { FILE_OFFSET = 7 }; // bytes of a file before what is sent

static inline void begin_head(struct request *request)
{
    struct head *head = request_response_head(request);
    must(head_begin(head, STR("OK")) == 0);
    must(head_add(head, STR("Content-Type"), STR("text/plain")) == HEAD_FINE);
}

static inline void respond(struct request *request, struct response response)
{
    struct err err;
    begin_head(request);
    response.status = 200;
    must(request_respond(request, &response, &err) == 0);
}

static inline void respond_text(struct request *request, struct str text)
{
    respond(request, (struct response){.content_length = -1, .body = text});
}

// The bytes of the body, size of them.
static inline void respond_bytes(struct request *request, struct site_body *body, size_t size)
{
    respond(request, (struct response){
                         .content_length = -1,
                         .body = {body->bytes, size},
                         .release = site_body_release,
                         .release_early = body->anywhere,
                         .owner = body,
                     });
}

static inline void respond_memory(struct request *request, unsigned size, bool early)
{
    struct site_body *body = site_body_new(size);
    body->anywhere = early;
    respond_bytes(request, body, size);
}

// How a source's answer is given: with its length, with the first piece already there.
enum { SITE_ANNOUNCED = 1, SITE_BEGUN = 2 };

static inline void respond_source(struct request *request, struct site_body script, unsigned how)
{
    struct site_body *body = site_body_new(0);
    const struct body_source source = {.next = site_next, .fd = -1};
    script.thread = body->thread;
    script.bytes = body->bytes;
    *body = script;
    int64_t length = (int64_t)script.pieces * script.size;
    if (how & SITE_BEGUN) {
        body->first = site_bytes(0, script.size);
        body->given = 1;
    }
    respond(request, (struct response){
                         .content_length = how & SITE_ANNOUNCED ? length + script.fails : -1,
                         .body = {body->first, body->given * script.size},
                         .source = &source,
                         .release = site_body_release,
                         .owner = body,
                     });
}

static inline void respond_file(struct request *request, unsigned size)
{
    char *bytes = site_bytes(0, size);
    int fd = memfd_create("file", MFD_CLOEXEC);
    must(fd >= 0 && pwrite(fd, bytes, size, FILE_OFFSET) == (ssize_t)size);
    free(bytes);
    const struct body_source source = {.fd = fd, .offset = FILE_OFFSET};
    respond(request, (struct response){.content_length = (int64_t)size, .source = &source});
}

// The body that came, wherever it is.
static inline void respond_echo(struct request *request)
{
    if (!request_has_body(request) && !pool_await_body(request)) {
        bodies_lost++;
        request_fail(request, 400);
        return;
    }
    struct str memory = request_body(request);
    int fd = request_body_file(request);
    size_t size = fd >= 0 ? (size_t)lseek(fd, 0, SEEK_END) : memory.size;
    struct site_body *body = site_body_new(size);
    if (fd >= 0)
        must(pread(fd, body->bytes, size, 0) == (ssize_t)size);
    else if (size > 0)
        memcpy(body->bytes, memory.data, size);
    respond_bytes(request, body, size);
}

static inline void site_answer(struct request *request, const char *target)
{
    unsigned a, b, c, d;
    if (strcmp(target, "/slow") == 0)
        wait_detached(NULL, 3000);
    if (strcmp(target, "/spin") == 0)
        spin_for(2000);
    if (sscanf(target, "/copy/%u", &a) == 1)
        respond_memory(request, a, true);
    else if (sscanf(target, "/held/%u", &a) == 1)
        respond_memory(request, a, false);
    else if (sscanf(target, "/source/%u/%u/%u/%u", &a, &b, &c, &d) == 4)
        respond_source(request, (struct site_body){.pieces = a, .size = b, .late = c}, d);
    else if (sscanf(target, "/gated/%u", &a) == 1)
        respond_source(request, (struct site_body){.pieces = 3, .size = 10, .gate = a}, 0);
    else if (sscanf(target, "/cut/%u/%u", &a, &b) == 2)
        respond_source(request, (struct site_body){.pieces = a, .size = 100, .fails = true}, b);
    else if (sscanf(target, "/file/%u", &a) == 1)
        respond_file(request, a);
    else if (strcmp(target, "/echo") == 0)
        respond_echo(request);
    else if (strcmp(target, "/nothing") != 0)
        respond_text(request, str_of(target[1] != '\0' ? "text" : ""));
}

static inline void site_handle(void *owner, struct request *request)
{
    char target[256];
    struct str raw = request_head(request)->target;
    (void)owner;
    must(raw.size < sizeof target);
    memcpy(target, raw.data, raw.size);
    target[raw.size] = '\0';
    language_enter();
    site_answer(request, target);
    language_leave();
}

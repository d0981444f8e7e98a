// played_local.h - a request without a connection, as local answers see it, and what they answer.
// Included by one test program each: it defines the functions of request.h that they call.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head.h"
#include "request.h"

struct request {
    struct request_head head;
    struct head answer;
    unsigned status; // 0: not answered
    bool failed;
    char *body;
};

static inline void ask(struct request *request, const char *method, const char *target)
{
    *request = (struct request){
        .head = {.method = {method, strlen(method)}, .target = {target, strlen(target)}}};
    head_init(&request->answer);
}

static inline void forget(struct request *request)
{
    head_fini(&request->answer);
    free(request->body);
    request->body = NULL;
}

static inline const char *lines_of(const struct request *request)
{
    // They are not terminated.
    static char text[8192];
    struct str lines = buf_str(&request->answer.lines);
    size_t size = lines.size < sizeof text ? lines.size : sizeof text - 1;
    memcpy(text, lines.data, size);
    text[size] = '\0';
    return text;
}

const struct request_head *request_head(const struct request *request)
{
    return &request->head;
}

struct head *request_response_head(struct request *request)
{
    return &request->answer;
}

const char *request_reason(unsigned status)
{
    return status == 200 ? "OK" : status == 503 ? "Service Unavailable" : "Some Other";
}

int request_respond(struct request *request, const struct response *response, struct err *err)
{
    (void)err;
    request->status = response->status;
    request->body = strndup(response->body.data, response->body.size);
    if (response->release != NULL)
        response->release(response->owner);
    return 0;
}

void request_fail(struct request *request, unsigned status)
{
    request->status = status;
    request->failed = true;
}

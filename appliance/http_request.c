// http_request.c - from libmicrohttpd's callbacks to one complete struct request: the raw target
// first, then the header section, the body piece by piece, and at the end the call of
// reactor_setup.handle.
#include "http_priv.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "log.h"

enum { TARGET_MAX = CONNECTION_MEMORY };

static struct connection *connection_of(struct MHD_Connection *transport)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(transport, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

static struct request *request_acquire(struct http *http)
{
    struct request *request = http->free_requests;
    if (request != NULL) {
        http->free_requests = request->next_free;
        return request;
    }
    request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->http = http;
    buf_init(&request->target, TARGET_MAX);
    spool_init(&request->body, http->setup->body_limits);
    return request;
}

// A request's memory is used again, but what a large body took is given back.
static void request_release(struct request *request)
{
    struct http *http = request->http;
    spool_clear(&request->body);
    struct buf target = request->target;
    struct spool body = request->body;
    target.size = 0;
    *request = (struct request){
        .http = http, .target = target, .body = body, .next_free = http->free_requests};
    http->free_requests = request;
}

void http_request_free_all(struct http *http)
{
    while (http->free_requests != NULL) {
        struct request *request = http->free_requests;
        http->free_requests = request->next_free;
        buf_fini(&request->target);
        spool_fini(&request->body);
        free(request);
    }
}

void *http_request_begin(void *owner, const char *target, struct MHD_Connection *transport)
{
    struct http *http = owner;
    struct connection *connection = connection_of(transport);
    struct request *request = connection != NULL ? request_acquire(http) : NULL;
    if (request == NULL)
        return NULL;
    request->connection = connection;
    request->transport = transport;
    connection->busy = true;
    if (buf_append(&request->target, target, strlen(target)) < 0) {
        request_release(request);
        return NULL;
    }
    return request;
}

static enum MHD_Result take_header(void *owner, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size)
{
    struct request *request = owner;
    (void)kind;
    if (request->head.header_count < HEADER_LIMIT) {
        request->headers[request->head.header_count] =
            (struct header){{name, name_size}, {value != NULL ? value : "", value_size}};
    }
    request->head.header_count++;
    return MHD_YES;
}

// Raw bytes beyond ASCII and tabs in a target: libmicrohttpd lets them pass, RFC 9112 section 3.2
// does not.
static bool target_is_valid(struct str target)
{
    for (size_t i = 0; i < target.size; i++) {
        unsigned char c = (unsigned char)target.data[i];
        if (c <= 0x20 || c >= 0x7f)
            return false;
    }
    return target.size > 0;
}

// The status that refuses this header section, or 0.
static unsigned judge_head(const struct request *request)
{
    if (!target_is_valid(request->head.target))
        return 400;
    if (request->head.header_count > HEADER_LIMIT)
        return 431;
    for (size_t i = 0; i < request->head.header_count; i++) {
        const struct header *header = &request->headers[i];
        if (header->name.size == 14 && strncasecmp(header->name.data, "content-length", 14) == 0 &&
            spool_exceeds(&request->body, strtoull(header->value.data, NULL, 10)))
            return 413;
    }
    return 0;
}

// The first call for a request: the header section is complete. An answer queued here closes the
// connection, so only refusals are.
static enum MHD_Result announce(struct request *request, const char *method, const char *version)
{
    struct connection *connection = request->connection;
    request->announced = true;
    request->head = (struct request_head){
        .method = str_of(method),
        .target = buf_str(&request->target),
        .version = str_of(version),
        .headers = request->headers,
        .peer_address = str_of(connection->peer_address),
        .peer_port = connection->peer_port,
        .endpoint = &connection->listener->endpoint,
    };
    MHD_get_connection_values_n(request->transport, MHD_HEADER_KIND, take_header, request);
    unsigned status = judge_head(request);
    if (status == 0)
        return MHD_YES;
    request->head.header_count = 0;
    return http_respond_plain(request, status);
}

static enum MHD_Result take_body(struct request *request, const char *data, size_t *data_size)
{
    struct err err;
    if (spool_append(&request->body, data, *data_size, &err) == 0) {
        *data_size = 0;
        return MHD_YES;
    }
    // An answer in the middle of a body is not possible.
    log_warning("http", "request body: %s; connection closed: client=%s", err.text,
                request->connection->peer_address);
    return MHD_NO;
}

enum MHD_Result http_request_step(void *owner, struct MHD_Connection *transport, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **context)
{
    struct http *http = owner;
    struct request *request = *context;
    (void)path, (void)transport;
    if (request == NULL)
        return MHD_NO; // out of memory: the connection is closed, the others live
    if (!request->announced)
        return announce(request, method, version);
    if (*data_size > 0)
        return take_body(request, data, data_size);
    if (request->answered)
        return MHD_YES;
    http->setup->handle(http->setup->owner, request);
    if (!request->answered)
        request_fail(request, 500);
    return request->answered ? MHD_YES : MHD_NO;
}

void http_request_end(void *owner, struct MHD_Connection *transport, void **context,
                      enum MHD_RequestTerminationCode how)
{
    struct request *request = *context;
    (void)owner, (void)transport, (void)how;
    if (request == NULL)
        return;
    *context = NULL;
    request->connection->busy = false;
    // Its answer may have been under way, without "Connection: close", when the drain began.
    if (request->http->draining)
        shutdown(request->connection->fd, SHUT_RD);
    request_release(request);
}

const struct request_head *request_head(const struct request *request)
{
    return &request->head;
}

struct str request_body(const struct request *request)
{
    return buf_str(&request->body.memory);
}

int request_body_file(const struct request *request)
{
    return request->body.fd;
}

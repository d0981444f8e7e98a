// http_response.c - struct response into libmicrohttpd's, and the plain answers that are our own.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cleanup.h"
#include "http_priv.h"
#include "log.h"

enum { HEADER_TEXT_MAX = 16 * 1024 };

// libmicrohttpd takes NUL-terminated text.
static int add_header(struct MHD_Response *out, const struct header *header, struct buf *scratch,
                      struct err *err)
{
    scratch->size = 0;
    if (buf_append_str(scratch, header->name) < 0 || buf_append(scratch, "", 1) < 0 ||
        buf_append_str(scratch, header->value) < 0)
        return err_set(err, ERR_FAILED, "header %.*s is too long", (int)header->name.size,
                       header->name.data);
    const char *name = buf_text(scratch), *value = name + header->name.size + 1;
    if (strlen(name) != header->name.size || strlen(value) != header->value.size ||
        MHD_add_response_header(out, name, value) != MHD_YES)
        return err_set(err, ERR_FAILED, "header %.64s: %.64s is not valid in HTTP", name, value);
    return 0;
}

static int add_headers(struct MHD_Response *out, const struct response *response, struct err *err)
{
    _buf_ struct buf scratch = BUF_INIT(HEADER_TEXT_MAX);
    for (size_t i = 0; i < response->header_count; i++) {
        if (add_header(out, &response->headers[i], &scratch, err) < 0)
            return -1;
    }
    return 0;
}

static bool has_body(const struct request *request, unsigned status)
{
    return status >= 200 && status != 204 && status != 304 &&
           !str_equal(request->head.method, STR("HEAD"));
}

// An answer without a body may tell the length that a GET would have given; 204 may not (RFC 9110
// section 8.6).
static int tell_length(struct MHD_Response *out, const struct response *response)
{
    char text[24];
    int64_t length = response->content_length;
    MHD_set_response_options(out, MHD_RF_HEAD_ONLY_RESPONSE, MHD_RO_END);
    if (length < 0 && response->status != 304)
        length = (int64_t)response->body.size;
    if (length < 0 || response->status == 204)
        return 0;
    snprintf(text, sizeof text, "%" PRId64, length);
    return MHD_add_response_header(out, "Content-Length", text) == MHD_YES ? 0 : -1;
}

// Takes response's body along; on failure it is still the caller's.
static struct MHD_Response *make_response(const struct request *request,
                                          const struct response *response, struct err *err)
{
    bool with_body = has_body(request, response->status);
    struct MHD_Response *out;
    if (with_body && response->body.size > 0)
        out = MHD_create_response_from_buffer_with_free_callback_cls(
            response->body.size, (void *)(uintptr_t)response->body.data, response->release,
            response->owner);
    else
        out = MHD_create_response_from_buffer_static(0, "");
    if (out == NULL) {
        err_system(err, ENOMEM, "response");
        return NULL;
    }
    if (!with_body)
        must(tell_length(out, response) == 0);
    return out;
}

// Queue and give up our hold; the body goes with the response from here on.
static int queue(struct request *request, unsigned status, struct MHD_Response *out,
                 struct err *err)
{
    if (request->http->draining || !request->http->setup->keep_alive)
        MHD_add_response_header(out, "Connection", "close");
    enum MHD_Result queued = MHD_queue_response(request->transport, status, out);
    MHD_destroy_response(out);
    if (queued != MHD_YES)
        return err_set(err, ERR_FAILED, "status %u cannot be sent here", status);
    request->answered = true;
    return 0;
}

int request_respond(struct request *request, const struct response *response, struct err *err)
{
    must(!request->answered);
    struct MHD_Response *out = make_response(request, response, err);
    // What libmicrohttpd did not take along is released here.
    bool taken = out != NULL && has_body(request, response->status) && response->body.size > 0;
    int result = -1;
    if (out != NULL && add_headers(out, response, err) < 0)
        MHD_destroy_response(out);
    else if (out != NULL)
        result = queue(request, response->status, out, err);
    if (!taken && response->release != NULL)
        response->release(response->owner);
    return result;
}

static const char *reason(unsigned status)
{
    const char *text = MHD_get_reason_phrase_for(status);
    return text != NULL ? text : "Error";
}

enum MHD_Result http_respond_plain(struct request *request, unsigned status)
{
    char page[128];
    int size = snprintf(page, sizeof page, "%u %s\n", status, reason(status));
    struct MHD_Response *out = MHD_create_response_from_buffer_copy((size_t)size, page);
    struct err err;
    if (out == NULL)
        return MHD_NO;
    MHD_add_response_header(out, "Content-Type", "text/plain; charset=utf-8");
    return queue(request, status, out, &err) == 0 ? MHD_YES : MHD_NO;
}

void request_fail(struct request *request, unsigned status)
{
    if (request->answered)
        return;
    if (http_respond_plain(request, status) != MHD_YES)
        log_warning("http", "status %u could not be sent, connection closed", status);
}

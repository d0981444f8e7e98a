// http_response.c - struct response into libmicrohttpd's: a body in memory, in pieces or from a
// file; and the plain answers that are our own.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "http_priv.h"
#include "log.h"

enum {
    HEADER_TEXT_MAX = 16 * 1024,
    STREAM_BLOCK = 64 * 1024, // bytes that one answer in pieces buffers
};

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

bool request_takes_body(const struct request *request, unsigned status)
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
    if (length < 0 && response->status != 304 && response->source == NULL)
        length = (int64_t)response->body.size;
    if (length < 0 || response->status == 204)
        return 0;
    snprintf(text, sizeof text, "%" PRId64, length);
    return MHD_add_response_header(out, "Content-Length", text) == MHD_YES ? 0 : -1;
}

// A body in pieces on its way through libmicrohttpd.
struct stream {
    const struct request *request; // is there as long as anything is read
    struct body_source source;
    void (*release)(void *owner);
    void *owner;
    struct str piece;  // what is left of the source's latest
    int64_t announced; // bytes, -1: not known
};

// The next piece that is there to be sent: 1, 0 at the end, -1.
static int stream_fill(struct stream *stream, uint64_t sent)
{
    if (stream->piece.size > 0)
        return 1;
    const struct request_head *head = &stream->request->head;
    int more = stream->source.next(stream->owner, &stream->piece);
    if (more == 0 && stream->announced > (int64_t)sent) {
        log_error("http",
                  "%.*s %.*s: the body ended after %" PRIu64 " of %" PRId64
                  " bytes, connection closed",
                  (int)head->method.size, head->method.data, (int)head->target.size,
                  head->target.data, sent, stream->announced);
        return -1;
    }
    return more;
}

// MHD_ContentReaderCallback: as much as the client takes now.
static ssize_t stream_read(void *owner, uint64_t sent, char *out, size_t size)
{
    struct stream *stream = owner;
    int more = stream_fill(stream, sent);
    if (more <= 0)
        return more == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    size_t count = stream->piece.size < size ? stream->piece.size : size;
    memcpy(out, stream->piece.data, count);
    stream->piece.data += count;
    stream->piece.size -= count;
    if (stream->announced == (int64_t)(sent + count) && stream->piece.size > 0)
        log_warning("http",
                    "the body is longer than the %" PRId64 " bytes announced, the rest is dropped",
                    stream->announced);
    return (ssize_t)count;
}

static void stream_free(void *owner)
{
    struct stream *stream = owner;
    if (stream->release != NULL)
        stream->release(stream->owner);
    free(stream);
}

static struct MHD_Response *stream_response(const struct request *request,
                                            const struct response *response)
{
    struct stream *stream = malloc(sizeof *stream);
    if (stream == NULL)
        return NULL;
    *stream = (struct stream){
        .request = request,
        .source = *response->source,
        .release = response->release,
        .owner = response->owner,
        .announced = response->content_length,
    };
    uint64_t size =
        response->content_length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)response->content_length;
    struct MHD_Response *out =
        MHD_create_response_from_callback(size, STREAM_BLOCK, stream_read, stream, stream_free);
    if (out == NULL)
        free(stream);
    return out;
}

static bool is_file(const struct response *response)
{
    return response->source != NULL && response->source->fd >= 0;
}

// A response with the body that the status and method allow. *taken: it calls release when it is
// destroyed, else that is left to the caller.
static struct MHD_Response *body_response(const struct request *request,
                                          const struct response *response, bool *taken)
{
    *taken = !is_file(response);
    if (is_file(response))
        return MHD_create_response_from_fd_at_offset64(
            (uint64_t)response->content_length, response->source->fd, response->source->offset);
    if (response->source != NULL)
        return stream_response(request, response);
    return MHD_create_response_from_buffer_with_free_callback_cls(
        response->body.size, (void *)(uintptr_t)response->body.data, response->release,
        response->owner);
}

static bool is_empty(const struct response *response)
{
    return response->source == NULL ? response->body.size == 0 : response->content_length == 0;
}

static struct MHD_Response *make_response(const struct request *request,
                                          const struct response *response, bool *taken,
                                          struct err *err)
{
    bool with_body = request_takes_body(request, response->status);
    struct MHD_Response *out;
    *taken = false;
    if (with_body && !is_empty(response))
        out = body_response(request, response, taken);
    else
        out = MHD_create_response_from_buffer_static(0, "");
    if (out == NULL) {
        *taken = false;
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
    bool taken;
    struct MHD_Response *out = make_response(request, response, &taken, err);
    bool file_left =
        is_file(response) &&
        (out == NULL || !request_takes_body(request, response->status) || is_empty(response));
    int result = -1;
    if (out != NULL && add_headers(out, response, err) < 0)
        MHD_destroy_response(out);
    else if (out != NULL)
        result = queue(request, response->status, out, err);
    // What libmicrohttpd did not take along is released here.
    if (file_left)
        close(response->source->fd);
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

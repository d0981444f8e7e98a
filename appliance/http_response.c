// http_response.c - struct response into libmicrohttpd's: a body in memory, in pieces or from a
// file; and the plain answers that are our own. An answer is made by whoever does the request's
// work, and queued with the baton.
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

enum { STREAM_BLOCK = 64 * 1024 }; // bytes that one answer in pieces buffers

struct head *request_response_head(struct request *request)
{
    return &request->answer.head;
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

static void report_short(const struct request *request)
{
    const struct request_head *head = &request->head;
    log_error("http",
              "%.*s %.*s: the body ended after %" PRIu64 " of %" PRId64 " bytes, connection closed",
              (int)head->method.size, head->method.data, (int)head->target.size, head->target.data,
              request->answer.sent, request->answer.announced);
}

// MHD_ContentReaderCallback: as much as is there and the client takes now. With nothing there, the
// connection waits until the application has made more.
static ssize_t stream_read(void *owner, uint64_t position, char *out, size_t size)
{
    struct request *request = owner;
    struct answer *answer = &request->answer;
    (void)position;
    if (answer->piece.size == 0) {
        if (answer->more < 0)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (answer->more == 0)
            return MHD_CONTENT_READER_END_OF_STREAM;
        http_request_offer(request, WORK_PIECE);
        return 0;
    }
    size_t count = answer->piece.size < size ? answer->piece.size : size;
    memcpy(out, answer->piece.data, count);
    answer->piece.data += count;
    answer->piece.size -= count;
    answer->sent += count;
    if (answer->announced == (int64_t)answer->sent && answer->piece.size > 0)
        log_warning("http",
                    "the body is longer than the %" PRId64 " bytes announced, the rest is dropped",
                    answer->announced);
    return (ssize_t)count;
}

void http_response_fetch(struct request *request)
{
    struct answer *answer = &request->answer;
    answer->more = answer->source.next(answer->owner, &answer->piece);
    if (answer->more == 0 && answer->announced > (int64_t)answer->sent) {
        report_short(request);
        answer->more = -1;
    }
}

static bool is_file(const struct response *response)
{
    return response->source != NULL && response->source->fd >= 0;
}

static bool is_empty(const struct response *response)
{
    if (response->source == NULL)
        return response->body.size == 0;
    return response->content_length == 0;
}

static struct MHD_Response *stream_response(struct request *request,
                                            const struct response *response)
{
    struct answer *answer = &request->answer;
    answer->in_place = true;
    answer->source = *response->source;
    answer->piece = response->body;
    answer->more = 1;
    answer->announced = response->content_length;
    uint64_t size =
        response->content_length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)response->content_length;
    return MHD_create_response_from_callback(size, STREAM_BLOCK, stream_read, request, NULL);
}

// A body that can be released at once is copied, where that is cheap.
static struct MHD_Response *memory_response(struct request *request,
                                            const struct response *response)
{
    struct buf *copy = &request->answer.copy;
    const char *data = response->body.data;
    if (response->release_early && buf_append_str(copy, response->body) == 0)
        data = buf_text(copy);
    else
        request->answer.in_place = true;
    struct MHD_Response **kept = &request->answer.kept;
    if (*kept == NULL)
        *kept = MHD_create_response_from_buffer_static(response->body.size, data);
    else
        MHD_set_response_buffer(*kept, data, response->body.size);
    return *kept;
}

// Whether the answer has a body to send; a file that it does not need is closed.
static bool choose_body(const struct request *request, const struct response *response)
{
    if (request_takes_body(request, response->status) && !is_empty(response))
        return true;
    if (is_file(response))
        close(response->source->fd);
    return false;
}

// Takes the file of the response along, on failure as well.
static struct MHD_Response *make_response(struct request *request, const struct response *response,
                                          struct err *err)
{
    struct MHD_Response *out;
    bool with_body = choose_body(request, response);
    if (!with_body)
        out = MHD_create_response_from_buffer_static(0, "");
    else if (is_file(response))
        out = MHD_create_response_from_fd_at_offset64(
            (uint64_t)response->content_length, response->source->fd, response->source->offset);
    else if (response->source != NULL)
        out = stream_response(request, response);
    else
        out = memory_response(request, response);
    if (out == NULL && with_body && is_file(response))
        close(response->source->fd);
    if (out == NULL)
        err_system(err, ENOMEM, "response");
    else if (!request_takes_body(request, response->status))
        must(tell_length(out, response) == 0);
    return out;
}

// The answer is made: nothing of it is sent before the work is settled.
static void set_answer(struct request *request, unsigned status, struct MHD_Response *out)
{
    request->answer.response = out;
    request->answer.status = status;
    request->answered = true;
}

int request_respond(struct request *request, const struct response *response, struct err *err)
{
    must(!request->answered);
    struct MHD_Response *out = make_response(request, response, err);
    const struct head *head = &request->answer.head;
    if (out != NULL) {
        MHD_set_response_lines(out, buf_text(&head->lines), head->lines.size, head->reason_size,
                               head->has_date);
        set_answer(request, response->status, out);
    }
    if (response->release == NULL)
        return out != NULL ? 0 : -1;
    if (out == NULL || (response->release_early && !request->answer.in_place)) {
        response->release(response->owner);
    } else {
        request->answer.release = response->release;
        request->answer.release_anywhere = response->release_early;
        request->answer.owner = response->owner;
    }
    return out != NULL ? 0 : -1;
}

// Queue and give up our hold.
static enum MHD_Result queue(struct request *request, unsigned status, struct MHD_Response *out)
{
    if (request->http->draining || !request->http->setup->keep_alive) {
        MHD_add_response_header(out, "Connection", "close");
        if (out == request->answer.kept)
            request->answer.kept = NULL; // it cannot be taken off again
    }
    enum MHD_Result queued = MHD_queue_response(request->transport, status, out);
    if (out != request->answer.kept)
        MHD_destroy_response(out);
    return queued;
}

void http_response_queue(struct request *request)
{
    struct MHD_Response *out = steal_ptr(&request->answer.response);
    if (out == NULL || queue(request, request->answer.status, out) != MHD_YES) {
        log_warning("http", "status %u cannot be sent here, connection closed",
                    request->answer.status);
        request->failed = true;
        request->answered = false;
    }
    if (request->expectation == EXPECT_HELD) {
        request->http->expecting--;
        request->expectation = EXPECT_NONE;
    }
    MHD_run_connection(request->transport);
}

static const char *reason(unsigned status)
{
    const char *text = MHD_get_reason_phrase_for(status);
    return text != NULL ? text : "Error";
}

static struct MHD_Response *plain_response(unsigned status)
{
    char page[128];
    int size = snprintf(page, sizeof page, "%u %s\n", status, reason(status));
    struct MHD_Response *out = MHD_create_response_from_buffer_copy((size_t)size, page);
    if (out != NULL)
        MHD_add_response_header(out, "Content-Type", "text/plain; charset=utf-8");
    return out;
}

enum MHD_Result http_respond_plain(struct request *request, unsigned status)
{
    struct MHD_Response *out = plain_response(status);
    request->answered = true;
    return out != NULL ? queue(request, status, out) : MHD_NO;
}

void request_fail(struct request *request, unsigned status)
{
    if (!request->answered)
        set_answer(request, status, plain_response(status));
}

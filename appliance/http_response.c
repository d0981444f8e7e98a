// http_response.c - struct response into libmicrohttpd's: a body in memory, in pieces or from a
// file; and the plain answers that are our own. An answer is made by whoever does the request's
// work, and queued with the baton.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "http_priv.h"
#include "http_sendfile.h"
#include "log.h"

enum {
    STREAM_BLOCK = 32 * 1024, // bytes that one answer in pieces buffers
    PIECE_COPIED = 32 * 1024, // bytes of a piece that is gathered; a larger one is sent by itself
};

struct head *request_response_head(struct request *request)
{
    return &request->answer.head;
}

bool request_takes_body(const struct request *request, unsigned status)
{
    return status >= 200 && status != 204 && status != 304 &&
           !str_equal(request->head.method, STR("HEAD")) && !http_sendfile_wanted(request);
}

// An answer without a body may tell the length that a GET would have given; 204 may not (RFC 9110
// section 8.6).
static int tell_length(struct MHD_Response *out, const struct response *response)
{
    char text[24];
    int64_t length = response->content_length;
    // An application that knows HEAD leaves the body out: nothing is known of what GET would get.
    if (length < 0 && response->status != 304 && response->source == NULL &&
        response->body.size > 0)
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
              "%.*s %.*s: the body ended after %" PRId64 " of %" PRId64 " bytes, connection closed",
              (int)head->method.size, head->method.data, (int)head->target.size, head->target.data,
              request->answer.taken, request->answer.announced);
}

static void swap(struct buf *a, struct buf *b)
{
    struct buf held = *a;
    *a = *b;
    *b = held;
}

// What was gathered goes out, once what went before has.
static void take_gathered(struct answer *answer)
{
    if (answer->sent < answer->sending.size)
        return;
    answer->sending.size = answer->sent = 0;
    swap(&answer->sending, &answer->gathered);
}

// Bytes that are there to be sent, marked as sent; none: an empty slice.
static struct str next_bytes(struct request *request, size_t size)
{
    struct answer *answer = &request->answer;
    // What is pushed is pushed by the thread that is here.
    if (!request->running || answer->ends || request->exchange.is_begun)
        take_gathered(answer);
    struct str bytes = {buf_text(&answer->sending) + answer->sent,
                        answer->sending.size - answer->sent};
    bool gathered = bytes.size > 0;
    if (!gathered && !request->running)
        bytes = answer->piece;
    if (bytes.size > size)
        bytes.size = size;
    if (gathered) {
        answer->sent += bytes.size;
    } else if (bytes.size > 0) {
        answer->piece.data += bytes.size;
        answer->piece.size -= bytes.size;
    }
    return bytes;
}

// The fields behind the body were gathered as lines.
static ssize_t end_of_stream(struct request *request)
{
    const struct answer *answer = &request->answer;
    struct str rest = answer->in_chunks ? buf_str(&answer->copy) : STR("");
    while (rest.size > 0) {
        const char *end = memmem(rest.data, rest.size, "\r\n", 2);
        const char *colon = memchr(rest.data, ':', rest.size);
        char name[256], value[4096];
        int name_size = snprintf(name, sizeof name, "%.*s", (int)(colon - rest.data), rest.data);
        int size = snprintf(value, sizeof value, "%.*s", (int)(end - colon - 2), colon + 2);
        if (name_size < (int)sizeof name && size < (int)sizeof value)
            MHD_add_response_footer(answer->streaming, name, value);
        else
            log_warning("http", "a trailer is too long, and left out");
        rest = (struct str){end + 2, rest.size - (size_t)(end + 2 - rest.data)};
    }
    return MHD_CONTENT_READER_END_OF_STREAM;
}

static bool fetch_one(struct request *request, bool gathers);

// MHD_ContentReaderCallback: as much as is there and the client takes now. With nothing there, the
// connection waits until the application has made more.
static ssize_t stream_read(void *owner, uint64_t position, char *out, size_t size)
{
    struct request *request = owner;
    (void)position;
    struct str bytes = next_bytes(request, size);
    if (bytes.size == 0 && request->answer.source.at_once && request->answer.more == 1) {
        fetch_one(request, false);
        bytes = next_bytes(request, size);
    }
    if (bytes.size == 0 && http_coder_go_on(request))
        bytes = next_bytes(request, size);
    if (bytes.size > 0) {
        memcpy(out, bytes.data, bytes.size);
        if (request->exchange.is_begun)
            http_exchange_taken(request);
        return (ssize_t)bytes.size;
    }
    bool is_full = request->exchange.is_begun && request->answer.coder.has_ended;
    if (request->running && !request->answer.ends && !is_full)
        MHD_suspend_connection(request->transport);
    else if (request->answer.more < 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    else if (request->answer.more == 0 || request->answer.coder.has_ended)
        return end_of_stream(request);
    else
        http_request_offer(request, WORK_PIECE);
    return 0;
}

int http_response_check(struct request *request, int more, size_t size)
{
    struct answer *answer = &request->answer;
    int64_t before = answer->taken;
    answer->taken += (int64_t)size;
    if (answer->announced < 0)
        return more;
    if (more == 0 && answer->announced > answer->taken) {
        report_short(request);
        return -1;
    }
    if (before <= answer->announced && answer->taken > answer->announced)
        log_warning("http",
                    "the body is longer than the %" PRId64 " bytes announced, the rest is dropped",
                    answer->announced);
    return more;
}

// With the lock. Keep a piece among the gathered ones; false: it is the last for now, and stays
// where the source has it.
static bool keep(struct answer *answer, struct str piece)
{
    int64_t before = answer->taken - (int64_t)piece.size;
    bool wanted = answer->announced < 0 || before < answer->announced;
    if (answer->flushed || piece.size > PIECE_COPIED || !wanted ||
        buf_append_str(&answer->gathered, piece) < 0) {
        answer->piece = piece;
        return false;
    }
    return true;
}

// True if there may be more to gather.
static bool fetch_one(struct request *request, bool gathers)
{
    struct answer *answer = &request->answer;
    struct str piece = {"", 0};
    if (answer->coder.compressor != NULL)
        return http_coder_fetch(request, gathers);
    int more = answer->source.next(answer->owner, &piece);
    more = http_response_check(request, more, more == 1 ? piece.size : 0);
    pthread_mutex_lock(&request->lock);
    answer->more = more;
    bool kept = false;
    if (more == 1 && gathers)
        kept = keep(answer, piece);
    else if (more == 1)
        answer->piece = piece;
    pthread_mutex_unlock(&request->lock);
    return kept;
}

// A source that has given all that it has is not needed while the client takes it. Releasing it may
// take long: it is watched like a piece.
static bool end_source(struct request *request)
{
    struct answer *answer = &request->answer;
    pthread_mutex_lock(&request->lock);
    bool ends = answer->more <= 0 && !answer->flushed;
    // Once it is flushed, another thread reads this without the lock.
    if (ends)
        answer->ends = true;
    pthread_mutex_unlock(&request->lock);
    return ends;
}

bool http_response_fetch(struct request *request, bool gathers)
{
    while (fetch_one(request, gathers))
        ;
    return gathers && end_source(request);
}

bool http_response_gather(struct request *request, bool gathers)
{
    struct answer *answer = &request->answer;
    struct str first = answer->piece;
    // An exchange's pieces are pushed; those of the server's own are for who has the baton.
    if (answer->source.next == NULL || answer->source.at_once)
        return false;
    if (answer->coder.compressor != NULL)
        return http_response_fetch(request, gathers);
    if (!gathers)
        return false;
    pthread_mutex_lock(&request->lock);
    answer->piece.size = 0;
    bool kept = keep(answer, first);
    pthread_mutex_unlock(&request->lock);
    return kept && http_response_fetch(request, true);
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

static struct MHD_Response *stream_response(struct request *request)
{
    bool is_coded = request->answer.coder.compressor != NULL;
    int64_t announced = is_coded ? -1 : request->answer.announced;
    return MHD_create_response_from_callback(announced < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)announced,
                                             STREAM_BLOCK, stream_read, request, NULL);
}

static struct MHD_Response *buffer_response(struct answer *answer, const char *data, size_t size)
{
    if (answer->kept == NULL)
        answer->kept = MHD_create_response_from_buffer_static(size, data);
    else
        MHD_set_response_buffer(answer->kept, data, size);
    return answer->kept;
}

static bool is_whole(const struct answer *answer)
{
    if (answer->coder.compressor != NULL)
        return answer->coder.has_ended;
    if (answer->announced >= 0)
        return (int64_t)answer->sending.size >= answer->announced;
    return answer->more == 0 && answer->piece.size == 0;
}

// A source's first pieces may be all of them: their length is known then.
static struct MHD_Response *source_response(struct request *request)
{
    struct answer *answer = &request->answer;
    take_gathered(answer);
    int64_t size = (int64_t)answer->sending.size;
    // More is being gathered at this moment, or not all is here.
    if ((answer->flushed && !answer->ends) || answer->in_chunks || !is_whole(answer)) {
        answer->streaming = stream_response(request);
        return answer->streaming;
    }
    if (answer->announced >= 0 && answer->coder.compressor == NULL)
        size = answer->announced;
    answer->sent = answer->sending.size;
    return buffer_response(answer, buf_text(&answer->sending), (size_t)size);
}

// Behind a body in memory that is coded piece by piece.
static int next_of_none(void *owner, struct str *piece)
{
    (void)owner, (void)piece;
    return 0;
}

static const struct body_source no_source = {.next = next_of_none, .fd = -1};

// From here on another thread may send what is gathered.
static void begin_source(struct request *request, const struct response *response)
{
    struct answer *answer = &request->answer;
    answer->in_place = true;
    answer->source = response->source != NULL ? *response->source : no_source;
    answer->owner = response->owner;
    answer->piece = response->body;
    answer->more = 1;
    answer->announced = response->content_length;
    http_response_check(request, 1, response->body.size);
    if (answer->coder.compressor != NULL) {
        answer->coder.rest = answer->piece;
        answer->piece.size = 0;
    }
    pthread_mutex_lock(&request->lock);
    answer->streams = true;
    pthread_mutex_unlock(&request->lock);
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
    return buffer_response(&request->answer, data, response->body.size);
}

// Takes the file of the response along: what does not send it closes it.
static struct MHD_Response *make_response(struct request *request, const struct response *response,
                                          bool with_body, struct err *err)
{
    struct MHD_Response *out;
    bool sends_file = with_body && is_file(response);
    if (!with_body)
        out = MHD_create_response_from_buffer_static(0, "");
    else if (sends_file)
        out = MHD_create_response_from_fd_at_offset64(
            (uint64_t)response->content_length, response->source->fd, response->source->offset);
    else
        out = memory_response(request, response);
    if (is_file(response) && (out == NULL || !sends_file))
        close(response->source->fd);
    if (out != NULL && sends_file) {
        request->answer.file = out;
        request->answer.file_fd = response->source->fd;
        request->answer.file_end = response->source->offset + (uint64_t)response->content_length;
    }
    if (out == NULL)
        err_system(err, ENOMEM, "response");
    else if (!request_takes_body(request, response->status))
        MHD_set_response_options(out, MHD_RF_HEAD_ONLY_RESPONSE, MHD_RO_END);
    return out;
}

const char *http_response_hsts(const struct request *request)
{
    const char *hsts = request->http->setup->hsts;
    return hsts != NULL && http_client_is_secure(request) ? hsts : NULL;
}

static void set_lines(struct request *request, struct MHD_Response *out)
{
    struct head *head = &request->answer.head;
    if (request->http->setup->request_ids)
        head_add(head, STR("X-Request-ID"), request_id(request));
    const char *hsts = http_response_hsts(request);
    // The application's own is the better one. One that finds no room is left out.
    if (hsts != NULL && !head->has_hsts)
        head_add(head, STR("Strict-Transport-Security"), str_of(hsts));
    if (request->http->setup->security_headers)
        http_security_add(head);
    MHD_set_response_lines(out, buf_text(&head->lines), head->lines.size, head->reason_size,
                           head->has_date);
}

static struct MHD_Response *coded_response(struct answer *answer)
{
    answer->sent = answer->sending.size;
    return buffer_response(answer, buf_text(&answer->sending), answer->sending.size);
}

// The answer is made: nothing of it is sent before the work is settled, or a piece is late.
static int make_answer(struct request *request, const struct response *response, struct err *err)
{
    struct answer *answer = &request->answer;
    bool with_body = request_takes_body(request, response->status) && !is_empty(response);
    answer->status = response->status;
    enum http_coded coded = http_compress(request, response, with_body);
    bool streams = with_body && response->source != NULL && !is_file(response);
    if (streams || coded == CODED_STREAM) {
        begin_source(request, response);
    } else {
        answer->response = coded == CODED_WHOLE ? coded_response(answer)
                                                : make_response(request, response, with_body, err);
        if (answer->response == NULL)
            return -1;
        if (!request_takes_body(request, response->status) && coded != CODED_HEAD)
            must(tell_length(answer->response, response) == 0);
        set_lines(request, answer->response);
    }
    request->answered = true;
    return 0;
}

int request_respond(struct request *request, const struct response *response, struct err *err)
{
    struct answer *answer = &request->answer;
    must(!request->answered);
    if (http_sendfile_wanted(request))
        return http_sendfile_respond(request, response, err);
    int result = make_answer(request, response, err);
    if (response->release == NULL)
        return result;
    if (result < 0 || (response->release_early && !answer->in_place)) {
        response->release(response->owner);
    } else {
        answer->release = response->release;
        answer->release_anywhere = response->release_early;
        answer->owner = response->owner;
    }
    return result;
}

// Queue and give up our hold.
static enum MHD_Result queue(struct request *request, unsigned status, struct MHD_Response *out)
{
    if (request->http->draining || !request->http->setup->keep_alive || request->exchange.closes) {
        MHD_add_response_header(out, "Connection", "close");
        if (out == request->answer.kept)
            request->answer.kept = NULL; // it cannot be taken off again
    }
    enum MHD_Result queued = MHD_queue_response(request->transport, status, out);
    if (out != request->answer.kept && out != request->answer.file)
        MHD_destroy_response(out);
    return queued;
}

void http_response_ended(const struct request *request, bool complete)
{
    const struct request_head *head = &request->head;
    struct stat about;
    if (complete || request->answer.file == NULL || fstat(request->answer.file_fd, &about) < 0 ||
        (uint64_t)about.st_size >= request->answer.file_end)
        return;
    log_error("http", "%.*s %.*s: the file became shorter while it was sent, connection closed",
              (int)head->method.size, head->method.data, (int)head->target.size, head->target.data);
}

const char *request_reason(unsigned status)
{
    const char *text = MHD_get_reason_phrase_for(status);
    return text != NULL ? text : "Unknown";
}

// With a NUL behind it.
static const char *terminated_id(struct request *request)
{
    struct str id = request_id(request);
    request->id[id.size] = '\0';
    return request->id;
}

static struct MHD_Response *plain_response(struct request *request, unsigned status)
{
    const char *hsts = http_response_hsts(request);
    char page[128];
    int size = snprintf(page, sizeof page, "%u %s\n", status, request_reason(status));
    struct MHD_Response *out = MHD_create_response_from_buffer_copy((size_t)size, page);
    if (out != NULL)
        MHD_add_response_header(out, "Content-Type", "text/plain; charset=utf-8");
    if (out != NULL && hsts != NULL)
        MHD_add_response_header(out, "Strict-Transport-Security", hsts);
    if (out != NULL && request->http->setup->request_ids)
        MHD_add_response_header(out, "X-Request-ID", terminated_id(request));
    if (out != NULL)
        http_rate_tell_client(request, out);
    if (out != NULL && request->http->setup->security_headers)
        http_security_add_to(out);
    return out;
}

// In place of what an application has made that did not get the body: it goes nowhere.
static struct MHD_Response *refuse_instead(struct request *request, struct MHD_Response *made)
{
    struct answer *answer = &request->answer;
    if (made != NULL && made != answer->kept && made != answer->file)
        MHD_destroy_response(made);
    answer->status = request->refused;
    answer->head.lines.size = answer->head.reason_size = 0;
    return plain_response(request, request->refused);
}

// What cannot be sent cuts the connection.
void http_response_queue(struct request *request)
{
    struct answer *answer = &request->answer;
    struct MHD_Response *out = steal_ptr(&answer->response);
    if (request->expectation == EXPECT_REFUSED)
        out = refuse_instead(request, out);
    else if (answer->streams && (out = source_response(request)) != NULL)
        set_lines(request, out);
    answer->queued = true;
    if (out != NULL && queue(request, answer->status, out) == MHD_YES)
        return;
    if (!request->failed && request->refused == 0)
        log_warning("http", "status %u cannot be sent here, connection closed", answer->status);
    http_request_cut(request);
}

void http_response_go_on(struct request *request)
{
    if (!request->answer.queued && !request->failed)
        http_response_queue(request);
    MHD_run_connection(request->transport);
}

void http_flush(struct request *request)
{
    struct answer *answer = &request->answer;
    pthread_mutex_lock(&request->lock);
    if (answer->streams)
        http_coder_flush(request);
    bool sends = answer->streams && (answer->gathered.size > 0 || answer->ends);
    answer->flushed = true;
    if (sends)
        take_gathered(answer);
    pthread_mutex_unlock(&request->lock);
    if (sends && !request->ended)
        http_response_go_on(request);
}

enum MHD_Result http_respond(struct request *request, unsigned status, struct MHD_Response *out)
{
    request->answered = true;
    return queue(request, status, out);
}

enum MHD_Result http_respond_plain(struct request *request, unsigned status)
{
    struct MHD_Response *out = plain_response(request, status);
    return out != NULL ? http_respond(request, status, out) : MHD_NO;
}

void request_fail(struct request *request, unsigned status)
{
    if (request->answered)
        return;
    request->answer.status = status;
    // What the application had begun to say is not sent.
    request->answer.head.lines.size = request->answer.head.reason_size = 0;
    request->answer.response = plain_response(request, status);
    request->answered = true;
}

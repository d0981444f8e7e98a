// http_exchange.c - requests that an event loop answers later: their body as it comes, their answer
// in pieces as it is made. What has to be done to a connection is noted and done when the reactor
// is next called (http_exchange_flush), so that what is made together leaves together.
#include "exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "http_priv.h"
#include "log.h"
#include "tls_session.h"

enum {
    // Bytes of a body that wait for the application: the client is held back from HIGH to LOW.
    BODY_HIGH = 128 * 1024,
    BODY_LOW = 32 * 1024,
    PIECE_SIZE = 64 * 1024, // bytes that are read from a file at once
    INTERIM_MAX = 8 * 1024, // bytes of an interim answer
};

// --- what comes ---

bool http_exchange_wants(struct request *request)
{
    const struct reactor_setup *setup = request->http->setup;
    return setup->streams != NULL && setup->streams(setup->owner, request);
}

// Its header section is here, its body may not be: it is handed over as it is once the connection
// has nothing more to read at this moment.
void http_exchange_announce(struct request *request)
{
    struct http *http = request->http;
    request->exchange.streams = true;
    request->exchange.announced = true;
    request->exchange.next = http->announced;
    http->announced = request;
}

static void forget_announced(struct request *request)
{
    struct request **at = &request->http->announced;
    if (!request->exchange.announced)
        return;
    while (*at != request)
        at = &(*at)->exchange.next;
    *at = request->exchange.next;
    request->exchange.announced = false;
}

void http_exchange_hand_over(struct http *http)
{
    while (http->announced != NULL) {
        struct request *request = http->announced;
        forget_announced(request);
        request->exchange.is_early = true;
        http_request_enqueue(request, WORK_ANSWER);
    }
}

static size_t unread(const struct request *request)
{
    return (size_t)(request->body.size - request->exchange.read);
}

static void tell_readable(struct request *request)
{
    const struct exchange *exchange = &request->exchange;
    if (exchange->events != NULL)
        exchange->events->readable(exchange->owner);
}

enum MHD_Result http_exchange_take_body(struct request *request, const char *data,
                                        size_t *data_size)
{
    struct exchange *exchange = &request->exchange;
    uint64_t maximum = request->http->setup->body_limits->maximum;
    struct err err = {.text = ""};
    exchange->total += *data_size;
    bool is_long = maximum != 0 && exchange->total > maximum;
    if (is_long || spool_append(&request->body, data, *data_size, &err) < 0) {
        http_gate_tell(request, is_long ? REFUSAL_body : REFUSAL_storage, str_of(err.text));
        return MHD_NO;
    }
    *data_size = 0;
    if (unread(request) >= BODY_HIGH && !exchange->is_unbounded && !exchange->is_held) {
        exchange->is_held = true;
        MHD_suspend_connection(request->transport);
    }
    tell_readable(request);
    return MHD_YES;
}

enum MHD_Result http_exchange_complete(struct request *request)
{
    struct exchange *exchange = &request->exchange;
    forget_announced(request);
    if (request->expectation == EXPECT_COMING) {
        request->http->expecting--;
        request->expectation = EXPECT_NONE;
    }
    exchange->is_complete = true;
    if (request->chunked)
        request->head.decoded_length = (int64_t)exchange->total;
    if (!exchange->is_early) {
        http_request_offer(request, WORK_ANSWER);
        return MHD_YES;
    }
    tell_readable(request);
    // An answer that had to wait for the body.
    if (request->answered && (exchange->is_flushed || !request->running)) {
        http_response_queue(request);
        return request->failed ? MHD_NO : MHD_YES;
    }
    MHD_suspend_connection(request->transport);
    return MHD_YES;
}

// --- what is to be done to a connection ---

static void note(struct request *request)
{
    struct http *http = request->http;
    if (request->exchange.is_noted)
        return;
    request->exchange.is_noted = true;
    request->exchange.next = http->noted;
    http->noted = request;
}

static void forget_note(struct request *request)
{
    struct request **at = &request->http->noted;
    if (!request->exchange.is_noted)
        return;
    while (*at != request)
        at = &(*at)->exchange.next;
    *at = request->exchange.next;
    request->exchange.is_noted = false;
}

// Whether an answer could be queued at this moment (libmicrohttpd has one thing at a time: a
// request that comes, then an answer that goes).
static bool can_answer(const struct request *request)
{
    // A client that waits to be asked for its body has said all that it says unasked; who has only
    // begun an answer may still want it.
    if (request->expectation == EXPECT_HELD)
        return request->exchange.is_over;
    return request->exchange.is_complete || !request->exchange.is_early;
}

// Not as a whole, which may come from a source of its own.
static bool answers_in_pieces(const struct answer *answer)
{
    return answer->source.next == NULL;
}

static void go_on(struct request *request)
{
    struct exchange *exchange = &request->exchange;
    if (request->ended)
        return;
    if (request->answered && can_answer(request)) {
        exchange->is_flushed = true;
        if (answers_in_pieces(&request->answer))
            http_coder_flush(request);
        http_response_go_on(request);
        return;
    }
    exchange->is_flushed = exchange->is_flushed || request->answered;
    bool resumes = exchange->is_held && (unread(request) < BODY_LOW || exchange->is_unbounded);
    if (resumes)
        exchange->is_held = false;
    if (resumes || request->expectation == EXPECT_ASKED)
        MHD_run_connection(request->transport);
}

void http_exchange_flush(struct http *http)
{
    while (http->noted != NULL) {
        struct request *request = http->noted;
        forget_note(request);
        go_on(request);
    }
}

// --- an exchange's life ---

void exchange_begin(struct request *request, const struct exchange_events *events, void *owner)
{
    struct exchange *exchange = &request->exchange;
    must(exchange->events == NULL && !request->answered);
    exchange->events = events;
    exchange->owner = owner;
    exchange->is_begun = true;
    if (!exchange->streams)
        exchange->is_complete = request->expectation == EXPECT_NONE;
    request->answer.gathered.maximum = request->answer.sending.maximum = SIZE_MAX / 4;
    if (!request->ended)
        request->connection->exchange = request;
}

bool http_exchange_is_open(const struct request *request)
{
    return request->exchange.is_begun && !request->exchange.is_over;
}

static void tell_gone(struct request *request)
{
    struct exchange *exchange = &request->exchange;
    if (exchange->events == NULL || exchange->told_gone)
        return;
    exchange->told_gone = true;
    exchange->events->gone(exchange->owner);
}

void http_exchange_hang_up(struct connection *connection)
{
    if (connection->exchange != NULL)
        tell_gone(connection->exchange);
}

void http_exchange_lost(struct request *request)
{
    struct exchange *exchange = &request->exchange;
    forget_announced(request);
    forget_note(request);
    if (!exchange->is_begun)
        return;
    if (request->connection->exchange == request)
        request->connection->exchange = NULL;
    if (exchange->events == NULL)
        return;
    exchange->told_gone = true;
    exchange->events->lost(exchange->owner);
}

void exchange_close_after(struct request *request)
{
    request->exchange.closes = true;
}

bool exchange_is_connected(const struct request *request)
{
    char byte;
    if (request->ended || request->exchange.told_gone)
        return false;
    // What it said before the exchange began is no event any more.
    ssize_t size = recv(request->connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR));
}

bool exchange_watch(struct request *request, struct exchange_watch *watch)
{
    if (request->ended)
        return false;
    struct exchange_watch **first = &request->connection->watches;
    watch->next = *first;
    watch->place = first;
    if (watch->next != NULL)
        watch->next->place = &watch->next;
    *first = watch;
    return true;
}

void exchange_unwatch(struct exchange_watch *watch)
{
    if (watch->place == NULL)
        return;
    *watch->place = watch->next;
    if (watch->next != NULL)
        watch->next->place = watch->place;
    watch->place = NULL;
}

void http_exchange_end_watches(struct connection *connection)
{
    while (connection->watches != NULL) {
        struct exchange_watch *watch = connection->watches;
        exchange_unwatch(watch);
        watch->lost(watch->owner);
    }
}

void exchange_end(struct request *request, bool cut)
{
    struct exchange *exchange = &request->exchange;
    struct answer *answer = &request->answer;
    must(http_exchange_is_open(request));
    forget_note(request);
    exchange->events = NULL;
    exchange->is_over = true;
    if (answers_in_pieces(answer)) {
        answer->more = cut ? -1 : 0;
        http_coder_end(request);
    }
    // What was pushed leaves before the cut.
    bool leaves = answer->queued || (request->answered && can_answer(request));
    if (cut && !leaves && !request->ended)
        http_request_cut(request);
    if (!request->ended && request->connection->exchange == request)
        request->connection->exchange = NULL;
    // Within its handler it is settled by who has called that.
    if (!exchange->in_handler)
        http_settle(request->http, request);
}

// --- reading ---

// What a file holds, a piece at a time.
static int read_file(struct request *request, struct str *piece)
{
    struct exchange *exchange = &request->exchange;
    size_t size = unread(request) < PIECE_SIZE ? unread(request) : PIECE_SIZE;
    if (exchange->piece == NULL && (exchange->piece = malloc(PIECE_SIZE)) == NULL)
        return -1;
    ssize_t count = pread(request->body.fd, exchange->piece, size, (off_t)exchange->read);
    if (count <= 0)
        return -1;
    *piece = (struct str){exchange->piece, (size_t)count};
    return 0;
}

// What is there; in memory it stays where it is until the next call.
static int take_unread(struct request *request, struct str *piece)
{
    struct spool *body = &request->body;
    if (body->fd >= 0 && read_file(request, piece) < 0)
        return -1;
    if (body->fd < 0)
        *piece = (struct str){buf_text(&body->memory) + request->exchange.read, unread(request)};
    request->exchange.read += piece->size;
    return 0;
}

static bool ask_for_body(struct request *request)
{
    if (request->expectation != EXPECT_HELD)
        return false;
    request->expectation = EXPECT_ASKED;
    request->exchange.is_early = true;
    note(request);
    return true;
}

enum exchange_reading exchange_read(struct request *request, struct str *piece)
{
    struct exchange *exchange = &request->exchange;
    *piece = STR("");
    // What was taken the last time is not needed any more.
    if (unread(request) == 0 && !exchange->is_complete && request->body.size > 0) {
        spool_clear(&request->body);
        exchange->read = 0;
    }
    if (unread(request) > 0 && take_unread(request, piece) < 0)
        return EXCHANGE_LOST;
    if (exchange->is_held && unread(request) < BODY_LOW)
        note(request);
    if (exchange->is_complete && unread(request) == 0)
        return EXCHANGE_LAST;
    if (piece->size > 0)
        return EXCHANGE_PIECE;
    if (request->ended)
        return EXCHANGE_LOST;
    ask_for_body(request);
    return EXCHANGE_WAIT;
}

// --- answering ---

// Its pieces are pushed, not asked for.
static const struct body_source pushed_source = {.fd = -1};

int exchange_respond(struct request *request, unsigned status, int64_t content_length,
                     struct err *err)
{
    struct answer *answer = &request->answer;
    must(!request->answered);
    if (!request_takes_body(request, status)) {
        struct response response = {.status = status, .content_length = content_length};
        answer->drops = true;
        return request_respond(request, &response, err);
    }
    answer->status = status;
    answer->in_place = answer->streams = true;
    answer->more = 1;
    answer->announced = content_length;
    request->answered = true;
    struct response pieces = {
        .status = status, .content_length = content_length, .source = &pushed_source};
    http_compress(request, &pieces, true);
    // The answer waits for the rest of the body, which has to go somewhere.
    ask_for_body(request);
    request->exchange.is_unbounded = !can_answer(request);
    if (request->exchange.is_unbounded)
        note(request);
    return 0;
}

int exchange_push(struct request *request, struct str piece, struct err *err)
{
    struct answer *answer = &request->answer;
    if (answer->drops || request->ended)
        return 0;
    bool is_coded = answer->coder.compressor != NULL;
    if ((is_coded ? http_coder_push(request, piece) : buf_append_str(&answer->gathered, piece)) < 0)
        return err_system(err, ENOMEM, "answer");
    answer->taken += (int64_t)piece.size;
    bool is_much = exchange_waiting(request) >= EXCHANGE_HIGH;
    if (is_much && can_answer(request) && !request->exchange.in_handler) {
        forget_note(request);
        go_on(request);
    } else {
        note(request);
    }
    return 0;
}

size_t exchange_waiting(const struct request *request)
{
    const struct answer *answer = &request->answer;
    if (request->ended)
        return 0;
    return answer->gathered.size + answer->sending.size - answer->sent +
           http_coder_waiting(request);
}

void http_exchange_taken(struct request *request)
{
    const struct exchange *exchange = &request->exchange;
    if (exchange->events != NULL && exchange_waiting(request) < EXCHANGE_LOW)
        exchange->events->writable(exchange->owner);
}

bool exchange_takes_trailers(const struct request *request)
{
    const struct request_head *head = &request->head;
    if (!str_equal(head->version, STR("HTTP/1.1")))
        return false;
    for (size_t i = 0; i < head->header_count; i++) {
        const struct header *header = &head->headers[i];
        if (str_equal_nocase(header->name, STR("te")) &&
            str_list_has(header->value, STR("trailers")))
            return true;
    }
    return false;
}

void exchange_announce_trailers(struct request *request)
{
    request->answer.in_chunks = true;
}

void exchange_trailers(struct request *request, const struct head *lines)
{
    struct str text = {buf_text(&lines->lines) + lines->reason_size,
                       lines->lines.size - lines->reason_size};
    if (!request->answer.in_chunks || request->ended)
        return;
    if (buf_append_str(&request->answer.copy, text) < 0)
        log_warning("http", "trailers are too long, and are left out");
}

void exchange_interim(struct request *request, unsigned status, const struct head *lines)
{
    char text[INTERIM_MAX];
    const char *field_lines = buf_text(&lines->lines) + lines->reason_size;
    if (request->ended || !str_equal(request->head.version, STR("HTTP/1.1")) ||
        request->answer.queued)
        return;
    int size = snprintf(text, sizeof text, "HTTP/1.1 %u %.*s\r\n%.*s\r\n", status,
                        (int)lines->reason_size, buf_text(&lines->lines),
                        (int)(lines->lines.size - lines->reason_size), field_lines);
    if (size <= 0 || (size_t)size >= sizeof text)
        return;
    ssize_t sent = http_send_at_once(request->connection, text, (size_t)size);
    // A part of it would be taken for the answer's beginning; over TLS a record that was begun has
    // to be sent before all else. None of it is no harm.
    if ((sent > 0 && sent < size) || (sent < 0 && request->connection->session != NULL))
        http_request_cut(request);
}

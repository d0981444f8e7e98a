// http_request.c - from libmicrohttpd's callbacks to a struct request with work for the
// application: the raw target first, then the header section, the body piece by piece, at the end
// its release.
#include "http_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "check.h"
#include "clock.h"
#include "log.h"
#include "scoreboard.h"
#include "tls_session.h"

enum {
    COPY_MAX = 16 * 1024,    // bytes of a body that are rather copied than kept where they are
    GATHER_MAX = 256 * 1024, // bytes of quick pieces that are sent together
    FREE_MAX = 64,           // requests that are kept for the next ones
    FREE_LARGE_MAX = 8,      // of these, with their buffers
};

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
        http->free_requests = request->next;
        http->free_count--;
        http->request_count++;
        return request;
    }
    const struct http_limits *limits = &http->limits;
    request = calloc(1, sizeof *request + limits->headers * sizeof request->headers[0]);
    if (request == NULL)
        return NULL;
    request->http = http;
    http->request_count++;
    // With what an access log says of a refused one.
    size_t line_max = limits->request_line + limits->header_size;
    buf_init(&request->line, line_max);
    buf_init(&request->answer.copy, COPY_MAX);
    buf_init(&request->answer.gathered, GATHER_MAX);
    buf_init(&request->answer.sending, GATHER_MAX);
    buf_init(&request->joined, line_max);
    head_init(&request->answer.head);
    pthread_mutex_init(&request->lock, NULL);
    spool_init(&request->body, http->setup->body_limits);
    return request;
}

static void request_free(struct request *request)
{
    struct answer *answer = &request->answer;
    if (answer->kept != NULL)
        MHD_destroy_response(answer->kept);
    pthread_mutex_destroy(&request->lock);
    head_fini(&answer->head);
    buf_fini(&answer->sending);
    buf_fini(&answer->gathered);
    buf_fini(&answer->copy);
    buf_fini(&request->joined);
    buf_fini(&request->line);
    spool_fini(&request->body);
    free(request);
}

static void answer_clear(struct answer *answer)
{
    if (answer->response != NULL && answer->response != answer->kept)
        MHD_destroy_response(answer->response);
    if (answer->file != NULL && answer->file != answer->response)
        MHD_destroy_response(answer->file);
    http_coder_free(&answer->coder);
    answer->copy.size = answer->gathered.size = answer->sending.size = 0;
    answer->head.lines.size = answer->head.reason_size = 0;
    *answer = (struct answer){
        .kept = answer->kept,
        .head = answer->head,
        .copy = answer->copy,
        .gathered = answer->gathered,
        .sending = answer->sending,
    };
}

// A request's memory is used again, but what a burst took is given back, and a large body. Its
// headers are written before they are read.
static void request_release(struct request *request)
{
    struct http *http = request->http;
    http->request_count--;
    answer_clear(&request->answer);
    if (http->free_count >= FREE_MAX) {
        request_free(request);
        return;
    }
    if (http->free_count >= FREE_LARGE_MAX) {
        buf_fini(&request->answer.gathered);
        buf_fini(&request->answer.sending);
    }
    spool_clear(&request->body);
    request->line.size = 0;
    request->home = NULL;
    request->work = WORK_NONE;
    request->announced = request->answered = request->failed = false;
    request->chunked = request->complete = false;
    request->running = request->ended = false;
    request->expectation = EXPECT_NONE;
    request->local = NULL;
    request->id_size = 0;
    request->began = 0;
    request->refused = 0;
    request->retry_after = 0;
    request->has_no_line = request->observed = request->is_handed_over = false;
    request->unread = 0;
    free(request->exchange.piece);
    request->exchange = (struct exchange){.events = NULL};
    request->next = http->free_requests;
    http->free_requests = request;
    http->free_count++;
}

void http_request_free_all(struct http *http)
{
    while (http->free_requests != NULL) {
        struct request *request = http->free_requests;
        http->free_requests = request->next;
        request_free(request);
    }
}

void request_queue_put(struct request_queue *queue, struct request *request)
{
    request->next = NULL;
    if (queue->first == NULL)
        queue->first = request;
    else
        queue->last->next = request;
    queue->last = request;
}

struct request *request_queue_take(struct request_queue *queue)
{
    struct request *request = queue->first;
    if (request != NULL)
        queue->first = request->next;
    return request;
}

static struct request *take_from(struct request_queue *queue, const void *home, const void *other)
{
    struct request *before = NULL, *request = queue->first;
    while (request != NULL && request->home != home && request->home != other) {
        before = request;
        request = request->next;
    }
    if (request == NULL)
        return NULL;
    if (before == NULL)
        queue->first = request->next;
    else
        before->next = request->next;
    if (queue->last == request)
        queue->last = before;
    return request;
}

struct request *request_queue_take_for(struct request_queue *queue, const void *home)
{
    return take_from(queue, home, NULL);
}

struct request *request_queue_take_home(struct request_queue *queue, const void *home)
{
    return take_from(queue, home, home);
}

void request_queue_append(struct request_queue *queue, struct request_queue *behind)
{
    if (behind->first == NULL)
        return;
    if (queue->first == NULL)
        queue->first = behind->first;
    else
        queue->last->next = behind->first;
    queue->last = behind->last;
    *behind = (struct request_queue){NULL, NULL};
}

static void begin_running(struct request *request)
{
    struct http *http = request->http;
    request->running = true;
    request->offered = clock_coarse_milliseconds();
    request->previous_running = NULL;
    request->next_running = http->running;
    if (http->running != NULL)
        http->running->previous_running = request;
    http->running = request;
}

static void end_running(struct request *request)
{
    struct http *http = request->http;
    request->running = false;
    if (request->next_running != NULL)
        request->next_running->previous_running = request->previous_running;
    if (request->previous_running != NULL)
        request->previous_running->next_running = request->next_running;
    else
        http->running = request->next_running;
}

void http_request_enqueue(struct request *request, enum work work)
{
    must(request->work == WORK_NONE);
    request->work = work;
    request->is_handed_over = request->is_handed_over || work == WORK_ANSWER;
    begin_running(request);
    request->answer.flushed = request->answer.ends = false;
    request_queue_put(&request->http->ready, request);
}

void http_request_offer(struct request *request, enum work work)
{
    MHD_suspend_connection(request->transport);
    http_request_enqueue(request, work);
}

void http_request_cut(struct request *request)
{
    request->failed = true;
    // libmicrohttpd looks at a request that is incomplete only when more of it comes.
    shutdown(request->connection->fd, SHUT_RDWR);
}

void http_request_finish(struct request *request)
{
    struct answer *answer = &request->answer;
    // What is no application's needs none of its threads.
    if (answer->release != NULL && (request->local != NULL || answer->source.at_once)) {
        answer->release(answer->owner);
        answer->release = NULL;
    }
    if (request->answer.release != NULL)
        http_request_enqueue(request, WORK_RELEASE);
    else
        request_release(request);
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
    http_observe_begin(request);
    if (buf_append(&request->line, target, strlen(target)) < 0) {
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
    if (request->head.header_count < request->http->limits.headers) {
        request->headers[request->head.header_count] =
            (struct header){{name, name_size}, {value != NULL ? value : "", value_size}};
    }
    request->head.header_count++;
    return MHD_YES;
}

uint64_t http_request_length(const struct request *request)
{
    for (size_t i = 0; i < request->head.header_count; i++) {
        if (str_equal_nocase(request->headers[i].name, STR("content-length")))
            return strtoull(request->headers[i].value.data, NULL, 10);
    }
    return 0;
}

// What its fields say of its body. *expects: the client wants to be asked for it.
static void read_framing(struct request *request, bool *expects)
{
    bool asks = false;
    for (size_t i = 0; i < request->head.header_count; i++) {
        const struct header *header = &request->headers[i];
        request->chunked =
            request->chunked || str_equal_nocase(header->name, STR("transfer-encoding"));
        asks = asks || (str_equal_nocase(header->name, STR("expect")) &&
                        str_equal_nocase(header->value, STR("100-continue")));
    }
    *expects = asks && (http_request_length(request) > 0 || request->chunked) &&
               str_equal(request->head.version, STR("HTTP/1.1"));
}

static bool has_body(const struct request *request)
{
    for (size_t i = 0; i < request->head.header_count; i++) {
        const struct header *header = &request->headers[i];
        if (str_equal_nocase(header->name, STR("content-length")) &&
            !str_equal(header->value, STR("0")))
            return true;
    }
    return request->chunked;
}

// Target and method, where they outlive the connection.
static int take_line(struct request *request, const char *method)
{
    size_t target_size = request->line.size, method_size = strlen(method);
    if (buf_append(&request->line, method, method_size) < 0)
        return -1;
    request->head.target = (struct str){buf_text(&request->line), target_size};
    request->head.method = (struct str){buf_text(&request->line) + target_size, method_size};
    return 0;
}

// The first call for a request: the header section is complete. An answer queued here closes the
// connection, so only refusals are.
static enum MHD_Result announce(struct request *request, const char *method, const char *version)
{
    struct connection *connection = request->connection;
    struct http *http = request->http;
    bool expects = false;
    enum MHD_Result result;
    request->announced = true;
    request->head = (struct request_head){
        .version = str_of(version),
        .headers = request->headers,
        .peer_address = str_of(connection->peer_address),
        .peer_port = connection->peer_port,
        .endpoint = &connection->listener->endpoint,
        .scheme = connection->listener->endpoint.scheme,
        .tls = connection->session != NULL ? tls_session_facts(connection->session) : NULL,
        .decoded_length = -1,
    };
    if (take_line(request, method) < 0)
        return MHD_NO;
    MHD_get_connection_values_n(request->transport, MHD_HEADER_KIND, take_header, request);
    http_client_find(request);
    enum refusal which;
    struct str detail;
    bool passes = http_gate_passes(request, &which, &detail);
    if (request->head.header_count > http->limits.headers)
        request->head.header_count = http->limits.headers;
    // A body that is too large is none that would be received.
    if (http_redirect_wants(request) && (passes || which == REFUSAL_body))
        return http_redirect_begin(request);
    if (!passes) {
        http_gate_tell(request, which, detail);
        read_framing(request, &expects);
        // Answered by complete(), which lets the connection go on.
        if (which == REFUSAL_rate && !has_body(request))
            return MHD_YES;
        return http_respond_plain(request, refusal_status(which));
    }
    read_framing(request, &expects);
    if (http_local_find(request) && has_body(request) && http_local_answer(request, &result))
        return result;
    if (connection->listener->kind == LISTENER_METRICS && request->local == NULL)
        return http_respond_plain(request, 404);
    bool streams = http_exchange_wants(request);
    // What comes in chunks is received first where its length is for the application to know.
    bool held = expects && !request->chunked && http->expecting < http->setup->expectation_limit;
    if (held || (expects && streams)) {
        http->expecting++;
        request->expectation = EXPECT_HELD;
        request->exchange.streams = streams;
        http_request_offer(request, WORK_ANSWER);
    } else if (streams && has_body(request)) {
        http_exchange_announce(request);
    }
    return MHD_YES;
}

// Of a request that is refused for its body (507): answered when all of it is here, which is
// counted.
static void drop_body(struct request *request, size_t *data_size)
{
    request->body.size += *data_size;
    *data_size = 0;
}

static enum MHD_Result take_body(struct request *request, const char *data, size_t *data_size)
{
    struct err err;
    http_time_progress(request->connection);
    if (request->refused != 0) {
        bool is_enough = spool_exceeds(&request->body, *data_size);
        drop_body(request, data_size);
        return is_enough ? MHD_NO : MHD_YES;
    }
    if (request->exchange.streams)
        return http_exchange_take_body(request, data, data_size);
    if (spool_append(&request->body, data, *data_size, &err) == 0) {
        *data_size = 0;
        return MHD_YES;
    }
    // An answer in the middle of a body is not possible.
    bool is_long = spool_exceeds(&request->body, *data_size);
    http_gate_tell(request, is_long ? REFUSAL_body : REFUSAL_storage, str_of(err.text));
    if (is_long)
        return MHD_NO;
    uint64_t size = request->body.size;
    spool_fini(&request->body);
    request->body.size = size;
    drop_body(request, data_size);
    return MHD_YES;
}

// What the thread that awaits the body sees.
static void tell_expectation(struct request *request, enum expectation what)
{
    struct http *http = request->http;
    // The client was waited for until now; from here on it is the application again.
    request->offered = clock_coarse_milliseconds();
    pthread_mutex_lock(&http->expectation_lock);
    request->expectation = what;
    pthread_cond_broadcast(&http->expectation_changed);
    pthread_mutex_unlock(&http->expectation_lock);
}

// A body that cannot be kept, of a request whose handler waits for it: that gets on without it, and
// what it answers gives way to our refusal (http_response_queue).
static enum MHD_Result refuse_awaited(struct request *request)
{
    MHD_suspend_connection(request->transport);
    tell_expectation(request, EXPECT_REFUSED);
    return MHD_YES;
}

// The client is asked for its body: without an answer to its header section, libmicrohttpd sends
// 100 Continue. Not for one of which it is known that it cannot be kept.
static enum MHD_Result ask_client(struct request *request)
{
    struct err err;
    if (request->exchange.streams ||
        spool_expect(&request->body, http_request_length(request), &err) == 0) {
        request->expectation = EXPECT_COMING;
        return MHD_YES;
    }
    http_gate_tell(request, REFUSAL_storage, str_of(err.text));
    return refuse_awaited(request);
}

// The last call before an answer: all of the request is here.
static enum MHD_Result complete(struct request *request)
{
    enum MHD_Result result;
    request->complete = true;
    if (request->refused != 0 && request->expectation == EXPECT_COMING)
        return refuse_awaited(request);
    if (request->refused != 0)
        return http_respond_plain(request, request->refused);
    if (http_redirect_wants(request))
        return http_redirect_answer(request);
    if (request->local != NULL && http_local_answer(request, &result))
        return result;
    if (request->exchange.streams)
        return http_exchange_complete(request);
    if (request->expectation == EXPECT_COMING) {
        // Its handler runs already, and waits.
        MHD_suspend_connection(request->transport);
        request->http->expecting--;
        tell_expectation(request, EXPECT_NONE);
        return MHD_YES;
    }
    if (request->chunked)
        request->head.decoded_length = (int64_t)request->body.size;
    http_request_offer(request, WORK_ANSWER);
    return MHD_YES;
}

enum MHD_Result http_request_step(void *http, struct MHD_Connection *transport, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **context)
{
    struct request *request = *context;
    (void)path, (void)transport, (void)http;
    if (request == NULL || request->failed)
        return MHD_NO; // of no memory, for one: the connection is closed, the others live
    if (!request->announced)
        return announce(request, method, version);
    if (*data_size > 0)
        return take_body(request, data, data_size);
    if (request->expectation == EXPECT_ASKED)
        return ask_client(request);
    // A handler that waits may have made its answer already, which is not sent before it returns,
    // and an exchange may have begun its own before the end of the body.
    bool answered = request->expectation == EXPECT_NONE && request->answered &&
                    (!request->exchange.streams || request->exchange.is_complete);
    return answered ? MHD_YES : complete(request);
}

// Answered or not: it has had its share of the worker's life.
static void count_served(struct http *http, const struct request *request)
{
    const struct reactor_setup *setup = http->setup;
    http->answered++;
    if (setup->board != NULL && setup->board->board != NULL)
        atomic_store_explicit(&setup->board->board->requests, http->answered, memory_order_relaxed);
    // What the application has no part in does not wear it out.
    if (request->local != NULL || (request->refused != 0 && !request->is_handed_over))
        return;
    http->served++;
    if (http->served == setup->request_limit)
        setup->worn(setup->owner);
}

// Whether its client got all of one. Behind a refusal of libmicrohttpd's own, which is small and
// leaves as a whole, the connection ends with an error.
static bool has_answer(const struct request *request, enum MHD_RequestTerminationCode how)
{
    uint64_t head_sent;
    return how == MHD_REQUEST_TERMINATED_COMPLETED_OK ||
           (how == MHD_REQUEST_TERMINATED_WITH_ERROR && request->refused != 0 &&
            MHD_get_reply_sent(request->transport, &head_sent) > 0);
}

void http_request_end(void *owner, struct MHD_Connection *transport, void **context,
                      enum MHD_RequestTerminationCode how)
{
    struct request *request = *context;
    (void)owner, (void)transport;
    if (request == NULL)
        return;
    *context = NULL;
    request->connection->busy = false;
    request->connection->served = true;
    // Its answer may have been under way, without "Connection: close", when the drain began: its
    // client may send its next request, and a patient drain waits for it.
    bool is_upgraded = request->connection->upgraded != NULL;
    bool lingers = has_answer(request, how) && !request->complete && !is_upgraded;
    request->connection->lingers = lingers;
    if (request->http->draining && !request->http->patient && !is_upgraded && !lingers)
        shutdown(request->connection->fd, SHUT_RD);
    http_response_ended(request, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    http_observe_end(request, how);
    request->ended = true;
    http_exchange_lost(request);
    http_upgrade_end(request);
    if (request->deserted)
        http_desert_end(request);
    count_served(request->http, request);
    if (request->expectation != EXPECT_NONE) {
        request->http->expecting--;
        tell_expectation(request, EXPECT_LOST);
    }
    if (!request->running)
        http_request_finish(request);
}

void http_settle(struct http *http, struct request *request)
{
    if (request->expectation == EXPECT_ASKED && !request->exchange.is_begun) {
        // Not done: its handler waits for the body.
        MHD_run_connection(request->transport);
        return;
    }
    request->work = WORK_NONE;
    end_running(request);
    if (request->deserted)
        http_desert_settle(request);
    if (request->expectation == EXPECT_HELD) {
        http->expecting--;
        request->expectation = EXPECT_NONE;
    }
    if (request->ended)
        http_request_finish(request);
    else
        http_response_go_on(request);
}

static void release(struct answer *answer)
{
    if (answer->release != NULL)
        answer->release(answer->owner);
    answer->release = NULL;
}

void request_run(struct request *request, bool gathers)
{
    const struct reactor_setup *setup = request->http->setup;
    struct answer *answer = &request->answer;
    switch (request->work) {
    case WORK_ANSWER:
        // Its client was told while it waited for a thread, and may have asked elsewhere: it is not
        // to be done after all.
        request->exchange.in_handler = true;
        if (!request->deserted)
            setup->handle(setup->owner, request);
        request->exchange.in_handler = false;
        if (http_exchange_is_open(request))
            break;
        request_fail(request, 500); // unless it was answered
        if (answer->streams && http_response_gather(request, gathers))
            release(answer);
        break;
    case WORK_PIECE:
        if (http_response_fetch(request, gathers))
            release(answer);
        break;
    case WORK_RELEASE:
        release(answer);
        break;
    case WORK_NONE:
        must(false);
    }
}

bool request_is_open(const struct request *request)
{
    return http_exchange_is_open(request);
}

void *request_home(const struct request *request)
{
    return request->home;
}

void request_set_home(struct request *request, void *home)
{
    request->home = home;
}

enum rest request_rest(const struct request *request)
{
    const struct answer *answer = &request->answer;
    if (answer->release == NULL || answer->release_anywhere || answer->source.at_once)
        return REST_NONE;
    return answer->streams && answer->more == 1 ? REST_PIECES : REST_RELEASE;
}

bool request_has_body(const struct request *request)
{
    return request->expectation == EXPECT_NONE;
}

bool request_ask_body(struct request *request)
{
    struct http *http = request->http;
    pthread_mutex_lock(&http->expectation_lock);
    bool first = request->expectation == EXPECT_HELD;
    if (first)
        request->expectation = EXPECT_ASKED;
    pthread_mutex_unlock(&http->expectation_lock);
    return first;
}

bool request_await_body(struct request *request)
{
    struct http *http = request->http;
    pthread_mutex_lock(&http->expectation_lock);
    while (request->expectation == EXPECT_ASKED || request->expectation == EXPECT_COMING)
        pthread_cond_wait(&http->expectation_changed, &http->expectation_lock);
    pthread_mutex_unlock(&http->expectation_lock);
    return request->expectation == EXPECT_NONE;
}

bool request_lacks_room(const struct request *request)
{
    return request->expectation == EXPECT_REFUSED;
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

// http_observe.c - what is known of a request at its end, for the access log and for what is
// counted; and of those that are refused before they are one.
#include <string.h>

#include "accesslog.h"
#include "clock.h"
#include "http_priv.h"
#include "local.h"
#include "stats.h"

enum { CLIENT_LEFT = 499 }; // as nginx calls it: the client has gone before its answer began

// What came of a request.
struct ending {
    unsigned status;
    bool complete;            // its client got all of the answer
    bool by_us;               // or we have cut it
    uint64_t sent, head_sent; // bytes of the answer; of its head
    int64_t duration;         // nanoseconds
};

static bool is_observed(const struct http *http)
{
    return http->setup->accesslog != NULL || http->setup->stats != NULL;
}

void http_observe_begin(struct request *request)
{
    if (is_observed(request->http))
        request->began = clock_read(CLOCK_MONOTONIC);
}

void http_observe_refusal(struct request *request, unsigned status)
{
    request->refused = status;
    stats_rejected(request->http->setup->stats, status);
}

// Of a request that ends without an answer.
static unsigned status_without_answer(const struct request *request,
                                      enum MHD_RequestTerminationCode how)
{
    // The application has failed, or was killed.
    return request->failed || how == MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN ? 500 : CLIENT_LEFT;
}

static unsigned status_of(const struct request *request, enum MHD_RequestTerminationCode how)
{
    if (request->refused != 0)
        return request->refused;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->transport, MHD_CONNECTION_INFO_HTTP_STATUS);
    return info != NULL ? info->http_status : status_without_answer(request, how);
}

static uint64_t received_bytes(const struct request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->transport, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    uint64_t head = info != NULL ? info->header_size : 0;
    // Refused in the midst of it.
    if (head == 0 && request->unread > 0)
        head = request->unread + (request->has_no_line ? 0 : request->line.size);
    uint64_t body = request->exchange.streams ? request->exchange.total : request->body.size;
    return head + body;
}

static struct str answer_lines(const struct request *request)
{
    const struct head *head = &request->answer.head;
    bool is_ours = !request->answered || head->lines.size < head->reason_size;
    if (is_ours)
        return STR("");
    return (struct str){buf_text(&head->lines) + head->reason_size,
                        head->lines.size - head->reason_size};
}

static void write_line(struct request *request, const struct ending *ending)
{
    struct http *http = request->http;
    const struct connection *connection = request->connection;
    struct accesslog_entry entry = {
        .head = &request->head,
        .line = request->has_no_line ? buf_str(&request->line) : STR(""),
        .status = ending->status,
        .complete = ending->complete,
        .bytes_sent = ending->sent,
        .body_sent = ending->sent - ending->head_sent,
        .bytes_received = received_bytes(request),
        .began = clock_read(CLOCK_REALTIME) - ending->duration,
        .duration = ending->duration,
        .answer_lines = answer_lines(request),
        .request_id = accesslog_wants_id(http->setup->accesslog) ? request_id(request) : STR(""),
        .connection = connection->number,
        .on_connection = connection->requests,
        .served_here = request->local != NULL || request->refused != 0,
    };
    accesslog_write(http->setup->accesslog, &entry);
}

static struct str keep(struct request *request, const char *text)
{
    size_t before = request->line.size, size = strlen(text);
    if (buf_append(&request->line, text, size) < 0)
        return STR("");
    return (struct str){buf_text(&request->line) + before, size};
}

// A header section that never came, or is being refused: what is known of it.
static void fill_head(struct request *request)
{
    const struct connection *connection = request->connection;
    const char *version, *method = MHD_get_request_method(request->transport, &version);
    size_t target_size = request->line.size;
    method = method != NULL ? method : "";
    version = version != NULL ? version : "";
    // Behind the target, all of which stays where it is then.
    if (buf_reserve(&request->line, strlen(method) + strlen(version)) < 0)
        method = version = "";
    // A line that could not be read is taken for none of its parts.
    if (request->has_no_line)
        method = version = "";
    request->head = (struct request_head){
        .method = keep(request, method),
        .target = {buf_text(&request->line), request->has_no_line ? 0 : target_size},
        .version = keep(request, version),
        .headers = request->headers,
        .peer_address = str_of(connection->peer_address),
        .peer_port = connection->peer_port,
        .endpoint = &connection->listener->endpoint,
        .scheme = connection->listener->endpoint.scheme,
        .decoded_length = -1,
    };
}

static void count(const struct request *request, const struct ending *ending)
{
    struct stats_worker *stats = request->http->setup->stats;
    stats_request(stats, ending->status, ending->duration, received_bytes(request), ending->sent);
    if (!ending->complete)
        stats_count(stats, STATS_connections_failed, 1);
    if (!ending->complete && request->refused == 0)
        stats_count(stats, ending->by_us ? STATS_requests_cut : STATS_requests_left, 1);
}

static void tell(struct request *request, const struct ending *ending)
{
    const struct reactor_setup *setup = request->http->setup;
    request->observed = true;
    request->connection->requests++;
    if (setup->stats != NULL)
        count(request, ending);
    if (setup->accesslog != NULL)
        write_line(request, ending);
}

void http_observe_end(struct request *request, enum MHD_RequestTerminationCode how)
{
    if (!is_observed(request->http) || request->observed)
        return;
    if (!request->announced && request->refused == 0)
        fill_head(request);
    struct ending ending = {
        .status = status_of(request, how),
        .duration = clock_read(CLOCK_MONOTONIC) - request->began,
        .by_us = how == MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN,
    };
    ending.sent = MHD_get_reply_sent(request->transport, &ending.head_sent);
    // Behind a refusal the connection is closed, which counts as an error there.
    ending.complete = how == MHD_REQUEST_TERMINATED_COMPLETED_OK ||
                      (request->refused != 0 && ending.sent > ending.head_sent);
    tell(request, &ending);
}

void http_observe_given_up(struct request *request, uint64_t sent, uint64_t head_sent)
{
    if (!is_observed(request->http) || request->observed)
        return;
    struct ending ending = {
        .status = request->refused != 0 ? request->refused : request->answer.status,
        .duration = clock_read(CLOCK_MONOTONIC) - request->began,
        .sent = sent,
        .head_sent = head_sent,
        .complete = sent > 0,
        .by_us = true,
    };
    if (request->refused == 0)
        ending.sent = MHD_get_reply_sent(request->transport, &ending.head_sent);
    tell(request, &ending);
}

// What came of a first line that could not be read, up to its end.
static struct str first_line(const char *data, size_t size)
{
    const char *end = size > 0 ? memchr(data, '\n', size) : NULL;
    struct str line = {data != NULL ? data : "", end != NULL ? (size_t)(end - data) : size};
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    return line;
}

// libmicrohttpd's name for what is wrong, in words: "bare lf in header" of BARE_LF_IN_HEADER.
static struct str in_words(const char *name, char *out, size_t size)
{
    static const struct str prefixes[] = {{"ERR_RSP_", 8}, {"REQUEST_", 8}, {"RQ_", 3}};
    size_t used = 0;
    if (name == NULL)
        return STR("");
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (str_starts(str_of(name), prefixes[i])) {
            name += prefixes[i].size;
            break;
        }
    }
    for (; *name != '\0' && used < size; name++) {
        bool is_upper = *name >= 'A' && *name <= 'Z';
        out[used++] = (char)(is_upper ? *name - 'A' + 'a' : *name == '_' ? ' ' : *name);
    }
    return (struct str){out, used};
}

void *http_observe_refused(void *owner, struct MHD_Connection *transport, void *context,
                           unsigned status, const char *data, size_t size)
{
    struct request *request = context;
    if (request == NULL) {
        // It has no target: what is known of it is its line.
        request = http_request_begin(owner, "", transport);
        if (request == NULL)
            return NULL;
        request->has_no_line = true;
        struct str line = first_line(data, size);
        if (buf_append_str(&request->line, line) < 0)
            request->line.size = 0;
    }
    if (!request->announced)
        fill_head(request);
    request->unread = size;
    enum refusal which =
        status == 408 && request->announced ? REFUSAL_body_timeout : refusal_of(status);
    char words[64];
    // Others say it all by their kind.
    bool has_detail = which == REFUSAL_malformed || which == REFUSAL_coding;
    struct str detail =
        has_detail ? in_words(MHD_get_refusal_name(transport), words, sizeof words) : STR("");
    http_gate_tell(request, which, detail);
    request->refused = status;
    return request;
}

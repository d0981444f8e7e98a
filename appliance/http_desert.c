// http_desert.c - requests whose work takes too long: the client is told, or cut off, while the
// application still has the request. That stays as it is until the work ends, if it ever does;
// libmicrohttpd knows nothing of it, its connection stays suspended.
#include <stdio.h>
#include <sys/socket.h>

#include "check.h"
#include "http_priv.h"
#include "log.h"
#include "tls_session.h"

// Nothing of an answer has been sent, and nothing was before it: a connection is suspended only
// once what it had to send has left.
static bool is_unanswered(const struct request *request)
{
    return request->work == WORK_ANSWER && !request->answer.queued;
}

// Whoever waits for a body waits for the client, not for the application.
static bool awaits_body(const struct request *request)
{
    enum expectation expectation = request->expectation;
    return expectation == EXPECT_ASKED || expectation == EXPECT_COMING;
}

ssize_t http_send_at_once(struct connection *connection, char *text, size_t size)
{
    struct iovec piece = {text, size};
    if (connection->session == NULL)
        return send(connection->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return tls_session_write(connection->session, &piece, 1);
}

// Straight to the socket, which takes so little at once, and closed for writing: whatever the
// application answers later goes nowhere.
static void refuse(struct request *request)
{
    static const char page[] = "504 Gateway Timeout\n";
    size_t body = request_takes_body(request, 504) ? sizeof page - 1 : 0;
    const char *hsts = http_response_hsts(request);
    struct str id = request->http->setup->request_ids ? request_id(request) : STR("");
    bool security = request->http->setup->security_headers;
    char text[1024];
    int size = snprintf(text, sizeof text,
                        "HTTP/1.1 504 Gateway Timeout\r\nConnection: close\r\n%s%s%s%s%.*s%s%s"
                        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n"
                        "%.*s",
                        hsts != NULL ? "Strict-Transport-Security: " : "", hsts != NULL ? hsts : "",
                        hsts != NULL ? "\r\n" : "", id.size > 0 ? "X-Request-ID: " : "",
                        (int)id.size, id.data, id.size > 0 ? "\r\n" : "",
                        security ? HTTP_SECURITY_LINES : "", sizeof page - 1, (int)body, page);
    must(size > 0 && (size_t)size < sizeof text);
    ssize_t sent = http_send_at_once(request->connection, text, (size_t)size);
    if (sent < 0)
        log_debug("http", "a client could not be told that its request was given up");
    if (request->connection->session != NULL)
        tls_session_shutdown(request->connection->session);
    shutdown(request->connection->fd, SHUT_WR);
    http_observe_given_up(request, sent > 0 ? (uint64_t)size : 0,
                          sent > 0 ? (uint64_t)size - body : 0);
}

static void give_up(struct request *request)
{
    struct http *http = request->http;
    const struct request_head *head = &request->head;
    request->deserted = true;
    http->deserted++;
    bool refused = !request->ended && is_unanswered(request);
    log_error("http", "%.*s %.*s: the application does not get on with it, %s",
              (int)head->method.size, head->method.data, (int)head->target.size, head->target.data,
              refused          ? "answered 504"
              : request->ended ? "nobody waits for it any more"
                               : "connection cut");
    if (request->ended)
        return;
    http->deserted_connections++;
    if (refused) {
        http_observe_refusal(request, 504);
        refuse(request);
    } else {
        shutdown(request->connection->fd, SHUT_RDWR);
        http_observe_given_up(request, 0, 0);
    }
}

int64_t http_give_up(struct http *http, int64_t since)
{
    int64_t oldest = 0;
    for (struct request *request = http->running; request != NULL;
         request = request->next_running) {
        if (request->deserted || awaits_body(request))
            continue;
        if (request->offered <= since)
            give_up(request);
        else if (oldest == 0 || request->offered < oldest)
            oldest = request->offered;
    }
    return oldest;
}

void http_desert_end(struct request *request)
{
    request->http->deserted_connections--;
}

void http_desert_settle(struct request *request)
{
    request->http->deserted--;
    request->deserted = false;
    if (request->ended)
        return;
    // What has come of the work at last is sent to nobody, which ends the connection.
    request->http->deserted_connections--;
    shutdown(request->connection->fd, SHUT_RDWR);
}

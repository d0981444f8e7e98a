// http.c - the libmicrohttpd daemon of a worker: started without a socket and without a thread, fed
// with accepted connections, driven by the reactor. Keeps the list of connections, which draining
// needs.
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "clock.h"
#include "http_priv.h"
#include "limiter_address.h"
#include "limiter_connections.h"
#include "log.h"
#include "scoreboard.h"
#include "tls_handshakes.h"

enum {
    FIELD_MEMORY = 64,         // bytes that libmicrohttpd needs for a field
    ANSWER_MEMORY = 16 * 1024, // bytes
    SPARE_MEMORY = 64,         // connections that just had a request
};

static void log_message(void *owner, const char *format, va_list arguments)
{
    (void)owner;
    char text[512];
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http", "%s", text);
}

static void tell_connections(const struct http *http)
{
    const struct scoreboard_map *map = http->setup->board;
    if (map != NULL && map->board != NULL)
        atomic_store_explicit(&map->board->connections, (uint32_t)http->connection_count,
                              memory_order_relaxed);
}

// Where clients are limited by their addresses.
static void count_peer(struct connection *connection, const struct sockaddr *address)
{
    const struct reactor_setup *setup = connection->http->setup;
    if (setup->limiter == NULL && setup->limiter_connections == NULL)
        return;
    if (limiter_address_of(address, &connection->address))
        limiter_connections_add(setup->limiter_connections, connection->address);
}

static struct connection *connection_start(struct http *http, struct MHD_Connection *transport)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->http = http;
    connection->listener = http->accepting->listener;
    connection->session = MHD_get_connection_transport(transport);
    connection->transport = transport;
    connection->fd =
        MHD_get_connection_info(transport, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    http_client_know(connection, (const struct sockaddr *)&http->accepting->address,
                     http->accepting->hidden);
    count_peer(connection, (const struct sockaddr *)&http->accepting->address);
    connection->next = http->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    http->connections = connection;
    http->connection_count++;
    connection->number = ++http->connections_made;
    tell_connections(http);
    http_time_begin(connection);
    return connection;
}

static void connection_stop(struct connection *connection)
{
    struct http *http = connection->http;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        http->connections = connection->next;
    http->connection_count--;
    tell_connections(http);
    http_time_end(connection);
    if (connection->peer_address[0] != '\0')
        limiter_connections_remove(http->setup->limiter_connections, connection->address);
    http_exchange_end_watches(connection);
    // libmicrohttpd takes it out of the epoll set and closes it next.
    if (connection->lingers && http->linger != NULL)
        http_linger_add(http->linger, connection->fd, clock_milliseconds());
    free(connection);
}

static void connection_notify(void *owner, struct MHD_Connection *transport, void **context,
                              enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        *context = connection_start(owner, transport);
    else if (*context != NULL)
        connection_stop(*context);
}

static struct http_limits limits_of(const struct reactor_setup *setup)
{
    struct http_limits limits = setup->limits;
    if (limits.request_line == 0)
        limits.request_line = REQUEST_LINE_MAX;
    if (limits.header_size == 0)
        limits.header_size = HEADER_SIZE_MAX;
    if (limits.headers == 0)
        limits.headers = HEADERS_MAX;
    return limits;
}

static struct MHD_RequestLimits request_limits(const struct http_limits *limits)
{
    return (struct MHD_RequestLimits){
        .request_line = limits->request_line,
        .field_lines = limits->header_size,
        .num_fields = limits->headers,
        .no_arguments = 1,
    };
}

// Bytes for a request that is as large as it may be, what libmicrohttpd notes of its fields, and
// the head of the answer. None of it is resident that is not used.
static size_t request_memory(const struct http_limits *limits)
{
    return limits->request_line + limits->header_size + limits->headers * FIELD_MEMORY +
           ANSWER_MEMORY;
}

struct http *http_new(const struct reactor_setup *setup, struct err *err)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        err_system(err, ENOMEM, "HTTP");
        return NULL;
    }
    http->setup = setup;
    http->limits = limits_of(setup);
    struct MHD_RequestLimits limits = request_limits(&http->limits);
    http_time_init(http);
    pthread_mutex_init(&http->expectation_lock, NULL);
    pthread_cond_init(&http->expectation_changed, NULL);
    // One thread at a time drives it, so it needs no locks; sockets and their accept are the
    // reactor's.
    http->daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_NO_THREAD_SAFETY |
                             MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG,
                         0, NULL, NULL, http_request_step, http,                            //
                         MHD_OPTION_EXTERNAL_LOGGER, log_message, NULL,                     //
                         MHD_OPTION_CONNECTION_LIMIT, setup->connection_limit,              //
                         MHD_OPTION_NOTIFY_PHASE, http_time_phase, http,                    //
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, request_memory(&http->limits), //
                         MHD_OPTION_REQUEST_LIMITS, &limits,                                //
                         MHD_OPTION_SPARE_MEMORY, (unsigned)SPARE_MEMORY,                   //
                         MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,                               //
                         MHD_OPTION_STRICT_GRAMMAR, 1,                                      //
                         MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,                              //
                         MHD_OPTION_URI_LOG_CALLBACK, http_request_begin, http,             //
                         MHD_OPTION_NOTIFY_COMPLETED, http_request_end, http,               //
                         MHD_OPTION_NOTIFY_REFUSED, http_observe_refused, http,             //
                         MHD_OPTION_NOTIFY_CONNECTION, connection_notify, http,             //
                         MHD_OPTION_END);
    if (http->daemon != NULL)
        http->linger = http_linger_new(http_epoll_fd(http));
    if (http->linger == NULL) {
        err_system(err, http->daemon != NULL ? ENOMEM : errno, "the HTTP part does not start");
        if (http->daemon != NULL)
            MHD_stop_daemon(http->daemon);
        pthread_cond_destroy(&http->expectation_changed);
        pthread_mutex_destroy(&http->expectation_lock);
        free(http);
        return NULL;
    }
    return http;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    http_linger_free(steal_ptr(&http->linger));
    // What is left of work that nobody does any more: a connection that waits is closed by nobody.
    for (struct request *request = http->running; request != NULL;
         request = request->next_running) {
        if (!request->ended)
            MHD_resume_connection(request->transport);
    }
    MHD_stop_daemon(http->daemon);
    must(http->connection_count == 0);
    http_request_free_all(http);
    pthread_cond_destroy(&http->expectation_changed);
    pthread_mutex_destroy(&http->expectation_lock);
    free(http);
}

int http_epoll_fd(const struct http *http)
{
    return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

struct http_linger *http_lingering(struct http *http)
{
    return http->linger;
}

int64_t http_timeout(struct http *http)
{
    return MHD_get_timeout64s(http->daemon);
}

void http_add(struct http *http, const struct tls_accepted *accepted)
{
    const struct sockaddr *address = (const struct sockaddr *)&accepted->address;
    http->accepting = accepted;
    enum MHD_Result taken =
        accepted->session != NULL
            ? MHD_add_connection_transport(http->daemon, accepted->fd, address,
                                           accepted->address_size, &http_tls_transport,
                                           accepted->session)
            : MHD_add_connection(http->daemon, accepted->fd, address, accepted->address_size);
    if (taken != MHD_YES)
        log_debug("http", "a connection was not taken");
    http->accepting = NULL;
}

// libmicrohttpd looks at no connection that waits for its answer.
static void note_hang_up(struct MHD_Connection *transport)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(transport, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (info != NULL && info->socket_context != NULL)
        http_exchange_hang_up(info->socket_context);
}

void http_begin(struct http *http, const struct epoll_event *events, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if ((events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
            note_hang_up(events[i].data.ptr);
    }
    MHD_run_begin(http->daemon, events, count);
}

bool http_step(struct http *http)
{
    return MHD_run_next(http->daemon) == MHD_YES;
}

void http_end(struct http *http)
{
    MHD_run_end(http->daemon);
}

struct request *http_next(struct http *http)
{
    http_exchange_hand_over(http);
    return request_queue_take(&http->ready);
}

bool http_has_work(const struct http *http)
{
    return http->ready.first != NULL || http->announced != NULL || http_has_posted(http);
}

void http_post(struct http *http, struct request *request)
{
    request->next = http->posted;
    while (!atomic_compare_exchange_weak(&http->posted, &request->next, request))
        ;
}

bool http_has_posted(const struct http *http)
{
    return http->posted != NULL;
}

void http_settle_posted(struct http *http)
{
    if (!http_has_posted(http))
        return;
    struct request *list = atomic_exchange(&http->posted, NULL), *in_order = NULL;
    while (list != NULL) {
        struct request *next = list->next;
        list->next = in_order;
        in_order = list;
        list = next;
    }
    while (in_order != NULL) {
        struct request *next = in_order->next;
        http_settle(http, in_order);
        in_order = next;
    }
}

static bool is_drained(const struct connection *connection, enum http_drain which)
{
    // A reset would come of what is sent to one that lingers.
    if (connection->upgraded != NULL || connection->lingers)
        return false;
    switch (which) {
    case HTTP_DRAIN_SERVED:
        return !connection->busy && connection->served;
    case HTTP_DRAIN_PATIENT:
        return !connection->busy && connection->stale;
    default:
        return !connection->busy;
    }
}

void http_drain(struct http *http, enum http_drain which)
{
    http->draining = true;
    http->patient = which == HTTP_DRAIN_PATIENT;
    for (struct connection *connection = http->connections; connection != NULL;
         connection = connection->next) {
        // libmicrohttpd closes a connection whose peer has nothing more to say. One that is in the
        // middle of a request would lose it: it is closed by its answer instead. One that is new
        // has its first request on the way: it is given a little time.
        if (is_drained(connection, which))
            shutdown(connection->fd, SHUT_RD);
        connection->stale = !connection->busy;
    }
}

size_t http_connection_count(const struct http *http)
{
    return http->connection_count;
}

bool http_is_deserted(const struct http *http)
{
    return http->deserted > 0 && http->request_count == http->deserted &&
           http->connection_count == http->deserted_connections;
}

bool http_is_idle(const struct http *http)
{
    return http->connection_count == 0 && http->request_count == 0;
}

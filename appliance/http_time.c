// http_time.c - clients that take too long: those that do not send what they have begun are
// answered 408, the others are closed: an answer could be taken for that to a request that is on
// its way. What a connection waits for is libmicrohttpd's to know; what
// is the application's to do is timed by nobody here.
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>

#include "clock.h"
#include "http_priv.h"
#include "log.h"
#include "refusals.h"
#include "stats.h"

static const struct {
    const char *name;
    unsigned status; // of the answer; 0: it is closed without
    enum stats_counter counter;
} times[HTTP_TIMES] = {
    [TIME_NEW] = {"first byte", 0, STATS_expired_header},
    [TIME_HEADER] = {"header section", 408, STATS_expired_header},
    [TIME_BODY] = {"body", 408, STATS_expired_body},
    [TIME_KEEP_ALIVE] = {"next request", 0, STATS_expired_keep_alive},
    [TIME_SEND] = {"room for the answer", 0, STATS_expired_send},
};

static void start(struct connection *connection, enum http_time what)
{
    connection->clock.what = what;
    timer_start(&connection->http->times[what], &connection->clock.timer,
                clock_coarse_milliseconds());
}

void http_time_init(struct http *http)
{
    const struct http_limits *limits = &http->setup->limits;
    timer_list_init(&http->times[TIME_NEW], limits->header_timeout);
    timer_list_init(&http->times[TIME_HEADER], limits->header_timeout);
    timer_list_init(&http->times[TIME_BODY], limits->body_timeout);
    timer_list_init(&http->times[TIME_KEEP_ALIVE], limits->keep_alive_timeout);
    timer_list_init(&http->times[TIME_SEND], limits->send_timeout);
}

void http_time_begin(struct connection *connection)
{
    start(connection, TIME_NEW);
}

void http_time_end(struct connection *connection)
{
    timer_stop(&connection->clock.timer);
}

// Of what we have sent, the bytes that its client has not acknowledged: a socket has room again
// only once much of it has left, so that a slow client and one that has stopped look the same.
static int unsent_bytes(const struct connection *connection)
{
    int count = 0;
    return ioctl(connection->fd, SIOCOUTQ, &count) == 0 ? count : 0;
}

void http_time_phase(void *owner, struct MHD_Connection *transport, void *context,
                     enum MHD_ConnectionPhase phase)
{
    struct connection *connection = context;
    (void)owner, (void)transport;
    if (connection == NULL)
        return;
    connection->clock.spared = false;
    switch (phase) {
    case MHD_CONNECTION_PHASE_IDLE:
        start(connection, connection->served ? TIME_KEEP_ALIVE : TIME_NEW);
        break;
    case MHD_CONNECTION_PHASE_HEADER:
        start(connection, TIME_HEADER);
        break;
    case MHD_CONNECTION_PHASE_BODY:
        start(connection, TIME_BODY);
        break;
    case MHD_CONNECTION_PHASE_SEND:
        connection->clock.unsent = unsent_bytes(connection);
        start(connection, TIME_SEND);
        break;
    case MHD_CONNECTION_PHASE_NONE:
    default:
        timer_stop(&connection->clock.timer);
    }
}

void http_time_progress(struct connection *connection)
{
    struct http_clock *clock = &connection->clock;
    if (clock->what != TIME_BODY || !timer_runs(&clock->timer))
        return;
    clock->spared = false;
    start(connection, TIME_BODY);
}

// Whether its client has done something that we have not seen: once, more of what it sends is
// there, which a busy worker has not come to; or it has taken some of what was sent.
static bool goes_on(struct connection *connection)
{
    struct http_clock *clock = &connection->clock;
    if (clock->what == TIME_SEND) {
        int before = clock->unsent;
        clock->unsent = unsent_bytes(connection);
        return clock->unsent < before;
    }
    int count = 0;
    if (clock->spared || ioctl(connection->fd, FIONREAD, &count) < 0 || count == 0)
        return false;
    clock->spared = true;
    return true;
}

static void expire(struct connection *connection)
{
    const struct http *http = connection->http;
    enum http_time what = connection->clock.what;
    timer_stop(&connection->clock.timer);
    if (goes_on(connection)) {
        start(connection, what);
        return;
    }
    log_debug("http", "%s: no %s in time", connection->peer_address, times[what].name);
    if (what == TIME_SEND) {
        // What the kernel holds goes as well. Counted with the refusal.
        struct linger none = {.l_onoff = 1, .l_linger = 0};
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
        refusals_tell(http->setup->refusals, REFUSAL_send_timeout, str_of(connection->peer_address),
                      STR(""), clock_milliseconds());
    } else {
        stats_count(http->setup->stats, times[what].counter, 1);
    }
    MHD_expire_connection(connection->transport, times[what].status);
}

static struct connection *connection_of(struct timer *timer)
{
    return (struct connection *)(void *)((char *)timer - offsetof(struct connection, clock.timer));
}

void http_expire(struct http *http)
{
    if (http_due(http) == INT64_MAX)
        return;
    int64_t now = clock_milliseconds();
    for (size_t i = 0; i < HTTP_TIMES; i++) {
        struct timer *timer;
        while ((timer = timer_list_first(&http->times[i], now)) != NULL)
            expire(connection_of(timer));
    }
}

int64_t http_due(const struct http *http)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < HTTP_TIMES; i++) {
        if (timer_list_due(&http->times[i]) < due)
            due = timer_list_due(&http->times[i]);
    }
    return due;
}

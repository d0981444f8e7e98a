// websocket_set.c - the connections of a reactor: their events, their timers, what was sent in a
// turn, and the end of all.
#include "websocket_set.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "clock.h"
#include "log.h"
#include "stats.h"
#include "websocket_connection_priv.h"

// --- timers ---

// A few milliseconds late, and much cheaper than the exact time; never before that of the turn.
static int64_t now_of(const struct websockets *websockets)
{
    int64_t now = clock_coarse_milliseconds();
    return now > websockets->now ? now : websockets->now;
}

static void timers_init(struct websocket_timers *timers, int64_t interval)
{
    ring_init(&timers->ring);
    timers->interval = interval;
}

void websocket_set_timer(struct websocket *websocket, struct websocket_timers *timers)
{
    ring_leave(&websocket->timer);
    if (timers == NULL || timers->interval == 0)
        return;
    websocket->deadline = now_of(websocket->set) + timers->interval;
    ring_join(&timers->ring, &websocket->timer);
}

void websocket_see_life(struct websocket *websocket)
{
    if (websocket->state == STATE_OPEN)
        websocket_set_timer(websocket, &websocket->set->idle);
}

static void ping(struct websocket *websocket)
{
    struct websockets *set = websocket->set;
    bool waits = set->settings.ping_timeout > 0;
    // As long as it is held back, its answer would not be read: nobody can tell whether it is
    // there.
    if (!websocket_takes(websocket))
        websocket_set_timer(websocket, &set->idle);
    else if (websocket_put(websocket, WEBSOCKET_OPCODE_PING, STR("")) == 0)
        websocket_set_timer(websocket, waits ? &set->pinged : &set->idle);
}

static void miss_pong(struct websocket *websocket)
{
    if (!websocket_takes(websocket))
        websocket_set_timer(websocket, &websocket->set->idle);
    else
        websocket_fail(websocket, 1011, "no answer to a ping", false);
}

static void give_up_close(struct websocket *websocket)
{
    // Its answer is still on its way, by HTTP, which has its own time for it.
    if (websocket->stream.fd < 0)
        websocket_set_timer(websocket, &websocket->set->closing);
    else
        websocket_drop(websocket);
}

static void run_timers(struct websocket_timers *timers, int64_t now,
                       void (*due)(struct websocket *websocket))
{
    while (!ring_is_empty(&timers->ring)) {
        struct websocket *websocket = WEBSOCKET_OF(timers->ring.next, timer);
        if (websocket->deadline > now)
            return;
        due(websocket);
    }
}

static int64_t first_deadline(const struct websocket_timers *timers, int64_t before)
{
    if (ring_is_empty(&timers->ring))
        return before;
    const struct websocket *websocket = WEBSOCKET_OF(timers->ring.next, timer);
    return websocket->deadline < before ? websocket->deadline : before;
}

int64_t websockets_deadline(const struct websockets *websockets)
{
    if (!ring_is_empty(&websockets->readable) || !ring_is_empty(&websockets->dead))
        return 0;
    int64_t deadline = first_deadline(&websockets->idle, INT64_MAX);
    deadline = first_deadline(&websockets->pinged, deadline);
    return first_deadline(&websockets->closing, deadline);
}

// --- a turn ---

bool websockets_owns(const void *data)
{
    return ((uintptr_t)data & 3) == 2;
}

// Who takes what is sent is there, and is to have all of it before the end.
static void go_on_writing(struct websocket *websocket)
{
    websocket->may_write = true;
    websocket_see_life(websocket);
    if (websocket->state != STATE_OPEN)
        websocket_set_timer(websocket, &websocket->set->closing);
    websocket_write_on(websocket);
}

void websockets_take(const void *data, uint32_t events)
{
    struct websocket *websocket = (struct websocket *)((uintptr_t)data & ~(uintptr_t)3);
    if (websocket->stream.fd < 0)
        return;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        websocket->hung_up = true;
    if ((events & ~(uint32_t)EPOLLOUT) != 0)
        websocket->may_read = true;
    // What it has not taken is lost with the connection, and nobody need read for that to be known.
    if ((events & EPOLLERR) != 0 && !websocket_takes(websocket)) {
        websocket_drop(websocket);
        return;
    }
    if ((events & EPOLLOUT) != 0 && !websocket->may_write)
        go_on_writing(websocket);
    if ((events & ~(uint32_t)EPOLLOUT) != 0)
        websocket_read_on(websocket);
}

static void bury(struct websockets *websockets)
{
    while (!ring_is_empty(&websockets->dead)) {
        struct websocket *websocket = WEBSOCKET_OF(websockets->dead.next, all);
        ring_leave(&websocket->all);
        websocket_free(websocket);
    }
}

// Those that are there now, once each.
static void read_without_events(struct websockets *websockets)
{
    struct ring now;
    ring_init(&now);
    while (!ring_is_empty(&websockets->readable))
        ring_join(&now, websockets->readable.next);
    while (!ring_is_empty(&now))
        websocket_read_on(WEBSOCKET_OF(now.next, readable));
}

void websockets_turn(struct websockets *websockets, int64_t now)
{
    websockets->now = now;
    read_without_events(websockets);
    run_timers(&websockets->idle, now, ping);
    run_timers(&websockets->pinged, now, miss_pong);
    run_timers(&websockets->closing, now, give_up_close);
    bury(websockets);
}

void websockets_flush(struct websockets *websockets)
{
    while (!ring_is_empty(&websockets->unsent))
        websocket_write_on(WEBSOCKET_OF(websockets->unsent.next, unsent));
}

// --- all of them ---

void websocket_count(struct websockets *websockets, int more)
{
    websockets->open += (uint32_t)more;
    if (websockets->stats == NULL)
        return;
    stats_set(&websockets->stats->websockets, websockets->open);
    if (more > 0)
        stats_count(websockets->stats, STATS_websockets, 1);
}

struct websockets *websockets_new(const struct websocket_settings *settings, int epoll_fd,
                                  struct err *err)
{
    struct websockets *websockets = malloc(sizeof *websockets);
    if (websockets == NULL) {
        err_system(err, ENOMEM, "WebSocket");
        return NULL;
    }
    websockets->settings = *settings;
    websockets->epoll_fd = epoll_fd;
    websockets->now = 0;
    websockets->draining = false;
    websockets->stats = NULL;
    websockets->open = 0;
    ring_init(&websockets->all);
    ring_init(&websockets->readable);
    ring_init(&websockets->unsent);
    ring_init(&websockets->dead);
    timers_init(&websockets->idle, settings->ping_interval);
    timers_init(&websockets->pinged, settings->ping_timeout);
    timers_init(&websockets->closing, WEBSOCKET_CLOSE_TIME);
    return websockets;
}

void websockets_count_in(struct websockets *websockets, struct stats_worker *stats)
{
    websockets->stats = stats;
}

void websockets_end(struct websockets *websockets)
{
    struct ring *at = websockets->all.next;
    while (at != &websockets->all) {
        struct websocket *websocket = WEBSOCKET_OF(at, all);
        at = at->next;
        // One whose answer has not left yet is told by HTTP that it never will.
        if (websocket->stream.fd >= 0)
            websocket_drop(websocket);
    }
}

void websockets_free(struct websockets *websockets)
{
    if (websockets == NULL)
        return;
    bury(websockets);
    free(websockets);
}

void websockets_drain(struct websockets *websockets)
{
    struct ring *at = websockets->all.next;
    websockets->draining = true;
    while (at != &websockets->all) {
        struct websocket *websocket = WEBSOCKET_OF(at, all);
        at = at->next;
        if (websocket->state == STATE_OPEN)
            websocket_begin_close(websocket, 1001, STR(""));
    }
}

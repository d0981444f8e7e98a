// websocket_close.c - the end of a connection: the closing handshake (RFC 6455 section 7), and what
// comes without one.
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "log.h"
#include "websocket_connection_priv.h"

enum { CODE_ABNORMAL = 1006 };

// Why it ended, once.
static void note(struct websocket *websocket, unsigned code, struct str reason)
{
    websocket->code = code;
    if (reason.size == 0)
        return;
    websocket->reason = malloc(reason.size);
    if (websocket->reason == NULL)
        return;
    memcpy(websocket->reason, reason.data, reason.size);
    websocket->reason_size = reason.size;
}

// Whoever waits for anything learns that it is over.
static void tell(struct websocket *websocket)
{
    if (websocket->events == NULL)
        return;
    websocket->events->readable(websocket->owner);
    if (websocket->is_high)
        websocket->events->writable(websocket->owner);
    websocket->is_high = false;
}

static void put_close(struct websocket *websocket, unsigned code, struct str reason)
{
    if (websocket_write_close(code, reason, &websocket->out) < 0)
        websocket_drop(websocket);
    else
        websocket_write_soon(websocket);
}

void websocket_begin_close(struct websocket *websocket, unsigned code, struct str reason)
{
    note(websocket, code, reason);
    websocket->state = STATE_CLOSING;
    websocket_set_timer(websocket, &websocket->set->closing);
    put_close(websocket, code, reason);
    // It may have been held back; its answer is waited for now.
    websocket_read_soon(websocket);
    tell(websocket);
}

void websocket_end_by_peer(struct websocket *websocket, unsigned code, struct str reason)
{
    bool was_open = websocket->state == STATE_OPEN;
    websocket->state = STATE_ENDING;
    websocket_set_timer(websocket, &websocket->set->closing);
    if (!was_open) {
        websocket_write_soon(websocket);
        return;
    }
    note(websocket, code, reason);
    put_close(websocket, code, reason);
    tell(websocket);
}

void websocket_fail(struct websocket *websocket, unsigned code, const char *fault, bool lingers)
{
    bool was_open = websocket->state == STATE_OPEN;
    log_debug("websocket", "closed with %u: %s", code, fault);
    websocket->state = STATE_ENDING;
    websocket->lingers = lingers;
    websocket_set_timer(websocket, &websocket->set->closing);
    if (!was_open) {
        websocket_write_soon(websocket);
        return;
    }
    note(websocket, code, str_of(fault));
    put_close(websocket, code, str_of(fault));
    tell(websocket);
}

void websocket_finish(struct websocket *websocket)
{
    if (!websocket->lingers) {
        websocket_drop(websocket);
        return;
    }
    // Closed with bytes of the peer's unread, the socket would be reset, and the peer might not
    // read why.
    websocket_stream_end(&websocket->stream);
    websocket->state = STATE_LINGERING;
    websocket_set_timer(websocket, &websocket->set->closing);
    websocket_read_soon(websocket);
}

static void close_stream(struct websocket *websocket)
{
    struct websocket_stream *stream = &websocket->stream;
    if (stream->fd < 0)
        return;
    // Not by its close: that comes later, and a process that is being forked may share it.
    epoll_ctl(websocket->set->epoll_fd, EPOLL_CTL_DEL, stream->fd, NULL);
    stream->fd = -1;
    websocket_count(websocket->set, -1);
    stream->close(stream->owner);
}

void websocket_drop(struct websocket *websocket)
{
    if (websocket->state == STATE_GONE)
        return;
    bool was_open = websocket->state == STATE_OPEN;
    websocket->state = STATE_GONE;
    if (was_open)
        note(websocket, CODE_ABNORMAL, STR(""));
    ring_leave(&websocket->all);
    ring_leave(&websocket->readable);
    ring_leave(&websocket->unsent);
    ring_leave(&websocket->timer);
    close_stream(websocket);
    buf_fini(&websocket->out);
    free(websocket->ahead);
    websocket->ahead = NULL;
    websocket->sent = 0;
    if (was_open)
        tell(websocket);
    websocket_bury(websocket);
}

void websocket_bury(struct websocket *websocket)
{
    if (websocket->state == STATE_GONE && websocket->events == NULL && !websocket->is_opening)
        ring_join(&websocket->set->dead, &websocket->all);
}

static void free_messages(struct websocket *websocket)
{
    while (websocket->first != NULL) {
        struct websocket_message *message = websocket->first;
        websocket->first = message->next;
        free(message);
    }
    free(websocket->given);
}

void websocket_free(struct websocket *websocket)
{
    free_messages(websocket);
    websocket_reader_free(websocket->reader);
    websocket_writer_free(websocket->writer);
    buf_fini(&websocket->out);
    free(websocket->ahead);
    free(websocket->reason);
    free(websocket);
}

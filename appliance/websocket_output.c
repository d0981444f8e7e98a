// websocket_output.c - from frames to a socket: what is made in one turn of the loop leaves in one
// write, as far as the client takes it.
#include <errno.h>
#include <string.h>

#include "websocket_connection_priv.h"

void websocket_write_soon(struct websocket *websocket)
{
    if (websocket->stream.fd >= 0)
        ring_join(&websocket->set->unsent, &websocket->unsent);
}

// What has left makes room for what comes, once that is worth the copy.
static void compact(struct websocket *websocket)
{
    struct buf *out = &websocket->out;
    if (websocket->sent < out->size / 2)
        return;
    memmove(out->data, out->data + websocket->sent, out->size - websocket->sent);
    out->size -= websocket->sent;
    websocket->sent = 0;
}

int websocket_put(struct websocket *websocket, enum websocket_opcode opcode, struct str payload)
{
    if (websocket->sent > 0)
        compact(websocket);
    if (websocket_write(websocket->writer, opcode, payload, &websocket->out) < 0) {
        websocket_drop(websocket);
        return -1;
    }
    websocket_write_soon(websocket);
    return 0;
}

static void send_some(struct websocket *websocket)
{
    struct buf *out = &websocket->out;
    while (websocket->may_write && websocket->sent < out->size) {
        ssize_t size = websocket_stream_write(&websocket->stream, out->data + websocket->sent,
                                              out->size - websocket->sent);
        if (size > 0) {
            websocket->sent += (size_t)size;
        } else if (size == 0 || size == -EAGAIN) {
            websocket->may_write = false;
        } else {
            websocket_drop(websocket);
            return;
        }
    }
}

static void tell_writable(struct websocket *websocket)
{
    if (!websocket->is_high || websocket_waiting(websocket) >= WEBSOCKET_LOW)
        return;
    websocket->is_high = false;
    if (websocket->events != NULL)
        websocket->events->writable(websocket->owner);
}

void websocket_write_on(struct websocket *websocket)
{
    ring_leave(&websocket->unsent);
    if (websocket->stream.fd < 0)
        return;
    send_some(websocket);
    if (websocket->state == STATE_GONE)
        return;
    tell_writable(websocket);
    if (websocket->sent < websocket->out.size)
        return;
    buf_fini(&websocket->out);
    websocket->sent = websocket->pongs = 0;
    if (websocket->state == STATE_ENDING)
        websocket_finish(websocket);
    else
        websocket_read_soon(websocket);
}

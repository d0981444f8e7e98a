// websocket_input.c - from a socket to messages: as many as the owner may find waiting, then the
// client is held back. Pings are answered, a close is taken.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "websocket_connection_priv.h"

enum {
    MESSAGES_MAX = 32,              // that wait for the owner
    MESSAGE_BYTES_MAX = 64 * 1024,  // of them together, one may be larger
    MESSAGE_COPIED_MAX = 16 * 1024, // bytes of one that is rather copied than held where it is
    PONG_BYTES_MAX = 16 * 1024,     // beyond, the client has to read them first
};

bool websocket_takes(const struct websocket *websocket)
{
    switch (websocket->state) {
    case STATE_OPEN:
        return !websocket->holds && websocket->message_count < MESSAGES_MAX &&
               websocket->message_bytes < MESSAGE_BYTES_MAX && websocket->pongs < PONG_BYTES_MAX;
    case STATE_CLOSING:
        return !websocket->holds;
    case STATE_LINGERING:
        return true;
    default:
        return false;
    }
}

void websocket_read_soon(struct websocket *websocket)
{
    if (websocket->stream.fd >= 0 && (websocket->may_read || websocket->ahead != NULL) &&
        websocket_takes(websocket))
        ring_join(&websocket->set->readable, &websocket->readable);
}

static void tell_readable(const struct websocket *websocket)
{
    if (websocket->events != NULL)
        websocket->events->readable(websocket->owner);
}

// in_reader: it stays valid until the reader is fed again.
static int keep_message(struct websocket *websocket, enum websocket_kind kind, struct str payload,
                        bool in_reader)
{
    if (in_reader && payload.size > MESSAGE_COPIED_MAX) {
        websocket->held = payload;
        websocket->held_kind = kind;
        websocket->holds = true;
        return 0;
    }
    struct websocket_message *message = malloc(sizeof *message + payload.size);
    if (message == NULL)
        return -1;
    *message = (struct websocket_message){.kind = kind, .size = payload.size};
    if (payload.size > 0)
        memcpy(message->data, payload.data, payload.size);
    if (websocket->first == NULL)
        websocket->first = message;
    else
        websocket->last->next = message;
    websocket->last = message;
    websocket->message_count++;
    websocket->message_bytes += payload.size;
    return 0;
}

static void take_message(struct websocket *websocket, const struct websocket_read *read,
                         bool in_reader)
{
    enum websocket_kind kind =
        read->opcode == WEBSOCKET_OPCODE_TEXT ? WEBSOCKET_TEXT : WEBSOCKET_BINARY;
    // Behind our close, and for nobody, it is dropped (RFC 6455 section 1.4).
    if (websocket->state != STATE_OPEN || websocket->events == NULL)
        return;
    if (keep_message(websocket, kind, read->payload, in_reader) < 0)
        websocket_fail(websocket, 1011, "out of memory", true);
    else
        tell_readable(websocket);
}

static void take_control(struct websocket *websocket, const struct websocket_read *read)
{
    if (read->opcode == WEBSOCKET_OPCODE_CLOSE) {
        websocket_end_by_peer(websocket, read->code, read->payload);
    } else if (read->opcode == WEBSOCKET_OPCODE_PING && websocket->state == STATE_OPEN) {
        size_t before = websocket->out.size;
        if (websocket_put(websocket, WEBSOCKET_OPCODE_PONG, read->payload) == 0)
            websocket->pongs += websocket->out.size - before;
    }
}

// Returns how many of the bytes were taken.
static size_t feed(struct websocket *websocket, char *bytes, size_t size)
{
    size_t done = 0;
    while (done < size && websocket_takes(websocket)) {
        struct websocket_read read;
        size_t taken = 0;
        enum websocket_event event =
            websocket_reader_feed(websocket->reader, bytes + done, size - done, &taken, &read);
        done += taken;
        if (event == WEBSOCKET_EVENT_MESSAGE)
            take_message(websocket, &read,
                         read.payload.data < bytes || read.payload.data >= bytes + size);
        else if (event == WEBSOCKET_EVENT_CONTROL)
            take_control(websocket, &read);
        else if (event == WEBSOCKET_EVENT_ERROR)
            websocket_fail(websocket, read.code, read.fault, true);
    }
    if (websocket->reader != NULL && !websocket->holds &&
        !websocket_reader_is_inside(websocket->reader))
        websocket_reader_rest(websocket->reader);
    return done;
}

int websocket_keep_ahead(struct websocket *websocket, struct str bytes)
{
    if (bytes.size == 0)
        return 0;
    websocket->ahead = malloc(bytes.size);
    if (websocket->ahead == NULL)
        return -1;
    memcpy(websocket->ahead, bytes.data, bytes.size);
    websocket->ahead_size = bytes.size;
    websocket->ahead_taken = 0;
    return 0;
}

bool websocket_take_ahead(struct websocket *websocket)
{
    if (websocket->ahead == NULL)
        return true;
    if (websocket->state < STATE_ENDING)
        websocket->ahead_taken += feed(websocket, websocket->ahead + websocket->ahead_taken,
                                       websocket->ahead_size - websocket->ahead_taken);
    if (websocket->state < STATE_ENDING && websocket->ahead_taken < websocket->ahead_size)
        return false;
    free(websocket->ahead);
    websocket->ahead = NULL;
    return true;
}

static void take_bytes(struct websocket *websocket, size_t size)
{
    char *scratch = websocket->set->scratch;
    if (websocket->state == STATE_LINGERING)
        return;
    size_t done = feed(websocket, scratch, size);
    if (done < size && websocket->state < STATE_ENDING &&
        websocket_keep_ahead(websocket, (struct str){scratch + done, size - done}) < 0)
        websocket_fail(websocket, 1011, "out of memory", true);
}

void websocket_read_on(struct websocket *websocket)
{
    bool more = false;
    ring_leave(&websocket->readable);
    if (websocket->stream.fd < 0 || !websocket_take_ahead(websocket) ||
        !websocket_takes(websocket) || !websocket->may_read)
        return;
    ssize_t size = websocket_stream_read(&websocket->stream, websocket->set->scratch,
                                         WEBSOCKET_SCRATCH, &more);
    websocket->may_read = more || (websocket->hung_up && size > 0);
    if (size == 0 || (size < 0 && size != -EAGAIN)) {
        websocket_drop(websocket);
        return;
    }
    if (size > 0) {
        websocket_see_life(websocket);
        take_bytes(websocket, (size_t)size);
    }
    websocket_read_soon(websocket);
}

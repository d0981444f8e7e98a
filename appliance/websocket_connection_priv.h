// websocket_connection_priv.h - what websocket*.c and websocket_set.c share.
#pragma once

#include "buf.h"
#include "websocket_frame.h"
#include "websocket_stream.h"
#include "websocket_set.h"

enum {
    WEBSOCKET_SCRATCH = 64 * 1024, // bytes that are read at once; one buffer for all
    WEBSOCKET_CLOSE_TIME = 10000,  // milliseconds for the closing handshake
};

// --- rings: lists in which a member is found and left at once ---

struct ring {
    struct ring *next, *previous; // itself: alone
};

static inline void ring_init(struct ring *ring)
{
    ring->next = ring->previous = ring;
}

static inline bool ring_is_empty(const struct ring *ring)
{
    return ring->next == ring;
}

static inline void ring_leave(struct ring *member)
{
    member->next->previous = member->previous;
    member->previous->next = member->next;
    ring_init(member);
}

// At the end; out of the one that it was in.
static inline void ring_join(struct ring *ring, struct ring *member)
{
    ring_leave(member);
    member->previous = ring->previous;
    member->next = ring;
    ring->previous->next = member;
    ring->previous = member;
}

#define WEBSOCKET_OF(link, member) \
    ((struct websocket *)(void *)((char *)(link)-offsetof(struct websocket, member)))

// --- connections ---

// Members are due in their order, since each has waited for the same time.
struct websocket_timers {
    struct ring ring;
    int64_t interval; // milliseconds; 0: nobody is in it
};

struct websockets {
    struct websocket_settings settings;
    int epoll_fd;
    int64_t now; // of the latest turn, clock_milliseconds
    bool draining;
    struct stats_worker *stats; // where they are counted; NULL: nobody looks
    uint32_t open;              // that have a socket
    struct ring all;            // that have a socket, or will get one
    struct ring readable;       // that may be read without an event
    struct ring unsent;         // that have something to send, or to end
    struct ring dead;           // to be freed at the end of the turn
    struct websocket_timers idle, pinged, closing;
    char scratch[WEBSOCKET_SCRATCH];
};

enum websocket_state {
    STATE_OPEN,
    STATE_CLOSING,   // we have closed it, the peer is to do so as well
    STATE_ENDING,    // nothing is read any more; what is to be sent leaves, then the socket closes
    STATE_LINGERING, // all was sent, its end too; what comes is dropped until the peer's end
    STATE_GONE,      // no socket
};

struct websocket_message {
    struct websocket_message *next;
    enum websocket_kind kind;
    size_t size;
    char data[];
};

struct websocket {
    struct websockets *set; // valid until STATE_GONE
    struct ring all, readable, unsent, timer;
    int64_t deadline; // in timer's ring, clock_milliseconds
    enum websocket_state state;
    struct websocket_stream stream;
    struct websocket_reader *reader;
    struct websocket_writer *writer;
    const struct websocket_events *events; // NULL: the owner has let go
    void *owner;
    // What has come: whole messages, one of these the owner's until it asks for the next; a large
    // one where the reader has it; bytes behind them.
    struct websocket_message *first, *last, *given;
    size_t message_count, message_bytes;
    struct str held;
    enum websocket_kind held_kind;
    char *ahead;
    size_t ahead_size, ahead_taken;
    // What is to go.
    struct buf out;
    size_t sent;
    size_t pongs; // bytes of answers to pings since all was sent for the last time
    char *reason;
    size_t reason_size;
    unsigned code;
    bool may_read, may_write; // the socket may have something, take something
    bool hung_up;             // no event will tell of what is still to be read
    bool holds;               // held is one
    bool held_is_given;
    bool is_high;    // HIGH was reached: writable is to be told at LOW
    bool is_opening; // the answer to its request is on its way
    bool lingers;    // the peer may still be sending when we end
};

// The peer has said something: it is not asked for a while.
void websocket_see_life(struct websocket *websocket);
// NULL: in none.
void websocket_set_timer(struct websocket *websocket, struct websocket_timers *timers);

// websocket_input.c: whether what comes is taken at this moment; take some of it.
bool websocket_takes(const struct websocket *websocket);
void websocket_read_on(struct websocket *websocket);
// The messages in what was read already. False: some of it is left.
bool websocket_take_ahead(struct websocket *websocket);
// Let it be read in the next turn, if anything may be there.
void websocket_read_soon(struct websocket *websocket);
// Keep a copy of what was read behind the request. -1: out of memory.
int websocket_keep_ahead(struct websocket *websocket, struct str bytes);

// websocket_output.c: append a frame; it leaves with the next flush. Out of memory: the connection
// is dropped, which must be open or closing.
int websocket_put(struct websocket *websocket, enum websocket_opcode opcode, struct str payload);
void websocket_write_on(struct websocket *websocket);
void websocket_write_soon(struct websocket *websocket);

// websocket_set.c: one more has a socket, or one less.
void websocket_count(struct websockets *websockets, int more);

// websocket_close.c: begin the closing handshake, in STATE_OPEN; the peer has closed it, or has
// answered our close.
void websocket_begin_close(struct websocket *websocket, unsigned code, struct str reason);
void websocket_end_by_peer(struct websocket *websocket, unsigned code, struct str reason);
// Close it and read nothing more. lingers: the peer may still be sending.
void websocket_fail(struct websocket *websocket, unsigned code, const char *fault, bool lingers);
// In STATE_ENDING, when all was sent.
void websocket_finish(struct websocket *websocket);
// Close the socket, whatever is under way. One whose answer is on its way is told of when that has
// left, or is lost.
void websocket_drop(struct websocket *websocket);
// Have it freed at the end of the turn, where it has no socket and no owner any more.
void websocket_bury(struct websocket *websocket);
void websocket_free(struct websocket *websocket);

// fuzz_played_later.h - requests of the played application that are answered later, or become
// WebSockets. With its functions, as fuzz_played.h.
#pragma once

#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "cleanup.h"
#include "exchange.h"
#include "head.h"
#include "request.h"
#include "websocket.h"

enum {
    PLAYED_EXCHANGES = 8, // at once
    PLAYED_PIECES = 3,
};

// A request that is answered later, or the WebSocket that it has become.
struct played_exchange {
    struct played *played;
    struct request *request; // NULL: free, or it is a WebSocket's
    struct websocket *websocket;
    bool waits;  // to be released
    bool noted;  // something has happened
    bool lost;   // its client has gone
    bool began;  // its answer has
    bool opened; // it is a WebSocket's turn next
};

struct played {
    struct played_exchange exchanges[PLAYED_EXCHANGES];
    size_t bodies; // sources that are not released
};

static inline void played_begin(struct played *played)
{
    *played = (struct played){.bodies = 0};
    for (size_t i = 0; i < PLAYED_EXCHANGES; i++)
        played->exchanges[i].played = played;
}

static inline void played_head(struct request *request)
{
    struct head *head = request_response_head(request);
    must(head_begin(head, STR("OK")) == 0);
    must(head_add(head, STR("Content-Type"), STR("text/plain")) == HEAD_FINE);
}

static inline void played_note(void *owner)
{
    ((struct played_exchange *)owner)->noted = true;
}

static inline void played_lost(void *owner)
{
    struct played_exchange *exchange = owner;
    exchange->noted = exchange->lost = true;
}

// False: there are enough.
static inline bool played_exchange(struct played *played, struct request *request, char kind)
{
    static const struct exchange_events events = {played_note, played_note, played_note,
                                                  played_lost};
    struct websocket_offer offer;
    unsigned status = 0;
    bool offered = websocket_is_offered(request, &offer, &status);
    for (size_t i = 0; i < PLAYED_EXCHANGES && status == 0; i++) {
        struct played_exchange *exchange = &played->exchanges[i];
        if (exchange->request != NULL || exchange->websocket != NULL)
            continue;
        *exchange = (struct played_exchange){.played = played, .request = request, .noted = true};
        exchange->waits = kind == 'w';
        exchange->opened = offered;
        exchange_begin(request, &events, exchange);
        return true;
    }
    if (status != 0)
        websocket_refuse(request, status);
    return status != 0;
}

static inline void played_open(struct played_exchange *exchange)
{
    static const struct websocket_events events = {played_note, played_note};
    struct err err;
    played_head(exchange->request);
    exchange->websocket = websocket_accept(exchange->request, STR(""), &events, exchange, &err);
    if (exchange->websocket == NULL)
        exchange_end(exchange->request, true);
    exchange->request = NULL;
}

static inline void played_echo(struct played_exchange *exchange)
{
    struct err err;
    enum websocket_kind kind;
    struct str message;
    enum websocket_receiving got;
    while ((got = websocket_receive(exchange->websocket, &kind, &message)) == WEBSOCKET_MESSAGE) {
        must(message.size <= 1000);
        if (str_equal(message, STR("close")))
            websocket_close(exchange->websocket, 4000, STR("as you like"));
        else
            websocket_send(exchange->websocket, kind, message, &err);
    }
    if (got == WEBSOCKET_CLOSED)
        websocket_release(steal_ptr(&exchange->websocket), 1000);
}

// All of the body, then an answer in pieces.
static inline void played_continue(struct played_exchange *exchange)
{
    struct request *request = exchange->request;
    struct str piece;
    struct err err;
    enum exchange_reading reading;
    while ((reading = exchange_read(request, &piece)) == EXCHANGE_PIECE)
        ;
    if (reading == EXCHANGE_WAIT && !exchange->lost)
        return;
    bool cut = exchange->lost || reading == EXCHANGE_LOST;
    if (!cut) {
        played_head(request);
        cut = exchange_respond(request, 200, -1, &err) < 0;
        for (unsigned i = 0; i < PLAYED_PIECES && !cut; i++)
            cut = exchange_push(request, STR("a piece of it"), &err) < 0;
    }
    exchange->request = NULL;
    exchange_end(request, cut);
}

// Whether something was done.
static inline bool played_go_on(struct played *played)
{
    bool worked = false;
    for (size_t i = 0; i < PLAYED_EXCHANGES; i++) {
        struct played_exchange *exchange = &played->exchanges[i];
        if (!exchange->noted || (exchange->waits && !exchange->lost))
            continue;
        exchange->noted = false;
        worked = true;
        if (exchange->websocket != NULL)
            played_echo(exchange);
        else if (exchange->request != NULL && exchange->opened && !exchange->lost)
            played_open(exchange);
        else if (exchange->request != NULL)
            played_continue(exchange);
    }
    return worked;
}

// What waits goes on.
static inline void played_release(struct played *played)
{
    for (size_t i = 0; i < PLAYED_EXCHANGES; i++) {
        if (played->exchanges[i].waits)
            played->exchanges[i].noted = true;
        played->exchanges[i].waits = false;
    }
}

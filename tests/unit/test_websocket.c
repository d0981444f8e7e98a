// test_websocket.c - a WebSocket connection over a socket pair, with HTTP played: messages both
// ways, who is held back when, pings, every way that it may end. Time is what the test says it is.
#include "websocket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "head.h"
#include "http_upgrade.h"
#include "unit.h"
#include "websocket_frame.h"
#include "websocket_set.h"

enum {
    INTERVAL = 20000,  // milliseconds, of pings
    TIMEOUT = 5000,    // for their answers
    CLOSING = 10000,   // for a closing handshake
    MAX_SIZE = 200000, // bytes of a message
    ROUNDS = 50,       // turns in which nothing more happens any more
};

static const struct websocket_settings settings = {INTERVAL, TIMEOUT, MAX_SIZE};

// --- HTTP, played ---

struct request {
    struct request_head head;
    struct head answer;
    struct http_upgrade upgrade;
};

static struct {
    struct websockets *set;
    struct request request;
    struct websocket *websocket;
    int epoll_fd, server, client; // client -1: it has gone
    int64_t now;
    unsigned readable, writable, closed;
    char got[1 << 20]; // what has come to the client
    size_t got_size;
} world;

const struct request_head *request_head(const struct request *request)
{
    return &request->head;
}

struct head *request_response_head(struct request *request)
{
    return &request->answer;
}

const char *request_reason(unsigned status)
{
    (void)status;
    return "Reason";
}

int request_respond(struct request *request, const struct response *response, struct err *err)
{
    (void)request, (void)response, (void)err;
    must(false); // nothing is refused here
    return -1;
}

void request_fail(struct request *request, unsigned status)
{
    (void)request, (void)status;
    must(false);
}

struct websockets *http_upgrade_websockets(const struct request *request)
{
    (void)request;
    return world.set;
}

struct str http_upgrade_join(struct request *request, struct str name)
{
    (void)request, (void)name;
    return STR("");
}

int http_upgrade_begin(struct request *request, const struct http_upgrade *upgrade, struct err *err)
{
    (void)err;
    request->upgrade = *upgrade;
    return 0;
}

void http_upgrade_close(void *connection)
{
    must(connection == &world);
    close(world.server);
    world.closed++;
}

// --- the owner ---

static void note_readable(void *owner)
{
    must(owner == &world);
    world.readable++;
}

static void note_writable(void *owner)
{
    must(owner == &world);
    world.writable++;
}

static const struct websocket_events events = {note_readable, note_writable};

static void opened(struct str ahead)
{
    struct http_upgraded upgraded = {.fd = world.server, .ahead = ahead, .connection = &world};
    world.request.upgrade.opened(world.request.upgrade.owner, &upgraded);
}

static void accept_one(void)
{
    static const struct header headers[] = {
        {STR("Sec-WebSocket-Key"), STR("dGhlIHNhbXBsZSBub25jZQ==")}};
    struct err err;
    int ends[2];
    memset(&world, 0, sizeof world);
    world.now = clock_milliseconds();
    world.epoll_fd = epoll_create1(0);
    must(world.epoll_fd >= 0);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    world.server = ends[0];
    world.client = ends[1];
    world.set = websockets_new(&settings, world.epoll_fd, &err);
    must(world.set != NULL);
    world.request.head = (struct request_head){.headers = headers, .header_count = 1};
    head_init(&world.request.answer);
    must(head_begin(&world.request.answer, STR("Switching Protocols")) == 0);
    world.websocket = websocket_accept(&world.request, STR("chat"), &events, &world, &err);
    must(world.websocket != NULL);
}

static void begin(void)
{
    accept_one();
    opened(STR(""));
}

static void end(void)
{
    if (world.websocket != NULL)
        websocket_release(world.websocket, 1000);
    websockets_end(world.set);
    websockets_free(world.set);
    head_fini(&world.request.answer);
    if (world.client >= 0)
        close(world.client);
    CHECK(world.closed == 1);
    close(world.epoll_fd);
}

static void collect(void)
{
    for (;;) {
        ssize_t size = world.client < 0 ? 0
                                        : recv(world.client, world.got + world.got_size,
                                               sizeof world.got - world.got_size, 0);
        if (size <= 0)
            return;
        world.got_size += (size_t)size;
    }
}

// What the reactor does, without waiting.
static void turn(void)
{
    struct epoll_event list[4];
    int count = epoll_wait(world.epoll_fd, list, 4, 0);
    for (int i = 0; i < count; i++) {
        must(websockets_owns(list[i].data.ptr));
        websockets_take(list[i].data.ptr, list[i].events);
    }
    websockets_turn(world.set, world.now);
    websockets_flush(world.set);
}

static void run_unread(void)
{
    for (int i = 0; i < ROUNDS; i++)
        turn();
}

static void run(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        turn();
        collect();
    }
}

static void pass(int64_t milliseconds)
{
    world.now += milliseconds;
    run();
}

// --- the client ---

// Masked with zeros, which leaves the bytes as they are. False: the socket is full.
static bool say(unsigned first, struct str payload)
{
    static char frame[14 + (1 << 18)];
    size_t size = 2;
    must(payload.size <= 1 << 18);
    frame[0] = (char)first;
    unsigned length_size = payload.size < 126 ? 0 : payload.size <= UINT16_MAX ? 2 : 8;
    unsigned length = length_size == 0 ? (unsigned)payload.size : length_size == 2 ? 126 : 127;
    frame[1] = (char)(0x80 | length);
    for (unsigned i = length_size; i > 0; i--)
        frame[size++] = (char)(payload.size >> (i - 1) * 8);
    memset(frame + size, 0, 4);
    size += 4;
    if (payload.size > 0)
        memcpy(frame + size, payload.data, payload.size);
    size += payload.size;
    return send(world.client, frame, size, MSG_NOSIGNAL) == (ssize_t)size;
}

#define SAY(first, text) CHECK(say(first, STR(text)))

static bool got(struct str bytes)
{
    bool same = world.got_size == bytes.size && memcmp(world.got, bytes.data, bytes.size) == 0;
    world.got_size = 0;
    return same;
}

#define GOT(bytes) CHECK(got(STR(bytes)))

static bool received(enum websocket_kind wanted_kind, struct str wanted)
{
    enum websocket_kind kind = wanted_kind;
    struct str message = STR("");
    return websocket_receive(world.websocket, &kind, &message) == WEBSOCKET_MESSAGE &&
           kind == wanted_kind && str_equal(message, wanted);
}

static bool has_ended(unsigned code, struct str reason)
{
    enum websocket_kind kind;
    struct str message;
    return websocket_receive(world.websocket, &kind, &message) == WEBSOCKET_CLOSED &&
           websocket_close_code(world.websocket) == code &&
           str_equal(websocket_close_reason(world.websocket), reason);
}

static bool waits(void)
{
    enum websocket_kind kind;
    struct str message;
    return websocket_receive(world.websocket, &kind, &message) == WEBSOCKET_WAIT;
}

static int send_text(struct str text)
{
    struct err err;
    return websocket_send(world.websocket, WEBSOCKET_TEXT, text, &err);
}

// --- messages ---

static void test_messages(void)
{
    begin();
    CHECK_CONTAINS(buf_text(&world.request.answer.lines),
                   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
    CHECK_CONTAINS(buf_text(&world.request.answer.lines), "Sec-WebSocket-Protocol: chat\r\n");
    CHECK(waits());
    SAY(0x81, "one");
    SAY(0x82, "two");
    run();
    CHECK(world.readable == 2);
    CHECK(received(WEBSOCKET_TEXT, STR("one")));
    CHECK(received(WEBSOCKET_BINARY, STR("two")));
    CHECK(waits());
    // What is sent in one turn leaves with its end.
    CHECK(send_text(STR("three")) == 0);
    CHECK(send_text(STR("four")) == 0);
    collect();
    CHECK(world.got_size == 0);
    CHECK(websocket_waiting(world.websocket) == 2 + 5 + 2 + 4);
    websockets_flush(world.set);
    collect();
    CHECK(websocket_waiting(world.websocket) == 0);
    GOT("\x81\x05three\x81\x04"
        "four");
    end();
}

static void test_ahead(void)
{
    accept_one();
    // Sent before the answer has left.
    CHECK(send_text(STR("early")) == 0);
    opened(STR("\x81\x83\0\0\0\0abc\x81\x83\0\0\0\0d"));
    run();
    GOT("\x81\x05"
        "early");
    CHECK(received(WEBSOCKET_TEXT, STR("abc")));
    CHECK(waits());
    CHECK(send(world.client, "ef", 2, 0) == 2);
    run();
    CHECK(received(WEBSOCKET_TEXT, STR("def")));
    end();
}

static void test_held_back(void)
{
    enum { MESSAGES = 100 };
    static char rest[1 << 17];
    char text[16];
    begin();
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(text, sizeof text, "%d", i);
        CHECK(say(0x81, str_of(text)));
    }
    run();
    unsigned told = world.readable;
    CHECK(told > 0 && told < MESSAGES);
    // The socket fills as long as nothing is taken.
    while (say(0x82, (struct str){rest, 1000}))
        turn();
    CHECK(world.readable == told);
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(text, sizeof text, "%d", i);
        CHECK(received(WEBSOCKET_TEXT, str_of(text)));
        turn();
    }
    CHECK(received(WEBSOCKET_BINARY, (struct str){rest, 1000}));
    end();
}

static void test_large(void)
{
    static char large[100000];
    begin();
    memset(large, 'x', sizeof large);
    CHECK(say(0x82, (struct str){large, sizeof large}));
    SAY(0x81, "behind");
    run();
    CHECK(world.readable == 1);
    CHECK(received(WEBSOCKET_BINARY, (struct str){large, sizeof large}));
    CHECK(received(WEBSOCKET_TEXT, STR("behind")) ||
          (run(), received(WEBSOCKET_TEXT, STR("behind"))));
    CHECK(waits());
    end();
}

static void test_slow_reader(void)
{
    static char large[4 << 20];
    begin();
    CHECK(send_text((struct str){large, sizeof large}) == 0);
    run_unread();
    CHECK(websocket_waiting(world.websocket) >= WEBSOCKET_HIGH);
    CHECK(world.writable == 0);
    size_t all = 0;
    for (int i = 0; i < 100000 && all < sizeof large + 10; i++) {
        collect();
        all += world.got_size;
        world.got_size = 0;
        turn();
    }
    CHECK(all == sizeof large + 10);
    CHECK(world.writable == 1);
    CHECK(websocket_waiting(world.websocket) == 0);
    end();
}

// --- pings ---

static void test_ping_answered(void)
{
    begin();
    SAY(0x89, "are you there");
    SAY(0x8a, "unasked");
    run();
    GOT("\x8a\x0d"
        "are you there");
    CHECK(waits());
    end();
}

static void test_ping_flood(void)
{
    static const char payload[100];
    size_t said = 0;
    begin();
    // As many as go, and none of the answers is read.
    for (int i = 0; i < 1000000 && say(0x89, (struct str){payload, sizeof payload}); i++) {
        said++;
        turn();
    }
    CHECK(said > 0 && said < 1000000);
    CHECK(websocket_waiting(world.websocket) < WEBSOCKET_HIGH);
    run();
    size_t all = world.got_size;
    CHECK(all % 102 == 0 && all / 102 <= said);
    CHECK(websocket_waiting(world.websocket) == 0);
    CHECK(world.got_size > 0);
    end();
}

static void test_pings(void)
{
    begin();
    run();
    CHECK(websockets_deadline(world.set) > world.now);
    CHECK(websockets_deadline(world.set) <= world.now + INTERVAL + 100);
    pass(INTERVAL + 100);
    GOT("\x89\0");
    CHECK(websockets_deadline(world.set) > world.now - INTERVAL);
    SAY(0x8a, "");
    run();
    pass(TIMEOUT + 100);
    CHECK(world.got_size == 0);
    CHECK(waits());
    end();
}

static void test_no_pong(void)
{
    begin();
    run();
    pass(INTERVAL + 100);
    GOT("\x89\0");
    pass(TIMEOUT + 100);
    GOT("\x88\x15\x03\xf3no answer to a ping");
    CHECK(has_ended(1011, STR("no answer to a ping")));
    CHECK(world.closed == 1);
    end();
}

static void test_held_back_is_not_missed(void)
{
    begin();
    for (int i = 0; i < 40; i++)
        SAY(0x81, "x");
    run();
    // Its pongs are behind what is not taken.
    pass(INTERVAL + 100);
    pass(INTERVAL + TIMEOUT + 100);
    CHECK(world.got_size == 0);
    for (int i = 0; i < 40; i++) {
        CHECK(received(WEBSOCKET_TEXT, STR("x")));
        run();
    }
    CHECK(waits());
    end();
}

// --- the end ---

static void test_closed_by_peer(void)
{
    begin();
    SAY(0x81, "last");
    SAY(0x88, "\x0f\xa0"
              "bye");
    run();
    GOT("\x88\x05\x0f\xa0"
        "bye");
    CHECK(world.closed == 1);
    CHECK(send_text(STR("late")) < 0);
    CHECK(received(WEBSOCKET_TEXT, STR("last")));
    CHECK(has_ended(4000, STR("bye")));
    end();
}

static void test_closed_by_peer_without_code(void)
{
    begin();
    SAY(0x88, "");
    run();
    GOT("\x88\0");
    CHECK(has_ended(1005, STR("")));
    end();
}

static void test_closed_by_us(void)
{
    begin();
    CHECK(send_text(STR("a")) == 0);
    websocket_close(world.websocket, 4001, STR("enough"));
    websocket_close(world.websocket, 4002, STR("again"));
    CHECK(send_text(STR("b")) < 0);
    CHECK(has_ended(4001, STR("enough")));
    SAY(0x81, "crossing");
    run();
    GOT("\x81\x01\x61\x88\x08\x0f\xa1"
        "enough");
    CHECK(world.closed == 0);
    CHECK(has_ended(4001, STR("enough")));
    SAY(0x88, "\x0f\xa1");
    run();
    CHECK(world.closed == 1);
    end();
}

static void test_close_unanswered(void)
{
    begin();
    websocket_close(world.websocket, 1000, STR(""));
    run();
    pass(CLOSING - 1000);
    CHECK(world.closed == 0);
    pass(1100);
    CHECK(world.closed == 1);
    end();
}

static void test_peer_vanishes(void)
{
    begin();
    SAY(0x81, "last");
    close(world.client);
    world.client = -1;
    run();
    CHECK(world.closed == 1);
    CHECK(received(WEBSOCKET_TEXT, STR("last")));
    CHECK(has_ended(1006, STR("")));
    end();
}

static void test_sent_to_vanished(void)
{
    begin();
    run();
    close(world.client);
    world.client = -1;
    CHECK(send_text(STR("x")) == 0);
    websockets_flush(world.set);
    CHECK(world.closed == 1 && world.readable == 1);
    CHECK(has_ended(1006, STR("")));
    end();
}

static void test_broken_stream(void)
{
    static char rest[1000];
    begin();
    SAY(0xc1, "x"); // a reserved bit
    run();
    CHECK(world.got_size > 4 && memcmp(world.got, "\x88", 1) == 0 &&
          memcmp(world.got + 2, "\x03\xea", 2) == 0);
    // Nothing more comes from us, and what the client still sends is read away.
    CHECK(recv(world.client, rest, 1, 0) == 0);
    CHECK(world.closed == 0);
    CHECK(say(0x82, (struct str){rest, sizeof rest}));
    run();
    CHECK(world.closed == 0);
    enum websocket_kind kind;
    struct str message;
    CHECK(websocket_receive(world.websocket, &kind, &message) == WEBSOCKET_CLOSED);
    CHECK(websocket_close_code(world.websocket) == 1002);
    shutdown(world.client, SHUT_WR);
    run();
    CHECK(world.closed == 1);
    end();
}

static void test_too_large(void)
{
    static char large[MAX_SIZE + 1];
    begin();
    say(0x82, (struct str){large, sizeof large});
    run();
    CHECK(world.got_size > 4 && memcmp(world.got + 2, "\x03\xf1", 2) == 0);
    pass(CLOSING + 100);
    CHECK(world.closed == 1);
    end();
}

static void test_drain(void)
{
    begin();
    SAY(0x81, "last");
    run();
    websockets_drain(world.set);
    run();
    GOT("\x88\x02\x03\xe9");
    CHECK(received(WEBSOCKET_TEXT, STR("last")));
    CHECK(has_ended(1001, STR("")));
    SAY(0x88, "\x03\xe9");
    run();
    CHECK(world.closed == 1);
    end();
}

static void test_released(void)
{
    begin();
    websocket_release(world.websocket, 1011);
    world.websocket = NULL;
    SAY(0x81, "for nobody");
    run();
    GOT("\x88\x02\x03\xf3");
    CHECK(world.readable == 0);
    SAY(0x88, "\x03\xf3");
    run();
    CHECK(world.closed == 1);
    end();
}

static void test_released_while_held_back(void)
{
    begin();
    for (int i = 0; i < 100; i++)
        SAY(0x81, "x");
    SAY(0x88, "\x03\xe8");
    run();
    CHECK(world.closed == 0);
    websocket_release(world.websocket, 1000);
    world.websocket = NULL;
    run();
    CHECK(world.closed == 1);
    GOT("\x88\x02\x03\xe8");
    end();
}

static void test_upgrade_lost(void)
{
    accept_one();
    CHECK(send_text(STR("x")) == 0);
    world.request.upgrade.lost(world.request.upgrade.owner);
    CHECK(world.readable == 1);
    CHECK(has_ended(1006, STR("")));
    close(world.server);
    world.closed++;
    end();
}

static void test_released_before_opened(void)
{
    accept_one();
    websocket_release(world.websocket, 1000);
    world.websocket = NULL;
    run();
    pass(CLOSING + 100);
    opened(STR(""));
    run();
    GOT("\x88\x02\x03\xe8");
    pass(2 * CLOSING + 200);
    CHECK(world.closed == 1);
    end();
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_messages),
    UNIT_CASE(test_ahead),
    UNIT_CASE(test_held_back),
    UNIT_CASE(test_large),
    UNIT_CASE(test_slow_reader),
    UNIT_CASE(test_ping_answered),
    UNIT_CASE(test_ping_flood),
    UNIT_CASE(test_pings),
    UNIT_CASE(test_no_pong),
    UNIT_CASE(test_held_back_is_not_missed),
    UNIT_CASE(test_closed_by_peer),
    UNIT_CASE(test_closed_by_peer_without_code),
    UNIT_CASE(test_closed_by_us),
    UNIT_CASE(test_close_unanswered),
    UNIT_CASE(test_peer_vanishes),
    UNIT_CASE(test_sent_to_vanished),
    UNIT_CASE(test_broken_stream),
    UNIT_CASE(test_too_large),
    UNIT_CASE(test_drain),
    UNIT_CASE(test_released),
    UNIT_CASE(test_released_while_held_back),
    UNIT_CASE(test_upgrade_lost),
    UNIT_CASE(test_released_before_opened),
};

int main(void)
{
    return unit_main("websocket", cases, UNIT_COUNT(cases));
}

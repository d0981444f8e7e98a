// test_websocket_handshake.c - who may open a WebSocket (RFC 6455 section 4.2.1), and what of the
// offers is agreed upon (RFC 7692 section 7.1).
#include "websocket_handshake.h"

#include "unit.h"

enum { HEADERS = 8 };

struct message {
    struct header headers[HEADERS];
    struct request_head head;
};

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

// The request of RFC 6455 section 1.3 with fields in other words or behind: "NAME: VALUE", ends
// with NULL; "NAME" alone is left out.
static void compose(struct message *message, const char *const *changes)
{
    static const char *const usual[][2] = {
        {"Host", "server.example.com"}, {"Upgrade", "websocket"},        {"Connection", "Upgrade"},
        {"Sec-WebSocket-Key", KEY},     {"Sec-WebSocket-Version", "13"},
    };
    size_t count = 0;
    *message = (struct message){.head = {.method = STR("GET"),
                                         .target = STR("/chat"),
                                         .version = STR("HTTP/1.1"),
                                         .headers = message->headers,
                                         .decoded_length = -1}};
    for (size_t i = 0; i < UNIT_COUNT(usual); i++) {
        bool changed = false;
        for (const char *const *c = changes; c != NULL && *c != NULL; c++)
            changed |= strcspn(*c, ":") == strlen(usual[i][0]) &&
                       memcmp(*c, usual[i][0], strlen(usual[i][0])) == 0;
        if (!changed)
            message->headers[count++] = (struct header){str_of(usual[i][0]), str_of(usual[i][1])};
    }
    for (const char *const *c = changes; c != NULL && *c != NULL; c++) {
        size_t name = strcspn(*c, ":");
        if ((*c)[name] == ':')
            message->headers[count++] = (struct header){{*c, name}, str_of(*c + name + 2)};
    }
    message->head.header_count = count;
}

static void test_judge(void)
{
    static const struct {
        const char *changes[4];
        unsigned expected;
    } rows[] = {
        {{NULL}, 101},
        {{"Upgrade"}, 0},
        {{"Upgrade: h2c"}, 0},
        {{"Upgrade: websockets"}, 0},
        {{"Upgrade: WebSocket"}, 101},
        {{"Upgrade: h2c, WEBSOCKET"}, 101},
        {{"Upgrade: h2c/1 , \twebsocket ,"}, 101},
        {{"Upgrade: h2c", "Upgrade: websocket"}, 101},
        {{"Connection"}, 400},
        {{"Connection: close"}, 400},
        {{"Connection: keep-alive, upgrade"}, 101},
        {{"Connection: keep-alive", "Connection: UPGRADE"}, 101},
        {{"Connection: xUpgrade"}, 400},
        {{"Sec-WebSocket-Version"}, 400},
        {{"Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"}, 400},
        {{"Sec-WebSocket-Version: 8"}, 426},
        {{"Sec-WebSocket-Version: 14"}, 426},
        {{"Sec-WebSocket-Version: "}, 426},
        {{"Sec-WebSocket-Key"}, 400},
        {{"Sec-WebSocket-Key: "}, 400},
        {{"Sec-WebSocket-Key: " KEY, "Sec-WebSocket-Key: " KEY}, 400},
        {{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ="}, 400},
        {{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==="}, 400},
        {{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA"}, 400},
        {{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ-=="}, 400},
        {{"Sec-WebSocket-Key: dGhl HNhbXBsZSBub25jZQ=="}, 400},
        {{"Sec-WebSocket-Key: ++++++++++++++/////00A=="}, 101},
        {{"Content-Length: 0"}, 101},
        {{"Content-Length: 5"}, 400},
        {{"Sec-WebSocket-Protocol: chat, superchat"}, 101},
        {{"Sec-WebSocket-Protocol: "}, 101},
        {{"Sec-WebSocket-Protocol: a b"}, 400},
        {{"Sec-WebSocket-Protocol: a, b/1"}, 400},
        {{"Sec-WebSocket-Extensions: permessage-deflate"}, 101},
        {{"Sec-WebSocket-Extensions: x-unknown; a=1; b=\"c, d\""}, 101},
        {{"Sec-WebSocket-Extensions: a b"}, 400},
        {{"Sec-WebSocket-Extensions: a; ;"}, 400},
        {{"Sec-WebSocket-Extensions: a; b="}, 400},
        {{"Sec-WebSocket-Extensions: a; b=\"c"}, 400},
        {{"Sec-WebSocket-Extensions: a; b=\"c\\"}, 400},
        {{"Sec-WebSocket-Extensions: a;"}, 400},
        {{"Sec-WebSocket-Extensions: =;"}, 400},
    };
    struct message message;
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        compose(&message, rows[i].changes);
        if (websocket_judge(&message.head) != rows[i].expected)
            printf("    %s\n", rows[i].changes[0] != NULL ? rows[i].changes[0] : "as it should be");
        CHECK(websocket_judge(&message.head) == rows[i].expected);
    }
}

static void test_judge_line(void)
{
    static const struct {
        const char *method, *version;
        int64_t decoded_length;
        unsigned expected;
    } rows[] = {
        {"GET", "HTTP/1.1", -1, 101},  {"get", "HTTP/1.1", -1, 400}, {"POST", "HTTP/1.1", -1, 400},
        {"HEAD", "HTTP/1.1", -1, 400}, {"GET", "HTTP/1.0", -1, 0},   {"GET", "HTTP/1.1", 0, 400},
        {"GET", "HTTP/1.1", 7, 400},
    };
    struct message message;
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        compose(&message, NULL);
        message.head.method = str_of(rows[i].method);
        message.head.version = str_of(rows[i].version);
        message.head.decoded_length = rows[i].decoded_length;
        CHECK(websocket_judge(&message.head) == rows[i].expected);
    }
}

static void test_accept(void)
{
    struct message message;
    char accept[WEBSOCKET_ACCEPT_SIZE];
    compose(&message, NULL);
    websocket_accept_value(&message.head, accept);
    CHECK(memcmp(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof accept) == 0);
}

#define AGREED "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

static void test_extensions(void)
{
    static const struct {
        const char *offer, *expected;
        int server_bits;
    } rows[] = {
        {"permessage-deflate", AGREED, 15},
        {"Permessage-Deflate", AGREED, 15},
        {"permessage-deflate; client_max_window_bits", AGREED, 15},
        {"permessage-deflate; client_max_window_bits=8", AGREED, 15},
        {"permessage-deflate; client_max_window_bits=15", AGREED, 15},
        {"permessage-deflate;client_max_window_bits = \"10\"", AGREED, 15},
        {"permessage-deflate; client_max_window_bits=7", "", 0},
        {"permessage-deflate; client_max_window_bits=16", "", 0},
        {"permessage-deflate; client_max_window_bits=08", "", 0},
        {"permessage-deflate; client_max_window_bits=\"1\\0\"", "", 0},
        {"permessage-deflate; server_max_window_bits=10", AGREED "; server_max_window_bits=10", 10},
        {"permessage-deflate; server_max_window_bits=\"9\"", AGREED "; server_max_window_bits=9",
         9},
        {"permessage-deflate; server_max_window_bits=15", AGREED "; server_max_window_bits=15", 15},
        {"permessage-deflate; server_max_window_bits=8", "", 0},
        {"permessage-deflate; server_max_window_bits", "", 0},
        {"permessage-deflate; server_max_window_bits=100", "", 0},
        {"permessage-deflate; server_max_window_bits=1x", "", 0},
        {"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", "", 0},
        {"permessage-deflate; server_no_context_takeover; client_no_context_takeover", AGREED, 15},
        {"permessage-deflate; server_no_context_takeover=1", "", 0},
        {"permessage-deflate; client_no_context_takeover=1", "", 0},
        {"permessage-deflate; unknown", "", 0},
        {"permessage-deflate; unknown=\"a;b,c\"", "", 0},
        {"x-webkit-deflate-frame", "", 0},
        {"x-unknown, permessage-deflate", AGREED, 15},
        {"permessage-deflate; server_max_window_bits=8, permessage-deflate", AGREED, 15},
        {"permessage-deflate; server_max_window_bits=10, permessage-deflate",
         AGREED "; server_max_window_bits=10", 10},
        {"permessage-deflate, a b", "", 0},
        {", ,permessage-deflate ,", AGREED, 15},
        {"", "", 0},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char field[200], out[160] = "";
        const char *const changes[] = {field, NULL};
        struct message message;
        struct websocket_deflate deflate;
        snprintf(field, sizeof field, "Sec-WebSocket-Extensions: %s", rows[i].offer);
        compose(&message, changes);
        struct str chosen = websocket_choose_extensions(&message.head, &deflate, out, sizeof out);
        if (!str_equal(chosen, str_of(rows[i].expected)))
            printf("    %s: %.*s\n", rows[i].offer, (int)chosen.size, chosen.data);
        CHECK(str_equal(chosen, str_of(rows[i].expected)));
        CHECK(deflate.used == (chosen.size > 0) &&
              deflate.server_max_window_bits == rows[i].server_bits);
        CHECK(!deflate.used ||
              (deflate.client_max_window_bits == 15 && deflate.server_no_context_takeover &&
               deflate.client_no_context_takeover));
        // Where the answer does not fit nothing is agreed upon.
        chosen = websocket_choose_extensions(&message.head, &deflate, out, 10);
        CHECK(chosen.size == 0 && !deflate.used);
    }
}

static void test_subprotocols(void)
{
    static const struct {
        const char *changes[4];
        const char *expected;
    } rows[] = {
        {{NULL}, ""},
        {{"Sec-WebSocket-Protocol: chat"}, "chat;"},
        {{"Sec-WebSocket-Protocol: chat, superchat"}, "chat;superchat;"},
        {{"Sec-WebSocket-Protocol: ,a ,\tb,, c,"}, "a;b;c;"},
        {{"Sec-WebSocket-Protocol: a,b", "Sec-WebSocket-Protocol: c"}, "a;b;c;"},
        {{"Sec-WebSocket-Protocol: ", "sec-websocket-protocol: c, d", "Sec-WebSocket-Protocol: e"},
         "c;d;e;"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct message message;
        struct str token;
        char told[64] = "";
        size_t at = 0, used = 0;
        compose(&message, rows[i].changes);
        while (used < 50 && websocket_next_subprotocol(&message.head, &at, &token))
            used += (size_t)snprintf(told + used, sizeof told - used, "%.*s;", (int)token.size,
                                     token.data);
        CHECK_STR(told, rows[i].expected);
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_judge),      UNIT_CASE(test_judge_line),   UNIT_CASE(test_accept),
    UNIT_CASE(test_extensions), UNIT_CASE(test_subprotocols),
};

int main(void)
{
    return unit_main("websocket_handshake", cases, UNIT_COUNT(cases));
}

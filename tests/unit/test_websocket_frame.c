// test_websocket_frame.c - what a client may send and what it may not (RFC 6455 sections 5 to 7),
// each stream whole, byte by byte and in pieces between; limits; that nothing is allocated for what
// was only announced.
#include "websocket_frame.h"

#include "websocket_client.h"

// A stream and what is to be read of it.
struct row {
    const char *name;
    struct {
        unsigned first;
        struct str payload;
    } frames[6]; // as far as they have a first byte
    const char *expected;
};

#define TEXT WEBSOCKET_OPCODE_TEXT
#define BINARY WEBSOCKET_OPCODE_BINARY
#define MORE WEBSOCKET_CONTINUATION
#define CLOSE WEBSOCKET_OPCODE_CLOSE
#define PING WEBSOCKET_OPCODE_PING
#define PONG WEBSOCKET_OPCODE_PONG
// Stands for a first byte of 0, which ends a row.
enum { ZERO = 0x100 };
#define P(text)                \
    {                          \
        text, sizeof(text) - 1 \
    }
#define LONG_125                                                                      \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678" \
    "9012345678901234567890123456789012345678901234"

static const struct row rows[] = {
    {"text", {{FIN | TEXT, P("Hello")}}, "text(Hello) "},
    {"binary", {{FIN | BINARY, P("\xff\xfe")}}, "binary(\xff\xfe) "},
    {"empty", {{FIN | TEXT, P("")}, {FIN | BINARY, P("")}}, "text() binary() "},
    {"several", {{FIN | TEXT, P("a")}, {FIN | TEXT, P("b")}}, "text(a) text(b) "},
    {"fragments", {{TEXT, P("Hel")}, {ZERO, P("l")}, {FIN | MORE, P("o")}}, "text(Hello) "},
    {"empty fragments", {{TEXT, P("")}, {ZERO, P("")}, {FIN | MORE, P("")}}, "text() "},
    {"empty but the last", {{BINARY, P("")}, {FIN | MORE, P("abc")}}, "binary(abc) "},
    {"empty but the first", {{BINARY, P("abc")}, {FIN | MORE, P("")}}, "binary(abc) "},
    {"a ping between",
     {{TEXT, P("Hel")}, {FIN | PING, P("are you?")}, {FIN | MORE, P("lo")}, {FIN | TEXT, P("x")}},
     "ping(are you?) text(Hello) text(x) "},
    {"pings between",
     {{TEXT, P("")}, {FIN | PING, P("")}, {FIN | PONG, P(LONG_125)}, {FIN | MORE, P("lo")}},
     "ping() pong(125 bytes) text(lo) "},
    {"pong", {{FIN | PONG, P("x")}}, "pong(x) "},
    {"the longest ping", {{FIN | PING, P(LONG_125)}}, "ping(125 bytes) "},
    {"too long a ping", {{FIN | PING, P(LONG_125 "5")}}, "error(1002) "},
    {"a ping in fragments", {{PING, P("x")}}, "error(1002) "},
    {"a close in fragments", {{CLOSE, P("\x03\xe8")}}, "error(1002) "},
    {"reserved bit 1", {{FIN | RSV1 | TEXT, P("x")}}, "error(1002) "},
    {"reserved bit 2", {{FIN | RSV2 | TEXT, P("x")}}, "error(1002) "},
    {"reserved bit 3", {{FIN | RSV3 | BINARY, P("x")}}, "error(1002) "},
    {"reserved bits of a ping", {{FIN | RSV1 | PING, P("x")}}, "error(1002) "},
    {"reserved bits of a continuation",
     {{TEXT, P("a")}, {FIN | RSV1 | MORE, P("x")}},
     "error(1002) "},
    {"opcode 3", {{FIN | 0x3, P("x")}}, "error(1002) "},
    {"opcode 7", {{FIN | 0x7, P("x")}}, "error(1002) "},
    {"opcode 11", {{FIN | 0xb, P("")}}, "error(1002) "},
    {"opcode 15", {{FIN | 0xf, P("")}}, "error(1002) "},
    {"continuation of nothing", {{FIN | MORE, P("x")}}, "error(1002) "},
    {"continuation behind the end",
     {{TEXT, P("a")}, {FIN | MORE, P("b")}, {FIN | MORE, P("c")}},
     "text(ab) error(1002) "},
    {"a message within a message", {{TEXT, P("a")}, {FIN | TEXT, P("b")}}, "error(1002) "},
    {"another kind within a message", {{TEXT, P("a")}, {BINARY, P("b")}}, "error(1002) "},
    {"nothing behind an error",
     {{FIN | TEXT, P("a")}, {FIN | 0x3, P("")}, {FIN | TEXT, P("b")}},
     "text(a) error(1002) "},
    {"close", {{FIN | CLOSE, P("")}}, "close(1005,) "},
    {"close with a code", {{FIN | CLOSE, P("\x03\xe8")}}, "close(1000,) "},
    {"close with a reason",
     {{FIN | CLOSE, P("\x0b\xb8"
                      "bye \xe2\x82\xac")}},
     "close(3000,bye \xe2\x82\xac) "},
    {"close within a message", {{TEXT, P("a")}, {FIN | CLOSE, P("\x03\xe9")}}, "close(1001,) "},
    {"nothing behind a close", {{FIN | CLOSE, P("")}, {FIN | TEXT, P("a")}}, "close(1005,) "},
    {"half a code", {{FIN | CLOSE, P("\x03")}}, "error(1002) "},
    {"a code that is none", {{FIN | CLOSE, P("\x03\xed")}}, "error(1002) "},
    {"a reason that is no text",
     {{FIN | CLOSE, P("\x03\xe8"
                      "a\xff")}},
     "error(1007) "},
    {"a reason that ends within a character",
     {{FIN | CLOSE, P("\x03\xe8"
                      "a\xe2\x82")}},
     "error(1007) "},
    {"a character in two fragments",
     {{TEXT, P("a\xe2\x82")}, {FIN | MORE, P("\xac")}},
     "text(a\xe2\x82\xac) "},
    {"a character around a ping",
     {{TEXT, P("\xe2")}, {FIN | PING, P("\xff")}, {FIN | MORE, P("\x82\xac")}},
     "ping(\xff) text(\xe2\x82\xac) "},
    {"not UTF-8",
     {{FIN | TEXT, P("abc\xff"
                     "d")}},
     "error(1007) "},
    {"a surrogate", {{FIN | TEXT, P("\xed\xa0\x80")}}, "error(1007) "},
    {"an end within a character", {{FIN | TEXT, P("abc\xe2\x82")}}, "error(1007) "},
    {"a last fragment within a character",
     {{TEXT, P("\xe2\x82")}, {FIN | MORE, P("")}},
     "error(1007) "},
    {"each text begins anew",
     {{FIN | BINARY, P("\xe2\x82")}, {FIN | TEXT, P("a")}},
     "binary(\xe2\x82) text(a) "},
};

static void build(struct buf *stream, const struct row *row)
{
    for (size_t i = 0; i < UNIT_COUNT(row->frames) && row->frames[i].first != 0; i++)
        put_frame(stream, row->frames[i].first & 0xff, row->frames[i].payload);
}

static void test_streams(void)
{
    static const size_t pieces[] = {1, 2, 3, 5, 7, 13, 64, 100000};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        _buf_ struct buf stream = stream_buf();
        build(&stream, &rows[i]);
        for (size_t p = 0; p < UNIT_COUNT(pieces); p++) {
            _buf_ struct buf told = stream_buf();
            struct websocket_reader *reader = websocket_reader_new(&no_deflate, 1 << 20);
            feed(reader, buf_str(&stream), pieces[p], &told);
            if (strcmp(buf_text(&told), rows[i].expected) != 0)
                printf("    %s, in pieces of %zu\n", rows[i].name, pieces[p]);
            CHECK_STR(buf_text(&told), rows[i].expected);
            websocket_reader_free(reader);
        }
    }
}

// All of a header's first bytes that there are, against RFC 6455 section 5.2 in other words.
static void test_first_bytes(void)
{
    for (unsigned first = 0; first < 256; first++) {
        unsigned opcode = first & 0xf;
        bool fine = (first & 0x70) == 0 && ((first & FIN) != 0 || opcode < 3) &&
                    memchr("\x01\x02\x08\x09\x0a", (int)opcode, 5) != NULL;
        char bytes[] = {(char)first, (char)MASKED};
        struct websocket_reader *reader = websocket_reader_new(&no_deflate, 0);
        struct websocket_read read;
        size_t taken;
        enum websocket_event event = websocket_reader_feed(reader, bytes, 1, &taken, &read);
        CHECK(event == (fine ? WEBSOCKET_EVENT_NONE : WEBSOCKET_EVENT_ERROR));
        CHECK(fine || read.code == 1002);
        websocket_reader_free(reader);
    }
}

static void check_told(struct buf *stream, uint64_t max_size, const char *expected)
{
    _buf_ struct buf told = stream_buf();
    struct websocket_reader *reader = websocket_reader_new(&no_deflate, max_size);
    feed(reader, buf_str(stream), 1, &told);
    CHECK_STR(buf_text(&told), expected);
    websocket_reader_free(reader);
}

// Of what is longer than the words of this machine can count.
#define FOR_NO_MEMORY (SIZE_MAX > UINT32_MAX ? "" : "error(1009) ")

// Headers alone.
static void test_lengths(void)
{
    static const struct {
        unsigned first;
        uint64_t length;
        unsigned size;
        uint64_t max_size;
        const char *expected;
    } lengths[] = {
        {FIN | TEXT, 125, 0, 0, ""},
        {FIN | TEXT, 126, 2, 0, ""},
        {FIN | TEXT, 65535, 2, 0, ""},
        {FIN | TEXT, 65536, 8, 0, ""},
        {FIN | TEXT, (uint64_t)1 << 62, 8, 0, FOR_NO_MEMORY},
        {FIN | TEXT, 125, 2, 0, "error(1002) "}, // could be shorter
        {FIN | TEXT, 0, 2, 0, "error(1002) "},
        {FIN | TEXT, 65535, 8, 0, "error(1002) "},
        {FIN | TEXT, 0, 8, 0, "error(1002) "},
        {FIN | TEXT, (uint64_t)1 << 63, 8, 0, "error(1002) "},
        {FIN | TEXT, UINT64_MAX, 8, 0, "error(1002) "},
        {FIN | PING, 126, 2, 0, "error(1002) "},
        {FIN | PING, 65536, 8, 0, "error(1002) "},
        {FIN | TEXT, 100, 0, 100, ""},
        {FIN | TEXT, 101, 0, 100, "error(1009) "},
        {TEXT, 65536, 8, 65535, "error(1009) "},
        {FIN | TEXT, (uint64_t)1 << 62, 8, 1 << 20, "error(1009) "},
        {FIN | PING, 100, 0, 10, ""}, // of messages alone
    };
    for (size_t i = 0; i < UNIT_COUNT(lengths); i++) {
        _buf_ struct buf stream = stream_buf();
        put_header(&stream, lengths[i].first, lengths[i].length, lengths[i].size);
        check_told(&stream, lengths[i].max_size, lengths[i].expected);
    }
}

// All fragments count together.
static void test_sum_of_fragments(void)
{
    _buf_ struct buf stream = stream_buf();
    put_frame(&stream, BINARY, STR("12345"));
    put_frame(&stream, MORE, STR("67890"));
    put_header(&stream, MORE, 1, 0);
    check_told(&stream, 10, "error(1009) ");
    put_masked(&stream, STR("x"));
    put_frame(&stream, FIN | MORE, STR(""));
    check_told(&stream, 11, "binary(1234567890x) ");
}

static void test_no_mask(void)
{
    _buf_ struct buf stream = stream_buf();
    put_byte(&stream, FIN | TEXT);
    put_byte(&stream, 5);
    check_told(&stream, 0, "error(1002) ");
}

// What is wrong is said as soon as its byte is there.
static void test_fails_fast(void)
{
    static const struct {
        struct str payload;
        size_t broken_at; // the index of the byte that makes it so
    } texts[] = {
        {STR("abc\xff"
             "defghijklmnopqrstuvwxyz"),
         3},
        {STR("\xf4\x90\x80\x80 and so on"), 1},
        {STR("0123456789012345678901234567890123\xed\xa0\x80 and so on"), 35},
        {STR("\xce\xba\xc0\x80 and so on"), 2},
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        _buf_ struct buf stream = stream_buf(), told = stream_buf();
        put_header(&stream, TEXT, 1000, 2);
        size_t header = stream.size;
        put_masked(&stream, texts[i].payload);
        struct websocket_reader *reader = websocket_reader_new(&no_deflate, 0);
        CHECK(feed(reader, buf_str(&stream), 1, &told) == header + texts[i].broken_at + 1);
        CHECK_STR(buf_text(&told), "error(1007) ");
        websocket_reader_free(reader);
    }
}

// What is there as a whole lies where it came.
static void test_in_place(void)
{
    _buf_ struct buf stream = stream_buf();
    struct websocket_reader *reader = websocket_reader_new(&no_deflate, 1 << 20);
    struct websocket_read read;
    size_t taken;
    put_frame(&stream, FIN | TEXT, STR("0123456789abcdef0123456789abcdef"));
    put_frame(&stream, FIN | PING, STR("ping"));
    CHECK(websocket_reader_feed(reader, stream.data, stream.size, &taken, &read) ==
          WEBSOCKET_EVENT_MESSAGE);
    CHECK(taken == 38 && read.payload.data == stream.data + 6 && read.payload.size == 32);
    CHECK(str_equal(read.payload, STR("0123456789abcdef0123456789abcdef")));
    CHECK(websocket_reader_feed(reader, stream.data + 38, 10, &taken, &read) ==
          WEBSOCKET_EVENT_CONTROL);
    CHECK(taken == 10 && read.payload.data == stream.data + 44);
    CHECK(!websocket_reader_is_inside(reader));
    websocket_reader_free(reader);
}

// What was announced and has not come takes no memory: no machine has so much.
static void test_announced(void)
{
    _buf_ struct buf stream = stream_buf(), told = stream_buf();
    struct websocket_reader *reader = websocket_reader_new(&no_deflate, 0);
    put_header(&stream, FIN | BINARY, SIZE_MAX >> 2, 8);
    put_masked(&stream, STR("some of it"));
    feed(reader, buf_str(&stream), 4, &told);
    CHECK_STR(buf_text(&told), "");
    CHECK(websocket_reader_is_inside(reader));
    websocket_reader_free(reader);
}

static void test_large(void)
{
    enum { SIZE = 3 << 20 };
    static const size_t pieces[] = {1000, 65536, SIZE * 2};
    _buf_ struct buf stream = stream_buf(), payload = stream_buf();
    for (unsigned i = 0; i < SIZE; i++)
        put_byte(&payload, i * 2654435761u >> 24);
    put_frame(&stream, BINARY, (struct str){payload.data, SIZE / 3});
    put_frame(&stream, FIN | PING, STR("ping"));
    put_frame(&stream, FIN | MORE, (struct str){payload.data + SIZE / 3, SIZE - SIZE / 3});
    for (size_t p = 0; p < UNIT_COUNT(pieces); p++) {
        struct websocket_reader *reader = websocket_reader_new(&no_deflate, SIZE);
        _buf_ struct buf copy = stream_buf();
        struct websocket_read read;
        unsigned pings = 0, messages = 0;
        CHECK(buf_append_str(&copy, buf_str(&stream)) == 0);
        for (size_t at = 0, taken; at < copy.size; at += taken) {
            size_t left = copy.size - at, size = left < pieces[p] ? left : pieces[p];
            enum websocket_event event =
                websocket_reader_feed(reader, copy.data + at, size, &taken, &read);
            pings += event == WEBSOCKET_EVENT_CONTROL && str_equal(read.payload, STR("ping"));
            messages +=
                event == WEBSOCKET_EVENT_MESSAGE && str_equal(read.payload, buf_str(&payload));
        }
        CHECK(pings == 1 && messages == 1);
        websocket_reader_free(reader);
    }
}

// Resting between frames of a message, within a control frame and between messages loses nothing.
static void test_rest(void)
{
    _buf_ struct buf stream = stream_buf(), told = stream_buf();
    struct websocket_reader *reader = websocket_reader_new(&no_deflate, 0);
    put_frame(&stream, TEXT, STR("Hel"));
    put_frame(&stream, FIN | PING, STR("ping"));
    put_frame(&stream, FIN | MORE, STR("lo"));
    put_frame(&stream, FIN | PONG, STR("pong"));
    put_frame(&stream, FIN | TEXT, STR("x"));
    for (size_t i = 0; i < stream.size; i++) {
        websocket_reader_rest(reader);
        feed(reader, (struct str){stream.data + i, 1}, 1, &told);
        // From the header's last byte to the message's: of the first, and of the last.
        CHECK(websocket_reader_is_inside(reader) == ((i >= 5 && i < 26) || i == 42));
    }
    CHECK_STR(buf_text(&told), "ping(ping) text(Hello) pong(pong) text(x) ");
    CHECK(!websocket_reader_is_inside(reader));
    websocket_reader_free(reader);
}

static void test_codes(void)
{
    for (unsigned code = 0; code < 6000; code++) {
        bool valid = (code >= 3000 && code < 5000) ||
                     (code >= 1000 && code < 1015 && (code < 1004 || code > 1006));
        CHECK(websocket_code_is_valid(code) == valid);
        _buf_ struct buf stream = stream_buf(), told = stream_buf(), expected = stream_buf();
        char payload[2] = {(char)(code >> 8), (char)code};
        put_frame(&stream, FIN | CLOSE, (struct str){payload, 2});
        if (valid)
            buf_printf(&expected, "close(%u,) ", code);
        else
            buf_printf(&expected, "error(1002) ");
        struct websocket_reader *reader = websocket_reader_new(&no_deflate, 0);
        feed(reader, buf_str(&stream), 8, &told);
        CHECK_STR(buf_text(&told), buf_text(&expected));
        websocket_reader_free(reader);
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_streams),  UNIT_CASE(test_first_bytes), UNIT_CASE(test_lengths),
    UNIT_CASE(test_no_mask),  UNIT_CASE(test_fails_fast),  UNIT_CASE(test_sum_of_fragments),
    UNIT_CASE(test_in_place), UNIT_CASE(test_announced),   UNIT_CASE(test_large),
    UNIT_CASE(test_rest),     UNIT_CASE(test_codes),
};

int main(void)
{
    return unit_main("websocket_frame", cases, UNIT_COUNT(cases));
}

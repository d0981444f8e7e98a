// test_websocket_deflate.c - permessage-deflate as a client may send it (RFC 7692 sections 7.2 and
// 8.2): the examples of the RFC, limits that hold while inflating, what is broken, and that nothing
// is kept between messages where none builds upon another.
#include <zlib.h>

#include "websocket_client.h"
#include "websocket_priv.h"

#define TEXT WEBSOCKET_OPCODE_TEXT
#define P(text)                \
    {                          \
        text, sizeof(text) - 1 \
    }

struct deflated_frame {
    unsigned first; // 0x100: a byte of 0
    struct str payload;
};

// RFC 7692 section 7.2.3.
static const struct {
    const char *name;
    struct deflated_frame frames[5];
    const char *alone, *takeover; // expected
} rows[] = {
    {"one block", {{FIN | RSV1 | TEXT, P("\xf2\x48\xcd\xc9\xc9\x07\x00")}}, "text(Hello) ", NULL},
    {"fragments",
     {{RSV1 | TEXT, P("\xf2\x48\xcd")}, {FIN, P("\xc9\xc9\x07\x00")}},
     "text(Hello) ",
     NULL},
    {"the window before",
     {{FIN | RSV1 | TEXT, P("\xf2\x48\xcd\xc9\xc9\x07\x00")},
      {FIN | RSV1 | TEXT, P("\xf2\x00\x11\x00\x00")}},
     "text(Hello) error(1007) ",
     "text(Hello) text(Hello) "},
    {"a stored block",
     {{FIN | RSV1 | TEXT, P("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00")}},
     "text(Hello) ",
     NULL},
    {"a last block",
     {{FIN | RSV1 | TEXT, P("\xf3\x48\xcd\xc9\xc9\x07\x00\x00")}},
     "text(Hello) ",
     NULL},
    {"a last block, then the window before",
     {{FIN | RSV1 | TEXT, P("\xf3\x48\xcd\xc9\xc9\x07\x00\x00")},
      {FIN | RSV1 | TEXT, P("\xf2\x00\x11\x00\x00")}},
     "text(Hello) error(1007) ",
     "text(Hello) text(Hello) "},
    {"two blocks",
     {{FIN | RSV1 | TEXT, P("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")}},
     "text(Hello) ",
     NULL},
    {"not deflated", {{FIN | TEXT, P("Hello")}}, "text(Hello) ", NULL},
    {"not deflated between",
     {{FIN | RSV1 | TEXT, P("\xf2\x48\xcd\xc9\xc9\x07\x00")},
      {FIN | TEXT, P("x")},
      {FIN | RSV1 | TEXT, P("\xf2\x00\x11\x00\x00")}},
     "text(Hello) text(x) error(1007) ",
     "text(Hello) text(x) text(Hello) "},
    {"empty", {{FIN | RSV1 | TEXT, P("\x00")}}, "text() ", NULL},
    {"a ping between",
     {{RSV1 | TEXT, P("\xf2\x48\xcd")},
      {FIN | WEBSOCKET_OPCODE_PING, P("ping")},
      {0x100, P("")},
      {FIN, P("\xc9\xc9\x07\x00")}},
     "ping(ping) text(Hello) ",
     NULL},
    {"the bit on a continuation",
     {{RSV1 | TEXT, P("\xf2\x48\xcd")}, {FIN | RSV1, P("\xc9\xc9\x07\x00")}},
     "error(1002) ",
     NULL},
    {"the bit on a ping", {{FIN | RSV1 | WEBSOCKET_OPCODE_PING, P("")}}, "error(1002) ", NULL},
    {"another bit beside", {{FIN | RSV1 | RSV2 | TEXT, P("\x00")}}, "error(1002) ", NULL},
    {"a block of no type", {{FIN | RSV1 | TEXT, P("\x06")}}, "error(1007) ", NULL},
    {"an end within a block", {{FIN | RSV1 | TEXT, P("\xf2\x48\xcd")}}, "error(1007) ", NULL},
    {"an end within a stored block",
     {{FIN | RSV1 | TEXT, P("\x00\x09\x00\xf6\xff\x48\x65\x6c\x6c\x6f")}},
     "error(1007) ",
     NULL},
    {"not UTF-8",
     {{FIN | RSV1 | TEXT, P("\x00\x02\x00\xfd\xff\xc3\x28\x00")}},
     "error(1007) ",
     NULL},
    {"an end within a character",
     {{FIN | RSV1 | TEXT, P("\x00\x01\x00\xfe\xff\xc3\x00")}},
     "error(1007) ",
     NULL},
};

static void test_streams(void)
{
    static const size_t pieces[] = {1, 2, 3, 7, 1000};
    for (size_t i = 0; i < UNIT_COUNT(rows) * 2; i++) {
        bool takeover = i % 2 != 0;
        const char *expected = rows[i / 2].alone;
        if (takeover && rows[i / 2].takeover != NULL)
            expected = rows[i / 2].takeover;
        _buf_ struct buf stream = stream_buf();
        const struct deflated_frame *frame = rows[i / 2].frames;
        for (; frame->first != 0; frame++)
            put_frame(&stream, frame->first & 0xff, frame->payload);
        for (size_t p = 0; p < UNIT_COUNT(pieces); p++) {
            _buf_ struct buf told = stream_buf();
            struct websocket_reader *reader =
                websocket_reader_new(takeover ? &deflate_takeover : &deflate_alone, 1 << 20);
            feed(reader, buf_str(&stream), pieces[p], &told);
            if (strcmp(buf_text(&told), expected) != 0)
                printf("    %s, in pieces of %zu\n", rows[i / 2].name, pieces[p]);
            CHECK_STR(buf_text(&told), expected);
            websocket_reader_free(reader);
        }
    }
}

// A message of `size` times c, deflated by zlib as a client does.
static struct buf deflate_of(char c, size_t size)
{
    struct buf out = stream_buf();
    _free_ char *message = malloc(size);
    memset(message, c, size);
    z_stream stream = {.next_in = (Bytef *)message, .avail_in = (uInt)size};
    CHECK(deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) == Z_OK);
    CHECK(buf_reserve(&out, deflateBound(&stream, size) + 100) == 0);
    stream.next_out = (Bytef *)out.data;
    stream.avail_out = (uInt)out.capacity - 1;
    CHECK(deflate(&stream, Z_SYNC_FLUSH) == Z_OK && stream.avail_in == 0);
    out.size = (size_t)((char *)stream.next_out - out.data) - 4;
    deflateEnd(&stream);
    return out;
}

// The limit is one of what comes out, to the byte, and holds before all of it has come in.
static void test_limits(void)
{
    enum { SIZE = 1 << 20 };
    static const struct {
        uint64_t max_size;
        const char *expected;
    } limits[] = {
        {SIZE - 1, "error(1009) "},
        {SIZE, "text(1048576 bytes) "},
        {SIZE + 1, "text(1048576 bytes) "},
        {0, "text(1048576 bytes) "},
        {1, "error(1009) "},
    };
    static const size_t pieces[] = {1, 100, 100000};
    _buf_ struct buf payload = deflate_of('x', SIZE), stream = stream_buf();
    put_frame(&stream, FIN | RSV1 | TEXT, buf_str(&payload));
    for (size_t i = 0; i < UNIT_COUNT(limits) * UNIT_COUNT(pieces); i++) {
        _buf_ struct buf told = stream_buf();
        struct websocket_reader *reader =
            websocket_reader_new(&deflate_alone, limits[i / UNIT_COUNT(pieces)].max_size);
        size_t said = feed(reader, buf_str(&stream), pieces[i % UNIT_COUNT(pieces)], &told);
        CHECK_STR(buf_text(&told), limits[i / UNIT_COUNT(pieces)].expected);
        CHECK(limits[i / UNIT_COUNT(pieces)].max_size != 1 || i % UNIT_COUNT(pieces) > 0 ||
              said < 30);
        websocket_reader_free(reader);
    }
}

// A thousandfold of what is sent is not taken up: some blocks of a bomb, and then no more.
static void test_bomb(void)
{
    enum { LIMIT = 100000 };
    _buf_ struct buf payload = deflate_of('x', 10 << 20), stream = stream_buf();
    _buf_ struct buf told = stream_buf();
    struct websocket_reader *reader = websocket_reader_new(&deflate_alone, LIMIT);
    put_header(&stream, FIN | RSV1 | WEBSOCKET_OPCODE_BINARY, payload.size, 2);
    put_masked(&stream, buf_str(&payload));
    size_t said = feed(reader, buf_str(&stream), 16, &told);
    CHECK_STR(buf_text(&told), "error(1009) ");
    CHECK(said <= LIMIT / 1000 + 64);
    websocket_reader_free(reader);
}

static void test_announced_too_large(void)
{
    _buf_ struct buf stream = stream_buf(), told = stream_buf();
    struct websocket_reader *reader = websocket_reader_new(&deflate_alone, 1000);
    put_header(&stream, FIN | RSV1 | TEXT, 65536, 8);
    feed(reader, buf_str(&stream), 1, &told);
    CHECK_STR(buf_text(&told), "error(1009) ");
    websocket_reader_free(reader);
}

// Inflated text is judged as it comes out.
static void test_fails_fast(void)
{
    _buf_ struct buf stream = stream_buf(), told = stream_buf();
    struct websocket_reader *reader = websocket_reader_new(&deflate_alone, 0);
    put_header(&stream, FIN | RSV1 | TEXT, 100, 0);
    put_masked(&stream, STR("\x00\x50\x00\xaf\xff"
                            "abc\xff"
                            "defghijklmnopqrstuvwxyz"));
    CHECK(feed(reader, buf_str(&stream), 1, &told) == 6 + 5 + 4);
    CHECK_STR(buf_text(&told), "error(1007) ");
    websocket_reader_free(reader);
}

// Without context takeover connections take turns with one state; in the middle of their messages
// each has its own.
static void test_turns(void)
{
    static const struct str hello = P("\xf2\x48\xcd\xc9\xc9\x07\x00");
    struct websocket_reader *readers[3];
    _buf_ struct buf frame = stream_buf();
    put_frame(&frame, FIN | RSV1 | TEXT, hello);
    for (size_t i = 0; i < UNIT_COUNT(readers); i++)
        readers[i] = websocket_reader_new(&deflate_alone, 0);
    for (size_t half = 0; half < frame.size; half++) {
        struct str first = {frame.data, half}, second = {frame.data + half, frame.size - half};
        for (size_t i = 0; i < UNIT_COUNT(readers); i++) {
            _buf_ struct buf told = stream_buf();
            feed(readers[i], first, 100, &told);
            CHECK_STR(buf_text(&told), "");
        }
        for (size_t i = 0; i < UNIT_COUNT(readers); i++) {
            _buf_ struct buf told = stream_buf();
            feed(readers[i], second, 100, &told);
            CHECK_STR(buf_text(&told), "text(Hello) ");
            websocket_reader_rest(readers[i]);
        }
    }
    for (size_t i = 0; i < UNIT_COUNT(readers); i++)
        websocket_reader_free(readers[i]);
}

static void test_spares(void)
{
    struct websocket_inflater *inflater = websocket_inflater_take(15), *other;
    websocket_inflater_return(inflater);
    other = websocket_inflater_take(15);
    CHECK(other == inflater);
    websocket_inflater_return(other);
    struct websocket_compressor *compressor = websocket_compressor_take(15), *second;
    second = websocket_compressor_take(15);
    CHECK(compressor != second);
    websocket_compressor_return(second);
    CHECK(websocket_compressor_take(15) == second);
    websocket_compressor_return(second);
    websocket_compressor_return(compressor);
    // One of another window is another one, and works.
    char message[1000] = {0}, out[1000];
    compressor = websocket_compressor_take(9);
    size_t size = websocket_compress(compressor, (struct str){message, 1000}, out, sizeof out);
    CHECK(size > 0 && size < 40);
    websocket_compressor_return(compressor);
    CHECK(websocket_compress_bound(compressor, 1000) > 1000);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_streams),    UNIT_CASE(test_limits),
    UNIT_CASE(test_bomb),       UNIT_CASE(test_announced_too_large),
    UNIT_CASE(test_fails_fast), UNIT_CASE(test_turns),
    UNIT_CASE(test_spares),
};

int main(void)
{
    return unit_main("websocket_deflate", cases, UNIT_COUNT(cases));
}

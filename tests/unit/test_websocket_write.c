// test_websocket_write.c - frames of a server byte by byte, and that its messages come back: with
// deflate and without, in every size at which something changes.
#include "websocket_client.h"

static void check_bytes(const struct buf *out, struct str expected)
{
    CHECK(str_equal(buf_str(out), expected));
}

static void test_headers(void)
{
    static const struct {
        size_t size;
        struct str header;
    } rows[] = {
        {0, {"\x82\x00", 2}},
        {125, {"\x82\x7d", 2}},
        {126, {"\x82\x7e\x00\x7e", 4}},
        {65535, {"\x82\x7e\xff\xff", 4}},
        {65536, {"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10}},
    };
    struct websocket_writer *writer = websocket_writer_new(&no_deflate);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        _buf_ struct buf out = stream_buf();
        _free_ char *payload = calloc(1, rows[i].size + 1);
        memset(payload, 'x', rows[i].size);
        CHECK(buf_append(&out, "before", 6) == 0);
        CHECK(websocket_write(writer, WEBSOCKET_OPCODE_BINARY, (struct str){payload, rows[i].size},
                              &out) == 0);
        CHECK(out.size == 6 + rows[i].header.size + rows[i].size);
        CHECK(memcmp(out.data, "before", 6) == 0);
        CHECK(memcmp(out.data + 6, rows[i].header.data, rows[i].header.size) == 0);
        CHECK(memcmp(out.data + 6 + rows[i].header.size, payload, rows[i].size) == 0);
    }
    websocket_writer_free(writer);
}

static void test_control(void)
{
    struct websocket_writer *writer = websocket_writer_new(&deflate_alone);
    _buf_ struct buf out = stream_buf();
    CHECK(websocket_write(writer, WEBSOCKET_OPCODE_PING, STR("hi"), &out) == 0);
    CHECK(websocket_write(writer, WEBSOCKET_OPCODE_PONG, STR(""), &out) == 0);
    CHECK(websocket_write(writer, WEBSOCKET_OPCODE_TEXT, STR("hi"), &out) == 0);
    check_bytes(&out, STR("\x89\x02hi\x8a\x00\x81\x02hi"));
    websocket_writer_free(writer);
}

static void test_close(void)
{
    char reason[] = "0123456789012345678901234567890123456789012345678901234567890"
                    "01234567890123456789012345678901234567890123456789012345678\u20ac\u20ac";
    _buf_ struct buf out = stream_buf();
    CHECK(websocket_write_close(1005, STR("nothing"), &out) == 0);
    CHECK(websocket_write_close(1000, STR(""), &out) == 0);
    CHECK(websocket_write_close(4999, STR("bye"), &out) == 0);
    check_bytes(&out, STR("\x88\x00\x88\x02\x03\xe8\x88\x05\x13\x87"
                          "bye"));
    out.size = 0;
    // 120 bytes, and characters of three of which one fits.
    CHECK(strlen(reason) == 126);
    CHECK(websocket_write_close(1011, str_of(reason), &out) == 0);
    CHECK(out.size == 2 + 2 + 123 && memcmp(out.data, "\x88\x7d\x03\xf3", 4) == 0);
    CHECK(memcmp(out.data + 4, reason, 123) == 0);
    out.size = 0;
    CHECK(websocket_write_close(1011, (struct str){reason + 1, 125}, &out) == 0);
    CHECK(out.size == 2 + 2 + 122);
}

// A buffer that is full keeps what it has.
static void test_full(void)
{
    static const struct websocket_deflate *const kinds[] = {&no_deflate, &deflate_alone};
    char payload[4000] = {0};
    for (size_t i = 0; i < UNIT_COUNT(kinds); i++) {
        struct websocket_writer *writer = websocket_writer_new(kinds[i]);
        _buf_ struct buf out = BUF_INIT(1000);
        CHECK(buf_append(&out, "before", 6) == 0);
        CHECK(websocket_write(writer, WEBSOCKET_OPCODE_TEXT, (struct str){payload, 4000}, &out) <
              0);
        CHECK_STR(buf_text(&out), "before");
        websocket_writer_free(writer);
    }
}

// A server's frame as a client would send it, so that our reader takes it.
static void reverse(struct buf *stream, const struct buf *frame)
{
    const unsigned char *bytes = (const unsigned char *)frame->data;
    size_t length = bytes[1] & 0x7f, header = length == 127 ? 10 : length == 126 ? 4 : 2;
    put_frame(stream, bytes[0], (struct str){frame->data + header, frame->size - header});
}

// Words, so that there is something to deflate, or noise.
static void fill(char *out, size_t size, bool noise)
{
    uint32_t seed = 12345;
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        out[i] = (char)(noise ? seed >> 24 : (unsigned)"the quick brown fox "[(seed >> 28) + 2]);
    }
}

static void test_round_trips(void)
{
    static const struct websocket_deflate *const kinds[] = {&no_deflate, &deflate_alone,
                                                            &deflate_takeover};
    static const size_t sizes[] = {0,    1,    125,   126,   1023,  1024,   1025,
                                   1500, 4096, 65535, 65536, 70000, 300000, 1};
    _free_ char *payload = malloc(300000);
    for (size_t k = 0; k < UNIT_COUNT(kinds); k++) {
        struct websocket_writer *writer = websocket_writer_new(kinds[k]);
        struct websocket_reader *reader = websocket_reader_new(kinds[k], 300000);
        for (size_t i = 0; i < UNIT_COUNT(sizes) * 2; i++) {
            bool noise = i >= UNIT_COUNT(sizes);
            struct str message = {payload, sizes[i % UNIT_COUNT(sizes)]};
            _buf_ struct buf frame = stream_buf(), stream = stream_buf();
            struct websocket_read read;
            size_t taken;
            fill(payload, message.size, noise);
            CHECK(websocket_write(writer, WEBSOCKET_OPCODE_BINARY, message, &frame) == 0);
            bool deflated = ((unsigned char)frame.data[0] & RSV1) != 0;
            CHECK(deflated || frame.size <= message.size + 10);
            if (!noise)
                CHECK(deflated == (k > 0 && message.size >= 1024));
            reverse(&stream, &frame);
            CHECK(websocket_reader_feed(reader, stream.data, stream.size, &taken, &read) ==
                  WEBSOCKET_EVENT_MESSAGE);
            CHECK(taken == stream.size && read.opcode == WEBSOCKET_OPCODE_BINARY);
            CHECK(str_equal(read.payload, message));
        }
        websocket_reader_free(reader);
        websocket_writer_free(writer);
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_headers), UNIT_CASE(test_control),     UNIT_CASE(test_close),
    UNIT_CASE(test_full),    UNIT_CASE(test_round_trips),
};

int main(void)
{
    return unit_main("websocket_write", cases, UNIT_COUNT(cases));
}

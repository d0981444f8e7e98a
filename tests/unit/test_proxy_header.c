// test_proxy_header.c - headers of both versions: whole, byte by byte, and broken.
#include "proxy_header.h"

#include "unit.h"

static struct proxy_header header;

static enum proxy_header_state parse(const char *text)
{
    return proxy_header_parse(&header, (const unsigned char *)text, strlen(text));
}

static const char *source(void)
{
    static char text[ADDRESS_TEXT_MAX + 8];
    address_write(&header.source, text);
    size_t size = strlen(text);
    snprintf(text + size, sizeof text - size, "|%u", header.source.port);
    return text;
}

static void test_text(void)
{
    static const struct {
        const char *line, *source;
    } rows[] = {
        {"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n", "192.0.2.1|4711"},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255|65535"},
        {"PROXY TCP6 2001:db8::1 ::1 1 0\r\n", "2001:db8::1|1"},
        {"PROXY TCP6 ::ffff:192.0.2.1 ::1 0 1\r\n", "192.0.2.1|0"},
        {"PROXY UNKNOWN\r\n", "|0"},
        {"PROXY UNKNOWN 192.0.2.1 whatever\r\n", "|0"},
        {"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "|0"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char text[160];
        size_t size = strlen(rows[i].line);
        snprintf(text, sizeof text, "%sGET / HTTP/1.1\r\n", rows[i].line);
        CHECK(parse(text) == PROXY_HEADER_COMPLETE && header.size == size);
        CHECK_STR(source(), rows[i].source);
        for (size_t cut = 0; cut < size; cut++) {
            CHECK(proxy_header_parse(&header, (const unsigned char *)text, cut) ==
                  PROXY_HEADER_INCOMPLETE);
        }
    }
}

static void test_text_malformed(void)
{
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "proxy TCP4 192.0.2.1 10.0.0.1 4711 80\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 4711\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 4711 80 \r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 4711 80 1\r\n",
        "PROXY TCP4  192.0.2.1 10.0.0.1 4711 80\r\n",
        "PROXY TCP4 192.0.2.256 10.0.0.1 4711 80\r\n",
        "PROXY TCP4 ::1 ::1 4711 80\r\n",
        "PROXY TCP4 192.0.2.1 ::1 4711 80\r\n",
        "PROXY TCP6 192.0.2.1 10.0.0.1 4711 80\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 65536 80\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 4711 080\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 -1 80\r\n",
        "PROXY TCP5 192.0.2.1 10.0.0.1 4711 80\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY tcp4 192.0.2.1 10.0.0.1 4711 80\r\n",
        "PROXY UNKNOWN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        CHECK(parse(texts[i]) == PROXY_HEADER_MALFORMED && header.fault != NULL);
        CHECK(header.source.family == AF_UNSPEC);
    }
    CHECK(parse("G") == PROXY_HEADER_MALFORMED && parse("PROXX") == PROXY_HEADER_MALFORMED);
    CHECK(parse("PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r") == PROXY_HEADER_INCOMPLETE);
}

// --- version 2 ---

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define BLOCK_4 "\xc0\0\2\1\x0a\0\0\1\x12\x67\0\x50"
#define BLOCK_6                              \
    "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1" \
    "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2" \
    "\x12\x67\0\x50"

// Each: a header without what is behind it; data and size of a literal.
#define BYTES(literal) ((struct str){literal, sizeof(literal) - 1})

static enum proxy_header_state parse_bytes(struct str bytes)
{
    return proxy_header_parse(&header, (const unsigned char *)bytes.data, bytes.size);
}

static void test_binary(void)
{
    const struct {
        struct str bytes;
        const char *source;
        bool local;
    } rows[] = {
        {BYTES(SIGNATURE "\x21\x11\0\x0c" BLOCK_4), "192.0.2.1|4711", false},
        {BYTES(SIGNATURE "\x21\x21\0\x24" BLOCK_6), "2001:db8::1|4711", false},
        {BYTES(SIGNATURE "\x21\0\0\0"), "|0", false},
        {BYTES(SIGNATURE "\x21\0\0\3abc"), "|0", false},
        {BYTES(SIGNATURE "\x21\x10\0\0"), "|0", false},
        {BYTES(SIGNATURE "\x20\0\0\0"), "|0", true},
        {BYTES(SIGNATURE "\x20\x11\0\x0c" BLOCK_4), "|0", true},
        {BYTES(SIGNATURE "\x20\xff\0\1x"), "|0", true},
        // TLVs: of any kind, empty, and one behind another.
        {BYTES(SIGNATURE "\x21\x11\0\x13" BLOCK_4 "\xee\0\4abcd"), "192.0.2.1|4711", false},
        {BYTES(SIGNATURE "\x21\x11\0\x12" BLOCK_4 "\4\0\0\5\0\0"), "192.0.2.1|4711", false},
        {BYTES(SIGNATURE "\x21\x11\0\x13" BLOCK_4 "\3\0\4\xd4\x57\xb5\x81"), "192.0.2.1|4711",
         false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char bytes[256];
        memcpy(bytes, rows[i].bytes.data, rows[i].bytes.size);
        memcpy(bytes + rows[i].bytes.size, "GET", 3);
        CHECK(parse_bytes((struct str){bytes, rows[i].bytes.size + 3}) == PROXY_HEADER_COMPLETE);
        CHECK(header.size == rows[i].bytes.size && header.local == rows[i].local);
        CHECK_STR(source(), rows[i].source);
        for (size_t cut = 0; cut < rows[i].bytes.size; cut++)
            CHECK(parse_bytes((struct str){bytes, cut}) == PROXY_HEADER_INCOMPLETE);
    }
}

static void test_binary_sizes(void)
{
    static unsigned char bytes[PROXY_HEADER_MAX];
    memcpy(bytes, SIGNATURE "\x21\x31\0\xd8", 16);
    CHECK(proxy_header_parse(&header, bytes, 16 + 215) == PROXY_HEADER_INCOMPLETE);
    CHECK(proxy_header_parse(&header, bytes, 16 + 216) == PROXY_HEADER_COMPLETE);
    CHECK(header.source.family == AF_UNSPEC && !header.local);
    memcpy(bytes, SIGNATURE "\x21\x11\x10\0" BLOCK_4 "\xee\x0f\xf1", 31); // 4096 behind
    CHECK(proxy_header_parse(&header, bytes, PROXY_HEADER_MAX - 1) == PROXY_HEADER_INCOMPLETE);
    CHECK(proxy_header_parse(&header, bytes, PROXY_HEADER_MAX) == PROXY_HEADER_COMPLETE);
    CHECK_STR(source(), "192.0.2.1|4711");
    bytes[15] = 1;
    CHECK(proxy_header_parse(&header, bytes, 16) == PROXY_HEADER_MALFORMED);
    CHECK_STR(header.fault, "too long");
}

static void test_binary_malformed(void)
{
    const struct {
        struct str bytes;
        const char *fault;
    } rows[] = {
        {BYTES("\r\n\r\nGET"), "no PROXY protocol"},
        {BYTES(SIGNATURE "\x11"), "version not known"},
        {BYTES(SIGNATURE "\x31"), "version not known"},
        {BYTES(SIGNATURE "\x22"), "command not known"},
        {BYTES(SIGNATURE "\x21\x41\0\0"), "family or transport not known"},
        {BYTES(SIGNATURE "\x21\x13\0\x0c" BLOCK_4), "family or transport not known"},
        {BYTES(SIGNATURE "\x21\x12\0\x0c" BLOCK_4), "datagrams are not for us"},
        {BYTES(SIGNATURE "\x21\x11\0\x0b" BLOCK_4), "shorter than its addresses"},
        {BYTES(SIGNATURE "\x21\x21\0\x0c" BLOCK_4), "shorter than its addresses"},
        {BYTES(SIGNATURE "\x21\x31\0\x0c" BLOCK_4), "shorter than its addresses"},
        {BYTES(SIGNATURE "\x21\x11\0\x0e" BLOCK_4 "\1\0"), "a TLV is cut off"},
        {BYTES(SIGNATURE "\x21\x11\0\x12" BLOCK_4 "\1\0\4abc"), "a TLV is cut off"},
        {BYTES(SIGNATURE "\x21\x11\0\x12" BLOCK_4 "\1\xff\xff"
                         "abc"),
         "a TLV is cut off"},
        {BYTES(SIGNATURE "\x21\x11\0\x13" BLOCK_4 "\3\0\4abcd"), "the checksum is wrong"},
        {BYTES(SIGNATURE "\x21\x11\0\x12" BLOCK_4 "\3\0\3abc"), "the checksum is wrong"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        CHECK(parse_bytes(rows[i].bytes) == PROXY_HEADER_MALFORMED);
        CHECK_STR(header.fault != NULL ? header.fault : "", rows[i].fault);
        CHECK(header.source.family == AF_UNSPEC);
    }
}

int main(void)
{
    static const struct unit_case cases[] = {
        UNIT_CASE(test_text),         UNIT_CASE(test_text_malformed),   UNIT_CASE(test_binary),
        UNIT_CASE(test_binary_sizes), UNIT_CASE(test_binary_malformed),
    };
    return unit_main("proxy_header", cases, UNIT_COUNT(cases));
}

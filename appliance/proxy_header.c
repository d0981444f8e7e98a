// proxy_header.c - version 1 is a line of text, version 2 is binary; neither is much.
#include "proxy_header.h"

#include <string.h>

static const unsigned char signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                            0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static enum proxy_header_state refuse(struct proxy_header *out, const char *fault)
{
    out->fault = fault;
    return PROXY_HEADER_MALFORMED;
}

// --- version 1 ---

// Up to the next space, or all that is left; *line goes behind it. False: there is nothing.
static bool take_word(struct str *line, struct str *word)
{
    const char *end = line->size > 0 ? memchr(line->data, ' ', line->size) : NULL;
    size_t size = end != NULL ? (size_t)(end - line->data) : line->size;
    *word = (struct str){line->data, size};
    size_t taken = end != NULL ? size + 1 : size;
    *line = (struct str){line->data + taken, line->size - taken};
    return size > 0;
}

static bool take_port(struct str text, uint16_t *port)
{
    unsigned number = 0;
    if (text.size == 0 || text.size > 5 || (text.size > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (unsigned)(text.data[i] - '0');
    }
    *port = (uint16_t)number;
    return number <= UINT16_MAX;
}

static bool take_address(struct str text, bool is_ipv6, struct address *out)
{
    bool has_colon = text.size > 0 && memchr(text.data, ':', text.size) != NULL;
    return has_colon == is_ipv6 && address_parse(out, text);
}

static enum proxy_header_state parse_line(struct proxy_header *out, struct str line)
{
    struct str word, words[4];
    if (!take_word(&line, &word))
        return refuse(out, "no protocol");
    // What else stands there is nobody's business.
    if (str_equal(word, STR("UNKNOWN")))
        return PROXY_HEADER_COMPLETE;
    bool is_ipv6 = str_equal(word, STR("TCP6"));
    if (!is_ipv6 && !str_equal(word, STR("TCP4")))
        return refuse(out, "protocol is not TCP4, TCP6 or UNKNOWN");
    for (size_t i = 0; i < 4; i++) {
        if (!take_word(&line, &words[i]))
            return refuse(out, "addresses and ports are not all there");
    }
    struct address destination;
    uint16_t source_port, destination_port;
    bool ends = line.size == 0 && words[3].data[words[3].size] == '\r';
    if (!ends || !take_address(words[0], is_ipv6, &out->source) ||
        !take_address(words[1], is_ipv6, &destination) || !take_port(words[2], &source_port) ||
        !take_port(words[3], &destination_port)) {
        out->source = (struct address){.family = AF_UNSPEC};
        return refuse(out, "addresses and ports cannot be read");
    }
    out->source.port = source_port;
    return PROXY_HEADER_COMPLETE;
}

static enum proxy_header_state parse_text(struct proxy_header *out, const char *data, size_t size)
{
    static const struct str begin = {"PROXY ", 6};
    if (memcmp(data, begin.data, size < begin.size ? size : begin.size) != 0)
        return refuse(out, "no PROXY protocol");
    size_t limit = size < PROXY_HEADER_TEXT_MAX ? size : PROXY_HEADER_TEXT_MAX;
    const char *end = memchr(data, '\n', limit);
    if (end == NULL)
        return limit < PROXY_HEADER_TEXT_MAX ? PROXY_HEADER_INCOMPLETE
                                             : refuse(out, "the line is too long");
    out->size = (size_t)(end - data) + 1;
    struct str line = {data + begin.size, out->size - begin.size};
    if (line.size < 2 || end[-1] != '\r')
        return refuse(out, "the line does not end with CRLF");
    line.size -= 2;
    return parse_line(out, line);
}

// --- version 2 ---

enum { TYPE_CRC32C = 3, CRC_SIZE = 4 };

static unsigned read_16(const unsigned char *data)
{
    return (unsigned)data[0] << 8 | data[1];
}

// Castagnoli's (RFC 9260 appendix A), bit by bit: it is of a few bytes, where there is one at all.
static uint32_t add_crc(uint32_t crc, const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78 & (0 - (crc & 1)));
    }
    return crc;
}

// Of the whole header, with zeros in its own place.
static bool checksum_holds(const unsigned char *data, size_t size, size_t at)
{
    static const unsigned char zeros[CRC_SIZE] = {0};
    uint32_t crc = add_crc(~UINT32_C(0), data, at);
    crc = add_crc(crc, zeros, CRC_SIZE);
    crc = ~add_crc(crc, data + at + CRC_SIZE, size - at - CRC_SIZE);
    uint32_t said = (uint32_t)read_16(data + at) << 16 | read_16(data + at + 2);
    return crc == said;
}

static enum proxy_header_state check_tlvs(struct proxy_header *out, const unsigned char *data,
                                          size_t at)
{
    while (at < out->size) {
        if (out->size - at < 3)
            return refuse(out, "a TLV is cut off");
        size_t size = read_16(data + at + 1);
        if (out->size - at - 3 < size)
            return refuse(out, "a TLV is cut off");
        if (data[at] == TYPE_CRC32C &&
            (size != CRC_SIZE || !checksum_holds(data, out->size, at + 3)))
            return refuse(out, "the checksum is wrong");
        at += 3 + size;
    }
    return PROXY_HEADER_COMPLETE;
}

// Of all families of addresses, by the upper half of their byte.
static const struct {
    int family;  // AF_UNSPEC: no address on a network
    size_t size; // bytes of both addresses and ports
    size_t port; // offset of the source's
} families[] = {
    {AF_UNSPEC, 0, 0},
    {AF_INET, 12, 8},
    {AF_INET6, 36, 32},
    {AF_UNSPEC, 216, 0},
};

static enum proxy_header_state parse_addresses(struct proxy_header *out, const unsigned char *data)
{
    unsigned family = data[13] >> 4, transport = data[13] & 15;
    const unsigned char *addresses = data + PROXY_HEADER_FIXED;
    if (family >= sizeof families / sizeof families[0] || transport > 2)
        return refuse(out, "family or transport not known");
    if (transport == 2)
        return refuse(out, "datagrams are not for us");
    // One that is not told: whatever follows is not to be looked at.
    if (family == 0 || transport == 0)
        return PROXY_HEADER_COMPLETE;
    if (out->size - PROXY_HEADER_FIXED < families[family].size)
        return refuse(out, "shorter than its addresses");
    enum proxy_header_state state =
        check_tlvs(out, data, PROXY_HEADER_FIXED + families[family].size);
    if (state == PROXY_HEADER_COMPLETE && families[family].family != AF_UNSPEC)
        address_set(&out->source, families[family].family, addresses,
                    (uint16_t)read_16(addresses + families[family].port));
    return state;
}

static enum proxy_header_state parse_binary(struct proxy_header *out, const unsigned char *data,
                                            size_t size)
{
    if (memcmp(data, signature, size < sizeof signature ? size : sizeof signature) != 0)
        return refuse(out, "no PROXY protocol");
    if (size > 12 && data[12] >> 4 != 2)
        return refuse(out, "version not known");
    if (size > 12 && (data[12] & 15) > 1)
        return refuse(out, "command not known");
    if (size < PROXY_HEADER_FIXED)
        return PROXY_HEADER_INCOMPLETE;
    out->size = PROXY_HEADER_FIXED + read_16(data + 14);
    if (out->size > PROXY_HEADER_MAX)
        return refuse(out, "too long");
    if (size < out->size)
        return PROXY_HEADER_INCOMPLETE;
    out->local = (data[12] & 15) == 0;
    return out->local ? PROXY_HEADER_COMPLETE : parse_addresses(out, data);
}

enum proxy_header_state proxy_header_parse(struct proxy_header *out, const unsigned char *data,
                                           size_t size)
{
    *out = (struct proxy_header){.source = {.family = AF_UNSPEC}};
    if (size == 0)
        return PROXY_HEADER_INCOMPLETE;
    if (data[0] == signature[0])
        return parse_binary(out, data, size);
    return parse_text(out, (const char *)data, size);
}

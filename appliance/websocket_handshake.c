// websocket_handshake.c - judges a request to open a WebSocket, and chooses of what it offers.
//
// permessage-deflate is agreed upon without context takeover in both directions, which a server may
// ask for unasked (RFC 7692 sections 7.1.1.1 and 7.1.1.2): with it each connection keeps a window
// of up to 32 KiB and 7 KiB of zlib's around it to read, and 150 KiB to write, as long as it is
// open (10,000 of them: 1.9 GB); without it a connection at rest keeps nothing.
#include "websocket_handshake.h"

#include <stdint.h>
#include <stdio.h>

#include "tls_digest.h"

enum {
    KEY_SIZE = 24,    // characters: 16 bytes in base64
    WINDOW_BITS = 15, // of deflate, where nothing else is said
};

// --- lists (RFC 9110 section 5.6) ---

struct scan {
    const char *at, *end;
};

static bool scan_is(const struct scan *scan, char c)
{
    return scan->at < scan->end && *scan->at == c;
}

static bool is_token_char(char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(others, c) != NULL);
}

static void skip_space(struct scan *scan)
{
    while (scan_is(scan, ' ') || scan_is(scan, '\t'))
        scan->at++;
}

// Before the next element of a list: behind commas and white space.
static bool skip_to_element(struct scan *scan)
{
    for (skip_space(scan); scan_is(scan, ','); skip_space(scan))
        scan->at++;
    return scan->at < scan->end;
}

// Whether an element ends here.
static bool is_element_end(struct scan *scan)
{
    skip_space(scan);
    return scan->at == scan->end || *scan->at == ',';
}

static bool take_char(struct scan *scan, char c)
{
    skip_space(scan);
    if (!scan_is(scan, c))
        return false;
    scan->at++;
    return true;
}

static bool take_token(struct scan *scan, struct str *token)
{
    skip_space(scan);
    const char *start = scan->at;
    while (scan->at < scan->end && is_token_char(*scan->at))
        scan->at++;
    *token = (struct str){start, (size_t)(scan->at - start)};
    return token->size > 0;
}

// A token, or one in quotes; what is escaped in those stays so, and is no value of ours.
static bool take_value(struct scan *scan, struct str *value)
{
    if (!take_char(scan, '"'))
        return take_token(scan, value);
    const char *start = scan->at;
    while (scan->at < scan->end && *scan->at != '"')
        scan->at += *scan->at == '\\' && scan->end - scan->at > 1 ? 2 : 1;
    *value = (struct str){start, (size_t)(scan->at - start)};
    return take_char(scan, '"') && value->size > 0;
}

// --- fields ---

// The next line of that name from index *at on, which is moved behind it.
static bool next_line(const struct request_head *head, struct str name, size_t *at,
                      struct str *value)
{
    while (*at < head->header_count) {
        const struct header *header = &head->headers[(*at)++];
        if (str_equal_nocase(header->name, name)) {
            *value = header->value;
            return true;
        }
    }
    return false;
}

static struct scan scan_of(struct str text)
{
    return (struct scan){text.data, text.data + text.size};
}

// How many lines of that name there are, and the first one's value.
static size_t count_lines(const struct request_head *head, struct str name, struct str *value)
{
    struct str other;
    size_t at = 0, count = 0;
    *value = STR("");
    while (next_line(head, name, &at, count == 0 ? value : &other))
        count++;
    return count;
}

// Whether a list has an element.
static bool list_has(const struct request_head *head, struct str name, struct str wanted)
{
    struct str value, token;
    for (size_t at = 0; next_line(head, name, &at, &value);) {
        struct scan scan = scan_of(value);
        while (skip_to_element(&scan)) {
            if (take_token(&scan, &token) && is_element_end(&scan) &&
                str_equal_nocase(token, wanted))
                return true;
            while (scan.at < scan.end && *scan.at != ',')
                scan.at++;
        }
    }
    return false;
}

// --- Sec-WebSocket-Extensions (RFC 6455 section 9.1, RFC 7692 section 7.1) ---

enum offered { OFFER_MALFORMED, OFFER_UNMET, OFFER_MET };

// 8 to 15, as the parameters are written.
static bool read_bits(struct str value, int *bits)
{
    if (value.size == 1 && (value.data[0] == '8' || value.data[0] == '9'))
        *bits = value.data[0] - '0';
    else if (value.size == 2 && value.data[0] == '1' && value.data[1] >= '0' &&
             value.data[1] <= '5')
        *bits = 10 + value.data[1] - '0';
    else
        return false;
    return true;
}

static bool take_server_bits(struct websocket_deflate *deflate, struct str value)
{
    // zlib does not deflate with a window of 2^8 bytes.
    return read_bits(value, &deflate->server_max_window_bits) &&
           deflate->server_max_window_bits >= 9;
}

static bool take_client_bits(struct websocket_deflate *deflate, struct str value)
{
    // That it may be asked for a smaller window, or will have one: without context takeover that
    // saves nothing.
    int bits;
    (void)deflate;
    return value.size == 0 || read_bits(value, &bits);
}

static bool take_no_value(struct websocket_deflate *deflate, struct str value)
{
    (void)deflate; // agreed upon anyway
    return value.size == 0;
}

static const struct {
    struct str name;
    bool (*take)(struct websocket_deflate *deflate, struct str value); // false: it cannot be met
} parameters[] = {
    {{"server_max_window_bits", 22}, take_server_bits},
    {{"client_max_window_bits", 22}, take_client_bits},
    {{"server_no_context_takeover", 26}, take_no_value},
    {{"client_no_context_takeover", 26}, take_no_value},
};

enum { PARAMETERS = sizeof parameters / sizeof parameters[0] };

// *seen: a bit a parameter. A parameter that is not known or there twice cannot be met.
static bool take_parameter(struct websocket_deflate *deflate, unsigned *seen, struct str name,
                           struct str value)
{
    for (size_t i = 0; i < PARAMETERS; i++) {
        if (!str_equal_nocase(parameters[i].name, name))
            continue;
        bool twice = (*seen >> i & 1) != 0;
        *seen |= 1u << i;
        return !twice && parameters[i].take(deflate, value);
    }
    return false;
}

static enum offered read_offer(struct scan *scan, struct websocket_deflate *deflate)
{
    struct str name;
    unsigned seen = 0;
    *deflate = (struct websocket_deflate){.used = true,
                                          .server_no_context_takeover = true,
                                          .client_no_context_takeover = true,
                                          .server_max_window_bits = 0, // nothing said
                                          .client_max_window_bits = WINDOW_BITS};
    if (!take_token(scan, &name))
        return OFFER_MALFORMED;
    bool met = str_equal_nocase(name, STR("permessage-deflate"));
    while (take_char(scan, ';')) {
        struct str value = STR("");
        if (!take_token(scan, &name))
            return OFFER_MALFORMED;
        if (take_char(scan, '=') && !take_value(scan, &value))
            return OFFER_MALFORMED;
        met = take_parameter(deflate, &seen, name, value) && met;
    }
    if (!is_element_end(scan))
        return OFFER_MALFORMED;
    return met ? OFFER_MET : OFFER_UNMET;
}

// The first offer that can be met; malformed where any line is.
static enum offered read_offers(const struct request_head *head, struct websocket_deflate *deflate)
{
    enum offered result = OFFER_UNMET;
    struct websocket_deflate offer;
    struct str value;
    for (size_t at = 0; next_line(head, STR("Sec-WebSocket-Extensions"), &at, &value);) {
        struct scan scan = scan_of(value);
        while (skip_to_element(&scan)) {
            enum offered one = read_offer(&scan, &offer);
            if (one == OFFER_MALFORMED)
                return one;
            if (one == OFFER_MET && result == OFFER_UNMET) {
                *deflate = offer;
                result = OFFER_MET;
            }
        }
    }
    return result;
}

struct str websocket_choose_extensions(const struct request_head *head,
                                       struct websocket_deflate *deflate, char *out, size_t size)
{
    char bits[40] = "";
    struct websocket_deflate chosen;
    *deflate = (struct websocket_deflate){.used = false};
    if (read_offers(head, &chosen) != OFFER_MET)
        return STR("");
    // The limit is agreed to by saying it, too (RFC 7692 section 7.1.2.1).
    if (chosen.server_max_window_bits == 0)
        chosen.server_max_window_bits = WINDOW_BITS;
    else
        snprintf(bits, sizeof bits, "; server_max_window_bits=%d", chosen.server_max_window_bits);
    int length = snprintf(out, size,
                          "permessage-deflate; server_no_context_takeover; "
                          "client_no_context_takeover%s",
                          bits);
    if (length < 0 || (size_t)length >= size)
        return STR("");
    *deflate = chosen;
    return (struct str){out, (size_t)length};
}

// --- the request ---

static bool key_is_valid(struct str key)
{
    if (key.size != KEY_SIZE || memcmp(key.data + KEY_SIZE - 2, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < KEY_SIZE - 2; i++) {
        char c = key.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/'))
            return false;
    }
    return true;
}

static bool has_body(const struct request_head *head)
{
    struct str length;
    return head->decoded_length >= 0 ||
           (count_lines(head, STR("Content-Length"), &length) > 0 && !str_equal(length, STR("0")));
}

// Whether what is offered is written as RFC 6455 section 4.1 says.
static bool offers_are_sound(const struct request_head *head)
{
    struct websocket_deflate deflate;
    struct str value, token;
    for (size_t at = 0; next_line(head, STR("Sec-WebSocket-Protocol"), &at, &value);) {
        struct scan scan = scan_of(value);
        while (skip_to_element(&scan)) {
            if (!take_token(&scan, &token) || !is_element_end(&scan))
                return false;
        }
    }
    return read_offers(head, &deflate) != OFFER_MALFORMED;
}

unsigned websocket_judge(const struct request_head *head)
{
    struct str value;
    // In HTTP/1.0 the field means nothing (RFC 9110 section 7.8).
    if (!str_equal(head->version, STR("HTTP/1.1")) ||
        !list_has(head, STR("Upgrade"), STR("websocket")))
        return 0;
    if (!str_equal(head->method, STR("GET")) || has_body(head) ||
        !list_has(head, STR("Connection"), STR("Upgrade")))
        return 400;
    if (count_lines(head, STR("Sec-WebSocket-Version"), &value) != 1)
        return 400;
    if (!str_equal(value, STR("13")))
        return 426;
    if (count_lines(head, STR("Sec-WebSocket-Key"), &value) != 1 || !key_is_valid(value))
        return 400;
    return offers_are_sound(head) ? 101 : 400;
}

void websocket_accept_value(const struct request_head *head, char out[static WEBSOCKET_ACCEPT_SIZE])
{
    struct str parts[2] = {{NULL, 0}, STR("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")};
    count_lines(head, STR("Sec-WebSocket-Key"), &parts[0]);
    tls_digest_sha1_text(parts, 2, out);
}

bool websocket_next_subprotocol(const struct request_head *head, size_t *at, struct str *token)
{
    struct str value;
    size_t before = 0; // bytes of the lines before, each with one for its end
    for (size_t line = 0; next_line(head, STR("Sec-WebSocket-Protocol"), &line, &value);
         before += value.size + 1) {
        if (*at > before + value.size)
            continue;
        struct scan scan = scan_of(value);
        scan.at += *at > before ? *at - before : 0;
        if (skip_to_element(&scan) && take_token(&scan, token)) {
            *at = before + (size_t)(scan.at - value.data);
            return true;
        }
    }
    return false;
}

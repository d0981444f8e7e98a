// http_location.c - takes a request's target and its Host field apart. Clients choose both, so
// nothing but what the grammar has for a host goes into the answer.
#include "http_location.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    HOST_MAX = 255, // bytes; of a DNS name
    PORT_MAX = 5,   // digits
    HTTPS_PORT = 443,
};

// --- the target ---

// What is behind "http://" or "https://"; data NULL: the target has no such form.
static struct str behind_scheme(struct str target)
{
    static const struct str schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t size = schemes[i].size;
        if (target.size >= size && str_equal_nocase((struct str){target.data, size}, schemes[i]))
            return (struct str){target.data + size, target.size - size};
    }
    return (struct str){NULL, 0};
}

static size_t authority_size(struct str text)
{
    size_t size = 0;
    while (size < text.size && strchr("/?#", text.data[size]) == NULL)
        size++;
    return size;
}

struct str http_location_path(const struct request_head *head)
{
    struct str absolute = behind_scheme(head->target);
    if (absolute.data == NULL)
        return str_starts(head->target, STR("/")) ? head->target : STR("");
    size_t size = authority_size(absolute);
    return (struct str){absolute.data + size, absolute.size - size};
}

// --- the host ---

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hexadecimal(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_name_character(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("-._~!$&'()*+,;=", c) != NULL);
}

// RFC 3986's reg-name, which an IPv4 address is as well.
static bool is_name(struct str host)
{
    for (size_t i = 0; i < host.size; i++) {
        if (is_name_character(host.data[i]))
            continue;
        if (host.data[i] != '%' || host.size - i < 3 || !is_hexadecimal(host.data[i + 1]) ||
            !is_hexadecimal(host.data[i + 2]))
            return false;
        i += 2;
    }
    return host.size > 0 && host.size <= HOST_MAX;
}

// What is between the brackets.
static bool is_ipv6(struct str text)
{
    char literal[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    if (text.size >= sizeof literal || memchr(text.data, '\0', text.size) != NULL)
        return false;
    memcpy(literal, text.data, text.size);
    literal[text.size] = '\0';
    return inet_pton(AF_INET6, literal, &ignored) == 1;
}

static bool is_port(struct str text)
{
    unsigned port = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_digit(text.data[i]) || i >= PORT_MAX)
            return false;
        port = port * 10 + (unsigned)(text.data[i] - '0');
    }
    return port <= UINT16_MAX;
}

// Host and ":" port, which may be left out, or empty.
static bool read_host(struct str authority, struct str *host)
{
    const char *end = NULL;
    bool literal = str_starts(authority, STR("["));
    if (literal)
        end = memchr(authority.data, ']', authority.size);
    else
        end = memchr(authority.data, ':', authority.size);
    if (literal && end == NULL)
        return false;
    size_t size = authority.size;
    if (end != NULL)
        size = (size_t)(end - authority.data) + literal;
    *host = (struct str){authority.data, size};
    struct str rest = {authority.data + size, authority.size - size};
    if (rest.size > 0 &&
        (rest.data[0] != ':' || !is_port((struct str){rest.data + 1, rest.size - 1})))
        return false;
    return literal ? is_ipv6((struct str){host->data + 1, size - 2}) : is_name(*host);
}

// The one Host field (RFC 9112 section 3.2); false: there are several, or none and it takes one.
static bool find_host_field(const struct request_head *head, struct str *value)
{
    size_t count = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        if (!str_equal_nocase(head->headers[i].name, STR("host")))
            continue;
        *value = head->headers[i].value;
        count++;
    }
    return count == 1 || (count == 0 && str_equal(head->version, STR("HTTP/1.0")));
}

bool http_location_host(const struct request_head *head, struct str *host)
{
    struct str authority = {"", 0}, absolute = behind_scheme(head->target);
    bool is_asterisk = str_equal(head->target, STR("*")) && str_equal(head->method, STR("OPTIONS"));
    if (!find_host_field(head, &authority))
        return false;
    if (absolute.data != NULL)
        authority = (struct str){absolute.data, authority_size(absolute)};
    else if (!is_asterisk && !str_starts(head->target, STR("/")))
        return false;
    return read_host(authority, host);
}

unsigned http_location_write(const struct request_head *head, uint16_t port, struct buf *out)
{
    struct str host, path = http_location_path(head);
    if (!http_location_host(head, &host))
        return 400;
    bool rooted = str_starts(path, STR("/")) || str_equal(head->target, STR("*"));
    if (buf_append_str(out, STR("https://")) < 0 || buf_append_str(out, host) < 0 ||
        (port != HTTPS_PORT && buf_printf(out, ":%u", port) < 0) ||
        (!rooted && buf_append_str(out, STR("/")) < 0) || buf_append_str(out, path) < 0)
        return 414;
    return 0;
}

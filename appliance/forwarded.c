// forwarded.c - lists of both families, taken apart from the right.
#include "forwarded.h"

#include <string.h>

enum { VALUE_MAX = 64 }; // bytes; of a node or a scheme, the longest that is one has 53

// What one family of fields has told.
struct told {
    struct address client;
    const char *scheme;
    bool says_client; // or hides it
    bool malformed;
    bool done; // what is further to the left does not count
};

// --- nodes and schemes ---

enum node { NODE_ADDRESS, NODE_HIDDEN, NODE_NONE };

// What stands behind the colon of a node (RFC 7239 section 6): a port, or an obfuscated one.
static bool take_port(struct str text, uint16_t *port)
{
    unsigned number = 0;
    *port = 0;
    if (text.size > 1 && text.data[0] == '_')
        return true;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || i >= 5)
            return false;
        number = number * 10 + (unsigned)(text.data[i] - '0');
    }
    *port = (uint16_t)number;
    return text.size > 0 && number <= UINT16_MAX;
}

// "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:80", and as many write it in
// X-Forwarded-For: "2001:db8::1".
static enum node take_node(struct str text, struct address *out)
{
    struct str address = text, port = STR("");
    const char *end = NULL;
    uint16_t number = 0;
    bool literal = text.size > 0 && text.data[0] == '[';
    if (literal) {
        end = memchr(text.data, ']', text.size);
        if (end == NULL)
            return NODE_NONE;
        address = (struct str){text.data + 1, (size_t)(end - text.data - 1)};
        port = (struct str){end + 1, text.size - address.size - 2};
    } else if (text.size > 0 && (end = memchr(text.data, ':', text.size)) != NULL &&
               memrchr(text.data, ':', text.size) == end) {
        address.size = (size_t)(end - text.data);
        port = (struct str){end, text.size - address.size};
    }
    if (port.size > 0 &&
        (port.data[0] != ':' || !take_port((struct str){port.data + 1, port.size - 1}, &number)))
        return NODE_NONE;
    if (!literal &&
        (str_equal_nocase(address, STR("unknown")) || (address.size > 1 && address.data[0] == '_')))
        return NODE_HIDDEN;
    bool is_ipv6 = address.size > 0 && memchr(address.data, ':', address.size) != NULL;
    if (is_ipv6 < literal || !address_parse(out, address))
        return NODE_NONE;
    out->port = number;
    return NODE_ADDRESS;
}

// A WebSocket's are told as well (Traefik): they are those of its handshake. NULL: another one.
static const char *scheme_of(struct str text)
{
    if (str_equal_nocase(text, STR("https")) || str_equal_nocase(text, STR("wss")))
        return "https";
    if (str_equal_nocase(text, STR("http")) || str_equal_nocase(text, STR("ws")))
        return "http";
    return NULL;
}

// --- lists ---

// The quote that opens what the one at close ends: escaped ones (RFC 9110 section 5.6.4) are
// content. No such: 0.
static size_t opening_quote(struct str text, size_t close)
{
    for (size_t at = close; at-- > 0;) {
        size_t escapes = 0;
        if (text.data[at] != '"')
            continue;
        while (escapes < at && text.data[at - 1 - escapes] == '\\')
            escapes++;
        if (escapes % 2 == 0)
            return at;
    }
    return 0;
}

// The part of a list behind its last separator that is not in quotes, blanks around it left aside;
// what is before it stays. A quote that is left open further to the left does no harm to what
// follows it. False: that was all.
static bool take_last(struct str *list, char separator, struct str *part)
{
    size_t begin = list->size;
    if (list->data == NULL)
        return false;
    while (begin > 0 && list->data[begin - 1] != separator) {
        begin--;
        if (list->data[begin] == '"')
            begin = opening_quote(*list, begin);
    }
    *part = str_trim((struct str){list->data + begin, list->size - begin});
    *list = begin > 0 ? (struct str){list->data, begin - 1} : (struct str){NULL, 0};
    return true;
}

static void take_address(struct told *told, enum node node, const struct address *address,
                         const struct proxies *proxies)
{
    told->says_client = told->says_client || node != NODE_NONE;
    told->malformed = told->malformed || node == NODE_NONE;
    told->done = node != NODE_ADDRESS || !proxies_trust(proxies, address);
    if (node == NODE_ADDRESS)
        told->client = *address;
}

// --- X-Forwarded-For, X-Forwarded-Proto ---

static void read_for(struct told *told, struct str list, const struct proxies *proxies)
{
    struct str part;
    struct address address;
    while (!told->done && take_last(&list, ',', &part)) {
        if (part.size > 0)
            take_address(told, take_node(part, &address), &address, proxies);
    }
}

// The nearest proxy's.
static void read_proto(struct told *told, struct str list)
{
    struct str part = STR("");
    while (part.size == 0 && take_last(&list, ',', &part))
        ;
    if (part.size == 0)
        return;
    told->scheme = scheme_of(part);
    told->malformed = told->malformed || told->scheme == NULL;
}

// --- Forwarded ---

// Without its quotes, if it has such. False: it is malformed, or longer than anything of use.
static bool unquote(struct str text, char out[static VALUE_MAX], struct str *value)
{
    *value = text;
    if (text.size == 0 || text.data[0] != '"')
        return text.size > 0 && text.size <= VALUE_MAX && memchr(text.data, '"', text.size) == NULL;
    size_t size = 0, last = text.size - 1;
    if (text.size < 2 || text.data[last] != '"')
        return false;
    for (size_t i = 1; i < last; i++) {
        if (text.data[i] == '\\')
            i++;
        if (i >= last || size == VALUE_MAX)
            return false;
        out[size++] = text.data[i];
    }
    *value = (struct str){out, size};
    return size > 0;
}

struct element {
    enum node node; // NODE_NONE: it does not say
    struct address address;
    const char *scheme;
    bool says_node, says_scheme;
};

// "for=..." or another parameter. False: it is none, or comes again.
static bool take_pair(struct element *element, struct str pair)
{
    char unquoted[VALUE_MAX];
    const char *equals = pair.size > 0 ? memchr(pair.data, '=', pair.size) : NULL;
    if (equals == NULL || equals == pair.data)
        return false;
    struct str name = {pair.data, (size_t)(equals - pair.data)}, value;
    struct str text = {equals + 1, pair.size - name.size - 1};
    bool is_for = str_equal_nocase(name, STR("for")),
         is_proto = str_equal_nocase(name, STR("proto"));
    if (!is_for && !is_proto)
        return true;
    if (!unquote(text, unquoted, &value) || (is_for ? element->says_node : element->says_scheme))
        return false;
    if (is_proto) {
        element->says_scheme = true;
        element->scheme = scheme_of(value);
        return element->scheme != NULL;
    }
    element->says_node = true;
    element->node = take_node(value, &element->address);
    return element->node != NODE_NONE;
}

static bool take_element(struct element *element, struct str text)
{
    struct str pair;
    *element = (struct element){.node = NODE_NONE};
    while (take_last(&text, ';', &pair)) {
        if (pair.size > 0 && !take_pair(element, pair))
            return false;
    }
    return true;
}

static void read_forwarded(struct told *told, struct str list, const struct proxies *proxies)
{
    struct str part;
    while (!told->done && take_last(&list, ',', &part)) {
        struct element element;
        if (part.size == 0)
            continue;
        if (!take_element(&element, part)) {
            told->malformed = told->done = true;
            return;
        }
        // How the client of this proxy asked: of the last one that counts, the client did.
        if (element.scheme != NULL)
            told->scheme = element.scheme;
        if (element.says_node)
            take_address(told, element.node, &element.address, proxies);
        else
            told->done = true; // who was before it is not known
    }
}

// --- all ---

static bool differ(const struct told *a, const struct told *b)
{
    bool clients = a->says_client && b->says_client && !address_equal(&a->client, &b->client);
    return clients || (a->scheme != NULL && b->scheme != NULL && a->scheme[4] != b->scheme[4]);
}

void forwarded_read(struct forwarded *out, const struct header *headers, size_t count,
                    const struct proxies *proxies)
{
    struct told standard = {.scheme = NULL}, customary = {.scheme = NULL};
    bool has_proto = false;
    for (size_t i = count; i-- > 0;) {
        struct str name = headers[i].name, value = headers[i].value;
        if (!standard.done && str_equal_nocase(name, STR("forwarded"))) {
            read_forwarded(&standard, value, proxies);
        } else if (!customary.done && str_equal_nocase(name, STR("x-forwarded-for"))) {
            read_for(&customary, value, proxies);
        } else if (!has_proto && str_equal_nocase(name, STR("x-forwarded-proto"))) {
            has_proto = true;
            read_proto(&customary, value);
        }
    }
    *out = (struct forwarded){
        .client = standard.says_client ? standard.client : customary.client,
        .scheme = standard.scheme != NULL ? standard.scheme : customary.scheme,
        .malformed = standard.malformed || customary.malformed,
        .disagrees = differ(&standard, &customary),
    };
    if (out->client.port == 0)
        out->client.port = customary.client.port;
}

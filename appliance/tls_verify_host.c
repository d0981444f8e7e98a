// tls_verify_host.c - whether a certificate is for a host name or an address, by OpenSSL's rules
// (RFC 6125 section 6.4).
#include <arpa/inet.h>

#include "buf.h"
#include "tls_verify_der.h"
#include "tls_verify_name.h"
#include "tls_verify_priv.h"

enum { TEXT_MAX = 1 << 16 }; // bytes of a common name

struct wanted {
    struct str name;
    unsigned flags;
    bool below; // ".example.org": any name below that
};

static bool same_nocase(struct str a, struct str b)
{
    return str_equal_nocase(a, b) && memchr(a.data, '\0', a.size) == NULL;
}

// A pattern that is longer than ".example.org" is compared by its end.
static struct str without_prefix(struct str pattern, const struct wanted *wanted)
{
    struct str rest = pattern;
    if (!wanted->below)
        return pattern;
    while (rest.size > wanted->name.size && *rest.data != '\0') {
        if ((wanted->flags & TLS_HOST_SINGLE_LABEL_SUBDOMAINS) != 0 && *rest.data == '.')
            break;
        rest.data++, rest.size--;
    }
    return rest.size == wanted->name.size ? rest : pattern;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_a_label(struct str text)
{
    return text.size >= 4 && strncasecmp(text.data, "xn--", 4) == 0;
}

// Whether labels are those of a host name, with one star in the first at most.
static bool has_labels(struct str pattern, size_t *dots)
{
    bool start = true, hyphen = false;
    *dots = 0;
    for (size_t i = 0; i < pattern.size; i++) {
        char c = pattern.data[i];
        if (c == '.') {
            if (start || hyphen)
                return false;
            ++*dots;
            start = true;
            continue;
        }
        if ((c == '-' && start) || (c != '-' && c != '*' && !is_alphanumeric(c)))
            return false;
        hyphen = c == '-' || (hyphen && c == '*');
        start = false;
    }
    return !start && !hyphen;
}

// The only star of a pattern that may have one: in the first of three labels or more, at its
// beginning or its end, and not within an A-label. NULL: the pattern is taken as it stands.
static const char *find_star(struct str pattern, unsigned flags)
{
    size_t dots;
    const char *star = memchr(pattern.data, '*', pattern.size);
    const char *dot = memchr(pattern.data, '.', pattern.size);
    if (star == NULL || dot == NULL || star > dot || !has_labels(pattern, &dots) || dots < 2)
        return NULL;
    size_t after = (size_t)(pattern.data + pattern.size - star - 1);
    bool at_start = star == pattern.data, at_end = star + 1 == dot;
    if (memchr(star + 1, '*', after) != NULL || (!at_start && !at_end) || is_a_label(pattern))
        return NULL;
    return (flags & TLS_HOST_NO_PARTIAL_WILDCARDS) != 0 && !(at_start && at_end) ? NULL : star;
}

static bool matches_star(struct str pattern, const char *star, const struct wanted *wanted)
{
    struct str name = wanted->name;
    struct str prefix = {pattern.data, (size_t)(star - pattern.data)};
    struct str suffix = {star + 1, pattern.size - prefix.size - 1};
    if (name.size < prefix.size + suffix.size)
        return false;
    size_t size = name.size - prefix.size - suffix.size;
    const char *middle = name.data + prefix.size;
    bool whole = prefix.size == 0 && *suffix.data == '.';
    bool many = whole && (wanted->flags & TLS_HOST_MULTI_LABEL_WILDCARDS) != 0;
    if (!same_nocase(prefix, (struct str){name.data, prefix.size}) ||
        !same_nocase(suffix, (struct str){middle + size, suffix.size}))
        return false;
    if (whole ? size == 0 : is_a_label(name))
        return false;
    if (size == 1 && *middle == '*')
        return true;
    for (size_t i = 0; i < size; i++)
        if (!is_alphanumeric(middle[i]) && middle[i] != '-' && !(many && middle[i] == '.'))
            return false;
    return true;
}

static bool matches(struct str pattern, const struct wanted *wanted)
{
    const char *star = NULL;
    if (pattern.size == 0)
        return false;
    if ((wanted->flags & TLS_HOST_NO_WILDCARDS) == 0 && !wanted->below)
        star = find_star(pattern, wanted->flags);
    return star != NULL ? matches_star(pattern, star, wanted)
                        : same_nocase(without_prefix(pattern, wanted), wanted->name);
}

static bool subject_matches(const struct tls_known *known, const struct wanted *wanted)
{
    struct str name = {(const char *)known->parsed->subject_raw.p, known->parsed->subject_raw.len};
    struct tls_name_walk walk = {.set = {NULL, 0}};
    struct str oid, value;
    int tag;
    if (!tls_value_take(&name, TLS_DER_SEQUENCE, &walk.rest))
        return false;
    while (tls_name_next(&walk, &oid, &tag, &value)) {
        _buf_ struct buf text = BUF_INIT(TEXT_MAX);
        if (!str_equal(oid, OID_COMMON_NAME))
            continue;
        if (!tls_name_utf8(&text, tag, value))
            return false;
        if (matches(buf_str(&text), wanted))
            return true;
    }
    return false;
}

static bool is_for_name(const struct tls_known *known, const char *host, unsigned flags)
{
    struct wanted wanted = {str_of(host), flags, host[0] == '.' && host[1] != '\0'};
    struct str names = known->names, name;
    bool has_names = false;
    int kind;
    while (tls_value_next(&names, &kind, &name)) {
        if (kind != NAME_DNS)
            continue;
        has_names = true;
        if (matches(name, &wanted))
            return true;
    }
    if (has_names && (flags & TLS_HOST_ALWAYS_CHECK_SUBJECT) == 0)
        return false;
    return (flags & TLS_HOST_NEVER_CHECK_SUBJECT) == 0 && subject_matches(known, &wanted);
}

static bool is_for_address(const struct tls_known *known, struct str address)
{
    struct str names = known->names, name;
    int kind;
    while (tls_value_next(&names, &kind, &name))
        if (kind == NAME_ADDRESS && str_equal(name, address))
            return true;
    return false;
}

bool tls_verify_is_for(const struct tls_known *known, const char *host, unsigned flags,
                       bool *address)
{
    char bytes[sizeof(struct in6_addr)];
    size_t size = 0;
    if (inet_pton(AF_INET, host, bytes) == 1)
        size = sizeof(struct in_addr);
    else if (inet_pton(AF_INET6, host, bytes) == 1)
        size = sizeof(struct in6_addr);
    *address = size > 0;
    return size > 0 ? is_for_address(known, (struct str){bytes, size})
                    : is_for_name(known, host, flags);
}

bool tls_verify_host(const struct mbedtls_x509_crt *certificate, const char *host,
                     unsigned host_flags)
{
    struct tls_known known;
    bool address;
    if (tls_known_read(&known, certificate) < 0)
        return false;
    bool matched = tls_verify_is_for(&known, host, host_flags, &address);
    tls_known_forget(&known);
    return matched;
}

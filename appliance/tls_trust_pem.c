// tls_trust_pem.c - certificates and lists out of PEM (RFC 7468), text around them or not.
#include <mbedtls/base64.h>
#include <stdlib.h>

#include "cleanup.h"
#include "tls_trust_priv.h"

// What is of use; any other block is passed over.
static const struct kind {
    struct str label;
    bool list, aux;
} kinds[] = {
    {STR("CERTIFICATE"), false, false},
    {STR("X509 CERTIFICATE"), false, false},
    {STR("TRUSTED CERTIFICATE"), false, true},
    {STR("X509 CRL"), true, false},
};

static const struct kind *find_kind(struct str label)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (str_equal(label, kinds[i].label))
            return &kinds[i];
    return NULL;
}

// The next line, without its end and the white space before it.
static bool next_line(struct str *rest, struct str *line)
{
    if (rest->size == 0)
        return false;
    const char *end = memchr(rest->data, '\n', rest->size);
    size_t size = end != NULL ? (size_t)(end - rest->data) : rest->size;
    *line = (struct str){rest->data, size};
    size += end != NULL;
    *rest = (struct str){rest->data + size, rest->size - size};
    while (line->size > 0 && strchr(" \t\r", line->data[line->size - 1]) != NULL)
        line->size--;
    return true;
}

// The label of "-----BEGIN label-----", or of END.
static bool read_mark(struct str line, struct str word, struct str *label)
{
    static const struct str dashes = STR("-----");
    size_t frame = word.size + dashes.size;
    if (line.size < frame || !str_starts(line, word) ||
        memcmp(line.data + line.size - dashes.size, dashes.data, dashes.size) != 0)
        return false;
    *label = (struct str){line.data + word.size, line.size - frame};
    return true;
}

// Up to the END of the block whose BEGIN was read: what lies between.
static bool read_body(struct str *rest, struct str label, struct str *body)
{
    struct str line, found;
    *body = (struct str){rest->data, 0};
    while (next_line(rest, &line)) {
        if (read_mark(line, STR("-----END "), &found))
            return str_equal(found, label);
        if (line.size > 0 && line.data[0] == '-')
            return false;
        body->size = (size_t)(rest->data - body->data);
    }
    return false;
}

static int broken(struct tls_fault *fault, const char *reason, const char *text)
{
    return tls_fault_set(fault, TLS_FAULT_SSL, "PEM", reason, "%s", text);
}

static int take_der(struct tls_trust *trust, const struct kind *kind, struct str der,
                    struct tls_fault *fault)
{
    struct tls_trusted *certificate = NULL;
    struct tls_revocations *list = NULL;
    enum tls_parsed parsed = kind->list ? tls_revocations_parse(der, &list)
                                        : tls_trusted_parse(der, kind->aux, &certificate);
    if (parsed == TLS_PARSED_NOT)
        return 0;
    if (parsed == TLS_PARSED_BROKEN)
        return tls_fault_set(fault, TLS_FAULT_SSL, "PEM", NULL, "ASN1 lib");
    if (parsed == TLS_PARSED_MEMORY ||
        (kind->list ? tls_trust_take_list(trust, list) : tls_trust_take(trust, certificate)) < 0)
        return tls_fault_memory(fault);
    return 0;
}

static int take_block(struct tls_trust *trust, const struct kind *kind, struct str body,
                      struct tls_fault *fault)
{
    size_t size = body.size / 4 * 3 + 3;
    _free_ unsigned char *der = malloc(size);
    if (der == NULL)
        return tls_fault_memory(fault);
    if (mbedtls_base64_decode(der, size, &size, (const unsigned char *)body.data, body.size) != 0)
        return broken(fault, "BAD_BASE64_DECODE", "bad base64 decode");
    return take_der(trust, kind, (struct str){(const char *)der, size}, fault);
}

int tls_trust_read_pem(struct tls_trust *trust, struct str pem, size_t *count,
                       struct tls_fault *fault)
{
    struct str line, label, body;
    for (*count = 0; next_line(&pem, &line);) {
        if (!read_mark(line, STR("-----BEGIN "), &label))
            continue;
        const struct kind *kind = find_kind(label);
        if (kind == NULL)
            continue;
        if (!read_body(&pem, label, &body))
            return broken(fault, "BAD_END_LINE", "bad end line");
        if (take_block(trust, kind, body, fault) < 0)
            return -1;
        ++*count;
    }
    return 0;
}

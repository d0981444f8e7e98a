// tls_certificate_file.c - certificates as PEM (RFC 7468).
#include <mbedtls/base64.h>
#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "cleanup.h"
#include "tls_certificate.h"

enum {
    FILE_MAX_SIZE = 64 << 20, // bytes; a bound, so that an endless file does not fill the memory
    LINE_SIZE = 64,           // characters of base64
};

static int read_file(struct buf *out, const char *path, struct tls_fault *fault)
{
    _fclose_ FILE *file = fopen(path, "re");
    char part[4096];
    size_t count;
    if (file == NULL)
        return tls_fault_set(fault, TLS_FAULT_SSL, NULL, NULL, "Can't open file");
    while ((count = fread(part, 1, sizeof part, file)) > 0) {
        if (buf_append(out, part, count) < 0)
            return tls_fault_memory(fault);
    }
    return 0;
}

// What is between "-----BEGIN X-----" and "-----END X-----".
struct block {
    struct str label;
    struct str base64; // without headers (RFC 1421)
    bool has_headers;
};

static bool is_blank(char character)
{
    return character != '\0' && strchr(" \t\r\n", character) != NULL;
}

// Through the line's end, without blanks there. Empty at the end of the text, too.
static struct str take_line(const char **at)
{
    const char *end = strchrnul(*at, '\n');
    struct str line = {*at, (size_t)(end - *at)};
    *at = *end == '\0' ? end : end + 1;
    while (line.size > 0 && is_blank(line.data[line.size - 1]))
        line.size--;
    return line;
}

static bool is_boundary(struct str line, struct str begin, struct str *label)
{
    static const struct str end = STR("-----");
    if (line.size < begin.size + end.size || !str_starts(line, begin) ||
        memcmp(line.data + line.size - end.size, end.data, end.size) != 0)
        return false;
    *label = (struct str){line.data + begin.size, line.size - begin.size - end.size};
    return true;
}

// What is behind an empty line where something before it has a colon.
static struct str without_headers(struct str body)
{
    struct str first = {body.data, 0};
    while (first.size < body.size && body.data[first.size] != '\n')
        first.size++;
    if (first.size == 0 || memchr(first.data, ':', first.size) == NULL)
        return body;
    for (size_t i = first.size; i + 1 < body.size; i++) {
        if (body.data[i] == '\n' && (body.data[i + 1] == '\n' || body.data[i + 1] == '\r'))
            return (struct str){body.data + i + 1, body.size - i - 1};
    }
    return (struct str){body.data, 0};
}

// The next block. 0; 1: there is none; -1: it has no end of its own.
static int take_block(const char **at, struct block *out)
{
    bool found = false;
    struct str end_label;
    while (!found && **at != '\0')
        found = is_boundary(take_line(at), STR("-----BEGIN "), &out->label);
    if (!found)
        return 1;
    const char *begin = *at;
    while (**at != '\0') {
        const char *end = *at;
        if (!is_boundary(take_line(at), STR("-----END "), &end_label))
            continue;
        struct str body = {begin, (size_t)(end - begin)};
        out->base64 = without_headers(body);
        out->has_headers = out->base64.data != body.data;
        return str_equal(end_label, out->label) ? 0 : -1;
    }
    return -1;
}

// Blanks may stand anywhere. To be freed; NULL: it is none, or out of memory.
static unsigned char *decode(struct str base64, size_t *size)
{
    _free_ unsigned char *encoded = malloc(base64.size + 1);
    _free_ unsigned char *decoded = malloc(base64.size + 1);
    size_t count = 0;
    if (encoded == NULL || decoded == NULL)
        return NULL;
    for (size_t i = 0; i < base64.size; i++) {
        if (!is_blank(base64.data[i]))
            encoded[count++] = (unsigned char)base64.data[i];
    }
    if (mbedtls_base64_decode(decoded, base64.size + 1, size, encoded, count) != 0)
        return NULL;
    return steal_ptr(&decoded);
}

// As OpenSSL: a block before the first certificate is passed over, but it has to be one; headers
// would say that the certificate is encrypted.
int tls_certificate_load(struct str *der, const char *path, struct tls_fault *fault)
{
    _buf_ struct buf text = BUF_INIT(FILE_MAX_SIZE);
    struct block block;
    if (read_file(&text, path, fault) < 0)
        return -1;
    for (const char *at = buf_text(&text); take_block(&at, &block) == 0;) {
        size_t size = 0;
        unsigned char *decoded = decode(block.base64, &size);
        if (decoded == NULL)
            break;
        bool is_wanted = str_equal(block.label, STR("CERTIFICATE")) ||
                         str_equal(block.label, STR("X509 CERTIFICATE"));
        if (is_wanted && !block.has_headers) {
            *der = (struct str){(char *)decoded, size};
            return 0;
        }
        free(decoded);
        if (is_wanted)
            break;
    }
    return tls_fault_set(fault, TLS_FAULT_SSL, NULL, NULL, "Error decoding PEM-encoded file");
}

struct str tls_certificate_pem(struct str der)
{
    size_t size = 0;
    const unsigned char *bytes = (const unsigned char *)der.data;
    mbedtls_base64_encode(NULL, 0, &size, bytes, der.size);
    _free_ unsigned char *encoded = malloc(size + 1);
    _buf_ struct buf out = BUF_INIT(size * 2 + 128);
    if (encoded == NULL || mbedtls_base64_encode(encoded, size + 1, &size, bytes, der.size) != 0)
        return (struct str){NULL, 0};
    int result = buf_append_str(&out, STR("-----BEGIN CERTIFICATE-----\n"));
    for (size_t at = 0; at < size; at += LINE_SIZE)
        result |= buf_printf(&out, "%.*s\n", LINE_SIZE, encoded + at);
    result |= buf_append_str(&out, STR("-----END CERTIFICATE-----\n"));
    if (result < 0)
        return (struct str){NULL, 0};
    return (struct str){steal_ptr(&out.data), out.size};
}

// tls_stream_hello.c - what a client's first message offers (RFC 8446 section 4.1.2), for what the
// library does not tell: which suites both sides know, and whether they share a protocol. It is the
// library that judges the message; here one that is damaged, or in several records, offers nothing.
#include <stdlib.h>
#include <string.h>

#include "tls_stream_priv.h"

enum {
    RECORD_HEADER = 5,
    RECORD_MAX = RECORD_HEADER + (16 << 10), // bytes
    BEFORE_SESSION_ID = 4 + 2 + 32,          // type and length, version, random
    EXTENSION_ALPN = 16,
};

// Bytes that are still to be read; ok turns false for good where there are too few.
struct reader {
    const unsigned char *at, *end;
    bool ok;
};

static struct reader take(struct reader *reader, size_t size)
{
    struct reader part = {reader->at, reader->at, reader->ok};
    if (!reader->ok || (size_t)(reader->end - reader->at) < size) {
        reader->ok = part.ok = false;
        return part;
    }
    reader->at += size;
    part.end = reader->at;
    return part;
}

static size_t take_number(struct reader *reader, size_t bytes)
{
    size_t number = 0;
    struct reader part = take(reader, bytes);
    while (part.at < part.end)
        number = number << 8 | *part.at++;
    return number;
}

// A vector with so many bytes of length before it.
static struct reader take_vector(struct reader *reader, size_t bytes)
{
    return take(reader, take_number(reader, bytes));
}

static void find_protocols(struct tls_hello *hello, struct reader extensions)
{
    while (extensions.ok && extensions.at < extensions.end) {
        size_t kind = take_number(&extensions, 2);
        struct reader value = take_vector(&extensions, 2);
        if (kind != EXTENSION_ALPN || !extensions.ok)
            continue;
        struct reader list = take_vector(&value, 2);
        if (list.ok)
            hello->protocols = (struct str){(const char *)list.at, (size_t)(list.end - list.at)};
    }
}

static void parse(struct tls_hello *hello)
{
    size_t count = 0;
    struct reader reader = {hello->record + RECORD_HEADER, hello->record + hello->size, true};
    take(&reader, BEFORE_SESSION_ID);
    take_vector(&reader, 1);
    struct reader suites = take_vector(&reader, 2);
    take_vector(&reader, 1);
    struct reader extensions = take_vector(&reader, 2);
    while (suites.at < suites.end && reader.ok && suites.ok && count < TLS_CIPHERS_MAX - 1) {
        int number = (int)take_number(&suites, 2);
        if (suites.ok && tls_cipher_of(number) != NULL)
            hello->ciphers[count++] = number;
    }
    hello->ciphers[count] = 0;
    find_protocols(hello, extensions);
}

// The five bytes that a record begins with are here.
static void look_at_header(struct tls_hello *hello)
{
    static const char *const methods[] = {"GET ", "POST ", "HEAD ", "PUT ", "OPTIO", "CONNE"};
    const unsigned char *header = hello->record;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        hello->is_http |= memcmp(header, methods[i], strlen(methods[i])) == 0;
    size_t size = RECORD_HEADER + ((size_t)header[3] << 8 | header[4]);
    if (header[0] != MBEDTLS_SSL_MSG_HANDSHAKE || size == RECORD_HEADER || size > RECORD_MAX) {
        hello->is_over = true;
        return;
    }
    unsigned char *grown = realloc(hello->record, size);
    if (grown != NULL)
        hello->record = grown;
    hello->is_over = grown == NULL;
    hello->wanted = size;
}

void tls_hello_add(struct tls_hello *hello, const unsigned char *bytes, size_t size)
{
    if (hello->record == NULL) {
        hello->record = malloc(RECORD_HEADER);
        hello->wanted = RECORD_HEADER;
        hello->is_over = hello->record == NULL;
    }
    while (size > 0 && !hello->is_over) {
        size_t piece = hello->wanted - hello->size;
        piece = piece < size ? piece : size;
        memcpy(hello->record + hello->size, bytes, piece);
        hello->size += piece;
        bytes += piece;
        size -= piece;
        if (hello->size < hello->wanted)
            break;
        if (hello->wanted == RECORD_HEADER) {
            look_at_header(hello);
        } else {
            parse(hello);
            hello->is_over = true;
        }
    }
}

bool tls_hello_has_protocol(const struct tls_hello *hello, struct str protocols)
{
    // One that offers none is asked for none.
    if (hello->protocols.size == 0)
        return true;
    for (size_t own = 0; own < protocols.size; own += 1 + (unsigned char)protocols.data[own]) {
        struct str name = {protocols.data + own, 1 + (size_t)(unsigned char)protocols.data[own]};
        struct str offered = hello->protocols;
        while (offered.size > 0) {
            size_t size = 1 + (size_t)(unsigned char)offered.data[0];
            if (size > offered.size)
                return true; // damaged: the library says so
            if (str_equal((struct str){offered.data, size}, name))
                return true;
            offered = (struct str){offered.data + size, offered.size - size};
        }
    }
    return false;
}

void tls_hello_fini(struct tls_hello *hello)
{
    free(hello->record);
    hello->record = NULL;
    hello->protocols = (struct str){NULL, 0};
    hello->is_over = true;
}

// tls_certificate.c - a certificate's frame (RFC 5280 section 4.1), and what it is made of. Takes
// apart and judges nothing: signature and key are passed over.
#include "tls_certificate.h"

#include <mbedtls/asn1.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tls_certificate_priv.h"

enum {
    TAG_CONTEXT = MBEDTLS_ASN1_CONTEXT_SPECIFIC,
    TAG_CONSTRUCTED_CONTEXT = MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED,
    TAG_SEQUENCE = MBEDTLS_ASN1_SEQUENCE | MBEDTLS_ASN1_CONSTRUCTED,
    CHUNK_SIZE = 4096,      // bytes
    SERIAL_LINE_BYTES = 35, // of a serial number that OpenSSL prints in a line
};

// --- memory ---

struct tls_arena {
    struct tls_arena *next;
    size_t used, size; // bytes
    max_align_t memory[];
};

void *tls_arena_take(struct tls_arena **arena, size_t size)
{
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    struct tls_arena *chunk = *arena;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        size_t chunk_size = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        chunk = calloc(1, sizeof *chunk + chunk_size);
        if (chunk == NULL)
            return NULL;
        chunk->size = chunk_size;
        chunk->next = *arena;
        *arena = chunk;
    }
    void *taken = (char *)chunk->memory + chunk->used;
    chunk->used += size;
    return taken;
}

void tls_arena_free(struct tls_arena *arena)
{
    while (arena != NULL) {
        struct tls_arena *next = arena->next;
        free(arena);
        arena = next;
    }
}

// --- DER ---

int tls_der_tag(const struct tls_der *der)
{
    return der->at < der->end ? der->at[0] : -1;
}

int tls_der_take(struct tls_der *der, int tag, struct tls_der *contents)
{
    unsigned char *at = (unsigned char *)(uintptr_t)der->at; // read only, whatever the type says
    size_t size;
    if (mbedtls_asn1_get_tag(&at, der->end, &size, tag) != 0)
        return TLS_DER_BROKEN;
    *contents = (struct tls_der){at, at + size, der->arena};
    der->at = at + size;
    return 0;
}

int tls_der_take_optional(struct tls_der *der, int tag, struct tls_der *contents)
{
    *contents = (struct tls_der){NULL, NULL, der->arena};
    return tls_der_tag(der) == tag ? tls_der_take(der, tag, contents) : 0;
}

int tls_der_take_any(struct tls_der *der, int *tag, struct tls_der *contents)
{
    *tag = tls_der_tag(der);
    return tls_der_take(der, *tag, contents);
}

int tls_der_take_oid(struct tls_der *der, struct str *oid)
{
    struct tls_der contents;
    if (tls_der_take(der, MBEDTLS_ASN1_OID, &contents) < 0 || contents.at == contents.end)
        return TLS_DER_BROKEN;
    *oid = tls_der_str(&contents);
    return 0;
}

size_t tls_der_count(struct tls_der der)
{
    struct tls_der contents;
    size_t count = 0;
    int tag;
    while (tls_der_take_any(&der, &tag, &contents) == 0)
        count++;
    return count;
}

struct str tls_der_str(const struct tls_der *contents)
{
    return (struct str){(const char *)contents->at, (size_t)(contents->end - contents->at)};
}

// --- the frame ---

static int read_version(struct tls_certificate_text *out, struct tls_der *der)
{
    struct tls_der explicit;
    int version = 0;
    if (tls_der_take_optional(der, TAG_CONSTRUCTED_CONTEXT | 0, &explicit) < 0)
        return TLS_DER_BROKEN;
    if (explicit.at != NULL) {
        unsigned char *at = (unsigned char *)(uintptr_t) explicit.at;
        if (mbedtls_asn1_get_int(&at, explicit.end, &version) != 0 || at != explicit.end ||
            version == INT32_MAX)
            return TLS_DER_BROKEN;
    }
    out->version = version + 1;
    return 0;
}

// The magnitude of an INTEGER (X.690 section 8.3), in as few bytes as it has. Returns how many.
static size_t magnitude(struct tls_der contents, unsigned char *out)
{
    size_t count = (size_t)(contents.end - contents.at);
    bool is_negative = (contents.at[0] & 0x80) != 0;
    unsigned carry = is_negative ? 1 : 0;
    for (size_t i = count; i > 0; i--) {
        unsigned byte = (is_negative ? contents.at[i - 1] ^ 0xffU : contents.at[i - 1]) + carry;
        out[i - 1] = (unsigned char)byte;
        carry = byte >> 8;
    }
    if (count > 1 && out[0] == 0)
        memmove(out, out + 1, --count);
    return count;
}

static bool is_integer(struct tls_der contents)
{
    size_t count = (size_t)(contents.end - contents.at);
    if (count < 2)
        return count == 1;
    bool is_padded = contents.at[0] == 0 || contents.at[0] == 0xff;
    return !is_padded || ((contents.at[0] ^ contents.at[1]) & 0x80) != 0;
}

// As OpenSSL prints it, of which Python shows the first line.
static int read_serial(struct tls_certificate_text *out, struct tls_der *der)
{
    struct tls_der contents;
    if (tls_der_take(der, MBEDTLS_ASN1_INTEGER, &contents) < 0 || !is_integer(contents))
        return TLS_DER_BROKEN;
    size_t count = (size_t)(contents.end - contents.at);
    unsigned char *bytes = tls_arena_take(der->arena, count);
    char *text = tls_arena_take(der->arena, SERIAL_LINE_BYTES * 2 + sizeof "-\\\n");
    if (bytes == NULL || text == NULL)
        return TLS_DER_MEMORY;
    count = magnitude(contents, bytes);
    size_t size = 0, shown = count < SERIAL_LINE_BYTES ? count : SERIAL_LINE_BYTES;
    if ((contents.at[0] & 0x80) != 0)
        text[size++] = '-';
    for (size_t i = 0; i < shown; i++, size += 2)
        snprintf(text + size, 3, "%02X", bytes[i]);
    if (count > SERIAL_LINE_BYTES) {
        memcpy(text + size, "\\\n", 2);
        size += 2;
    }
    out->serial = (struct str){text, size};
    return 0;
}

static int read_name(struct tls_name_parts *out, struct tls_der *der)
{
    struct tls_der contents;
    if (tls_der_take(der, TAG_SEQUENCE, &contents) < 0)
        return TLS_DER_BROKEN;
    return tls_name_read(out, contents);
}

static int read_time(struct str *out, struct tls_der *der)
{
    struct tls_der contents;
    int tag = tls_der_tag(der);
    if (tag != MBEDTLS_ASN1_UTC_TIME && tag != MBEDTLS_ASN1_GENERALIZED_TIME)
        return TLS_DER_BROKEN;
    char *text = tls_arena_take(der->arena, TLS_TIME_TEXT_SIZE);
    if (text == NULL)
        return TLS_DER_MEMORY;
    if (tls_der_take(der, tag, &contents) < 0)
        return TLS_DER_BROKEN;
    tls_time_text(text, tag, tls_der_str(&contents));
    *out = str_of(text);
    return 0;
}

static int read_validity(struct tls_certificate_text *out, struct tls_der *der)
{
    struct tls_der contents;
    if (tls_der_take(der, TAG_SEQUENCE, &contents) < 0)
        return TLS_DER_BROKEN;
    int result = read_time(&out->not_before, &contents);
    if (result == 0)
        result = read_time(&out->not_after, &contents);
    return result == 0 && contents.at != contents.end ? TLS_DER_BROKEN : result;
}

// Unique identifiers, which nobody shows, and the extensions.
static int read_rest(struct tls_certificate_text *out, struct tls_der *der)
{
    struct tls_der passed, explicit, extensions;
    if (tls_der_take_optional(der, TAG_CONTEXT | 1, &passed) < 0 ||
        tls_der_take_optional(der, TAG_CONTEXT | 2, &passed) < 0 ||
        tls_der_take_optional(der, TAG_CONSTRUCTED_CONTEXT | 3, &explicit) < 0 ||
        der->at != der->end)
        return TLS_DER_BROKEN;
    if (explicit.at == NULL)
        return 0;
    if (tls_der_take(&explicit, TAG_SEQUENCE, &extensions) < 0 || explicit.at != explicit.end)
        return TLS_DER_BROKEN;
    return tls_extensions_read(out, extensions);
}

static int read_facts(struct tls_certificate_text *out, struct tls_der der)
{
    struct tls_der passed;
    int result = read_version(out, &der);
    if (result == 0)
        result = read_serial(out, &der);
    if (result == 0)
        result = tls_der_take(&der, TAG_SEQUENCE, &passed); // signature
    if (result == 0)
        result = read_name(&out->issuer, &der);
    if (result == 0)
        result = read_validity(out, &der);
    if (result == 0)
        result = read_name(&out->subject, &der);
    if (result == 0)
        result = tls_der_take(&der, TAG_SEQUENCE, &passed); // subjectPublicKeyInfo
    return result == 0 ? read_rest(out, &der) : result;
}

static int read_certificate(struct tls_certificate_text *out, struct tls_der der)
{
    struct tls_der certificate, facts, passed;
    if (tls_der_take(&der, TAG_SEQUENCE, &certificate) < 0 ||
        tls_der_take(&certificate, TAG_SEQUENCE, &facts) < 0 ||
        tls_der_take(&certificate, TAG_SEQUENCE, &passed) < 0 ||
        tls_der_take(&certificate, MBEDTLS_ASN1_BIT_STRING, &passed) < 0 ||
        certificate.at != certificate.end)
        return TLS_DER_BROKEN;
    return read_facts(out, facts);
}

int tls_certificate_read(struct tls_certificate_text *out, struct str der, struct tls_fault *fault)
{
    struct tls_arena *arena = NULL;
    const unsigned char *bytes = (const unsigned char *)der.data;
    *out = (struct tls_certificate_text){.version = 0};
    int result = der.size == 0
                     ? TLS_DER_BROKEN
                     : read_certificate(out, (struct tls_der){bytes, bytes + der.size, &arena});
    out->memory = arena;
    if (result == 0)
        return 0;
    tls_certificate_fini(out);
    if (result == TLS_DER_MEMORY)
        return tls_fault_memory(fault);
    return tls_fault_set(fault, TLS_FAULT_SSL, "ASN1", "NESTED_ASN1_ERROR", "nested asn1 error");
}

void tls_certificate_fini(struct tls_certificate_text *facts)
{
    tls_arena_free(facts->memory);
    *facts = (struct tls_certificate_text){.version = 0};
}

// fuzz_tls_certificate.c - any bytes as a certificate, as one is sent by a peer: its texts lie in
// memory of its own, and what Python decodes as UTF-8 without asking is UTF-8.
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "tls_certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NAMES_MAX = 1 << 20 };

// Reads all of it, so that the sanitizer sees where it lies.
static unsigned sum(struct str text)
{
    unsigned sum = 0;
    for (size_t i = 0; i < text.size; i++)
        sum += (unsigned char)text.data[i];
    return sum;
}

// As RFC 3629 has it: shortest form, no surrogates.
static bool is_utf8(struct str text)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    for (size_t i = 0; i < text.size;) {
        unsigned char first = (unsigned char)text.data[i++];
        size_t more = first < 0x80 ? 0 : first < 0xc2 ? 4 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
        if (more == 4 || first > 0xf4)
            return false;
        uint32_t code = more == 0 ? first : first & (0x3fU >> more);
        for (size_t j = 0; j < more; j++) {
            if (i == text.size || ((unsigned char)text.data[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | ((unsigned char)text.data[i++] & 0x3fU);
        }
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return false;
    }
    return true;
}

static void check_names(const struct tls_name_parts *names)
{
    must(names->count < NAMES_MAX && (names->count == 0 || names->parts[0].begins));
    for (size_t i = 0; i < names->count; i++) {
        must(names->parts[i].kind.size > 0 && is_utf8(names->parts[i].kind));
        must(names->parts[i].is_bytes || is_utf8(names->parts[i].value));
        sum(names->parts[i].value);
    }
}

static void check_texts(const struct tls_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        sum(texts->texts[i]);
}

static void check_facts(const struct tls_certificate_text *facts)
{
    check_names(&facts->subject);
    check_names(&facts->issuer);
    must(facts->serial.size >= 2 && is_utf8(facts->serial));
    must(facts->not_before.size >= sizeof "Bad time value" - 1 && is_utf8(facts->not_before));
    must(facts->not_after.size >= sizeof "Bad time value" - 1 && is_utf8(facts->not_after));
    for (size_t i = 0; i < facts->alt_name_count; i++) {
        must(facts->alt_names[i].kind.size > 0);
        check_names(&facts->alt_names[i].names);
        sum(facts->alt_names[i].value);
    }
    check_texts(&facts->ocsp);
    check_texts(&facts->ca_issuers);
    check_texts(&facts->crl_points);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    struct tls_certificate_text facts;
    struct str der = {(const char *)data, size};
    if (tls_certificate_read(&facts, der, &fault) < 0) {
        must(fault.kind == TLS_FAULT_SSL && fault.text[0] != '\0' && facts.memory == NULL);
        return 0;
    }
    check_facts(&facts);
    tls_certificate_fini(&facts);
    return 0;
}

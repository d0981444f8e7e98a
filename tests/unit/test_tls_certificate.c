// test_tls_certificate.c - certificates taken apart. tests/e2e/test_tls_texts.py compares hundreds
// of them with what an ordinary Python makes of them; here is what memory is to do.
#include "tls_certificate.h"

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "tls_identities.h"
#include "unit.h"

// Made by tests/e2e/der.py: what no tool makes, too.
static const unsigned char odd[] = {
    0x30, 0x82, 0x01, 0x76, 0x30, 0x82, 0x01, 0x5b, 0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x02, 0xed,
    0xcc, 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02, 0x30, 0x11, 0x31,
    0x0f, 0x30, 0x0d, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x06, 0x69, 0x73, 0x73, 0x75, 0x65, 0x72,
    0x30, 0x20, 0x17, 0x0d, 0x32, 0x35, 0x30, 0x31, 0x30, 0x31, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30,
    0x5a, 0x18, 0x0f, 0x32, 0x30, 0x35, 0x30, 0x30, 0x32, 0x30, 0x33, 0x30, 0x34, 0x30, 0x35, 0x30,
    0x36, 0x5a, 0x30, 0x28, 0x31, 0x19, 0x30, 0x0b, 0x06, 0x03, 0x55, 0x04, 0x03, 0x14, 0x04, 0x63,
    0x61, 0x66, 0xe9, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x04, 0x2d, 0x03, 0x03, 0x04, 0xff, 0xff, 0x31,
    0x0b, 0x30, 0x09, 0x06, 0x03, 0x2a, 0x03, 0x04, 0x1e, 0x02, 0x26, 0x03, 0x30, 0x59, 0x30, 0x13,
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
    0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8,
    0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
    0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e,
    0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb,
    0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5, 0xa3, 0x81, 0x89, 0x30, 0x81, 0x86, 0x30, 0x2a, 0x06,
    0x03, 0x55, 0x1d, 0x11, 0x04, 0x23, 0x30, 0x21, 0x82, 0x03, 0x61, 0x00, 0x62, 0x87, 0x04, 0x0a,
    0x00, 0x00, 0x01, 0xa4, 0x10, 0x30, 0x0e, 0x31, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x04, 0x03,
    0x0c, 0x03, 0x64, 0x69, 0x72, 0x88, 0x02, 0x2a, 0x03, 0x30, 0x3c, 0x06, 0x08, 0x2b, 0x06, 0x01,
    0x05, 0x05, 0x07, 0x01, 0x01, 0x04, 0x30, 0x30, 0x2e, 0x30, 0x15, 0x06, 0x08, 0x2b, 0x06, 0x01,
    0x05, 0x05, 0x07, 0x30, 0x01, 0x86, 0x09, 0x68, 0x74, 0x74, 0x70, 0x3a, 0x2f, 0x2f, 0x6f, 0x2f,
    0x30, 0x15, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02, 0x86, 0x09, 0x68, 0x74,
    0x74, 0x70, 0x3a, 0x2f, 0x2f, 0x69, 0x2f, 0x30, 0x1a, 0x06, 0x03, 0x55, 0x1d, 0x1f, 0x04, 0x13,
    0x30, 0x11, 0x30, 0x0f, 0xa0, 0x0d, 0xa0, 0x0b, 0x86, 0x09, 0x68, 0x74, 0x74, 0x70, 0x3a, 0x2f,
    0x2f, 0x63, 0x2f, 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02, 0x03,
    0x09, 0x00, 0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01,
};

static bool is_text(struct str text, const char *expected)
{
    return str_equal(text, str_of(expected));
}

static bool is_part(const struct tls_name_part *part, const char *kind, const char *value)
{
    return is_text(part->kind, kind) && is_text(part->value, value);
}

static void test_names(void)
{
    struct tls_fault fault;
    struct tls_certificate_text facts;
    CHECK(tls_certificate_read(&facts, (struct str){(const char *)odd, sizeof odd}, &fault) == 0);
    CHECK(facts.subject.count == 3 && facts.issuer.count == 1);
    const struct tls_name_part *parts = facts.subject.parts;
    CHECK(is_part(&parts[0], "commonName", "caf\xc3\xa9") && parts[0].begins);
    CHECK(is_part(&parts[1], "x500UniqueIdentifier", "\xff\xf0") && !parts[1].begins);
    CHECK(parts[1].is_bytes && !parts[0].is_bytes);
    CHECK(is_part(&parts[2], "1.2.3.4", "\xe2\x98\x83") && parts[2].begins);
    CHECK(is_part(&facts.issuer.parts[0], "commonName", "issuer"));
    tls_certificate_fini(&facts);
    CHECK(facts.memory == NULL && facts.subject.count == 0);
    tls_certificate_fini(&facts);
}

static void test_facts(void)
{
    struct tls_fault fault;
    struct tls_certificate_text facts;
    CHECK(tls_certificate_read(&facts, (struct str){(const char *)odd, sizeof odd}, &fault) == 0);
    CHECK(facts.version == 3);
    CHECK(is_text(facts.serial, "-1234"));
    CHECK(is_text(facts.not_before, "Jan  1 00:00:00 2025 GMT"));
    CHECK(is_text(facts.not_after, "Feb  3 04:05:06 2050 GMT"));
    CHECK(facts.ocsp.count == 1 && is_text(facts.ocsp.texts[0], "http://o/"));
    CHECK(facts.ca_issuers.count == 1 && is_text(facts.ca_issuers.texts[0], "http://i/"));
    CHECK(facts.crl_points.count == 1 && is_text(facts.crl_points.texts[0], "http://c/"));
    tls_certificate_fini(&facts);
}

static void test_alternative_names(void)
{
    struct tls_fault fault;
    struct tls_certificate_text facts;
    CHECK(tls_certificate_read(&facts, (struct str){(const char *)odd, sizeof odd}, &fault) == 0);
    CHECK(facts.alt_name_count == 4);
    const struct tls_alt_name *names = facts.alt_names;
    CHECK(is_text(names[0].kind, "DNS") && str_equal(names[0].value, STR("a\0b")));
    CHECK(is_text(names[1].kind, "IP Address") && is_text(names[1].value, "10.0.0.1"));
    CHECK(is_text(names[2].kind, "DirName") && names[2].names.count == 1);
    CHECK(is_part(&names[2].names.parts[0], "commonName", "dir"));
    CHECK(is_text(names[3].kind, "Registered ID") && is_text(names[3].value, "1.2.3"));
    tls_certificate_fini(&facts);
}

static bool is_refused(const unsigned char *bytes, size_t size)
{
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    struct tls_certificate_text facts;
    // A block of its very size: what reads past the end is seen.
    _free_ char *exact = malloc(size > 0 ? size : 1);
    memcpy(exact, bytes, size);
    if (tls_certificate_read(&facts, (struct str){exact, size}, &fault) == 0) {
        tls_certificate_fini(&facts);
        return false;
    }
    CHECK(fault.kind == TLS_FAULT_SSL && facts.memory == NULL);
    CHECK_STR(fault.library, "ASN1");
    return true;
}

static void test_cut_short(void)
{
    for (size_t i = 0; i < sizeof odd; i++)
        CHECK(is_refused(odd, i));
    CHECK(!is_refused(odd, sizeof odd));
}

// Whatever a byte becomes: it is read, or refused, and no memory is touched that is not its own.
static void test_bytes_changed(void)
{
    unsigned refused = 0, read = 0;
    for (size_t i = 0; i < sizeof odd; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            unsigned char changed[sizeof odd];
            memcpy(changed, odd, sizeof odd);
            changed[i] ^= (unsigned char)(1U << bit);
            is_refused(changed, sizeof changed) ? refused++ : read++;
        }
    }
    CHECK(refused > 100 && read > 100);
}

static void write_file(const char *path, const char *text, struct str pem)
{
    _fclose_ FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0);
    CHECK(fwrite(pem.data, 1, pem.size, file) == pem.size);
}

static void test_pem(void)
{
    char path[] = "/tmp/test_tls_certificate.XXXXXX";
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    struct str given = {(const char *)ec_certificate, sizeof ec_certificate}, read;
    _close_ int fd = mkstemp(path);
    struct str pem = tls_certificate_pem(given);
    CHECK(str_starts(pem, STR("-----BEGIN CERTIFICATE-----\nMII")));
    CHECK(pem.size > 100 && pem.data[pem.size - 1] == '\n' && pem.data[pem.size] == '\0');
    write_file(path, "my own:\n", pem);
    CHECK(tls_certificate_load(&read, path, &fault) == 0);
    CHECK(str_equal(read, given));
    free((void *)(uintptr_t)read.data);
    write_file(path, "-----BEGIN X-----\nno base64 of anything\n-----END X-----\n", pem);
    CHECK(tls_certificate_load(&read, path, &fault) == -1);
    CHECK_STR(fault.text, "Error decoding PEM-encoded file");
    unlink(path);
    CHECK(tls_certificate_load(&read, path, &fault) == -1);
    CHECK_STR(fault.text, "Can't open file");
    free((void *)(uintptr_t)pem.data);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_names),     UNIT_CASE(test_facts),         UNIT_CASE(test_alternative_names),
    UNIT_CASE(test_cut_short), UNIT_CASE(test_bytes_changed), UNIT_CASE(test_pem),
};

int main(void)
{
    return unit_main("tls_certificate", cases, UNIT_COUNT(cases));
}

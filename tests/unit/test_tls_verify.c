// test_tls_verify.c - the parts of judging a chain: DER, names, texts; and a few chains. How
// verdicts compare with OpenSSL's is a matter of tests/e2e/test_tls_verify.py.
#include "tls_verify.h"

#include <limits.h>
#include <mbedtls/x509.h>
#include <mbedtls/x509_crt.h>

#include "buf.h"
#include "check.h"
#include "tls_identities.h"
#include "tls_library.h"
#include "tls_verify_der.h"
#include "tls_verify_known_priv.h"
#include "tls_verify_name.h"
#include "unit.h"

enum { NOW = 1800000000 }; // 2027, when all of the identities are valid

static void test_der(void)
{
    struct str rest = STR("\x02\x01\x05\x04\x00\x30\x81\x80"), content;
    int tag = 0;
    CHECK(!tls_value_take(&rest, TLS_DER_SEQUENCE, &content) && rest.size == 8);
    CHECK(tls_value_take(&rest, TLS_DER_INTEGER, &content) && str_equal(content, STR("\x05")));
    CHECK(tls_value_next(&rest, &tag, &content) && tag == TLS_DER_OCTET_STRING);
    CHECK(content.size == 0);
    // Longer than what there is; lengths without an end; tags of several bytes.
    CHECK(!tls_value_next(&rest, &tag, &content) && rest.size == 3);
    rest = STR("\x30\x80\x00\x00");
    CHECK(!tls_value_next(&rest, &tag, &content));
    rest = STR("\x1f\x81\x00");
    CHECK(!tls_value_next(&rest, &tag, &content));
    rest = STR("\x30\x84\xff\xff\xff\xff");
    CHECK(!tls_value_next(&rest, &tag, &content));
    rest = STR("\x30");
    CHECK(!tls_value_next(&rest, &tag, &content));
}

static void test_numbers(void)
{
    unsigned bits = 0;
    int value = 0;
    CHECK(tls_value_bits(STR("\x05\xa7"), &bits) && bits == 0xa0);
    CHECK(tls_value_bits(STR("\x07\x01\x80"), &bits) && bits == 0x8001);
    CHECK(tls_value_bits(STR("\0"), &bits) && bits == 0);
    CHECK(!tls_value_bits(STR(""), &bits) && !tls_value_bits(STR("\x08\x01"), &bits));
    CHECK(tls_value_integer(STR("\x01\x02"), &value) && value == 258);
    CHECK(tls_value_integer(STR("\x7f\xff\xff\xff\xff"), &value) && value == INT_MAX);
    CHECK(!tls_value_integer(STR("\xff"), &value) && !tls_value_integer(STR(""), &value));
    CHECK(tls_value_same_integer(STR("\0\x80"), STR("\x80")));
    CHECK(!tls_value_same_integer(STR("\x01"), STR("\x02")));
}

static void check_canonical(struct str name, struct str expected)
{
    _buf_ struct buf out = BUF_INIT(TLS_NAME_MAX);
    CHECK(tls_name_canonical(&out, name) && str_equal(buf_str(&out), expected));
}

static void test_names(void)
{
    _buf_ struct buf out = BUF_INIT(TLS_NAME_MAX);
    check_canonical(STR("\x30\x00"), STR(""));
    check_canonical(STR("\x30\x13\x31\x11\x30\x0f\x06\x03\x55\x04\x03\x13\x08 A  bC\t "),
                    STR("\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x0c\x04"
                        "a bc"));
    // BMPString.
    check_canonical(STR("\x30\x0f\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x1e\x04\0A\0\xe4"),
                    STR("\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x03"
                        "a\xc3\xa4"));
    CHECK(!tls_name_canonical(&out, STR("\x31\x00")));
    CHECK(!tls_name_canonical(&out, STR("\x30\x02\x31\x00")));
    CHECK(
        !tls_name_canonical(&out, STR("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01\xff")));
    CHECK(!tls_name_utf8(&out, 12, STR("\xc0\x80")) &&
          !tls_name_utf8(&out, 12, STR("\xed\xa0\x80")));
    CHECK(!tls_name_utf8(&out, 30, STR("abc")) && !tls_name_utf8(&out, 4, STR("a")));
    CHECK(tls_name_utf8(&out, 12, STR("\xf0\x9f\x90\x9a")));
}

static void test_seconds(void)
{
    mbedtls_x509_time epoch = {1970, 1, 1, 0, 0, 0}, leap = {2000, 2, 29, 12, 30, 15},
                      late = {2126, 10, 28, 23, 34, 3}, none = {0, 0, 0, 0, 0, 0};
    CHECK(tls_known_seconds(&epoch) == 0);
    CHECK(tls_known_seconds(&leap) == 951827415);
    CHECK(tls_known_seconds(&late) == 4948904043);
    CHECK(tls_known_seconds(&none) < 0);
}

static void test_texts(void)
{
    CHECK_STR(tls_verify_text(TLS_VERIFY_OK), "ok");
    CHECK_STR(tls_verify_text(TLS_VERIFY_SELF_SIGNED), "self-signed certificate");
    CHECK_STR(tls_verify_text(TLS_VERIFY_EXPLICIT_CURVE),
              "Certificate public key has explicit ECC parameters");
    CHECK_STR(tls_verify_text((enum tls_verify_code)4711),
              "unknown certificate verification error");
    for (int code = 1; code < 100; code++)
        CHECK(tls_verify_library_flags((enum tls_verify_code)code) != 0);
    CHECK(tls_verify_library_flags(TLS_VERIFY_OK) == 0);
    CHECK(tls_verify_library_flags(TLS_VERIFY_EXPIRED) == MBEDTLS_X509_BADCERT_EXPIRED);
}

// The verdict on one of the identities.
static enum tls_verify_code judged(const struct tls_trust *trust,
                                   const struct tls_verify_rules *rules)
{
    mbedtls_x509_crt chain;
    struct tls_verdict verdict;
    mbedtls_x509_crt_init(&chain);
    must(mbedtls_x509_crt_parse_der(&chain, ec_certificate, sizeof ec_certificate) == 0);
    enum tls_verify_code code = tls_verify(trust, &chain, rules, &verdict);
    CHECK(code == verdict.code && verdict.depth == 0 && verdict.verified_count == 1);
    CHECK(verdict.verified[0].size == sizeof ec_certificate &&
          memcmp(verdict.verified[0].data, ec_certificate, sizeof ec_certificate) == 0);
    tls_verdict_fini(&verdict);
    mbedtls_x509_crt_free(&chain);
    return code;
}

static void test_chains(void)
{
    struct tls_fault fault;
    struct tls_trust *empty = tls_trust_new(), *trust = tls_trust_new();
    struct tls_verify_rules rules = {.of_server = true, .security_level = 2, .now = NOW};
    must(tls_trust_add_der(&trust,
                           (struct str){(const char *)ec_certificate, sizeof ec_certificate},
                           &fault) == 0);
    CHECK(judged(empty, &rules) == TLS_VERIFY_SELF_SIGNED);
    CHECK(judged(trust, &rules) == TLS_VERIFY_OK);
    rules.host = "www.example.org";
    CHECK(judged(trust, &rules) == TLS_VERIFY_OK);
    rules.host = "a.b.example.org";
    CHECK(judged(trust, &rules) == TLS_VERIFY_HOST);
    rules.host = "192.0.2.1";
    CHECK(judged(trust, &rules) == TLS_VERIFY_ADDRESS);
    rules.host = NULL;
    rules.now = INT64_C(5000000000);
    CHECK(judged(trust, &rules) == TLS_VERIFY_EXPIRED);
    rules.now = 1000000000;
    CHECK(judged(trust, &rules) == TLS_VERIFY_NOT_YET_VALID);
    rules.now = NOW;
    rules.security_level = 5;
    CHECK(judged(trust, &rules) == TLS_VERIFY_LEAF_KEY_TOO_SMALL);
    rules.security_level = 2;
    rules.flags = TLS_VERIFY_CRL_CHECK_LEAF;
    CHECK(judged(trust, &rules) == TLS_VERIFY_NO_CRL);
    tls_trust_drop(trust);
    tls_trust_drop(empty);
}

static void test_host(void)
{
    mbedtls_x509_crt certificate;
    mbedtls_x509_crt_init(&certificate);
    must(mbedtls_x509_crt_parse_der(&certificate, ec_certificate, sizeof ec_certificate) == 0);
    CHECK(tls_verify_host(&certificate, "EXAMPLE.org", 0));
    CHECK(tls_verify_host(&certificate, "a.example.org", TLS_HOST_NO_PARTIAL_WILDCARDS));
    CHECK(!tls_verify_host(&certificate, "a.example.org", TLS_HOST_NO_WILDCARDS));
    CHECK(!tls_verify_host(&certificate, "example.com", 0));
    CHECK(!tls_verify_host(&certificate, "", 0));
    mbedtls_x509_crt_free(&certificate);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_der),   UNIT_CASE(test_numbers), UNIT_CASE(test_names), UNIT_CASE(test_seconds),
    UNIT_CASE(test_texts), UNIT_CASE(test_chains),  UNIT_CASE(test_host),
};

int main(void)
{
    struct err err;
    must(tls_library_start(&err) == 0);
    return unit_main("tls_verify", cases, UNIT_COUNT(cases));
}

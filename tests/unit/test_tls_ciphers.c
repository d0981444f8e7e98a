// test_tls_ciphers.c - lists of cipher suites. tests/e2e/test_tls_texts.py compares many more of
// them with what an ordinary Python makes of them.
#include "tls_ciphers.h"

#include <mbedtls/ssl_ciphersuites.h>

#include "buf.h"
#include "unit.h"

#define TLS13 "TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_GCM_SHA256 "

// Names, a blank behind each; of an error its text.
static const char *chosen(const char *list)
{
    static struct buf out = BUF_INIT(4096);
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    int numbers[TLS_CIPHERS_MAX], level = -1;
    buf_fini(&out);
    buf_init(&out, 4096);
    if (tls_ciphers_parse(list, numbers, &level, &fault) < 0) {
        CHECK(fault.kind == TLS_FAULT_SSL && fault.library == NULL && fault.reason == NULL);
        buf_append_str(&out, str_of(fault.text));
        return buf_text(&out);
    }
    for (size_t i = 0; numbers[i] != 0; i++)
        buf_printf(&out, "%s ", tls_cipher_of(numbers[i])->name);
    return buf_text(&out);
}

static int level_of(const char *list)
{
    struct tls_fault fault;
    int numbers[TLS_CIPHERS_MAX], level = -1;
    CHECK(tls_ciphers_parse(list, numbers, &level, &fault) == 0);
    return level;
}

static void test_default(void)
{
    CHECK_STR(chosen(tls_ciphers_default),
              TLS13 "ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 "
                    "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 "
                    "ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 "
                    "ECDHE-ECDSA-AES256-SHA384 ECDHE-RSA-AES256-SHA384 "
                    "ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256 ");
    CHECK(level_of(tls_ciphers_default) == 2);
}

static void test_names(void)
{
    CHECK_STR(chosen("ECDHE-RSA-AES128-GCM-SHA256"), TLS13 "ECDHE-RSA-AES128-GCM-SHA256 ");
    CHECK_STR(chosen("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
              TLS13 "ECDHE-RSA-AES128-GCM-SHA256 ");
    CHECK_STR(chosen("ECDHE-RSA-AES128-SHA,nothing;ECDHE-RSA-AES256-SHA"),
              TLS13 "ECDHE-RSA-AES128-SHA ECDHE-RSA-AES256-SHA ");
    CHECK_STR(chosen("ECDSA+CHACHA20"), TLS13 "ECDHE-ECDSA-CHACHA20-POLY1305 ");
}

static void test_what_is_done_with_them(void)
{
    const char *removed = TLS13 "ECDHE-RSA-CHACHA20-POLY1305 ECDHE-ECDSA-CHACHA20-POLY1305 ";
    CHECK_STR(chosen("CHACHA20:+ECDSA"), removed);
    CHECK_STR(chosen("CHACHA20:-ECDSA:AES256-SHA:CHACHA20"), removed);
    CHECK_STR(chosen("CHACHA20:!ECDSA:CHACHA20"), TLS13 "ECDHE-RSA-CHACHA20-POLY1305 ");
    CHECK_STR(chosen("AES128+SHA1+aRSA:AES256+SHA1+aRSA:@STRENGTH"),
              TLS13 "ECDHE-RSA-AES256-SHA ECDHE-RSA-AES128-SHA ");
}

static void test_nothing_left(void)
{
    static const char *const lists[] = {
        "", "nothing", "RSA", "RC4:3DES", "ALL:!ALL", "@STRENGTH", "TLS_AES_128_GCM_SHA256"};
    for (size_t i = 0; i < UNIT_COUNT(lists); i++)
        CHECK_STR(chosen(lists[i]), "No cipher can be selected.");
}

static void test_no_list(void)
{
    static const char *const lists[] = {"AES:$",          "AES:!",           "AES:@",
                                        "AES:@SECLEVEL=", "AES:@SECLEVEL=6", "AES:@SECLEVEL=12",
                                        "AES:@OTHER",     "AES+:CHACHA20",   "AES:\xff"};
    for (size_t i = 0; i < UNIT_COUNT(lists); i++)
        CHECK_STR(chosen(lists[i]), "No cipher can be selected.");
}

static void test_security_level(void)
{
    CHECK(level_of("AES") == -1);
    CHECK(level_of("AES:@SECLEVEL=0") == 0);
    CHECK(level_of("@SECLEVEL=1:AES:@SECLEVEL=3") == 3);
}

// The library knows each, under the number that it has here.
static void test_suites_are_the_librarys(void)
{
    int numbers[TLS_CIPHERS_MAX], level;
    struct tls_fault fault;
    CHECK(tls_ciphers_parse("ALL", numbers, &level, &fault) == 0);
    for (size_t i = 0; numbers[i] != 0; i++) {
        CHECK(mbedtls_ssl_ciphersuite_from_id(numbers[i]) != NULL);
        CHECK(tls_cipher_of(numbers[i])->number == numbers[i]);
    }
    CHECK(tls_cipher_of(0) == NULL && tls_cipher_of(0xffff) == NULL);
}

// And the library has none that is not here.
static void test_the_librarys_suites_are_here(void)
{
    size_t count = 0;
    for (const int *number = mbedtls_ssl_list_ciphersuites(); *number != 0; number++, count++) {
        CHECK(tls_cipher_of(*number) != NULL);
        if (tls_cipher_of(*number) == NULL)
            printf("    %s\n",
                   mbedtls_ssl_ciphersuite_get_name(mbedtls_ssl_ciphersuite_from_id(*number)));
    }
    CHECK(count > 10);
}

static void test_facts(void)
{
    const struct tls_cipher *cipher = tls_cipher_of(0xc014);
    CHECK_STR(cipher->name, "ECDHE-RSA-AES256-SHA");
    CHECK_STR(cipher->protocol, "TLSv1.0");
    CHECK(cipher->strength_bits == 256 && cipher->algorithm_bits == 256);
    CHECK_STR(cipher->kea, "kx-ecdhe");
    CHECK_STR(cipher->auth, "auth-rsa");
    CHECK_STR(cipher->symmetric, "aes-256-cbc");
    CHECK_STR(cipher->digest, "sha1");
    CHECK(tls_cipher_of(0x1301)->digest == NULL);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_default),
    UNIT_CASE(test_names),
    UNIT_CASE(test_what_is_done_with_them),
    UNIT_CASE(test_nothing_left),
    UNIT_CASE(test_no_list),
    UNIT_CASE(test_security_level),
    UNIT_CASE(test_suites_are_the_librarys),
    UNIT_CASE(test_the_librarys_suites_are_here),
    UNIT_CASE(test_facts),
};

int main(void)
{
    return unit_main("tls_ciphers", cases, UNIT_COUNT(cases));
}

// tls_suites.c - forward secrecy and authenticated encryption, nothing else (RFC 9325 section 4.2).
#include "tls_suites.h"

#include <mbedtls/ssl_ciphersuites.h>
#include <stddef.h>

// Best first: AES is done by most processors. In TLS 1.3 the library takes the client's order.
#define SUITES(ROW)                                                                             \
    ROW(MBEDTLS_TLS1_3_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256")                            \
    ROW(MBEDTLS_TLS1_3_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384")                            \
    ROW(MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256")                \
    ROW(MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256")       \
    ROW(MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256")           \
    ROW(MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384")       \
    ROW(MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384")           \
    ROW(MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305") \
    ROW(MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305")

const int tls_suites[] = {
#define ROW(number, name) number,
    SUITES(ROW)
#undef ROW
        0,
};

static const struct {
    int number;
    const char *name;
} names[] = {
#define ROW(number, name) {number, name},
    SUITES(ROW)
#undef ROW
};

const char *tls_suite_name(int suite)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].number == suite)
            return names[i].name;
    }
    return "";
}

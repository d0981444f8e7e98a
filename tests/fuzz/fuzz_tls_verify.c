// fuzz_tls_verify.c - any bytes as what a peer sends (certificates as DER, one behind the other)
// and as authorities: nothing but a chain to what is trusted is good, and no verdict reads past
// what there is. The first byte has the flags; 0x80: the bytes are trusted, too.
#include <mbedtls/x509_crt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "tls_library.h"
#include "tls_verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1780272000, CHAIN_MAX = 16 };

static int pass(void *owner, const mbedtls_x509_crt *crt, const mbedtls_x509_buf *oid, int critical,
                const unsigned char *at, const unsigned char *end)
{
    (void)owner, (void)crt, (void)oid, (void)critical, (void)at, (void)end;
    return 0;
}

// How many bytes were certificates.
static size_t read_chain(mbedtls_x509_crt *chain, const uint8_t *data, size_t size)
{
    size_t used = 0;
    for (int i = 0; i < CHAIN_MAX && used < size; i++) {
        if (mbedtls_x509_crt_parse_der_with_ext_cb(chain, data + used, size - used, 1, pass,
                                                   NULL) != 0)
            break;
        const mbedtls_x509_crt *last = chain;
        while (last->next != NULL)
            last = last->next;
        used += last->raw.len;
    }
    return used;
}

static void judge(const struct tls_trust *trust, const mbedtls_x509_crt *chain, uint8_t choice)
{
    static const unsigned flags[] = {0, TLS_VERIFY_X509_STRICT, TLS_VERIFY_PARTIAL_CHAIN,
                                     TLS_VERIFY_CRL_CHECK_CHAIN};
    struct tls_verdict verdict;
    struct tls_verify_rules rules = {.of_server = (choice & 0x40) != 0,
                                     .flags = flags[choice & 3],
                                     .security_level = choice >> 2 & 3,
                                     .host = choice & 0x10 ? "www.example.org" : NULL,
                                     .host_flags =
                                         choice & 0x20 ? TLS_HOST_NO_PARTIAL_WILDCARDS : 0,
                                     .now = NOW};
    struct tls_trust_counts counts;
    enum tls_verify_code code = tls_verify(trust, chain, &rules, &verdict);
    tls_trust_count(trust, &counts);
    must(code != TLS_VERIFY_OK || counts.certificates > 0);
    must(verdict.verified_count > 0 && verdict.depth < (int)verdict.verified_count);
    must(tls_verify_text(code)[0] != '\0');
    tls_verdict_fini(&verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct tls_fault fault;
    mbedtls_x509_crt chain;
    must(tls_library_start(&err) == 0);
    if (size < 2)
        return 0;
    struct tls_trust *trust = tls_trust_new();
    must(trust != NULL);
    mbedtls_x509_crt_init(&chain);
    size_t used = read_chain(&chain, data + 1, size - 1);
    struct str bytes = {(const char *)data + 1, size - 1};
    if (data[0] & 0x80)
        // What stands behind the chain is a text: lists, and more authorities.
        (void)!tls_trust_add_der(&trust, (struct str){bytes.data, used}, &fault);
    (void)!tls_trust_add_pem(&trust, (struct str){bytes.data + used, bytes.size - used}, &fault);
    if (chain.raw.p != NULL)
        judge(trust, &chain, data[0]);
    mbedtls_x509_crt_free(&chain);
    tls_trust_drop(trust);
    return 0;
}

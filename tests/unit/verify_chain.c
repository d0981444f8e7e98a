// verify_chain.c - judges a chain of certificates, for tests that compare its verdict with
// OpenSSL's (tests/e2e/test_tls_verify.py).
//
//   verify_chain CHAIN.pem [trust=FILE] [folder=FOLDER] [now=SECONDS]
//                [-- [flags=N] [level=N] [host=NAME] [host-flags=N] [client=1]]...
//
// CHAIN.pem has the peer's own certificate first. Prints "code depth count text" for each "--": the
// verdict, of which certificate, and how many stand in the path that was found; or "unparsed
// NUMBER" if the library does not take a certificate.
#include <mbedtls/pem.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls_library.h"
#include "tls_verify.h"

enum { FILE_MAX = 1 << 20 };

static int pass(void *owner, const mbedtls_x509_crt *crt, const mbedtls_x509_buf *oid, int critical,
                const unsigned char *at, const unsigned char *end)
{
    (void)owner, (void)crt, (void)oid, (void)critical, (void)at, (void)end;
    return 0;
}

static int read_chain(mbedtls_x509_crt *chain, const char *path)
{
    static unsigned char text[FILE_MAX];
    FILE *file = fopen(path, "rb");
    size_t size = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0, used;
    if (file != NULL)
        fclose(file);
    text[size] = '\0';
    int result = 0;
    for (const unsigned char *at = text; result == 0; at += used) {
        mbedtls_pem_context pem;
        mbedtls_pem_init(&pem);
        if (mbedtls_pem_read_buffer(&pem, "-----BEGIN CERTIFICATE-----",
                                    "-----END CERTIFICATE-----", at, NULL, 0, &used) != 0) {
            mbedtls_pem_free(&pem);
            break;
        }
        const unsigned char *der = mbedtls_pem_get_buffer(&pem, &size);
        result = mbedtls_x509_crt_parse_der_with_ext_cb(chain, der, size, 1, pass, NULL);
        mbedtls_pem_free(&pem);
    }
    return result;
}

struct asked {
    struct tls_trust *trust;
    struct tls_verify_rules rules;
};

// One "name=value". 0 or -1.
static int take(struct asked *asked, const char *name, const char *value)
{
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    long long number = strtoll(value, NULL, 0);
    int result = 0;
    if (strcmp(name, "trust") == 0)
        result = tls_trust_add_file(&asked->trust, value, &fault);
    else if (strcmp(name, "folder") == 0)
        result = tls_trust_add_folder(&asked->trust, value, &fault);
    else if (strcmp(name, "flags") == 0)
        asked->rules.flags = (unsigned)number;
    else if (strcmp(name, "level") == 0)
        asked->rules.security_level = (int)number;
    else if (strcmp(name, "host") == 0)
        asked->rules.host = value;
    else if (strcmp(name, "host-flags") == 0)
        asked->rules.host_flags = (unsigned)number;
    else if (strcmp(name, "now") == 0)
        asked->rules.now = number;
    else if (strcmp(name, "client") == 0)
        asked->rules.of_server = number == 0;
    else
        return -1;
    if (result < 0)
        printf("fault %s\n", fault.text);
    return result;
}

static void judge(const struct asked *asked, const mbedtls_x509_crt *chain, int unparsed)
{
    struct tls_verdict verdict;
    if (unparsed != 0) {
        printf("unparsed %d\n", unparsed);
        return;
    }
    enum tls_verify_code code = tls_verify(asked->trust, chain, &asked->rules, &verdict);
    printf("%d %d %zu %s\n", (int)code, verdict.depth, verdict.verified_count,
           tls_verify_text(code));
    tls_verdict_fini(&verdict);
}

int main(int argc, char **argv)
{
    struct err err;
    mbedtls_x509_crt chain;
    struct asked asked = {.rules = {.of_server = true}};
    if (argc < 2 || tls_library_start(&err) < 0)
        return 2;
    asked.rules.now = tls_library_time();
    asked.trust = tls_trust_new();
    mbedtls_x509_crt_init(&chain);
    int unparsed = read_chain(&chain, argv[1]), result = 0;
    bool judging = false;
    for (int i = 2; i < argc && result == 0; i++) {
        char *value = strchr(argv[i], '=');
        if (strcmp(argv[i], "--") == 0) {
            if (judging)
                judge(&asked, &chain, unparsed);
            judging = true;
            asked.rules = (struct tls_verify_rules){.of_server = true, .now = asked.rules.now};
            continue;
        }
        if (value == NULL)
            return 2;
        *value++ = '\0';
        result = take(&asked, argv[i], value);
    }
    if (result == 0)
        judge(&asked, &chain, unparsed);
    mbedtls_x509_crt_free(&chain);
    tls_trust_drop(asked.trust);
    return result == 0 ? 0 : 2;
}

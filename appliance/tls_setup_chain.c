// tls_setup_chain.c - a certificate that came without its issuers is sent with those that the trust
// has.
#include <stdlib.h>

#include "tls_library.h"
#include "tls_stream_priv.h"
#include "tls_trust_priv.h"

static bool is_alone(const struct tls_credential *credential)
{
    const mbedtls_x509_crt *own = &credential->chain;
    struct str subject = {(const char *)own->subject_raw.p, own->subject_raw.len};
    struct str issuer = {(const char *)own->issuer_raw.p, own->issuer_raw.len};
    return own->next == NULL && !str_equal(subject, issuer);
}

// The path, as far as there is one; whether it is good is for the other side to judge.
static struct tls_credential *complete(struct tls_credential *credential,
                                       const struct tls_trust *trust)
{
    struct tls_verdict verdict = {.code = TLS_VERIFY_OK};
    struct tls_verify_rules rules = {.of_server = true,
                                     .flags = TLS_VERIFY_TRUSTED_FIRST,
                                     .security_level = 0,
                                     .now = tls_library_time()};
    struct tls_credential *completed = NULL;
    tls_verify(trust, &credential->chain, &rules, &verdict);
    if (verdict.verified_count > 1)
        completed = calloc(1, sizeof *completed);
    if (completed != NULL) {
        completed->holders = 1;
        completed->lender = tls_credential_hold(credential);
        mbedtls_x509_crt_init(&completed->chain);
        mbedtls_pk_init(&completed->key);
    }
    for (size_t i = 0; completed != NULL && i < verdict.verified_count; i++) {
        if (tls_certificate_append(&completed->chain, verdict.verified[i]) != 0) {
            tls_credential_drop(completed);
            completed = NULL;
        }
    }
    tls_verdict_fini(&verdict);
    return completed;
}

void tls_setup_forget_completed(struct tls_setup *setup)
{
    for (size_t i = 0; i < TLS_CREDENTIALS_MAX; i++) {
        tls_credential_drop(setup->completed[i]);
        setup->completed[i] = NULL;
    }
    tls_trust_drop(setup->completed_by);
    setup->completed_by = NULL;
}

struct tls_credential *tls_setup_completed(struct tls_setup *setup, size_t index)
{
    if (setup->completed_by != setup->trust) {
        tls_setup_forget_completed(setup);
        for (size_t i = 0; i < setup->credential_count; i++) {
            if (is_alone(setup->credentials[i]))
                setup->completed[i] = complete(setup->credentials[i], setup->trust);
        }
        setup->completed_by = tls_trust_hold(setup->trust);
    }
    return setup->completed[index] != NULL ? setup->completed[index] : setup->credentials[index];
}

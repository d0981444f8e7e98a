// tls_verify.c - the order in which OpenSSL judges: the first thing that is wrong is the verdict.
#include "tls_verify.h"

#include <stdlib.h>

#include "tls_verify_priv.h"

// Whether the last of a path has issued itself; only then is there something to be said of it
// beside its dates, which count as everybody's do.
static enum tls_verify_code judge_signature(struct tls_judging *judging, size_t depth)
{
    const struct tls_known *subject = judging->path[depth].known;
    const struct tls_known *issuer = judging->path[depth + 1].known;
    const mbedtls_x509_crt *crt = subject->parsed;
    struct tls_signed what = {
        .tbs = {(const char *)crt->tbs.p, crt->tbs.len},
        .signature = {(const char *)crt->MBEDTLS_PRIVATE(sig).p, crt->MBEDTLS_PRIVATE(sig).len},
        .digest = crt->MBEDTLS_PRIVATE(sig_md),
        .algorithm = crt->MBEDTLS_PRIVATE(sig_pk),
        .options = crt->MBEDTLS_PRIVATE(sig_opts),
    };
    if ((issuer->facts & FACT_USAGE) != 0 && (issuer->usage & USAGE_SIGN_CERTIFICATES) == 0)
        return tls_verify_blame(judging, depth + 1, TLS_VERIFY_CANNOT_SIGN);
    if (!tls_known_signature_is_good(&issuer->parsed->pk, &what))
        return tls_verify_blame(judging, depth, TLS_VERIFY_SIGNATURE);
    return TLS_VERIFY_OK;
}

static enum tls_verify_code judge_time(struct tls_judging *judging, size_t depth)
{
    const struct tls_known *known = judging->path[depth].known;
    int64_t now = judging->rules->now;
    if (tls_known_seconds(&known->parsed->valid_from) > now)
        return tls_verify_blame(judging, depth, TLS_VERIFY_NOT_YET_VALID);
    if (!tls_known_time_is_good(known, now))
        return tls_verify_blame(judging, depth, TLS_VERIFY_EXPIRED);
    return TLS_VERIFY_OK;
}

// From the anchor down. The anchor's own signature is not looked at: nobody relies on it.
static enum tls_verify_code judge_signatures(struct tls_judging *judging)
{
    size_t last = judging->size - 1;
    const struct tls_known *anchor = judging->path[last].known;
    bool partial = (judging->rules->flags & TLS_VERIFY_PARTIAL_CHAIN) != 0;
    // One that is trusted explicitly need not be self-signed; its dates do not count then.
    size_t judged = tls_known_issued(anchor, anchor) || partial ? judging->size : last;
    if (judged == 0)
        return tls_verify_blame(judging, 0, TLS_VERIFY_NO_ISSUER_OF_LEAF);
    for (size_t depth = judged; depth-- > 0;) {
        enum tls_verify_code code = depth < last ? judge_signature(judging, depth) : TLS_VERIFY_OK;
        if (code == TLS_VERIFY_OK)
            code = judge_time(judging, depth);
        if (code != TLS_VERIFY_OK)
            return code;
    }
    return TLS_VERIFY_OK;
}

static enum tls_verify_code judge_host(struct tls_judging *judging)
{
    const struct tls_verify_rules *rules = judging->rules;
    bool address;
    if (rules->host == NULL ||
        tls_verify_is_for(judging->path[0].known, rules->host, rules->host_flags, &address))
        return TLS_VERIFY_OK;
    return tls_verify_blame(judging, 0, address ? TLS_VERIFY_ADDRESS : TLS_VERIFY_HOST);
}

static enum tls_verify_code judge(struct tls_judging *judging)
{
    static enum tls_verify_code (*const steps[])(struct tls_judging *) = {
        tls_verify_leaf_key, tls_verify_find_path,  tls_verify_extensions, tls_verify_levels,
        judge_host,          tls_verify_revocation, judge_signatures,      tls_verify_constraints,
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        enum tls_verify_code code = steps[i](judging);
        if (code != TLS_VERIFY_OK)
            return code;
    }
    return TLS_VERIFY_OK;
}

// What the peer has sent, read. false: out of memory.
static bool read_sent(struct tls_judging *judging, const struct mbedtls_x509_crt *chain)
{
    size_t count = 0;
    for (const mbedtls_x509_crt *at = chain; at != NULL; at = at->next)
        count++;
    judging->sent = calloc(count, sizeof *judging->sent);
    judging->used = calloc(count, sizeof *judging->used);
    if (judging->sent == NULL || judging->used == NULL)
        return false;
    for (const mbedtls_x509_crt *at = chain; at != NULL; at = at->next)
        if (tls_known_read(&judging->sent[judging->sent_count++], at) < 0)
            return false;
    judging->path[0] = (struct tls_step){&judging->sent[0], NULL};
    judging->size = judging->untrusted = 1;
    return true;
}

// The path as DER. false: out of memory.
static bool copy_path(const struct tls_judging *judging, struct tls_verdict *out)
{
    const struct tls_purposes *purposes = judging->path[judging->size - 1].purposes;
    out->is_limited = purposes != NULL && (purposes->limited || purposes->rejected != 0);
    out->verified = calloc(judging->size, sizeof *out->verified);
    if (out->verified == NULL)
        return false;
    for (size_t i = 0; i < judging->size; i++) {
        const mbedtls_x509_buf *raw = &judging->path[i].known->parsed->raw;
        char *copy = malloc(raw->len);
        if (copy == NULL)
            return false;
        memcpy(copy, raw->p, raw->len);
        out->verified[out->verified_count++] = (struct str){copy, raw->len};
    }
    return true;
}

static void judging_fini(struct tls_judging *judging)
{
    for (size_t i = 0; i < judging->sent_count; i++)
        tls_known_forget(&judging->sent[i]);
    free(judging->sent);
    free(judging->used);
    tls_trust_found_fini(&judging->found);
}

enum tls_verify_code tls_verify(const struct tls_trust *trust, const struct mbedtls_x509_crt *chain,
                                const struct tls_verify_rules *rules, struct tls_verdict *out)
{
    struct tls_judging judging = {.trust = trust, .rules = rules};
    *out = (struct tls_verdict){.code = TLS_VERIFY_MEMORY};
    if (read_sent(&judging, chain)) {
        enum tls_verify_code code = judge(&judging);
        out->depth = code != TLS_VERIFY_OK ? judging.depth : 0;
        if (copy_path(&judging, out))
            out->code = code;
    }
    judging_fini(&judging);
    return out->code;
}

void tls_verdict_fini(struct tls_verdict *verdict)
{
    for (size_t i = 0; i < verdict->verified_count; i++) {
        char *copy;
        memcpy(&copy, &verdict->verified[i].data, sizeof copy);
        free(copy);
    }
    free(verdict->verified);
    *verdict = (struct tls_verdict){.verified = NULL};
}

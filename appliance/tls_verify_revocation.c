// tls_verify_revocation.c - lists of revoked certificates (RFC 5280 section 6.3). The library would
// pass over a list that is missing; OpenSSL refuses, and so does this. Complete lists of the
// certificate's own issuer count: no deltas, no indirect ones.
#include "tls_verify_der.h"
#include "tls_verify_name.h"
#include "tls_verify_priv.h"

// How well a list suits, the more important first.
enum { SUITS_HANDLED = 0x4, SUITS_SCOPE = 0x2, SUITS_TIME = 0x1 };

struct choice {
    const struct tls_revocations *list;
    int score;
};

static bool has_end(const struct tls_revocations *list)
{
    return list->parsed.next_update.year != 0;
}

static bool is_in_time(const struct tls_revocations *list, int64_t now)
{
    return tls_known_seconds(&list->parsed.this_update) <= now &&
           (!has_end(list) || tls_known_seconds(&list->parsed.next_update) > now);
}

static bool is_in_scope(const struct tls_revocations *list, const struct tls_known *subject)
{
    unsigned others = subject->facts & FACT_CA ? LIST_OF_USERS : LIST_OF_AUTHORITIES;
    return (list->facts & (LIST_OF_ATTRIBUTES | LIST_OF_POINT | others)) == 0;
}

// Who signs the lists that name a certificate: the next in the path, and the last itself.
static const struct tls_known *issuer_of(const struct tls_judging *judging, size_t depth)
{
    return judging->path[depth + 1 < judging->size ? depth + 1 : depth].known;
}

// -1: not at all.
static int score_of(const struct tls_judging *judging, size_t depth,
                    const struct tls_revocations *list)
{
    const struct tls_known *subject = judging->path[depth].known;
    const struct tls_authority_parts *parts = &list->authority;
    struct tls_authority_id id = {.key = parts->has_key ? &parts->key : NULL,
                                  .serial = parts->has_serial ? &parts->serial : NULL,
                                  .name = parts->has_name ? &parts->name : NULL};
    if ((list->facts & LIST_UNUSABLE) != 0 || !str_equal(list->issuer, subject->issuer) ||
        !tls_known_is_authority(issuer_of(judging, depth), &id))
        return -1;
    return ((list->facts & LIST_UNHANDLED) == 0 ? SUITS_HANDLED : 0) |
           (is_in_scope(list, subject) ? SUITS_SCOPE : 0) |
           (is_in_time(list, judging->rules->now) ? SUITS_TIME : 0);
}

static void choose(const struct tls_judging *judging, size_t depth,
                   struct tls_revocations *const *lists, size_t count, struct choice *best)
{
    for (size_t i = 0; i < count; i++) {
        int score = score_of(judging, depth, lists[i]);
        if (score < 0 || (best->list != NULL && score < best->score))
            continue;
        // Of equals the newer.
        if (best->list != NULL && score == best->score &&
            tls_known_seconds(&lists[i]->parsed.this_update) <=
                tls_known_seconds(&best->list->parsed.this_update))
            continue;
        *best = (struct choice){lists[i], score};
    }
}

static const struct tls_revocations *find_list(struct tls_judging *judging, size_t depth,
                                               int *score)
{
    struct choice best = {NULL, 0};
    const struct tls_trust *trust = judging->trust;
    struct str issuer = judging->path[depth].known->issuer;
    if (trust->folder_count > 0)
        tls_trust_look(trust, tls_name_hash(issuer), true, &judging->found);
    choose(judging, depth, trust->lists, trust->list_count, &best);
    choose(judging, depth, judging->found.lists, judging->found.list_count, &best);
    *score = best.score;
    return best.list;
}

static bool is_signed(const struct tls_revocations *list, const struct tls_known *issuer)
{
    const mbedtls_x509_crl *crl = &list->parsed;
    struct tls_signed what = {
        .tbs = {(const char *)crl->tbs.p, crl->tbs.len},
        .signature = {(const char *)crl->MBEDTLS_PRIVATE(sig).p, crl->MBEDTLS_PRIVATE(sig).len},
        .digest = crl->MBEDTLS_PRIVATE(sig_md),
        .algorithm = crl->MBEDTLS_PRIVATE(sig_pk),
        .options = crl->MBEDTLS_PRIVATE(sig_opts),
    };
    return tls_known_signature_is_good(&issuer->parsed->pk, &what);
}

// "removeFromCRL" (section 5.3.1): revoked no longer.
static bool is_removed(const mbedtls_x509_crl *crl, const mbedtls_x509_crl_entry *entry)
{
    enum { REMOVED = 8 };
    const unsigned char *end = crl->raw.p + crl->raw.len;
    struct str list, parts, oid, flag, value, reason;
    if (entry->entry_ext.p == NULL)
        return false;
    // The library's length is that of the contents, but it begins at the tag.
    struct str all = {(const char *)entry->entry_ext.p, (size_t)(end - entry->entry_ext.p)};
    if (!tls_value_take(&all, TLS_DER_SEQUENCE, &list))
        return false;
    while (tls_value_take(&list, TLS_DER_SEQUENCE, &parts))
        if (tls_value_take(&parts, TLS_DER_OID, &oid) && str_equal(oid, STR("\x55\x1d\x15"))) {
            (void)!tls_value_take(&parts, TLS_DER_BOOLEAN, &flag);
            return tls_value_take(&parts, TLS_DER_OCTET_STRING, &value) &&
                   tls_value_take(&value, TLS_DER_ENUMERATED, &reason) && reason.size == 1 &&
                   reason.data[0] == REMOVED;
        }
    return false;
}

static bool is_revoked(const struct tls_revocations *list, const struct tls_known *subject)
{
    struct str serial = {(const char *)subject->parsed->serial.p, subject->parsed->serial.len};
    const mbedtls_x509_crl_entry *entry = &list->parsed.entry;
    for (; entry != NULL && entry->serial.p != NULL; entry = entry->next) {
        struct str revoked = {(const char *)entry->serial.p, entry->serial.len};
        if (tls_value_same_integer(revoked, serial))
            return !is_removed(&list->parsed, entry);
    }
    return false;
}

static enum tls_verify_code judge_list(const struct tls_judging *judging, size_t depth,
                                       const struct tls_revocations *list, int score)
{
    const struct tls_known *issuer = issuer_of(judging, depth);
    int64_t now = judging->rules->now;
    if ((issuer->facts & FACT_USAGE) != 0 && (issuer->usage & USAGE_SIGN_LISTS) == 0)
        return TLS_VERIFY_CANNOT_SIGN_CRL;
    if ((score & SUITS_SCOPE) == 0)
        return TLS_VERIFY_CRL_SCOPE;
    if (tls_known_seconds(&list->parsed.this_update) > now)
        return TLS_VERIFY_CRL_NOT_YET_VALID;
    if (!is_in_time(list, now))
        return TLS_VERIFY_CRL_EXPIRED;
    if (!is_signed(list, issuer))
        return TLS_VERIFY_CRL_SIGNATURE;
    if (list->facts & LIST_UNHANDLED)
        return TLS_VERIFY_UNHANDLED_CRITICAL_CRL;
    return is_revoked(list, judging->path[depth].known) ? TLS_VERIFY_REVOKED : TLS_VERIFY_OK;
}

enum tls_verify_code tls_verify_revocation(struct tls_judging *judging)
{
    enum { EVERY_ONE = TLS_VERIFY_CRL_CHECK_CHAIN & ~TLS_VERIFY_CRL_CHECK_LEAF };
    unsigned flags = judging->rules->flags;
    if ((flags & TLS_VERIFY_CRL_CHECK_LEAF) == 0)
        return TLS_VERIFY_OK;
    size_t last = flags & EVERY_ONE ? judging->size : 1;
    for (size_t depth = 0; depth < last; depth++) {
        int score;
        const struct tls_revocations *list = find_list(judging, depth, &score);
        enum tls_verify_code code = TLS_VERIFY_NO_CRL;
        if (list != NULL)
            code = judge_list(judging, depth, list, score);
        if (code != TLS_VERIFY_OK)
            return tls_verify_blame(judging, depth, code);
    }
    return TLS_VERIFY_OK;
}

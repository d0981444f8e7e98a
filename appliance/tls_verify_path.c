// tls_verify_path.c - from the peer's own certificate to one that is trusted: the same path that
// OpenSSL finds. Issuers are found by name and key identifier, and preferred if they are valid at
// this time; signatures are checked along the path that was found, once.
#include "tls_verify_name.h"
#include "tls_verify_priv.h"

enum tls_purpose_trust tls_verify_trusted_for(const struct tls_judging *judging,
                                              const struct tls_purposes *purposes)
{
    unsigned wanted = PURPOSE_ANY | (judging->rules->of_server ? PURPOSE_SERVER : PURPOSE_CLIENT);
    if (purposes == NULL)
        return PURPOSE_NEUTRAL;
    if (purposes->rejected & wanted)
        return PURPOSE_REJECTED;
    if (!purposes->limited)
        return PURPOSE_NEUTRAL;
    return purposes->trusted & wanted ? PURPOSE_TRUSTED : PURPOSE_REJECTED;
}

static bool is_self_signed(const struct tls_known *known)
{
    return (known->facts & (FACT_SELF_SIGNED | FACT_INVALID)) == FACT_SELF_SIGNED;
}

static bool expires_later(const struct tls_known *a, const struct tls_known *b)
{
    return tls_known_seconds(&a->parsed->valid_to) > tls_known_seconds(&b->parsed->valid_to);
}

// Whether a candidate is a better issuer than the best so far. *done: no better one can come.
static bool is_better(const struct tls_judging *judging, const struct tls_known *subject,
                      const struct tls_known *candidate, const struct tls_known *best, bool *done)
{
    if (!tls_known_issued(candidate, subject))
        return false;
    *done = tls_known_time_is_good(candidate, judging->rules->now);
    return *done || best == NULL || expires_later(candidate, best);
}

static const struct tls_trusted *best_of(const struct tls_judging *judging,
                                         const struct tls_known *subject,
                                         struct tls_trusted *const *all, size_t count,
                                         const struct tls_trusted *best)
{
    bool done = best != NULL && tls_known_time_is_good(&best->known, judging->rules->now);
    for (size_t i = 0; i < count && !done; i++)
        if (is_better(judging, subject, &all[i]->known, best != NULL ? &best->known : NULL, &done))
            best = all[i];
    return best;
}

static bool has_subject(struct tls_trusted *const *all, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal(all[i]->known.subject, name))
            return true;
    return false;
}

// Folders are looked into where the trust has no certificate of this name.
static void look_up(struct tls_judging *judging, struct str name)
{
    const struct tls_trust *trust = judging->trust;
    const struct tls_trust_found *found = &judging->found;
    if (trust->folder_count > 0 &&
        !has_subject(trust->certificates, trust->certificate_count, name) &&
        !has_subject(found->certificates, found->certificate_count, name))
        tls_trust_look(trust, tls_name_hash(name), false, &judging->found);
}

static const struct tls_trusted *find_trusted(struct tls_judging *judging,
                                              const struct tls_known *subject)
{
    const struct tls_trust *trust = judging->trust;
    look_up(judging, subject->issuer);
    const struct tls_trusted *best =
        best_of(judging, subject, trust->certificates, trust->certificate_count, NULL);
    return best_of(judging, subject, judging->found.certificates, judging->found.certificate_count,
                   best);
}

static bool is_in_path(const struct tls_judging *judging, const struct tls_known *known)
{
    for (size_t i = 0; i < judging->size; i++)
        if (tls_known_same(judging->path[i].known, known))
            return true;
    return false;
}

// Among what the peer has sent; its index, or sent_count.
static size_t find_sent(const struct tls_judging *judging, const struct tls_known *subject)
{
    // One's own issuer may be oneself, sent a second time.
    bool again = (subject->facts & FACT_SELF_ISSUED) != 0 && judging->size == 1;
    size_t best = judging->sent_count;
    bool done = false;
    for (size_t i = 0; i < judging->sent_count && !done; i++) {
        const struct tls_known *known = best < judging->sent_count ? &judging->sent[best] : NULL;
        if (judging->used[i] || (!again && is_in_path(judging, &judging->sent[i])))
            continue;
        if (is_better(judging, subject, &judging->sent[i], known, &done))
            best = i;
    }
    return best;
}

static const struct tls_trusted *find_same(struct tls_trusted *const *all, size_t count,
                                           const struct tls_known *known)
{
    for (size_t i = 0; i < count; i++)
        if (all[i]->known.subject_hash == known->subject_hash &&
            tls_known_same(&all[i]->known, known))
            return all[i];
    return NULL;
}

// The peer's own certificate is trusted itself: all that there is to a path then.
static enum tls_purpose_trust trust_leaf(struct tls_judging *judging)
{
    const struct tls_known *leaf = judging->path[0].known;
    const struct tls_trust *trust = judging->trust;
    look_up(judging, leaf->subject);
    const struct tls_trusted *same = find_same(trust->certificates, trust->certificate_count, leaf);
    if (same == NULL)
        same = find_same(judging->found.certificates, judging->found.certificate_count, leaf);
    if (same == NULL)
        return PURPOSE_NEUTRAL;
    if (tls_verify_trusted_for(judging, &same->purposes) == PURPOSE_REJECTED)
        return PURPOSE_REJECTED;
    judging->path[0] = (struct tls_step){&same->known, &same->purposes};
    judging->untrusted = 0;
    return PURPOSE_TRUSTED;
}

// Whether the last step, which a trust has, ends the path.
static enum tls_purpose_trust judge_last(const struct tls_judging *judging)
{
    const struct tls_step *last = &judging->path[judging->size - 1];
    enum tls_purpose_trust explicitly = tls_verify_trusted_for(judging, last->purposes);
    if (explicitly != PURPOSE_NEUTRAL)
        return explicitly;
    bool partial = (judging->rules->flags & TLS_VERIFY_PARTIAL_CHAIN) != 0;
    return partial || is_self_signed(last->known) ? PURPOSE_TRUSTED : PURPOSE_NEUTRAL;
}

// Puts what the trust has into the path: behind the last, or in the place of a self-signed one that
// is the same. false: it is not the same, and only pretends to be that authority.
static bool put_trusted(struct tls_judging *judging, const struct tls_trusted *issuer)
{
    const struct tls_known *last = judging->path[judging->size - 1].known;
    if (!is_self_signed(last)) {
        judging->path[judging->size++] = (struct tls_step){&issuer->known, &issuer->purposes};
        return true;
    }
    if (!tls_known_same(last, &issuer->known))
        return false;
    judging->path[judging->size - 1] = (struct tls_step){&issuer->known, &issuer->purposes};
    judging->untrusted = judging->size - 1;
    return true;
}

// From here on the trust alone is asked: one that has it never leads back to the peer's.
static enum tls_purpose_trust go_on_trusted(struct tls_judging *judging)
{
    while (judging->size <= CHAIN_DEPTH_MAX + 1) {
        const struct tls_known *last = judging->path[judging->size - 1].known;
        const struct tls_trusted *issuer = find_trusted(judging, last);
        if (issuer == NULL || !put_trusted(judging, issuer))
            return PURPOSE_NEUTRAL;
        enum tls_purpose_trust trusted = judge_last(judging);
        if (trusted != PURPOSE_NEUTRAL || is_self_signed(&issuer->known))
            return trusted;
    }
    return PURPOSE_NEUTRAL;
}

// What OpenSSL says where the path ends without trust.
static enum tls_verify_code blame_end(struct tls_judging *judging)
{
    size_t last = judging->size - 1;
    if (judging->size > CHAIN_DEPTH_MAX + 1)
        return tls_verify_blame(judging, last, TLS_VERIFY_CHAIN_TOO_LONG);
    if (is_self_signed(judging->path[last].known))
        return tls_verify_blame(judging, last,
                                judging->size == 1 ? TLS_VERIFY_SELF_SIGNED
                                                   : TLS_VERIFY_SELF_SIGNED_IN_CHAIN);
    return tls_verify_blame(judging, last,
                            judging->untrusted < judging->size ? TLS_VERIFY_NO_ISSUER
                                                               : TLS_VERIFY_NO_LOCAL_ISSUER);
}

// One step: an issuer that is trusted if there is one, else one that the peer has sent. false: the
// path has come to its end, trusted as *result says.
static bool go_on(struct tls_judging *judging, enum tls_purpose_trust *result)
{
    const struct tls_known *last = judging->path[judging->size - 1].known;
    size_t index = judging->sent_count;
    bool too_long = judging->size > CHAIN_DEPTH_MAX + 1;
    const struct tls_trusted *issuer = too_long ? NULL : find_trusted(judging, last);
    if (issuer != NULL && (!is_self_signed(last) || tls_known_same(last, &issuer->known))) {
        *result = go_on_trusted(judging);
        return false;
    }
    if (!too_long && !is_self_signed(last))
        index = find_sent(judging, last);
    if (index == judging->sent_count)
        return false;
    judging->used[index] = true;
    judging->path[judging->size++] = (struct tls_step){&judging->sent[index], NULL};
    judging->untrusted++;
    return true;
}

enum tls_verify_code tls_verify_find_path(struct tls_judging *judging)
{
    enum tls_purpose_trust trusted = PURPOSE_NEUTRAL;
    while (go_on(judging, &trusted))
        ;
    if (trusted == PURPOSE_NEUTRAL && judging->size <= CHAIN_DEPTH_MAX + 1 &&
        judging->size == judging->untrusted &&
        (judging->rules->flags & TLS_VERIFY_PARTIAL_CHAIN) != 0) {
        trusted = trust_leaf(judging);
        if (trusted == PURPOSE_REJECTED)
            return tls_verify_blame(judging, 0, TLS_VERIFY_REJECTED);
    }
    if (trusted == PURPOSE_TRUSTED)
        return TLS_VERIFY_OK;
    if (trusted == PURPOSE_REJECTED)
        return tls_verify_blame(judging, judging->size - 1, TLS_VERIFY_REJECTED);
    return blame_end(judging);
}

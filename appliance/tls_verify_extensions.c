// tls_verify_extensions.c - whether each certificate of a path may stand where it does, as OpenSSL
// asks of them: authorities and their usages, purposes, the length of the path, and with
// VERIFY_X509_STRICT what RFC 5280 wants of them beyond that.
#include "tls_verify_priv.h"

enum authority {
    AUTHORITY_NO = 0,
    AUTHORITY_YES = 1,
    AUTHORITY_FIRST_VERSION = 3, // and self-signed, when there were no extensions
    AUTHORITY_BY_USAGE = 4,
    AUTHORITY_BY_NETSCAPE = 5,
};

static bool forbids(const struct tls_known *known, unsigned fact, unsigned set, unsigned wanted)
{
    return (known->facts & fact) != 0 && (set & wanted) == 0;
}

static bool usage_forbids(const struct tls_known *known, unsigned usage)
{
    return forbids(known, FACT_USAGE, known->usage, usage);
}

// OpenSSL's X509_check_ca.
static enum authority authority_of(const struct tls_known *known)
{
    if (usage_forbids(known, USAGE_SIGN_CERTIFICATES))
        return AUTHORITY_NO;
    if (known->facts & FACT_BASIC)
        return known->facts & FACT_CA ? AUTHORITY_YES : AUTHORITY_NO;
    if (known->parsed->version == 1 && (known->facts & FACT_SELF_SIGNED) != 0)
        return AUTHORITY_FIRST_VERSION;
    if (known->facts & FACT_USAGE)
        return AUTHORITY_BY_USAGE;
    if ((known->facts & FACT_NETSCAPE) != 0 && (known->netscape & NETSCAPE_CA) != 0)
        return AUTHORITY_BY_NETSCAPE;
    return AUTHORITY_NO;
}

static bool fits_purpose(const struct tls_known *known, bool of_server, bool issuer)
{
    unsigned purpose = of_server ? PURPOSE_SERVER | PURPOSE_GATED : PURPOSE_CLIENT;
    if (forbids(known, FACT_EXTENDED_USAGE, known->purposes, purpose))
        return false;
    if (issuer) {
        enum authority authority = authority_of(known);
        return authority != AUTHORITY_NO &&
               (authority != AUTHORITY_BY_NETSCAPE || (known->netscape & NETSCAPE_SSL_CA) != 0);
    }
    unsigned usage = USAGE_DIGITAL_SIGNATURE | USAGE_KEY_AGREEMENT;
    return !forbids(known, FACT_NETSCAPE, known->netscape,
                    of_server ? NETSCAPE_SERVER : NETSCAPE_CLIENT) &&
           !usage_forbids(known, usage | (of_server ? USAGE_KEY_ENCIPHERMENT : 0u));
}

static bool purpose_is_good(const struct tls_judging *judging, size_t depth)
{
    const struct tls_step *step = &judging->path[depth];
    if (depth >= judging->untrusted) {
        enum tls_purpose_trust trust = tls_verify_trusted_for(judging, step->purposes);
        if (trust != PURPOSE_NEUTRAL)
            return trust == PURPOSE_TRUSTED;
    }
    if (step->known->facts & FACT_INVALID)
        return (judging->rules->flags & TLS_VERIFY_X509_STRICT) == 0;
    return fits_purpose(step->known, judging->rules->of_server, depth > 0);
}

// A CA where there should be one. The peer's own may be one or not.
static bool authority_is_good(const struct tls_judging *judging, size_t depth)
{
    enum authority authority = authority_of(judging->path[depth].known);
    bool strict = (judging->rules->flags & TLS_VERIFY_X509_STRICT) != 0;
    if (depth == 0)
        return !strict || authority == AUTHORITY_YES || authority == AUTHORITY_NO;
    // What is old-fashioned is good for an anchor alone.
    bool anchor = depth + 1 == judging->size;
    return authority == AUTHORITY_YES || (authority != AUTHORITY_NO && anchor && !strict);
}

// Sections 4.2.1.9 and 4.2.1.3.
static enum tls_verify_code strict_usage(const struct tls_known *known)
{
    unsigned facts = known->facts;
    bool signs = (facts & FACT_USAGE) != 0 && (known->usage & USAGE_SIGN_CERTIFICATES) != 0;
    bool ca = (facts & FACT_CA) != 0;
    if (known->path_length >= 0 && !ca)
        return TLS_VERIFY_PATH_LENGTH_NO_CA;
    if (known->path_length >= 0 && !signs)
        return TLS_VERIFY_PATH_LENGTH_NO_SIGNER;
    if (ca && (facts & FACT_BASIC) != 0 && (facts & FACT_BASIC_CRITICAL) == 0)
        return TLS_VERIFY_BASIC_NOT_CRITICAL;
    if (ca && (facts & FACT_USAGE) == 0)
        return TLS_VERIFY_CA_WITHOUT_USAGE;
    return !ca && signs ? TLS_VERIFY_SIGNER_NO_CA : TLS_VERIFY_OK;
}

// Sections 4.1.2.4, 4.1.2.6 and 4.2.1.6.
static enum tls_verify_code strict_names(const struct tls_known *known)
{
    unsigned facts = known->facts;
    bool names = (facts & FACT_NAMES) != 0, subject = known->subject.size > 0;
    bool signs_lists = (known->usage & USAGE_SIGN_LISTS) != 0;
    if (known->issuer.size == 0)
        return TLS_VERIFY_NO_ISSUER_NAME;
    if (!subject && ((facts & FACT_CA) != 0 || signs_lists || !names))
        return TLS_VERIFY_NO_SUBJECT_NAME;
    if (!subject && names && (facts & FACT_NAMES_CRITICAL) == 0)
        return TLS_VERIFY_NAMES_NOT_CRITICAL;
    return names && known->names.size == 0 ? TLS_VERIFY_NO_ALTERNATIVE_NAMES : TLS_VERIFY_OK;
}

// Sections 4.2.1.1 and 4.2.1.2.
static enum tls_verify_code strict_keys(const struct tls_known *known, bool last)
{
    unsigned facts = known->facts;
    if (facts & FACT_AUTHORITY_CRITICAL)
        return TLS_VERIFY_AUTHORITY_KEY_CRITICAL;
    if (facts & FACT_KEY_ID_CRITICAL)
        return TLS_VERIFY_SUBJECT_KEY_CRITICAL;
    if (known->parsed->version < 3)
        return TLS_VERIFY_OK;
    if (!last && (facts & FACT_AUTHORITY_KEY) == 0)
        return TLS_VERIFY_NO_AUTHORITY_KEY;
    return (facts & FACT_CA) != 0 && (facts & FACT_KEY_ID) == 0 ? TLS_VERIFY_NO_SUBJECT_KEY
                                                                : TLS_VERIFY_OK;
}

static enum tls_verify_code judge_strictly(const struct tls_judging *judging, size_t depth)
{
    const struct tls_known *known = judging->path[depth].known;
    // RFC 6818 section 2: what stands alone is no matter of RFC 5280.
    if ((judging->rules->flags & TLS_VERIFY_X509_STRICT) == 0 || judging->size == 1)
        return TLS_VERIFY_OK;
    enum tls_verify_code code = strict_usage(known);
    if (code == TLS_VERIFY_OK)
        code = strict_names(known);
    return code != TLS_VERIFY_OK ? code : strict_keys(known, depth + 1 == judging->size);
}

// path_length: how many stand between this one and the peer's own, those aside that have issued
// themselves.
static enum tls_verify_code judge(const struct tls_judging *judging, size_t depth, int path_length)
{
    const struct tls_known *known = judging->path[depth].known;
    if (known->facts & FACT_UNHANDLED)
        return TLS_VERIFY_UNHANDLED_CRITICAL;
    // RFC 3820 has them signed by what is no authority: refused even if they are allowed.
    if (known->facts & FACT_PROXY)
        return TLS_VERIFY_PROXY;
    if (!authority_is_good(judging, depth))
        return TLS_VERIFY_INVALID_CA;
    if (judging->size > 1 && (known->facts & FACT_EXPLICIT_CURVE) != 0)
        return TLS_VERIFY_EXPLICIT_CURVE;
    enum tls_verify_code code = judge_strictly(judging, depth);
    if (code != TLS_VERIFY_OK)
        return code;
    if (!purpose_is_good(judging, depth))
        return TLS_VERIFY_PURPOSE;
    bool too_long = depth > 1 && known->path_length >= 0 && path_length > known->path_length;
    return too_long ? TLS_VERIFY_PATH_LENGTH : TLS_VERIFY_OK;
}

enum tls_verify_code tls_verify_extensions(struct tls_judging *judging)
{
    int path_length = 0;
    for (size_t depth = 0; depth < judging->size; depth++) {
        enum tls_verify_code code = judge(judging, depth, path_length);
        if (code != TLS_VERIFY_OK)
            return tls_verify_blame(judging, depth, code);
        if (depth > 0 && (judging->path[depth].known->facts & FACT_SELF_ISSUED) == 0)
            path_length++;
    }
    return TLS_VERIFY_OK;
}

// tls_verify_constraints.c - name constraints (RFC 5280 section 4.2.1.10): which names an authority
// may vouch for.
#include <stdlib.h>

#include "buf.h"
#include "tls_verify_der.h"
#include "tls_verify_name.h"
#include "tls_verify_priv.h"

enum {
    COMPARISONS_MAX = 1 << 20, // names times constraints: more are made to keep us busy
    TEXT_MAX = 1 << 16,        // bytes of a common name
    TAG_IA5 = 22,
};

// A name of a certificate, of a kind of GeneralName's.
struct subject_name {
    int kind;
    struct str text; // contents; of a directory name: canonical
};

// Each compares a name with the base of a subtree: OK, NOT_PERMITTED (it lies outside), or what is
// wrong.
typedef enum tls_verify_code within_fn(struct str name, struct str base);

static bool ends_with(struct str text, struct str end)
{
    return text.size >= end.size &&
           str_equal_nocase((struct str){text.data + (text.size - end.size), end.size}, end);
}

static enum tls_verify_code verdict(bool within)
{
    return within ? TLS_VERIFY_OK : TLS_VERIFY_NOT_PERMITTED;
}

static enum tls_verify_code dns_within(struct str name, struct str base)
{
    if (base.size == 0)
        return TLS_VERIFY_OK;
    if (!ends_with(name, base))
        return TLS_VERIFY_NOT_PERMITTED;
    // Whole labels may stand before it.
    return verdict(name.size == base.size || base.data[0] == '.' ||
                   name.data[name.size - base.size - 1] == '.');
}

static enum tls_verify_code email_within(struct str name, struct str base)
{
    const char *at = memrchr(name.data, '@', name.size);
    const char *base_at = base.size > 0 ? memrchr(base.data, '@', base.size) : NULL;
    if (at == NULL)
        return TLS_VERIFY_NAME_SYNTAX;
    if (base_at == NULL && base.size > 0 && base.data[0] == '.')
        return verdict(name.size > base.size && ends_with(name, base));
    size_t local = (size_t)(at - name.data);
    if (base_at != NULL) {
        size_t base_local = (size_t)(base_at - base.data);
        if (base_local > 0) {
            if (base_local != local)
                return TLS_VERIFY_NOT_PERMITTED;
            if (memchr(base.data, 0, local) != NULL || memchr(name.data, 0, local) != NULL)
                return TLS_VERIFY_NAME_SYNTAX;
            if (memcmp(base.data, name.data, local) != 0)
                return TLS_VERIFY_NOT_PERMITTED;
        }
        base = (struct str){base_at + 1, base.size - base_local - 1};
    }
    return verdict(str_equal_nocase((struct str){at + 1, name.size - local - 1}, base));
}

static enum tls_verify_code uri_within(struct str name, struct str base)
{
    const char *end = name.data + name.size;
    const char *colon = memchr(name.data, ':', name.size);
    if (colon == NULL || end - colon < 3 || colon[1] != '/' || colon[2] != '/')
        return TLS_VERIFY_NAME_SYNTAX;
    struct str host = {colon + 3, (size_t)(end - colon - 3)};
    const char *stop = memchr(host.data, ':', host.size);
    if (stop == NULL)
        stop = memchr(host.data, '/', host.size);
    if (stop != NULL)
        host.size = (size_t)(stop - host.data);
    if (host.size == 0)
        return TLS_VERIFY_NAME_SYNTAX;
    if (base.size > 0 && base.data[0] == '.')
        return verdict(host.size > base.size && ends_with(host, base));
    return verdict(str_equal_nocase(host, base));
}

static enum tls_verify_code address_within(struct str name, struct str base)
{
    if ((name.size != 4 && name.size != 16) || (base.size != 8 && base.size != 32))
        return TLS_VERIFY_NAME_SYNTAX;
    if (name.size * 2 != base.size)
        return TLS_VERIFY_NOT_PERMITTED;
    for (size_t i = 0; i < name.size; i++)
        if (((name.data[i] ^ base.data[i]) & base.data[name.size + i]) != 0)
            return TLS_VERIFY_NOT_PERMITTED;
    return TLS_VERIFY_OK;
}

// base is the Name as DER; the name is canonical.
static enum tls_verify_code directory_within(struct str name, struct str base)
{
    _buf_ struct buf canonical = BUF_INIT(TLS_NAME_MAX);
    if (!tls_name_canonical(&canonical, base))
        return TLS_VERIFY_CONSTRAINT_SYNTAX;
    return verdict(canonical.size == 0 || str_starts(name, buf_str(&canonical)));
}

static const struct {
    int kind;
    within_fn *within;
} kinds[] = {
    {NAME_DIRECTORY, directory_within}, {NAME_DNS, dns_within},
    {NAME_EMAIL, email_within},         {NAME_URI, uri_within},
    {NAME_ADDRESS, address_within},
};

static within_fn *find_kind(int kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].kind == kind)
            return kinds[i].within;
    return NULL;
}

// An otherName's own kind: its OID.
static struct str other_kind(struct str contents)
{
    struct str oid = {NULL, 0};
    (void)!tls_value_take(&contents, TLS_DER_OID, &oid);
    return oid;
}

static bool same_kind(const struct subject_name *name, int kind, struct str base)
{
    if (name->kind != kind)
        return false;
    return kind != NAME_OTHER || str_equal(other_kind(name->text), other_kind(base));
}

// minimum must be 0, and there must be no maximum.
static bool has_plain_bounds(struct str bounds)
{
    struct str minimum;
    int value;
    if (tls_value_take(&bounds, 0x80, &minimum) &&
        (!tls_value_integer(minimum, &value) || value != 0))
        return false;
    return bounds.size == 0;
}

// Compares with all subtrees of a list. *any: one was of this kind. OK where one has it,
// NOT_PERMITTED where none has.
static enum tls_verify_code judge_subtrees(const struct subject_name *name, struct str subtrees,
                                           bool *any)
{
    enum tls_verify_code result = TLS_VERIFY_NOT_PERMITTED;
    struct str subtree, base;
    int kind;
    *any = false;
    while (subtrees.size > 0) {
        if (!tls_value_take(&subtrees, TLS_DER_SEQUENCE, &subtree) ||
            !tls_value_next(&subtree, &kind, &base))
            return TLS_VERIFY_CONSTRAINT_SYNTAX;
        if (!same_kind(name, kind, base))
            continue;
        if (!has_plain_bounds(subtree))
            return TLS_VERIFY_SUBTREE;
        *any = true;
        within_fn *within = find_kind(kind);
        enum tls_verify_code code = result == TLS_VERIFY_OK ? TLS_VERIFY_OK
                                    : within != NULL        ? within(name->text, base)
                                                            : TLS_VERIFY_CONSTRAINT_TYPE;
        if (code != TLS_VERIFY_OK && code != TLS_VERIFY_NOT_PERMITTED)
            return code;
        if (code == TLS_VERIFY_OK)
            result = TLS_VERIFY_OK;
    }
    return result;
}

static enum tls_verify_code judge_name(const struct subject_name *name, struct str constraints)
{
    enum { PERMITTED = 0xa0, EXCLUDED = 0xa1 };
    struct str subtrees;
    bool any;
    if (tls_value_take(&constraints, PERMITTED, &subtrees)) {
        enum tls_verify_code code = judge_subtrees(name, subtrees, &any);
        if (code != TLS_VERIFY_OK && (any || code != TLS_VERIFY_NOT_PERMITTED))
            return code;
    }
    if (tls_value_take(&constraints, EXCLUDED, &subtrees)) {
        enum tls_verify_code code = judge_subtrees(name, subtrees, &any);
        if (code == TLS_VERIFY_OK)
            return TLS_VERIFY_EXCLUDED;
        if (code != TLS_VERIFY_NOT_PERMITTED)
            return code;
    }
    return constraints.size == 0 ? TLS_VERIFY_OK : TLS_VERIFY_CONSTRAINT_SYNTAX;
}

static bool open_subject(const struct tls_known *known, struct tls_name_walk *walk)
{
    struct str name = {(const char *)known->parsed->subject_raw.p, known->parsed->subject_raw.len};
    *walk = (struct tls_name_walk){.set = {NULL, 0}};
    return tls_value_take(&name, TLS_DER_SEQUENCE, &walk->rest);
}

static enum tls_verify_code judge_subject(const struct tls_known *known, struct str constraints)
{
    struct subject_name name = {NAME_DIRECTORY, known->subject};
    struct tls_name_walk walk;
    struct str oid;
    int tag;
    if (known->subject.size == 0 || !open_subject(known, &walk))
        return TLS_VERIFY_OK;
    enum tls_verify_code code = judge_name(&name, constraints);
    name.kind = NAME_EMAIL;
    while (code == TLS_VERIFY_OK && tls_name_next(&walk, &oid, &tag, &name.text))
        if (str_equal(oid, OID_EMAIL))
            code = tag == TAG_IA5 ? judge_name(&name, constraints) : TLS_VERIFY_NAME_SYNTAX;
    return code;
}

static enum tls_verify_code judge_names(const struct tls_known *known, struct str constraints)
{
    struct str names = known->names;
    struct subject_name name;
    enum tls_verify_code code = TLS_VERIFY_OK;
    while (code == TLS_VERIFY_OK && tls_value_next(&names, &name.kind, &name.text)) {
        struct subject_name directory = name;
        _buf_ struct buf canonical = BUF_INIT(TLS_NAME_MAX);
        if (name.kind == NAME_DIRECTORY) {
            if (!tls_name_canonical(&canonical, name.text))
                return TLS_VERIFY_NAME_SYNTAX;
            directory.text = buf_str(&canonical);
        }
        code = judge_name(&directory, constraints);
    }
    return code;
}

// Whether a common name looks like a host's, of two labels at least: it counts as one then.
static bool is_host_name(struct str text)
{
    bool dots = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')
            continue;
        if (i == 0 || i + 1 == text.size || (c != '-' && c != '.'))
            return false;
        if (c == '.' &&
            (text.data[i + 1] == '.' || text.data[i + 1] == '-' || text.data[i - 1] == '-'))
            return false;
        dots = dots || c == '.';
    }
    return dots;
}

static enum tls_verify_code judge_common_names(const struct tls_known *known,
                                               struct str constraints)
{
    struct tls_name_walk walk;
    struct str oid, value;
    enum tls_verify_code code = TLS_VERIFY_OK;
    int tag;
    if (!open_subject(known, &walk))
        return TLS_VERIFY_OK;
    while (code == TLS_VERIFY_OK && tls_name_next(&walk, &oid, &tag, &value)) {
        _buf_ struct buf text = BUF_INIT(TEXT_MAX);
        if (!str_equal(oid, OID_COMMON_NAME))
            continue;
        if (!tls_name_utf8(&text, tag, value))
            return TLS_VERIFY_NAME_SYNTAX;
        // A NUL at the end is harmless; one in the middle is none.
        while (text.size > 0 && text.data[text.size - 1] == '\0')
            text.size--;
        struct subject_name name = {NAME_DNS, buf_str(&text)};
        if (text.size > 0 && memchr(text.data, 0, text.size) != NULL)
            return TLS_VERIFY_NAME_SYNTAX;
        if (is_host_name(name.text))
            code = judge_name(&name, constraints);
    }
    return code;
}

static bool has_dns_name(const struct tls_known *known)
{
    struct str names = known->names, name;
    int kind;
    while (tls_value_next(&names, &kind, &name))
        if (kind == NAME_DNS)
            return true;
    return false;
}

static size_t count(struct str list)
{
    struct str content;
    size_t number = 0;
    int tag;
    while (tls_value_next(&list, &tag, &content))
        number++;
    return number;
}

static bool is_too_much(const struct tls_known *known, struct str constraints)
{
    struct tls_name_walk walk;
    struct str subtrees, oid, value;
    size_t names = count(known->names), bases = 0;
    int tag;
    while (tls_value_next(&constraints, &tag, &subtrees))
        bases += count(subtrees);
    for (bool open = open_subject(known, &walk); open && tls_name_next(&walk, &oid, &tag, &value);)
        names++;
    return names > 0 && bases > COMPARISONS_MAX / names;
}

// One certificate by the constraints of one above it.
static enum tls_verify_code judge(const struct tls_judging *judging, size_t depth,
                                  struct str constraints)
{
    const struct tls_known *known = judging->path[depth].known;
    unsigned flags = judging->rules->host_flags;
    if (is_too_much(known, constraints))
        return TLS_VERIFY_UNSPECIFIED;
    enum tls_verify_code code = judge_subject(known, constraints);
    if (code == TLS_VERIFY_OK)
        code = judge_names(known, constraints);
    if (code != TLS_VERIFY_OK || depth > 0 || (flags & TLS_HOST_NEVER_CHECK_SUBJECT) != 0)
        return code;
    if ((flags & TLS_HOST_ALWAYS_CHECK_SUBJECT) == 0 && has_dns_name(known))
        return code;
    return judge_common_names(known, constraints);
}

enum tls_verify_code tls_verify_constraints(struct tls_judging *judging)
{
    for (size_t depth = judging->size; depth-- > 0;) {
        // Those that issue themselves are passed over, but for the peer's own.
        if (depth > 0 && (judging->path[depth].known->facts & FACT_SELF_ISSUED) != 0)
            continue;
        for (size_t above = judging->size; --above > depth;) {
            const struct tls_known *issuer = judging->path[above].known;
            if ((issuer->facts & FACT_CONSTRAINTS) == 0)
                continue;
            enum tls_verify_code code = judge(judging, depth, issuer->constraints);
            if (code != TLS_VERIFY_OK)
                return tls_verify_blame(judging, depth, code);
        }
    }
    return TLS_VERIFY_OK;
}

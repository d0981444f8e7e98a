// tls_load_names.c - whom a certificate is for: subject alternative names, and the common name
// where there are none (RFC 9525 would not have it, home-made certificates do). Which of two
// certificates a name gets.
#include <arpa/inet.h>
#include <ctype.h>

#include <mbedtls/oid.h>

#include "tls_load_priv.h"

enum { ADDRESS_V4 = 4, ADDRESS_V6 = 16 }; // bytes

const char *tls_load_next_name(struct str names, const char *name)
{
    const char *next = name == NULL ? names.data : name + strlen(name) + 1;
    return names.size > 0 && next < names.data + names.size ? next : NULL;
}

static bool has_name(struct str names, const char *wanted)
{
    for (const char *name = NULL; (name = tls_load_next_name(names, name)) != NULL;) {
        if (strcmp(name, wanted) == 0)
            return true;
    }
    return false;
}

// A name with other characters than these is one that no client asks for, and no log wants.
static bool is_host_name(const mbedtls_x509_buf *text)
{
    for (size_t i = 0; i < text->len; i++) {
        if (!isalnum(text->p[i]) && strchr("-_.*", text->p[i]) == NULL)
            return false;
        if (text->p[i] == '\0')
            return false;
    }
    return text->len > 0;
}

static void add(struct tls_chain *chain, const char *name)
{
    if (!has_name(buf_str(&chain->names), name))
        buf_append(&chain->names, name, strlen(name) + 1);
}

static void add_host(struct tls_loading *loading, struct tls_chain *chain,
                     const mbedtls_x509_buf *text)
{
    char name[256]; // RFC 1035 section 2.3.4: less
    if (!is_host_name(text) || text->len >= sizeof name) {
        tls_load_warn(loading, "%s: a name in the certificate is no host name, left out",
                      chain->file);
        return;
    }
    for (size_t i = 0; i < text->len; i++)
        name[i] = (char)tolower(text->p[i]);
    name[text->len] = '\0';
    add(chain, name);
}

static void add_address(struct tls_chain *chain, const mbedtls_x509_buf *address)
{
    char text[INET6_ADDRSTRLEN];
    int family = address->len == ADDRESS_V4 ? AF_INET : AF_INET6;
    if ((address->len == ADDRESS_V4 || address->len == ADDRESS_V6) &&
        inet_ntop(family, address->p, text, sizeof text) != NULL)
        add(chain, text);
}

static void add_common_name(struct tls_loading *loading, struct tls_chain *chain)
{
    const mbedtls_x509_name *name = &chain->certificates[0].subject;
    for (; name != NULL; name = name->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0 && is_host_name(&name->val))
            add_host(loading, chain, &name->val);
    }
}

void tls_load_names(struct tls_loading *loading, struct tls_chain *chain)
{
    const mbedtls_x509_crt *own = &chain->certificates[0];
    const mbedtls_x509_sequence *entry = &own->subject_alt_names;
    bool has_alternatives = mbedtls_x509_crt_has_ext_type(own, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME);
    for (; has_alternatives && entry != NULL; entry = entry->next) {
        int type = entry->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
        if (type == MBEDTLS_X509_SAN_DNS_NAME)
            add_host(loading, chain, &entry->buf);
        else if (type == MBEDTLS_X509_SAN_IP_ADDRESS)
            add_address(chain, &entry->buf);
    }
    if (!has_alternatives)
        add_common_name(loading, chain);
    if (chain->names.size == 0)
        tls_load_warn(loading,
                      "%s: a certificate without any host name or address: clients that check "
                      "will refuse it",
                      chain->file);
}

// --- two certificates ---

static bool is_same(const struct tls_chain *a, const struct tls_chain *b)
{
    const mbedtls_x509_buf *one = &a->certificates[0].raw, *other = &b->certificates[0].raw;
    return one->len == other->len && memcmp(one->p, other->p, one->len) == 0;
}

// Both have this name, and a client that takes the one kind of key takes the other.
static void warn_of_shared(struct tls_loading *loading, const struct tls_chain *first,
                           const struct tls_chain *second)
{
    struct str names = buf_str(&second->names);
    if (strncmp(first->kind, second->kind, 3) != 0)
        return;
    for (const char *name = NULL; (name = tls_load_next_name(names, name)) != NULL;) {
        if (has_name(buf_str(&first->names), name)) {
            tls_load_warn(loading, "%s: for %s the certificate in %s is used, which comes first",
                          second->file, name, first->file);
            return;
        }
    }
}

int tls_load_compare(struct tls_loading *loading, struct err *err)
{
    for (const struct tls_chain *first = loading->chains; first != NULL; first = first->next) {
        for (const struct tls_chain *second = first->next; second != NULL; second = second->next) {
            if (is_same(first, second))
                return err_set(err, ERR_FAILED, "%s: the same certificate as in %s (name it once)",
                               second->file, first->file);
            warn_of_shared(loading, first, second);
        }
    }
    return 0;
}

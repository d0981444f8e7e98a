// tls_load_client.c - the authorities that clients' certificates have to be from, and their lists
// of what they have revoked (RFC 5280).
#include <stdlib.h>

// A list's signature is not in mbedTLS's public interface, but nothing there checks a list alone.
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include <mbedtls/md.h>
#include <mbedtls/x509_crl.h>

#include "check.h"
#include "tls_load_priv.h"

struct clients {
    struct tls_loading *loading;
    const char *file; // that is being read
    mbedtls_x509_crt authorities;
    struct buf der; // what is read, one behind the other
};

static struct str handed_over(struct buf *buf)
{
    struct str bytes = buf->size > 0 ? tls_copy(buf->data, buf->size) : (struct str){NULL, 0};
    buf_fini(buf);
    return bytes;
}

static int append(struct clients *clients, const mbedtls_x509_buf *raw, struct err *err)
{
    if (buf_append(&clients->der, raw->p, raw->len) == 0)
        return 0;
    return err_set(err, ERR_FAILED, "%s: too much, at most 16M are taken", clients->file);
}

// --- authorities ---

static bool is_there(const mbedtls_x509_crt *list, struct str der)
{
    for (; list != NULL && list->raw.len > 0; list = list->next) {
        if (list->raw.len == der.size && memcmp(list->raw.p, der.data, der.size) == 0)
            return true;
    }
    return false;
}

static void warn_of(struct clients *clients, const mbedtls_x509_crt *authority, int number)
{
    int64_t end = tls_load_seconds(&authority->valid_to), now = clients->loading->now;
    char date[TLS_DATE_SIZE];
    tls_load_date(end, date);
    if (now != 0 && now > end)
        tls_load_warn(clients->loading,
                      "%s: authority %d has expired on %s: clients' certificates from it are "
                      "refused",
                      clients->file, number, date);
    // A certificate of version 1 does not say.
    if (authority->version == 3 && !authority->ca_istrue)
        tls_load_warn(clients->loading,
                      "%s: certificate %d is not an authority's: it is good for nothing but itself",
                      clients->file, number);
}

static int take_authority(void *owner, struct str der, int number, struct err *err)
{
    struct clients *clients = owner;
    mbedtls_x509_crt *last = &clients->authorities;
    if (is_there(last, der))
        return 0;
    if (tls_load_certificate(last, clients->file, der, number, err) < 0)
        return -1;
    while (last->next != NULL)
        last = last->next;
    warn_of(clients, last, number);
    return append(clients, &last->raw, err);
}

static int load_authorities(struct clients *clients, struct err *err)
{
    const struct config_list *files = &clients->loading->config->tls_client_ca;
    for (size_t i = 0; i < files->count; i++) {
        _tls_file_ struct tls_file file = {.data = NULL};
        clients->file = files->items[i];
        if (tls_load_read(clients->loading, &file, clients->file, err) < 0)
            return -1;
        int count = tls_file_each(&file, "CERTIFICATE", take_authority, clients, err);
        if (count == 0)
            err_set(err, ERR_FAILED,
                    "%s: no certificate in PEM in it (\"-----BEGIN CERTIFICATE-----\")",
                    clients->file);
        if (count <= 0)
            return -1;
    }
    return 0;
}

// --- lists ---

static bool is_signed_by(const mbedtls_x509_crl *list, mbedtls_x509_crt *authority)
{
    unsigned char hash[MBEDTLS_MD_MAX_SIZE];
    const mbedtls_md_info_t *algorithm = mbedtls_md_info_from_type(list->sig_md);
    return algorithm != NULL && mbedtls_md(algorithm, list->tbs.p, list->tbs.len, hash) == 0 &&
           mbedtls_pk_verify_ext(list->sig_pk, list->sig_opts, &authority->pk, list->sig_md, hash,
                                 mbedtls_md_get_size(algorithm), list->sig.p, list->sig.len) == 0;
}

static int check_list(struct clients *clients, const mbedtls_x509_crl *list, struct err *err)
{
    int64_t now = clients->loading->now;
    char date[TLS_DATE_SIZE];
    mbedtls_x509_crt *authority = &clients->authorities;
    while (authority != NULL && !is_signed_by(list, authority))
        authority = authority->next;
    if (authority == NULL)
        return err_set(err, ERR_FAILED,
                       "%s: a list of revoked certificates that none of the authorities of "
                       "--tls-client-ca has signed",
                       clients->file);
    if (mbedtls_x509_crt_check_key_usage(authority, MBEDTLS_X509_KU_CRL_SIGN) != 0)
        return err_set(err, ERR_FAILED,
                       "%s: the authority that signed it may sign no lists: its key usage lacks "
                       "cRLSign",
                       clients->file);
    // Version 1 has no such date to be without.
    if (list->next_update.year == 0)
        return 0;
    int64_t until = tls_load_seconds(&list->next_update),
            *first = &clients->loading->out->lists_until;
    if (*first == 0 || until < *first)
        *first = until;
    if (now == 0 || until >= now)
        return 0;
    tls_load_date(until, date);
    tls_load_warn(
        clients->loading,
        "%s: the list of revoked certificates was due for renewal on %s, and clients of its "
        "authority are refused until there is a new one (fetch it)",
        clients->file, date);
    return 0;
}

static int parse_list(struct clients *clients, struct str der, struct err *err)
{
    mbedtls_x509_crl list;
    mbedtls_x509_crl_init(&list);
    int result = mbedtls_x509_crl_parse_der(&list, (const unsigned char *)der.data, der.size);
    if (result != 0)
        err_set(err, ERR_FAILED,
                "%s: no list of revoked certificates, neither PEM nor DER, or "
                "damaged",
                clients->file);
    if (result == 0 && (result = check_list(clients, &list, err)) == 0)
        result = append(clients, &list.raw, err);
    mbedtls_x509_crl_free(&list);
    return result == 0 ? 0 : -1;
}

static int take_list(void *owner, struct str der, int number, struct err *err)
{
    (void)number;
    return parse_list(owner, der, err);
}

static int load_lists(struct clients *clients, struct err *err)
{
    const struct config_list *files = &clients->loading->config->tls_crl;
    for (size_t i = 0; i < files->count; i++) {
        _tls_file_ struct tls_file file = {.data = NULL};
        clients->file = files->items[i];
        if (tls_load_read(clients->loading, &file, clients->file, err) < 0)
            return -1;
        int count = tls_file_each(&file, "X509 CRL", take_list, clients, err);
        if (count < 0)
            return -1;
        struct str whole = {(const char *)file.data, file.size};
        if (count == 0 && parse_list(clients, whole, err) < 0)
            return -1;
    }
    return 0;
}

int tls_load_clients(struct tls_loading *loading, struct err *err)
{
    struct tls_material *material = &loading->out->material;
    struct clients clients = {.loading = loading, .der = BUF_INIT(TLS_AUTHORITIES_MAX)};
    mbedtls_x509_crt_init(&clients.authorities);
    int result = load_authorities(&clients, err);
    material->client_ca = handed_over(&clients.der);
    if (result == 0) {
        clients.der = BUF_INIT(TLS_AUTHORITIES_MAX);
        result = load_lists(&clients, err);
        material->client_crl = handed_over(&clients.der);
    }
    mbedtls_x509_crt_free(&clients.authorities);
    return result;
}

// tls_client.c - a client's verified certificate as texts, for applications.
#include <mbedtls/asn1.h>
#include <mbedtls/base64.h>
#include <mbedtls/oid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "tls_priv.h"

enum {
    NAME_PARTS_MAX = 64,
    NAME_MAX_SIZE = 4096, // bytes of a distinguished name as text
    CHAIN_MAX = 10,       // certificates
    LINE_SIZE = 64,       // characters of base64 in a line of PEM (RFC 7468)
};

struct owned {
    struct tls_client client; // its texts are below
    char *subject, *issuer, *common_name, *serial, *not_before, *not_after;
    char *chain[CHAIN_MAX + 1];
};

// The last part first (RFC 4514 section 2.1), "+" between those of one place (section 2.2). NULL
// also where there are too many to be told.
static char *distinguished_name(const mbedtls_x509_name *name)
{
    const mbedtls_x509_name *parts[NAME_PARTS_MAX];
    size_t count = 0, size = 0;
    char text[NAME_MAX_SIZE] = "";
    for (; name != NULL; name = name->next) {
        if (count == NAME_PARTS_MAX)
            return NULL;
        parts[count++] = name;
    }
    while (count > 0) {
        mbedtls_x509_name part = *parts[--count];
        if (size > 0 && size + 1 < sizeof text)
            text[size++] = part.MBEDTLS_PRIVATE(next_merged) ? '+' : ',';
        part.next = NULL;
        part.MBEDTLS_PRIVATE(next_merged) = 0;
        int result = mbedtls_x509_dn_gets(text + size, sizeof text - size, &part);
        if (result < 0)
            return NULL;
        size += (size_t)result;
    }
    text[size] = '\0';
    return strdup(text);
}

// Of one byte a character, without what would end a text early.
static bool is_text(const mbedtls_x509_buf *value)
{
    static const int tags[] = {MBEDTLS_ASN1_UTF8_STRING, MBEDTLS_ASN1_PRINTABLE_STRING,
                               MBEDTLS_ASN1_IA5_STRING, MBEDTLS_ASN1_T61_STRING};
    bool known = false;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        known |= value->tag == tags[i];
    return known && memchr(value->p, '\0', value->len) == NULL;
}

// "" also where it is no text: whoever believes it must not take one name for another.
static char *common_name_of(const mbedtls_x509_name *name)
{
    for (; name != NULL; name = name->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0 && is_text(&name->val))
            return strndup((const char *)name->val.p, name->val.len);
    }
    return strdup("");
}

static char *time_of(const mbedtls_x509_time *time)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char *text;
    int month = time->mon >= 1 && time->mon <= 12 ? time->mon : 1;
    if (asprintf(&text, "%s %2d %02d:%02d:%02d %d GMT", months[month - 1], time->day, time->hour,
                 time->min, time->sec, time->year) < 0)
        return NULL;
    return text;
}

char *tls_client_pem(const mbedtls_x509_buf *raw)
{
    size_t size = 0;
    mbedtls_base64_encode(NULL, 0, &size, raw->p, raw->len);
    unsigned char *encoded = malloc(size + 1);
    struct buf out = BUF_INIT(size * 2 + 128);
    if (encoded == NULL || mbedtls_base64_encode(encoded, size + 1, &size, raw->p, raw->len) != 0) {
        free(encoded);
        return NULL;
    }
    int result = buf_append_str(&out, STR("-----BEGIN CERTIFICATE-----\n"));
    for (size_t at = 0; at < size; at += LINE_SIZE)
        result |= buf_printf(&out, "%.*s\n", LINE_SIZE, encoded + at);
    result |= buf_append_str(&out, STR("-----END CERTIFICATE-----\n"));
    free(encoded);
    if (result == 0)
        return out.data; // the buffer is given up, its bytes are the caller's
    buf_fini(&out);
    return NULL;
}

static bool is_complete(const struct owned *owned, size_t chain_size)
{
    const char *texts[] = {owned->subject, owned->issuer,     owned->common_name,
                           owned->serial,  owned->not_before, owned->not_after};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i] == NULL)
            return false;
    }
    for (size_t i = 0; i < chain_size; i++) {
        if (owned->chain[i] == NULL)
            return false;
    }
    return true;
}

struct tls_client *tls_client_new(const mbedtls_x509_crt *chain)
{
    struct owned *owned = calloc(1, sizeof *owned);
    if (owned == NULL)
        return NULL;
    owned->subject = distinguished_name(&chain->subject);
    owned->issuer = distinguished_name(&chain->issuer);
    owned->common_name = common_name_of(&chain->subject);
    owned->serial = tls_library_serial(chain->serial.p, chain->serial.len);
    owned->not_before = time_of(&chain->valid_from);
    owned->not_after = time_of(&chain->valid_to);
    size_t count = 0;
    for (const mbedtls_x509_crt *one = chain; one != NULL && count < CHAIN_MAX; one = one->next)
        owned->chain[count++] = tls_client_pem(&one->raw);
    if (!is_complete(owned, count)) {
        tls_client_free(&owned->client);
        return NULL;
    }
    owned->client = (struct tls_client){
        .subject = owned->subject,
        .issuer = owned->issuer,
        .common_name = owned->common_name,
        .serial = owned->serial,
        .not_before = owned->not_before,
        .not_after = owned->not_after,
        .chain = (const char *const *)owned->chain,
    };
    return &owned->client;
}

void tls_client_free(struct tls_client *client)
{
    struct owned *owned = (struct owned *)client; // client is its first member
    if (owned == NULL)
        return;
    free(owned->subject);
    free(owned->issuer);
    free(owned->common_name);
    free(owned->serial);
    free(owned->not_before);
    free(owned->not_after);
    for (size_t i = 0; i < CHAIN_MAX; i++)
        free(owned->chain[i]);
    free(owned);
}

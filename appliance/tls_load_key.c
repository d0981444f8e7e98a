// tls_load_key.c - private keys: which kinds are served with, their passwords, and which
// certificates they are of. PKCS#1 (RFC 8017), SEC1 (RFC 5915), PKCS#8 (RFC 5958), the latter
// encrypted by PBES2 (RFC 8018), and PEM's own encryption (RFC 1421).
#include <stdio.h>
#include <stdlib.h>

#include <mbedtls/ecp.h>
#include <mbedtls/psa_util.h>

#include "check.h"
#include "cleanup.h"
#include "tls_load_priv.h"

enum {
    RSA_BITS_MIN = 2048, // NIST SP 800-131A; the least that browsers take
    RSA_BITS_MAX = 8192, // what mbedTLS makes signatures with
    OTHERS = 0007,       // st_mode
};

static const struct {
    mbedtls_ecp_group_id id;
    const char *name;
} curves[] = {{MBEDTLS_ECP_DP_SECP256R1, "ECDSA P-256"},
              {MBEDTLS_ECP_DP_SECP384R1, "ECDSA P-384"},
              {MBEDTLS_ECP_DP_SECP521R1, "ECDSA P-521"}};

// As they stand in DER, tag and size first.
static const struct {
    struct str oid;
    const char *name;
} foreign[] = {{STR("\x06\x03\x2b\x65\x70"), "Ed25519"},
               {STR("\x06\x03\x2b\x65\x71"), "Ed448"},
               {STR("\x06\x03\x2b\x65\x6e"), "X25519"},
               {STR("\x06\x07\x2a\x86\x48\xce\x38\x04\x01"), "DSA"},
               {STR("\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03"), "ML-DSA"},
               {STR("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"), "RSA-PSS"}};

#define WAY_OUT "(use a key of ECDSA P-256, or RSA from 2048 bits on)"
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

const char *tls_load_foreign(struct str der)
{
    for (size_t i = 0; i < COUNT(foreign); i++) {
        if (memmem(der.data, der.size, foreign[i].oid.data, foreign[i].oid.size) != NULL)
            return foreign[i].name;
    }
    return NULL;
}

bool tls_load_kind(const mbedtls_pk_context *key, char kind[static 16], const char *file,
                   struct err *err)
{
    size_t bits = mbedtls_pk_get_bitlen(key);
    if (mbedtls_pk_get_type(key) == MBEDTLS_PK_RSA) {
        snprintf(kind, 16, "RSA %zu", bits);
        if (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX)
            return true;
        err_set(err, ERR_FAILED, "%s: an RSA key of %zu bits is %s %s", file, bits,
                bits < RSA_BITS_MIN ? "too weak" : "too large", WAY_OUT);
        return false;
    }
    if (mbedtls_pk_get_type(key) == MBEDTLS_PK_ECKEY) {
        mbedtls_ecp_group_id id = mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(*key));
        for (size_t i = 0; i < COUNT(curves); i++) {
            if (curves[i].id == id) {
                snprintf(kind, 16, "%s", curves[i].name);
                return true;
            }
        }
    }
    err_set(err, ERR_FAILED, "%s: TLS has no use for a key of this kind or curve %s", file,
            WAY_OUT);
    return false;
}

struct str tls_load_public_key(const mbedtls_pk_context *key)
{
    unsigned char der[TLS_DER_MAX];
    int size = mbedtls_pk_write_pubkey_der(key, der, sizeof der);
    must(size > 0);
    return tls_copy(der + sizeof der - size, (size_t)size);
}

// --- passwords ---

int tls_load_password(struct tls_loading *loading, struct err *err)
{
    const struct config *config = loading->config;
    struct tls_file *file = &loading->password_file;
    if (config->tls_key_password != NULL)
        loading->password = str_of(config->tls_key_password);
    if (config->tls_key_password_file == NULL)
        return 0;
    if (tls_load_read(loading, file, config->tls_key_password_file, err) < 0)
        return -1;
    loading->password = (struct str){(char *)file->data, strcspn((char *)file->data, "\r\n")};
    if (loading->password.size == 0)
        return err_set(err, ERR_FAILED, "%s: the first line is empty, the password belongs there",
                       file->path);
    if ((file->mode & OTHERS) != 0)
        tls_load_warn(loading, "%s: not its owner's alone (chmod o= %s)", file->path, file->path);
    return 0;
}

// --- reading ---

bool tls_load_holds_key(const struct tls_file *file)
{
    return tls_file_contains(file, "PRIVATE KEY-----");
}

// Only those marks count that stand at the beginning of a block.
static unsigned count_keys(const struct tls_file *file)
{
    unsigned count = 0;
    for (const char *at = (const char *)file->data; (at = strstr(at, "-----BEGIN ")) != NULL;) {
        const char *mark = at + strlen("-----BEGIN ");
        at = mark + strcspn(mark, "\r\n");
        count += memmem(mark, (size_t)(at - mark), "PRIVATE KEY-----", 16) != NULL;
    }
    return count;
}

static int take_foreign(void *owner, struct str der, int number, struct err *err)
{
    const char **name = owner;
    (void)number, (void)err;
    *name = tls_load_foreign(der);
    return 0;
}

static const char *name_foreign(const struct tls_file *file)
{
    const char *name = NULL;
    struct err ignored;
    if (tls_file_contains(file, "-----BEGIN DSA PRIVATE KEY-----"))
        return "DSA";
    if (tls_file_contains(file, "-----BEGIN OPENSSH PRIVATE KEY-----"))
        return "OpenSSH";
    tls_file_each(file, "PRIVATE KEY", take_foreign, &name, &ignored);
    return name;
}

static int refuse(const struct tls_loading *loading, const struct tls_file *file, int result,
                  struct err *err)
{
    bool encrypted = tls_file_contains(file, "ENCRYPTED");
    if (result == MBEDTLS_ERR_PK_PASSWORD_REQUIRED)
        return err_set(err, ERR_FAILED,
                       "%s: the private key is encrypted (write its password into a file: "
                       "--tls-key-password-file FILE)",
                       file->path);
    if (result == MBEDTLS_ERR_PK_PASSWORD_MISMATCH ||
        (encrypted && result == MBEDTLS_ERR_PK_KEY_INVALID_FORMAT))
        return err_set(err, ERR_FAILED, "%s: the private key is not encrypted with %s", file->path,
                       loading->password_file.path != NULL
                           ? "the password in --tls-key-password-file"
                           : "the password in LIMPET_TLS_KEY_PASSWORD");
    if (encrypted)
        return err_set(err, ERR_FAILED,
                       "%s: a private key encrypted in a way that is not known here (encrypt it "
                       "anew: openssl pkcs8 -topk8 -v2 aes-256-cbc)",
                       file->path);
    const char *name = name_foreign(file);
    if (name != NULL)
        return err_set(err, ERR_FAILED, "%s: a private key of kind %s, which is not served with %s",
                       file->path, name, WAY_OUT);
    return err_set(err, ERR_FAILED, "%s: the private key is damaged or of a kind not known here %s",
                   file->path, WAY_OUT);
}

static int parse(struct tls_loading *loading, const struct tls_file *file,
                 struct tls_private *private, struct err *err)
{
    char kind[16];
    int result =
        mbedtls_pk_parse_key(&private->context, file->data, file->size + 1,
                             (const unsigned char *)loading->password.data, loading->password.size,
                             mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    if (result != 0)
        return refuse(loading, file, result, err);
    if (!tls_load_kind(&private->context, kind, file->path, err))
        return -1;
    private->public_key = tls_load_public_key(&private->context);
    return 0;
}

int tls_load_key(struct tls_loading *loading, const struct tls_file *file, struct err *err)
{
    unsigned count = count_keys(file);
    if (count != 1)
        return err_set(err, ERR_FAILED, "%s: %s", file->path,
                       count == 0 ? "no private key in PEM in it"
                                  : "more than one private key in it (write each into a file)");
    if ((file->mode & OTHERS) != 0)
        tls_load_warn(loading, "%s: a private key that not only its owner may use (chmod o= %s)",
                      file->path, file->path);
    struct tls_private *private = calloc(1, sizeof *private);
    struct tls_private **end = &loading->keys;
    must_have(private != NULL && (private->file = strdup(file->path)) != NULL);
    mbedtls_pk_init(&private->context);
    while (*end != NULL)
        end = &(*end)->next;
    *end = private;
    return parse(loading, file, private, err);
}

void tls_load_keys_free(struct tls_private *keys)
{
    while (keys != NULL) {
        struct tls_private *next = keys->next;
        mbedtls_pk_free(&keys->context);
        free((char *)(uintptr_t)keys->public_key.data);
        free(keys->file);
        free(keys);
        keys = next;
    }
}

// --- matching ---

static int match(struct tls_loading *loading, struct tls_chain *chain, struct err *err)
{
    for (struct tls_private *key = loading->keys; key != NULL; key = key->next) {
        if (!str_equal(key->public_key, chain->public_key))
            continue;
        key->used = true;
        if (chain->key == NULL)
            chain->key = key;
    }
    if (chain->key == NULL)
        return err_set(err, ERR_FAILED, "%s: no private key for this certificate (%s)", chain->file,
                       loading->keys == NULL ? "name it: --tls-key FILE"
                                             : "none of the keys given is the one of it");
    if (mbedtls_pk_check_pair(&chain->certificates[0].pk, &chain->key->context,
                              mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE) != 0)
        return err_set(err, ERR_FAILED, "%s: the private key is damaged", chain->key->file);
    return 0;
}

int tls_load_match(struct tls_loading *loading, struct err *err)
{
    for (struct tls_chain *chain = loading->chains; chain != NULL; chain = chain->next) {
        if (match(loading, chain, err) < 0)
            return -1;
    }
    for (const struct tls_private *key = loading->keys; key != NULL; key = key->next) {
        if (!key->used)
            return err_set(err, ERR_FAILED,
                           "%s: a private key that fits none of the certificates (name its "
                           "certificate: --tls-certificate FILE)",
                           key->file);
    }
    return 0;
}

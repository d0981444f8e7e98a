// tls_setup_credential.c - certificates and keys from files (RFC 7468), as OpenSSL reads them.
#include <errno.h>
#include <fcntl.h>
#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/pem.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/psa_util.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "tls_stream_priv.h"
#include "tls_trust_priv.h"

enum {
    FILE_SIZE_MAX = 1 << 24, // bytes
    PASSWORD_MAX = 1024,     // bytes
};

struct tls_credential *tls_credential_hold(struct tls_credential *credential)
{
    atomic_fetch_add(&credential->holders, 1);
    return credential;
}

void tls_credential_drop(struct tls_credential *credential)
{
    if (credential == NULL || atomic_fetch_sub(&credential->holders, 1) > 1)
        return;
    mbedtls_x509_crt_free(&credential->chain);
    mbedtls_pk_free(&credential->key);
    tls_credential_drop(credential->lender);
    free(credential);
}

void tls_setup_take_credential(struct tls_setup *setup, struct tls_credential *credential)
{
    mbedtls_pk_type_t kind = mbedtls_pk_get_type(&credential->chain.pk);
    tls_setup_forget_completed(setup);
    for (size_t i = 0; i < setup->credential_count; i++) {
        if (mbedtls_pk_get_type(&setup->credentials[i]->chain.pk) == kind) {
            tls_credential_drop(setup->credentials[i]);
            setup->credentials[i] = credential;
            return;
        }
    }
    if (setup->credential_count == TLS_CREDENTIALS_MAX)
        tls_credential_drop(setup->credentials[--setup->credential_count]);
    setup->credentials[setup->credential_count++] = credential;
}

// --- files ---

// A file's bytes with a NUL behind them, to be wiped and freed by forget.
struct bytes {
    unsigned char *data;
    size_t size; // without the NUL
};

static void forget(struct bytes *bytes)
{
    if (bytes->data != NULL)
        mbedtls_platform_zeroize(bytes->data, bytes->size);
    free(bytes->data);
}

#define _bytes_ __attribute__((cleanup(forget)))

static int read_all(struct bytes *out, int fd, size_t size, struct tls_fault *fault)
{
    out->data = malloc(size + 1);
    if (out->data == NULL)
        return tls_fault_memory(fault);
    while (out->size < size) {
        ssize_t count = read(fd, out->data + out->size, size - out->size);
        if (count < 0 && errno != EINTR)
            return tls_fault_system(fault, errno);
        if (count == 0)
            break;
        out->size += count > 0 ? (size_t)count : 0;
    }
    out->data[out->size] = '\0';
    return 0;
}

static int load(struct bytes *out, const char *path, struct tls_fault *fault)
{
    struct stat status;
    *out = (struct bytes){NULL, 0};
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        return tls_fault_system(fault, errno);
    if (S_ISDIR(status.st_mode))
        return tls_fault_system(fault, EISDIR);
    if (status.st_size > FILE_SIZE_MAX)
        return tls_fault_system(fault, EFBIG);
    return read_all(out, fd, (size_t)status.st_size, fault);
}

// OpenSSL says no more than this of whatever is wrong with such a file.
static int damaged(struct tls_fault *fault)
{
    return tls_fault_set(fault, TLS_FAULT_SSL, "SSL", NULL, "PEM lib");
}

// --- certificates ---

static int add_certificate(struct tls_credential *credential, mbedtls_pem_context *pem)
{
    size_t size = 0;
    const unsigned char *der = mbedtls_pem_get_buffer(pem, &size);
    return tls_certificate_append(&credential->chain, (struct str){(const char *)der, size});
}

static int load_chain(struct tls_credential *credential, const struct bytes *file,
                      struct tls_fault *fault)
{
    const unsigned char *at = file->data;
    for (;;) {
        mbedtls_pem_context pem;
        size_t used = 0;
        mbedtls_pem_init(&pem);
        int result = mbedtls_pem_read_buffer(&pem, "-----BEGIN CERTIFICATE-----",
                                             "-----END CERTIFICATE-----", at, NULL, 0, &used);
        if (result == 0)
            result = add_certificate(credential, &pem);
        mbedtls_pem_free(&pem);
        if (result == MBEDTLS_ERR_PEM_NO_HEADER_FOOTER_PRESENT && at != file->data)
            return 0;
        if (result == MBEDTLS_ERR_X509_ALLOC_FAILED || result == MBEDTLS_ERR_PEM_ALLOC_FAILED)
            return tls_fault_memory(fault);
        if (result != 0)
            return damaged(fault);
        at += used;
    }
}

// --- keys ---

static int parse_key(mbedtls_pk_context *key, const struct bytes *file, const char *password,
                     size_t size)
{
    return mbedtls_pk_parse_key(key, file->data, file->size + 1, (const unsigned char *)password,
                                size, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
}

static int load_key(mbedtls_pk_context *key, const struct bytes *file, tls_password_function *ask,
                    void *owner, struct tls_fault *fault)
{
    char password[PASSWORD_MAX];
    int result = parse_key(key, file, NULL, 0);
    if (result == MBEDTLS_ERR_PK_PASSWORD_REQUIRED && ask != NULL) {
        int size = ask(owner, password, sizeof password);
        if (size >= 0)
            result = parse_key(key, file, password, (size_t)size);
        mbedtls_platform_zeroize(password, sizeof password);
        if (size < 0) {
            *fault = (struct tls_fault){.kind = TLS_FAULT_NONE};
            return -1;
        }
    }
    if (result == MBEDTLS_ERR_PK_ALLOC_FAILED)
        return tls_fault_memory(fault);
    return result == 0 ? 0 : damaged(fault);
}

// Bits of RSA, and of curves, that a security level of OpenSSL's asks for (its manual,
// SSL_CTX_set_security_level).
static const struct {
    size_t rsa, curve;
} least[] = {{0, 0}, {1024, 160}, {2048, 224}, {3072, 256}, {7680, 384}, {15360, 512}};

static int check_strength(const struct tls_setup *setup, const struct tls_credential *credential,
                          struct tls_fault *fault)
{
    size_t bits = mbedtls_pk_get_bitlen(&credential->chain.pk);
    int level = setup->rules.security_level;
    bool is_rsa = mbedtls_pk_get_type(&credential->chain.pk) == MBEDTLS_PK_RSA;
    if (level > 0 && bits < (is_rsa ? least[level].rsa : least[level].curve))
        return tls_fault_set(fault, TLS_FAULT_SSL, "SSL", "EE_KEY_TOO_SMALL", "ee key too small");
    return 0;
}

static int load_credential(struct tls_credential *credential, const char *certificate_path,
                           const char *key_path, tls_password_function *password, void *owner,
                           struct tls_fault *fault)
{
    _bytes_ struct bytes certificates = {NULL, 0};
    _bytes_ struct bytes key = {NULL, 0};
    if (load(&certificates, certificate_path, fault) < 0 ||
        load_chain(credential, &certificates, fault) < 0)
        return -1;
    if (key_path != NULL && load(&key, key_path, fault) < 0)
        return -1;
    if (load_key(&credential->key, key_path != NULL ? &key : &certificates, password, owner,
                 fault) < 0)
        return -1;
    if (mbedtls_pk_check_pair(&credential->chain.pk, &credential->key, mbedtls_psa_get_random,
                              MBEDTLS_PSA_RANDOM_STATE) != 0)
        return tls_fault_set(fault, TLS_FAULT_SSL, "X509", "KEY_VALUES_MISMATCH",
                             "key values mismatch");
    return 0;
}

int tls_setup_load_identity(struct tls_setup *setup, const char *certificate_path,
                            const char *key_path, tls_password_function *password, void *owner,
                            struct tls_fault *fault)
{
    struct tls_credential *credential = calloc(1, sizeof *credential);
    if (credential == NULL)
        return tls_fault_memory(fault);
    credential->holders = 1;
    credential->process = getpid();
    mbedtls_x509_crt_init(&credential->chain);
    mbedtls_pk_init(&credential->key);
    if (load_credential(credential, certificate_path, key_path, password, owner, fault) < 0 ||
        check_strength(setup, credential, fault) < 0) {
        tls_credential_drop(credential);
        return -1;
    }
    tls_setup_take_credential(setup, credential);
    return 0;
}

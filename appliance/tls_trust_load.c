// tls_trust_load.c - files, bytes and this system's own authorities.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "tls_trust_priv.h"

enum {
    FILE_MAX = 64 << 20,  // bytes of a file that anybody has a use for
    KEEP_FROM = 16 << 10, // of this size on a file's certificates are kept
};

// A trust under construction, dropped unless it is handed over.
#define _trust_ __attribute__((cleanup(drop_trust)))

static void drop_trust(struct tls_trust **trust)
{
    tls_trust_drop(*trust);
}

static int read_all(int fd, char *out, size_t *size)
{
    size_t got = 0;
    while (got < *size) {
        ssize_t count = read(fd, out + got, *size - got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        got += (size_t)count;
    }
    *size = got;
    return 0;
}

// A file's text into memory that the caller frees.
static int read_file(int fd, const struct stat *status, char **out, size_t *size,
                     struct tls_fault *fault)
{
    if (S_ISDIR(status->st_mode))
        return tls_fault_system(fault, EISDIR);
    if (status->st_size > FILE_MAX)
        return tls_fault_system(fault, EFBIG);
    // What has no size of its own (a pipe) is read as far as it is given at once.
    *size = S_ISREG(status->st_mode) ? (size_t)status->st_size : (size_t)KEEP_FROM;
    *out = malloc(*size + 1);
    if (*out == NULL)
        return tls_fault_memory(fault);
    return read_all(fd, *out, size) < 0 ? tls_fault_system(fault, errno) : 0;
}

// The certificates of a file, from memory where they are kept. NULL: a fault.
static struct tls_trust *load_file(const char *path, struct tls_fault *fault)
{
    struct stat named, status;
    size_t size = 0, count = 0;
    _free_ char *text = NULL;
    // The name's state and not the descriptor's: one of the archive is another one each time.
    if (stat(path, &named) < 0) {
        tls_fault_system(fault, errno);
        return NULL;
    }
    struct tls_trust *kept = tls_trust_kept(path, &named);
    if (kept != NULL)
        return kept;
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) < 0) {
        tls_fault_system(fault, errno);
        return NULL;
    }
    _trust_ struct tls_trust *made = tls_trust_new();
    if (made == NULL) {
        tls_fault_memory(fault);
        return NULL;
    }
    if (read_file(fd, &status, &text, &size, fault) < 0)
        return NULL;
    if (tls_trust_read_pem(made, (struct str){text, size}, &count, fault) < 0) {
        // OpenSSL says no more of a file.
        if (fault->kind == TLS_FAULT_SSL)
            tls_fault_set(fault, TLS_FAULT_SSL, "X509", NULL, "PEM lib");
        return NULL;
    }
    if (count == 0) {
        tls_fault_set(fault, TLS_FAULT_SSL, "X509", "NO_CERTIFICATE_OR_CRL_FOUND",
                      "no certificate or crl found");
        return NULL;
    }
    if (size >= KEEP_FROM)
        tls_trust_keep(path, &named, made);
    return steal_ptr(&made);
}

int tls_trust_add_file(struct tls_trust **trust, const char *path, struct tls_fault *fault)
{
    _trust_ struct tls_trust *more = load_file(path, fault);
    return more == NULL ? -1 : tls_trust_merge(trust, more, fault);
}

int tls_trust_add_pem(struct tls_trust **trust, struct str pem, struct tls_fault *fault)
{
    size_t count;
    _trust_ struct tls_trust *more = tls_trust_new();
    if (more == NULL)
        return tls_fault_memory(fault);
    int result = tls_trust_read_pem(more, pem, &count, fault);
    if (result < 0 && (fault->kind != TLS_FAULT_SSL || count > 0))
        return -1;
    if (count == 0)
        return tls_fault_set(fault, TLS_FAULT_SSL, NULL, NULL,
                             "no start line: cadata does not contain a certificate");
    return tls_trust_merge(trust, more, fault);
}

void tls_trust_add_found(struct tls_trust **trust, struct str der)
{
    struct tls_fault passed_over;
    if ((*trust)->folder_count == 0) // so it was there
        return;
    for (size_t i = 0; i < (*trust)->certificate_count; i++) {
        const mbedtls_x509_buf *there = &(*trust)->certificates[i]->parsed.raw;
        if (there->len == der.size && memcmp(there->p, der.data, der.size) == 0)
            return;
    }
    (void)!tls_trust_add_der(trust, der, &passed_over);
}

// How many bytes the SEQUENCE has that begins here; 0: it is none, or not whole.
static size_t sequence_size(struct str der)
{
    const unsigned char *bytes = (const unsigned char *)der.data;
    size_t length, used = 2;
    if (der.size < 2 || bytes[0] != 0x30)
        return 0;
    length = bytes[1];
    if (length >= 0x80) {
        size_t count = length & 0x7f;
        if (count == 0 || count > 4 || der.size < 2 + count)
            return 0;
        for (length = 0; used < 2 + count; used++)
            length = length << 8 | bytes[used];
    }
    return length > der.size - used ? 0 : used + length;
}

int tls_trust_add_der(struct tls_trust **trust, struct str der, struct tls_fault *fault)
{
    _trust_ struct tls_trust *more = tls_trust_new();
    if (more == NULL)
        return tls_fault_memory(fault);
    bool first = true;
    do {
        struct tls_trusted *certificate;
        struct str one = {der.data, sequence_size(der)};
        enum tls_parsed parsed =
            one.size == 0 ? TLS_PARSED_BROKEN : tls_trusted_parse(one, false, &certificate);
        if (parsed == TLS_PARSED_BROKEN)
            return first ? tls_fault_set(fault, TLS_FAULT_SSL, NULL, NULL,
                                         "not enough data: cadata does not contain a certificate")
                         : tls_fault_set(fault, TLS_FAULT_SSL, "ASN1", "NOT_ENOUGH_DATA",
                                         "not enough data");
        if (parsed == TLS_PARSED_MEMORY ||
            (parsed == TLS_PARSED && tls_trust_take(more, certificate) < 0))
            return tls_fault_memory(fault);
        first = false;
        der = (struct str){der.data + one.size, der.size - one.size};
    } while (der.size > 0);
    return tls_trust_merge(trust, more, fault);
}

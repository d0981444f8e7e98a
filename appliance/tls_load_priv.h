// tls_load_priv.h - what the files of tls_load share. Secrets are in tls_file's bytes and in
// tls_private's contexts, which are wiped when they are released, and nowhere else.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "buf.h"
#include "config.h"
#include "err.h"
#include "str.h"
#include "tls_load.h"

enum {
    TLS_CHAIN_MAX = 10,            // certificates in a file of a server's certificate
    TLS_FILE_MAX = 1 << 20,        // bytes of a file
    TLS_NAMES_MAX = 1 << 20,       // bytes of a certificate's names
    TLS_DER_MAX = 1 << 14,         // bytes of a key
    TLS_DATE_SIZE = 32,            // "2026-12-31"
    TLS_AUTHORITIES_MAX = 1 << 24, // bytes of all clients' authorities, and of all lists
};

// --- tls_load_file.c: bytes of files ---

struct tls_file {
    const char *path;    // the caller's
    unsigned char *data; // a NUL is behind it
    size_t size;
    unsigned mode; // st_mode
};

#define _tls_file_ __attribute__((cleanup(tls_file_fini)))

// A regular file of at most TLS_FILE_MAX bytes. Errors name it.
int tls_file_read(struct tls_file *out, const char *path, struct err *err);
void tls_file_fini(struct tls_file *file);

bool tls_file_contains(const struct tls_file *file, const char *text);

// Calls take for each PEM block of this label ("CERTIFICATE"), with its number from 1 on. Returns
// how many there were, or -1.
int tls_file_each(const struct tls_file *file, const char *label,
                  int (*take)(void *owner, struct str der, int number, struct err *err),
                  void *owner, struct err *err);

// Copies bytes, with a NUL behind them that is not counted. To be freed.
struct str tls_copy(const void *data, size_t size);

// --- what a run of tls_load has gathered ---

// The private key of a file.
struct tls_private {
    struct tls_private *next;
    char *file;
    mbedtls_pk_context context;
    struct str public_key; // SubjectPublicKeyInfo
    bool used;
};

// The certificates of a file, the server's own first.
struct tls_chain {
    struct tls_chain *next;
    char *file;
    mbedtls_x509_crt certificates[TLS_CHAIN_MAX];
    size_t count;
    struct str public_key; // SubjectPublicKeyInfo of the first
    char kind[16];
    struct buf names; // as in struct tls_identity
    const struct tls_private *key;
    struct str staple;
    int64_t staple_until;
};

struct tls_loading {
    const struct config *config;
    int64_t now;
    struct tls_loaded *out;
    struct str password; // within password_file or config; size 0: none
    struct tls_file password_file;
    struct tls_chain *chains;
    struct tls_private *keys;
};

// A path for out->paths.
void tls_load_looked_at(struct tls_loading *loading, const char *path);
// tls_file_read of such a path.
int tls_load_read(struct tls_loading *loading, struct tls_file *out, const char *path,
                  struct err *err);
void tls_load_warn(struct tls_loading *loading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// --- tls_load_key.c ---

// Which kind of key it is; false: one that is not served with, said in err with the file's name.
bool tls_load_kind(const mbedtls_pk_context *key, char kind[static 16], const char *file,
                   struct err *err);

// What signature or key these bytes of DER speak of that mbedTLS does not know: "Ed25519"; NULL:
// no idea.
const char *tls_load_foreign(struct str der);

struct str tls_load_public_key(const mbedtls_pk_context *key);
int tls_load_password(struct tls_loading *loading, struct err *err);
bool tls_load_holds_key(const struct tls_file *file);
int tls_load_key(struct tls_loading *loading, const struct tls_file *file, struct err *err);
void tls_load_keys_free(struct tls_private *keys);

// Give each chain its key; all of either have to have one.
int tls_load_match(struct tls_loading *loading, struct err *err);

// --- tls_load_chain.c ---

int tls_load_chain(struct tls_loading *loading, const struct tls_file *file, struct err *err);
void tls_load_chains_free(struct tls_chain *chains);

// Parse one certificate of a file into an initialised context.
int tls_load_certificate(mbedtls_x509_crt *out, const char *file, struct str der, int number,
                         struct err *err);
int64_t tls_load_seconds(const mbedtls_x509_time *time);
void tls_load_date(int64_t seconds, char out[static TLS_DATE_SIZE]);

// --- tls_load_names.c ---

// The names of the first certificate, NUL behind each.
void tls_load_names(struct tls_loading *loading, struct tls_chain *chain);

// The same certificate twice is an error, and a name that an earlier one has, too, a warning.
int tls_load_compare(struct tls_loading *loading, struct err *err);

// The next of names that have a NUL behind each: NULL starts, NULL ends.
const char *tls_load_next_name(struct str names, const char *name);

// --- tls_load_folder.c ---

// One of --tls-certificate: a file or a folder.
int tls_load_item(struct tls_loading *loading, const char *path, struct err *err);

// --- tls_load_ocsp.c, tls_load_client.c ---

int tls_load_staple(struct tls_loading *loading, const char *path, struct err *err);
int tls_load_clients(struct tls_loading *loading, struct err *err);

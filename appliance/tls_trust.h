// tls_trust.h - whose certificates are believed: authorities and lists of revoked certificates, for
// connections of the application's own. A trust is counted, and does not change while anybody else
// holds it: what adds to it copies it first (certificates themselves are shared). So a connection's
// handshake, in any thread, needs no lock. Certificates of large files are kept, so that the next
// trust made of the same file (same inode, size and times) costs no parsing.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "str.h"
#include "tls_fault.h"

struct tls_trust; // opaque

// Empty. NULL: out of memory.
struct tls_trust *tls_trust_new(void);
struct tls_trust *tls_trust_hold(struct tls_trust *trust);
// NULL: nothing.
void tls_trust_drop(struct tls_trust *trust);
// A forked child has one thread, and locks as they were: maybe held by one that it has not. To be
// called with the GIL, before the trust is used; again in the same process it does nothing.
void tls_trust_after_fork(struct tls_trust *trust);

// Each of these may put another trust into *trust, and drop the one that was there; on error it is
// as before. A certificate that is there already is not added again, which is no error.
// PEM: certificates ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE") and lists ("X509
// CRL"), as many as there are, other text around them is passed over, and so are certificates of
// kinds that the library does not have (nothing could be verified by them). Errors in OpenSSL's
// words: SYSTEM (ENOENT, ...) for the file; X509/NO_CERTIFICATE_OR_CRL_FOUND where the file has
// none; X509 and "PEM lib" where something in it is broken. Of bytes: "no start line: cadata does
// not contain a certificate" where nothing good is in them, else PEM/BAD_BASE64_DECODE and the
// like; "not enough data: cadata does not contain a certificate", ASN1/NOT_ENOUGH_DATA.
int tls_trust_add_file(struct tls_trust **trust, const char *path, struct tls_fault *fault);
int tls_trust_add_pem(struct tls_trust **trust, struct str pem, struct tls_fault *fault);
// One certificate after the other.
int tls_trust_add_der(struct tls_trust **trust, struct str der, struct tls_fault *fault);
// A folder of files named by OpenSSL's hash of the subject ("5ed36f99.0", "….r0" for lists): it is
// looked into when an issuer is wanted, so what lies there later counts, too. A missing one is no
// error.
int tls_trust_add_folder(struct tls_trust **trust, const char *path, struct tls_fault *fault);

// Where this system keeps its authorities. The names of environment variables and the paths that
// stand when those are not set, as ssl.get_default_verify_paths has them: the first of the usual
// bundles that exists (Debian's, Fedora's, Alpine's, SUSE's), else the one in the archive.
struct tls_trust_paths {
    const char *file_variable; // "SSL_CERT_FILE"
    const char *file;
    const char *folder_variable; // "SSL_CERT_DIR"
    const char *folder;
};
void tls_trust_paths(struct tls_trust_paths *out);
// All that these name, environment first. What is missing or broken is passed over, as OpenSSL
// does.
int tls_trust_add_default(struct tls_trust **trust, struct tls_fault *fault);

// One that a verification has found in a folder: from now on it is the trust's like those of files,
// and counted. Nothing happens where it is that already, or memory is short.
void tls_trust_add_found(struct tls_trust **trust, struct str der);

// How many of each there are: certificates, of these authorities (CA:TRUE, or version 1 and
// self-signed), lists. Of folders: what tls_trust_add_found was told.
struct tls_trust_counts {
    size_t certificates, authorities, lists;
};
void tls_trust_count(const struct tls_trust *trust, struct tls_trust_counts *out);
// The certificate of this index as DER, valid as long as the trust; *is_authority.
struct str tls_trust_certificate(const struct tls_trust *trust, size_t index, bool *is_authority);

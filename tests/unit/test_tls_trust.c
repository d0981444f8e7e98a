// test_tls_trust.c - what is taken for certificates and lists, and that a trust which others hold
// stays as it is.
#include "tls_trust.h"

#include <errno.h>
#include <mbedtls/base64.h>
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "check.h"
#include "cleanup.h"
#include "tls_identities.h"
#include "tls_library.h"
#include "tls_trust_priv.h"
#include "tls_verify_name.h"
#include "unit.h"

enum { TEXT_MAX = 1 << 20 };

#define EC ((struct str){(const char *)ec_certificate, sizeof ec_certificate})
#define OTHER ((struct str){(const char *)other_certificate, sizeof other_certificate})
#define RSA ((struct str){(const char *)rsa_certificate, sizeof rsa_certificate})

static struct tls_fault fault;
static char folder[] = "/tmp/test_tls_trust.XXXXXX";

static void put_pem(struct buf *out, const char *label, struct str der)
{
    unsigned char text[4096];
    size_t size;
    must(mbedtls_base64_encode(text, sizeof text, &size, (const unsigned char *)der.data,
                               der.size) == 0);
    must(buf_printf(out, "-----BEGIN %s-----\n", label) == 0);
    for (size_t at = 0; at < size; at += 64)
        must(buf_printf(out, "%.*s\n", (int)(size - at < 64 ? size - at : 64), text + at) == 0);
    must(buf_printf(out, "-----END %s-----\n", label) == 0);
}

static struct tls_trust_counts counts(const struct tls_trust *trust)
{
    struct tls_trust_counts out;
    tls_trust_count(trust, &out);
    return out;
}

static struct tls_trust *new_trust(void)
{
    struct tls_trust *trust = tls_trust_new();
    must(trust != NULL);
    return trust;
}

// Into the folder; the path, until the next call.
static const char *written(const char *name, struct str text)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    must(file != NULL && fwrite(text.data, 1, text.size, file) == text.size && fclose(file) == 0);
    return path;
}

static void test_pem(void)
{
    _buf_ struct buf text = BUF_INIT(TEXT_MAX);
    struct tls_trust *trust = new_trust();
    bool authority;
    must(buf_printf(&text, "some text\n") == 0);
    put_pem(&text, "CERTIFICATE", EC);
    put_pem(&text, "PRIVATE KEY", STR("not looked at"));
    put_pem(&text, "X509 CERTIFICATE", OTHER);
    must(buf_printf(&text, "and some more\n") == 0);
    put_pem(&text, "CERTIFICATE", EC);
    CHECK(tls_trust_add_pem(&trust, buf_str(&text), &fault) == 0);
    CHECK(counts(trust).certificates == 2 && counts(trust).authorities == 2);
    CHECK(counts(trust).lists == 0);
    CHECK(str_equal(tls_trust_certificate(trust, 0, &authority), EC) && authority);
    CHECK(str_equal(tls_trust_certificate(trust, 1, &authority), OTHER));
    tls_trust_drop(trust);
}

static void check_fault(struct tls_trust **trust, struct str pem, const char *library,
                        const char *reason)
{
    fault = (struct tls_fault){.kind = TLS_FAULT_NONE};
    CHECK(tls_trust_add_pem(trust, pem, &fault) == -1);
    CHECK(fault.kind == TLS_FAULT_SSL);
    CHECK_STR(fault.library != NULL ? fault.library : "", library);
    CHECK_STR(fault.reason != NULL ? fault.reason : "", reason);
    CHECK(counts(*trust).certificates == 1);
}

static void test_broken_pem(void)
{
    _buf_ struct buf good = BUF_INIT(TEXT_MAX), bad = BUF_INIT(TEXT_MAX);
    struct tls_trust *trust = new_trust();
    put_pem(&good, "CERTIFICATE", EC);
    CHECK(tls_trust_add_pem(&trust, buf_str(&good), &fault) == 0);
    check_fault(&trust, STR("hello"), "", "");
    check_fault(&trust, STR("-----BEGIN CERTIFICATE-----\nAAAA\n"), "", "");
    // Behind something good, the reason is told; what was good is not added.
    put_pem(&bad, "CERTIFICATE", OTHER);
    struct str other = buf_str(&bad);
    must(buf_printf(&bad, "-----BEGIN CERTIFICATE-----\n****\n-----END CERTIFICATE-----\n") == 0);
    check_fault(&trust, buf_str(&bad), "PEM", "BAD_BASE64_DECODE");
    bad.size = other.size;
    must(buf_printf(&bad, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") == 0);
    check_fault(&trust, buf_str(&bad), "PEM", "");
    bad.size = other.size;
    must(buf_printf(&bad, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END SOMETHING-----\n") == 0);
    check_fault(&trust, buf_str(&bad), "PEM", "BAD_END_LINE");
    tls_trust_drop(trust);
}

static void test_der(void)
{
    _buf_ struct buf both = BUF_INIT(TEXT_MAX);
    struct tls_trust *trust = new_trust();
    must(buf_append_str(&both, EC) == 0 && buf_append_str(&both, OTHER) == 0);
    CHECK(tls_trust_add_der(&trust, buf_str(&both), &fault) == 0);
    CHECK(counts(trust).certificates == 2);
    must(buf_append_str(&both, STR("xyz")) == 0);
    CHECK(tls_trust_add_der(&trust, buf_str(&both), &fault) == -1);
    CHECK_STR(fault.reason, "NOT_ENOUGH_DATA");
    CHECK(tls_trust_add_der(&trust, (struct str){EC.data, EC.size - 1}, &fault) == -1);
    CHECK_CONTAINS(fault.text, "not enough data: cadata does not contain a certificate");
    CHECK(tls_trust_add_der(&trust, STR(""), &fault) == -1);
    tls_trust_drop(trust);
}

static void test_copy_on_write(void)
{
    struct tls_trust *trust = new_trust();
    CHECK(tls_trust_add_der(&trust, EC, &fault) == 0);
    struct tls_trust *held = tls_trust_hold(trust);
    CHECK(tls_trust_add_der(&trust, OTHER, &fault) == 0);
    CHECK(held != trust && counts(held).certificates == 1 && counts(trust).certificates == 2);
    CHECK(tls_trust_add_folder(&held, "/nonexistent", &fault) == 0);
    bool ignored;
    // The certificate itself is shared.
    CHECK(tls_trust_certificate(held, 0, &ignored).data ==
          tls_trust_certificate(trust, 0, &ignored).data);
    tls_trust_drop(trust);
    CHECK(str_equal(tls_trust_certificate(held, 0, &ignored), EC));
    tls_trust_drop(held);
}

static void test_files(void)
{
    _buf_ struct buf text = BUF_INIT(TEXT_MAX);
    struct tls_trust *trust = new_trust();
    CHECK(tls_trust_add_file(&trust, "/nonexistent", &fault) == -1);
    CHECK(fault.kind == TLS_FAULT_SYSTEM && fault.number == ENOENT);
    CHECK(tls_trust_add_file(&trust, folder, &fault) == -1);
    CHECK(fault.kind == TLS_FAULT_SYSTEM && fault.number == EISDIR);
    CHECK(tls_trust_add_file(&trust, written("none.pem", STR("hello")), &fault) == -1);
    CHECK_STR(fault.reason, "NO_CERTIFICATE_OR_CRL_FOUND");
    CHECK(tls_trust_add_file(&trust, written("bad.pem", STR("-----BEGIN CERTIFICATE-----\n")),
                             &fault) == -1);
    CHECK_STR(fault.text, "PEM lib");
    put_pem(&text, "CERTIFICATE", RSA);
    CHECK(tls_trust_add_file(&trust, written("rsa.pem", buf_str(&text)), &fault) == 0);
    CHECK(counts(trust).certificates == 1);
    tls_trust_drop(trust);
}

// A large file: parsed once, until it changes.
static void test_kept(void)
{
    _buf_ struct buf text = BUF_INIT(TEXT_MAX);
    struct tls_trust *first = new_trust(), *second = new_trust(), *third = new_trust();
    bool ignored;
    put_pem(&text, "CERTIFICATE", EC);
    for (int i = 0; i < 1000; i++)
        must(buf_printf(&text, "# a line that makes a file large\n") == 0);
    const char *path = written("large.pem", buf_str(&text));
    CHECK(tls_trust_add_file(&first, path, &fault) == 0);
    CHECK(tls_trust_add_file(&second, path, &fault) == 0);
    CHECK(tls_trust_certificate(first, 0, &ignored).data ==
          tls_trust_certificate(second, 0, &ignored).data);
    put_pem(&text, "CERTIFICATE", OTHER);
    CHECK(tls_trust_add_file(&third, written("large.pem", buf_str(&text)), &fault) == 0);
    CHECK(counts(third).certificates == 2 && counts(second).certificates == 1);
    // What is added to one is not added to the other, nor to what is kept.
    CHECK(tls_trust_add_der(&first, RSA, &fault) == 0);
    CHECK(counts(first).certificates == 2 && counts(second).certificates == 1);
    tls_trust_drop(first);
    tls_trust_drop(second);
    tls_trust_drop(third);
}

static void test_folders(void)
{
    _buf_ struct buf text = BUF_INIT(TEXT_MAX), more = BUF_INIT(TEXT_MAX);
    struct tls_trust *trust = new_trust();
    struct tls_trust_found found = {.certificates = NULL};
    put_pem(&text, "CERTIFICATE", EC);
    put_pem(&more, "CERTIFICATE", RSA);
    CHECK(tls_trust_add_folder(&trust, folder, &fault) == 0);
    tls_trust_look(trust, 0x6a9d9439, false, &found);
    CHECK(found.certificate_count == 0);
    written("6a9d9439.0", buf_str(&text)); // as `openssl x509 -hash` has it of both
    written("6a9d9439.1", STR("broken"));
    written("6a9d9439.2", buf_str(&more));
    written("6a9d9439.4", buf_str(&more)); // not reached
    tls_trust_look(trust, 0x6a9d9439, false, &found);
    tls_trust_look(trust, 0x6a9d9439, false, &found);
    CHECK(found.certificate_count == 2);
    CHECK(found.certificates[0]->known.subject_hash == 0x6a9d9439);
    CHECK(counts(trust).certificates == 0);
    tls_trust_found_fini(&found);
    tls_trust_drop(trust);
}

static void test_default(void)
{
    _buf_ struct buf text = BUF_INIT(TEXT_MAX);
    struct tls_trust_paths paths;
    struct tls_trust *trust = new_trust();
    tls_trust_paths(&paths);
    CHECK_STR(paths.file_variable, "SSL_CERT_FILE");
    CHECK_STR(paths.folder_variable, "SSL_CERT_DIR");
    CHECK(paths.file != NULL && paths.file[0] == '/' && paths.folder != NULL);
    put_pem(&text, "CERTIFICATE", EC);
    setenv("SSL_CERT_FILE", written("own.pem", buf_str(&text)), 1);
    setenv("SSL_CERT_DIR", "/nonexistent:/tmp", 1);
    CHECK(tls_trust_add_default(&trust, &fault) == 0);
    CHECK(counts(trust).certificates == 1 && trust->folder_count == 2);
    setenv("SSL_CERT_FILE", "/nonexistent", 1);
    CHECK(tls_trust_add_default(&trust, &fault) == 0);
    CHECK(counts(trust).certificates == 1);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    tls_trust_drop(trust);
}

static void remove_folder(void)
{
    static const char *const names[] = {"none.pem",   "bad.pem",    "rsa.pem",
                                        "large.pem",  "own.pem",    "6a9d9439.0",
                                        "6a9d9439.1", "6a9d9439.2", "6a9d9439.4"};
    for (size_t i = 0; i < UNIT_COUNT(names); i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_pem),     UNIT_CASE(test_broken_pem), UNIT_CASE(test_der),
    UNIT_CASE(test_files),   UNIT_CASE(test_kept),       UNIT_CASE(test_copy_on_write),
    UNIT_CASE(test_folders), UNIT_CASE(test_default),
};

int main(void)
{
    struct err err;
    must(tls_library_start(&err) == 0 && mkdtemp(folder) != NULL);
    int result = unit_main("tls_trust", cases, UNIT_COUNT(cases));
    remove_folder();
    return result;
}

// test_tls_load.c - what becomes of good files: the material, what is told of it, the files that
// were looked at, and the dates. What is refused, and how that is said, is in
// tests/e2e/test_tls_files.py.
#include "tls_load.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "unit.h"

// For example.org, *.Example.org, 127.0.0.1 and ::1, by an authority that is not here.
static const char certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIB4jCCAYigAwIBAgIUBdj5vTKjuIv9VEylR0Qqys27GYEwCgYIKoZIzj0EAwIw\n"
    "FDESMBAGA1UEAwwJVGVzdCBSb290MB4XDTI2MTEyMDIzMDc0M1oXDTI3MDIxOTIz\n"
    "MDc0M1owFjEUMBIGA1UEAwwLZXhhbXBsZS5vcmcwWTATBgcqhkjOPQIBBggqhkjO\n"
    "PQMBBwNCAASYWrjPzrlaYtuQbVT2sFPMRiadfR4deQLT2BQEhJbH+Kb1ftrpY+aj\n"
    "cTbWViXX0vN0y+8aC3ei4mfmjC79Yjwso4G1MIGyMAwGA1UdEwEB/wQCMAAwEwYD\n"
    "VR0lBAwwCgYIKwYBBQUHAwEwDgYDVR0PAQH/BAQDAgWgMD0GA1UdEQQ2MDSCC2V4\n"
    "YW1wbGUub3Jngg0qLkV4YW1wbGUub3JnhwR/AAABhxAAAAAAAAAAAAAAAAAAAAAB\n"
    "MB0GA1UdDgQWBBTANlDZVZIpYmLy82LDYysGaDk29jAfBgNVHSMEGDAWgBSLsV/z\n"
    "KPt6s16kTDlH7WGTKTlNUzAKBggqhkjOPQQDAgNIADBFAiEAwYHnjGHRriRlWTby\n"
    "nULrtLW2N5zFsywbipFHbsdkEz8CID8aSrT1tAP7S09CFOhSLx+pAf5Vfr194s1u\n"
    "r8kfiuBV\n"
    "-----END CERTIFICATE-----\n";

static const char key[] = "-----BEGIN EC PRIVATE KEY-----\n"
                          "MHcCAQEEIOS1TsWq0GONDoBHzNmh+hhj5Th0FiXNHwMltdXtkE+ioAoGCCqGSM49\n"
                          "AwEHoUQDQgAEmFq4z865WmLbkG1U9rBTzEYmnX0eHXkC09gUBISWx/im9X7a6WPm\n"
                          "o3E21lYl19LzdMvvGgt3ouJn5owu/WI8LA==\n"
                          "-----END EC PRIVATE KEY-----\n";

// OCSP: it is good.
static const unsigned char response[] = {
    0x30, 0x82, 0x01, 0x3d, 0x0a, 0x01, 0x00, 0xa0, 0x82, 0x01, 0x36, 0x30, 0x82, 0x01, 0x32, 0x06,
    0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01, 0x04, 0x82, 0x01, 0x23, 0x30, 0x82,
    0x01, 0x1f, 0x30, 0x81, 0xc7, 0xa1, 0x16, 0x30, 0x14, 0x31, 0x12, 0x30, 0x10, 0x06, 0x03, 0x55,
    0x04, 0x03, 0x0c, 0x09, 0x54, 0x65, 0x73, 0x74, 0x20, 0x52, 0x6f, 0x6f, 0x74, 0x18, 0x0f, 0x32,
    0x30, 0x32, 0x36, 0x31, 0x31, 0x32, 0x31, 0x32, 0x33, 0x30, 0x37, 0x34, 0x33, 0x5a, 0x30, 0x77,
    0x30, 0x75, 0x30, 0x4d, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04,
    0x14, 0x41, 0x06, 0x8b, 0x40, 0x79, 0x43, 0x32, 0xce, 0x2e, 0x14, 0xbd, 0xc6, 0x0b, 0x9d, 0x21,
    0xb0, 0xf8, 0x67, 0x46, 0xfd, 0x04, 0x14, 0x8b, 0xb1, 0x5f, 0xf3, 0x28, 0xfb, 0x7a, 0xb3, 0x5e,
    0xa4, 0x4c, 0x39, 0x47, 0xed, 0x61, 0x93, 0x29, 0x39, 0x4d, 0x53, 0x02, 0x14, 0x05, 0xd8, 0xf9,
    0xbd, 0x32, 0xa3, 0xb8, 0x8b, 0xfd, 0x54, 0x4c, 0xa5, 0x47, 0x44, 0x2a, 0xca, 0xcd, 0xbb, 0x19,
    0x81, 0x80, 0x00, 0x18, 0x0f, 0x32, 0x30, 0x32, 0x36, 0x31, 0x31, 0x32, 0x31, 0x32, 0x33, 0x30,
    0x37, 0x34, 0x33, 0x5a, 0xa0, 0x11, 0x18, 0x0f, 0x32, 0x30, 0x32, 0x36, 0x31, 0x31, 0x32, 0x32,
    0x32, 0x33, 0x30, 0x37, 0x34, 0x33, 0x5a, 0xa1, 0x23, 0x30, 0x21, 0x30, 0x1f, 0x06, 0x09, 0x2b,
    0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02, 0x04, 0x12, 0x04, 0x10, 0x9e, 0xb7, 0x7e, 0x5e,
    0x1f, 0xb1, 0xbc, 0xfd, 0x81, 0xf3, 0xda, 0x3d, 0x8f, 0xa3, 0x3b, 0x51, 0x30, 0x0a, 0x06, 0x08,
    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02, 0x03, 0x47, 0x00, 0x30, 0x44, 0x02, 0x20, 0x2f,
    0x90, 0x26, 0x6b, 0x16, 0xfd, 0x02, 0x7b, 0x46, 0xbe, 0x71, 0xed, 0x9d, 0xde, 0x89, 0x49, 0x58,
    0x06, 0x76, 0x95, 0x16, 0x2e, 0xf8, 0xcf, 0x78, 0x30, 0x15, 0x71, 0xd8, 0xca, 0x5f, 0x6d, 0x02,
    0x20, 0x47, 0x22, 0x86, 0xdb, 0xf7, 0xc5, 0x69, 0x8f, 0xf1, 0xcc, 0x7c, 0x35, 0xbd, 0xc8, 0xe4,
    0xc7, 0x5a, 0xab, 0x86, 0xe7, 0x02, 0x76, 0x16, 0xae, 0x69, 0x58, 0x63, 0xa8, 0x3a, 0x9d, 0xcc,
    0x73};

static const int64_t not_before = 1795216063, not_after = 1803078463, next_update = 1795388863;
static const int64_t good = 1795302500; // a time when all of these are

static char base[] = "/tmp/limpet-tls-load-XXXXXX";
static struct config config;
static struct tls_loaded loaded;
static struct err err;

static void write_file(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status, (void)type, (void)at;
    return remove(path);
}

// cert.pem, key.pem and response.der in a working folder of their own.
static void fresh_folder(void)
{
    CHECK(chdir(base) == 0);
    CHECK(nftw("files", remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT);
    CHECK(mkdir("files", 0700) == 0 && chdir("files") == 0);
    write_file("cert.pem", certificate, strlen(certificate));
    write_file("key.pem", key, strlen(key));
    write_file("response.der", response, sizeof response);
    config = (struct config){.tls_key_password = NULL};
    err = (struct err){.text = ""};
}

static void set(struct config_list *list, char *item)
{
    static char *items[8];
    static size_t used;
    used = (used + 1) % UNIT_COUNT(items);
    items[used] = item;
    *list = (struct config_list){.items = &items[used], .count = 1};
}

static void begin(void)
{
    fresh_folder();
    set(&config.tls_certificate, "cert.pem");
    set(&config.tls_key, "key.pem");
}

static int load(int64_t now)
{
    return tls_load(&loaded, &config, now, &err);
}

static void test_nothing_named(void)
{
    fresh_folder();
    CHECK(load(good) == 0);
    CHECK(loaded.material.identity_count == 0 && loaded.path_count == 0);
    CHECK(loaded.material.client_ca.size == 0 && loaded.warnings.size == 0);
    tls_loaded_fini(&loaded);
}

static void test_material(void)
{
    static const char names[] = "example.org\0*.example.org\000127.0.0.1\0::1";
    begin();
    CHECK(load(good) == 0);
    CHECK_STR(err.text, "");
    CHECK(loaded.material.identity_count == 1);
    const struct tls_identity *identity = &loaded.material.identities[0];
    CHECK(str_equal(identity->names, (struct str){names, sizeof names}));
    CHECK(identity->chain.size == 486 && memcmp(identity->chain.data, "\x30\x82\x01\xe2", 4) == 0);
    // SEC1: a sequence, version 1, the number.
    CHECK(identity->key.size == 121 &&
          memcmp(identity->key.data, "\x30\x77\x02\x01\x01\x04\x20", 7) == 0);
    CHECK(identity->staple.size == 0);
    tls_loaded_fini(&loaded);
}

static void test_facts(void)
{
    begin();
    CHECK(load(good) == 0);
    const struct tls_certificate_facts *facts = loaded.facts;
    CHECK_STR(facts->file, "cert.pem");
    CHECK_STR(facts->names, "example.org, *.example.org, 127.0.0.1, ::1");
    CHECK_STR(facts->serial, "05D8F9BD32A3B88BFD544CA547442ACACDBB1981");
    CHECK_STR(facts->kind, "ECDSA P-256");
    CHECK(facts->not_before == not_before && facts->not_after == not_after);
    tls_loaded_fini(&loaded);
}

static void test_dates(void)
{
    begin();
    CHECK(load(not_before) == 0);
    tls_loaded_fini(&loaded);
    CHECK(load(not_after) == 0);
    tls_loaded_fini(&loaded);
    CHECK(load(not_before - 1) < 0);
    CHECK_CONTAINS(err.text,
                   "cert.pem: certificate number 1 (example.org) is not valid before 2026-11-20");
    tls_loaded_fini(&loaded);
    CHECK(load(not_after + 1) < 0);
    CHECK_CONTAINS(err.text, "has expired on 2027-02-19");
    CHECK_CONTAINS(err.text, "the clock here says 2027-02-19");
    tls_loaded_fini(&loaded);
}

// A machine without a clock is served, and told.
static void test_time_unknown(void)
{
    begin();
    set(&config.tls_ocsp, "response.der");
    CHECK(load(0) == 0);
    CHECK_CONTAINS(buf_text(&loaded.warnings), "the clock here is not set");
    CHECK_CONTAINS(buf_text(&loaded.warnings),
                   "response.der: not stapled while the time is not known");
    CHECK(loaded.material.identity_count == 1 && loaded.material.identities[0].staple.size == 0);
    tls_loaded_fini(&loaded);
}

static void test_staple(void)
{
    begin();
    set(&config.tls_ocsp, "response.der");
    CHECK(load(good) == 0);
    const struct tls_identity *identity = &loaded.material.identities[0];
    CHECK(str_equal(identity->staple, (struct str){(const char *)response, sizeof response}));
    CHECK(identity->staple_until == next_update);
    CHECK(loaded.warnings.size == 0);
    tls_loaded_fini(&loaded);
    CHECK(load(next_update) == 0);
    CHECK(loaded.material.identities[0].staple.size == 0);
    CHECK_CONTAINS(buf_text(&loaded.warnings),
                   "response.der: the OCSP response was good until 2026-11-22");
    tls_loaded_fini(&loaded);
}

// Whatever byte is wrong: an answer, and nothing read that is not there (sanitizers look on).
static void test_staples_that_are_damaged(void)
{
    unsigned char copy[sizeof response];
    unsigned refused = 0;
    begin();
    set(&config.tls_ocsp, "response.der");
    for (size_t i = 0; i < 200; i++) { // beyond is the signature
        memcpy(copy, response, sizeof copy);
        copy[i] ^= 0x11;
        write_file("response.der", copy, sizeof copy);
        refused += load(good) < 0;
        tls_loaded_fini(&loaded);
        write_file("response.der", response, i);
        CHECK(load(good) < 0);
        tls_loaded_fini(&loaded);
    }
    CHECK(refused > 100);
}

static bool has_path(const char *path)
{
    for (size_t i = 0; i < loaded.path_count; i++) {
        if (strcmp(loaded.paths[i], path) == 0)
            return true;
    }
    return false;
}

static void test_paths(void)
{
    begin();
    set(&config.tls_ocsp, "response.der");
    CHECK(load(good) == 0);
    CHECK(loaded.path_count == 3);
    CHECK(has_path("cert.pem") && has_path("key.pem") && has_path("response.der"));
    tls_loaded_fini(&loaded);
}

// Also those that may come.
static void test_paths_of_a_folder(void)
{
    fresh_folder();
    CHECK(mkdir("live", 0700) == 0 && mkdir("live/a", 0700) == 0 && mkdir("live/b", 0700) == 0);
    write_file("live/a/fullchain.pem", certificate, strlen(certificate));
    write_file("live/a/privkey.pem", key, strlen(key));
    set(&config.tls_certificate, "live");
    CHECK(load(good) == 0);
    CHECK(loaded.material.identity_count == 1);
    static const char *const paths[] = {
        "live",   "live/fullchain.pem",   "live/a/fullchain.pem", "live/a/privkey.pem",
        "live/b", "live/b/fullchain.pem", "live/b/privkey.pem"};
    for (size_t i = 0; i < UNIT_COUNT(paths); i++)
        CHECK(has_path(paths[i]));
    tls_loaded_fini(&loaded);
}

static void test_after_an_error(void)
{
    begin();
    CHECK(unlink("key.pem") == 0);
    CHECK(load(good) < 0);
    CHECK(err.kind == ERR_FAILED);
    CHECK_STR(err.text, "key.pem: No such file or directory");
    CHECK(loaded.material.identities == NULL && loaded.facts == NULL);
    CHECK(has_path("cert.pem") && has_path("key.pem"));
    tls_loaded_fini(&loaded);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_nothing_named),
    UNIT_CASE(test_material),
    UNIT_CASE(test_facts),
    UNIT_CASE(test_dates),
    UNIT_CASE(test_time_unknown),
    UNIT_CASE(test_staple),
    UNIT_CASE(test_staples_that_are_damaged),
    UNIT_CASE(test_paths),
    UNIT_CASE(test_paths_of_a_folder),
    UNIT_CASE(test_after_an_error),
};

int main(void)
{
    if (mkdtemp(base) == NULL)
        return 1;
    int status = unit_main("tls_load", cases, UNIT_COUNT(cases));
    if (chdir("/") == 0)
        nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}

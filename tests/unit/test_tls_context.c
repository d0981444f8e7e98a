// test_tls_context.c - which certificate a client gets, by the name it asks for and by the keys it
// can verify; by handshakes with a real client.
#include "tls_context.h"

#include "tls_peer.h"
#include "unit.h"

// The first is for who asks for nothing or for nobody. One name has keys of two kinds.
static struct tls_identity identities[] = {
    TLS_IDENTITY(other, STR("other.test\0")),
    TLS_IDENTITY(ec, STR("example.org\0*.example.org\0both.test\0")),
    TLS_IDENTITY(rsa, STR("rsa.test\0both.test\0*.rsa.test\0")),
};

static const int ecdsa_suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0};
static const int rsa_suites[] = {MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 0};
static const uint16_t rsa_signatures[] = {MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256, 0};

static struct tls_scratch *scratch;
static struct tls_context *context;

static const char *kind_of(const mbedtls_x509_crt *certificate)
{
    static const struct {
        const unsigned char *der;
        size_t size;
        const char *kind;
    } table[] = {
        {ec_certificate, sizeof ec_certificate, "ec"},
        {rsa_certificate, sizeof rsa_certificate, "rsa"},
        {other_certificate, sizeof other_certificate, "other"},
    };
    for (size_t i = 0; certificate != NULL && i < UNIT_COUNT(table); i++) {
        if (certificate->raw.len == table[i].size &&
            memcmp(certificate->raw.p, table[i].der, table[i].size) == 0)
            return table[i].kind;
    }
    return "none";
}

// The kind of certificate a client gets; "none": no connection. suites, signatures: NULL: any.
static const char *got(const char *host, mbedtls_ssl_protocol_version version, const int *suites,
                       const uint16_t *signatures)
{
    int fds[2];
    struct tls_peer peer;
    tls_peer_pair(fds);
    tls_peer_unblock(fds[1]);
    tls_peer_open(&peer, fds[1], host, version);
    if (suites != NULL)
        mbedtls_ssl_conf_ciphersuites(&peer.config, suites);
    if (signatures != NULL)
        mbedtls_ssl_conf_sig_algs(&peer.config, signatures);
    struct tls_session *session = tls_peer_meet(&peer, context, fds[0]);
    const char *kind = "none";
    if (session != NULL) {
        kind = kind_of(mbedtls_ssl_get_peer_cert(&peer.ssl));
        const char *name = tls_session_facts(session)->server_name;
        CHECK((host == NULL && name[0] == '\0') ||
              (host != NULL && strncasecmp(name, host, strlen(name)) == 0));
        tls_session_free(session);
    }
    tls_peer_close(&peer);
    close(fds[0]);
    return kind;
}

static void check_name(const char *host, const char *kind)
{
    CHECK_STR(got(host, MBEDTLS_SSL_VERSION_TLS1_3, NULL, NULL), kind);
    CHECK_STR(got(host, MBEDTLS_SSL_VERSION_TLS1_2, NULL, NULL), kind);
}

static void test_exact_names(void)
{
    check_name("example.org", "ec");
    check_name("other.test", "other");
    check_name("rsa.test", "rsa");
}

static void test_wildcards(void)
{
    check_name("www.example.org", "ec");
    check_name("a-b.rsa.test", "rsa");
    // One label, and a whole one.
    check_name("a.b.example.org", "other");
    check_name("wwwexample.org", "other");
    check_name("test", "other");
    check_name("*.example.org", "ec");
}

static void test_case_and_dot(void)
{
    check_name("EXAMPLE.Org", "ec");
    check_name("WWW.example.ORG", "ec");
    check_name("example.org.", "ec");
    check_name("Www.Example.Org.", "ec");
    check_name("example.org..", "other");
}

static void test_unknown_names(void)
{
    char longest[256];
    memset(longest, 'x', 255);
    longest[255] = '\0';
    check_name(NULL, "other");
    check_name("nobody.test", "other");
    check_name(".", "other");
    check_name(".example.org", "other");
    check_name(longest, "other");
}

static void test_two_kinds_of_keys(void)
{
    CHECK_STR(got("both.test", MBEDTLS_SSL_VERSION_TLS1_2, ecdsa_suites, NULL), "ec");
    CHECK_STR(got("both.test", MBEDTLS_SSL_VERSION_TLS1_2, rsa_suites, NULL), "rsa");
    CHECK_STR(got("both.test", MBEDTLS_SSL_VERSION_TLS1_3, NULL, rsa_signatures), "rsa");
    CHECK_STR(got("example.org", MBEDTLS_SSL_VERSION_TLS1_2, rsa_suites, NULL), "none");
    CHECK_STR(got("example.org", MBEDTLS_SSL_VERSION_TLS1_3, NULL, rsa_signatures), "none");
}

static void test_bad_bundles(void)
{
    static const struct tls_settings settings = {.only_tls13 = true};
    struct err err = {.text = ""};
    char bytes[] = "no bundle";
    int fd = memfd_create("bundle", MFD_CLOEXEC);
    must(write(fd, bytes, sizeof bytes) == sizeof bytes);
    CHECK(tls_context_new(fd, &settings, scratch, &err) == NULL && err.text[0] != '\0');
    close(fd);
    err.text[0] = '\0';
    CHECK(tls_context_new(-1, &settings, scratch, &err) == NULL && err.text[0] != '\0');
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_exact_names),   UNIT_CASE(test_wildcards),         UNIT_CASE(test_case_and_dot),
    UNIT_CASE(test_unknown_names), UNIT_CASE(test_two_kinds_of_keys), UNIT_CASE(test_bad_bundles),
};

int main(void)
{
    scratch = tls_scratch_new();
    context = tls_peer_context(identities, UNIT_COUNT(identities), scratch);
    int status = unit_main("tls_context", cases, UNIT_COUNT(cases));
    tls_context_drop(context);
    tls_scratch_free(scratch);
    return status;
}

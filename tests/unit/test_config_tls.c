// test_config_tls.c - options by their other name, the secret one, and what the settings of HTTPS
// need of each other.
#include "config_input.h"

#define CERTIFICATE "--tls-certificate", "/etc/shop.pem"

// --- aliases ---

static void test_alias_on_the_command_line(void)
{
    READ(ARGUMENTS("--ssl-certificate", "a.pem", "--tls-certificate=b.pem", "--ssl-keyfile=k.pem",
                   "--ssl-protocol-min", "1.3"));
    CHECK_READ();
    CHECK(config.tls_certificate.count == 2);
    CHECK_STR(config.tls_certificate.items[0], "a.pem");
    CHECK_STR(config.tls_certificate.items[1], "b.pem");
    CHECK_STR(config.tls_key.items[0], "k.pem");
    CHECK_STR(config.tls_min.name, "1.3");
    READ(ARGUMENTS(CERTIFICATE, "--ssl-protocol-min", "1.3", "--tls-min", "1.2"));
    CHECK_READ();
    CHECK(config.tls_min.index == 0);
    READ(ARGUMENTS("--ssl-protocol-min", "1.1"));
    CHECK_REFUSED("--ssl-protocol-min 1.1: must be one of 1.2, 1.3 (did you mean 1.2?)");
    READ(ARGUMENTS("--ssl-keyfile"));
    CHECK_REFUSED("--ssl-keyfile needs a value (write --ssl-keyfile FILE)");
    READ(ARGUMENTS("--ssl-keyfile", "--tls-watch"));
    CHECK_REFUSED("--ssl-keyfile needs a value before --tls-watch (write --ssl-keyfile=VALUE if "
                  "that is the value)");
    READ(ARGUMENTS("--no-ssl-ca"));
    CHECK_REFUSED("--no-ssl-ca: --ssl-ca is not a switch, it takes a value");
    READ(ARGUMENTS("--ssl-certificat", "a.pem"));
    CHECK_REFUSED("unknown option --ssl-certificat (did you mean --ssl-certificate?)");
    READ(.scope = SCOPE_INSPECT, ARGUMENTS("--ssl-keyfile", "k.pem"));
    CHECK_REFUSED("--tls-key is an option of \"limpet serve\", not of \"limpet inspect\"");
}

static void test_alias_in_the_environment(void)
{
    READ(ENVIRONMENT("LIMPET_SSL_CERTIFICATE=a.pem", "LIMPET_SSL_KEYFILE=k.pem"));
    CHECK_READ();
    CHECK_STR(config.tls_certificate.items[0], "a.pem");
    CHECK_CONTAINS(printed(SCOPE_SERVE), "# LIMPET_SSL_KEYFILE\n");
    CHECK_CONTAINS(printed(SCOPE_SERVE), "tls-key = k.pem");
    READ(ENVIRONMENT("LIMPET_SSL_KEYFILE=k.pem"), ARGUMENTS(CERTIFICATE, "--tls-key", "l.pem"));
    CHECK_READ();
    CHECK(config.tls_key.count == 1);
    CHECK_STR(config.tls_key.items[0], "l.pem");
    READ(ENVIRONMENT("LIMPET_SSL_PROTOCOL_MIN=1.3", "LIMPET_TLS_MIN=1.2"));
    CHECK_REFUSED("LIMPET_TLS_MIN and LIMPET_SSL_PROTOCOL_MIN are the same setting (leave one of "
                  "them out)");
    READ(ENVIRONMENT("LIMPET_TLS_CERTIFICATE=a", "LIMPET_SSL_CERTIFICATE=b"));
    CHECK_REFUSED("LIMPET_TLS_CERTIFICATE and LIMPET_SSL_CERTIFICATE are the same setting (leave "
                  "one of them out)");
    READ(ENVIRONMENT("LIMPET_SSL_CLIENT_VERIFY=yes"));
    CHECK_REFUSED("LIMPET_SSL_CLIENT_VERIFY=yes: must be one of off, optional, require");
    READ(ENVIRONMENT("LIMPET_SSL_KEYFIL=k.pem"));
    CHECK_READ();
    CHECK_STR(buf_text(&config.warnings), "ignoring LIMPET_SSL_KEYFIL: there is no such option "
                                          "(did you mean LIMPET_SSL_KEYFILE?)\n");
}

static void test_alias_in_texts(void)
{
    READ(.packed = "ssl-certificate = a.pem\ntls-certificate = b.pem\nssl-protocol-min = 1.3\n");
    CHECK_READ();
    CHECK(config.tls_certificate.count == 2 && config.tls_min.index == 1);
    READ(.packed = "ssl-protocol-min = 1.3\ntls-min = 1.3\n");
    CHECK_REFUSED("packed settings: \"tls-min\" and \"ssl-protocol-min\" are the same setting "
                  "(leave one of them out)");
    READ(.packed = "ssl-protocol-min = 1.3\nssl-protocol-min = 1.3\n");
    CHECK_REFUSED("packed settings: \"ssl-protocol-min\" has several values, and takes one");
    READ(.packed = "ssl-protocol-min = 2\n");
    CHECK_REFUSED("packed settings: ssl-protocol-min = 2: must be one of 1.2, 1.3");
    const char *file = file_in_folder("shop.toml");
    READ(.file = "ssl-certificat = a\n", ARGUMENTS("--config", file));
    CHECK_CONTAINS(err.text, "unknown key \"ssl-certificat\" (did you mean \"ssl-certificate\"?)");
    // pack stores it under its own name.
    READ(.scope = SCOPE_PACK, ARGUMENTS("shop", "--ssl-certificate", "a.pem"));
    CHECK_READ();
    CHECK_STR(stored(), "tls-certificate = a.pem\n");
}

// --- the secret ---

static void test_secret_from_the_environment(void)
{
    READ(ARGUMENTS(CERTIFICATE), ENVIRONMENT("LIMPET_TLS_KEY_PASSWORD= open sesame "));
    CHECK_READ();
    CHECK_STR(config.tls_key_password, " open sesame ");
    CHECK(strstr(printed(SCOPE_SERVE), "sesame") == NULL);
    CHECK_CONTAINS(printed(SCOPE_SERVE), "tls-key-password = (secret)");
    CHECK_CONTAINS(printed(SCOPE_SERVE), "# LIMPET_TLS_KEY_PASSWORD\n");
    READ(ARGUMENTS(CERTIFICATE), ENVIRONMENT("LIMPET_SSL_KEYFILE_PASSWORD=sesame"));
    CHECK_READ();
    CHECK_STR(config.tls_key_password, "sesame");
    CHECK_CONTAINS(printed(SCOPE_SERVE), "# LIMPET_SSL_KEYFILE_PASSWORD\n");
    READ();
    CHECK_CONTAINS(printed(SCOPE_SERVE), "tls-key-password = ");
    CHECK(strstr(printed(SCOPE_SERVE), "(secret)") == NULL);
    READ(ARGUMENTS(CERTIFICATE), ENVIRONMENT("LIMPET_TLS_KEY_PASSWORD=open\nsesame"));
    CHECK_REFUSED("LIMPET_TLS_KEY_PASSWORD=(secret): a newline in the value (it must be a single "
                  "line)");
    READ(.scope = SCOPE_PACK, ARGUMENTS("shop"), ENVIRONMENT("LIMPET_TLS_KEY_PASSWORD=sesame"));
    CHECK_READ();
    CHECK_STR(stored(), "");
}

static void test_secret_from_nowhere_else(void)
{
    static const char refused[] =
        "tls-key-password is a secret, and not to be where others can read it (set the variable "
        "LIMPET_TLS_KEY_PASSWORD, or give a file to --tls-key-password-file)";
    char expected[512];
    READ(ARGUMENTS(CERTIFICATE, "--tls-key-password", "sesame"));
    CHECK_REFUSED(refused);
    READ(ARGUMENTS(CERTIFICATE, "--tls-key-password=sesame"));
    CHECK_REFUSED(refused);
    READ(ARGUMENTS(CERTIFICATE, "--ssl-keyfile-password", "sesame"));
    CHECK_REFUSED(refused);
    READ(.scope = SCOPE_PACK, ARGUMENTS("shop", "--tls-key-password", "sesame"));
    CHECK_REFUSED(refused);
    READ(.packed = "tls-key-password = sesame\n");
    snprintf(expected, sizeof expected, "packed settings: %s", refused);
    CHECK_REFUSED(expected);
    READ(.packed = "ssl-keyfile-password = sesame\n");
    CHECK_REFUSED(expected);
}

static void test_secrets_leave_the_environment(void)
{
    setenv("LIMPET_TLS_KEY_PASSWORD", "sesame", 1);
    setenv("LIMPET_SSL_KEYFILE_PASSWORD", "sesame", 1);
    setenv("LIMPET_TLS_KEY_PASSWORD_FILE", "file", 1);
    char *value = getenv("LIMPET_TLS_KEY_PASSWORD");
    config_forget_secrets();
    CHECK(getenv("LIMPET_TLS_KEY_PASSWORD") == NULL);
    CHECK(getenv("LIMPET_SSL_KEYFILE_PASSWORD") == NULL);
    CHECK_STR(getenv("LIMPET_TLS_KEY_PASSWORD_FILE"), "file");
    CHECK(value[0] == '\0' && value[1] == '\0');
    unsetenv("LIMPET_TLS_KEY_PASSWORD_FILE");
}

// --- what needs what ---

static void test_what_needs_a_certificate(void)
{
    static const struct {
        const char *option, *value;
    } rows[] = {
        {"--tls-key", "k.pem"},     {"--tls-key-password-file", "word"},
        {"--tls-ocsp", "o.der"},    {"--tls-client-ca", "ca.pem"},
        {"--tls-crl", "crl.pem"},   {"--tls-client-verify", "require"},
        {"--redirect-https", "80"}, {"--hsts", "1d"},
    };
    char expected[160];
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        READ(ARGUMENTS(rows[i].option, rows[i].value));
        snprintf(expected, sizeof expected,
                 "%s needs --tls-certificate, which is not given (give it, or leave %s out)",
                 rows[i].option, rows[i].option);
        CHECK_REFUSED(expected);
        // The certificate of what is packed may be said where it is served.
        READ(.scope = SCOPE_PACK, ARGUMENTS("shop", rows[i].option, rows[i].value));
        CHECK_READ();
    }
    READ(ARGUMENTS("--tls-watch"));
    CHECK_REFUSED("--tls-watch needs --tls-certificate, which is not given (give it, or leave "
                  "--tls-watch out)");
    READ(ARGUMENTS("--no-tls-watch", "--tls-client-verify", "off", "--redirect-https=0", "--hsts",
                   "0", "--tls-min", "1.3"));
    CHECK_READ();
    READ(ENVIRONMENT("LIMPET_SSL_KEYFILE=k.pem"));
    CHECK_REFUSED("LIMPET_SSL_KEYFILE needs LIMPET_TLS_CERTIFICATE, which is not given (give it, "
                  "or leave LIMPET_SSL_KEYFILE out)");
    READ(.packed = "hsts = 1d\n");
    CHECK_REFUSED("packed settings: \"hsts\" needs \"tls-certificate\", which is not given (give "
                  "it, or leave \"hsts\" out)");
    READ(ARGUMENTS("--listen", "8000", "--listen", "0.0.0.0:443,tls"));
    CHECK_REFUSED("--listen 0.0.0.0:443,tls needs --tls-certificate, which is not given (give it, "
                  "or leave \",tls\" out)");
    READ(ARGUMENTS("--listen", "8000,client-verify=require"));
    CHECK_REFUSED("--listen 8000,client-verify=require needs --tls-certificate, which is not given "
                  "(give it, or leave client-verify= out)");
    READ(ARGUMENTS("--listen", "8000,client-verify=off", "--listen", "systemd:web,plain"));
    CHECK_READ();
}

static void test_a_certificate_needs_a_listener(void)
{
    READ(ARGUMENTS(CERTIFICATE));
    CHECK_READ();
    READ(ARGUMENTS(CERTIFICATE, "--uds", "/run/shop.sock"));
    CHECK_REFUSED("--tls-certificate is given, but no listener speaks TLS (add one, as --listen "
                  "0.0.0.0:443, or \",tls\" to one that there is)");
    READ(ARGUMENTS("--ssl-certificate", "a", "--listen", "8000,plain", "--listen", "unix:s"));
    CHECK_REFUSED("--ssl-certificate is given, but no listener speaks TLS (add one, as --listen "
                  "0.0.0.0:443, or \",tls\" to one that there is)");
    READ(ARGUMENTS(CERTIFICATE, "--listen", "unix:s,tls"));
    CHECK_READ();
    READ(ARGUMENTS(CERTIFICATE, "--listen", "systemd"));
    CHECK_READ();
    READ(ARGUMENTS(CERTIFICATE, "--listen", "systemd,plain"));
    CHECK(result == -1);
}

static void test_clients_certificates(void)
{
    READ(ARGUMENTS(CERTIFICATE, "--ssl-client-verify", "optional"));
    CHECK_REFUSED("--ssl-client-verify needs --tls-client-ca, which is not given (give it, or "
                  "leave --ssl-client-verify out)");
    READ(ARGUMENTS(CERTIFICATE, "--listen", "443,client-verify=require"));
    CHECK_REFUSED("--listen 443,client-verify=require needs --tls-client-ca, which is not given "
                  "(give it, or leave client-verify= out)");
    READ(ARGUMENTS(CERTIFICATE, "--tls-client-ca", "ca.pem"));
    CHECK_REFUSED("--tls-client-ca is given, but no listener asks clients for a certificate (set "
                  "--tls-client-verify to require or optional, or leave --tls-client-ca out)");
    READ(ARGUMENTS(CERTIFICATE, "--tls-crl", "crl.pem"));
    CHECK_REFUSED("--tls-crl is given, but no listener asks clients for a certificate (set "
                  "--tls-client-verify to require or optional, or leave --tls-crl out)");
    READ(ARGUMENTS(CERTIFICATE, "--tls-client-ca", "ca.pem", "--tls-client-verify", "require",
                   "--listen", "443,client-verify=off", "--listen", "8000,plain"));
    CHECK_REFUSED("--tls-client-ca is given, but no listener asks clients for a certificate (set "
                  "--tls-client-verify to require or optional, or leave --tls-client-ca out)");
    READ(ARGUMENTS(CERTIFICATE, "--ssl-ca", "ca.pem", "--ssl-crl", "crl.pem", "--tls-client-verify",
                   "require"));
    CHECK_READ();
    READ(ARGUMENTS(CERTIFICATE, "--tls-client-ca", "ca.pem", "--listen", "8000", "--listen",
                   "unix:s,tls,client-verify=optional"));
    CHECK_READ();
    READ(ARGUMENTS(CERTIFICATE, "--tls-client-ca", "ca.pem", "--listen", "systemd",
                   "--tls-client-verify", "require"));
    CHECK_READ();
}

static void test_values(void)
{
    char file[160], expected[320];
    READ(ARGUMENTS(CERTIFICATE, "--hsts", "500ms"));
    CHECK_REFUSED("--hsts 500ms: whole seconds are told, choose 1s at least");
    READ(ARGUMENTS(CERTIFICATE, "--tls-key-password-file", "word"),
         ENVIRONMENT("LIMPET_TLS_KEY_PASSWORD=sesame"));
    CHECK_REFUSED("--tls-key-password-file and LIMPET_TLS_KEY_PASSWORD exclude each other (leave "
                  "one of them out)");
    READ(ARGUMENTS(CERTIFICATE, "--acme-webroot", "/tmp"));
    CHECK_REFUSED("--acme-webroot is served by the port of --redirect-https, which is not given "
                  "(give it, or leave --acme-webroot out)");
    READ(ARGUMENTS(CERTIFICATE, "--redirect-https", "80", "--acme-webroot", "/nonexistent"));
    CHECK_REFUSED("--acme-webroot /nonexistent: No such file or directory (create the folder, or "
                  "give that of certbot's -w)");
    snprintf(file, sizeof file, "%s", file_in_folder("shop.toml"));
    READ(ARGUMENTS(CERTIFICATE, "--redirect-https", "80", "--acme-webroot", file));
    snprintf(expected, sizeof expected,
             "--acme-webroot %s: Not a directory (create the folder, or give that of certbot's -w)",
             file);
    CHECK_REFUSED(expected);
    READ(ARGUMENTS(CERTIFICATE, "--redirect-https", "80", "--acme-webroot", folder));
    CHECK_READ();
    CHECK_STR(config.acme_webroot, folder);
}

// Workers may be in another folder.
static void test_a_relative_webroot(void)
{
    _free_ char *before = getcwd(NULL, 0);
    CHECK(before != NULL && chdir("/tmp") == 0);
    READ(ARGUMENTS(CERTIFICATE, "--redirect-https", "80", "--acme-webroot",
                   folder + sizeof "/tmp/" - 1));
    CHECK_READ();
    CHECK_STR(config.acme_webroot, folder);
    CHECK(chdir(before) == 0);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_alias_on_the_command_line),
    UNIT_CASE(test_alias_in_the_environment),
    UNIT_CASE(test_alias_in_texts),
    UNIT_CASE(test_secret_from_the_environment),
    UNIT_CASE(test_secret_from_nowhere_else),
    UNIT_CASE(test_secrets_leave_the_environment),
    UNIT_CASE(test_what_needs_a_certificate),
    UNIT_CASE(test_a_certificate_needs_a_listener),
    UNIT_CASE(test_clients_certificates),
    UNIT_CASE(test_values),
    UNIT_CASE(test_a_relative_webroot),
};

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    int status = unit_main("config tls", cases, UNIT_COUNT(cases));
    config_fini(&config);
    unlink(file_in_folder("shop.toml"));
    rmdir(folder);
    return status;
}

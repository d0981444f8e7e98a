// test_listener_address.c - what --listen takes, and the words for what it does not take.
#include "listener_address.h"

#include "unit.h"

static struct err err;

static void test_good(void)
{
    static const struct {
        const char *text, *host, *path;
        unsigned port, mode;
        const char *owner, *group, *described;
    } rows[] = {
        {"127.0.0.1:8000", "127.0.0.1", NULL, 8000, 0666, NULL, NULL, "127.0.0.1:8000"},
        {"[::1]:8000", "::1", NULL, 8000, 0666, NULL, NULL, "[::1]:8000"},
        {"[fe80::1%eth0]:1", "fe80::1%eth0", NULL, 1, 0666, NULL, NULL, "[fe80::1%eth0]:1"},
        {"shop.example:65535", "shop.example", NULL, 65535, 0666, NULL, NULL, "shop.example:65535"},
        {":80", NULL, NULL, 80, 0666, NULL, NULL, ":80"},
        {"8000", "127.0.0.1", NULL, 8000, 0666, NULL, NULL, "127.0.0.1:8000"},
        {"0", "127.0.0.1", NULL, 0, 0666, NULL, NULL, "127.0.0.1:0"},
        {"unix:/run/s", NULL, "/run/s", 0, 0666, NULL, NULL, "unix:/run/s"},
        {"unix:a:b", NULL, "a:b", 0, 0666, NULL, NULL, "unix:a:b"},
        {"unix:s,mode=0660", NULL, "s", 0, 0660, NULL, NULL, "unix:s"},
        {"unix:s,mode=600", NULL, "s", 0, 0600, NULL, NULL, "unix:s"},
        {"unix:s,owner=www", NULL, "s", 0, 0666, "www", NULL, "unix:s"},
        {"unix:s,owner=33:w,mode=7", NULL, "s", 0, 7, "33", "w", "unix:s"},
        {"unix:s,mode=7,owner=:w", NULL, "s", 0, 7, NULL, "w", "unix:s"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct listener_address address;
        char text[64];
        CHECK(listener_address_check(rows[i].text, &err) == 0);
        CHECK(listener_address_parse(&address, rows[i].text, &err) == 0);
        CHECK((address.host == NULL) == (rows[i].host == NULL));
        CHECK_STR(address.host != NULL ? address.host : "", rows[i].host ? rows[i].host : "");
        CHECK((address.path == NULL) == (rows[i].path == NULL));
        CHECK_STR(address.path != NULL ? address.path : "", rows[i].path ? rows[i].path : "");
        CHECK(address.port == rows[i].port && address.mode == rows[i].mode && address.listed);
        CHECK((address.owner == NULL) == (rows[i].owner == NULL));
        CHECK_STR(address.owner != NULL ? address.owner : "", rows[i].owner ? rows[i].owner : "");
        CHECK((address.group == NULL) == (rows[i].group == NULL));
        CHECK_STR(address.group != NULL ? address.group : "", rows[i].group ? rows[i].group : "");
        listener_address_describe(&address, text, sizeof text);
        CHECK_STR(text, rows[i].described);
        listener_address_fini(&address);
    }
}

static void test_systemd(void)
{
    struct listener_address address;
    char text[64];
    CHECK(listener_address_parse(&address, "systemd", &err) == 0);
    CHECK(address.systemd && address.name == NULL && address.listed);
    CHECK(address.host == NULL && address.path == NULL);
    listener_address_describe(&address, text, sizeof text);
    CHECK_STR(text, "systemd");
    listener_address_fini(&address);
    CHECK(listener_address_parse(&address, "systemd:shop.socket", &err) == 0);
    CHECK(address.systemd);
    CHECK_STR(address.name, "shop.socket");
    listener_address_describe(&address, text, sizeof text);
    CHECK_STR(text, "systemd:shop.socket");
    listener_address_fini(&address);
    CHECK(listener_address_parse(&address, "systemd.example:80", &err) == 0); // a host
    CHECK(!address.systemd);
    CHECK_STR(address.host, "systemd.example");
    listener_address_fini(&address);
}

#define TCP_SETTINGS                                                     \
    " (there are tls, plain, proxy-protocol and client-verify=require; " \
    "another address is another --listen)"
#define UNIX_SETTINGS                                \
    " (there are mode=0660, owner=USER:GROUP, tls, " \
    "client-verify=require and proxy-protocol)"
#define SYSTEMD_SETTINGS                                                              \
    " (there are tls, plain, proxy-protocol and client-verify=require; SocketMode=, " \
    "SocketUser= and SocketGroup= stand in the .socket unit)"

// What is spoken there, with certificates and without, and whether clients are asked for theirs.
static void test_kinds(void)
{
    static const struct {
        const char *text, *described;
        bool is_unix;
        enum listener_kind without, with;
        int verify; // enum client_verify; -1: it does not say
    } rows[] = {
        {"8000", "127.0.0.1:8000", false, LISTENER_PLAIN, LISTENER_TLS, -1},
        {"8000,plain", "127.0.0.1:8000", false, LISTENER_PLAIN, LISTENER_PLAIN, -1},
        {"[::1]:443,tls", "[::1]:443", false, LISTENER_TLS, LISTENER_TLS, -1},
        {":443,tls,client-verify=require", ":443", false, LISTENER_TLS, LISTENER_TLS,
         CLIENT_VERIFY_REQUIRE},
        {":443,client-verify=optional", ":443", false, LISTENER_PLAIN, LISTENER_TLS,
         CLIENT_VERIFY_OPTIONAL},
        {"unix:s", "unix:s", true, LISTENER_PLAIN, LISTENER_PLAIN, -1},
        {"unix:s,plain", "unix:s", true, LISTENER_PLAIN, LISTENER_PLAIN, -1},
        {"unix:s,client-verify=off,mode=0600,tls", "unix:s", true, LISTENER_TLS, LISTENER_TLS,
         CLIENT_VERIFY_OFF},
        {"systemd", "systemd", false, LISTENER_PLAIN, LISTENER_TLS, -1},
        {"systemd", "systemd", true, LISTENER_PLAIN, LISTENER_PLAIN, -1},
        {"systemd:web,tls", "systemd:web", true, LISTENER_TLS, LISTENER_TLS, -1},
        {"systemd:web,plain", "systemd:web", false, LISTENER_PLAIN, LISTENER_PLAIN, -1},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct listener_address address;
        char text[64];
        CHECK(listener_address_parse(&address, rows[i].text, &err) == 0);
        CHECK(listener_address_kind(&address, rows[i].is_unix, false) == rows[i].without);
        CHECK(listener_address_kind(&address, rows[i].is_unix, true) == rows[i].with);
        CHECK(address.says_verify == (rows[i].verify >= 0));
        CHECK(!address.says_verify || (int)address.client_verify == rows[i].verify);
        listener_address_describe(&address, text, sizeof text);
        CHECK_STR(text, rows[i].described);
        listener_address_fini(&address);
    }
}

static bool has_proxy_protocol(const char *text)
{
    struct listener_address address;
    CHECK(listener_address_parse(&address, text, &err) == 0);
    bool has = address.proxy_protocol;
    listener_address_fini(&address);
    return has;
}

static void test_proxy_protocol(void)
{
    CHECK(has_proxy_protocol("8000,proxy-protocol") && !has_proxy_protocol("8000,plain"));
    CHECK(has_proxy_protocol("[::1]:443,tls,proxy-protocol"));
    CHECK(has_proxy_protocol("unix:s,proxy-protocol,mode=0600"));
    CHECK(has_proxy_protocol("systemd:web,proxy-protocol"));
}

static void test_bad(void)
{
    static const struct {
        const char *text, *problem;
    } rows[] = {
        {"shop", "no port (write shop:8000)"},
        {"127.0.0.1", "no port (write 127.0.0.1:8000)"},
        {"", "no port (write :8000)"},
        {"[::1]", "no port (write [::1]:8000)"},
        {"[::1]8000", "no port (write [::1]:8000)"},
        {"[::1:8000", "no \"]\" behind the IPv6 address (write [::1]:8000)"},
        {"[127.0.0.1]:8000", "what is in brackets is no IPv6 address"},
        {"[]:8000", "what is in brackets is no IPv6 address"},
        {"::1:8000", "an IPv6 address stands in brackets (write [::1]:8000)"},
        {"127.0.0.1:", "the port must be a number between 0 and 65535"},
        {":65536", "the port must be a number between 0 and 65535"},
        {"999999999999999999999", "the port must be a number between 0 and 65535"},
        {"127.0.0.1:http", "the port must be a number between 0 and 65535"},
        {"127.0.0.1:-1", "the port must be a number between 0 and 65535"},
        {"*:8000", "all addresses are written without one (write :8000)"},
        {"http://shop:80/x", "an address is wanted, not a URL (write shop:80)"},
        {"/run/shop.sock", "looks like a path (write unix:/run/shop.sock)"},
        {"8000,mode=0660", "\"mode=0660\" is no setting of a TCP address" TCP_SETTINGS},
        {"8000,owner=a", "\"owner=a\" is no setting of a TCP address" TCP_SETTINGS},
        {"8000,127.0.0.1:8001", "\"127.0.0.1:8001\" is no setting of a TCP address" TCP_SETTINGS},
        {"8000,", "\"\" is no setting of a TCP address" TCP_SETTINGS},
        {"8000,tls=1", "\"tls=1\" is no setting of a TCP address" TCP_SETTINGS},
        {"8000,client-verify", "\"client-verify\" is no setting of a TCP address" TCP_SETTINGS},
        {"8000,TLS", "\"TLS\" is no setting of a TCP address" TCP_SETTINGS},
        {"8000,proxy-protocol=2",
         "\"proxy-protocol=2\" is no setting of a TCP address" TCP_SETTINGS},
        {"8000,proxy-protocol,proxy-protocol",
         "proxy-protocol is given twice (leave one of them out)"},
        {"8000,tls,tls", "tls is given twice (leave one of them out)"},
        {"8000,plain,tls", "tls and plain exclude each other (leave one of them out)"},
        {"unix:s,tls,plain", "tls and plain exclude each other (leave one of them out)"},
        {"8000,client-verify=off,client-verify=off",
         "client-verify= is given twice (leave one of them out)"},
        {"8000,client-verify=yes", "client-verify=yes: write client-verify=off, "
                                   "client-verify=optional or client-verify=require"},
        {"8000,client-verify=", "client-verify=: write client-verify=off, client-verify=optional "
                                "or client-verify=require"},
        {"8000,client-verify=off,plain", "client-verify= is for TLS (leave it out, or plain)"},
        {"systemd,plain,client-verify=off", "client-verify= is for TLS (leave it out, or plain)"},
        {"unix:s,client-verify=require",
         "client-verify= is for TLS, which a unix socket speaks where \",tls\" says so (add it, or "
         "leave client-verify= out)"},
        {"unix:", "no path (write unix:/run/shop.sock)"},
        {"systemd:", "no name of a socket behind \"systemd:\" (write FileDescriptorName= of the "
                     ".socket unit, or systemd alone for all sockets)"},
        {"systemd:a:b", "no name of a socket behind \"systemd:\" (write FileDescriptorName= of the "
                        ".socket unit, or systemd alone for all sockets)"},
        {"systemd,mode=0660", "\"mode=0660\" is no setting here" SYSTEMD_SETTINGS},
        {"systemd:a,owner=b", "\"owner=b\" is no setting here" SYSTEMD_SETTINGS},
        {"systemd:,tls",
         "no name of a socket behind \"systemd:\" (write FileDescriptorName= of the "
         ".socket unit, or systemd alone for all sockets)"},
        {"http://shop:80,tls", "an address is wanted, not a URL (write shop:80)"},
        {"systemdx", "no port (write systemdx:8000)"},
        {"unix:,mode=0660", "no path (write unix:/run/shop.sock)"},
        {"unix:s,", "\"\" is no setting of a unix socket" UNIX_SETTINGS},
        {"unix:s,user=www", "\"user=www\" is no setting of a unix socket" UNIX_SETTINGS},
        {"unix:s,mode=", "mode=: not an octal mode (write mode=0660)"},
        {"unix:s,mode=0888", "mode=0888: not an octal mode (write mode=0660)"},
        {"unix:s,mode=1777", "mode=1777: not an octal mode (write mode=0660)"},
        {"unix:s,mode=00660", "mode=00660: not an octal mode (write mode=0660)"},
        {"unix:s,mode=7,mode=7", "mode= is given twice (leave one of them out)"},
        {"unix:s,owner=", "owner=: write owner=USER, owner=USER:GROUP or owner=:GROUP"},
        {"unix:s,owner=a:", "owner=a:: write owner=USER, owner=USER:GROUP or owner=:GROUP"},
        {"unix:s,owner=a:b:c", "owner=a:b:c: write owner=USER, owner=USER:GROUP or owner=:GROUP"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct listener_address address;
        err = (struct err){.kind = ERR_NONE};
        CHECK(listener_address_check(rows[i].text, &err) == -1);
        CHECK(err.kind == ERR_USAGE);
        CHECK_STR(err.text, rows[i].problem);
        CHECK(listener_address_parse(&address, rows[i].text, &err) == -1);
        CHECK(address.text == NULL);
    }
}

static bool equal(const char *first, const char *second)
{
    struct listener_address a, b;
    CHECK(listener_address_parse(&a, first, &err) == 0);
    CHECK(listener_address_parse(&b, second, &err) == 0);
    bool result = listener_address_equal(&a, &b);
    CHECK(listener_address_equal(&b, &a) == result);
    listener_address_fini(&a);
    listener_address_fini(&b);
    return result;
}

static void test_equal(void)
{
    CHECK(equal("8000", "127.0.0.1:8000"));
    CHECK(equal(":8000", ":8000"));
    CHECK(equal("unix:s", "unix:s,mode=0600"));
    CHECK(equal("8000,tls", "8000,plain"));
    CHECK(equal("systemd:a,tls", "systemd:a"));
    CHECK(!equal("8000", "8001"));
    CHECK(!equal("8000", ":8000"));
    CHECK(!equal("8000", "[::1]:8000"));
    CHECK(!equal("0", "0")); // two free ports
    CHECK(!equal("unix:s", "unix:t"));
    CHECK(!equal("unix:s", "8000"));
    CHECK(!equal("unix:s", ":0"));
    CHECK(equal("systemd", "systemd"));
    CHECK(equal("systemd:a", "systemd:a"));
    CHECK(!equal("systemd", "systemd:a"));
    CHECK(!equal("systemd:a", "systemd:b"));
    CHECK(!equal("systemd", ":0"));
    CHECK(!equal("systemd", "unix:systemd"));
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_good),           UNIT_CASE(test_systemd), UNIT_CASE(test_kinds),
    UNIT_CASE(test_proxy_protocol), UNIT_CASE(test_bad),     UNIT_CASE(test_equal),
};

int main(void)
{
    return unit_main("listener_address", cases, UNIT_COUNT(cases));
}

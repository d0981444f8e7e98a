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
        {"8000,mode=0660", "only unix sockets have settings (leave \",mode=0660\" out; another "
                           "address is another --listen)"},
        {"unix:", "no path (write unix:/run/shop.sock)"},
        {"systemd:", "no name of a socket behind \"systemd:\" (write FileDescriptorName= of the "
                     ".socket unit, or systemd alone for all sockets)"},
        {"systemd:a:b", "no name of a socket behind \"systemd:\" (write FileDescriptorName= of the "
                        ".socket unit, or systemd alone for all sockets)"},
        {"systemd,mode=0660", "systemd's sockets have their settings in the .socket unit (leave "
                              "\",mode=0660\" out, and write SocketMode=, SocketUser= and "
                              "SocketGroup= there)"},
        {"systemd:a,owner=b", "systemd's sockets have their settings in the .socket unit (leave "
                              "\",owner=b\" out, and write SocketMode=, SocketUser= and "
                              "SocketGroup= there)"},
        {"systemdx", "no port (write systemdx:8000)"},
        {"unix:,mode=0660", "no path (write unix:/run/shop.sock)"},
        {"unix:s,", "\"\" is no setting of a unix socket (there are mode=0660 and "
                    "owner=USER:GROUP)"},
        {"unix:s,user=www", "\"user=www\" is no setting of a unix socket (there are mode=0660 and "
                            "owner=USER:GROUP)"},
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
    UNIT_CASE(test_good),
    UNIT_CASE(test_systemd),
    UNIT_CASE(test_bad),
    UNIT_CASE(test_equal),
};

int main(void)
{
    return unit_main("listener_address", cases, UNIT_COUNT(cases));
}

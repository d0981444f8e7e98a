// test_listener_redirect.c - what is spoken on which socket, and the plain sockets that send
// clients on to HTTPS: real ones on free ports, inherited ones among them.
#include "listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "listener_inherited.h"
#include "unit.h"

static struct err err;
static struct listener_inherited inherited;
static struct listener_set set;
static struct config config;

static int tcp_at(const char *host, uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(inet_pton(AF_INET, host, &name.sin_addr) == 1);
    CHECK(bind(fd, (struct sockaddr *)&name, sizeof name) == 0 && listen(fd, 8) == 0);
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    CHECK(getsockname(fd, (struct sockaddr *)&name, &size) == 0);
    return ntohs(name.sin_port);
}

// A port that is free on every host, as text.
static const char *free_port(void)
{
    static char text[8];
    int fd = tcp_at("0.0.0.0", 0);
    snprintf(text, sizeof text, "%u", port_of(fd));
    close(fd);
    return text;
}

static void inherit(int fd, const char *name)
{
    size_t size = (inherited.count + 1) * sizeof *inherited.sockets;
    inherited.sockets = realloc(inherited.sockets, size);
    inherited.sockets[inherited.count++] = (struct listener_inherited_socket){
        .fd = fd, .own = strcmp(name, LISTENER_OWN_NAME) == 0, .name = strdup(name)};
}

static int open_arguments(int argc, char **argv)
{
    struct config_request request = {.scope = SCOPE_SERVE,
                                     .program = "limpet",
                                     .command = "serve",
                                     .argc = argc,
                                     .argv = argv,
                                     .packed = STR("")};
    err = (struct err){.kind = ERR_NONE};
    CHECK(config_read(&config, &request, &err) == 0);
    CHECK_STR(err.text, "");
    return listener_set_open(&set, &config, &inherited, &err);
}

#define OPEN(...)                                                                 \
    open_arguments((int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), \
                   (char **)(uintptr_t)(const char *[]){__VA_ARGS__})
#define CERTIFICATE "--tls-certificate", "a.pem"

static void end(void)
{
    listener_set_fini(&set);
    listener_inherited_fini(&inherited);
    config_fini(&config);
}

static const char *described(void)
{
    static struct buf words = {.maximum = 4096};
    static char text[1024];
    listener_set_describe(&set, &words);
    snprintf(text, sizeof text, "%s", buf_text(&words));
    buf_fini(&words);
    return text;
}

static void check_listener(size_t index, enum listener_kind kind, const char *scheme,
                           enum client_verify verify)
{
    CHECK(index < set.count);
    CHECK(set.listeners[index].kind == kind);
    CHECK_STR(set.listeners[index].endpoint.scheme, scheme);
    CHECK(set.listeners[index].client_verify == verify);
}

static void test_kinds(void)
{
    char path[] = "/tmp/limpet-kinds-XXXXXX", plain[64], tls[64], expected[256];
    CHECK(mkdtemp(path) != NULL);
    snprintf(plain, sizeof plain, "unix:%s/a", path);
    snprintf(tls, sizeof tls, "unix:%s/b,tls", path);
    CHECK(OPEN(CERTIFICATE, "--tls-client-ca", "ca", "--tls-client-verify", "optional", "--listen",
               "127.0.0.1:0", "--listen", "127.0.0.1:0,plain", "--listen", plain, "--listen", tls,
               "--listen", "127.0.0.1:0,client-verify=require") == 0);
    check_listener(0, LISTENER_TLS, "https", CLIENT_VERIFY_OPTIONAL);
    check_listener(1, LISTENER_PLAIN, "http", CLIENT_VERIFY_OFF);
    check_listener(2, LISTENER_PLAIN, "http", CLIENT_VERIFY_OFF);
    check_listener(3, LISTENER_TLS, "https", CLIENT_VERIFY_OPTIONAL);
    check_listener(4, LISTENER_TLS, "https", CLIENT_VERIFY_REQUIRE);
    snprintf(expected, sizeof expected,
             "https://127.0.0.1:%u, http://127.0.0.1:%u, %s, %s, https://127.0.0.1:%u",
             set.listeners[0].endpoint.port, set.listeners[1].endpoint.port, plain, tls,
             set.listeners[4].endpoint.port);
    CHECK_STR(described(), expected);
    end();
    CHECK(OPEN("--port", "0", CERTIFICATE) == 0);
    check_listener(0, LISTENER_TLS, "https", CLIENT_VERIFY_OFF);
    end();
    CHECK(OPEN("--port", "0") == 0);
    check_listener(0, LISTENER_PLAIN, "http", CLIENT_VERIFY_OFF);
    end();
    CHECK(rmdir(path) == 0);
}

static void check_redirect(size_t index, const char *address, const char *port, uint16_t to)
{
    CHECK(index < set.count);
    const struct listener *listener = &set.listeners[index];
    check_listener(index, LISTENER_REDIRECT, "http", CLIENT_VERIFY_OFF);
    CHECK_STR(listener->endpoint.address, address);
    CHECK(listener->endpoint.port == atoi(port));
    CHECK(listener->redirect_port == to);
}

static void test_each_host_once(void)
{
    const char *port = free_port();
    CHECK(OPEN(CERTIFICATE, "--redirect-https", port, "--listen", "127.0.0.1:0,plain", "--listen",
               "127.0.0.2:0", "--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0,tls") == 0);
    CHECK(set.count == 6);
    check_redirect(4, "127.0.0.2", port, set.listeners[1].endpoint.port);
    check_redirect(5, "127.0.0.1", port, set.listeners[2].endpoint.port);
    CHECK_STR(listener_set_name_of(&set, 4), LISTENER_OWN_NAME);
    end();
    port = free_port();
    CHECK(OPEN(CERTIFICATE, "--redirect-https", port, "--host", "127.0.0.3", "--port", "0") == 0);
    CHECK(set.count == 2);
    check_redirect(1, "127.0.0.3", port, set.listeners[0].endpoint.port);
    end();
}

// Whatever the order: the one that takes all is there, and is enough.
static void test_all_addresses_and_one(void)
{
    const char *port = free_port();
    CHECK(OPEN(CERTIFICATE, "--redirect-https", port, "--listen", "127.0.0.1:0", "--listen",
               "0.0.0.0:0") == 0);
    CHECK(set.count == 3);
    check_redirect(2, "0.0.0.0", port, set.listeners[1].endpoint.port);
    end();
}

static void test_without_a_host(void)
{
    char path[] = "/tmp/limpet-redirect-XXXXXX", tls[64];
    const char *port = free_port();
    CHECK(mkdtemp(path) != NULL);
    snprintf(tls, sizeof tls, "unix:%s/a,tls", path);
    CHECK(OPEN(CERTIFICATE, "--redirect-https", port, "--listen", tls) == 0);
    CHECK(set.count == 2);
    const char *all = set.listeners[1].endpoint.address;
    CHECK(strcmp(all, "::") == 0 || strcmp(all, "0.0.0.0") == 0);
    check_redirect(1, all, port, 443);
    end();
    CHECK(rmdir(path) == 0);
}

static void test_in_the_way(void)
{
    char number[16], address[64], expected[256];
    int fd = tcp_at("127.0.0.1", 0);
    snprintf(number, sizeof number, "%u", port_of(fd));
    CHECK(OPEN(CERTIFICATE, "--redirect-https", number, "--port", "0") == -1);
    snprintf(expected, sizeof expected,
             "cannot listen on 127.0.0.1:%s: address in use by another process; choose another "
             "with --redirect-https",
             number);
    CHECK_STR(err.text, expected);
    CHECK(set.count == 0);
    end();
    close(fd);
    snprintf(address, sizeof address, "127.0.0.1:%s", number);
    CHECK(OPEN(CERTIFICATE, "--redirect-https", number, "--listen", address) == -1);
    snprintf(expected, sizeof expected,
             "cannot listen on %s: https://%s is there already; choose another port with "
             "--redirect-https",
             address, address);
    CHECK_STR(err.text, expected);
    end();
}

// What a limpet has opened goes on where it was, also behind any free port.
static void test_upgraded(void)
{
    char number[16];
    int https = tcp_at("127.0.0.1", 0), http = tcp_at("127.0.0.1", 0);
    snprintf(number, sizeof number, "%u", port_of(http));
    inherit(http, LISTENER_OWN_NAME);
    inherit(https, LISTENER_OWN_NAME);
    CHECK(OPEN(CERTIFICATE, "--redirect-https", number, "--port", "0") == 0);
    CHECK(set.count == 2 && set.listeners[0].fd == https && set.listeners[1].fd == http);
    check_listener(0, LISTENER_TLS, "https", CLIENT_VERIFY_OFF);
    check_redirect(1, "127.0.0.1", number, port_of(https));
    end();
}

// systemd's socket of that port is meant for that.
static void test_of_systemd(void)
{
    char number[16];
    int https = tcp_at("127.0.0.1", 0), http = tcp_at("127.0.0.1", 0);
    snprintf(number, sizeof number, "%u", port_of(http));
    inherit(http, "http");
    inherit(https, "https");
    CHECK(OPEN(CERTIFICATE, "--redirect-https", number) == 0);
    CHECK(set.count == 2);
    check_redirect(0, "127.0.0.1", number, port_of(https));
    check_listener(1, LISTENER_TLS, "https", CLIENT_VERIFY_OFF);
    end();
    // By address, where the name is that of the other one.
    https = tcp_at("127.0.0.1", 0);
    snprintf(number, sizeof number, "%s", free_port());
    inherit(https, "https");
    CHECK(OPEN(CERTIFICATE, "--redirect-https", number, "--listen", "systemd:https,tls") == 0);
    CHECK(set.count == 2);
    check_redirect(1, set.listeners[1].endpoint.address, number, port_of(https));
    end();
    int plain = tcp_at("127.0.0.1", 0);
    inherit(plain, "web");
    CHECK(OPEN("--listen", "systemd") == 0);
    check_listener(0, LISTENER_PLAIN, "http", CLIENT_VERIFY_OFF);
    end();
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_kinds),
    UNIT_CASE(test_each_host_once),
    UNIT_CASE(test_all_addresses_and_one),
    UNIT_CASE(test_without_a_host),
    UNIT_CASE(test_in_the_way),
    UNIT_CASE(test_upgraded),
    UNIT_CASE(test_of_systemd),
};

int main(void)
{
    return unit_main("listener redirect", cases, UNIT_COUNT(cases));
}

// test_listener_inherited.c - what is made of the environment and of descriptors that somebody else
// has opened. Where it is about numbers of descriptors or the environment, in a child.
#include "listener_inherited.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "listener.h"
#include "unit.h"

static char folder[] = "/tmp/limpet-inherited-XXXXXX";
static char path[sizeof folder + 64];

static struct err err;
static struct listener_inherited inherited;
static struct listener_set set;
static struct config config;

static void in_child(void (*run)(void))
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        unit_failures = 0;
        run();
        fflush(NULL);
        _exit(unit_failures == 0 ? 0 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

// --- sockets as systemd makes them: blocking, and left open when a program is executed ---

static int tcp_at(const char *host, uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &name.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&name, sizeof name) == 0 && listen(fd, 16) == 0);
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in name = {.sin_port = 0};
    socklen_t size = sizeof name;
    CHECK(getsockname(fd, (struct sockaddr *)&name, &size) == 0);
    return ntohs(name.sin_port);
}

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int unix_at(const char *name)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    snprintf(local.sun_path, sizeof local.sun_path, "%s", name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&local, sizeof local) == 0 && listen(fd, 16) == 0);
    return fd;
}

static bool exists(const char *name)
{
    struct stat status;
    return lstat(name, &status) == 0;
}

static bool connects(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool connected = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return connected;
}

// --- the environment ---

// As systemd does it for this process.
static void announce(const char *count, const char *names)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_PIDFDID", "1", 1);
    setenv("LISTEN_FDS", count, 1);
    if (names != NULL)
        setenv("LISTEN_FDNAMES", names, 1);
}

static int take(bool upgraded)
{
    err = (struct err){.kind = ERR_NONE};
    int result = listener_inherited_take(&inherited, upgraded, &err);
    CHECK(getenv("LISTEN_PID") == NULL && getenv("LISTEN_FDS") == NULL);
    CHECK(getenv("LISTEN_FDNAMES") == NULL && getenv("LISTEN_PIDFDID") == NULL);
    return result;
}

static void put(int fd, int at)
{
    CHECK(dup2(fd, at) == at);
    if (fd != at)
        close(fd);
}

static void take_two(void)
{
    int on = 0;
    socklen_t size = sizeof on;
    put(tcp_at("127.0.0.1", 0), 3);
    put(unix_at(in_folder("two.sock")), 4);
    announce("2", "web:admin");
    CHECK(take(false) == 0);
    CHECK(inherited.count == 2 && listener_inherited_from_systemd(&inherited));
    for (int i = 0; i < 2; i++) {
        CHECK(inherited.sockets[i].fd == 3 + i && !inherited.sockets[i].own);
        CHECK(fcntl(3 + i, F_GETFD) & FD_CLOEXEC);
        CHECK(fcntl(3 + i, F_GETFL) & O_NONBLOCK);
    }
    CHECK(getsockopt(3, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0 && on != 0);
    CHECK_STR(inherited.sockets[0].name, "web");
    CHECK_STR(inherited.sockets[1].name, "admin");
    listener_inherited_fini(&inherited);
    CHECK(fcntl(3, F_GETFD) == -1 && fcntl(4, F_GETFD) == -1);
    CHECK(unlink(path) == 0);
}

static void test_two(void)
{
    in_child(take_two);
}

static void take_nameless(void)
{
    put(tcp_at("127.0.0.1", 0), 3);
    announce("1", NULL);
    CHECK(take(false) == 0);
    CHECK(inherited.count == 1);
    CHECK_STR(inherited.sockets[0].name, "unknown");
    listener_inherited_fini(&inherited);
}

static void test_without_names(void)
{
    in_child(take_nameless);
}

static void take_anothers(void)
{
    put(tcp_at("127.0.0.1", 0), 3);
    announce("1", "web");
    setenv("LISTEN_PID", "1", 1);
    CHECK(take(false) == 0);
    CHECK(inherited.count == 0 && !listener_inherited_from_systemd(&inherited));
    CHECK(fcntl(3, F_GETFD) == 0); // left alone
    setenv("LISTEN_FDS", "1", 1);  // of no process
    CHECK(take(false) == 0 && inherited.count == 0);
    CHECK(take(false) == 0 && inherited.count == 0); // nothing at all
    announce("0", "");
    CHECK(take(false) == 0 && inherited.count == 0);
}

static void test_those_of_another_process(void)
{
    in_child(take_anothers);
}

static void take_own(void)
{
    put(tcp_at("127.0.0.1", 0), 3);
    put(tcp_at("127.0.0.1", 0), 4);
    announce("2", "limpet:web");
    CHECK(take(true) == 0);
    CHECK(inherited.count == 2 && inherited.sockets[0].own && !inherited.sockets[1].own);
    CHECK(listener_inherited_from_systemd(&inherited));
    inherited.sockets[1].own = true;
    CHECK(!listener_inherited_from_systemd(&inherited));
    listener_inherited_fini(&inherited);
    CHECK(!listener_inherited_from_systemd(NULL));
}

static void test_those_of_a_limpet(void)
{
    in_child(take_own);
}

static int udp(void)
{
    return socket(AF_INET, SOCK_DGRAM, 0);
}

static int datagrams(void)
{
    return socket(AF_UNIX, SOCK_DGRAM, 0);
}

static int not_listening(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

static int file(void)
{
    return open("/", O_RDONLY);
}

static int netlink(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0);
}

static int good(void)
{
    return tcp_at("127.0.0.1", 0);
}

static void take_bad(void)
{
    static const struct {
        const char *pid, *count, *names; // pid: NULL: ours
        int (*open)(void);               // descriptor 4; NULL: it is not open
        const char *problem;
    } rows[] = {
        {"x", "2", "a:b", good, "LISTEN_PID=x is no number (unset LISTEN_PID to start without "},
        {"", "2", "a:b", good, "LISTEN_PID= is no number"},
        {NULL, "two", "a:b", good, "LISTEN_FDS=two is no number"},
        {NULL, "-1", "a:b", good, "LISTEN_FDS=-1 is no number"},
        {NULL, "2", "a", good, "LISTEN_FDNAMES=a has 1 names, LISTEN_FDS=2"},
        {NULL, "2", "a:b:c", good, "LISTEN_FDNAMES=a:b:c has 3 names, LISTEN_FDS=2"},
        {NULL, "2", "a:b", NULL,
         "the inherited descriptor 4 (\"b\") is not open, LISTEN_FDS promi"},
        {NULL, "2000000000", NULL, NULL, "the inherited descriptor 4 (\"unknown\") is not open, "},
        {NULL, "2", "a:b", file, "the inherited descriptor 4 (\"b\") is no socket (write Listen"},
        {NULL, "2", "a:b", udp, "the inherited descriptor 4 (\"b\") is no stream socket (write "},
        {NULL, "2", "a:b", datagrams, "4 (\"b\") is no stream socket (write ListenStream= in "},
        {NULL, "2", "a:b", netlink, "4 (\"b\") is neither a TCP nor a unix socket"},
        {NULL, "2", "a:b", not_listening, "4 (\"b\") does not listen (write Accept=no in the "},
        {NULL, "2", "a:limpet", good, "4 (\"limpet\") has a name that limpet keeps for itself "},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        put(good(), 3);
        close(4);
        if (rows[i].open != NULL) {
            int fd = rows[i].open();
            CHECK(fd >= 0);
            put(fd, 4);
        }
        unsetenv("LISTEN_FDNAMES");
        announce(rows[i].count, rows[i].names);
        if (rows[i].pid != NULL)
            setenv("LISTEN_PID", rows[i].pid, 1);
        CHECK(take(false) == -1);
        CHECK(err.kind == ERR_FAILED && inherited.count == 0);
        CHECK_CONTAINS(err.text, rows[i].problem);
    }
}

static void test_bad(void)
{
    in_child(take_bad);
}

// --- which serves what ---

// One inherited socket more. Returns its index.
static size_t inherit(int fd, const char *name)
{
    size_t size = (inherited.count + 1) * sizeof *inherited.sockets;
    inherited.sockets = realloc(inherited.sockets, size);
    inherited.sockets[inherited.count] = (struct listener_inherited_socket){
        .fd = fd, .own = strcmp(name, LISTENER_OWN_NAME) == 0, .name = strdup(name)};
    return inherited.count++;
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
    return listener_set_open(&set, &config, &inherited, &err);
}

#define OPEN(...)                                                                 \
    open_arguments((int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), \
                   (char **)(uintptr_t)(const char *[]){__VA_ARGS__})

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

// What was logged while the function ran.
static const char *logged(int (*run)(void), int expected)
{
    static char text[2048];
    FILE *file_of_log = tmpfile();
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file_of_log), STDERR_FILENO);
    int result = run();
    dup2(saved, STDERR_FILENO);
    close(saved);
    CHECK(result == expected);
    rewind(file_of_log);
    text[fread(text, 1, sizeof text - 1, file_of_log)] = '\0';
    fclose(file_of_log);
    return text;
}

static int open_default(void)
{
    return open_arguments(0, NULL);
}

static void test_default_is_systemd(void)
{
    char expected[256];
    const char *name = in_folder("default.sock");
    int tcp = tcp_at("127.0.0.1", 0);
    inherit(tcp, "web");
    inherit(unix_at(name), "local");
    CHECK_STR(logged(open_default, 0), "");
    snprintf(expected, sizeof expected, "http://127.0.0.1:%u, unix:%s", port_of(tcp), name);
    CHECK_STR(described(), expected);
    CHECK(set.listeners[0].fd == tcp && inherited.sockets[0].fd == -1);
    CHECK_STR(listener_set_name_of(&set, 0), "web");
    CHECK_STR(listener_set_name_of(&set, 1), "local");
    listener_set_claim_files(&set); // not even then
    end();
    CHECK(exists(name) && unlink(name) == 0); // systemd's
}

static void test_all_and_named(void)
{
    int first = tcp_at("127.0.0.1", 0), second = tcp_at("127.0.0.1", 0);
    inherit(first, "web");
    inherit(second, "admin");
    CHECK(OPEN("--listen", "systemd:admin", "--listen", "systemd:web") == 0);
    CHECK(set.count == 2 && set.listeners[0].fd == second && set.listeners[1].fd == first);
    CHECK(set.listeners[0].endpoint.port == port_of(second));
    end();
    first = tcp_at("127.0.0.1", 0);
    second = tcp_at("127.0.0.1", 0);
    inherit(first, "web");
    inherit(second, "web");
    CHECK(OPEN("--listen", "systemd:web") == 0);
    CHECK(set.count == 2);
    end();
    inherit(tcp_at("127.0.0.1", 0), "web");
    inherit(tcp_at("127.0.0.1", 0), "admin");
    CHECK(OPEN("--listen", "systemd:admin", "--listen", "systemd") == 0);
    CHECK(set.count == 2);
    end();
}

static void test_names_that_are_not_there(void)
{
    inherit(tcp_at("127.0.0.1", 0), "web");
    inherit(tcp_at("127.0.0.1", 0), "admin");
    inherit(tcp_at("127.0.0.1", 0), "web");
    inherit(tcp_at("127.0.0.1", 0), "limpet");
    CHECK(OPEN("--listen", "systemd:shop") == -1);
    CHECK_STR(err.text,
              "cannot listen on systemd:shop: systemd has given no socket of that name, but "
              "\"web\", \"admin\"; set FileDescriptorName= in the .socket unit, or choose another "
              "with --listen");
    CHECK(err.kind == ERR_FAILED && set.count == 0);
    end();
    inherit(tcp_at("127.0.0.1", 0), "limpet");
    CHECK(OPEN("--listen", "systemd") == -1);
    CHECK_STR(err.text, "cannot listen on systemd: systemd has given no socket; start its .socket "
                        "unit, or choose another with --listen");
    end();
    inherit(tcp_at("127.0.0.1", 0), "web");
    CHECK(OPEN("--listen", "systemd", "--listen", "systemd:web") == -1);
    CHECK_STR(err.text, "cannot listen on systemd:web: the sockets serve another address already; "
                        "leave one of the two out of --listen");
    end();
}

static void test_by_address(void)
{
    char address[64], other[64], expected[256];
    int tcp = tcp_at("127.0.0.1", 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", port_of(tcp));
    snprintf(other, sizeof other, "127.0.0.2:%u", port_of(tcp));
    inherit(tcp, "web");
    // Another address of that port is another address.
    CHECK(OPEN("--listen", other, "--listen", address) == 0);
    CHECK(set.count == 2 && set.listeners[1].fd == tcp && inherited.sockets[0].fd == -1);
    snprintf(expected, sizeof expected, "http://%s, http://%s", other, address);
    CHECK_STR(described(), expected);
    CHECK_STR(listener_set_name_of(&set, 0), "limpet");
    CHECK_STR(listener_set_name_of(&set, 1), "web");
    end();
}

static void test_by_host_and_port(void)
{
    char port[8];
    int tcp = tcp_at("127.0.0.1", 0);
    snprintf(port, sizeof port, "%u", port_of(tcp));
    inherit(tcp, "limpet");
    CHECK(OPEN("--port", port) == 0);
    CHECK(set.count == 1 && set.listeners[0].fd == tcp);
    end();
}

static int wildcard6(int only, uint16_t port)
{
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    if (bind(fd, (struct sockaddr *)&name, sizeof name) == 0 && listen(fd, 16) == 0)
        return fd;
    close(fd);
    return -1;
}

// Whichever of them are there: both, one for both, or one of a machine that has only that.
static void test_all_addresses(void)
{
    char address[16];
    int tcp = tcp_at("0.0.0.0", 0);
    snprintf(address, sizeof address, ":%u", port_of(tcp));
    inherit(tcp, "web");
    CHECK(OPEN("--listen", address) == 0);
    CHECK(set.count == 1 && set.listeners[0].fd == tcp);
    CHECK_STR(set.listeners[0].endpoint.address, "0.0.0.0");
    end();
    int both = wildcard6(0, 0);
    if (both < 0)
        return; // a machine without IPv6
    snprintf(address, sizeof address, ":%u", port_of(both));
    inherit(both, "web");
    CHECK(OPEN("--listen", address) == 0);
    CHECK(set.count == 1 && set.listeners[0].fd == both);
    CHECK_STR(set.listeners[0].endpoint.address, "::");
    end();
    tcp = tcp_at("0.0.0.0", 0);
    snprintf(address, sizeof address, ":%u", port_of(tcp));
    inherit(wildcard6(1, port_of(tcp)), "web");
    inherit(tcp, "web");
    CHECK(OPEN("--listen", address) == 0);
    CHECK(set.count == 2);
    end();
}

static void test_in_the_way(void)
{
    char address[64], expected[256];
    int tcp = tcp_at("0.0.0.0", 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", port_of(tcp));
    inherit(tcp, "web");
    CHECK(OPEN("--listen", address) == -1);
    snprintf(expected, sizeof expected,
             "cannot listen on %s: the socket \"web\" of systemd is in its way; take that one with "
             "--listen systemd, or choose another with --listen",
             address);
    CHECK_STR(err.text, expected);
    end();
}

static void test_any_port(void)
{
    char named[64];
    int first = tcp_at("127.0.0.1", 0), second = tcp_at("127.0.0.1", 0);
    snprintf(named, sizeof named, "127.0.0.1:%u", port_of(first));
    inherit(tcp_at("127.0.0.1", 0), "web"); // systemd's is no "any free one"
    inherit(tcp_at("127.0.0.2", 0), "limpet");
    inherit(first, "limpet");
    inherit(second, "limpet");
    // That which is asked for by its port is not taken for any.
    CHECK(OPEN("--listen", "127.0.0.1:0", "--listen", named, "--listen", "systemd") == 0);
    CHECK(set.count == 3);
    CHECK(set.listeners[0].fd == second && set.listeners[1].fd == first);
    end();
    inherit(tcp_at("127.0.0.1", 0), "web");
    CHECK(OPEN("--listen", "0", "--listen", "systemd") == 0);
    CHECK(set.count == 2 && inherited.sockets[0].fd == -1);
    CHECK_STR(listener_set_name_of(&set, 0), "limpet");
    end();
}

static uint16_t elsewhere; // a free port of somebody else

static int open_elsewhere(void)
{
    char port[8];
    int fd = tcp_at("127.0.0.1", 0);
    elsewhere = port_of(fd);
    close(fd);
    snprintf(port, sizeof port, "%u", elsewhere);
    return OPEN("--port", port);
}

static void test_what_nobody_wants(void)
{
    char expected[256];
    int tcp = tcp_at("127.0.0.1", 0), own = tcp_at("127.0.0.1", 0);
    uint16_t port = port_of(tcp), own_port = port_of(own);
    inherit(tcp, "web");
    inherit(own, "limpet");
    const char *said = logged(open_elsewhere, 0);
    snprintf(
        expected, sizeof expected,
        "listener: closing http://127.0.0.1:%u (\"web\") of systemd, which no --listen asks for "
        "(--listen systemd asks for all)\n",
        port);
    CHECK_CONTAINS(said, expected);
    CHECK(strchr(said, '\n')[1] == '\0'); // no word of our own
    CHECK(!connects(port) && !connects(own_port) && connects(elsewhere));
    end();
}

// --- the files of unix sockets ---

static const char *unix_listen(const char *name, const char *settings)
{
    static char text[sizeof path + 64];
    snprintf(text, sizeof text, "unix:%s%s", in_folder(name), settings);
    return text;
}

// A limpet's file becomes ours when we serve, and not before.
static void test_an_adopted_file(void)
{
    struct stat status;
    for (int claimed = 0; claimed < 2; claimed++) {
        const char *text = unix_listen("own.sock", ",mode=0640");
        int fd = unix_at(path);
        inherit(fd, "limpet");
        CHECK(OPEN("--listen", text) == 0);
        CHECK(set.count == 1 && set.listeners[0].fd == fd);
        CHECK(lstat(path, &status) == 0 && (status.st_mode & 0777) == 0640);
        CHECK_STR(set.listeners[0].endpoint.address, path);
        if (claimed)
            listener_set_claim_files(&set);
        end();
        CHECK(exists(path) == !claimed);
        unlink(path);
    }
}

static void test_systemds_file_by_path(void)
{
    const char *text = unix_listen("web.sock", "");
    int fd = unix_at(path);
    inherit(fd, "web");
    CHECK(OPEN("--listen", text) == 0);
    CHECK(set.listeners[0].fd == fd);
    CHECK_STR(listener_set_name_of(&set, 0), "web");
    listener_set_claim_files(&set);
    end();
    CHECK(exists(path) && unlink(path) == 0);
}

static int open_with_mode(void)
{
    return OPEN("--listen", unix_listen("web.sock", ",mode=0640"));
}

static void test_systemds_mode_stays(void)
{
    struct stat status;
    const char *name = in_folder("web.sock");
    inherit(unix_at(name), "web");
    CHECK(chmod(name, 0600) == 0);
    CHECK_CONTAINS(logged(open_with_mode, 0), "ignoring mode and owner of unix:");
    CHECK(lstat(path, &status) == 0 && (status.st_mode & 0777) == 0600);
    end();
    CHECK(unlink(path) == 0);
}

static void test_a_path_twice(void)
{
    const char *text = unix_listen("web.sock", "");
    inherit(unix_at(path), "web");
    CHECK(OPEN("--listen", "systemd", "--listen", text) == -1);
    CHECK_CONTAINS(err.text,
                   "web.sock of another --listen is there already; leave one of them out");
    end();
    CHECK(exists(path) && unlink(path) == 0);
}

// What is handed over is what can be reached.
static void test_what_is_handed_over(void)
{
    const char *text = unix_listen("gone.sock", "");
    CHECK(OPEN("--listen", text, "--listen", "0") == 0);
    CHECK_STR(listener_set_name_of(&set, 0), "limpet");
    CHECK(unlink(path) == 0);
    CHECK(listener_set_name_of(&set, 0) == NULL);
    CHECK_STR(listener_set_name_of(&set, 1), "limpet");
    listener_set_close(&set);
    CHECK(listener_set_name_of(&set, 1) == NULL);
    end();
}

static void test_forgotten_files(void)
{
    CHECK(OPEN("--listen", unix_listen("own.sock", "")) == 0);
    listener_set_forget_files(&set);
    end();
    CHECK(exists(path) && unlink(path) == 0);
}

static void test_abstract(void)
{
    char name[64], expected[128];
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    snprintf(name, sizeof name, "limpet-test-%d", (int)getpid());
    snprintf(local.sun_path + 1, sizeof local.sun_path - 1, "%s", name);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&local, size) == 0 && listen(fd, 1) == 0);
    inherit(fd, "web");
    CHECK(OPEN("--listen", "systemd") == 0);
    snprintf(expected, sizeof expected, "unix:@%s", name);
    CHECK_STR(described(), expected);
    end();
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_two),
    UNIT_CASE(test_without_names),
    UNIT_CASE(test_those_of_another_process),
    UNIT_CASE(test_those_of_a_limpet),
    UNIT_CASE(test_bad),
    UNIT_CASE(test_default_is_systemd),
    UNIT_CASE(test_all_and_named),
    UNIT_CASE(test_names_that_are_not_there),
    UNIT_CASE(test_by_address),
    UNIT_CASE(test_by_host_and_port),
    UNIT_CASE(test_all_addresses),
    UNIT_CASE(test_in_the_way),
    UNIT_CASE(test_any_port),
    UNIT_CASE(test_what_nobody_wants),
    UNIT_CASE(test_an_adopted_file),
    UNIT_CASE(test_systemds_file_by_path),
    UNIT_CASE(test_systemds_mode_stays),
    UNIT_CASE(test_a_path_twice),
    UNIT_CASE(test_what_is_handed_over),
    UNIT_CASE(test_forgotten_files),
    UNIT_CASE(test_abstract),
};

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    int status = unit_main("listener_inherited", cases, UNIT_COUNT(cases));
    if (rmdir(folder) < 0) {
        printf("listener_inherited: something is left in %s\n", folder);
        status = 1;
    }
    return status;
}

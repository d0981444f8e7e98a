// test_notify.c - a played service manager: what it is told, and what it may not do to us.
#include "notify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "unit.h"

static char folder[] = "/tmp/limpet-notify-XXXXXX";
static char path[sizeof folder + 16];

// The manager's socket at that path, or at that abstract name for "@...".
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) == 0);
    return fd;
}

static const char *received(int fd)
{
    static char message[4096];
    ssize_t size = recv(fd, message, sizeof message - 1, 0);
    message[size < 0 ? 0 : size] = '\0';
    return size < 0 ? "(nothing)" : message;
}

// Start anew with these variables; NULL: not there.
static void start(const char *socket_name, const char *microseconds, const char *pid)
{
    static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};
    const char *const values[] = {socket_name, microseconds, pid};
    for (size_t i = 0; i < UNIT_COUNT(names); i++) {
        unsetenv(names[i]);
        if (values[i] != NULL)
            setenv(names[i], values[i], 1);
    }
    notify_init();
    for (size_t i = 0; i < UNIT_COUNT(names); i++)
        CHECK(getenv(names[i]) == NULL);
}

static void check_manager_at(const char *name)
{
    int fd = listen_at(name);
    start(name, NULL, NULL);
    notify_send("READY=1\nSTATUS=%d workers", 2);
    CHECK_STR(received(fd), "READY=1\nSTATUS=2 workers");
    notify_send("STOPPING=1");
    CHECK_STR(received(fd), "STOPPING=1");
    CHECK_STR(received(fd), "(nothing)");
    notify_restore();
    CHECK_STR(getenv("NOTIFY_SOCKET"), name);
    CHECK(getenv("WATCHDOG_USEC") == NULL);
    close(fd);
}

static void test_a_path(void)
{
    check_manager_at(path);
    unlink(path);
}

static void test_an_abstract_name(void)
{
    char name[64];
    snprintf(name, sizeof name, "@limpet-notify-%d", (int)getpid());
    check_manager_at(name);
}

static void test_reloading(void)
{
    int fd = listen_at(path);
    int64_t before = clock_read(CLOCK_MONOTONIC) / 1000, told = 0;
    start(path, NULL, NULL);
    notify_reloading();
    const char *message = received(fd);
    CHECK(sscanf(message, "RELOADING=1\nMONOTONIC_USEC=%" SCNd64, &told) == 1);
    CHECK(told >= before && told <= clock_read(CLOCK_MONOTONIC) / 1000);
    close(fd);
    unlink(path);
}

static void test_no_manager(void)
{
    start(NULL, NULL, NULL);
    notify_send("READY=1");
    notify_restore();
    CHECK(getenv("NOTIFY_SOCKET") == NULL && getenv("WATCHDOG_USEC") == NULL);
    CHECK(notify_watchdog_interval() == 0);
    start(path, NULL, NULL); // one that has gone
    notify_send("READY=1");
}

// It does not read: nothing waits for it.
static void test_a_manager_that_sleeps(void)
{
    int fd = listen_at(path), count = 0;
    start(path, NULL, NULL);
    for (int i = 0; i < 5000; i++)
        notify_send("WATCHDOG=1");
    while (strcmp(received(fd), "WATCHDOG=1") == 0)
        count++;
    CHECK(count > 0 && count < 5000);
    close(fd);
    unlink(path);
}

static void test_a_long_message_is_cut(void)
{
    static char text[5000];
    int fd = listen_at(path);
    memset(text, 'x', sizeof text - 1);
    start(path, NULL, NULL);
    notify_send("STATUS=%s", text);
    CHECK(strlen(received(fd)) == 2047);
    close(fd);
    unlink(path);
}

static void test_names_that_are_none(void)
{
    static char longest[109] = "/";
    const char *const names[] = {"", "@", "/", "run/notify", "vsock:2:1234", longest};
    memset(longest + 1, 'x', sizeof longest - 2);
    for (size_t i = 0; i < UNIT_COUNT(names); i++) {
        start(names[i], NULL, NULL);
        notify_send("READY=1");
        notify_restore();
        CHECK(getenv("NOTIFY_SOCKET") == NULL);
    }
    longest[107] = '\0';
    start(longest, NULL, NULL);
    notify_restore();
    CHECK_STR(getenv("NOTIFY_SOCKET"), longest);
}

static void test_no_descriptor_is_kept(void)
{
    int fd = listen_at(path);
    int before = open("/", O_RDONLY | O_CLOEXEC);
    close(before);
    start(path, NULL, NULL);
    notify_send("READY=1");
    int after = open("/", O_RDONLY | O_CLOEXEC);
    CHECK(before == after);
    close(after);
    close(fd);
    unlink(path);
}

static void test_the_watchdog(void)
{
    char own[32], others[32];
    snprintf(own, sizeof own, "%d", (int)getpid());
    snprintf(others, sizeof others, "%d", (int)getppid());
    start(NULL, "30000000", own);
    CHECK(notify_watchdog_interval() == 15000);
    notify_restore();
    CHECK_STR(getenv("WATCHDOG_USEC"), "30000000");
    CHECK(getenv("WATCHDOG_PID") == NULL);
    start(NULL, "30000000", NULL);
    CHECK(notify_watchdog_interval() == 15000);
    start(NULL, "30000000", others);
    CHECK(notify_watchdog_interval() == 0);
    start(NULL, "1", NULL);
    CHECK(notify_watchdog_interval() == 1);
    static const char *const nonsense[] = {"", "0", "-5", "1s", "x", "99999999999999999999"};
    for (size_t i = 0; i < UNIT_COUNT(nonsense); i++) {
        start(NULL, nonsense[i], NULL);
        CHECK(notify_watchdog_interval() == 0);
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_a_path),
    UNIT_CASE(test_an_abstract_name),
    UNIT_CASE(test_reloading),
    UNIT_CASE(test_no_manager),
    UNIT_CASE(test_a_manager_that_sleeps),
    UNIT_CASE(test_a_long_message_is_cut),
    UNIT_CASE(test_names_that_are_none),
    UNIT_CASE(test_no_descriptor_is_kept),
    UNIT_CASE(test_the_watchdog),
};

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/socket", folder);
    int status = unit_main("notify", cases, UNIT_COUNT(cases));
    rmdir(folder);
    return status;
}

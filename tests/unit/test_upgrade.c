// test_upgrade.c - one process starts another and hears from it. The other one is this very
// program, told by its first argument what to be.
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "listener.h"
#include "listener_inherited.h"
#include "unit.h"

enum { PATIENCE = 30000, DESCRIPTORS = 256 }; // milliseconds; as far as is looked for open ones

static struct err err;
static struct listener_set set;

// --- the process that is started ---

static struct listener_inherited inherited;

// Handlers never survive an execution; a sanitizer has made its own since.
static void check_signals(void)
{
    sigset_t blocked;
    CHECK(sigprocmask(SIG_SETMASK, NULL, &blocked) == 0);
    for (int number = 1; number < 32; number++) {
        struct sigaction action;
        CHECK(sigismember(&blocked, number) == 0);
        CHECK(sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN);
    }
}

static void check_descriptors(int last)
{
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        if ((fcntl(fd, F_GETFD) >= 0) != (fd <= last)) {
            printf("    descriptor %d\n", fd);
            CHECK(false);
        }
    }
}

static void be_inherited(int count)
{
    bool upgraded = upgrade_inherit();
    CHECK(upgraded && getenv("LIMPET_UPGRADE_FD") == NULL);
    CHECK(upgrade_predecessor() == getppid());
    CHECK(fcntl(3 + count, F_GETFD) & FD_CLOEXEC); // the pipe
    CHECK(listener_inherited_take(&inherited, upgraded, &err) == 0);
    CHECK(inherited.count == (size_t)count);
}

// Of a socket that was opened by each: the port, named by the variable PORT_0 or PORT_1.
static void check_listener(size_t index, const char *variable, bool own)
{
    struct sockaddr_in name = {.sin_port = 0};
    socklen_t size = sizeof name;
    const char *expected = getenv(variable);
    char port[8] = "";
    if (getsockname(inherited.sockets[index].fd, (struct sockaddr *)&name, &size) == 0)
        snprintf(port, sizeof port, "%u", ntohs(name.sin_port));
    CHECK_STR(port, expected != NULL ? expected : "none");
    CHECK(inherited.sockets[index].own == own);
    CHECK_STR(inherited.sockets[index].name, own ? "limpet" : "web");
}

static int be_an_heir(void)
{
    check_descriptors(5);
    check_signals();
    CHECK_STR(getenv("NOTIFY_SOCKET"), "/run/new");
    CHECK_STR(getenv("KEPT"), "yes");
    be_inherited(2);
    check_listener(0, "PORT_0", true);
    check_listener(1, "PORT_1", false);
    fflush(NULL);
    if (unit_failures != 0)
        return 1;
    upgrade_tell_ready();
    CHECK(fcntl(5, F_GETFD) == -1);
    upgrade_tell_ready(); // no matter
    listener_inherited_fini(&inherited);
    return unit_failures == 0 ? 0 : 1;
}

static int be_alone(void)
{
    check_descriptors(3);
    CHECK(getenv("LISTEN_FDS") == NULL && getenv("LISTEN_PID") == NULL);
    be_inherited(0);
    fflush(NULL);
    if (unit_failures == 0)
        upgrade_tell_ready();
    return 0;
}

static int be_a_failure(void)
{
    return 7;
}

static int be_killed(void)
{
    raise(SIGKILL);
    return 0;
}

// It ends, and what it has forked still has the pipe.
static int be_survived(void)
{
    if (fork() != 0)
        return 3;
    pause();
    return 0;
}

static int be_hanging_up(void)
{
    CHECK(upgrade_inherit());
    upgrade_hang_up();
    pause();
    return 0;
}

static int be_waiting(void)
{
    pause();
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} roles[] = {
    {"heir", be_an_heir},    {"alone", be_alone},       {"failure", be_a_failure},
    {"killed", be_killed},   {"survived", be_survived}, {"hanging-up", be_hanging_up},
    {"waiting", be_waiting},
};

// --- the process that starts it ---

static struct upgrade *start_as(const char *role, const char *const *settings)
{
    char *argv[] = {(char *)(uintptr_t) "limpet-of-the-test", (char *)(uintptr_t)role, NULL};
    struct upgrade_setup setup = {
        .path = "/proc/self/exe", .argv = argv, .settings = settings, .listeners = &set};
    err = (struct err){.kind = ERR_NONE};
    fflush(NULL);
    return upgrade_start(&setup, &err);
}

// What it says in the end.
static enum upgrade_state outcome(struct upgrade *upgrade)
{
    enum upgrade_state state;
    while ((state = upgrade_take(upgrade, &err)) == UPGRADE_PENDING) {
        struct pollfd line = {.fd = upgrade_fd(upgrade), .events = POLLIN};
        int count = poll(&line, 1, PATIENCE);
        CHECK(count == 1);
        if (count != 1)
            return UPGRADE_PENDING;
    }
    CHECK(upgrade_fd(upgrade) == -1);
    return state;
}

static int reap(struct upgrade *upgrade)
{
    int status = -1;
    CHECK(waitpid(upgrade_pid(upgrade), &status, 0) == upgrade_pid(upgrade));
    upgrade_exited(upgrade, status);
    return status;
}

// What a supervisor does to its own signals.
static void play_supervisor(sigset_t *before)
{
    sigset_t blocked;
    sigfillset(&blocked);
    sigprocmask(SIG_SETMASK, &blocked, before);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
}

static void play_nobody(const sigset_t *before)
{
    signal(SIGHUP, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
    sigprocmask(SIG_SETMASK, before, NULL);
}

static int add_listener(const char *name)
{
    static const struct listener_address local = {.host = "127.0.0.1"};
    CHECK(listener_set_add(&set, &local, 16, &err) == 0);
    size_t last = set.count - 1;
    if (name != NULL)
        set.origins[last].name = strdup(name);
    return set.listeners[last].endpoint.port;
}

// Move a listener to that descriptor.
static void move_listener(size_t index, int fd)
{
    CHECK(dup2(set.listeners[index].fd, fd) == fd);
    close(set.listeners[index].fd);
    set.listeners[index].fd = fd;
}

static void check_heir(void)
{
    char ports[2][32];
    sigset_t before;
    const char *settings[] = {"NOTIFY_SOCKET=/run/new", ports[0], ports[1], NULL};
    for (int i = 0; i < 2; i++)
        snprintf(ports[i], sizeof ports[i], "PORT_%d=%u", i, set.listeners[i].endpoint.port);
    setenv("NOTIFY_SOCKET", "/run/old", 1);
    setenv("KEPT", "yes", 1);
    setenv("LISTEN_FDS", "77", 1);  // of nobody
    int leak = open("/", O_RDONLY); // without FD_CLOEXEC
    play_supervisor(&before);
    struct upgrade *upgrade = start_as("heir", settings);
    play_nobody(&before);
    unsetenv("LISTEN_FDS");
    CHECK(upgrade != NULL && upgrade_fd(upgrade) >= 0);
    CHECK(outcome(upgrade) == UPGRADE_READY);
    CHECK(reap(upgrade) == 0);
    CHECK(upgrade_take(upgrade, &err) == UPGRADE_READY);     // for good
    CHECK(fcntl(set.listeners[0].fd, F_GETFD) & FD_CLOEXEC); // ours are as they were
    upgrade_free(upgrade);
    close(leak);
}

static void test_ready(void)
{
    add_listener(NULL);
    add_listener("web");
    check_heir();
    // Where they have to be crosses where they are.
    move_listener(0, 40);
    move_listener(1, 41);
    fcntl(40, F_SETFD, FD_CLOEXEC);
    move_listener(1, 3);
    move_listener(0, 4);
    fcntl(4, F_SETFD, FD_CLOEXEC);
    check_heir();
    listener_set_fini(&set);
}

static void test_nothing_to_hand_over(void)
{
    add_listener(NULL);
    listener_set_close(&set); // what is closed is not handed over
    struct upgrade *upgrade = start_as("alone", NULL);
    CHECK(outcome(upgrade) == UPGRADE_READY);
    CHECK(reap(upgrade) == 0);
    upgrade_free(upgrade);
    listener_set_fini(&set);
}

static void check_failure(const char *role, const char *format)
{
    char expected[256];
    struct upgrade *upgrade = start_as(role, NULL);
    reap(upgrade);
    CHECK(outcome(upgrade) == UPGRADE_FAILED);
    snprintf(expected, sizeof expected, format, (int)upgrade_pid(upgrade));
    CHECK_STR(err.text, expected);
    upgrade_free(upgrade);
}

static void test_an_early_end(void)
{
    check_failure("failure", "the new process (pid %d) ended with status 7 before it served");
    check_failure("killed", "the new process (pid %d) was ended by SIGKILL before it served");
}

// Whoever holds the pipe, it will not serve any more.
static void test_an_end_that_leaves_somebody_behind(void)
{
    pid_t group = getpgrp();
    CHECK(setpgid(0, 0) == 0 || errno == EPERM);
    signal(SIGTERM, SIG_IGN);
    check_failure("survived", "the new process (pid %d) ended with status 3 before it served");
    kill(0, SIGTERM);
    signal(SIGTERM, SIG_DFL);
    CHECK(setpgid(0, group) == 0 || errno == EPERM);
}

static void test_hanging_up_and_abort(void)
{
    char expected[256];
    struct upgrade *upgrade = start_as("hanging-up", NULL);
    CHECK(outcome(upgrade) == UPGRADE_SILENT);
    snprintf(expected, sizeof expected, "the new process (pid %d) gave up before it served",
             (int)upgrade_pid(upgrade));
    CHECK_STR(err.text, expected);
    upgrade_abort(upgrade, SIGKILL);
    CHECK(reap(upgrade) == SIGKILL);
    CHECK(upgrade_take(upgrade, &err) == UPGRADE_FAILED);
    snprintf(expected, sizeof expected,
             "the new process (pid %d) was ended by SIGKILL before it served",
             (int)upgrade_pid(upgrade));
    CHECK_STR(err.text, expected);
    upgrade_abort(upgrade, SIGKILL); // of nobody any more
    upgrade_free(upgrade);
    upgrade = start_as("waiting", NULL);
    CHECK(upgrade_take(upgrade, &err) == UPGRADE_PENDING);
    upgrade_abort(upgrade, SIGTERM);
    CHECK(reap(upgrade) == SIGTERM);
    CHECK(upgrade_take(upgrade, &err) == UPGRADE_FAILED);
    upgrade_free(upgrade);
}

static void test_what_cannot_be_executed(void)
{
    char *argv[] = {(char *)(uintptr_t) "limpet", NULL};
    struct upgrade_setup setup = {.path = "/no/limpet", .argv = argv, .listeners = &set};
    struct upgrade *upgrade = upgrade_start(&setup, &err);
    CHECK(outcome(upgrade) == UPGRADE_FAILED);
    CHECK_STR(err.text, "cannot execute /no/limpet: No such file or directory");
    CHECK(WEXITSTATUS(reap(upgrade)) == 127);
    upgrade_free(upgrade);
    setup.path = "/";
    upgrade = upgrade_start(&setup, &err);
    CHECK(outcome(upgrade) == UPGRADE_FAILED);
    CHECK_STR(err.text, "cannot execute /: Permission denied");
    reap(upgrade);
    upgrade_free(upgrade);
}

static void test_no_upgrade(void)
{
    CHECK(upgrade_fd(NULL) == -1);
    upgrade_free(NULL);
    CHECK(!upgrade_inherit() && upgrade_predecessor() == 0);
    upgrade_tell_ready();
    upgrade_hang_up();
}

// Garbage is said to be some, and left alone.
static void test_bad_variables(void)
{
    int ends[2], saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    char reading[16], file[16], closed[16];
    CHECK(pipe(ends) == 0);
    snprintf(reading, sizeof reading, "%d", ends[0]);
    snprintf(file, sizeof file, "%d", null);
    snprintf(closed, sizeof closed, "%d", DESCRIPTORS);
    const char *const values[] = {"", "x", "-1", "0", "2", "4294967299", reading, file, closed};
    dup2(null, STDERR_FILENO);
    for (size_t i = 0; i < UNIT_COUNT(values); i++) {
        setenv("LIMPET_UPGRADE_FD", values[i], 1);
        CHECK(!upgrade_inherit());
        CHECK(getenv("LIMPET_UPGRADE_FD") == NULL && upgrade_predecessor() == 0);
    }
    dup2(saved, STDERR_FILENO);
    CHECK(fcntl(ends[0], F_GETFD) == 0);
    close(saved);
    close(null);
    close(ends[0]);
    close(ends[1]);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_ready),
    UNIT_CASE(test_nothing_to_hand_over),
    UNIT_CASE(test_an_early_end),
    UNIT_CASE(test_an_end_that_leaves_somebody_behind),
    UNIT_CASE(test_hanging_up_and_abort),
    UNIT_CASE(test_what_cannot_be_executed),
    UNIT_CASE(test_no_upgrade),
    UNIT_CASE(test_bad_variables),
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < UNIT_COUNT(roles); i++) {
        if (strcmp(argv[1], roles[i].name) == 0)
            return roles[i].run();
    }
    return unit_main("upgrade", cases, UNIT_COUNT(cases));
}

// test_supervisor.c - servers that start, lose workers, stop and vanish (played_server.h).
#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ipc.h"
#include "played_main.h"
#include "unit.h"

// --- serving ---

static void test_serves(void)
{
    char line[128];
    prepare("shop:app", 2);
    launch();
    int first = wait_number("worker 1 has pid ");
    int second = wait_number("worker 2 has pid ");
    int port = wait_port();
    int pid = ask(port);
    CHECK(pid > 0 && (pid == first || pid == second));
    tell(server.pid, SIGTERM);
    CHECK(exited_with(0));
    snprintf(line, sizeof line, "serving shop:app (wsgi) on http://127.0.0.1:%d with 2 workers\n",
             port);
    CHECK(count_in_log(line) == 1);
    CHECK(count_in_log("fake: draining") == 2);
    CHECK(count_in_log("fake: runtime stopped") == 2);
    CHECK(count_in_log("buffered by the supervisor\n") == 1);
    CHECK(count_in_log("buffered by a worker\n") == 2);
    CHECK(count_in_log("warning") == 0 && count_in_log(" error ") == 0);
}

static void test_one_worker_is_singular(void)
{
    prepare("shop:app", 1);
    launch();
    CHECK_LINE(" with 1 worker\n");
    tell(server.pid, SIGINT);
    CHECK(exited_with(0));
}

static void test_workers_inherit_little(void)
{
    prepare("shop:app", 3);
    launch();
    wait_port();
    tell(server.pid, SIGTERM);
    CHECK(exited_with(0));
    for (int number = 1; number <= 3; number++) {
        char line[128];
        snprintf(line, sizeof line, "sockets=2 input=ended name=limpet: w %d raised=1\n", number);
        CHECK(count_in_log(line) == 1);
    }
}

static void test_closed_input(void)
{
    prepare("shop:app", 2);
    server.closed_fd = STDIN_FILENO;
    launch();
    CHECK(ask(wait_port()) > 0);
    tell(server.pid, SIGTERM);
    CHECK(exited_with(0));
}

static void test_unix_socket(void)
{
    char path[] = "/tmp/limpet-supervisor-XXXXXX", line[128];
    int fd = mkstemp(path);
    CHECK(fd >= 0 && close(fd) == 0 && unlink(path) == 0);
    prepare("shop:app", 2);
    server.config.uds = path;
    launch();
    snprintf(line, sizeof line, "serving shop:app (wsgi) on unix:%s with 2 workers\n", path);
    CHECK_LINE(line);
    CHECK(access(path, F_OK) == 0);
    tell(server.pid, SIGTERM);
    CHECK(exited_with(0));
    CHECK(access(path, F_OK) < 0 && errno == ENOENT);
}

static void test_port_in_use(void)
{
    prepare("shop:app", 1);
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t size = sizeof name;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&name, size) == 0 && listen(fd, 1) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&name, &size) == 0);
    server.config.port = ntohs(name.sin_port);
    launch();
    CHECK_LINE("limpet: cannot listen on 127.0.0.1:");
    CHECK(exited_with(1));
    CHECK(atomic_load(starts) == 0);
    close(fd);
}

// --- workers that end ---

static void test_killed_worker_is_replaced(void)
{
    prepare("shop:app", 2);
    launch();
    int first = wait_number("worker 1 has pid ");
    int second = wait_number("worker 2 has pid ");
    int port = wait_port();
    tell(second, SIGKILL);
    CHECK_LINE("killed by SIGKILL after ");
    CHECK_LINE("; starting another in 0.1 s\n");
    int third = wait_number("worker 2 has pid ");
    CHECK_LINE("worker 2: starting -> serving\n");
    CHECK(third != 0 && third != second);
    int pid = ask(port);
    CHECK(pid > 0 && (pid == first || pid == third));
    tell(server.pid, SIGTERM);
    CHECK(exited_with(0));
    CHECK(count_in_log("supervisor: serving shop:app") == 1);
}

static void test_terminated_worker_drains_and_is_replaced(void)
{
    prepare("shop:app", 2);
    launch();
    int first = wait_number("worker 1 has pid ");
    wait_port();
    tell(first, SIGTERM);
    CHECK_LINE("fake: draining\n");
    CHECK_LINE("fake: runtime stopped\n");
    CHECK_LINE("exited with status 0 after ");
    CHECK_LINE("worker 1: starting -> serving\n");
    tell(server.pid, SIGTERM);
    CHECK(exited_with(0));
    CHECK(count_in_log("warning") == 0);
}

static void test_first_start_fails(void)
{
    prepare("broken", 4);
    launch();
    CHECK_LINE("limpet: broken: no module named 'broken'\n");
    CHECK(exited_with(1));
    CHECK(atomic_load(starts) == 1);
    CHECK(count_in_log("no module named") == 1);
}

static void test_first_start_crashes(void)
{
    prepare("crashes", 4);
    launch();
    CHECK_LINE("limpet: worker 1 (pid ");
    CHECK_LINE(") killed by SIGALRM after ");
    CHECK_LINE(" s while it loaded the application\n");
    CHECK(exited_with(1));
    CHECK(atomic_load(starts) == 1);
}

static void test_first_start_leaves(void)
{
    prepare("leaves", 2);
    launch();
    CHECK_LINE(") exited with status 3 after ");
    CHECK(exited_with(1));
    CHECK(count_in_log("exited with status") == 1);
}

static void test_no_reactor_is_a_failed_start(void)
{
    prepare("no reactor", 2);
    launch();
    CHECK_LINE("limpet: no reactor to be had\n");
    CHECK(exited_with(1));
    CHECK(count_in_log("fake: runtime stopped") == 1);
}

static void test_later_failures_back_off(void)
{
    prepare("breaks later", 2);
    launch();
    CHECK_LINE("worker 2 cannot start: breaks later: no module named 'broken'\n");
    CHECK_LINE("starting another in 0.1 s\n");
    CHECK_LINE("worker 2 cannot start: breaks later: no module named 'broken'\n");
    CHECK_LINE("starting another in 0.2 s\n");
    tell(server.pid, SIGTERM);
    CHECK(exited_with(0));
    CHECK(count_in_log("supervisor: serving") == 0);
}

// --- stopping ---

static void test_refuses_while_it_drains(void)
{
    prepare("stuck", 2);
    launch();
    int port = wait_port();
    CHECK(ask(port) > 0);
    tell(server.pid, SIGTERM);
    CHECK_LINE("fake: draining\n");
    CHECK_LINE("fake: draining\n");
    // The line comes just before the socket is closed: a connection in between is cut, not refused.
    int64_t until = clock_milliseconds() + WAIT_MAX;
    while (ask(port) != REFUSED && clock_milliseconds() < until)
        continue;
    CHECK(ask(port) == REFUSED);
    CHECK(kill(server.pid, 0) == 0);
    tell(server.pid, SIGQUIT);
    CHECK(exited_with(0));
}

static void test_deadline_kills(void)
{
    prepare("stuck", 2);
    server.config.graceful_timeout = 200;
    launch();
    wait_port();
    tell(server.pid, SIGTERM);
    CHECK_LINE("SIGTERM: stopping, requests under way have 0.2 s\n");
    CHECK_LINE("has not finished in time, killing it\n");
    CHECK(exited_with(0));
    CHECK(count_in_log("has not finished in time, killing it\n") == 2);
}

static void test_second_signal_kills(void)
{
    prepare("stuck", 2);
    launch();
    wait_port();
    tell(server.pid, SIGINT);
    CHECK_LINE("SIGINT: stopping, requests under way have 60.0 s\n");
    tell(server.pid, SIGTERM);
    CHECK_LINE("SIGTERM: stopping at once\n");
    CHECK(exited_with(0));
    CHECK(count_in_log("in time") == 0);
}

static void test_quit_kills(void)
{
    prepare("stuck", 2);
    launch();
    wait_port();
    tell(server.pid, SIGQUIT);
    CHECK_LINE("SIGQUIT: stopping at once\n");
    CHECK(exited_with(0));
    CHECK(count_in_log("fake: draining") == 0);
}

static void test_stop_while_loading(void)
{
    prepare("loads long", 2);
    launch();
    CHECK_LINE("fake: loading\n");
    tell(server.pid, SIGTERM);
    CHECK(exited_with(0));
    CHECK(count_in_log("in time") == 0);
}

static void test_signals_to_workers_change_nothing(void)
{
    static const int numbers[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGPIPE};
    prepare("shop:app", 1);
    launch();
    int worker = wait_number("worker 1 has pid ");
    int port = wait_port();
    tell(server.pid, SIGPIPE);
    for (size_t i = 0; i < UNIT_COUNT(numbers); i++)
        tell(worker, numbers[i]);
    // A terminal's Ctrl-C and Ctrl-\ reach workers, too, but the supervisor decides.
    tell(worker, SIGINT);
    tell(worker, SIGQUIT);
    CHECK(ask(port) == worker);
    tell(server.pid, SIGTERM);
    CHECK(exited_with(0));
    CHECK(count_in_log("worker 1 has pid ") == 1);
    CHECK(count_in_log("fake: draining") == 1);
}

// --- a supervisor that goes without a word ---

static void test_workers_end_with_supervisor(void)
{
    prepare("shop:app", 2);
    launch();
    wait_port();
    tell(server.pid, SIGKILL);
    CHECK(wait_all_gone());
    CHECK(count_in_log("fake: draining") >= 2);
    CHECK(count_in_log("fake: runtime stopped") == 2);
}

static void test_stuck_workers_end_with_supervisor(void)
{
    prepare("stuck", 2);
    server.config.graceful_timeout = 300;
    launch();
    wait_port();
    tell(server.pid, SIGKILL);
    CHECK(wait_all_gone());
    CHECK(count_in_log("fake: draining") >= 2);
    CHECK(count_in_log("spinning") == 0);
    CHECK(count_in_log("fake: runtime stopped") == 0);
}

static void test_loading_workers_end_with_supervisor(void)
{
    prepare("loads long", 1);
    launch();
    CHECK_LINE("fake: loading\n");
    tell(server.pid, SIGKILL);
    CHECK(wait_all_gone());
}

// --- workers that misbehave on the wire ---

static _Noreturn void wait_forever(void)
{
    for (;;)
        pause();
}

// After READY the first one sends what no worker sends.
static int babbling_worker(const struct inherit *inherit)
{
    struct err err;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ipc_send(inherit->ipc, IPC_READY, "wsgi babble", &err);
    if (atomic_fetch_add(starts, 1) == 0)
        send(inherit->ipc, "abc", 3, MSG_NOSIGNAL);
    wait_forever();
}

static void test_babbling_worker_is_killed(void)
{
    prepare("babble", 1);
    server.worker = babbling_worker;
    launch();
    CHECK_LINE(", killing it: a message of 3 bytes, shorter than its header\n");
    CHECK_LINE("killed by SIGKILL after ");
    CHECK_LINE("worker 1: starting -> serving\n");
    tell(server.pid, SIGQUIT);
    CHECK(exited_with(0));
}

// Its application has closed every descriptor that it did not know.
static void wait_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    poll(&poll_fd, 1, WAIT_MAX);
}

static int deaf_worker(const struct inherit *inherit)
{
    struct err err;
    sigset_t none;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    ipc_send(inherit->ipc, IPC_READY, "wsgi deaf", &err);
    if (strcmp(inherit->config->target, "hears too late") == 0)
        wait_readable(inherit->ipc);
    close(inherit->ipc);
    wait_forever();
}

static void check_deaf_worker(const char *target)
{
    prepare(target, 1);
    server.worker = deaf_worker;
    launch();
    wait_port();
    tell(server.pid, SIGTERM);
    CHECK(exited_with(0));
    CHECK(count_in_log("in time") == 0);
}

static void test_deaf_worker_is_terminated(void)
{
    check_deaf_worker("deaf");
}

// With the message still unread.
static void test_late_deaf_worker_is_terminated(void)
{
    check_deaf_worker("hears too late");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_serves),
    UNIT_CASE(test_one_worker_is_singular),
    UNIT_CASE(test_workers_inherit_little),
    UNIT_CASE(test_closed_input),
    UNIT_CASE(test_unix_socket),
    UNIT_CASE(test_port_in_use),
    UNIT_CASE(test_killed_worker_is_replaced),
    UNIT_CASE(test_terminated_worker_drains_and_is_replaced),
    UNIT_CASE(test_first_start_fails),
    UNIT_CASE(test_first_start_crashes),
    UNIT_CASE(test_first_start_leaves),
    UNIT_CASE(test_no_reactor_is_a_failed_start),
    UNIT_CASE(test_later_failures_back_off),
    UNIT_CASE(test_refuses_while_it_drains),
    UNIT_CASE(test_deadline_kills),
    UNIT_CASE(test_second_signal_kills),
    UNIT_CASE(test_quit_kills),
    UNIT_CASE(test_stop_while_loading),
    UNIT_CASE(test_signals_to_workers_change_nothing),
    UNIT_CASE(test_workers_end_with_supervisor),
    UNIT_CASE(test_stuck_workers_end_with_supervisor),
    UNIT_CASE(test_loading_workers_end_with_supervisor),
    UNIT_CASE(test_babbling_worker_is_killed),
    UNIT_CASE(test_deaf_worker_is_terminated),
    UNIT_CASE(test_late_deaf_worker_is_terminated),
};

int main(void)
{
    return played_main("supervisor", cases, UNIT_COUNT(cases));
}

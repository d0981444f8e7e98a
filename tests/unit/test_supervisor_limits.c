// test_supervisor_limits.c - workers that reach their limits, and the operator's signals
// (played_server.h).
#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "played_main.h"
#include "unit.h"

// --- limits ---

static void test_requests(void)
{
    prepare("shop:app", 1);
    server.config.workers_max_requests = 3;
    launch();
    int first = wait_number("worker 1 has pid "), port = wait_port();
    for (int i = 0; i < 3; i++)
        CHECK(ask(port) == first);
    CHECK_LINE("has answered 3 requests, replacing it\n");
    int second = wait_number("worker 1 has pid ");
    CHECK_LINE("fake: draining patiently\n");
    CHECK_LINE("exited with status 0 after ");
    CHECK(ask(port) == second);
    stop_server();
    CHECK(count_in_log("warning") == 0);
}

static void test_age(void)
{
    prepare("shop:app", 2);
    server.config.workers_lifetime = 200;
    launch();
    int port = wait_port();
    for (int i = 0; i < 4; i++)
        CHECK_LINE("s, replacing it\n");
    CHECK(ask(port) > 0);
    stop_server();
    CHECK(count_in_log("has served for 0.2") >= 4);
    CHECK(count_in_log("warning") == 0);
}

static void test_memory(void)
{
    prepare("shop:app", 1);
    server.config.workers_max_rss = 4096; // so much it has at once
    launch();
    wait_port();
    CHECK_LINE("MB in memory, replacing it\n");
    CHECK_LINE("fake: draining patiently\n");
    CHECK_LINE("MB in memory, replacing it\n");
    stop_server();
}

static void test_memory_that_is_small_enough(void)
{
    prepare("shop:app", 1);
    server.config.workers_max_rss = INT64_C(1) << 40;
    server.config.workers_lifetime = 1000; // five looks
    launch();
    CHECK_LINE("has served for 1.0");
    stop_server();
    CHECK(count_in_log("MB in memory") == 0);
}

static void test_start_that_takes_too_long(void)
{
    prepare("loads long", 2);
    server.config.workers_start_timeout = 200;
    launch();
    CHECK(exited_with(1));
    CHECK(count_in_log("limpet: the application is not ready after 0.2 s") == 1);
    CHECK(count_in_log("--workers-start-timeout") == 1);
}

static void test_worn_goes_on_without_a_successor(void)
{
    prepare("breaks later", 1);
    server.config.workers_lifetime = 100;
    launch();
    int first = wait_number("worker 1 has pid "), port = wait_port();
    CHECK_LINE("has served for 0.1");
    CHECK_LINE("goes on with what it has loaded\n");
    CHECK(ask(port) == first);
    // It is tried again, and goes on again.
    CHECK_LINE("is at its limit still");
    CHECK_LINE("goes on with what it has loaded\n");
    CHECK(ask(port) == first);
    stop_server();
}

static void test_stuck_request(void)
{
    prepare("stuck", 1);
    server.config.request_timeout = 200;
    launch();
    int first = wait_number("worker 1 has pid ");
    wait_port();
    CHECK_LINE("has worked on GET /stuck for 0.2");
    CHECK(wait_number("worker 1 has pid ") != first);
    CHECK_LINE("giving up what takes more than 200\n");
    CHECK_LINE("fake: traceback\n");
    CHECK_LINE("ends with requests that the application does not get on with\n");
    CHECK_LINE("in GET /stuck\n");
    tell(server.pid, SIGQUIT);
    CHECK(exited_with(0));
}

static void test_stopped_worker(void)
{
    prepare("shop:app", 1);
    server.config.request_timeout = 200;
    server.config.graceful_timeout = 300;
    launch();
    int first = wait_number("worker 1 has pid "), port = wait_port();
    tell(first, SIGSTOP);
    CHECK_LINE("was stopped by SIGSTOP\n");
    CHECK_LINE("has been stopped for 0.2");
    int second = wait_number("worker 1 has pid ");
    CHECK_LINE("has not finished in time, killing it\n");
    CHECK_LINE("killed by SIGKILL");
    CHECK(ask(port) == second);
    stop_server();
}

static void test_stopped_for_a_moment(void)
{
    prepare("shop:app", 1);
    server.config.request_timeout = 60000;
    launch();
    int worker = wait_number("worker 1 has pid "), port = wait_port();
    tell(worker, SIGSTOP);
    CHECK_LINE("was stopped by SIGSTOP\n");
    tell(worker, SIGCONT);
    CHECK_LINE("goes on\n");
    CHECK(ask(port) == worker);
    stop_server();
    CHECK(count_in_log("replacing") == 0);
}

// --- signals ---

static void test_restart_goes_through_all(void)
{
    prepare("shop:app", 3);
    launch();
    int port = wait_port();
    tell(server.pid, SIGUSR1);
    CHECK_LINE("serving shop:app (wsgi) by new workers, after ");
    CHECK(ask(port) > 0);
    stop_server();
    CHECK(count_in_log("exited with status 0") == 6);
    CHECK(atomic_load(starts) == 6);
    CHECK(count_in_log("draining patiently") == 3);
    CHECK(count_in_log("warning") == 0);
}

static void test_restart_that_fails_keeps_the_old(void)
{
    prepare("breaks later", 1);
    launch();
    int worker = wait_number("worker 1 has pid "), port = wait_port();
    tell(server.pid, SIGUSR1);
    CHECK_LINE("cannot start: ");
    CHECK_LINE("goes on with what it has loaded\n");
    CHECK(ask(port) == worker);
    stop_server();
}

static void test_more_and_fewer(void)
{
    prepare("shop:app", 1);
    launch();
    int port = wait_port();
    tell(server.pid, SIGTTIN);
    CHECK_LINE("2 workers instead of 1\n");
    CHECK_LINE("worker 2 has pid ");
    tell(server.pid, SIGTTIN);
    CHECK_LINE("3 workers instead of 2\n");
    CHECK_LINE("worker 3 has pid ");
    tell(server.pid, SIGTTOU);
    CHECK_LINE("2 workers instead of 3\n");
    CHECK_LINE("worker 3 (pid ");
    tell(server.pid, SIGTTOU);
    CHECK_LINE("1 workers instead of 2\n");
    CHECK_LINE("worker 2 (pid ");
    tell(server.pid, SIGTTOU);
    CHECK_LINE("1 worker, as before: 1 to 512 are possible\n");
    CHECK(ask(port) > 0);
    stop_server();
}

static void test_reread_changes_no_worker(void)
{
    prepare("shop:app", 1);
    launch();
    int worker = wait_number("worker 1 has pid "), port = wait_port();
    tell(server.pid, SIGHUP);
    CHECK_LINE("reading again");
    CHECK(ask(port) == worker);
    stop_server();
}

// In any order, before anything is ready or just after: none is lost, none does harm.
static void test_signals_all_at_once(void)
{
    prepare("shop:app", 2);
    launch();
    CHECK_LINE("worker 1 has pid ");
    static const int numbers[] = {SIGUSR1, SIGTTIN, SIGHUP, SIGTTOU, SIGTTIN, SIGUSR1};
    for (size_t i = 0; i < UNIT_COUNT(numbers); i++)
        tell(server.pid, numbers[i]);
    CHECK_LINE("replacing all workers\n");
    stop_server();
    CHECK(count_in_log("reading again") == 1);
}

// --- what nobody is left to wait for ---

static void test_fewer_while_one_loads(void)
{
    prepare("loads long later", 2);
    launch();
    CHECK_LINE("fake: loading\n");
    tell(server.pid, SIGTTOU);
    CHECK_LINE(" with 1 worker\n");
    stop_server();
}

static void test_restart_in_which_one_fails_once(void)
{
    prepare("breaks once", 3);
    launch();
    wait_port();
    tell(server.pid, SIGUSR1);
    CHECK_LINE("goes on with what it has loaded\n");
    CHECK_LINE(" by new workers, after ");
    stop_server();
    CHECK(count_in_log("cannot start") == 1);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_requests),
    UNIT_CASE(test_age),
    UNIT_CASE(test_memory),
    UNIT_CASE(test_memory_that_is_small_enough),
    UNIT_CASE(test_start_that_takes_too_long),
    UNIT_CASE(test_worn_goes_on_without_a_successor),
    UNIT_CASE(test_stuck_request),
    UNIT_CASE(test_stopped_worker),
    UNIT_CASE(test_stopped_for_a_moment),
    UNIT_CASE(test_restart_goes_through_all),
    UNIT_CASE(test_restart_that_fails_keeps_the_old),
    UNIT_CASE(test_more_and_fewer),
    UNIT_CASE(test_reread_changes_no_worker),
    UNIT_CASE(test_signals_all_at_once),
    UNIT_CASE(test_fewer_while_one_loads),
    UNIT_CASE(test_restart_in_which_one_fails_once),
};

int main(void)
{
    return played_main("supervisor limits", cases, UNIT_COUNT(cases));
}

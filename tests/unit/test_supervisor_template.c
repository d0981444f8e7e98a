// test_supervisor_template.c - --preload: workers that are forked from a process which has loaded
// the application (played_server.h).
#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "played_main.h"
#include "unit.h"

static void prepare_template(const char *target, int workers)
{
    prepare(target, workers);
    server.config.preload = true;
}

static void test_loads_once(void)
{
    prepare_template("shop:app", 3);
    launch();
    int template = wait_number("worker 0 has pid "), worker = wait_number("worker 1 has pid ");
    int port = wait_port();
    int answered = ask(port);
    CHECK(worker > 0 && answered > 0 && answered != template);
    stop_server();
    CHECK(atomic_load(starts) == 1);
    CHECK(count_in_log("fake: forked") == 3);
    CHECK(count_in_log("fake: runtime stopped") == 4);
    CHECK(count_in_log("exited with status 0") == 4);
    CHECK(count_in_log("warning") == 0 && count_in_log(" error ") == 0);
    // Once by the supervisor, by none of those that are forked from what had been forked.
    CHECK(count_in_log("buffered by the supervisor\n") == 1);
}

static void test_killed_worker_is_forked_again(void)
{
    prepare_template("shop:app", 1);
    launch();
    int worker = wait_number("worker 1 has pid "), port = wait_port();
    tell(worker, SIGKILL);
    CHECK_LINE("killed by SIGKILL");
    int next = wait_number("worker 1 has pid ");
    CHECK(next != worker && ask(port) == next);
    stop_server();
    CHECK(atomic_load(starts) == 1);
}

static void test_limits_fork_again(void)
{
    prepare_template("shop:app", 2);
    server.config.workers_lifetime = 100;
    server.config.workers_max_rss = 4096;
    launch();
    int port = wait_port();
    for (int i = 0; i < 6; i++)
        CHECK_LINE("s, replacing it\n");
    CHECK(ask(port) > 0);
    stop_server();
    CHECK(atomic_load(starts) == 1);
    CHECK(count_in_log("worker 0 (pid") == 1);
}

// The workers do not need it for what they do.
static void test_killed_template_is_loaded_again(void)
{
    prepare_template("shop:app", 1);
    launch();
    int template = wait_number("worker 0 has pid "), worker = wait_number("worker 1 has pid ");
    int port = wait_port();
    tell(template, SIGKILL);
    CHECK_LINE("killed by SIGKILL");
    CHECK(ask(port) == worker);
    int next = wait_number("worker 0 has pid ");
    CHECK(next > 0 && next != template);
    tell(worker, SIGKILL);
    CHECK(wait_number("worker 1 has pid ") > 0);
    CHECK(ask(port) > 0);
    stop_server();
    CHECK(atomic_load(starts) == 2);
}

// Both at once: the worker waits for the template.
static void test_worker_waits_for_the_template(void)
{
    prepare_template("shop:app", 1);
    launch();
    int template = wait_number("worker 0 has pid "), worker = wait_number("worker 1 has pid ");
    int port = wait_port();
    tell(template, SIGKILL);
    tell(worker, SIGKILL);
    CHECK(wait_number("worker 0 has pid ") > 0);
    CHECK(wait_number("worker 1 has pid ") > 0);
    CHECK(ask(port) > 0);
    stop_server();
}

static void test_restart_loads_anew(void)
{
    prepare_template("shop:app", 2);
    launch();
    int port = wait_port();
    tell(server.pid, SIGUSR1);
    CHECK_LINE("serving shop:app (wsgi) by new workers, after ");
    CHECK(ask(port) > 0);
    stop_server();
    CHECK(atomic_load(starts) == 2);
    CHECK(count_in_log("fake: forked") == 4);
    CHECK(count_in_log("exited with status 0") == 6);
}

static void test_restart_that_fails_keeps_all(void)
{
    prepare_template("breaks later", 1);
    launch();
    int worker = wait_number("worker 1 has pid "), port = wait_port();
    tell(server.pid, SIGUSR1);
    CHECK_LINE("worker 0 cannot start: ");
    CHECK_LINE("goes on with what it has loaded\n");
    CHECK(ask(port) == worker);
    tell(worker, SIGKILL);
    CHECK(wait_number("worker 1 has pid ") > 0);
    CHECK(ask(port) > 0);
    stop_server();
}

static void test_broken_from_the_start(void)
{
    prepare_template("broken", 2);
    launch();
    CHECK(exited_with(1));
    CHECK(count_in_log("limpet: broken: no module named 'broken'") == 1);
    CHECK(atomic_load(starts) == 1);
}

static void test_more_and_fewer(void)
{
    prepare_template("shop:app", 1);
    launch();
    wait_port();
    tell(server.pid, SIGTTIN);
    CHECK_LINE("worker 2 has pid ");
    tell(server.pid, SIGTTOU);
    CHECK_LINE("worker 2 (pid ");
    stop_server();
    CHECK(atomic_load(starts) == 1);
}

static void test_last_one_is_the_last(void)
{
    prepare_template("tidies up", 2);
    launch();
    wait_port();
    stop_server();
    CHECK(count_in_log("fake: the last one") == 1);
}

static void test_all_end_with_supervisor(void)
{
    prepare_template("shop:app", 2);
    launch();
    wait_port();
    tell(server.pid, SIGKILL);
    CHECK(wait_all_gone());
    CHECK(count_in_log("fake: runtime stopped") >= 2);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_loads_once),
    UNIT_CASE(test_killed_worker_is_forked_again),
    UNIT_CASE(test_limits_fork_again),
    UNIT_CASE(test_killed_template_is_loaded_again),
    UNIT_CASE(test_worker_waits_for_the_template),
    UNIT_CASE(test_restart_loads_anew),
    UNIT_CASE(test_restart_that_fails_keeps_all),
    UNIT_CASE(test_broken_from_the_start),
    UNIT_CASE(test_more_and_fewer),
    UNIT_CASE(test_last_one_is_the_last),
    UNIT_CASE(test_all_end_with_supervisor),
};

int main(void)
{
    return played_main("supervisor template", cases, UNIT_COUNT(cases));
}

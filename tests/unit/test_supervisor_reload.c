// test_supervisor_reload.c - servers whose application changes while they run (played_server.h).
#include "supervisor.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "played_server.h"
#include "unit.h"

// The application's folder. What is written in its one source is the target that workers load: a
// name that says what the played application does.
static char folder[] = "/tmp/limpet-supervisor-reload-XXXXXX";
static char source[64];

static void change_to(const char *target)
{
    int fd = open(source, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ssize_t size = (ssize_t)strlen(target);
    CHECK(fd >= 0 && write(fd, target, (size_t)size) == size && close(fd) == 0);
}

static bool holds_inotify(void)
{
    bool holds = false;
    char target[64];
    DIR *fds = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(fds)) != NULL;) {
        ssize_t size = readlinkat(dirfd(fds), entry->d_name, target, sizeof target - 1);
        target[size > 0 ? size : 0] = '\0';
        holds |= strstr(target, "inotify") != NULL;
    }
    closedir(fds);
    return holds;
}

static int reading_worker(const struct inherit *inherit)
{
    static char target[64]; // outlives this function with what worker_main starts
    static struct config config;
    struct inherit own = *inherit;
    int fd = open(source, O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, target, sizeof target - 1);
    target[size > 0 ? size : 0] = '\0';
    close(fd);
    if (holds_inotify())
        log_error("fake", "a descriptor of the supervisor's");
    config = *inherit->config;
    config.target = target;
    own.config = &config;
    return worker_main(&own);
}

static void begin(const char *target, int workers)
{
    change_to(target);
    prepare("app:app", workers);
    server.worker = reading_worker;
    server.config.reload = true;
    server.config.working_dir = folder;
    launch();
}

static void end(void)
{
    tell(server.pid, SIGINT);
    CHECK(exited_with(0));
    CHECK(count_in_log("a descriptor of the supervisor's") == 0);
    CHECK(count_in_log("spinning") == 0);
}

static int count_descriptors(void)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)server.pid);
    DIR *fds = opendir(path);
    while (fds != NULL && readdir(fds) != NULL)
        count++;
    closedir(fds);
    return count;
}

// --- changes that are good ---

static void test_successor_serves_before_the_old_one_drains(void)
{
    begin("one", 1);
    int first = wait_number("worker 1 has pid ");
    int port = wait_port();
    CHECK(ask(port) == first);
    change_to("two");
    CHECK_LINE("app.py has changed, loading the application again\n");
    int second = wait_number("worker 1 has pid ");
    CHECK_LINE("worker 1: starting -> serving\n");
    CHECK_LINE("worker 1: serving -> draining\n");
    CHECK_LINE("serving two (wsgi) as changed, after ");
    CHECK_LINE("worker 1: draining -> dead\n");
    CHECK(ask(port) == second);
    end();
    CHECK(count_in_log("warning") == 0 && count_in_log(" error ") == 0);
    CHECK(count_in_log("supervisor: serving one (wsgi) on ") == 1);
    CHECK(count_in_log("(wsgi) as changed, after ") == 1);
}

static void test_descriptors_and_processes_do_not_pile_up(void)
{
    char name[16];
    begin("one", 2);
    wait_port();
    int before = count_descriptors();
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "app%d", i);
        change_to(name);
        CHECK_LINE("(wsgi) as changed, after ");
        CHECK_LINE("draining -> dead\n");
    }
    int64_t until = clock_milliseconds() + WAIT_MAX;
    while (count_descriptors() != before && clock_milliseconds() < until)
        read_more(clock_milliseconds() + 10);
    CHECK(count_descriptors() == before);
    end();
}

static void test_all_workers_are_replaced(void)
{
    begin("one", 3);
    int port = wait_port();
    change_to("two");
    CHECK_LINE("(wsgi) as changed, after ");
    CHECK(ask(port) > 0);
    end();
    for (int number = 1; number <= 3; number++) {
        char line[64];
        snprintf(line, sizeof line, "worker %d has pid ", number);
        CHECK(count_in_log(line) == 2);
    }
    CHECK(atomic_load(starts) == 6);
}

static void test_requests_under_way_have_their_time(void)
{
    begin("stuck", 1);
    int first = wait_number("worker 1 has pid ");
    int port = wait_port();
    change_to("two");
    CHECK_LINE("serving two (wsgi) as changed");
    CHECK(kill(first, 0) == 0); // it has something to finish
    int pid = ask(port);
    CHECK(pid > 0 && pid != first);
    change_to("three");
    CHECK_LINE("serving three (wsgi) as changed");
    CHECK(kill(first, 0) == 0);
    tell(server.pid, SIGQUIT);
    CHECK(exited_with(0));
}

static void test_overdue_one_is_killed(void)
{
    change_to("stuck");
    prepare("app:app", 1);
    server.worker = reading_worker;
    server.config.reload = true;
    server.config.working_dir = folder;
    server.config.workers_kill_timeout = 200;
    launch();
    wait_port();
    change_to("two");
    CHECK_LINE("(wsgi) as changed, after ");
    CHECK_LINE("has not finished in time, killing it\n");
    CHECK_LINE("worker 1: killed -> dead\n");
    end();
}

// --- changes that are not ---

static void test_broken_one_keeps_the_old_one(void)
{
    begin("one", 1);
    int first = wait_number("worker 1 has pid ");
    int port = wait_port();
    change_to("broken");
    CHECK_LINE("worker 1 cannot start: broken: no module named 'broken'\n");
    int kept = wait_number("worker 1 (pid ");
    CHECK_LINE("goes on with what it has loaded\n");
    CHECK(kept == first);
    CHECK_LINE("draining -> dead\n");
    CHECK(ask(port) == first);
    change_to("two");
    int third = wait_number("worker 1 has pid ");
    CHECK_LINE("serving two (wsgi) as changed");
    CHECK_LINE("draining -> dead\n");
    CHECK(ask(port) == third);
    end();
}

static void test_broken_one_is_said_once(void)
{
    begin("one", 3);
    wait_port();
    change_to("broken");
    CHECK_LINE("goes on with what it has loaded\n");
    CHECK_LINE("draining -> dead\n");
    change_to("two");
    CHECK_LINE("serving two (wsgi) as changed");
    end();
    CHECK(count_in_log("cannot start") == 1);
}

static void test_crashing_one_keeps_the_old_one(void)
{
    begin("one", 1);
    int first = wait_number("worker 1 has pid ");
    int port = wait_port();
    change_to("crashes");
    CHECK_LINE("killed by SIGALRM after ");
    CHECK_LINE("goes on with what it has loaded\n");
    CHECK(ask(port) == first);
    end();
}

static void test_change_during_a_load_that_hangs(void)
{
    begin("one", 1);
    int first = wait_number("worker 1 has pid ");
    int port = wait_port();
    change_to("loads long");
    CHECK_LINE("fake: loading\n");
    CHECK(ask(port) == first);
    change_to("two");
    CHECK_LINE("serving two (wsgi) as changed");
    CHECK_LINE("draining -> dead\n");
    CHECK(ask(port) > 0);
    end();
    CHECK(count_in_log("warning") == 0 && count_in_log("goes on") == 0);
}

// --- no worker serves yet, or any more ---

static void test_broken_from_the_start(void)
{
    begin("broken", 2);
    CHECK_LINE("worker 1 cannot start: broken: no module named 'broken'\n");
    CHECK_LINE("; waiting for a change\n");
    change_to("broken");
    CHECK_LINE("worker 1 cannot start: broken: no module named 'broken'\n");
    CHECK_LINE("; waiting for a change\n");
    change_to("one");
    CHECK_LINE("serving one (wsgi) on http://127.0.0.1:");
    CHECK_LINE(" with 2 workers\n");
    end();
    CHECK(atomic_load(starts) == 4);
}

static void test_stop_while_broken_from_the_start(void)
{
    begin("broken", 2);
    CHECK_LINE("; waiting for a change\n");
    end();
}

static void test_hangs_from_the_start(void)
{
    begin("loads long", 1);
    CHECK_LINE("fake: loading\n");
    change_to("two");
    CHECK(wait_port() > 0);
    end();
    CHECK(count_in_log("serving two (wsgi) on ") == 1);
}

// The one that went on dies as well: its successor cannot start either, until the next change.
static void test_old_one_dies_while_broken(void)
{
    begin("one", 1);
    int first = wait_number("worker 1 has pid ");
    int port = wait_port();
    change_to("broken");
    CHECK_LINE("goes on with what it has loaded\n");
    CHECK_LINE("draining -> dead\n");
    tell(first, SIGKILL);
    CHECK_LINE("worker 1 cannot start: broken: no module named 'broken'\n");
    CHECK_LINE("; waiting for a change\n");
    change_to("two");
    CHECK_LINE("serving two (wsgi) as changed");
    CHECK(ask(port) > 0);
    end();
}

// Its place is taken by the successor that is on its way, not by one more.
static void test_old_one_dies_while_the_successor_loads(void)
{
    begin("one", 1);
    int first = wait_number("worker 1 has pid ");
    int port = wait_port();
    change_to("loads long");
    CHECK_LINE("fake: loading\n");
    tell(first, SIGKILL);
    CHECK_LINE("fake: loading\n");
    change_to("two");
    CHECK_LINE("serving two (wsgi) as changed");
    CHECK(ask(port) > 0);
    end();
}

static void test_stop_while_a_successor_loads(void)
{
    begin("one", 1);
    wait_port();
    change_to("loads long");
    CHECK_LINE("fake: loading\n");
    end();
    CHECK(count_in_log("in time") == 0);
}

static void test_successor_ends_with_supervisor(void)
{
    begin("one", 1);
    wait_port();
    change_to("loads long");
    CHECK_LINE("fake: loading\n");
    tell(server.pid, SIGKILL);
    CHECK(wait_all_gone());
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_successor_serves_before_the_old_one_drains),
    UNIT_CASE(test_descriptors_and_processes_do_not_pile_up),
    UNIT_CASE(test_all_workers_are_replaced),
    UNIT_CASE(test_requests_under_way_have_their_time),
    UNIT_CASE(test_overdue_one_is_killed),
    UNIT_CASE(test_broken_one_keeps_the_old_one),
    UNIT_CASE(test_broken_one_is_said_once),
    UNIT_CASE(test_crashing_one_keeps_the_old_one),
    UNIT_CASE(test_change_during_a_load_that_hangs),
    UNIT_CASE(test_broken_from_the_start),
    UNIT_CASE(test_stop_while_broken_from_the_start),
    UNIT_CASE(test_hangs_from_the_start),
    UNIT_CASE(test_old_one_dies_while_broken),
    UNIT_CASE(test_old_one_dies_while_the_successor_loads),
    UNIT_CASE(test_stop_while_a_successor_loads),
    UNIT_CASE(test_successor_ends_with_supervisor),
};

int main(void)
{
    starts = mmap(NULL, sizeof *starts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (starts == MAP_FAILED || mkdtemp(folder) == NULL)
        return 1;
    snprintf(source, sizeof source, "%s/app.py", folder);
    int status = unit_main("supervisor_reload", cases, UNIT_COUNT(cases));
    unlink(source);
    rmdir(folder);
    return status;
}

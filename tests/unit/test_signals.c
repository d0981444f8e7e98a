// test_signals.c - dispositions and masks, each case in a process of its own, and the names.
#include "signals.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

enum { WAIT_MAX = 10000 }; // milliseconds

// The wait status of a process that runs this.
static int run_apart(int (*run)(void))
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(run());
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status;
}

static bool all_are(void (*handler)(int), const int *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sigaction action;
        if (sigaction(numbers[i], NULL, &action) < 0 || action.sa_handler != handler)
            return false;
    }
    return true;
}

static const int commands[] = {SIGTERM, SIGINT,  SIGQUIT, SIGHUP,
                               SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU};

// Waits for the next one, 0 when none comes.
static int next_signal(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, WAIT_MAX) == 1 ? signals_read(fd) : 0;
}

static int reads_each_signal(void)
{
    struct err err;
    int fd = signals_open(&err);
    if (fd < 0 || signals_read(fd) != 0)
        return 1;
    for (size_t i = 0; i < UNIT_COUNT(commands); i++)
        raise(commands[i]);
    unsigned seen = 0;
    for (size_t i = 0; i < UNIT_COUNT(commands); i++) {
        int number = next_signal(fd);
        for (size_t j = 0; j < UNIT_COUNT(commands); j++)
            seen |= commands[j] == number ? 1U << j : 0;
    }
    return seen == (1U << UNIT_COUNT(commands)) - 1 && signals_read(fd) == 0 ? 0 : 2;
}

static void test_supervisor_reads_each_signal(void)
{
    CHECK(run_apart(reads_each_signal) == 0);
}

// As after "trap '' ..." and a parent that blocks everything.
static int overrules_parent(void)
{
    sigset_t all;
    struct err err;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGTERM, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    int fd = signals_open(&err);
    raise(SIGTERM);
    if (next_signal(fd) != SIGTERM)
        return 1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    int status;
    if (next_signal(fd) != SIGCHLD || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7)
        return 2;
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    return sigismember(&mask, SIGSEGV) || sigismember(&mask, SIGALRM) ? 3 : 0;
}

static void test_supervisor_overrules_its_parent(void)
{
    CHECK(run_apart(overrules_parent) == 0);
}

static int survives_others(void)
{
    static const int others[] = {SIGPIPE, SIGXFSZ};
    struct err err;
    if (signals_open(&err) < 0 || !all_are(SIG_IGN, others, UNIT_COUNT(others)))
        return 1;
    for (size_t i = 0; i < UNIT_COUNT(others); i++)
        raise(others[i]);
    return 0;
}

static void test_supervisor_survives_others(void)
{
    CHECK(run_apart(survives_others) == 0);
}

static int worker_survives(void)
{
    static const int numbers[] = {SIGINT,  SIGQUIT, SIGHUP,  SIGUSR1,
                                  SIGUSR2, SIGTTIN, SIGTTOU, SIGPIPE};
    struct err err;
    signals_open(&err);
    signals_enter_worker();
    for (size_t i = 0; i < UNIT_COUNT(numbers); i++)
        raise(numbers[i]);
    // What is ignored stays so in programs that the application starts; what is caught does not.
    for (size_t i = 0; i < UNIT_COUNT(commands); i++) {
        if (all_are(SIG_IGN, &commands[i], 1))
            return 1;
    }
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    for (int number = 1; number < NSIG; number++) {
        if (sigismember(&mask, number) == 1)
            return 2;
    }
    return 0;
}

static void test_worker_survives_group_signals(void)
{
    CHECK(run_apart(worker_survives) == 0);
}

// Sent while it was still blocked: it counts as soon as the worker is itself.
static int worker_terminates(void)
{
    struct err err;
    signals_open(&err);
    raise(SIGTERM);
    signals_enter_worker();
    return 0;
}

static void test_worker_ends_by_terminate(void)
{
    int status = run_apart(worker_terminates);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static volatile sig_atomic_t terminations;

static void count_termination(void)
{
    terminations++;
}

static int worker_catches_terminate(void)
{
    struct err err;
    signals_open(&err);
    signals_enter_worker();
    signals_on_terminate(count_termination);
    raise(SIGTERM);
    raise(SIGTERM);
    return terminations == 2 ? 0 : 1;
}

static void test_worker_calls_handler(void)
{
    CHECK(run_apart(worker_catches_terminate) == 0);
}

// What it forks, as multiprocessing does, ends as any process would.
static int worker_forks(void)
{
    struct err err;
    int status = -1;
    signals_open(&err);
    signals_enter_worker();
    signals_on_terminate(count_termination);
    pid_t pid = fork();
    if (pid == 0) {
        raise(SIGTERM);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM && terminations == 0 ? 0 : 1;
}

static void test_forked_by_worker_ends_by_terminate(void)
{
    CHECK(run_apart(worker_forks) == 0);
}

static void test_names(void)
{
    char buffer[32];
    CHECK_STR(signals_name(SIGSEGV, buffer, sizeof buffer), "SIGSEGV");
    CHECK_STR(signals_name(SIGKILL, buffer, sizeof buffer), "SIGKILL");
    CHECK_STR(signals_name(SIGTERM, buffer, sizeof buffer), "SIGTERM");
    CHECK_STR(signals_name(0, buffer, sizeof buffer), "signal 0");
    CHECK_STR(signals_name(-1, buffer, sizeof buffer), "signal -1");
    CHECK_STR(signals_name(63, buffer, sizeof buffer), "signal 63");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_supervisor_reads_each_signal),
    UNIT_CASE(test_supervisor_overrules_its_parent),
    UNIT_CASE(test_supervisor_survives_others),
    UNIT_CASE(test_worker_survives_group_signals),
    UNIT_CASE(test_worker_ends_by_terminate),
    UNIT_CASE(test_worker_calls_handler),
    UNIT_CASE(test_forked_by_worker_ends_by_terminate),
    UNIT_CASE(test_names),
};

int main(void)
{
    return unit_main("signals", cases, UNIT_COUNT(cases));
}

// signals.c - dispositions and masks from one table with a column for the supervisor and one for
// workers. The supervisor reads its signals from a signalfd in its poll loop; a worker has no loop
// of its own during Python code, so it is told things over ipc and has handlers only for what may
// reach it directly.
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum treatment {
    TREAT_DEFAULT,
    TREAT_READ, // blocked, arrives on the signalfd
    TREAT_IGNORE,
    TREAT_SWALLOW, // a handler that does nothing, which executed programs do not inherit
};

struct row {
    int number;
    enum treatment supervisor;
    enum treatment worker;
};

static const struct row rows[] = {
    {SIGTERM, TREAT_READ, TREAT_DEFAULT},
    {SIGINT, TREAT_READ, TREAT_SWALLOW},
    {SIGQUIT, TREAT_READ, TREAT_SWALLOW},
    {SIGCHLD, TREAT_READ, TREAT_DEFAULT},
    // To a whole process group or service: what they mean is for the supervisor to carry out.
    {SIGHUP, TREAT_READ, TREAT_SWALLOW},
    {SIGUSR1, TREAT_READ, TREAT_SWALLOW},
    {SIGUSR2, TREAT_READ, TREAT_SWALLOW},
    {SIGTTIN, TREAT_READ, TREAT_SWALLOW},
    {SIGTTOU, TREAT_READ, TREAT_SWALLOW},
    // A peer that has gone and a full quota are errors of one write. Python ignores both in the
    // same way.
    {SIGPIPE, TREAT_IGNORE, TREAT_IGNORE},
    {SIGXFSZ, TREAT_IGNORE, TREAT_IGNORE},
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static void swallow(int number)
{
    (void)number;
}

static void set_handler(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void set_treatment(int number, enum treatment treatment)
{
    void (*const handlers[])(int) = {
        [TREAT_DEFAULT] = SIG_DFL,
        // An ignored signal is dropped even while it is blocked, and ignored children are never
        // reaped.
        [TREAT_READ] = SIG_DFL,
        [TREAT_IGNORE] = SIG_IGN,
        [TREAT_SWALLOW] = swallow,
    };
    set_handler(number, handlers[treatment]);
}

int signals_open(struct err *err)
{
    sigset_t read_set;
    sigemptyset(&read_set);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].supervisor == TREAT_READ)
            sigaddset(&read_set, rows[i].number);
    }
    sigprocmask(SIG_SETMASK, &read_set, NULL);
    for (size_t i = 0; i < ROW_COUNT; i++)
        set_treatment(rows[i].number, rows[i].supervisor);
    int fd = signalfd(-1, &read_set, SFD_NONBLOCK | SFD_CLOEXEC);
    return fd >= 0 ? fd : err_system(err, errno, "cannot make a signal descriptor");
}

int signals_read(int fd)
{
    struct signalfd_siginfo info;
    ssize_t size;
    do
        size = read(fd, &info, sizeof info);
    while (size < 0 && errno == EINTR);
    return size == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

static void unblock_all(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void signals_enter_worker(void)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        set_treatment(rows[i].number, rows[i].worker);
    unblock_all();
}

void signals_on_interrupt(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler}; // without SA_RESTART
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    set_handler(SIGPIPE, SIG_IGN);
}

void signals_reset(void)
{
    for (int number = 1; number < NSIG; number++)
        set_handler(number, SIG_DFL); // some cannot be set
    unblock_all();
}

// A process has one handler of SIGTERM; what it forks must not act in its name.
static struct {
    pid_t pid;
    void (*handler)(void);
} termination;

static void on_terminate(int number)
{
    int saved = errno;
    if (getpid() == termination.pid) {
        termination.handler();
    } else {
        set_handler(number, SIG_DFL);
        raise(number); // arrives on return
    }
    errno = saved;
}

void signals_on_terminate(void (*handler)(void))
{
    termination.pid = getpid();
    termination.handler = handler;
    set_handler(SIGTERM, on_terminate);
}

const char *signals_name(int number, char *buffer, size_t size)
{
    static const char *const names[] = {
        [SIGHUP] = "SIGHUP",   [SIGINT] = "SIGINT",   [SIGQUIT] = "SIGQUIT",
        [SIGILL] = "SIGILL",   [SIGTRAP] = "SIGTRAP", [SIGABRT] = "SIGABRT",
        [SIGBUS] = "SIGBUS",   [SIGFPE] = "SIGFPE",   [SIGKILL] = "SIGKILL",
        [SIGUSR1] = "SIGUSR1", [SIGSEGV] = "SIGSEGV", [SIGUSR2] = "SIGUSR2",
        [SIGPIPE] = "SIGPIPE", [SIGALRM] = "SIGALRM", [SIGTERM] = "SIGTERM",
        [SIGXCPU] = "SIGXCPU", [SIGXFSZ] = "SIGXFSZ", [SIGVTALRM] = "SIGVTALRM",
        [SIGPROF] = "SIGPROF", [SIGPOLL] = "SIGPOLL", [SIGSYS] = "SIGSYS",
        [SIGSTOP] = "SIGSTOP", [SIGTSTP] = "SIGTSTP", [SIGTTIN] = "SIGTTIN",
        [SIGTTOU] = "SIGTTOU", [SIGCONT] = "SIGCONT", [SIGSTKFLT] = "SIGSTKFLT",
        [SIGPWR] = "SIGPWR",
    };
    if (number > 0 && (size_t)number < sizeof names / sizeof names[0] && names[number] != NULL)
        return names[number];
    snprintf(buffer, size, "signal %d", number);
    return buffer;
}

// upgrade.c - fork, put the descriptors where the protocol wants them, execute. A pipe goes along,
// whose writing end the new process gives one byte when it serves; before it is executed, the
// reason why it cannot be.
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "check.h"
#include "cleanup.h"
#include "config_value.h"
#include "listener.h"
#include "listener_inherited.h"
#include "log.h"
#include "signals.h"

#define VARIABLE "LIMPET_UPGRADE_FD"

enum {
    NAMES_MAX = 1 << 16,  // bytes of LISTEN_FDNAMES
    NUMBER_MAX = 48,      // bytes of a variable that holds a number
    EXECUTE_FAILED = 127, // exit status, as the shell's
};

// First byte of what comes through the pipe.
enum { SAYS_READY = 'R', SAYS_ERROR = 'E' };

struct upgrade {
    pid_t pid;
    int fd;      // our end of the pipe; -1: all was said
    bool exited; // and was reaped
    int status;  // of its end
    struct buf said;
    enum upgrade_state state;
    struct err failure;
};

// --- what the new process gets ---

// All that is made before the fork.
struct plan {
    const struct upgrade_setup *setup;
    int *fds; // of the listeners
    int count;
    char **environment; // with room for these variables' texts
    char listen_pid[NUMBER_MAX], listen_fds[NUMBER_MAX], upgrade_fd[NUMBER_MAX];
    struct buf names; // LISTEN_FDNAMES=...
};

static int plan_listeners(struct plan *plan, struct err *err)
{
    const struct listener_set *set = plan->setup->listeners;
    plan->fds = calloc(set->count + 1, sizeof *plan->fds);
    must_have(plan->fds != NULL);
    for (size_t i = 0; i < set->count; i++) {
        const char *name = listener_set_name_of(set, i);
        if (name == NULL)
            continue;
        if (buf_printf(&plan->names, "%s%s", plan->count > 0 ? ":" : "LISTEN_FDNAMES=", name) < 0)
            return err_set(err, ERR_FAILED, "the names of the sockets are too long");
        plan->fds[plan->count++] = set->listeners[i].fd;
    }
    return 0;
}

// Whether both variables have one name.
static bool is_same_variable(const char *a, const char *b)
{
    size_t size = strcspn(a, "=");
    return strncmp(a, b, size) == 0 && (b[size] == '=' || b[size] == '\0');
}

// Whether a variable of ours is left to the new process as it is.
static bool is_kept(const struct plan *plan, const char *entry)
{
    static const char *const ours[] = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
                                       "LISTEN_PIDFDID", VARIABLE};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (is_same_variable(entry, ours[i]))
            return false;
    }
    const char *const *setting = plan->setup->settings;
    for (; setting != NULL && *setting != NULL; setting++) {
        if (is_same_variable(entry, *setting))
            return false;
    }
    return true;
}

static size_t count_entries(const char *const *entries)
{
    size_t count = 0;
    while (entries != NULL && entries[count] != NULL)
        count++;
    return count;
}

// LISTEN_PID is written in the child, which alone knows it.
static void plan_environment(struct plan *plan)
{
    const char *const *settings = plan->setup->settings;
    size_t size = count_entries((const char *const *)environ) + count_entries(settings) + 5;
    char **next = plan->environment = calloc(size, sizeof *plan->environment);
    must_have(plan->environment != NULL);
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        if (is_kept(plan, *entry))
            *next++ = *entry;
    }
    for (; settings != NULL && *settings != NULL; settings++)
        *next++ = (char *)(uintptr_t)*settings; // execve writes to none of them
    snprintf(plan->upgrade_fd, NUMBER_MAX, "%s=%d", VARIABLE,
             LISTENER_INHERITED_FIRST + plan->count);
    *next++ = plan->upgrade_fd;
    if (plan->count == 0)
        return;
    snprintf(plan->listen_fds, NUMBER_MAX, "LISTEN_FDS=%d", plan->count);
    *next++ = plan->listen_fds;
    *next++ = plan->listen_pid;
    *next++ = plan->names.data;
}

// The caller ends it in any case.
static int make_plan(struct plan *plan, const struct upgrade_setup *setup, struct err *err)
{
    *plan = (struct plan){.setup = setup, .names = BUF_INIT(NAMES_MAX)};
    if (plan_listeners(plan, err) < 0)
        return -1;
    plan_environment(plan);
    return 0;
}

static void plan_fini(struct plan *plan)
{
    free(plan->fds);
    free(plan->environment);
    buf_fini(&plan->names);
}

// --- the child, up to the new program ---

static _Noreturn void give_up(int fd, const char *path, const char *problem)
{
    char text[512];
    int size =
        snprintf(text, sizeof text, "%c%s %.300s: %s", SAYS_ERROR, problem, path, strerror(errno));
    ssize_t ignored = write(fd, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
    (void)ignored;
    _exit(EXECUTE_FAILED);
}

static void close_from(int first)
{
    struct rlimit limit = {.rlim_cur = 1 << 16};
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
        return;
#endif
    getrlimit(RLIMIT_NOFILE, &limit);
    for (rlim_t fd = (rlim_t)first; fd < limit.rlim_cur; fd++)
        close((int)fd);
}

// The listeners from LISTENER_INHERITED_FIRST on, the pipe behind them. All of them are put out of
// the way first, since each may be where another one has to be.
static int place_descriptors(const struct plan *plan, int *pipe)
{
    int behind = LISTENER_INHERITED_FIRST + plan->count;
    int high = fcntl(*pipe, F_DUPFD_CLOEXEC, behind + 1);
    if (high < 0)
        return -1;
    *pipe = high;
    for (int i = 0; i < plan->count; i++) {
        plan->fds[i] = fcntl(plan->fds[i], F_DUPFD_CLOEXEC, behind + 1);
        if (plan->fds[i] < 0)
            return -1;
    }
    for (int i = 0; i < plan->count; i++) {
        if (dup2(plan->fds[i], LISTENER_INHERITED_FIRST + i) < 0)
            return -1;
    }
    if (dup2(*pipe, behind) < 0)
        return -1;
    *pipe = behind;
    close_from(behind + 1);
    return 0;
}

static _Noreturn void become_program(struct plan *plan, int pipe)
{
    const struct upgrade_setup *setup = plan->setup;
    if (place_descriptors(plan, &pipe) < 0)
        give_up(pipe, setup->path, "no descriptors for");
    snprintf(plan->listen_pid, NUMBER_MAX, "LISTEN_PID=%d", (int)getpid());
    signals_reset();
    execve(setup->path, setup->argv, plan->environment);
    give_up(pipe, setup->path, "cannot execute");
}

// --- the parent ---

static struct upgrade *start_planned(struct plan *plan, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        err_system(err, errno, "no pipe");
        return NULL;
    }
    _close_ int reading = ends[0];
    _close_ int writing = ends[1];
    fflush(NULL); // what is buffered must not be written twice
    pid_t pid = fork();
    if (pid == 0)
        become_program(plan, writing);
    if (pid < 0) {
        err_system(err, errno, "no process");
        return NULL;
    }
    fcntl(reading, F_SETFL, O_NONBLOCK);
    struct upgrade *upgrade = calloc(1, sizeof *upgrade);
    must_have(upgrade != NULL);
    *upgrade = (struct upgrade){
        .pid = pid, .fd = steal_fd(&reading), .said = BUF_INIT(sizeof upgrade->failure.text)};
    return upgrade;
}

struct upgrade *upgrade_start(const struct upgrade_setup *setup, struct err *err)
{
    struct plan plan;
    struct upgrade *upgrade = NULL;
    if (make_plan(&plan, setup, err) == 0)
        upgrade = start_planned(&plan, err);
    plan_fini(&plan);
    return upgrade;
}

int upgrade_fd(const struct upgrade *upgrade)
{
    return upgrade != NULL ? upgrade->fd : -1;
}

pid_t upgrade_pid(const struct upgrade *upgrade)
{
    return upgrade->pid;
}

// The pipe has served.
static void settle(struct upgrade *upgrade, enum upgrade_state state)
{
    upgrade->state = state;
    if (upgrade->fd >= 0)
        close(steal_fd(&upgrade->fd));
}

// A process that ends closes the pipe a moment before it can be reaped.
static void fail_at_end(struct upgrade *upgrade)
{
    char name[32];
    struct err *failure = &upgrade->failure;
    bool speaks = upgrade->said.size > 0 || upgrade->exited;
    if (upgrade->said.size > 0 && upgrade->said.data[0] == SAYS_ERROR)
        err_set(failure, ERR_FAILED, "%s", upgrade->said.data + 1);
    else if (!upgrade->exited)
        err_set(failure, ERR_FAILED, "the new process (pid %d) gave up before it served",
                (int)upgrade->pid);
    else if (WIFSIGNALED(upgrade->status))
        err_set(failure, ERR_FAILED, "the new process (pid %d) was ended by %s before it served",
                (int)upgrade->pid, signals_name(WTERMSIG(upgrade->status), name, sizeof name));
    else
        err_set(failure, ERR_FAILED,
                "the new process (pid %d) ended with status %d before it served", (int)upgrade->pid,
                WEXITSTATUS(upgrade->status));
    settle(upgrade, speaks ? UPGRADE_FAILED : UPGRADE_SILENT);
}

// All that is in the pipe.
static void listen_to(struct upgrade *upgrade)
{
    char piece[256];
    while (upgrade->state == UPGRADE_PENDING) {
        ssize_t size = read(upgrade->fd, piece, sizeof piece);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        if (size > 0)
            buf_append(&upgrade->said, piece, (size_t)size);
        if (upgrade->said.size > 0 && upgrade->said.data[0] == SAYS_READY)
            settle(upgrade, UPGRADE_READY);
        else if (size <= 0)
            fail_at_end(upgrade);
    }
}

enum upgrade_state upgrade_take(struct upgrade *upgrade, struct err *err)
{
    listen_to(upgrade);
    // Descriptors that it has left to processes of its own say nothing any more.
    bool waits = upgrade->state == UPGRADE_PENDING || upgrade->state == UPGRADE_SILENT;
    if (waits && upgrade->exited)
        fail_at_end(upgrade);
    if (upgrade->state == UPGRADE_SILENT || upgrade->state == UPGRADE_FAILED)
        *err = upgrade->failure;
    return upgrade->state;
}

void upgrade_exited(struct upgrade *upgrade, int status)
{
    upgrade->exited = true;
    upgrade->status = status;
}

bool upgrade_has_exited(const struct upgrade *upgrade)
{
    return upgrade->exited;
}

void upgrade_abort(const struct upgrade *upgrade, int signal)
{
    if (!upgrade->exited)
        kill(upgrade->pid, signal);
}

void upgrade_free(struct upgrade *upgrade)
{
    if (upgrade == NULL)
        return;
    if (upgrade->fd >= 0)
        close(upgrade->fd);
    buf_fini(&upgrade->said);
    free(upgrade);
}

// --- the process that was started so ---

// A process has one predecessor.
static struct {
    int fd; // our end of its pipe; -1: none
    pid_t pid;
} predecessor = {.fd = -1};

// The descriptor, or -1.
static int read_descriptor(const char *text)
{
    int64_t number;
    struct stat status;
    if (config_read_integer(text, &number) < 0 || number < LISTENER_INHERITED_FIRST ||
        number > INT32_MAX)
        return -1;
    int fd = (int)number;
    bool writable = fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) &&
                    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
    return writable ? fd : -1;
}

bool upgrade_inherit(void)
{
    const char *text = getenv(VARIABLE);
    if (text == NULL)
        return false;
    int fd = read_descriptor(text);
    if (fd < 0)
        log_warning("upgrade", "ignoring %s=%.64s: no limpet has set it", VARIABLE, text);
    unsetenv(VARIABLE);
    if (fd < 0)
        return false;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    predecessor.fd = fd;
    predecessor.pid = getppid();
    return true;
}

pid_t upgrade_predecessor(void)
{
    return predecessor.pid;
}

void upgrade_tell_ready(void)
{
    static const char ready = SAYS_READY;
    if (predecessor.fd < 0)
        return;
    ssize_t ignored = write(predecessor.fd, &ready, sizeof ready); // it may be gone: no matter
    (void)ignored;
    upgrade_hang_up();
}

void upgrade_hang_up(void)
{
    if (predecessor.fd >= 0)
        close(steal_fd(&predecessor.fd));
}

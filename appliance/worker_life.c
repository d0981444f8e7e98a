// worker_life.c - how a worker begins and how it ends: leaves the supervisor's ways behind, and
// says BYE.
#include "worker_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "archive.h"
#include "config.h"
#include "crash.h"
#include "ipc.h"
#include "jail.h"
#include "log.h"
#include "reactor.h"
#include "runtime.h"
#include "sandbox.h"
#include "signals.h"
#include "sink_target.h"
#include "title.h"

// Standard input is the operator's: an application that reads it must not wait there, nor take from
// the shell. A pipe that nobody writes to is at its end at once, and is there without a /dev.
static int detach_input(struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_system(err, errno, "cannot make a pipe");
    int result = dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    close(ends[1]);
    return result >= 0 ? 0 : err_system(err, errno, "cannot detach standard input");
}

void worker_take_name(const struct inherit *inherit)
{
    char role[32];
    bool serves = inherit->number != 0;
    snprintf(role, sizeof role, serves ? "worker-%u" : "template", inherit->number);
    log_set_role(role);
    title_set(inherit->name, serves ? "worker" : "template", inherit->number);
    crash_init();
}

int worker_follow(const struct inherit *inherit, struct err *err)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != inherit->supervisor)
        return err_set(err, ERR_FAILED, "the supervisor has gone");
    return 0;
}

typedef int enter_sandbox(const struct sandbox_setup *setup, struct err *err);

static int confine(const struct inherit *inherit, enter_sandbox *enter, struct err *err)
{
    const int logs[] = {inherit->log != NULL ? inherit->log->fd : -1,
                        inherit->access_log != NULL ? inherit->access_log->fd : -1};
    struct sandbox_setup setup = {
        .config = inherit->config,
        .executable = inherit->archive != NULL ? archive_path(inherit->archive) : NULL,
        .supervisor = inherit->supervisor,
        .forks = inherit->number == 0,
        .logs = logs,
        .log_count = sizeof logs / sizeof logs[0],
        .folder = inherit->start,
        .public_parts = inherit->public_parts,
    };
    return enter(&setup, err);
}

int worker_confine_forked(const struct inherit *inherit, struct err *err)
{
    int result = confine(inherit, sandbox_enter_forked, err);
    if (inherit->start >= 0)
        close(inherit->start);
    return result;
}

int worker_enter(const struct inherit *inherit, struct err *err)
{
    signals_enter_worker();
    config_forget_secrets();
    worker_take_name(inherit);
    const struct jail *jail = inherit->jail;
    sandbox_bound(inherit->config, jail->changes ? jail->user == 0 : geteuid() == 0);
    // Before we follow: the kernel forgets that when the user id changes.
    if (jail_enter(jail, err) < 0 || worker_follow(inherit, err) < 0)
        return -1;
    // It has keys in its memory: nobody of the same user may trace it or dump it.
    if (inherit->tls >= 0)
        prctl(PR_SET_DUMPABLE, 0);
    if (detach_input(err) < 0)
        return -1;
    return confine(inherit, sandbox_enter, err);
}

int worker_fail(const struct inherit *inherit, const struct err *err)
{
    struct err ignored; // the supervisor has gone: the log is all there is
    if (ipc_send(inherit->ipc, IPC_FAILED, err->text, &ignored) < 0)
        log_error("worker", "%s", err->text);
    return 1;
}

// Without our copy, clients are refused as soon as the last process stops, instead of waiting for
// an answer.
void worker_close_listeners(const struct inherit *inherit)
{
    for (size_t i = 0; i < inherit->listener_count; i++) {
        if (inherit->listeners[i].fd >= 0)
            close(inherit->listeners[i].fd);
        inherit->listeners[i].fd = -1;
    }
}

void worker_take_log(const struct inherit *inherit, const struct ipc_message *message)
{
    bool access = strcmp(message->text, "access") == 0;
    if (!access)
        sink_target_follow(inherit->log, message->fds[0]);
    sink_target_replace(access ? inherit->access_log : inherit->log, message->fds[0]);
}

// Wait until the supervisor says how we are to end. True: as the last one; also false without it.
static bool await_end(const struct inherit *inherit)
{
    int ipc = inherit->ipc;
    struct pollfd poll_fd = {.fd = ipc, .events = POLLIN};
    struct ipc_message message;
    struct err err;
    for (;;) {
        if (ipc_receive(ipc, &message, &err) < 0 || message.type == IPC_CLOSED)
            return false;
        if (message.type == IPC_END)
            return strcmp(message.text, "last") == 0;
        if (message.type == IPC_LOG)
            worker_take_log(inherit, &message);
        else if (message.type == IPC_NOTHING)
            poll(&poll_fd, 1, -1);
    }
}

// What the application has to do after the last request of all.
static void end_with_others(const struct inherit *inherit)
{
    const struct runtime *runtime = inherit->runtime;
    struct err err;
    if (runtime->tell(RUNTIME_LAST_WANTED, &err) != 1)
        return;
    if (ipc_send(inherit->ipc, IPC_DONE, NULL, &err) < 0)
        log_debug("worker", "%s", err.text);
    else if (await_end(inherit) && runtime->tell(RUNTIME_LAST, &err) < 0)
        log_error("worker", "%s", err.text);
}

void worker_end(const struct inherit *inherit)
{
    struct err err;
    end_with_others(inherit);
    inherit->runtime->stop();
    if (ipc_send(inherit->ipc, IPC_BYE, NULL, &err) < 0)
        log_debug("worker", "%s", err.text);
}

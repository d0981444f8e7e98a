// worker_template.c - --preload: a process that has loaded the application and does nothing but
// fork workers from that image, which they share in memory until they write to it. A worker is
// forked twice, so that it becomes the supervisor's child, as any other.
#include "worker_priv.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "ipc.h"
#include "log.h"
#include "resident.h"
#include "runtime.h"
#include "scoreboard.h"
#include "stats.h"

struct template
{
    const struct inherit *inherit;
    int tls; // the latest bundle of certificates and keys, for the workers; -1: none
    char description[IPC_TEXT_MAX];
};

// In the new worker. Returns the status to exit with.
static int become_worker(const struct template *template, const struct inherit *inherit,
                         pid_t between)
{
    struct err err = {.kind = ERR_NONE};
    close(template->inherit->ipc);
    worker_take_name(inherit);
    // The process in between ends at once; from then on we are the supervisor's.
    while (getppid() == between)
        sched_yield();
    if (worker_follow(inherit, &err) < 0 || worker_confine_forked(inherit, &err) < 0 ||
        ipc_send(inherit->ipc, IPC_BORN, NULL, &err) < 0 ||
        inherit->runtime->tell(RUNTIME_FORKED_CHILD, &err) < 0)
        return worker_fail(inherit, &err);
    return worker_serve(inherit, template->description, &err);
}

// NUMBER LUCK ENTRY
static void read_order(const char *text, struct inherit *inherit)
{
    char *rest;
    inherit->number = (unsigned)strtoul(text, &rest, 10);
    inherit->luck = (uint32_t)strtoul(rest, &rest, 10);
    long entry = strtol(rest, NULL, 10);
    if (entry >= 0 && entry < STATS_WORKERS)
        inherit->stats = &inherit->stats_board->workers[entry];
}

// In the process between: the worker's own way begins in its child.
static _Noreturn void fork_again(const struct template *template, const struct inherit *inherit)
{
    pid_t between = getpid(), pid = fork();
    if (pid != 0)
        _exit(pid > 0 ? 0 : 1);
    int status = become_worker(template, inherit, between);
    fflush(NULL);
    _exit(status);
}

static void fork_worker(const struct template *template, const struct ipc_message *message)
{
    struct inherit inherit = *template->inherit;
    struct scoreboard_map board;
    struct err err;
    inherit.ipc = message->fds[0];
    inherit.board = &board;
    inherit.first = false;
    inherit.tls = template->tls;
    read_order(message->text, &inherit);
    if (scoreboard_attach(&board, message->fds[1], (unsigned)inherit.config->blocking_threads,
                          &err) < 0) {
        log_error("template", "%s", err.text);
        close(inherit.ipc);
        return;
    }
    fflush(NULL); // what is buffered would be written by both
    inherit.runtime->tell(RUNTIME_FORKING, &err);
    pid_t pid = fork();
    if (pid == 0)
        fork_again(template, &inherit);
    if (pid < 0)
        log_error("template", "cannot fork a worker: %s", strerror(errno));
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    inherit.runtime->tell(RUNTIME_FORKED_PARENT, &err);
    scoreboard_free(&board);
    // Of a worker that could not be forked, the supervisor hears by that.
    close(inherit.ipc);
}

static void take_tls(struct template *template, int bundle)
{
    if (template->tls >= 0)
        close(template->tls);
    template->tls = bundle;
}

// Until the supervisor wants no more workers of us, or is gone.
static void fork_workers(struct template *template)
{
    int ipc = template->inherit->ipc;
    struct pollfd poll_fd = {.fd = ipc, .events = POLLIN};
    struct ipc_message message = {.type = IPC_NOTHING};
    struct err err;
    while (message.type != IPC_CLOSED && message.type != IPC_DRAIN && message.type != IPC_RETIRE) {
        if (ipc_receive(ipc, &message, &err) < 0) {
            log_error("template", "supervisor: %s", err.text);
            return;
        }
        if (message.type == IPC_FORK)
            fork_worker(template, &message);
        else if (message.type == IPC_TLS)
            take_tls(template, message.fds[0]);
        else if (message.type == IPC_LOG)
            worker_take_log(template->inherit, &message); // for those to come, too
        else if (message.type == IPC_NOTHING)
            poll(&poll_fd, 1, -1);
    }
}

static int load(struct template *template, struct err *err)
{
    const struct inherit *inherit = template->inherit;
    struct runtime_setup setup =
        worker_runtime_setup(inherit->name, inherit->config, inherit->archive);
    setup.first = inherit->first;
    setup.logs = true;
    if (inherit->runtime->start(&setup, template->description, sizeof template->description, err) <
            0 ||
        inherit->runtime->tell(RUNTIME_PRELOADED, err) < 0)
        return -1;
    if (inherit->config->small)
        resident_release(inherit->archive);
    return ipc_send(inherit->ipc, IPC_READY, template->description, err);
}

int worker_template_main(const struct inherit *inherit)
{
    struct template template = {.inherit = inherit, .tls = inherit->tls};
    struct err err = {.kind = ERR_NONE};
    if (worker_enter(inherit, &err) < 0 || load(&template, &err) < 0)
        return worker_fail(inherit, &err);
    fork_workers(&template);
    worker_close_listeners(inherit);
    worker_end(inherit);
    return 0;
}

// worker.c - a worker's work: starts the runtime, says READY, runs the reactor until it has
// drained. It drains when the supervisor asks for it, when the supervisor is gone, and on SIGTERM.
// Knows neither HTTP nor Python: the reactor and the runtime do.
#include "worker_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "config.h"
#include "ipc.h"
#include "log.h"
#include "reactor.h"
#include "resident.h"
#include "runtime.h"
#include "signals.h"
#include "spool.h"
#include "stats.h"
#include "websocket.h"
#include "worker_services.h"

struct worker {
    const struct inherit *inherit;
    struct reactor *reactor;
    struct worker_services services;
    bool draining;
    bool retires;           // others serve: it may take its time to drain
    uint64_t request_limit; // at which it says that it is worn; 0: never
    int control; // epoll on what has to be heard: what speaks no more can be silenced there
};

// What the handler of SIGTERM needs: set before it is installed. A process is one worker.
static struct {
    int wake; // an eventfd
    timer_t deadline;
    struct itimerspec limit;
    volatile sig_atomic_t called;
} termination;

// Wakes the reactor, which drains. The supervisor may go on talking to us, as where a whole group
// is told to stop; or nobody may be left to watch over us, so the kernel does.
static void terminate(void)
{
    uint64_t one = 1;
    if (termination.called)
        return;
    termination.called = 1;
    ssize_t ignored = write(termination.wake, &one, sizeof one);
    (void)ignored;
    timer_settime(termination.deadline, 0, &termination.limit, NULL);
}

static int watch_termination(const struct worker *worker, struct err *err)
{
    struct sigevent kill_us = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct epoll_event event = {.events = EPOLLIN};
    int64_t limit = worker->inherit->config->graceful_timeout;
    termination.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (termination.wake < 0 ||
        epoll_ctl(worker->control, EPOLL_CTL_ADD, termination.wake, &event) < 0)
        return err_system(err, errno, "cannot watch for signals");
    termination.limit.it_value.tv_sec = (time_t)(limit / 1000);
    // One nanosecond more, since zero would mean no limit.
    termination.limit.it_value.tv_nsec = (long)(limit % 1000) * 1000000 + 1;
    if (timer_create(CLOCK_MONOTONIC, &kill_us, &termination.deadline) < 0)
        return err_system(err, errno, "cannot make a timer");
    signals_on_terminate(terminate);
    return 0;
}

static void drain(struct worker *worker, bool patient)
{
    const struct inherit *inherit = worker->inherit;
    struct err err;
    if (!worker->draining && inherit->runtime->tell(RUNTIME_DRAIN, &err) < 0)
        log_error("worker", "%s", err.text);
    worker->draining = true;
    // /health/ready tells it, whether anything is counted or not.
    if (inherit->stats != NULL)
        stats_set(&inherit->stats->draining, 1);
    reactor_drain(worker->reactor, patient);
    worker_close_listeners(inherit);
}

// Work that may never end holds this process up; nothing else does any more.
static void desert(void *owner)
{
    struct worker *worker = owner;
    struct err err;
    log_warning("worker", "ends with requests that the application does not get on with");
    if (ipc_send(worker->inherit->ipc, IPC_BYE, NULL, &err) < 0)
        log_debug("worker", "%s", err.text);
    worker_services_flush(&worker->services);
    // Nothing else is flushed: who is stuck may hold the lock of a stream.
    _exit(0);
}

static void tell_worn(void *owner)
{
    const struct worker *worker = owner;
    char text[64];
    struct err err;
    snprintf(text, sizeof text, "%" PRIu64, worker->request_limit);
    if (ipc_send(worker->inherit->ipc, IPC_WORN, text, &err) < 0)
        log_debug("worker", "%s", err.text);
}

static void give_up(struct worker *worker)
{
    const struct inherit *inherit = worker->inherit;
    struct err err;
    reactor_give_up(worker->reactor, inherit->config->request_timeout);
    log_error("worker", "where each thread of the application is:");
    inherit->runtime->tell(RUNTIME_STUCK, &err);
    worker_services_flush(&worker->services);
}

static void take_tls(struct worker *worker, int bundle)
{
    struct err err;
    if (reactor_set_tls(worker->reactor, bundle, &err) < 0)
        log_error("worker", "keeps its certificates: %s", err.text);
    close(bundle);
}

static void take_log(struct worker *worker, const struct ipc_message *message)
{
    worker_services_use_log(&worker->services, message->text, message->fds[0]);
}

static void take_message(struct worker *worker, const struct ipc_message *message)
{
    switch (message->type) {
    case IPC_DRAIN:
        drain(worker, false);
        break;
    case IPC_RETIRE:
        worker->retires = true;
        drain(worker, true);
        break;
    case IPC_LOG:
        take_log(worker, message);
        break;
    case IPC_TLS:
        take_tls(worker, message->fds[0]);
        break;
    case IPC_GIVE_UP:
        give_up(worker);
        break;
    case IPC_CLOSED:
        epoll_ctl(worker->control, EPOLL_CTL_DEL, worker->inherit->ipc, NULL);
        drain(worker, false);
        break;
    default:
        log_error("worker", "message %s is not for workers", ipc_type_name(message->type));
    }
}

// One that was told to retire before the supervisor knew that it serves gets SIGTERM as well. That
// is no reason for haste: where there is one, the supervisor says so, or has gone.
static void take_termination(struct worker *worker)
{
    if (!termination.called)
        return;
    epoll_ctl(worker->control, EPOLL_CTL_DEL, termination.wake, NULL);
    drain(worker, worker->retires);
}

static void control(void *owner)
{
    struct worker *worker = owner;
    struct ipc_message message;
    struct err err;
    do {
        if (ipc_receive(worker->inherit->ipc, &message, &err) < 0) {
            log_error("worker", "supervisor: %s", err.text);
            message.type = IPC_CLOSED;
        }
        if (message.type != IPC_NOTHING)
            take_message(worker, &message);
    } while (message.type != IPC_NOTHING && message.type != IPC_CLOSED);
    take_termination(worker);
}

static int open_control(int ipc, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN};
    _close_ int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, ipc, &event) < 0)
        return err_system(err, errno, "cannot watch the supervisor");
    return steal_fd(&fd);
}

static int run(const struct worker *worker, struct err *err)
{
    const struct config *config = worker->inherit->config;
    struct runtime_run run = {
        .reactor = worker->reactor,
        .board = worker->inherit->board,
        .stats = worker->services.stats,
        .threads = (unsigned)config->blocking_threads,
        .idle_timeout = config->blocking_threads_idle_timeout,
        .graceful_timeout = config->graceful_timeout,
    };
    return worker->inherit->runtime->run(&run, err);
}

// From a loaded application to the last answer.
static int serve(struct worker *worker, const char *description, struct err *err)
{
    const struct inherit *inherit = worker->inherit;
    _close_ int control_fd = open_control(inherit->ipc, err);
    if (control_fd < 0)
        return -1;
    worker->control = control_fd;
    const struct config *config = inherit->config;
    struct spool_limits body_limits = {
        .memory = (size_t)config->body_buffer,
        .maximum = (uint64_t)config->max_body_size,
        .folder = config->temp_dir,
        .scarce = config->small,
    };
    if (spool_check(&body_limits, err) < 0)
        return -1;
    struct websocket_settings websocket = {
        .ping_interval = config->ws_ping_interval,
        .ping_timeout = config->ws_ping_timeout,
        .max_size = (uint64_t)config->ws_max_size,
    };
    char hsts[32];
    snprintf(hsts, sizeof hsts, "max-age=%" PRId64, config->hsts / 1000);
    struct reactor_setup setup = {
        .body_limits = &body_limits,
        .websocket = &websocket,
        .listeners = inherit->listeners,
        .listener_count = inherit->listener_count,
        .connection_limit = (unsigned)config->backpressure,
        .expectation_limit = (unsigned)config->blocking_threads / 2,
        .keep_alive = config->http1_keep_alive,
        .tls = inherit->tls,
        .hsts = config->hsts > 0 ? hsts : NULL,
        .challenge_folder = config->acme_webroot,
        .only_tls13 = config->tls_min.index > 0, // behind 1.2
        .board = inherit->board,
        .request_limit = worker->request_limit,
        .worn = tell_worn,
        .desert = desert,
        .control_fd = control_fd,
        .control = control,
        .streams = inherit->runtime->streams,
        .handle = inherit->runtime->handle,
        .owner = worker,
    };
    if (worker_services_open(&worker->services, inherit, &setup, err) < 0)
        return -1;
    worker->reactor = reactor_new(&setup, err);
    // The application has no business with it.
    if (inherit->tls >= 0)
        close(inherit->tls);
    if (worker->reactor == NULL) {
        worker_services_close(&worker->services);
        return -1;
    }
    if (config->small)
        resident_release(inherit->archive);
    int result = watch_termination(worker, err);
    if (result == 0)
        result = ipc_send(inherit->ipc, IPC_READY, description, err);
    if (result == 0)
        result = run(worker, err);
    reactor_free(worker->reactor);
    worker_services_close(&worker->services);
    return result;
}

static uint64_t request_limit(const struct inherit *inherit)
{
    const struct config *config = inherit->config;
    if (config->workers_max_requests == 0)
        return 0;
    return (uint64_t)config->workers_max_requests +
           inherit->luck % ((uint64_t)config->workers_max_requests_jitter + 1);
}

int worker_serve(const struct inherit *inherit, const char *description, struct err *err)
{
    struct worker worker = {
        .inherit = inherit, .control = -1, .request_limit = request_limit(inherit)};
    if (serve(&worker, description, err) < 0) {
        inherit->runtime->stop();
        return worker_fail(inherit, err);
    }
    worker_end(inherit);
    return 0;
}

static int start(const struct inherit *inherit, char *description, size_t size, struct err *err)
{
    struct runtime_setup setup =
        worker_runtime_setup(inherit->name, inherit->config, inherit->archive);
    setup.logs = setup.serves = true;
    setup.first = inherit->first;
    return inherit->runtime->start(&setup, description, size, err);
}

int worker_main(const struct inherit *inherit)
{
    char description[IPC_TEXT_MAX] = "";
    struct err err = {.kind = ERR_NONE};
    if (worker_enter(inherit, &err) < 0 ||
        start(inherit, description, sizeof description, &err) < 0)
        return worker_fail(inherit, &err);
    return worker_serve(inherit, description, &err);
}

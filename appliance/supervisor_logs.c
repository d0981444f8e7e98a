// supervisor_logs.c - what logs are written to: opened before the first worker, and again at a HUP,
// when all workers are given the new files. Where the log is a file, standard output and error of
// our processes are that file, too: what libraries write there, and the reports of crashes.
#include "supervisor_priv.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "config.h"
#include "log.h"

static const char *log_target(const struct supervisor *supervisor)
{
    const char *target = supervisor->setup->config->log;
    return target != NULL ? target : "stderr";
}

static bool is_memory(const char *target)
{
    return target != NULL && strcmp(target, "memory") == 0;
}

// --- standard output and error ---

static void point_streams(int output, int error)
{
    dup2(output, STDOUT_FILENO);
    dup2(error, STDERR_FILENO);
}

static bool has_log_file(const struct supervisor *supervisor)
{
    return supervisor->log.kind == SINK_FILE;
}

void supervisor_redirect_streams(const struct supervisor *supervisor)
{
    if (has_log_file(supervisor))
        point_streams(supervisor->log.fd, supervisor->log.fd);
}

void supervisor_restore_streams(const struct supervisor *supervisor)
{
    if (has_log_file(supervisor))
        point_streams(supervisor->streams[0], supervisor->streams[1]);
}

// --- beginning and end ---

static int open_targets(struct supervisor *supervisor, struct err *err)
{
    const struct config *config = supervisor->setup->config;
    if ((is_memory(config->log) || is_memory(config->access_log)) &&
        sink_ring_new(&supervisor->ring, (size_t)config->log_memory, err) < 0)
        return -1;
    if (sink_target_open(&supervisor->log, log_target(supervisor), supervisor->ring, err) < 0)
        return err_wrap(err, "--log");
    if (sink_target_open(&supervisor->access_log, config->access_log, supervisor->ring, err) < 0)
        return err_wrap(err, "--access-log");
    supervisor->log.tag = supervisor->access_log.tag = supervisor->setup->name;
    return 0;
}

int supervisor_open_logs(struct supervisor *supervisor, struct err *err)
{
    const struct config *config = supervisor->setup->config;
    supervisor->log = supervisor->access_log = (struct sink_target){.fd = -1};
    for (int i = 0; i < 2; i++)
        supervisor->streams[i] = fcntl(STDOUT_FILENO + i, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (open_targets(supervisor, err) < 0) {
        supervisor_close_logs(supervisor, NULL);
        return -1;
    }
    bool json = config->log_format.index == LOG_FORMAT_JSON;
    bool bare = supervisor->log.kind == SINK_SYSLOG && !json;
    log_set_format(bare ? LOG_FORMAT_BARE : json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
    log_set_line_max(sink_target_line_max(&supervisor->log));
    supervisor_redirect_streams(supervisor);
    sink_target_take_log(&supervisor->log);
    return 0;
}

void supervisor_close_logs(struct supervisor *supervisor, const struct err *failure)
{
    if (failure != NULL && supervisor->log.kind != SINK_NOTHING &&
        strcmp(log_target(supervisor), "stderr") != 0)
        log_error("supervisor", "%s", failure->text);
    supervisor_restore_streams(supervisor);
    log_set_output(NULL, NULL);
    log_set_format(LOG_FORMAT_TEXT);
    log_set_line_max(0);
    for (int i = 0; i < 2; i++) {
        if (supervisor->streams[i] >= 0)
            close(supervisor->streams[i]);
        supervisor->streams[i] = -1;
    }
    sink_target_close(&supervisor->access_log);
    sink_target_close(&supervisor->log);
    sink_ring_free(supervisor->ring);
    supervisor->ring = NULL;
}

// --- again ---

// Whether the worker at the other end has ended, or is about to.
static bool has_gone(int ipc)
{
    struct pollfd end = {.fd = ipc};
    return poll(&end, 1, 0) > 0 && (end.revents & (POLLHUP | POLLERR)) != 0;
}

// Workers to come inherit it, and those of the template get it there.
static void send_all(const struct supervisor *supervisor, const char *name, int fd)
{
    const int fds[IPC_FDS_MAX] = {fd};
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct slot *slot = supervisor->slots[i];
        struct err err;
        if (slot->ipc >= 0 && ipc_send_fds(slot->ipc, IPC_LOG, name, fds, &err) < 0 &&
            !has_gone(slot->ipc))
            log_error("supervisor", "worker %u keeps the file of its %s: %s", slot->child.number,
                      strcmp(name, "log") == 0 ? "log" : "access log", err.text);
    }
}

static void reopen(const struct supervisor *supervisor, struct sink_target *target,
                   const char *name)
{
    struct err err;
    if (sink_target_reopen(target, &err) < 0) {
        log_error("log", "--%s stays as it was: %s",
                  target == &supervisor->log ? "log" : "access-log", err.text);
        return;
    }
    if (target->kind == SINK_FILE)
        send_all(supervisor, name, target->fd);
}

void supervisor_reopen_logs(struct supervisor *supervisor)
{
    reopen(supervisor, &supervisor->log, "log");
    supervisor_redirect_streams(supervisor);
    reopen(supervisor, &supervisor->access_log, "access");
}

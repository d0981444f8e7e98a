// supervisor_tls.c - certificates and keys of a running server: read again when that is asked for,
// and given to all workers at once. None is started anew, and no connection ends for it.
#include "supervisor_priv.h"

#include <poll.h>
#include <sys/prctl.h>

#include "clock.h"
#include "log.h"
#include "notify.h"
#include "tls_library.h"
#include "tls_store.h"

int supervisor_open_tls(struct supervisor *supervisor, struct err *err)
{
    if (tls_store_open(&supervisor->tls, supervisor->setup->config, err) < 0)
        return -1;
    // Nobody of the same user may read the keys out of us, or of the workers that are forked.
    if (supervisor->tls != NULL)
        prctl(PR_SET_DUMPABLE, 0);
    else if (!tls_library_clock_is_set()) // with certificates, that is said of their dates
        log_warning("supervisor", "the clock here is not set: until it is, the dates in answers "
                                  "and logs are those of a machine that has just started");
    supervisor_show_certificates(supervisor);
    return 0;
}

// Whether the worker at the other end has ended, or is about to.
static bool has_gone(int ipc)
{
    struct pollfd end = {.fd = ipc};
    return poll(&end, 1, 0) > 0 && (end.revents & (POLLHUP | POLLERR)) != 0;
}

// Workers to come inherit it.
static void send_all(const struct supervisor *supervisor)
{
    const int fds[IPC_FDS_MAX] = {tls_store_fd(supervisor->tls)};
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct slot *slot = supervisor->slots[i];
        struct err err;
        if (slot->ipc >= 0 && ipc_send_fds(slot->ipc, IPC_TLS, NULL, fds, &err) < 0 &&
            !has_gone(slot->ipc))
            log_error("supervisor", "worker %u keeps its certificates: %s", slot->child.number,
                      err.text);
    }
}

static void reread_tls(struct supervisor *supervisor)
{
    struct err err;
    if (supervisor->tls == NULL)
        return;
    if (tls_store_reload(supervisor->tls, &err) < 0) {
        log_error("tls", "the certificates stay as they were: %s", err.text);
        return;
    }
    send_all(supervisor);
    supervisor_show_certificates(supervisor);
    log_info("tls", "certificates and keys were read again");
}

void supervisor_reread(struct supervisor *supervisor)
{
    if (supervisor->stopping)
        return;
    notify_reloading();
    log_info("supervisor", "reading again what can change while workers go on");
    supervisor_reopen_logs(supervisor);
    reread_tls(supervisor);
    notify_send("READY=1");
}

// While it stops nothing is due any more.
static struct tls_store *store_in_use(const struct supervisor *supervisor)
{
    return supervisor->stopping ? NULL : supervisor->tls;
}

void supervisor_turn_tls(struct supervisor *supervisor)
{
    if (!tls_store_turn(store_in_use(supervisor), clock_milliseconds()))
        return;
    send_all(supervisor);
    supervisor_show_certificates(supervisor);
}

int supervisor_tls_fd(const struct supervisor *supervisor)
{
    return tls_store_watch_fd(store_in_use(supervisor));
}

int64_t supervisor_tls_deadline(const struct supervisor *supervisor)
{
    return tls_store_deadline(store_in_use(supervisor));
}

// supervisor_control.c - what is asked over the control socket: a picture of the server, or what a
// signal asks for as well.
#include "supervisor_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "check.h"
#include "clock.h"
#include "config.h"
#include "status.h"
#include "supervisor_memory_priv.h"
#include "tls_library.h"
#include "tls_load.h"
#include "tls_store.h"
#include "version.h"

enum { ADDRESSES_MAX = 1 << 16 }; // bytes

// --- status ---

// What each thread of a worker works on, copied: the worker goes on writing.
struct picture {
    struct status_request *requests;
    char (*lines)[SCOREBOARD_LINE];
};

static void free_pictures(struct picture *pictures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(pictures[i].requests);
        free(pictures[i].lines);
    }
    free(pictures);
}

static size_t draw_requests(const struct scoreboard_map *map, struct picture *picture, int64_t now)
{
    size_t count = 0;
    picture->requests = calloc(map->task_count, sizeof *picture->requests);
    picture->lines = calloc(map->task_count, sizeof *picture->lines);
    must(picture->requests != NULL && picture->lines != NULL);
    for (unsigned i = 0; i < map->task_count; i++) {
        const struct scoreboard_task *task = &map->board->tasks[i];
        int64_t since = task->since;
        if (since <= 0)
            continue;
        scoreboard_line(task, picture->lines[count]);
        picture->requests[count] = (struct status_request){.running = since < now ? now - since : 0,
                                                           .line = picture->lines[count]};
        count++;
    }
    return count;
}

static void draw_worker(const struct slot *slot, struct status_worker *out, struct picture *picture,
                        int64_t now)
{
    const struct child *child = &slot->child;
    bool has_process = child_has_process(child);
    *out = (struct status_worker){
        .number = child->number,
        .pid = has_process ? child->pid : 0,
        .state = supervisor_is_template(slot) && child->state == CHILD_SERVING
                     ? "preloaded"
                     : child_state_name(child->state),
        .successor = slot->replaces != NULL,
        .age = has_process && child->serving_since != CHILD_NEVER ? now - child->serving_since : -1,
        .resident = has_process ? stats_resident(child->pid) : -1,
    };
    const struct scoreboard_map *map = &slot->board;
    if (map->board == NULL)
        return;
    out->requests = map->board->requests;
    out->connections = map->board->connections;
    out->threads = map->board->threads;
    out->doing_count = draw_requests(map, picture, now);
    out->busy = (unsigned)out->doing_count;
    out->doing = picture->requests;
}

static const char *state_of(const struct supervisor *supervisor)
{
    if (supervisor->stopping)
        return "stopping";
    if (supervisor->upgrade != NULL)
        return "upgrading";
    return supervisor->announced != 0 ? "serving" : "starting";
}

// The caller frees it.
static struct status_certificate *draw_certificates(const struct supervisor *supervisor,
                                                    size_t *count)
{
    const struct tls_certificate_facts *facts = tls_store_certificates(supervisor->tls, count);
    struct status_certificate *out = calloc(*count + 1, sizeof *out);
    must_have(out != NULL);
    for (size_t i = 0; i < *count; i++)
        out[i] = (struct status_certificate){.names = facts[i].names,
                                             .kind = facts[i].kind,
                                             .serial = facts[i].serial,
                                             .file = facts[i].file,
                                             .not_after = facts[i].not_after};
    return out;
}

static int tell_status(const struct supervisor *supervisor, bool json, struct buf *out,
                       struct err *err)
{
    size_t count = supervisor->count;
    int64_t now = clock_milliseconds();
    _buf_ struct buf listening = BUF_INIT(ADDRESSES_MAX);
    struct status_worker *workers = calloc(count, sizeof *workers);
    struct picture *pictures = calloc(count, sizeof *pictures);
    must(workers != NULL && pictures != NULL);
    for (size_t i = 0; i < count; i++)
        draw_worker(supervisor->slots[i], &workers[i], &pictures[i], now);
    listener_set_describe(&supervisor->listeners, &listening);
    size_t certificate_count;
    struct status_certificate *certificates = draw_certificates(supervisor, &certificate_count);
    struct status status = {
        .name = supervisor->setup->name,
        .version = LIMPET_VERSION,
        .state = state_of(supervisor),
        .application = supervisor->description,
        .listening = buf_text(&listening),
        .pid = supervisor->pid,
        .uptime = now - supervisor->started_at,
        .resident = stats_resident(supervisor->pid),
        .workers_wanted = supervisor->wanted,
        .replaced = supervisor->replaced,
        .died = supervisor->died,
        .workers = workers,
        .worker_count = count,
        .now = tls_library_time(),
        .certificates = certificates,
        .certificate_count = certificate_count,
    };
    int result = json ? status_json(&status, out) : status_table(&status, out);
    free_pictures(pictures, count);
    free(certificates);
    free(workers);
    return result == 0 ? 0 : err_set(err, ERR_FAILED, "there is too much to tell");
}

// --- orders ---

static int reread(struct supervisor *supervisor, unsigned workers, struct buf *out)
{
    (void)workers;
    supervisor_reread(supervisor);
    return buf_printf(out, "reading again what can change while workers go on\n");
}

static int restart(struct supervisor *supervisor, unsigned workers, struct buf *out)
{
    (void)workers;
    supervisor_restart(supervisor);
    return buf_printf(out, "replacing all workers\n");
}

static int stop(struct supervisor *supervisor, unsigned workers, struct buf *out)
{
    (void)workers;
    supervisor_stop_gracefully(supervisor, "control socket");
    return buf_printf(out, "stopping\n");
}

static int scale(struct supervisor *supervisor, unsigned workers, struct buf *out)
{
    if (workers != supervisor->wanted)
        supervisor_scale(supervisor, workers);
    return buf_printf(out, "%u worker%s\n", supervisor->wanted, supervisor->wanted == 1 ? "" : "s");
}

static int answer(void *owner, const struct control_request *request, struct buf *out,
                  struct err *err)
{
    static int (*const orders[])(struct supervisor *, unsigned, struct buf *) = {
        [CONTROL_RELOAD] = reread,
        [CONTROL_RESTART] = restart,
        [CONTROL_STOP] = stop,
        [CONTROL_SCALE] = scale,
    };
    struct supervisor *supervisor = owner;
    if (request->action == CONTROL_STATUS)
        return tell_status(supervisor, request->json, out, err);
    if (request->action == CONTROL_LOGS)
        return supervisor_tell_logs(supervisor, &request->logs, out, err);
    if (supervisor->stopping)
        return err_set(err, ERR_FAILED, "the server is stopping");
    if (orders[request->action](supervisor, request->workers, out) == 0)
        return 0;
    return err_system(err, ENOMEM, "no answer");
}

int supervisor_open_control(struct supervisor *supervisor, struct err *err)
{
    struct control_setup setup = {
        .path = supervisor->setup->config->control_socket,
        .take_over = upgrade_predecessor() != 0,
        .answer = answer,
        .owner = supervisor,
    };
    return control_open(&supervisor->control, &setup, err);
}

// worker_services.c - makes and ends them, in order.
#include "worker_services.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "accesslog.h"
#include "check.h"
#include "child.h"
#include "config.h"
#include "crash.h"
#include "files.h"
#include "log.h"
#include "runtime.h"
#include "sink.h"
#include "stats.h"
#include "status_page.h"
#include "version.h"

static void add_local(struct worker_services *services, struct local local)
{
    must(services->local_count < WORKER_LOCALS_MAX);
    services->locals[services->local_count++] = local;
}

// --- logs ---

enum { FLUSH_WITHIN = 100 }; // milliseconds

// Of the process, for the handler of a crash.
static struct worker_services *crashing;

static void write_last_lines(void)
{
    if (crashing == NULL)
        return;
    sink_crash(crashing->log);
    sink_crash(crashing->access);
}

static void put_record(void *owner, enum log_level level, int64_t time, const char *text,
                       size_t size)
{
    const struct worker_services *services = owner;
    sink_put(services->log, &(struct sink_line){{text, size}, time, (int)level, 0});
}

static _Atomic uint64_t *counter_of(const struct inherit *inherit, enum stats_counter which)
{
    return inherit->stats != NULL ? &inherit->stats->counts.counters[which] : NULL;
}

// Records need no thread for a target that they do not wait for.
static int open_log(struct worker_services *services, const struct inherit *inherit,
                    struct err *err)
{
    if (inherit->log == NULL || inherit->log->kind == SINK_NOTHING ||
        inherit->log->kind == SINK_MEMORY)
        return 0;
    services->log_target = inherit->log;
    if (sink_new(&services->log, inherit->log, SINK_LOG, err) < 0)
        return -1;
    sink_count_drops(services->log, counter_of(inherit, STATS_log_dropped));
    log_set_output(put_record, services);
    return 0;
}

static void close_log(struct worker_services *services)
{
    if (services->log == NULL)
        return;
    // What comes from here on waits until what has come is written.
    sink_flush(services->log, FLUSH_WITHIN);
    sink_target_take_log(services->log_target);
    sink_free(services->log);
}

void worker_services_flush(struct worker_services *services)
{
    if (services->accesslog != NULL)
        accesslog_flush(services->accesslog);
    sink_flush(services->access, FLUSH_WITHIN);
    sink_flush(services->log, FLUSH_WITHIN);
}

static int open_access_log(struct worker_services *services, const struct inherit *inherit,
                           struct err *err)
{
    const struct config *config = inherit->config;
    if (inherit->access_log == NULL || inherit->access_log->kind == SINK_NOTHING)
        return 0;
    if (sink_new(&services->access, inherit->access_log, "access log", err) < 0)
        return -1;
    sink_count_drops(services->access, counter_of(inherit, STATS_access_log_dropped));
    struct accesslog_setup setup = {
        .sink = services->access,
        .format = config->access_log_format,
        .skips = config->access_log_skip.items,
        .skip_count = config->access_log_skip.count,
        .sample = (unsigned)config->access_log_sample,
        .worker = inherit->number,
        .line_max = sink_target_line_max(inherit->access_log),
    };
    return accesslog_new(&services->accesslog, &setup, err);
}

static int open_logs(struct worker_services *services, const struct inherit *inherit,
                     struct err *err)
{
    crashing = services;
    crash_set_last(write_last_lines);
    if (open_log(services, inherit, err) < 0)
        return -1;
    return open_access_log(services, inherit, err);
}

void worker_services_use_log(struct worker_services *services, const char *name, int fd)
{
    bool access = strcmp(name, "access") == 0;
    struct sink *sink = access ? services->access : services->log;
    if (sink != NULL && !access)
        sink_target_follow(services->log_target, fd);
    if (sink != NULL)
        sink_use(sink, fd);
    else
        close(fd);
}

// --- files ---

// base: room for a path, which the setup borrows.
static struct files_setup files_setup_of(const struct config *config, const struct archive *archive,
                                         const char *start_folder, char base[PATH_MAX])
{
    return (struct files_setup){
        .routes = config->static_routes.items,
        .route_count = config->static_routes.count,
        .sends = config->sendfile.items,
        .send_count = config->sendfile.count,
        .fallback = config->static_fallback,
        .expires = config->static_expires,
        .archive = archive,
        .base = files_base(base, PATH_MAX, start_folder, config->working_dir),
    };
}

static bool wants_files(const struct config *config)
{
    return config->static_routes.count > 0 || config->sendfile.count > 0 ||
           config->static_fallback != NULL;
}

static int open_files(struct worker_services *services, const struct inherit *inherit,
                      struct err *err)
{
    const struct config *config = inherit->config;
    char base[PATH_MAX];
    struct files_setup setup = files_setup_of(config, inherit->archive, inherit->folder, base);
    setup.stats = inherit->stats;
    if (!wants_files(config))
        return 0;
    if (files_new(&services->files, &setup, err) < 0)
        return -1;
    if (setup.route_count > 0)
        add_local(services, files_local(services->files));
    return 0;
}

int worker_services_check(const struct config *config, const struct archive *archive,
                          struct err *err)
{
    char base[PATH_MAX];
    struct files_setup setup = files_setup_of(config, archive, NULL, base);
    struct files *files = NULL;
    if (wants_files(config) && files_new(&files, &setup, err) < 0)
        return -1;
    files_free(files);
    return 0;
}

// --- the status page ---

// Workers write where it stands.
static const char *state_name(int state)
{
    return state >= 0 && state < CHILD_STATE_COUNT ? child_state_name((enum child_state)state)
                                                   : "?";
}

static int open_status_page(struct worker_services *services, const struct inherit *inherit,
                            struct err *err)
{
    const struct config *config = inherit->config;
    struct status_page_setup setup = {
        .path = config->status_page,
        .allow = config->status_page_allow.items,
        .allow_count = config->status_page_allow.count,
        .archive = inherit->archive,
        .board = inherit->stats_board,
        .stats = inherit->stats,
        .name = inherit->name,
        .version = LIMPET_VERSION,
        .worker = inherit->number,
        .state_name = state_name,
    };
    if (setup.path == NULL || strcmp(setup.path, "off") == 0 || setup.board == NULL)
        return 0;
    if (status_page_new(&services->status_page, &setup, err) < 0)
        return -1;
    add_local(services, status_page_local(services->status_page));
    return 0;
}

// --- metrics and health ---

static void open_health(struct worker_services *services, const struct inherit *inherit)
{
    services->live = (struct health){.board = inherit->stats_board,
                                     .stats = inherit->stats,
                                     .path = inherit->config->health_live};
    services->ready = services->live;
    services->ready.path = inherit->config->health_ready;
    services->ready.asks_ready = true;
    if (health_is_asked(services->live.path))
        add_local(services, health_local(&services->live));
    if (health_is_asked(services->ready.path))
        add_local(services, health_local(&services->ready));
}

static void open_metrics(struct worker_services *services, const struct inherit *inherit)
{
    const char *where = inherit->config->metrics;
    if (where == NULL)
        return;
    services->metrics = (struct metrics){
        .board = inherit->stats_board,
        .stats = inherit->stats,
        .build = {LIMPET_VERSION, metrics_version_of(inherit->runtime->name)},
        .path = *where == '/' ? where : NULL,
    };
    add_local(services, metrics_local(&services->metrics));
}

// Whether anybody can see what is counted: a request costs two looks at the clock more then.
static bool is_shown(const struct config *config)
{
    return config->metrics != NULL || config->status_page != NULL;
}

int worker_services_open(struct worker_services *services, const struct inherit *inherit,
                         struct reactor_setup *setup, struct err *err)
{
    *services =
        (struct worker_services){.stats = is_shown(inherit->config) ? inherit->stats : NULL};
    open_health(services, inherit);
    open_metrics(services, inherit);
    if (open_logs(services, inherit, err) < 0 || open_status_page(services, inherit, err) < 0 ||
        open_files(services, inherit, err) < 0 ||
        worker_guards_open(&services->guards, inherit->config, services->stats, setup, err) < 0) {
        worker_services_close(services);
        return -1;
    }
    setup->stats = services->stats;
    setup->limiter = inherit->limiter;
    setup->stats_board = inherit->config->status_page != NULL ? inherit->stats_board : NULL;
    setup->accesslog = services->accesslog;
    setup->request_ids = inherit->config->request_id;
    setup->locals = services->locals;
    setup->local_count = services->local_count;
    const struct config *config = inherit->config;
    services->compression = (struct http_compression){
        .min_size = config->compress_min_size,
        .types = config->compress_types.items,
        .type_count = config->compress_types.count,
    };
    setup->compression = config->compress ? &services->compression : NULL;
    setup->files = inherit->config->sendfile.count > 0 ? services->files : NULL;
    return 0;
}

void worker_services_close(struct worker_services *services)
{
    worker_guards_close(&services->guards);
    status_page_free(services->status_page);
    files_free(services->files);
    accesslog_free(services->accesslog);
    sink_free(services->access);
    close_log(services);
    crashing = NULL;
    *services = (struct worker_services){.log = NULL};
}

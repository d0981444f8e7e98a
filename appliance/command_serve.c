// command_serve.c - "serve", which becomes the supervisor, and "check", which loads the application
// as a worker would, in a child, and says how that went.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "errand.h"
#include "listener_inherited.h"
#include "log.h"
#include "sandbox.h"
#include "sink_target.h"
#include "supervisor.h"
#include "title.h"
#include "upgrade.h"
#include "worker.h"
#include "worker_services.h"

enum { DESCRIPTION_MAX = 1024 }; // bytes: "wsgi shop:app, shop.admin:app (wsgi) at /admin"

static int require_target(const struct program *program, const struct command *command,
                          const struct config *config, struct err *err)
{
    if (config->target != NULL)
        return 0;
    return err_set(err, ERR_USAGE, "no application to %s (write: %s %s module:attr)", command->name,
                   program->name, command->name);
}

static int refuse_reload(const struct program *program, const struct config *config,
                         struct err *err)
{
    if (!program->packed || !config->reload)
        return 0;
    return err_set(err, ERR_USAGE,
                   "--reload: what is packed into %s does not change (write: limpet serve FOLDER "
                   "--reload, with the application's sources in FOLDER)",
                   program->name);
}

static int serve(const struct program *program, const struct config *config,
                 struct listener_inherited *inherited, struct err *err)
{
    struct supervisor_setup setup = {
        .name = config->process_name != NULL ? config->process_name : program->name,
        .path = archive_path(program->archive),
        .arguments = title_arguments(),
        .config = config,
        .inherited = inherited,
        .archive = program->archive,
        .runtime = program->runtime,
        .worker = worker_main,
        .template_worker = worker_template_main,
    };
    if (refuse_reload(program, config, err) < 0 || sandbox_check(config, err) < 0 ||
        worker_services_check(config, program->archive, err) < 0)
        return -1;
    log_set_level((enum log_level)config->log_level.index);
    return supervisor_run(&setup, err);
}

int command_serve(const struct program *program, const struct command *command, int argc,
                  char **argv, struct err *err)
{
    struct config config;
    struct listener_inherited inherited;
    // Both are in the environment and are no settings of ours.
    bool upgraded = upgrade_inherit();
    if (listener_inherited_take(&inherited, upgraded, err) < 0)
        return -1;
    int result = command_configure(program, command, argc, argv, &config, err);
    if (result == 0 && (result = require_target(program, command, &config, err)) == 0)
        result = serve(program, &config, &inherited, err);
    config_fini(&config);
    listener_inherited_fini(&inherited);
    return result < 0 ? -1 : 0;
}

struct check {
    const struct program *program;
    const struct config *config;
};

static int start_in_child(void *owner, struct buf *out, struct err *err)
{
    const struct check *check = owner;
    char description[DESCRIPTION_MAX] = "";
    config_forget_secrets();
    struct sandbox_setup sandbox = {.config = check->config,
                                    .executable = archive_path(check->program->archive),
                                    .folder = AT_FDCWD};
    sandbox_bound(check->config, geteuid() == 0);
    if (sandbox_enter(&sandbox, err) < 0)
        return -1;
    struct runtime_setup setup =
        worker_runtime_setup(check->program->name, check->config, check->program->archive);
    if (check->program->runtime->start(&setup, description, sizeof description, err) < 0)
        return -1;
    return buf_append_str(out, str_of(description));
}

static void stop_in_child(void *owner)
{
    const struct check *check = owner;
    check->program->runtime->stop();
}

// It may have failed because it is confined, as it would be in a worker.
static void explain_failure(const struct config *config, const struct err *err)
{
    _buf_ struct buf hint = BUF_INIT(DESCRIPTION_MAX);
    if (sandbox_explain(config, err->text, strlen(err->text), &hint))
        log_warning("sandbox", "%s", buf_text(&hint));
}

static int check_application(const struct program *program, const struct config *config,
                             struct err *err)
{
    _buf_ struct buf description = BUF_INIT(DESCRIPTION_MAX);
    struct check check = {program, config};
    struct errand errand = {
        .what = config->target, .run = start_in_child, .finish = stop_in_child, .owner = &check};
    if (errand_run(&errand, &description, err) < 0) {
        explain_failure(config, err);
        return -1;
    }
    printf("ok: %s\n", buf_text(&description));
    return 0;
}

// What the server would open.
static int check_logs(const struct config *config, struct err *err)
{
    if (sink_target_try(config->log, err) < 0)
        return err_wrap(err, "--log");
    return sink_target_try(config->access_log, err) == 0 ? 0 : err_wrap(err, "--access-log");
}

int command_check(const struct program *program, const struct command *command, int argc,
                  char **argv, struct err *err)
{
    struct config config;
    int result = command_configure(program, command, argc, argv, &config, err);
    if (result == 0 && (result = require_target(program, command, &config, err)) == 0 &&
        (result = command_check_certificates(program, &config, err)) == 0 &&
        (result = check_logs(&config, err)) == 0 && (result = sandbox_check(&config, err)) == 0 &&
        (result = worker_services_check(&config, program->archive, err)) == 0)
        result = check_application(program, &config, err);
    config_fini(&config);
    return result < 0 ? -1 : 0;
}

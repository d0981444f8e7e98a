// command_install.c - "install" and "uninstall": whether there is something to install, and whether
// its settings are good, is decided here, with the table that serves them later; what is to be done
// to the machine is left to the Python half, limpet.install and limpet.uninstall.
#include <stdint.h>

#include "commands.h"
#include "config_parse.h"

enum { ARGUMENTS_MAX = 4 };

static int require_application(const struct program *program, const struct command *command,
                               struct err *err)
{
    if (program->packed)
        return 0;
    return err_set(
        err, ERR_USAGE,
        "there is no application in this binary to %s: only packed ones can be (write: %s "
        "pack SRC -o shop, and then ./shop %s)",
        command->name, program->name, command->name);
}

static int run_tool(const struct program *program, const char *module, const char *const *arguments,
                    int count)
{
    return program->runtime->tool(program->archive, module, count, (char **)(uintptr_t)arguments);
}

static int install(const struct program *program, const struct config *config, struct err *err)
{
    _buf_ struct buf given = BUF_INIT(CONFIG_TEXT_MAX), settings = BUF_INIT(CONFIG_TEXT_MAX);
    if (command_check_certificates(program, config, err) < 0)
        return -1;
    config_arguments_text(config, &given);
    config_settings_text(config, CONFIG_DEFAULT, &settings);
    const char *arguments[ARGUMENTS_MAX] = {program->name, buf_text(&given), buf_text(&settings),
                                            "--dry-run"};
    int count = config->dry_run ? 4 : 3;
    return run_tool(program, "limpet.install", arguments, count);
}

static int uninstall(const struct program *program, const struct config *config, struct err *err)
{
    (void)err;
    const char *arguments[ARGUMENTS_MAX] = {program->name, "--dry-run"};
    return run_tool(program, "limpet.uninstall", arguments, config->dry_run ? 2 : 1);
}

int command_install(const struct program *program, const struct command *command, int argc,
                    char **argv, struct err *err)
{
    if (require_application(program, command, err) < 0)
        return -1;
    return command_run_configured(program, command, argc, argv, install, err);
}

int command_uninstall(const struct program *program, const struct command *command, int argc,
                      char **argv, struct err *err)
{
    if (require_application(program, command, err) < 0)
        return -1;
    return command_run_configured(program, command, argc, argv, uninstall, err);
}

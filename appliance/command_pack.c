// command_pack.c - "pack": reads and checks the settings here, with the table that serves them
// later, and leaves the writing to the Python half, limpet.pack, which gets everything as plain
// arguments.
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "cleanup.h"
#include "commands.h"
#include "config_parse.h"

enum { FIXED_ARGUMENTS = 18 }; // SRC, seven options with a value and two without, and the NULL

// Add an option that has a value; one without is left out. The number of arguments from then on.
static int add_option(const char **arguments, int used, const char *name, const char *value)
{
    if (value == NULL)
        return used;
    arguments[used] = name;
    arguments[used + 1] = value;
    return used + 2;
}

// The arguments of limpet.pack. The array is the caller's to free, the strings are borrowed.
static char **pack_arguments(const struct config *config, const char *settings, int *count)
{
    const char **arguments = calloc(FIXED_ARGUMENTS + 2 * config->with.count, sizeof *arguments);
    int used = 0;
    must_have(arguments != NULL);
    arguments[used++] = config->target;
    used = add_option(arguments, used, "--output", config->output);
    used = add_option(arguments, used, "--app", config->app);
    if (config->factory)
        arguments[used++] = "--factory";
    if (config->collect_static)
        arguments[used++] = "--collect-static";
    for (size_t i = 0; i < config->with.count; i++)
        used = add_option(arguments, used, "--with", config->with.items[i]);
    used = add_option(arguments, used, "--requirements", config->requirements);
    used = add_option(arguments, used, "--base", config->base);
    used = add_option(arguments, used, "--ca-bundle", config->ca_bundle);
    used = add_option(arguments, used, "--tzdata", config->tzdata);
    used = add_option(arguments, used, "--settings", settings);
    *count = used;
    return (char **)(uintptr_t)arguments;
}

static int require_names(const struct program *program, const struct config *config,
                         struct err *err)
{
    if (config->target == NULL)
        return err_set(err, ERR_USAGE, "nothing to pack (write: %s pack SRC -o OUT)",
                       program->name);
    if (config->output == NULL)
        return err_set(err, ERR_USAGE, "no name for the binary (write: %s pack %s -o OUT)",
                       program->name, config->target);
    return 0;
}

static int pack(const struct program *program, const struct config *config, struct err *err)
{
    _buf_ struct buf settings = BUF_INIT(CONFIG_TEXT_MAX);
    _free_ char **arguments = NULL;
    int count;
    if (require_names(program, config, err) < 0)
        return -1;
    config_settings_text(config, CONFIG_PROJECT, &settings);
    arguments = pack_arguments(config, buf_text(&settings), &count);
    return program->runtime->tool(program->archive, "limpet.pack", count, arguments);
}

int command_pack(const struct program *program, const struct command *command, int argc,
                 char **argv, struct err *err)
{
    return command_run_configured(program, command, argc, argv, pack, err);
}

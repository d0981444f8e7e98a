// config_option.c - the option table, made of options.def, and how to find a row in it.
#include "config_option.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "accesslog_format.h"
#include "cgroup.h"
#include "check.h"
#include "compress.h"
#include "config_limits.h"
#include "config_listen.h"
#include "config_mount.h"
#include "files_route.h"
#include "hosts.h"
#include "jail.h"
#include "limiter_rate.h"
#include "listener_address.h"
#include "near.h"
#include "proxies.h"
#include "sink_target.h"
#include "title.h"

static int64_t worker_count(void)
{
    return cgroup_workers(cgroup_processors(), cgroup_memory());
}

const struct config_option config_options[CONFIG_OPTION_COUNT] = {
#define OPTION(kind_, field, name_, ...)                                 \
    [CONFIG_OPTION_##field] = {.name = name_,                            \
                               .kind = KIND_##kind_,                     \
                               .offset = offsetof(struct config, field), \
                               __VA_ARGS__},
#include "options.def"
#undef OPTION
};

const struct config_command config_commands[CONFIG_COMMAND_COUNT] = {
    {SCOPE_SERVE, "serve"},     {SCOPE_CHECK, "check"},     {SCOPE_PACK, "pack"},
    {SCOPE_INSPECT, "inspect"}, {SCOPE_STATUS, "status"},   {SCOPE_CTL, "ctl"},
    {SCOPE_LOGS, "logs"},       {SCOPE_INSTALL, "install"}, {SCOPE_UNINSTALL, "uninstall"},
};

const struct config_option *config_option_find(struct str name)
{
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &config_options[i];
        if (str_equal(name, str_of(option->name)) ||
            (option->alias != NULL && str_equal(name, str_of(option->alias))))
            return option;
    }
    return NULL;
}

const char *config_option_near(struct str name, unsigned scope, unsigned place)
{
    struct near best = {.distance = NEAR_NOTHING};
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &config_options[i];
        if ((option->scopes & scope) == 0 || !config_option_allowed_in(option, place))
            continue;
        near_consider(&best, name, option->name);
        if (option->alias != NULL)
            near_consider(&best, name, option->alias);
    }
    return best.word;
}

bool config_option_allowed_in(const struct config_option *option, unsigned place)
{
    return option->places == 0 || (option->places & place) != 0;
}

void config_option_variable(const char *name, char out[static CONFIG_NAME_MAX])
{
    snprintf(out, CONFIG_NAME_MAX, "LIMPET_%s", name);
    for (char *p = out; *p != '\0'; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

void config_option_metavar(const struct config_option *option, char out[static CONFIG_METAVAR_MAX])
{
    size_t used = 0;
    const char *metavar = option->metavar != NULL ? option->metavar : "";
    snprintf(out, CONFIG_METAVAR_MAX, option->optional != NULL ? "[%s]" : "%s", metavar);
    for (size_t i = 0; i < CONFIG_CHOICES_MAX && option->choices[i] != NULL; i++) {
        used += (size_t)snprintf(out + used, CONFIG_METAVAR_MAX - used, "%s%s", i > 0 ? "|" : "",
                                 option->choices[i]);
        must(used < CONFIG_METAVAR_MAX);
    }
}

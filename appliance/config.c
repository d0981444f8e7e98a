// config.c - fills struct config in, layer by layer: defaults, the command line
// (config_arguments.c), the environment, packed settings, a file. Finds the option that a variable
// or a key means and hands its value on: what it may be is config_set.c's business.
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "check.h"
#include "cleanup.h"
#include "config_layer.h"
#include "config_limits.h"
#include "config_listen.h"
#include "config_mount.h"
#include "config_parse.h"
#include "config_set.h"
#include "config_small.h"
#include "config_tls.h"

enum { WARNINGS_MAX = 1 << 16 }; // bytes

static const char packed_name[] = "packed settings";

static struct config_layer layer_of(struct config *config, const struct config_request *request,
                                    enum config_source source, const char *name)
{
    return (struct config_layer){
        .config = config, .request = request, .source = source, .name = name};
}

const struct config_option *config_layer_find(struct config_layer *layer, struct str name)
{
    const struct config_option *option = config_option_find(name);
    bool by_name = option == NULL || str_equal(name, str_of(option->name));
    layer->by_alias = by_name ? NULL : option;
    return option;
}

const char *config_layer_called(const struct config_layer *layer,
                                const struct config_option *option)
{
    return layer->by_alias == option ? option->alias : option->name;
}

int config_layer_refuse_secret(const struct config_option *option, struct err *err)
{
    char variable[CONFIG_NAME_MAX];
    config_option_variable(option->name, variable);
    return err_set(err, ERR_USAGE,
                   "%s is a secret, and not to be where others can read it (set the variable %s, "
                   "or give a file to --%s-file)",
                   option->name, variable, option->name);
}

bool config_layer_allows(const struct config_layer *layer, const struct config_option *option)
{
    return config_option_allowed_in(option, 1u << layer->source);
}

// Put in front of err what was given wrongly, in the words of its layer.
static int blame(const struct config_layer *layer, const struct config_option *option,
                 const char *text, struct err *err)
{
    char variable[CONFIG_NAME_MAX];
    const char *name = config_layer_called(layer, option);
    if (option->secret)
        text = CONFIG_SECRET;
    else if (*text == '\0')
        text = "\"\"";
    switch (layer->source) {
    case CONFIG_COMMAND_LINE:
        return err_wrap(err, "--%s %.*s", name, CONFIG_SHOWN, text);
    case CONFIG_ENVIRONMENT:
        config_option_variable(name, variable);
        return err_wrap(err, "%s=%.*s", variable, CONFIG_SHOWN, text);
    default:
        return err_wrap(err, "%s = %.*s", name, CONFIG_SHOWN, text);
    }
}

int config_layer_set(struct config_layer *layer, const struct config_option *option,
                     const char *text, struct err *err)
{
    if (config_set(layer->config, option, layer->source, text, err) < 0)
        return blame(layer, option, text, err);
    struct config_setting *setting = &layer->config->settings[option - config_options];
    if (setting->source == layer->source)
        setting->by_alias = layer->by_alias == option;
    return 0;
}

// Defaults.

static void read_defaults(struct config_layer *layer)
{
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        struct err err;
        const char *text = config_options[i].standard;
        bool failed = text != NULL && config_layer_set(layer, &config_options[i], text, &err) < 0;
        must_have(!failed || err.kind == ERR_USAGE);
        must(!failed);
    }
}

// The environment.

// Variables of ours that are no options: where the build keeps things.
static bool is_other_variable(struct str name)
{
    return str_equal(name, STR("LIMPET_CACHE")) || str_equal(name, STR("LIMPET_SOURCES"));
}

static void warn_of_variable(struct config_layer *layer, struct str name, struct str option_name)
{
    struct buf *warnings = &layer->config->warnings;
    const char *near = config_option_near(option_name, layer->request->scope, PLACE_ENVIRONMENT);
    int size = (int)(name.size < CONFIG_SHOWN ? name.size : CONFIG_SHOWN);
    if (near == NULL) {
        buf_printf(warnings, "ignoring %.*s: there is no such option\n", size, name.data);
        return;
    }
    char variable[CONFIG_NAME_MAX];
    config_option_variable(near, variable);
    buf_printf(warnings, "ignoring %.*s: there is no such option (did you mean %s?)\n", size,
               name.data, variable);
}

// A setting of the server that the service to be installed will not have. An empty one is none.
static void warn_of_lost_variable(struct config_layer *layer, const struct config_option *option,
                                  struct str name, const char *value)
{
    if (layer->request->scope != SCOPE_INSTALL || (option->scopes & SCOPE_SERVE) == 0 ||
        *value == '\0')
        return;
    struct buf *warnings = &layer->config->warnings;
    buf_printf(warnings, "ignoring %.*s: a service does not get this environment", (int)name.size,
               name.data);
    if ((option->scopes & SCOPE_INSTALL) != 0 && !option->secret)
        buf_printf(warnings, " (give it as --%s)", option->name);
    buf_printf(warnings, "\n");
}

// The option that LIMPET_NAME means, or NULL; its name as it would be written elsewhere in buffer.
static const struct config_option *find_variable(struct config_layer *layer, struct str name,
                                                 struct str *option_name,
                                                 char buffer[static CONFIG_NAME_MAX])
{
    char variable[CONFIG_NAME_MAX];
    struct str part = {name.data + sizeof "LIMPET_" - 1, name.size - (sizeof "LIMPET_" - 1)};
    size_t size = part.size < CONFIG_NAME_MAX ? part.size : CONFIG_NAME_MAX;
    for (size_t i = 0; i < size; i++)
        buffer[i] = part.data[i] == '_' ? '-' : (char)tolower((unsigned char)part.data[i]);
    *option_name = (struct str){buffer, size};
    const struct config_option *option = config_layer_find(layer, *option_name);
    if (option == NULL || !config_layer_allows(layer, option))
        return NULL;
    config_option_variable(config_layer_called(layer, option), variable);
    return str_equal(name, str_of(variable)) ? option : NULL;
}

// Two names of one option.
static int refuse_both_names(const struct config_option *option, struct err *err)
{
    char name[CONFIG_NAME_MAX], alias[CONFIG_NAME_MAX];
    config_option_variable(option->name, name);
    config_option_variable(option->alias, alias);
    return err_set(err, ERR_USAGE, "%s and %s are the same setting (leave one of them out)", name,
                   alias);
}

static int set_variable(struct config_layer *layer, const struct config_option *option,
                        const char *text, struct err *err)
{
    if (!option->blank_separated)
        return *text == '\0' ? 0 : config_layer_set(layer, option, text, err);
    _free_ char *values = strdup(text);
    must_have(values != NULL);
    char *rest = values, *value;
    while ((value = strsep(&rest, " \t")) != NULL) {
        if (*value != '\0' && config_layer_set(layer, option, value, err) < 0)
            return -1;
    }
    return 0;
}

static int read_variable(struct config_layer *layer, const char *entry, struct err *err)
{
    char buffer[CONFIG_NAME_MAX];
    const char *equals = strchr(entry, '=');
    if (equals == NULL || strncmp(entry, "LIMPET_", sizeof "LIMPET_" - 1) != 0)
        return 0;
    struct str option_name, name = {entry, (size_t)(equals - entry)};
    if (is_other_variable(name))
        return 0;
    const struct config_option *option = find_variable(layer, name, &option_name, buffer);
    if (option == NULL) {
        warn_of_variable(layer, name, option_name);
        return 0;
    }
    // One environment serves all commands: what is for another one is no mistake. And what pack or
    // install stores must not depend on how a server on the same machine is configured.
    enum config_scope scope = layer->request->scope;
    if ((option->scopes & scope) == 0 ||
        ((scope & (SCOPE_PACK | SCOPE_INSTALL)) != 0 && (option->scopes & SCOPE_SERVE) != 0)) {
        warn_of_lost_variable(layer, option, name, equals + 1);
        return 0;
    }
    bool *seen = &layer->seen[option - config_options];
    if (*seen && option->alias != NULL)
        return refuse_both_names(option, err);
    *seen = equals[1] != '\0';
    return set_variable(layer, option, equals + 1, err);
}

static int read_environment(struct config_layer *layer, struct err *err)
{
    char *const *entry = layer->request->environment;
    for (; entry != NULL && *entry != NULL; entry++) {
        if (read_variable(layer, *entry, err) < 0)
            return -1;
    }
    return 0;
}

// Settings as text: packed, or what a file was turned into.

static int unknown_key(const struct config_layer *layer, struct str key, struct err *err)
{
    const struct config_request *request = layer->request;
    const struct config_option *option = config_option_find(key);
    int size = (int)key.size; // at most CONFIG_KEY_MAX
    if (option != NULL && option->secret)
        return config_layer_refuse_secret(option, err);
    if (option != NULL && (option->scopes & request->scope) == 0)
        return err_set(err, ERR_USAGE, "\"%s\" is no setting of \"%s %s\"", option->name,
                       request->program, request->command);
    if (option != NULL)
        return err_set(err, ERR_USAGE, "\"%s\" cannot be set here (give --%s)", option->name,
                       option->name);
    const char *near = config_option_near(key, request->scope, 1u << layer->source);
    if (near != NULL)
        return err_set(err, ERR_USAGE, "unknown key \"%.*s\" (did you mean \"%s\"?)", size,
                       key.data, near);
    return err_set(err, ERR_USAGE, "unknown key \"%.*s\" (\"%s help options\" lists them)", size,
                   key.data, request->program);
}

// A value of pyproject.toml that is a path, seen from where pack was called. The caller frees it.
static char *resolved(const struct config_layer *layer, const struct config_option *option,
                      struct str value)
{
    char *text;
    const char *folder = layer->config->target;
    bool relative = layer->source == CONFIG_PROJECT && option->local_path && value.size > 0 &&
                    value.data[0] != '/';
    int size = relative ? asprintf(&text, "%s/%.*s", folder, (int)value.size, value.data)
                        : asprintf(&text, "%.*s", (int)value.size, value.data);
    must(size >= 0);
    return text;
}

// A setting of the server that is looked for, and of no use in looking for it; or of the one to be
// installed, whose application is not asked for.
static bool is_of_server(const struct config_layer *layer, const struct config_option *option)
{
    unsigned scope = layer->request->scope;
    return option != NULL && (scope & (SCOPE_CONTROL | SCOPE_INSTALL)) != 0 &&
           (option->scopes & scope) == 0 && (option->scopes & SCOPE_SERVE) != 0 &&
           config_layer_allows(layer, option);
}

// Values that came by one name, or by two: whichever the one before had.
static int refuse_several(const struct config_layer *layer, const struct config_option *option,
                          struct err *err)
{
    bool by_alias = layer->config->settings[option - config_options].by_alias;
    if (by_alias != (layer->by_alias == option))
        return err_set(err, ERR_USAGE,
                       "\"%s\" and \"%s\" are the same setting (leave one of them out)",
                       option->name, option->alias);
    return err_set(err, ERR_USAGE, "\"%s\" has several values, and takes one",
                   config_layer_called(layer, option));
}

static int read_line(void *owner, size_t line, struct str key, struct str value, struct err *err)
{
    struct config_layer *layer = owner;
    (void)line;
    const struct config_option *option = config_layer_find(layer, key);
    if (is_of_server(layer, option))
        return 0;
    if (option == NULL || (option->scopes & layer->request->scope) == 0 ||
        !config_layer_allows(layer, option))
        return unknown_key(layer, key, err);
    bool *seen = &layer->seen[option - config_options];
    if (*seen && option->kind != KIND_LIST)
        return refuse_several(layer, option, err);
    *seen = true;
    _free_ char *text = resolved(layer, option, value);
    return config_layer_set(layer, option, text, err);
}

static int read_text(struct config_layer *layer, struct str text, struct err *err)
{
    if (config_parse(text, read_line, layer, err) < 0)
        return err_wrap(err, "%s", layer->name);
    return 0;
}

static int read_file(struct config *config, const struct config_request *request,
                     enum config_source source, const char *path, struct err *err)
{
    _buf_ struct buf lines = BUF_INIT(CONFIG_TEXT_MAX);
    struct config_layer layer = layer_of(config, request, source, path);
    config->file_name = strdup(path);
    must_have(config->file_name != NULL);
    const char *table = source == CONFIG_PROJECT ? "tool.limpet" : "";
    if (request->read_file(request->owner, path, table, &lines, err) < 0)
        return -1;
    return read_text(&layer, buf_str(&lines), err);
}

static int read_config_file(struct config *config, const struct config_request *request,
                            struct err *err)
{
    const struct config_option *option = &config_options[CONFIG_OPTION_config_file];
    enum config_source source = config->settings[CONFIG_OPTION_config_file].source;
    struct config_layer origin = layer_of(config, request, source, packed_name);
    if (config->config_file == NULL)
        return 0;
    if (access(config->config_file, R_OK) == 0)
        return read_file(config, request, CONFIG_FILE, config->config_file, err);
    err_set(err, ERR_FAILED, "%s", strerror(errno));
    blame(&origin, option, config->config_file, err);
    return source == CONFIG_PACKED ? err_wrap(err, "%s", origin.name) : -1;
}

static int read_project(struct config *config, const struct config_request *request,
                        struct err *err)
{
    _free_ char *path = NULL;
    if (config->target == NULL)
        return 0;
    must(asprintf(&path, "%s/pyproject.toml", config->target) >= 0);
    if (access(path, F_OK) < 0)
        return 0;
    return read_file(config, request, CONFIG_PROJECT, path, err);
}

static int read_files(struct config *config, const struct config_request *request, struct err *err)
{
    if (request->read_file == NULL)
        return 0;
    return request->scope == SCOPE_PACK ? read_project(config, request, err)
                                        : read_config_file(config, request, err);
}

// While one develops, one worker starts sooner, and its log is in order.
static void settle_workers(struct config *config)
{
    struct err err;
    const struct config_option *option = &config_options[CONFIG_OPTION_workers];
    if (config->reload && config->settings[CONFIG_OPTION_workers].source == CONFIG_DEFAULT)
        must(config_set(config, option, CONFIG_DEFAULT, "1", &err) == 0);
}

int config_read(struct config *config, const struct config_request *request, struct err *err)
{
    *config = (struct config){.warnings = BUF_INIT(WARNINGS_MAX)};
    struct config_layer defaults = layer_of(config, request, CONFIG_DEFAULT, "defaults");
    struct config_layer arguments = layer_of(config, request, CONFIG_COMMAND_LINE, "command line");
    struct config_layer environment = layer_of(config, request, CONFIG_ENVIRONMENT, "environment");
    struct config_layer packed = layer_of(config, request, CONFIG_PACKED, packed_name);
    read_defaults(&defaults);
    if (config_layer_read_arguments(&arguments, err) < 0)
        return -1;
    if (config->help)
        return 0;
    if (read_environment(&environment, err) < 0 || read_text(&packed, request->packed, err) < 0)
        return -1;
    if (read_files(config, request, err) < 0)
        return -1;
    // What install writes down is for every machine that it is started on.
    bool starts = (request->scope & (SCOPE_SERVE | SCOPE_CHECK)) != 0;
    bool serves = starts || (request->scope & SCOPE_INSTALL) != 0;
    settle_workers(config);
    if (starts)
        config_settle_small(config, cgroup_memory());
    if (config_check_limits(config, err) < 0 || config_check_mounts(config, err) < 0 ||
        config_settle_listeners(config, err) < 0 || config_check_proxies(config, err) < 0)
        return -1;
    return serves ? config_settle_tls(config, err) : 0;
}

void config_each_secret(void (*each)(const char *variable))
{
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &config_options[i];
        char variable[CONFIG_NAME_MAX];
        if (!option->secret)
            continue;
        config_option_variable(option->name, variable);
        each(variable);
        if (option->alias == NULL)
            continue;
        config_option_variable(option->alias, variable);
        each(variable);
    }
}

static void forget(const char *variable)
{
    char *value = getenv(variable);
    if (value != NULL)
        explicit_bzero(value, strlen(value));
    unsetenv(variable);
}

void config_forget_secrets(void)
{
    config_each_secret(forget);
}

void config_fini(struct config *config)
{
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++)
        config_unset(config, &config_options[i]);
    free(config->file_name);
    config->file_name = NULL;
    buf_fini(&config->warnings);
}

// config_text.c - the option table and a configuration as text: help, documentation,
// --print-config, and the settings that pack stores.
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "config.h"
#include "config_option.h"
#include "config_set.h"

enum {
    HELP_COLUMN = 31,  // where the help of an option begins
    PRINT_COLUMN = 48, // where --print-config puts its comments at the latest
    COLUMN_TEXT = 256, // bytes
};

// What is written here is bounded by the table and by the size of settings: not to fit is a bug of
// the caller's.
#define PUT(out, ...) must(buf_printf(out, __VA_ARGS__) == 0)

// The range of a number: "0 to 65535". "" for other kinds.
static void write_range(const struct config_option *option, char *out, size_t size)
{
    char minimum[CONFIG_VALUE_TEXT], maximum[CONFIG_VALUE_TEXT];
    *out = '\0';
    if (option->kind < KIND_INTEGER || option->kind > KIND_DURATION)
        return;
    config_write(option, option->minimum, minimum);
    config_write(option, option->maximum, maximum);
    snprintf(out, size, "%s to %s%s", minimum, maximum, option->automatic != NULL ? ", auto" : "");
}

// What an operator writes for the option: "--port", "TARGET", or a variable where there is no more.
static void write_invocation(const struct config_option *option, char out[static CONFIG_NAME_MAX])
{
    if (!config_option_allowed_in(option, PLACE_COMMAND_LINE))
        config_option_variable(option->name, out);
    else
        snprintf(out, CONFIG_NAME_MAX, "%s%s", option->positional ? "" : "--",
                 option->positional ? option->metavar : option->name);
}

// Help.

static void help_option(const struct config_option *option, struct buf *out)
{
    char name[CONFIG_NAME_MAX], metavar[CONFIG_METAVAR_MAX], left[COLUMN_TEXT], range[COLUMN_TEXT];
    char letter[] = {'-', option->letter, ',', ' ', '\0'};
    config_option_metavar(option, metavar);
    write_range(option, range, sizeof range);
    write_invocation(option, name);
    snprintf(left, sizeof left, "  %s%s%s%s", option->letter != 0 ? letter : "", name,
             *metavar != '\0' && !option->positional ? " " : "", option->positional ? "" : metavar);
    if (strlen(left) + 2 <= HELP_COLUMN)
        PUT(out, "%-*s%s", HELP_COLUMN, left, option->help);
    else
        PUT(out, "%s\n%*s%s", left, HELP_COLUMN, "", option->help);
    if (*range != '\0')
        PUT(out, " (%s)", range);
    if (option->kind == KIND_LIST)
        PUT(out, " (repeatable)");
    if (option->standard != NULL)
        PUT(out, " [%s]", option->standard);
    PUT(out, "\n");
}

void config_help(enum config_scope scope, struct buf *out)
{
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        if ((config_options[i].scopes & scope) != 0)
            help_option(&config_options[i], out);
    }
}

// Documentation.

static void document_value(const struct config_option *option, struct buf *out)
{
    char range[COLUMN_TEXT];
    write_range(option, range, sizeof range);
    if (option->kind == KIND_FLAG)
        PUT(out, "switch");
    else if (option->metavar != NULL)
        PUT(out, option->optional != NULL ? "%s or none" : "%s", option->metavar);
    for (size_t i = 0; i < CONFIG_CHOICES_MAX && option->choices[i] != NULL; i++)
        PUT(out, "%s`%s`", i > 0 ? ", " : "", option->choices[i]);
    if (*range != '\0')
        PUT(out, ", %s", range);
    if (option->kind == KIND_LIST)
        PUT(out, ", repeatable");
}

static void document_scopes(const struct config_option *option, struct buf *out)
{
    const char *separator = "";
    for (size_t i = 0; i < CONFIG_COMMAND_COUNT; i++) {
        if ((option->scopes & config_commands[i].scope) == 0)
            continue;
        PUT(out, "%s%s", separator, config_commands[i].name);
        separator = ", ";
    }
}

static void document_option(const struct config_option *option, struct buf *out)
{
    static const char *const reloads[] = {
        [RELOAD_NONE] = "",
        [RELOAD_LIVE] = "at HUP",
        [RELOAD_WORKER] = "in new workers",
        [RELOAD_ALL] = "at the next start",
    };
    char name[CONFIG_NAME_MAX], variable[CONFIG_NAME_MAX];
    char letter[] = {'`', '-', option->letter, '`', ',', ' ', '\0'};
    write_invocation(option, name);
    config_option_variable(option->name, variable);
    PUT(out, "| %s`%s`", option->letter != 0 ? letter : "", name);
    if (option->alias != NULL && config_option_allowed_in(option, PLACE_COMMAND_LINE))
        PUT(out, " (`--%s`)", option->alias);
    PUT(out, " | ");
    document_value(option, out);
    if (option->standard != NULL)
        PUT(out, " | `%s`", option->standard);
    else
        PUT(out, " |");
    if (config_option_allowed_in(option, PLACE_ENVIRONMENT))
        PUT(out, " | `%s`", variable);
    else
        PUT(out, " |");
    if (config_option_allowed_in(option, PLACE_FILE | PLACE_PROJECT | PLACE_PACKED))
        PUT(out, " | `%s` | ", option->name);
    else
        PUT(out, " | | ");
    document_scopes(option, out);
    PUT(out, " | %s | %s |\n", reloads[option->reload], option->help);
}

void config_document(struct buf *out)
{
    PUT(out, "| option | value | default | environment | key in files | commands | a change takes "
             "effect | meaning |\n|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++)
        document_option(&config_options[i], out);
}

// A configuration.

// How many values the option has to print: one, except for lists.
static size_t value_count(const struct config *config, const struct config_option *option)
{
    const struct config_list *list = (const void *)((const char *)config + option->offset);
    return option->kind != KIND_LIST || list->count == 0 ? 1 : list->count;
}

static const char *value_at(const struct config *config, const struct config_option *option,
                            size_t index)
{
    const struct config_list *list = (const void *)((const char *)config + option->offset);
    const char *text = config->settings[option - config_options].text;
    if (option->kind == KIND_LIST)
        text = list->count > 0 ? list->items[index] : NULL;
    if (text == NULL)
        return "";
    return option->secret ? CONFIG_SECRET : text;
}

static void print_source(const struct config *config, const struct config_option *option,
                         struct buf *out)
{
    char variable[CONFIG_NAME_MAX];
    const struct config_setting *setting = &config->settings[option - config_options];
    switch (setting->source) {
    case CONFIG_COMMAND_LINE:
        PUT(out, "# command line");
        break;
    case CONFIG_ENVIRONMENT:
        config_option_variable(setting->by_alias ? option->alias : option->name, variable);
        PUT(out, "# %s", variable);
        break;
    case CONFIG_FILE:
    case CONFIG_PROJECT:
        PUT(out, "# file %s", config->file_name);
        break;
    case CONFIG_PACKED:
        PUT(out, "# packed");
        break;
    case CONFIG_DEFAULT:
        PUT(out, "# default");
        break;
    }
}

// What "auto" is on this machine.
static void print_automatic(const struct config *config, const struct config_option *option,
                            struct buf *out)
{
    char number[CONFIG_VALUE_TEXT];
    const int64_t *value = (const void *)((const char *)config + option->offset);
    if (option->automatic == NULL || strcmp(value_at(config, option, 0), "auto") != 0)
        return;
    config_write(option, *value, number);
    PUT(out, " (%s here)", number);
}

// Switches that only say what to do now are no settings; what is not to be packed may be one.
static bool is_setting(const struct config_option *option, enum config_scope scope)
{
    return (option->scopes & scope) != 0 &&
           (option->secret || config_option_allowed_in(option, PLACE_PACKED));
}

static size_t print_width(const struct config *config, enum config_scope scope)
{
    size_t width = 0;
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &config_options[i];
        for (size_t k = 0; is_setting(option, scope) && k < value_count(config, option); k++) {
            size_t size = strlen(option->name) + 3 + strlen(value_at(config, option, k));
            if (size > width && size <= PRINT_COLUMN)
                width = size;
        }
    }
    return width;
}

void config_print(const struct config *config, enum config_scope scope, struct buf *out)
{
    size_t width = print_width(config, scope);
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &config_options[i];
        for (size_t k = 0; is_setting(option, scope) && k < value_count(config, option); k++) {
            size_t start = out->size;
            PUT(out, "%s = %s", option->name, value_at(config, option, k));
            size_t size = out->size - start;
            PUT(out, "%*s", size < width ? (int)(width - size) + 4 : 4, "");
            print_source(config, option, out);
            print_automatic(config, option, out);
            PUT(out, "\n");
        }
    }
}

// Whether the setting is one of a run, and comes from there or from a stronger source.
static bool is_given(const struct config *config, const struct config_option *option,
                     enum config_source weakest)
{
    return is_setting(option, SCOPE_SERVE) && !option->positional && !option->secret &&
           config->settings[option - config_options].source >= weakest;
}

void config_settings_text(const struct config *config, enum config_source weakest, struct buf *out)
{
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &config_options[i];
        for (size_t k = 0; is_given(config, option, weakest) && k < value_count(config, option);
             k++)
            PUT(out, "%s = %s\n", option->name, value_at(config, option, k));
    }
}

void config_arguments_text(const struct config *config, struct buf *out)
{
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &config_options[i];
        const bool *flag = (const void *)((const char *)config + option->offset);
        bool given = is_given(config, option, CONFIG_COMMAND_LINE);
        if (given && option->kind == KIND_FLAG)
            PUT(out, "--%s%s\n", *flag ? "" : "no-", option->name);
        for (size_t k = 0; given && option->kind != KIND_FLAG && k < value_count(config, option);
             k++)
            PUT(out, "--%s=%s\n", option->name, value_at(config, option, k));
    }
}

// config_arguments.c - the layer of the command line: --name VALUE, --name=VALUE, --name and
// --no-name for switches, -x for the options that have a letter, and arguments without a name.
#include <string.h>

#include "config_layer.h"
#include "config_set.h"

// The first of those that take it.
static const char *command_of(const struct config_option *option)
{
    size_t i = 0;
    while (i + 1 < CONFIG_COMMAND_COUNT && (option->scopes & config_commands[i].scope) == 0)
        i++;
    return config_commands[i].name;
}

static int unknown_argument(const struct config_layer *layer, struct str name, struct err *err)
{
    const struct config_request *request = layer->request;
    const struct config_option *other = config_option_find(name);
    int size = (int)(name.size < CONFIG_SHOWN ? name.size : CONFIG_SHOWN);
    if (other != NULL && other->secret)
        return config_layer_refuse_secret(other, err);
    if (other != NULL && (other->scopes & request->scope) == 0)
        return err_set(err, ERR_USAGE, "--%s is an option of \"%s %s\", not of \"%s %s\"",
                       other->name, request->program, command_of(other), request->program,
                       request->command);
    const char *near = config_option_near(name, request->scope, PLACE_COMMAND_LINE);
    if (near != NULL)
        return err_set(err, ERR_USAGE, "unknown option --%.*s (did you mean --%s?)", size,
                       name.data, near);
    return err_set(err, ERR_USAGE, "unknown option --%.*s (\"%s help %s\" lists the options)", size,
                   name.data, request->program, request->command);
}

static const struct config_option *find_argument(struct config_layer *layer, struct str name)
{
    const struct config_option *option = config_layer_find(layer, name);
    if (option == NULL || (option->scopes & layer->request->scope) == 0 ||
        !config_layer_allows(layer, option))
        return NULL;
    return option;
}

// The value of an option that wants one: attached, or else the next argument.
static int set_with_value(struct config_layer *layer, const struct config_option *option,
                          const char *attached, int *index, struct err *err)
{
    const struct config_request *request = layer->request;
    char metavar[CONFIG_METAVAR_MAX];
    if (attached != NULL)
        return config_layer_set(layer, option, attached, err);
    const char *name = config_layer_called(layer, option);
    config_option_metavar(option, metavar);
    if (option->optional != NULL &&
        (*index + 1 >= request->argc || !option->attaches(request->argv[*index + 1])))
        return config_layer_set(layer, option, option->optional, err);
    if (*index + 1 >= request->argc)
        return err_set(err, ERR_USAGE, "--%s needs a value (write --%s %s)", name, name, metavar);
    const char *next = request->argv[*index + 1];
    if (strncmp(next, "--", 2) == 0)
        return err_set(err, ERR_USAGE,
                       "--%s needs a value before %.*s (write --%s=VALUE if that is the value)",
                       name, CONFIG_SHOWN, next, name);
    ++*index;
    return config_layer_set(layer, option, next, err);
}

static int read_long(struct config_layer *layer, const char *argument, int *index, struct err *err)
{
    const char *equals = strchr(argument, '=');
    const char *attached = equals != NULL ? equals + 1 : NULL;
    struct str name = {argument, equals != NULL ? (size_t)(equals - argument) : strlen(argument)};
    const struct config_option *option = find_argument(layer, name);
    const char *flag_value = "true";
    if (option == NULL && str_starts(name, STR("no-"))) {
        option = find_argument(layer, (struct str){name.data + 3, name.size - 3});
        flag_value = "false";
        if (option != NULL && option->kind != KIND_FLAG)
            return err_set(err, ERR_USAGE, "--%.*s: --%s is not a switch, it takes a value",
                           (int)name.size, name.data, config_layer_called(layer, option));
    }
    if (option == NULL)
        return unknown_argument(layer, name, err);
    if (option->kind != KIND_FLAG)
        return set_with_value(layer, option, attached, index, err);
    if (attached != NULL)
        return err_set(err, ERR_USAGE, "--%s takes no value (write --%s or --no-%s)", option->name,
                       option->name, option->name);
    return config_layer_set(layer, option, flag_value, err);
}

static int read_short(struct config_layer *layer, const char *argument, int *index, struct err *err)
{
    const struct config_request *request = layer->request;
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &config_options[i];
        if (option->letter != argument[0] || (option->scopes & request->scope) == 0)
            continue;
        if (option->kind != KIND_FLAG)
            return set_with_value(layer, option, argument[1] != '\0' ? argument + 1 : NULL, index,
                                  err);
        if (argument[1] == '\0')
            return config_layer_set(layer, option, "true", err);
    }
    return err_set(err, ERR_USAGE, "unknown option -%.*s (\"%s help %s\" lists the options)",
                   CONFIG_SHOWN, argument, request->program, request->command);
}

static int read_word(struct config_layer *layer, const char *argument, struct err *err)
{
    const struct config_request *request = layer->request;
    struct config *config = layer->config;
    if (config->word_count == CONFIG_WORDS_MAX)
        return err_set(err, ERR_USAGE,
                       "unexpected argument \"%.*s\" (\"%s help %s\" says what there may be)",
                       CONFIG_SHOWN, argument, request->program, request->command);
    config->words[config->word_count++] = argument;
    return 0;
}

static int read_positional(struct config_layer *layer, const char *argument, struct err *err)
{
    const struct config_request *request = layer->request;
    const struct config_option *option = &config_options[CONFIG_OPTION_target];
    bool *seen = &layer->seen[CONFIG_OPTION_target];
    if (request->positional == NULL)
        return err_set(err, ERR_USAGE, "unexpected argument \"%.*s\": \"%s %s\" takes options only",
                       CONFIG_SHOWN, argument, request->program, request->command);
    if (request->scope == SCOPE_CTL)
        return read_word(layer, argument, err);
    if (*seen)
        return err_set(err, ERR_USAGE,
                       "unexpected argument \"%.*s\": \"%s %s\" takes one %s, and that is "
                       "\"%.*s\"",
                       CONFIG_SHOWN, argument, request->program, request->command,
                       request->positional, CONFIG_SHOWN, layer->config->target);
    *seen = true;
    if (*argument == '\0')
        return err_set(err, ERR_USAGE, "%s is empty", request->positional);
    if (config_set(layer->config, option, layer->source, argument, err) < 0)
        return err_wrap(err, "%s %.*s", request->positional, CONFIG_SHOWN, argument);
    return 0;
}

int config_layer_read_arguments(struct config_layer *layer, struct err *err)
{
    const struct config_request *request = layer->request;
    bool options = true; // until "--"
    for (int i = 0; i < request->argc && !layer->config->help; i++) {
        const char *argument = request->argv[i];
        int result;
        if (options && strcmp(argument, "--") == 0) {
            options = false;
            continue;
        }
        if (!options || argument[0] != '-' || argument[1] == '\0')
            result = read_positional(layer, argument, err);
        else if (argument[1] == '-')
            result = read_long(layer, argument + 2, &i, err);
        else
            result = read_short(layer, argument + 1, &i, err);
        if (result < 0)
            return -1;
    }
    return 0;
}

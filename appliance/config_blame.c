// config_blame.c - the words for a source of settings.
#include "config_blame.h"

#include <stdio.h>

void config_blame_name(const struct config *config, enum config_option_id id,
                       enum config_source source, char out[static CONFIG_NAME_MAX])
{
    const struct config_option *option = &config_options[id];
    const struct config_setting *setting = &config->settings[id];
    bool by_alias = setting->source == source && setting->by_alias;
    const char *name = by_alias ? option->alias : option->name;
    if (source == CONFIG_ENVIRONMENT)
        config_option_variable(name, out);
    else
        snprintf(out, CONFIG_NAME_MAX, source == CONFIG_COMMAND_LINE ? "--%s" : "\"%s\"", name);
}

int config_blame(const struct config *config, enum config_source source, struct err *err)
{
    if (source == CONFIG_PACKED)
        return err_wrap(err, "packed settings");
    if (source == CONFIG_FILE || source == CONFIG_PROJECT)
        return err_wrap(err, "%s", config->file_name);
    return -1;
}

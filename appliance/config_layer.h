// config_layer.h - what config.c and config_arguments.c share: a walk over one of the layers that
// make up a configuration.
#pragma once

#include "config_option.h"

enum { CONFIG_SHOWN = 200 }; // bytes of what the operator wrote in a message

// A walk over one layer.
struct config_layer {
    struct config *config;
    const struct config_request *request;
    enum config_source source;
    const char *name;                     // how messages call it, where it is a text
    const struct config_option *by_alias; // the option at hand, if it was found by that
    bool seen[CONFIG_OPTION_COUNT];       // given in this layer
};

// Whether the option may be given in this layer.
bool config_layer_allows(const struct config_layer *layer, const struct config_option *option);

// The option of that name or alias, which is the one at hand then, or NULL.
const struct config_option *config_layer_find(struct config_layer *layer, struct str name);

// What the option at hand is called in the layer: its name, or its alias if it was found by that.
const char *config_layer_called(const struct config_layer *layer,
                                const struct config_option *option);

// Refuse a secret where others could read it.
int config_layer_refuse_secret(const struct config_option *option, struct err *err);

// Set the option. Errors name it in the words of the layer: "--port x: ...", "LIMPET_PORT=x: ...",
// "port = x: ...".
int config_layer_set(struct config_layer *layer, const struct config_option *option,
                     const char *text, struct err *err);

// Walk over the arguments of the request; ends at --help.
int config_layer_read_arguments(struct config_layer *layer, struct err *err);

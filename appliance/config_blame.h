// config_blame.h - where a value comes from, in the words of an error message.
#pragma once

#include "config.h"
#include "config_option.h"

// The option in the words of the source: "--port", "LIMPET_PORT", "port"; by its alias where it was
// given so there.
void config_blame_name(const struct config *config, enum config_option_id id,
                       enum config_source source, char out[static CONFIG_NAME_MAX]);

// Put the source before the error, where it is a text. Returns -1.
int config_blame(const struct config *config, enum config_source source, struct err *err);

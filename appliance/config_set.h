// config_set.h - one value into struct config.
#pragma once

#include "config_option.h"
#include "config_value.h"

// Read text as the option's value and keep it, unless a stronger source has set the option already;
// the value must be good all the same. A list takes one more item from the same source, and starts
// anew from a stronger one. Errors are ERR_USAGE and say what the value should be, not where it
// stood.
int config_set(struct config *config, const struct config_option *option, enum config_source source,
               const char *text, struct err *err);

// Release the option's value.
void config_unset(struct config *config, const struct config_option *option);

// The option as if nobody had set it.
void config_reset(struct config *config, const struct config_option *option);

// The number as the option's kind writes it: "8000", "64k", "1m30s".
void config_write(const struct config_option *option, int64_t number,
                  char out[static CONFIG_VALUE_TEXT]);

// config_limits.h - what holds between the limits of workers.
#pragma once

#include "config.h"

// The value of --status: "404", "5xx". Errors, ERR_USAGE: as config_option's check.
int config_limits_check_status(const char *text, struct err *err);

// When all is read. Errors, ERR_USAGE: a limit that no worker can keep, a jitter of no limit.
int config_check_limits(const struct config *config, struct err *err);

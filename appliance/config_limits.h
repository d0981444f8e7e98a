// config_limits.h - what holds between the limits of workers.
#pragma once

#include "config.h"

// When all is read. Errors, ERR_USAGE: a limit that no worker can keep, a jitter of no limit.
int config_check_limits(const struct config *config, struct err *err);

// config_listen.h - what holds between --listen and its short way, --host, --port and --uds.
#pragma once

#include "config.h"

// When all is read: the stronger of the two ways is kept, the weaker one is as if it had not been
// given. Errors, ERR_USAGE: both from the same source; an address twice.
int config_settle_listeners(struct config *config, struct err *err);

// config_listen.h - what holds between --listen and its short way, --host, --port and --uds.
#pragma once

#include "config.h"

// The values of --metrics, an address or a path, and of --status-page-allow, an address or a
// network ("10.0.0.0/8", "fd00::/8"). Errors, ERR_USAGE: as config_option's check.
int config_listen_check_metrics(const char *text, struct err *err);
int config_listen_check_network(const char *text, struct err *err);
// Whether an argument behind --metrics is its value: it begins with '/' or has a port.
bool config_listen_attaches(const char *argument);

// When all is read: the stronger of the two ways is kept, the weaker one is as if it had not been
// given. Errors, ERR_USAGE: both from the same source; an address twice.
int config_settle_listeners(struct config *config, struct err *err);

// Behind that: who listens for PROXY protocol has said whose. Errors, ERR_USAGE.
int config_check_proxies(const struct config *config, struct err *err);

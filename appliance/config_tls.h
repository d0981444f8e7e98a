// config_tls.h - what holds among the settings of HTTPS.
#pragma once

#include "config.h"

// When all is read, of a server, and its listeners are settled (config_listen.h): the folder of
// acme-webroot is made absolute, since workers may leave the folder that we are in. Errors,
// ERR_USAGE: settings that mean nothing without another one, or contradict it; no such folder. What
// cannot be known yet, as what systemd's sockets are, is taken for good.
int config_settle_tls(struct config *config, struct err *err);

// config_mount.h - the values of --url-path-prefix and --mount.
#pragma once

#include "err.h"
#include "str.h"

struct config; // config.h

// One more application: "/admin=wsgi:shop.wsgi:app". Slices and texts are those of the value, or
// literals.
struct config_mount {
    struct str prefix;     // "/admin"
    const char *interface; // one of --interface's values; "auto" where it is not said
    const char *target;    // "shop.wsgi:app"
};

// A path that applications can be below: "/shop". Errors, ERR_USAGE: as config_option's check.
int config_mount_check_prefix(const char *text, struct err *err);

// A path that the server answers itself: "/metrics", or "off". Errors, ERR_USAGE: as
// config_option's check.
int config_mount_check_path(const char *text, struct err *err);

// PREFIX=APP, where APP is [INTERFACE:]TARGET, taken apart. Errors, ERR_USAGE: as config_option's
// check.
int config_mount_parse(const char *text, struct config_mount *out, struct err *err);
int config_mount_check(const char *text, struct err *err);

// When all is read. Errors, ERR_USAGE: a prefix that is mounted twice.
int config_check_mounts(const struct config *config, struct err *err);

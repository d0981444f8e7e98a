// files_route.h - a folder's place in the site, as text. Pure.
#pragma once

#include "err.h"
#include "str.h"

struct files_route {
    struct str prefix; // "/static", without a '/' at its end; "" is the whole site
    struct str folder; // as given
};

// "PREFIX=FOLDER". An option's check. Errors: no '=', a prefix without '/', with dot segments or
// percent signs; an empty folder.
int files_route_parse(struct files_route *out, const char *text, struct err *err);
int files_route_check(const char *text, struct err *err);

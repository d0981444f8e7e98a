// identity.h - users and groups by name or number, as the machine knows them. A machine need not
// have an /etc/passwd: numbers work without.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum { IDENTITY_NAME_MAX = 256 }; // bytes of a name, its NUL included

struct identity_user {
    uid_t id;
    bool known;                   // the machine has an entry for it; else what follows is not set
    gid_t group;                  // its first one
    char name[IDENTITY_NAME_MAX]; // for the list of its other groups
};

// What is written in digits is a number, which need not be known. 0, or -1: there is no such user,
// or group; out is left alone then.
int identity_find_user(const char *text, struct identity_user *out);
int identity_find_group(const char *text, gid_t *out);

// identity.c - asks the C library, which in a static binary reads /etc/passwd and /etc/group.
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The highest number means "leave it as it is" to the kernel: it is nobody's.
static bool read_id(const char *text, unsigned *id)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (*text == '\0' || text[strspn(text, "0123456789")] != '\0' || errno != 0 ||
        number >= (unsigned)-1)
        return false;
    *id = (unsigned)number;
    return true;
}

int identity_find_user(const char *text, struct identity_user *out)
{
    struct identity_user user = {.known = false};
    bool number = read_id(text, &user.id);
    const struct passwd *entry = number ? getpwuid(user.id) : getpwnam(text);
    if (entry == NULL && !number)
        return -1;
    if (entry != NULL && strlen(entry->pw_name) < sizeof user.name) {
        user.known = true;
        user.id = entry->pw_uid;
        user.group = entry->pw_gid;
        snprintf(user.name, sizeof user.name, "%s", entry->pw_name);
    }
    if (!user.known && !number)
        return -1;
    *out = user;
    return 0;
}

int identity_find_group(const char *text, gid_t *out)
{
    if (read_id(text, out))
        return 0;
    const struct group *entry = getgrnam(text);
    if (entry == NULL)
        return -1;
    *out = entry->gr_gid;
    return 0;
}

// jail.c - changes ids in the one order that works: what needs root first, root itself last, and
// then makes sure that there is no way back.
#include "jail.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"

enum { SHOWN = 64 }; // bytes of what the operator wrote in a message

static int read_umask(const char *text, int *out)
{
    char *end;
    size_t size = strlen(text);
    if (size == 0 || size > 4 || strspn(text, "01234567") != size)
        return -1;
    unsigned long mask = strtoul(text, &end, 8);
    if (mask > 0777)
        return -1;
    *out = (int)mask;
    return 0;
}

int jail_check_umask(const char *text, struct err *err)
{
    int ignored;
    if (read_umask(text, &ignored) == 0)
        return 0;
    return err_set(err, ERR_USAGE, "must be octal, between 0 and 0777 (write 027)");
}

// --- what the settings mean ---

static int find_user(struct jail *jail, const struct config *config, struct err *err)
{
    struct identity_user user;
    const char *text = config->user;
    if (text == NULL)
        return 0;
    if (identity_find_user(text, &user) < 0)
        return err_set(err, ERR_FAILED,
                       "--user %.*s: there is no such user on this machine; create it, or give the "
                       "number of one",
                       SHOWN, text);
    if (!user.known && config->group == NULL)
        return err_set(err, ERR_FAILED,
                       "--user %.*s: this machine does not know that user, and so no group of it; "
                       "give one with --group",
                       SHOWN, text);
    jail->user = user.id;
    if (user.known) {
        jail->group = user.group;
        snprintf(jail->name, sizeof jail->name, "%s", user.name);
    }
    return 0;
}

static int find_group(struct jail *jail, const struct config *config, struct err *err)
{
    if (config->group == NULL || identity_find_group(config->group, &jail->group) == 0)
        return 0;
    return err_set(err, ERR_FAILED,
                   "--group %.*s: there is no such group on this machine; create it, or give the "
                   "number of one",
                   SHOWN, config->group);
}

static int refuse_change(const char *option, const char *value, const char *what, struct err *err)
{
    return err_set(err, ERR_FAILED,
                   "--%s %.*s: only root may change to another %s; start as root, or leave --%s "
                   "out",
                   option, SHOWN, value, what, option);
}

// Without root we are who we are, which is fine when that is who is asked for; a group that nobody
// asked for stays as it is, too.
static int stay(const struct jail *jail, const struct config *config, struct err *err)
{
    if (config->user != NULL && (jail->user != geteuid() || jail->user != getuid()))
        return refuse_change("user", config->user, "user", err);
    if (config->group != NULL && (jail->group != getegid() || jail->group != getgid()))
        return refuse_change("group", config->group, "group", err);
    return 0;
}

int jail_prepare(struct jail *jail, const struct config *config, struct err *err)
{
    *jail = (struct jail){.user = geteuid(), .group = getegid(), .umask = -1, .config = config};
    if (config->umask != NULL)
        read_umask(config->umask, &jail->umask);
    if (find_user(jail, config, err) < 0 || find_group(jail, config, err) < 0)
        return -1;
    if (geteuid() != 0)
        return stay(jail, config, err);
    jail->changes = config->user != NULL || config->group != NULL;
    return 0;
}

// --- becoming it ---

// The option that an error is about: whichever of the two was given.
static int fail(const struct jail *jail, const char *what, struct err *err)
{
    int errnum = errno;
    const struct config *config = jail->config;
    bool user = config->user != NULL;
    return err_system(err, errnum, "--%s %.*s: %s", user ? "user" : "group", SHOWN,
                      user ? config->user : config->group, what);
}

static int change_ids(const struct jail *jail, struct err *err)
{
    int result =
        jail->name[0] != '\0' ? initgroups(jail->name, jail->group) : setgroups(1, &jail->group);
    if (result < 0)
        return fail(jail, "cannot set its groups", err);
    if (setresgid(jail->group, jail->group, jail->group) < 0)
        return fail(jail, "cannot change the group", err);
    if (setresuid(jail->user, jail->user, jail->user) < 0)
        return fail(jail, "cannot change the user", err);
    return 0;
}

// The kernel takes most of them from a process that stops to be root; but not those that a program
// started later would inherit, nor any from one that stays root.
static int drop_capabilities(const struct jail *jail, struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    // Kernels before 4.3 have no such set.
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return fail(jail, "cannot drop ambient capabilities", err);
    if (syscall(SYS_capset, &header, none) < 0)
        return fail(jail, "cannot drop capabilities", err);
    return 0;
}

int jail_limit_supervisor(const struct jail *jail, struct err *err)
{
    static const unsigned char needed[] = {
        CAP_CHOWN,
        CAP_FOWNER,
        CAP_DAC_OVERRIDE,
        CAP_DAC_READ_SEARCH, // files that are others'
        CAP_SETUID,
        CAP_SETGID,
        CAP_SETPCAP,
        CAP_KILL,       // workers
        CAP_SYS_PTRACE, // their /proc, if hidden
        CAP_NET_BIND_SERVICE,
        CAP_IPC_LOCK, // ports, keys in memory
    };
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3],
        kept[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (!jail->changes)
        return 0;
    if (syscall(SYS_capget, &header, sets) < 0)
        return fail(jail, "cannot read capabilities", err);
    for (size_t i = 0; i < sizeof needed; i++) {
        unsigned set = CAP_TO_INDEX(needed[i]);
        kept[set].permitted |= sets[set].permitted & CAP_TO_MASK(needed[i]);
        kept[set].effective |= sets[set].effective & CAP_TO_MASK(needed[i]);
    }
    if (syscall(SYS_capset, &header, kept) < 0)
        return fail(jail, "cannot drop capabilities", err);
    return 0;
}

int jail_enter(const struct jail *jail, struct err *err)
{
    if (jail->umask >= 0)
        umask((mode_t)jail->umask);
    if (!jail->changes)
        return 0;
    if (change_ids(jail, err) < 0 || drop_capabilities(jail, err) < 0)
        return -1;
    if (jail->user != 0 && setuid(0) == 0) {
        errno = EPERM;
        return fail(jail, "the way back to root is open", err);
    }
    // A process that has changed its user may not even look into its own /proc/self, nor leave a
    // core file, until it says that it has nothing to hide from itself.
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    return 0;
}

// sandbox_landlock.c - Landlock's three system calls, which no libc has. Numbers and structures are
// our own: they are newer than the headers that this is built with may be.
#include "sandbox_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"

enum { CREATE_RULESET = 444, ADD_RULE, RESTRICT_SELF };
enum { FLAG_VERSION = 1, RULE_PATH_BENEATH = 1, SCOPE_ABSTRACT_SOCKETS = 1, SCOPE_SIGNALS = 2 };

struct ruleset { // struct landlock_ruleset_attr
    uint64_t files;
    uint64_t network;
    uint64_t scopes;
};

struct path_beneath { // struct landlock_path_beneath_attr
    uint64_t rights;
    int32_t fd;
} __attribute__((packed));

struct sandbox_rules {
    int fd;
    uint64_t rights; // that are looked after
    int errnum;      // why the first rule could not be made that should have been; 0: none
};

// Those of a rule about a file.
static const uint64_t of_files = SANDBOX_EXECUTE | SANDBOX_WRITE_FILE | SANDBOX_READ_FILE |
                                 SANDBOX_TRUNCATE | SANDBOX_DEVICE_CONTROL;

int sandbox_landlock_version(void)
{
    long version = syscall(CREATE_RULESET, NULL, 0, FLAG_VERSION);
    return version > 0 ? (int)version : 0;
}

// Both look at the descriptor last.
bool sandbox_landlock_is_allowed(void)
{
    struct path_beneath rule = {.rights = SANDBOX_READ_FILE, .fd = -1};
    bool adds = syscall(ADD_RULE, -1, RULE_PATH_BENEATH, &rule, 0) < 0 && errno == EBADF;
    return adds && syscall(RESTRICT_SELF, -1, 0) < 0 && errno == EBADF;
}

static uint64_t rights_of(int version)
{
    uint64_t rights = (SANDBOX_MAKE_LINK << 1) - 1;
    if (version >= 2)
        rights |= SANDBOX_REFER;
    if (version >= 3)
        rights |= SANDBOX_TRUNCATE;
    if (version >= 5)
        rights |= SANDBOX_DEVICE_CONTROL;
    return rights;
}

// Kernels refuse a structure with more in it than they know.
static size_t size_of(int version)
{
    if (version >= 6)
        return sizeof(struct ruleset);
    return version >= 4 ? offsetof(struct ruleset, scopes) : offsetof(struct ruleset, network);
}

struct sandbox_rules *sandbox_rules_new(int version, struct err *err)
{
    struct ruleset ruleset = {.files = rights_of(version)};
    if (version >= 6)
        ruleset.scopes = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS;
    _free_ struct sandbox_rules *rules = malloc(sizeof *rules);
    if (rules == NULL) {
        err_system(err, ENOMEM, "--sandbox: cannot confine files");
        return NULL;
    }
    rules->rights = ruleset.files;
    rules->errnum = 0;
    rules->fd = (int)syscall(CREATE_RULESET, &ruleset, size_of(version), 0);
    if (rules->fd < 0) {
        err_system(err, errno, "--sandbox: cannot confine files");
        return NULL;
    }
    return steal_ptr(&rules);
}

void sandbox_rules_free(struct sandbox_rules *rules)
{
    if (rules == NULL)
        return;
    close(rules->fd);
    free(rules);
}

static int fail(struct sandbox_rules *rules)
{
    if (rules->errnum == 0)
        rules->errnum = errno;
    return -1;
}

int sandbox_rules_add_open(struct sandbox_rules *rules, int fd, uint64_t rights)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -1;
    struct path_beneath rule = {.rights = rights & rules->rights, .fd = fd};
    if (!S_ISDIR(status.st_mode))
        rule.rights &= of_files;
    if (rule.rights == 0)
        return 0;
    if (syscall(ADD_RULE, rules->fd, RULE_PATH_BENEATH, &rule, 0) == 0 || errno == EBADFD)
        return 0;
    return fail(rules);
}

enum { PROC_ROOT = 1 }; // the number of a /proc itself, which stays what it is

static bool is_forgotten(int fd)
{
    struct statfs of_system;
    struct stat status;
    return fstatfs(fd, &of_system) == 0 && of_system.f_type == PROC_SUPER_MAGIC &&
           fstat(fd, &status) == 0 && status.st_ino != PROC_ROOT;
}

int sandbox_rules_add(struct sandbox_rules *rules, int folder, const char *path, uint64_t rights)
{
    _close_ int fd = openat(folder, path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? fail(rules) : -1;
    int result = sandbox_rules_add_open(rules, fd, rights);
    if (result == 0 && is_forgotten(fd))
        fd = -1; // kept
    return result;
}

int sandbox_rules_enter(struct sandbox_rules *rules, struct err *err)
{
    if (rules->errnum != 0)
        return err_system(err, rules->errnum, "--sandbox: cannot make a rule about files");
    if (syscall(RESTRICT_SELF, rules->fd, 0) == 0)
        return 0;
    return err_system(err, errno, "--sandbox: cannot confine files");
}

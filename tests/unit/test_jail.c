// test_jail.c - what --user, --group and --umask mean, and a process that has become another
// user's: each in a process of its own. What only root can do is checked where the test is root.
#include "jail.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apart.h"
#include "config.h"
#include "unit.h"

static struct config config;
static struct jail jail;
static struct err err;

static int prepare_arguments(int argc, char **argv)
{
    struct config_request request = {.scope = SCOPE_SERVE,
                                     .program = "limpet",
                                     .command = "serve",
                                     .argc = argc,
                                     .argv = argv,
                                     .packed = STR("")};
    config_fini(&config);
    err = (struct err){.kind = ERR_NONE};
    if (config_read(&config, &request, &err) < 0)
        return -1;
    return jail_prepare(&jail, &config, &err);
}

#define PREPARE(...)                                                          \
    prepare_arguments(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
                      (char **)(uintptr_t)(const char *[]){__VA_ARGS__})

#define CHECK_REFUSED(expected, ...)     \
    do {                                 \
        CHECK(PREPARE(__VA_ARGS__) < 0); \
        CHECK_STR(err.text, expected);   \
    } while (0)

static void run_apart_as_root(void (*run)(void))
{
    if (geteuid() == 0)
        run_apart(run);
    else
        printf("    left out: needs root\n");
}

static void test_no_setting_no_change(void)
{
    CHECK(PREPARE("--port", "1") == 0);
    CHECK(!jail.changes && jail.umask == -1);
    CHECK(jail_enter(&jail, &err) == 0);
}

static void test_umasks(void)
{
    static const char *const good[] = {"0", "7", "27", "027", "0027", "777", "0777"};
    static const int masks[] = {0, 7, 027, 027, 027, 0777, 0777};
    static const char *const bad[] = {"8", "0x1f", "1000", "00027", "-1", "u=rwx", " 7"};
    for (size_t i = 0; i < UNIT_COUNT(good); i++) {
        CHECK(jail_check_umask(good[i], &err) == 0);
        CHECK(PREPARE("--umask", good[i]) == 0 && jail.umask == masks[i]);
    }
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        CHECK(jail_check_umask(bad[i], &err) == -1);
    CHECK_REFUSED("--umask 0800: must be octal, between 0 and 0777 (write 027)", "--umask", "0800");
    CHECK(err.kind == ERR_USAGE);
    CHECK(PREPARE("--umask", "027") == 0);
    mode_t before = umask(0);
    CHECK(jail_enter(&jail, &err) == 0);
    CHECK(umask(before) == 027);
}

static void test_unknown_names(void)
{
    CHECK_REFUSED("--user no-such: there is no such user on this machine; create it, or give the "
                  "number of one",
                  "--user", "no-such");
    CHECK(err.kind == ERR_FAILED);
    CHECK_REFUSED("--group no-such: there is no such group on this machine; create it, or give the "
                  "number of one",
                  "--user", "0", "--group", "no-such");
    CHECK_REFUSED("--user 4294967294: this machine does not know that user, and so no group of it; "
                  "give one with --group",
                  "--user", "4294967294");
    CHECK_REFUSED("--user 4294967295: there is no such user on this machine; create it, or give "
                  "the number of one",
                  "--user", "4294967295", "--group", "0");
}

static void as_root(void)
{
    CHECK(PREPARE("--user", "4711", "--group", "4712") == 0);
    CHECK(jail.changes && jail.user == 4711 && jail.group == 4712);
    CHECK_STR(jail.name, "");
    CHECK(PREPARE("--user", "nobody") == 0);
    CHECK(jail.changes && jail.user == 65534);
    CHECK_STR(jail.name, "nobody");
    CHECK(PREPARE("--user", "nobody", "--group", "7") == 0);
    CHECK(jail.changes && jail.user == 65534 && jail.group == 7);
    CHECK(PREPARE("--group", "7") == 0);
    CHECK(jail.changes && jail.user == 0 && jail.group == 7);
    CHECK(PREPARE("--user", "root") == 0);
    CHECK(jail.changes && jail.user == 0 && jail.group == 0);
}

static void test_as_root(void)
{
    run_apart_as_root(as_root);
}

// Who we are anyway may be asked for.
static void without_root(void)
{
    char user[32], group[32];
    if (geteuid() == 0) {
        CHECK(setresgid(4712, 4712, 4712) == 0 && setresuid(4711, 4711, 4711) == 0);
    }
    snprintf(user, sizeof user, "%u", geteuid());
    snprintf(group, sizeof group, "%u", getegid());
    CHECK(PREPARE("--user", user, "--group", group, "--umask", "7") == 0);
    CHECK(!jail.changes && jail.umask == 7);
    CHECK(jail_enter(&jail, &err) == 0);
    CHECK(PREPARE("--group", group) == 0);
    CHECK_REFUSED("--user root: only root may change to another user; start as root, or leave "
                  "--user out",
                  "--user", "root");
    CHECK(err.kind == ERR_FAILED);
    CHECK_REFUSED("--group 0: only root may change to another group; start as root, or leave "
                  "--group out",
                  "--user", user, "--group", "0");
}

static void test_without_root(void)
{
    run_apart(without_root);
}

static void check_no_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    CHECK(syscall(SYS_capget, &header, data) == 0);
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        CHECK(data[i].effective == 0 && data[i].permitted == 0 && data[i].inheritable == 0);
    CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_BIND_SERVICE, 0, 0) <= 0);
}

static void check_ids(uid_t user, gid_t group)
{
    uid_t users[3];
    gid_t groups[3];
    CHECK(getresuid(&users[0], &users[1], &users[2]) == 0);
    CHECK(getresgid(&groups[0], &groups[1], &groups[2]) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(users[i] == user && groups[i] == group);
}

// As a service manager may have left them to us: they would go on to whatever is executed.
static void raise_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    CHECK(syscall(SYS_capget, &header, data) == 0);
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        data[i].inheritable = data[i].permitted;
    CHECK(syscall(SYS_capset, &header, data) == 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0);
}

static void becomes_a_number(void)
{
    gid_t groups[8] = {0};
    CHECK(setgroups(2, (const gid_t[]){0, 1}) == 0);
    raise_capabilities();
    CHECK(PREPARE("--user", "4711", "--group", "4712", "--umask", "077") == 0);
    CHECK(jail_enter(&jail, &err) == 0);
    check_ids(4711, 4712);
    CHECK(getgroups(8, groups) == 1 && groups[0] == 4712);
    check_no_capabilities();
    CHECK(setuid(0) < 0 && setgid(0) < 0 && errno == EPERM);
    CHECK(prctl(PR_GET_DUMPABLE) == 1);
    CHECK(umask(0) == 077);
}

static void test_becomes_a_number(void)
{
    run_apart_as_root(becomes_a_number);
}

static void becomes_a_name(void)
{
    gid_t groups[64] = {0};
    CHECK(setgroups(2, (const gid_t[]){0, 1}) == 0);
    CHECK(PREPARE("--user", "nobody") == 0);
    CHECK(jail_enter(&jail, &err) == 0);
    check_ids(65534, jail.group);
    int count = getgroups(64, groups);
    CHECK(count >= 1 && jail.group != 0);
    for (int i = 0; i < count; i++)
        CHECK(groups[i] != 0 && groups[i] != 1);
    check_no_capabilities();
}

static void test_becomes_a_name(void)
{
    run_apart_as_root(becomes_a_name);
}

// Root by name alone.
static void stays_root(void)
{
    CHECK(PREPARE("--group", "4712") == 0);
    CHECK(jail_enter(&jail, &err) == 0);
    check_ids(0, 4712);
    check_no_capabilities();
}

static void test_stays_root(void)
{
    run_apart_as_root(stays_root);
}

// Root in a container need not have all rights of root.
static void fails_to_change(void)
{
    CHECK(PREPARE("--user", "4711", "--group", "4712") == 0);
    CHECK(setresuid(4711, 4711, 4711) == 0);
    CHECK(jail_enter(&jail, &err) == -1);
    CHECK_STR(err.text, "--user 4711: cannot set its groups: Operation not permitted");
    CHECK(PREPARE("--umask", "077") == 0);
}

static void test_fails_to_change(void)
{
    run_apart_as_root(fails_to_change);
}

// What it then still can do is what becoming somebody else takes.
static void limit_supervisor(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct before[_LINUX_CAPABILITY_U32S_3], data[_LINUX_CAPABILITY_U32S_3];
    CHECK(syscall(SYS_capget, &header, before) == 0);
    CHECK(PREPARE("--port", "1") == 0 && jail_limit_supervisor(&jail, &err) == 0);
    CHECK(syscall(SYS_capget, &header, data) == 0);
    CHECK(memcmp(before, data, sizeof data) == 0);
    CHECK(PREPARE("--user", "4711", "--group", "4712") == 0);
    CHECK(jail_limit_supervisor(&jail, &err) == 0);
    CHECK(syscall(SYS_capget, &header, data) == 0);
    CHECK((data[0].permitted & CAP_TO_MASK(CAP_SYS_ADMIN)) == 0);
    CHECK((data[0].permitted & CAP_TO_MASK(CAP_SETUID)) != 0 && data[0].inheritable == 0);
    CHECK(data[0].effective == data[0].permitted && data[1].permitted == 0);
    CHECK(jail_enter(&jail, &err) == 0);
    check_ids(4711, 4712);
    check_no_capabilities();
}

static void test_supervisor_keeps_what_it_needs(void)
{
    run_apart_as_root(limit_supervisor);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_no_setting_no_change), UNIT_CASE(test_umasks),
    UNIT_CASE(test_unknown_names),        UNIT_CASE(test_as_root),
    UNIT_CASE(test_without_root),         UNIT_CASE(test_becomes_a_number),
    UNIT_CASE(test_becomes_a_name),       UNIT_CASE(test_stays_root),
    UNIT_CASE(test_fails_to_change),      UNIT_CASE(test_supervisor_keeps_what_it_needs),
};

int main(void)
{
    int status = unit_main("jail", cases, UNIT_COUNT(cases));
    config_fini(&config);
    return status;
}

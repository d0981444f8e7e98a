// sandbox.c - the steps of a confinement, and what the settings let a worker reach.
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "config.h"
#include "config_mount.h"
#include "files_route.h"
#include "log.h"
#include "sandbox_filter.h"
#include "sandbox_landlock.h"
#include "sandbox_priv.h"

enum { SHOWN = 200, TEXT_MAX = 4096 }; // bytes of what the operator wrote, of a line

// Rights that sandbox_places.def speaks of.
enum {
    PROGRAMS = SANDBOX_READ | SANDBOX_EXECUTE,
    DATA = SANDBOX_READ,
    NAMES = SANDBOX_READ_FOLDER,
    DEVICE = SANDBOX_READ | SANDBOX_WRITE_FILE | SANDBOX_DEVICE_CONTROL,
    TEMPORARY = SANDBOX_READ | SANDBOX_WRITE,
    WRITABLE = TEMPORARY | SANDBOX_DEVICE_CONTROL,
};

struct place {
    const char *path;
    uint64_t rights;
    int strict; // 1: as well, 2: alone
};

static const struct place places[] = {
#define PLACE(path, rights, strict) {path, rights, strict},
#include "sandbox_places.def"
#undef PLACE
};

// Folders that the environment names.
static const struct {
    const char *variable;
    uint64_t rights;
} variables[] = {
    {"TMPDIR", TEMPORARY},
    {"CREDENTIALS_DIRECTORY", DATA}, // systemd's, of LoadCredential=
    {"SSL_CERT_FILE", DATA},
    {"SSL_CERT_DIR", DATA},
};

static bool is_strict(const struct config *config)
{
    return config->sandbox.index == SANDBOX_STRICT;
}

static bool is_off(const struct config *config)
{
    return config->sandbox.index == SANDBOX_OFF;
}

// --- what is said of it ---

static bool is_root_folder(int folder, const char *path)
{
    struct stat root, status;
    return stat("/", &root) == 0 && fstatat(folder, path, &status, 0) == 0 &&
           root.st_ino == status.st_ino && root.st_dev == status.st_dev;
}

static int check_paths(const char *option, const struct config_list *paths, struct err *err)
{
    struct stat status;
    for (size_t i = 0; i < paths->count; i++) {
        if (stat(paths->items[i], &status) < 0)
            return err_set(err, ERR_FAILED, "--%s %.*s: %s; create it, or name another", option,
                           SHOWN, paths->items[i], strerror(errno));
    }
    return 0;
}

int sandbox_check(const struct config *config, struct err *err)
{
    if (is_off(config))
        return 0;
    for (size_t i = 0; i < config->writable.count; i++) {
        const char *path = config->writable.items[i];
        if (strcmp(path, "/") != 0 && is_root_folder(AT_FDCWD, path))
            return err_set(err, ERR_FAILED,
                           "--writable %.*s: that is /, and with it the whole machine; start in "
                           "another folder or name one, or write / if that is what you want",
                           SHOWN, path);
    }
    if (check_paths("writable", &config->writable, err) < 0)
        return -1;
    return check_paths("readable", &config->readable, err);
}

static void add_name(struct buf *out, const char *name)
{
    buf_printf(out, "%s%s", out->size > 0 ? ", " : "", name);
}

void sandbox_writable(const struct config *config, struct buf *out)
{
    _buf_ struct buf names = BUF_INIT(TEXT_MAX);
    const char *temporary = getenv("TMPDIR");
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (places[i].rights == TEMPORARY && access(places[i].path, F_OK) == 0)
            add_name(&names, places[i].path);
    }
    if (temporary != NULL && temporary[0] == '/' && !is_root_folder(AT_FDCWD, temporary))
        add_name(&names, temporary);
    if (config->temp_dir != NULL)
        add_name(&names, config->temp_dir);
    for (size_t i = 0; i < config->writable.count; i++)
        add_name(&names, config->writable.items[i]);
    buf_append_str(out, buf_str(&names));
}

bool sandbox_describe(const struct config *config, struct buf *out)
{
    if (is_off(config)) {
        buf_printf(out, "off");
        return true;
    }
    int landlock = sandbox_landlock_version();
    bool filter = sandbox_filter_is_there();
    buf_printf(out, "%s (%s, ", config->sandbox.name,
               filter ? "seccomp" : "this kernel has no seccomp: every system call is allowed");
    if (landlock == 0) {
        buf_printf(out, "this kernel has no Landlock: files are not confined)");
        return false;
    }
    buf_printf(out, "Landlock ABI %d); workers write to ", landlock);
    sandbox_writable(config, out);
    return filter;
}

bool sandbox_explain(const struct config *config, const char *text, size_t size, struct buf *out)
{
    static const char *const signs[] = {
        "Permission denied",       // EACCES
        "Operation not permitted", // EPERM
        // SQLite's:
        "unable to open database file",
        "attempt to write a readonly database",
    };
    bool found = false;
    for (size_t i = 0; !found && i < sizeof signs / sizeof signs[0]; i++)
        found = memmem(text, size, signs[i], strlen(signs[i])) != NULL;
    if (!found || is_off(config))
        return false;
    buf_printf(out, "if that was refused by the sandbox: workers write only to ");
    sandbox_writable(config, out);
    buf_printf(out, "; --writable PATH adds to that, --readable PATH to what they read, and "
                    "--sandbox off ends it");
    return true;
}

// What a process has one of: the settings, until there was such a line.
static _Atomic(const struct config *) unexplained;

static void explain(const char *text, size_t size)
{
    _buf_ struct buf line = BUF_INIT(TEXT_MAX);
    const struct config *config = unexplained;
    if (config == NULL || !sandbox_explain(config, text, size, &line))
        return;
    unexplained = NULL;
    log_set_observer(NULL);
    log_warning("sandbox", "%s", buf_text(&line));
}

// --- what may be reached ---

struct reach {
    const struct config *config;
    struct sandbox_rules *rules;
    int base;        // the folder that targets are relative to
    int start;       // the folder that paths of the settings are relative to
    uint64_t rights; // what the application's own files may be used for
};

// Root's workers could read what only root may; others are kept from that by the files' modes.
static int add_etc(const struct reach *reach, const struct buf *public_parts)
{
    _buf_ struct buf now = BUF_INIT(SANDBOX_PUBLIC_MAX);
    if (geteuid() != 0) {
        sandbox_rules_add(reach->rules, AT_FDCWD, "/etc", DATA);
        return 0;
    }
    if (public_parts == NULL && sandbox_find_public(&now) < 0)
        return -1;
    return sandbox_add_public(reach->rules, public_parts != NULL ? public_parts : &now);
}

static void add_places(const struct reach *reach)
{
    bool strict = is_strict(reach->config);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const struct place *place = &places[i];
        if (place->strict == 1 || (place->strict == 2) == strict)
            sandbox_rules_add(reach->rules, AT_FDCWD, place->path, place->rights);
    }
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *path = getenv(variables[i].variable);
        if (path != NULL && path[0] == '/' && !is_root_folder(AT_FDCWD, path))
            sandbox_rules_add(reach->rules, AT_FDCWD, path, variables[i].rights);
    }
}

// A folder of the application; "/" is not one, though a container may be started there.
static void add_folder(const struct reach *reach, const char *path)
{
    if (!is_root_folder(reach->base, path))
        sandbox_rules_add(reach->rules, reach->base, path, reach->rights);
}

// shop.wsgi:app in "/" is "/shop" or "/shop.py", and no more.
static void add_module_of_root(const struct reach *reach, const char *target)
{
    char path[PATH_MAX];
    int size = (int)strcspn(target, ".:");
    if (!is_root_folder(reach->base, "."))
        return;
    snprintf(path, sizeof path, "%.*s", size, target);
    sandbox_rules_add(reach->rules, reach->base, path, reach->rights);
    snprintf(path, sizeof path, "%.*s.py", size, target);
    sandbox_rules_add(reach->rules, reach->base, path, reach->rights);
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

// As the loader takes it apart: a folder, a zip, a file with all that lies beside it, or a module.
static void add_target(const struct reach *reach, const char *target)
{
    char path[PATH_MAX];
    struct stat status;
    snprintf(path, sizeof path, "%.*s", (int)strcspn(target, ":"), target);
    char *slash = strrchr(path, '/');
    if (ends_with(path, ".py")) {
        sandbox_rules_add(reach->rules, reach->base, path, reach->rights);
        if (slash != NULL)
            *slash = '\0';
        add_folder(reach, slash == NULL ? "." : path[0] != '\0' ? path : "/");
    } else if (slash != NULL || fstatat(reach->base, path, &status, 0) == 0) {
        add_folder(reach, path);
    } else {
        add_module_of_root(reach, target);
    }
}

static void add_routes(const struct reach *reach, const struct config_list *routes)
{
    struct files_route route;
    struct err ignored; // the option's check has seen it
    char path[PATH_MAX];
    for (size_t i = 0; i < routes->count; i++) {
        if (files_route_parse(&route, routes->items[i], &ignored) < 0)
            continue;
        snprintf(path, sizeof path, "%.*s", (int)route.folder.size, route.folder.data);
        sandbox_rules_add(reach->rules, reach->base, path, DATA);
    }
}

// The application, and what the settings say that it or the server needs of files.
static void add_application(const struct reach *reach, const char *executable)
{
    const struct config *config = reach->config;
    struct config_mount mount;
    struct err ignored;
    if (executable != NULL)
        sandbox_rules_add(reach->rules, reach->start, executable, reach->rights);
    add_folder(reach, ".");
    if (config->target != NULL)
        add_target(reach, config->target);
    for (size_t i = 0; i < config->mount.count; i++) {
        if (config_mount_parse(config->mount.items[i], &mount, &ignored) == 0)
            add_target(reach, mount.target);
    }
    for (size_t i = 0; i < config->env_files.count; i++)
        sandbox_rules_add(reach->rules, reach->start, config->env_files.items[i], DATA);
    add_routes(reach, &config->static_routes);
    add_routes(reach, &config->sendfile);
    if (config->acme_webroot != NULL)
        sandbox_rules_add(reach->rules, reach->start, config->acme_webroot, DATA);
    if (config->temp_dir != NULL)
        sandbox_rules_add(reach->rules, reach->start, config->temp_dir, TEMPORARY);
}

static int add_asked(const struct reach *reach, const char *option, const struct config_list *paths,
                     uint64_t rights, struct err *err)
{
    for (size_t i = 0; i < paths->count; i++) {
        if (sandbox_rules_add(reach->rules, reach->start, paths->items[i], rights) < 0)
            return err_system(err, errno, "--%s %.*s", option, SHOWN, paths->items[i]);
    }
    return 0;
}

// A log that is a terminal or a FIFO is opened again, so as not to wait for its reader.
static void add_logs(const struct reach *reach, const struct sandbox_setup *setup)
{
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        sandbox_rules_add_open(reach->rules, fd, SANDBOX_WRITE_FILE);
    for (size_t i = 0; i < setup->log_count; i++) {
        if (setup->logs[i] >= 0)
            sandbox_rules_add_open(reach->rules, setup->logs[i], SANDBOX_WRITE_FILE);
    }
}

static void add_supervisor(const struct reach *reach, pid_t supervisor)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", (int)supervisor);
    if (supervisor > 0) // its size in memory is in the metrics
        sandbox_rules_add(reach->rules, AT_FDCWD, path, DATA);
}

// Nobody has more than who forked him: /proc/self of those to come has no name yet.
static void add_processes(const struct reach *reach, const struct sandbox_setup *setup)
{
    if (is_strict(reach->config))
        add_supervisor(reach, setup->supervisor);
    if (setup->forks)
        sandbox_rules_add(reach->rules, AT_FDCWD, "/proc", DATA);
}

static int confine_files(const struct sandbox_setup *setup, int version, struct err *err)
{
    const struct config *config = setup->config;
    const char *folder = config->working_dir != NULL ? config->working_dir : ".";
    _close_ int base = openat(setup->folder, folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct reach reach = {.config = config, .base = base, .start = setup->folder};
    reach.rights = is_strict(config) ? DATA : PROGRAMS;
    reach.rules = sandbox_rules_new(version, err);
    if (reach.rules == NULL)
        return -1;
    add_places(&reach);
    add_application(&reach, setup->executable);
    add_logs(&reach, setup);
    add_processes(&reach, setup);
    int result = add_etc(&reach, setup->public_parts);
    if (result < 0)
        err_system(err, ENOMEM, "--sandbox: cannot confine files");
    if (result == 0)
        result = add_asked(&reach, "readable", &config->readable, reach.rights, err);
    if (result == 0)
        result = add_asked(&reach, "writable", &config->writable, WRITABLE, err);
    if (result == 0)
        result = sandbox_rules_enter(reach.rules, err);
    sandbox_rules_free(reach.rules);
    return result;
}

// --- the steps ---

void sandbox_bound(const struct config *config, bool stays_root)
{
    if (!is_off(config))
        sandbox_drop_bounds(stays_root);
}

// A container's filter may let a process ask for the version, and refuse all else.
static int usable_version(void)
{
    int version = sandbox_landlock_version();
    if (version == 0 || sandbox_landlock_is_allowed())
        return version;
    log_warning("sandbox", "Landlock is refused to this process: files are not confined");
    return 0;
}

int sandbox_enter(const struct sandbox_setup *setup, struct err *err)
{
    const struct config *config = setup->config;
    if (is_off(config))
        return 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_system(err, errno, "--sandbox: cannot give up new privileges");
    int version = usable_version();
    if (sandbox_keep_capabilities(err) < 0 ||
        (version > 0 && confine_files(setup, version, err) < 0) ||
        (sandbox_filter_is_there() && sandbox_filter_enter(!is_strict(config), err) < 0))
        return -1;
    unexplained = version > 0 ? config : NULL;
    log_set_observer(version > 0 ? explain : NULL);
    return 0;
}

int sandbox_enter_forked(const struct sandbox_setup *setup, struct err *err)
{
    int version = sandbox_landlock_version();
    // What was refused before has been told.
    if (!is_strict(setup->config) || version == 0 || !sandbox_landlock_is_allowed())
        return 0;
    return confine_files(setup, version, err);
}

// config_mount.c - paths that applications are below, and which application is below which.
#include "config_mount.h"

#include <string.h>

#include "config.h"
#include "config_blame.h"

enum { SHOWN = 200 }; // bytes of a value in a message

// A path is compared with it as it is once decoded, slash by slash.
static int check_prefix(struct str prefix, struct err *err)
{
    if (prefix.size == 0 || prefix.data[0] != '/')
        return err_set(err, ERR_USAGE, "must begin with \"/\"");
    if (prefix.data[prefix.size - 1] == '/')
        return err_set(err, ERR_USAGE, "must not end with \"/\"");
    if (memmem(prefix.data, prefix.size, "//", 2) != NULL)
        return err_set(err, ERR_USAGE, "must not have an empty part");
    for (size_t i = 0; i < prefix.size; i++) {
        if (strchr("?#%", prefix.data[i]) != NULL)
            return err_set(err, ERR_USAGE, "must be a plain path, without \"?\", \"#\" and \"%%\"");
    }
    return 0;
}

int config_mount_check_prefix(const char *text, struct err *err)
{
    return check_prefix(str_of(text), err);
}

int config_mount_check_path(const char *text, struct err *err)
{
    if (strcmp(text, "off") == 0)
        return 0;
    return check_prefix(str_of(text), err);
}

static int check_mounted(struct str prefix, struct err *err)
{
    if (str_equal(prefix, STR("/")))
        return err_set(
            err, ERR_USAGE,
            "\"/\" is all of the server, which TARGET has (mount below it, like /admin)");
    return check_prefix(prefix, err) < 0 ? err_wrap(err, "its prefix") : 0;
}

// Whether a target can be read as the name of something in a module that is called like the
// interface before it.
static bool is_ambiguous(const char *target)
{
    struct str text = str_of(target);
    bool file = text.size > 4 && (memcmp(target + text.size - 3, ".py", 3) == 0 ||
                                  memcmp(target + text.size - 4, ".zip", 4) == 0);
    return text.size > 0 && strpbrk(target, ":/") == NULL && !file;
}

// The interface at the beginning of the target, which is moved behind it.
static int take_interface(struct config_mount *mount, struct err *err)
{
    static const char *const interfaces[] = {"auto", "wsgi", "asgi", "rsgi"};
    size_t size = strcspn(mount->target, ":");
    if (mount->target[size] == '\0')
        return 0;
    for (size_t i = 0; i < sizeof interfaces / sizeof interfaces[0]; i++) {
        const char *name = interfaces[i], *behind = mount->target + size + 1;
        if (strlen(name) != size || memcmp(name, mount->target, size) != 0)
            continue;
        if (is_ambiguous(behind))
            return err_set(err, ERR_USAGE,
                           "\"%s\" is an interface or a module: say %s:%.*s:NAME or auto:%s:%.*s",
                           name, name, SHOWN, behind, name, SHOWN, behind);
        mount->interface = name;
        mount->target = behind;
        return 0;
    }
    return 0;
}

int config_mount_parse(const char *text, struct config_mount *out, struct err *err)
{
    size_t size = strcspn(text, "=");
    if (text[size] == '\0')
        return err_set(err, ERR_USAGE, "must be PREFIX=APP, like /admin=shop.admin:app");
    struct config_mount mount = {{text, size}, "auto", text + size + 1};
    if (check_mounted(mount.prefix, err) < 0 || take_interface(&mount, err) < 0)
        return -1;
    if (mount.target[0] == '\0')
        return err_set(err, ERR_USAGE, "names no application (PREFIX=APP)");
    *out = mount;
    return 0;
}

int config_mount_check(const char *text, struct err *err)
{
    struct config_mount mount;
    return config_mount_parse(text, &mount, err);
}

int config_check_mounts(const struct config *config, struct err *err)
{
    const struct config_list *list = &config->mount;
    for (size_t i = 1; i < list->count; i++) {
        struct config_mount mount, other;
        if (config_mount_parse(list->items[i], &mount, err) < 0)
            return -1;
        bool found = false;
        for (size_t j = 0; j < i && !found; j++)
            found = config_mount_parse(list->items[j], &other, err) == 0 &&
                    str_equal(mount.prefix, other.prefix);
        if (!found)
            continue;
        enum config_source source = config->settings[CONFIG_OPTION_mount].source;
        char name[CONFIG_NAME_MAX];
        config_blame_name(config, CONFIG_OPTION_mount, source, name);
        err_set(err, ERR_USAGE, "%s: %.*s is given twice (leave one of them out)", name,
                (int)(mount.prefix.size < SHOWN ? mount.prefix.size : SHOWN), mount.prefix.data);
        return config_blame(config, source, err);
    }
    return 0;
}

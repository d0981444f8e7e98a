// config_listen.c - decides between --listen and --host, --port, --uds, which exclude each other.
#include "config_listen.h"

#include <stdio.h>

#include "config_blame.h"
#include "config_mount.h"
#include "config_option.h"
#include "config_set.h"
#include "listener_address.h"
#include "network.h"

enum { SHOWN = 200 }; // bytes of an address in a message

static const enum config_option_id short_ways[] = {CONFIG_OPTION_host, CONFIG_OPTION_port,
                                                   CONFIG_OPTION_uds};

enum { SHORT_WAY_COUNT = sizeof short_ways / sizeof short_ways[0] };

// The one of the strongest source.
static enum config_option_id strongest(const struct config *config)
{
    enum config_option_id best = short_ways[0];
    for (size_t i = 1; i < SHORT_WAY_COUNT; i++) {
        if (config->settings[short_ways[i]].source > config->settings[best].source)
            best = short_ways[i];
    }
    return best;
}

static int refuse_both(const struct config *config, enum config_option_id other, struct err *err)
{
    enum config_source source = config->settings[CONFIG_OPTION_listen].source;
    char listen[CONFIG_NAME_MAX], name[CONFIG_NAME_MAX];
    config_blame_name(config, CONFIG_OPTION_listen, source, listen);
    config_blame_name(config, other, source, name);
    err_set(err, ERR_USAGE,
            "%s and %s exclude each other (leave %s out, and give its address to %s)", listen, name,
            name, listen);
    return config_blame(config, source, err);
}

// Whether the address stands in the list before the item at index.
static bool stands_before(const struct config_list *list, size_t index,
                          const struct listener_address *address)
{
    bool found = false;
    for (size_t i = 0; i < index && !found; i++) {
        struct listener_address other;
        struct err err; // none: the list's values are checked
        if (listener_address_parse(&other, list->items[i], &err) < 0)
            continue;
        found = listener_address_equal(address, &other);
        listener_address_fini(&other);
    }
    return found;
}

static int check_duplicates(const struct config *config, struct err *err)
{
    const struct config_list *list = &config->listen;
    for (size_t i = 1; i < list->count; i++) {
        enum config_source source = config->settings[CONFIG_OPTION_listen].source;
        struct listener_address address;
        char name[CONFIG_NAME_MAX];
        if (listener_address_parse(&address, list->items[i], err) < 0)
            return -1;
        bool found = stands_before(list, i, &address);
        listener_address_fini(&address);
        if (!found)
            continue;
        config_blame_name(config, CONFIG_OPTION_listen, source, name);
        err_set(err, ERR_USAGE, "%s %.*s: the address is given twice (leave one of them out)", name,
                SHOWN, list->items[i]);
        return config_blame(config, source, err);
    }
    return 0;
}

int config_listen_check_metrics(const char *text, struct err *err)
{
    return *text == '/' ? config_mount_check_path(text, err) : listener_address_check(text, err);
}

int config_listen_check_network(const char *text, struct err *err)
{
    struct network network;
    return network_parse(&network, text, err);
}

bool config_listen_attaches(const char *argument)
{
    const char *port = strrchr(argument, ':');
    return *argument == '/' || (port != NULL && port[1] >= '0' && port[1] <= '9');
}

// A header that nobody is believed about keeps everybody out.
static int check_proxy_protocol(const struct config *config, const char *text,
                                enum config_option_id option, struct err *err)
{
    struct listener_address address;
    char name[CONFIG_NAME_MAX];
    if (config->trusted_proxies.count > 0 || text == NULL || *text == '/')
        return 0;
    if (listener_address_parse(&address, text, err) < 0)
        return -1;
    bool needs = address.proxy_protocol;
    listener_address_fini(&address);
    if (!needs)
        return 0;
    enum config_source source = config->settings[option].source;
    config_blame_name(config, option, source, name);
    err_set(err, ERR_USAGE,
            "%s %.*s: proxy-protocol needs to know whom to believe (add --trusted-proxies)", name,
            SHOWN, text);
    return config_blame(config, source, err);
}

int config_check_proxies(const struct config *config, struct err *err)
{
    for (size_t i = 0; i < config->listen.count; i++) {
        if (check_proxy_protocol(config, config->listen.items[i], CONFIG_OPTION_listen, err) < 0)
            return -1;
    }
    return check_proxy_protocol(config, config->metrics, CONFIG_OPTION_metrics, err);
}

int config_settle_listeners(struct config *config, struct err *err)
{
    enum config_option_id other = strongest(config);
    enum config_source listed = config->settings[CONFIG_OPTION_listen].source;
    enum config_source shortly = config->settings[other].source;
    if (listed == CONFIG_DEFAULT)
        return 0;
    if (listed == shortly)
        return refuse_both(config, other, err);
    if (listed < shortly) {
        config_reset(config, &config_options[CONFIG_OPTION_listen]);
        return 0;
    }
    for (size_t i = 0; i < SHORT_WAY_COUNT; i++)
        config_reset(config, &config_options[short_ways[i]]);
    return check_duplicates(config, err);
}

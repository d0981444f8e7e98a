// listener.c - the set of a server's listening sockets, and the words for what can go wrong in
// making it. How each is opened stands in listener_tcp.c, listener_unix.c and listener_systemd.c.
// Accepts nothing: that is the reactor's.
#include "listener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "config.h"
#include "listener_inherited.h"
#include "listener_priv.h"

// --- errors ---

// The option that another address is chosen with.
static const char *option_of(const struct listener_address *address,
                             const struct listener_reason *reason)
{
    if (address->kind == LISTENER_REDIRECT)
        return "--redirect-https";
    if (address->kind == LISTENER_METRICS)
        return "--metrics";
    return address->listed ? "--listen" : reason->options;
}

int listener_refuse_with(const struct listener_address *address,
                         const struct listener_reason *reason, struct err *err)
{
    char what[sizeof err->text / 2];
    listener_address_describe(address, what, sizeof what);
    return err_set(err, ERR_FAILED, "cannot listen on %s: %s %s", what, reason->text,
                   option_of(address, reason));
}

int listener_refuse(const struct listener_address *address, const struct listener_reason *reasons,
                    size_t count, int errnum, struct err *err)
{
    char what[sizeof err->text / 2];
    for (size_t i = 0; i < count; i++) {
        if (reasons[i].errnum == errnum)
            return listener_refuse_with(address, &reasons[i], err);
    }
    listener_address_describe(address, what, sizeof what);
    return err_system(err, errnum, "cannot listen on %s", what);
}

int listener_refuse_overlap(const struct listener_address *address, const struct listener *listener,
                            struct err *err)
{
    char what[320], other[320];
    listener_address_describe(address, what, sizeof what);
    listener_describe(listener, other, sizeof other);
    if (address->kind == LISTENER_REDIRECT)
        return err_set(err, ERR_USAGE,
                       "cannot listen on %s: %s is there already; choose another port with "
                       "--redirect-https",
                       what, other);
    return err_set(err, ERR_USAGE,
                   "cannot listen on %s: %s of another --listen is there already; leave one of "
                   "them out",
                   what, other);
}

// --- the set ---

void listener_append(struct listener_set *set, int fd, const char *address, uint16_t port)
{
    struct listener *listeners =
        reallocarray(set->listeners, set->count + 1, sizeof *set->listeners);
    must_have(listeners != NULL);
    set->listeners = listeners;
    struct unix_socket_file *files = reallocarray(set->files, set->count + 1, sizeof *set->files);
    must_have(files != NULL);
    set->files = files;
    struct listener_origin *origins =
        reallocarray(set->origins, set->count + 1, sizeof *set->origins);
    must_have(origins != NULL);
    set->origins = origins;
    listeners[set->count] = (struct listener){
        .fd = fd, .endpoint = {.scheme = "http", .address = address, .port = port}};
    files[set->count] = (struct unix_socket_file){.path = NULL};
    origins[set->count] = (struct listener_origin){.name = NULL};
    set->count++;
}

// Decide what is spoken there.
static void settle(const struct listener_set *set, const struct listener_address *address,
                   struct listener *listener)
{
    struct endpoint *endpoint = &listener->endpoint;
    bool is_unix = endpoint->port == 0;
    listener->kind = listener_address_kind(address, is_unix, set->has_certificate);
    listener->proxy_protocol = address->proxy_protocol;
    // A socket of systemd's for that very port.
    if (address->systemd && !address->says_kind && !is_unix && endpoint->port == set->redirect_port)
        listener->kind = LISTENER_REDIRECT;
    if (listener->kind != LISTENER_TLS)
        return;
    endpoint->scheme = "https";
    listener->client_verify = address->says_verify ? address->client_verify : set->client_verify;
}

int listener_set_add(struct listener_set *set, const struct listener_address *address, int backlog,
                     struct err *err)
{
    size_t first = set->count;
    int result;
    if (address->systemd)
        result = listener_add_systemd(set, address, err);
    else if (address->path != NULL)
        result = listener_add_unix(set, address, backlog, err);
    else
        result = listener_add_tcp(set, address, backlog, err);
    for (size_t i = first; i < set->count; i++)
        settle(set, address, &set->listeners[i]);
    return result;
}

// Whether nobody has said where to listen.
static bool is_unsaid(const struct config *config)
{
    static const enum config_option_id ways[] = {CONFIG_OPTION_listen, CONFIG_OPTION_host,
                                                 CONFIG_OPTION_port, CONFIG_OPTION_uds};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (config->settings[ways[i]].source != CONFIG_DEFAULT)
            return false;
    }
    return true;
}

// The addresses that the configuration asks for, into the set.
static int take_addresses(struct listener_set *set, const struct config *config, struct err *err)
{
    const struct config_list *list = &config->listen;
    set->addresses = calloc(list->count + 1, sizeof *set->addresses);
    must_have(set->addresses != NULL);
    for (size_t i = 0; i < list->count; i++) {
        if (listener_address_parse(&set->addresses[i], list->items[i], err) < 0)
            return err_wrap(err, "--listen %s", list->items[i]);
        set->address_count++;
    }
    if (list->count > 0)
        return 0;
    set->addresses[0] = (struct listener_address){.host = config->host,
                                                  .path = config->uds,
                                                  .port = (uint16_t)config->port,
                                                  .mode = LISTENER_FILE_MODE};
    if (is_unsaid(config) && listener_inherited_from_systemd(set->inherited))
        set->addresses[0] = (struct listener_address){.systemd = true};
    set->address_count = 1;
    return 0;
}

// The address of --metrics, which speaks plain HTTP and nothing but metrics and health.
static int add_metrics(struct listener_set *set, const struct config *config, struct err *err)
{
    struct listener_address *addresses =
        reallocarray(set->addresses, set->address_count + 1, sizeof *addresses);
    must_have(addresses != NULL);
    set->addresses = addresses;
    struct listener_address *address = &addresses[set->address_count];
    if (listener_address_parse(address, config->metrics, err) < 0)
        return err_wrap(err, "--metrics %s", config->metrics);
    set->address_count++;
    address->kind = LISTENER_METRICS;
    return listener_set_add(set, address, (int)config->backlog, err);
}

int listener_set_open(struct listener_set *set, const struct config *config,
                      struct listener_inherited *inherited, struct err *err)
{
    *set = (struct listener_set){
        .inherited = inherited,
        .has_certificate = config->tls_certificate.count > 0,
        .client_verify = (enum client_verify)config->tls_client_verify.index,
        .redirect_port = (uint16_t)config->redirect_https,
    };
    int result = take_addresses(set, config, err);
    for (size_t i = 0; result == 0 && i < set->address_count; i++)
        result = listener_set_add(set, &set->addresses[i], (int)config->backlog, err);
    if (result == 0 && set->redirect_port != 0)
        result = listener_add_redirects(set, (int)config->backlog, err);
    if (result == 0 && config->metrics != NULL && *config->metrics != '/')
        result = add_metrics(set, config, err);
    set->inherited = NULL;
    if (result < 0)
        listener_set_fini(set);
    else
        listener_close_unwanted(inherited);
    return result;
}

const char *listener_set_name_of(const struct listener_set *set, size_t index)
{
    const struct listener *listener = &set->listeners[index];
    const struct unix_socket_file *file = &set->files[index];
    if (listener->fd < 0)
        return NULL;
    if (set->origins[index].name != NULL)
        return set->origins[index].name;
    if (listener->endpoint.port == 0 && (file->path == NULL || !unix_socket_in_place(file)))
        return NULL;
    return LISTENER_OWN_NAME;
}

void listener_set_claim_files(struct listener_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->files[i].adopted)
            set->files[i].maker = getpid();
    }
}

void listener_set_forget_files(struct listener_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        set->files[i].path = NULL;
}

// --- the end ---

static void close_one(struct listener *listener, struct unix_socket_file *file)
{
    unix_socket_remove(file);
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}

void listener_set_close(struct listener_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        close_one(&set->listeners[i], &set->files[i]);
}

void listener_set_fini(struct listener_set *set)
{
    listener_set_close(set);
    for (size_t i = 0; i < set->address_count; i++)
        listener_address_fini(&set->addresses[i]);
    for (size_t i = 0; i < set->count; i++) {
        free(set->origins[i].name);
        free(set->origins[i].address);
    }
    free(set->origins);
    free(set->listeners);
    free(set->files);
    free(set->addresses);
    *set = (struct listener_set){.count = 0};
}

// --- words ---

void listener_describe(const struct listener *listener, char *out, size_t size)
{
    const struct endpoint *endpoint = &listener->endpoint;
    struct listener_address address = {.host = endpoint->address, .port = endpoint->port};
    char text[320];
    if (endpoint->port == 0) {
        snprintf(out, size, "unix:%s%s", endpoint->address,
                 listener->kind == LISTENER_TLS ? ",tls" : "");
        return;
    }
    listener_address_describe(&address, text, sizeof text);
    snprintf(out, size, "%s://%s%s", endpoint->scheme, text,
             listener->kind == LISTENER_METRICS ? "/metrics" : "");
}

void listener_set_describe(const struct listener_set *set, struct buf *out)
{
    char text[384];
    for (size_t i = 0; i < set->count; i++) {
        const struct endpoint *endpoint = &set->listeners[i].endpoint;
        const struct endpoint *before = i > 0 ? &set->listeners[i - 1].endpoint : NULL;
        if (before != NULL && before->address == endpoint->address &&
            before->port == endpoint->port)
            continue;
        listener_describe(&set->listeners[i], text, sizeof text);
        buf_printf(out, "%s%s", i > 0 ? ", " : "", text);
    }
}

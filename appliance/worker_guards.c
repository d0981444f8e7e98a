// worker_guards.c - makes and ends them, in order.
#include "worker_guards.h"

#include <errno.h>

#include "config.h"
#include "hosts.h"
#include "limiter_connections.h"
#include "proxies.h"
#include "refusals.h"

static struct http_limits limits_of(const struct config *config)
{
    return (struct http_limits){
        .request_line = (size_t)config->max_request_line,
        .header_size = (size_t)config->max_header_size,
        .headers = (size_t)config->max_headers,
        .header_timeout = config->header_timeout,
        .body_timeout = config->body_timeout,
        .keep_alive_timeout = config->keep_alive_timeout,
        .send_timeout = config->send_timeout,
    };
}

static int open_connections(struct worker_guards *guards, const struct config *config,
                            struct err *err)
{
    struct limiter_connections_setup setup = {
        .each = (unsigned)config->max_connections_per_ip,
        .all = (unsigned)config->backpressure,
        .exempt = config->trusted_proxies.items,
        .exempt_count = config->trusted_proxies.count,
    };
    return setup.each == 0 ? 0 : limiter_connections_new(&guards->connections, &setup, err);
}

static int open_lists(struct worker_guards *guards, const struct config *config, struct err *err)
{
    const struct config_list *proxies = &config->trusted_proxies, *hosts = &config->allowed_hosts;
    if (proxies->count > 0 &&
        proxies_new(&guards->proxies, proxies->items, proxies->count, err) < 0)
        return -1;
    if (hosts->count > 0 && hosts_new(&guards->hosts, hosts->items, hosts->count, err) < 0)
        return -1;
    return 0;
}

int worker_guards_open(struct worker_guards *guards, const struct config *config,
                       struct stats_worker *stats, struct reactor_setup *setup, struct err *err)
{
    *guards = (struct worker_guards){.refusals = refusals_new(stats)};
    if (guards->refusals == NULL)
        return err_system(err, ENOMEM, "cannot watch clients");
    if (open_lists(guards, config, err) < 0 || open_connections(guards, config, err) < 0) {
        worker_guards_close(guards);
        return -1;
    }
    setup->proxies = guards->proxies;
    setup->hosts = guards->hosts;
    setup->security_headers = config->security_headers;
    setup->limits = limits_of(config);
    setup->limiter_connections = guards->connections;
    setup->refusals = guards->refusals;
    return 0;
}

void worker_guards_close(struct worker_guards *guards)
{
    limiter_connections_free(guards->connections);
    refusals_free(guards->refusals);
    proxies_free(guards->proxies);
    hosts_free(guards->hosts);
    *guards = (struct worker_guards){.refusals = NULL};
}

// config_limits.c - limits of workers that contradict each other, or the facts.
#include "config_limits.h"

#include <inttypes.h>
#include <string.h>

#include "config_blame.h"
#include "config_option.h"

enum { RSS_LEAST = 16 << 20 }; // bytes that the smallest application has in memory

static int check_jitter(const struct config *config, enum config_option_id jitter, int64_t amount,
                        enum config_option_id limit, int64_t limit_amount, struct err *err)
{
    enum config_source source = config->settings[jitter].source;
    char name[CONFIG_NAME_MAX], other[CONFIG_NAME_MAX];
    if (amount == 0 || limit_amount > 0)
        return 0;
    config_blame_name(config, jitter, source, name);
    config_blame_name(config, limit, source, other);
    err_set(err, ERR_USAGE, "%s is added to %s, which is not given (give it, or leave %s out)",
            name, other, name);
    return config_blame(config, source, err);
}

static int check_rss(const struct config *config, struct err *err)
{
    enum config_source source = config->settings[CONFIG_OPTION_workers_max_rss].source;
    int64_t limit = config->workers_max_rss;
    char name[CONFIG_NAME_MAX];
    if (limit == 0 || limit >= RSS_LEAST)
        return 0;
    config_blame_name(config, CONFIG_OPTION_workers_max_rss, source, name);
    if (limit < 1 << 16)
        err_set(err, ERR_USAGE,
                "%s %" PRId64 ": a worker has 16M at least (%" PRId64 "M is meant?)", name, limit,
                limit);
    else
        err_set(err, ERR_USAGE, "%s %s: a worker has 16M at least, choose more", name,
                config->settings[CONFIG_OPTION_workers_max_rss].text);
    return config_blame(config, source, err);
}

int config_limits_check_status(const char *text, struct err *err)
{
    bool is_class = strcmp(text + (*text != '\0'), "xx") == 0;
    bool is_number = strlen(text) == 3 && strspn(text, "0123456789") == 3;
    if (*text >= '1' && *text <= '5' && (is_class || is_number))
        return 0;
    return err_set(err, ERR_USAGE, "must be a status (404) or a class of them (5xx)");
}

int config_check_limits(const struct config *config, struct err *err)
{
    if (check_jitter(config, CONFIG_OPTION_workers_max_requests_jitter,
                     config->workers_max_requests_jitter, CONFIG_OPTION_workers_max_requests,
                     config->workers_max_requests, err) < 0 ||
        check_jitter(config, CONFIG_OPTION_workers_lifetime_jitter, config->workers_lifetime_jitter,
                     CONFIG_OPTION_workers_lifetime, config->workers_lifetime, err) < 0)
        return -1;
    return check_rss(config, err);
}

// config_small.c - the values of small machines, as a table. Which they are was measured
// (tests/bench/small.py): what is not here costs no memory before it is used.
#include "config_small.h"

#include "check.h"
#include "config_set.h"

enum { SMALL_MEMORY = 256 << 20 }; // bytes

static const struct {
    enum config_option_id option;
    const char *value;
} table[] = {
    {CONFIG_OPTION_workers, "1"},          {CONFIG_OPTION_preload, "true"},
    {CONFIG_OPTION_blocking_threads, "8"}, {CONFIG_OPTION_blocking_threads_idle_timeout, "5s"},
    {CONFIG_OPTION_backpressure, "1000"},  {CONFIG_OPTION_body_buffer, "256k"},
    {CONFIG_OPTION_log_memory, "128k"},
};

enum { ROWS = sizeof table / sizeof table[0] };

static bool is_ours(const struct config *config, enum config_option_id option)
{
    return config->settings[option].source == CONFIG_DEFAULT;
}

static void set(struct config *config, enum config_option_id option, const char *value)
{
    struct err err;
    must(config_set(config, &config_options[option], CONFIG_DEFAULT, value, &err) == 0);
}

void config_settle_small(struct config *config, int64_t memory)
{
    if (is_ours(config, CONFIG_OPTION_small) && memory < SMALL_MEMORY)
        set(config, CONFIG_OPTION_small, "true");
    if (!config->small)
        return;
    for (size_t i = 0; i < ROWS; i++) {
        if (is_ours(config, table[i].option))
            set(config, table[i].option, table[i].value);
    }
}

void config_small_describe(const struct config *config, int64_t memory, struct buf *out)
{
    if (!config->small)
        return;
    if (is_ours(config, CONFIG_OPTION_small))
        buf_printf(out, "a small machine, %lldM of memory:", (long long)(memory >> 20));
    else
        buf_printf(out, "as on a small machine:");
    const char *separator = "";
    for (size_t i = 0; i < ROWS; i++) {
        if (!is_ours(config, table[i].option))
            continue;
        buf_printf(out, "%s %s %s", separator, config_options[table[i].option].name,
                   table[i].value);
        separator = ",";
    }
    buf_printf(out, "%s (--no-small prevents it)", *separator == '\0' ? " all is set" : "");
}

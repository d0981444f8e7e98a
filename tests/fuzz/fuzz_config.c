// fuzz_config.c - any bytes as packed settings: the line parser must stay within them and within
// its bounds, and what the option table makes of the lines must be released whole. The first byte
// picks the command that reads them.
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "config.h"
#include "config_option.h"
#include "config_parse.h"
#include "listener_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk {
    struct str text;
    size_t line; // the last one
};

static void check_inside(struct str whole, struct str part)
{
    must(part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
    must(memchr(part.data, '\n', part.size) == NULL && memchr(part.data, '\0', part.size) == NULL);
    must(part.size == 0 || (part.data[0] != ' ' && part.data[part.size - 1] != ' '));
}

static int check_line(void *owner, size_t line, struct str key, struct str value, struct err *err)
{
    struct walk *walk = owner;
    (void)err;
    must(line > walk->line);
    must(key.size > 0 && key.size <= CONFIG_KEY_MAX && value.size <= CONFIG_LINE_MAX);
    check_inside(walk->text, key);
    check_inside(walk->text, value);
    walk->line = line;
    return 0;
}

// What was read prints, and where it is good it holds its ranges.
static void check_config(const struct config *config, enum config_scope scope)
{
    _buf_ struct buf out = BUF_INIT(8 << 20);
    must(config->port >= 0 && config->port <= 65535);
    must(config->workers >= 1 && config->workers <= 512);
    must(config->graceful_timeout >= 0 && config->host != NULL);
    for (size_t i = 0; i < config->listen.count; i++) {
        struct err err;
        must(listener_address_check(config->listen.items[i], &err) == 0);
    }
    config_print(config, scope, &out);
    must(out.size > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum config_scope scopes[] = {SCOPE_SERVE,   SCOPE_CHECK,   SCOPE_PACK,
                                               SCOPE_INSPECT, SCOPE_STATUS,  SCOPE_CTL,
                                               SCOPE_LOGS,    SCOPE_INSTALL, SCOPE_UNINSTALL};
    if (size == 0)
        return 0;
    enum config_scope scope = scopes[data[0] % 6];
    struct str text = {(const char *)data + 1, size - 1};
    struct walk walk = {.text = text};
    struct config config;
    struct err err = {.kind = ERR_NONE};
    int parsed = config_parse(text, check_line, &walk, &err);
    must(parsed == 0 || (err.kind == ERR_USAGE && err.text[0] != '\0'));
    struct config_request request = {
        .scope = scope, .program = "limpet", .command = "serve", .packed = text};
    int result = config_read(&config, &request, &err);
    must(parsed == 0 || result < 0);
    if (result == 0)
        check_config(&config, scope == SCOPE_INSPECT ? SCOPE_SERVE : scope);
    config_fini(&config);
    return 0;
}

// config_input.h - a configuration read from layers that a test gives, and what came of it.
// Included by one test program each.
#pragma once

#include "config.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "config_option.h"
#include "config_set.h"
#include "unit.h"

// What a test gives to config_read; every member may be left out.
struct input {
    enum config_scope scope; // 0: SCOPE_SERVE
    const char *arguments[12];
    const char *environment[6];
    const char *packed;
    const char *file;  // the lines that read_file hands back
    const char *fails; // the error of read_file
};

// What config_read made of it, and what it asked read_file for.
static struct config config;
static struct err err;
static int result;
static char asked_file[256], asked_table[64];

static int fake_read_file(void *owner, const char *file, const char *table, struct buf *lines,
                          struct err *error)
{
    const struct input *input = owner;
    snprintf(asked_file, sizeof asked_file, "%s", file);
    snprintf(asked_table, sizeof asked_table, "%s", table);
    if (input->fails != NULL)
        return err_set(error, ERR_FAILED, "%s", input->fails);
    return buf_append_str(lines, str_of(input->file != NULL ? input->file : ""));
}

static void read_input(struct input input)
{
    static const char *const commands[] = {
        [SCOPE_SERVE] = "serve",     [SCOPE_CHECK] = "check",   [SCOPE_PACK] = "pack",
        [SCOPE_INSPECT] = "inspect", [SCOPE_STATUS] = "status", [SCOPE_CTL] = "ctl",
        [SCOPE_LOGS] = "logs"};
    if (input.scope == SCOPE_NONE)
        input.scope = SCOPE_SERVE;
    struct config_request request = {
        .scope = input.scope,
        .program = "limpet",
        .command = commands[input.scope],
        .positional = input.scope == SCOPE_PACK ? "SRC" : "TARGET",
        .argv = (char *const *)(uintptr_t)input.arguments,
        .environment = (char *const *)(uintptr_t)input.environment,
        .packed = str_of(input.packed != NULL ? input.packed : ""),
        .read_file = fake_read_file,
        .owner = &input,
    };
    while (input.arguments[request.argc] != NULL)
        request.argc++;
    config_fini(&config);
    asked_file[0] = asked_table[0] = '\0';
    err = (struct err){.kind = ERR_NONE};
    result = config_read(&config, &request, &err);
}

#define READ(...) read_input((struct input){__VA_ARGS__})
#define ARGUMENTS(...) .arguments = {__VA_ARGS__}
#define ENVIRONMENT(...) .environment = {__VA_ARGS__}

// The configuration is refused with that very line, as a mistake of usage.
#define CHECK_FAILED(failure, expected) \
    do {                                \
        CHECK(result == -1);            \
        CHECK(err.kind == (failure));   \
        CHECK_STR(err.text, expected);  \
    } while (0)

#define CHECK_REFUSED(expected) CHECK_FAILED(ERR_USAGE, expected)

#define CHECK_READ()             \
    do {                         \
        CHECK(result == 0);      \
        CHECK_STR(err.text, ""); \
    } while (0)

// A folder of its own for a test, and files in it; gone when the program ends.
static char folder[] = "/tmp/test_config.XXXXXX";

static inline const char *file_in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file != NULL)
        fclose(file);
    return path;
}

static inline const char *printed(enum config_scope scope)
{
    static struct buf out = {.maximum = 1 << 16};
    buf_fini(&out);
    config_print(&config, scope, &out);
    return buf_text(&out);
}

static inline const char *stored(void)
{
    static struct buf out = {.maximum = 1 << 16};
    buf_fini(&out);
    config_settings_text(&config, CONFIG_PROJECT, &out);
    return buf_text(&out);
}

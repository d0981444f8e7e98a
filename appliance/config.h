// config.h - the settings of a run: options.def as a struct, filled in from, strongest first, the
// command line, the environment (LIMPET_*), the file that --config names, the settings packed into
// the binary, and the defaults.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "str.h"

// Which command asks. An option names the commands that take it.
enum config_scope {
    SCOPE_NONE = 0,
    SCOPE_SERVE = 1 << 0,
    SCOPE_CHECK = 1 << 1,
    SCOPE_PACK = 1 << 2,
    SCOPE_INSPECT = 1 << 3,
    SCOPE_STATUS = 1 << 4,
    SCOPE_CTL = 1 << 5,
    SCOPE_LOGS = 1 << 6,
    SCOPE_INSTALL = 1 << 7,
    SCOPE_UNINSTALL = 1 << 8,
    // pack and install keep them for the serving to come.
    SCOPE_RUN = SCOPE_SERVE | SCOPE_CHECK | SCOPE_PACK | SCOPE_INSTALL,
    // They find a server by the settings that it has itself.
    SCOPE_CONTROL = SCOPE_STATUS | SCOPE_CTL | SCOPE_LOGS,
    SCOPE_ALL = SCOPE_RUN | SCOPE_INSPECT | SCOPE_CONTROL | SCOPE_UNINSTALL,
};

// Where a value comes from; a higher one wins.
enum config_source {
    CONFIG_DEFAULT,
    CONFIG_PACKED,  // archive member limpet/settings
    CONFIG_PROJECT, // pack: [tool.limpet] of the application's pyproject.toml
    CONFIG_FILE,    // --config
    CONFIG_ENVIRONMENT,
    CONFIG_COMMAND_LINE,
};

// One identifier an option: CONFIG_OPTION_port.
enum config_option_id {
#define OPTION(kind, field, ...) CONFIG_OPTION_##field,
#include "options.def"
#undef OPTION
    CONFIG_OPTION_COUNT,
};

struct config_choice {
    int index; // among the option's choices, in the order of options.def
    const char *name;
};

enum { CONFIG_WORDS_MAX = 2 };

struct config_list {
    char **items;
    size_t count;
};

// What a value was given as, and where.
struct config_setting {
    enum config_source source;
    bool by_alias; // under the option's other name
    char *text;    // as it prints back ("1m30s"); NULL: no value, or a list
};

// The kinds of options.def as C types.
#define CONFIG_FIELD_STRING const char * // NULL: none
#define CONFIG_FIELD_INTEGER int64_t
#define CONFIG_FIELD_SIZE int64_t     // bytes
#define CONFIG_FIELD_DURATION int64_t // milliseconds
#define CONFIG_FIELD_FLAG bool
#define CONFIG_FIELD_CHOICE struct config_choice
#define CONFIG_FIELD_LIST struct config_list

// For reading only. What it points to belongs to it until config_fini.
struct config {
#define OPTION(kind, field, ...) CONFIG_FIELD_##kind field;
#include "options.def"
#undef OPTION
    struct config_setting settings[CONFIG_OPTION_COUNT]; // by enum config_option_id
    const char *words[CONFIG_WORDS_MAX];                 // SCOPE_CTL: its arguments; argv's own
    size_t word_count;                                   // of words
    char *file_name;                                     // the file that was read; NULL: none
    struct buf warnings;                                 // what was ignored, one line each
};

struct config_request {
    enum config_scope scope;
    const char *program;    // as the operator calls us, for messages: "limpet", "shop"
    const char *command;    // "serve", for messages
    const char *positional; // what an argument without a name stands for: "TARGET"; NULL: nothing.
                            // One is taken, in SCOPE_CTL up to CONFIG_WORDS_MAX
    int argc;               // the arguments after the command
    char *const *argv;
    char *const *environment; // as environ, NULL-terminated; NULL: none
    struct str packed;        // packed settings: "key = value" lines
    // Turn a table of a TOML file into such lines: struct runtime's read_settings, in a child. Used
    // for the file that --config names ("" is the table), in SCOPE_PACK for SRC/pyproject.toml, if
    // there is one ("tool.limpet"). NULL: no file is read.
    int (*read_file)(void *owner, const char *file, const char *table, struct buf *lines,
                     struct err *err);
    void *owner; // passed to read_file
};

// Fill in config (what it held is overwritten, not released). Errors are ERR_USAGE, save those of
// read_file, and name the argument, the variable, or the file and key at fault. When config->help
// is set the rest is not complete. End it with config_fini, also after an error.
int config_read(struct config *config, const struct config_request *request, struct err *err);
void config_fini(struct config *config);

// --print-config: a line for each setting of the scope, "port = 9000    # command line".
void config_print(const struct config *config, enum config_scope scope, struct buf *out);

// The settings of a run whose values come from there or from a stronger source, as "key = value"
// lines; without secrets and the application itself.
void config_settings_text(const struct config *config, enum config_source weakest, struct buf *out);
// Those of the command line as they can be given there again, one a line: "--port=8000".
void config_arguments_text(const struct config *config, struct buf *out);

// The variables that secrets come in: call each with the name of every one.
void config_each_secret(void (*each)(const char *variable));
// Take them out of this process's environment, before an application is loaded.
void config_forget_secrets(void);

// The options of a command for its help; all options as a Markdown table.
void config_help(enum config_scope scope, struct buf *out);
void config_document(struct buf *out);

// config_option.h - a row of options.def as data, for the files that make up config.h.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

enum config_kind {
    KIND_STRING,
    KIND_INTEGER,
    KIND_SIZE,     // bytes: 64k, 16M
    KIND_DURATION, // milliseconds: 30, 30s, 1h30m, 500ms
    KIND_FLAG,     // --name, --no-name; true or false elsewhere
    KIND_CHOICE,
    KIND_LIST, // may be given several times
};

// What it takes to put a changed value into effect.
enum config_reload {
    RELOAD_NONE,   // means nothing to a running server
    RELOAD_LIVE,   // a HUP
    RELOAD_WORKER, // new workers
    RELOAD_ALL,    // a new start
};

// Where an option may be given, by source.
enum config_place {
    PLACE_PACKED = 1 << CONFIG_PACKED,
    PLACE_PROJECT = 1 << CONFIG_PROJECT,
    PLACE_FILE = 1 << CONFIG_FILE,
    PLACE_ENVIRONMENT = 1 << CONFIG_ENVIRONMENT,
    PLACE_COMMAND_LINE = 1 << CONFIG_COMMAND_LINE,
};

// In the place of a value that is secret.
#define CONFIG_SECRET "(secret)"

enum {
    CONFIG_CHOICES_MAX = 8,
    CONFIG_NAME_MAX = 64,     // bytes of a variable's name, its NUL included
    CONFIG_METAVAR_MAX = 128, // bytes of what help shows for a value, its NUL included
};

struct config_option {
    const char *name;
    const char *alias; // what other servers call it; NULL: none
    enum config_kind kind;
    size_t offset;        // of the field in struct config
    char letter;          // 'o' for -o; 0: none
    bool positional;      // what an argument without a name sets
    bool local_path;      // in pyproject.toml a path relative to its folder
    const char *standard; // the default, as text; NULL: none
    const char *optional; // the value where --name has none; NULL: it needs one
    // With optional: whether the argument behind it is its value, and not a TARGET.
    bool (*attaches)(const char *argument);
    const char *choices[CONFIG_CHOICES_MAX]; // KIND_CHOICE, up to the first NULL
    int64_t (*automatic)(void);              // the value of "auto"; NULL: "auto" is no value
    int64_t minimum, maximum;                // of the kinds that are numbers
    // Of texts: whether a value is one, as an ERR_USAGE that does not repeat it. NULL: any is.
    int (*check)(const char *text, struct err *err);
    bool blank_separated; // KIND_LIST: a variable has several values, with blanks between them
    unsigned scopes;      // enum config_scope
    unsigned places;      // enum config_place; 0: everywhere
    enum config_reload reload;
    bool secret;         // the value is not to be printed
    const char *metavar; // the value in help; NULL for KIND_FLAG and KIND_CHOICE
    const char *help;    // one phrase, no full stop
};

struct config_command {
    enum config_scope scope;
    const char *name;
};

enum { CONFIG_COMMAND_COUNT = 9 };

// The commands that take options, in the order in which documentation names them.
extern const struct config_command config_commands[CONFIG_COMMAND_COUNT];

// By enum config_option_id.
extern const struct config_option config_options[CONFIG_OPTION_COUNT];

// The option of that name or alias, whatever its scope, or NULL.
const struct config_option *config_option_find(struct str name);

// The name or alias, of an option of the scope and place, that is most like this one, or NULL where
// none is near.
const char *config_option_near(struct str name, unsigned scope, unsigned place);

bool config_option_allowed_in(const struct config_option *option, unsigned place);

// "LIMPET_LOG_LEVEL", of "log-level", into out.
void config_option_variable(const char *name, char out[static CONFIG_NAME_MAX]);

// What help shows for the value, into out: "NUMBER", "auto|wsgi"; "" for KIND_FLAG.
void config_option_metavar(const struct config_option *option, char out[static CONFIG_METAVAR_MAX]);

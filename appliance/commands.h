// commands.h - what limpet can be told to do, and what we were called as.
#pragma once

#include <stdbool.h>

#include "archive.h"
#include "config.h"
#include "err.h"
#include "runtime.h"

// Who we are in this process. Made once, by main.
struct program {
    char name[64]; // what messages begin with: "limpet", or a packed binary's own name
    const struct archive *archive;
    const struct runtime *runtime;
    bool packed;         // the archive holds an application
    struct buf settings; // its packed settings
    char **environment;
};

struct command {
    const char *name;
    const char *usage;       // what follows the name
    const char *positional;  // of struct config_request
    const char *summary;     // one phrase, no full stop
    const char *description; // more for its help: whole lines, "" for none
    enum config_scope scope; // whose options it takes; SCOPE_NONE: it reads its arguments itself
    // argv[0] is the program, the rest the command's arguments. The exit status, or -1 with err.
    int (*run)(const struct program *program, const struct command *command, int argc, char **argv,
               struct err *err);
};

// Fill in the program: its name, and what is packed. End it with program_fini.
int program_init(struct program *program, const struct archive *archive,
                 const struct runtime *runtime, char **environment, struct err *err);
void program_fini(struct program *program);

// The command that the arguments of this process mean. Where a word names it, that word is taken
// out of the arguments. Errors: no command of that name, or none at all.
const struct command *command_choose(const struct program *program, int *argc, char ***argv,
                                     struct err *err);

// The settings of a command, from all their sources; warnings go to standard error. 1 when that was
// all: --help and --print-config have been answered. To be ended by config_fini in any case.
int command_configure(const struct program *program, const struct command *command, int argc,
                      char **argv, struct config *config, struct err *err);

// What a command does with its settings: its exit status, or -1 with err.
typedef int command_work(const struct program *program, const struct config *config,
                         struct err *err);

// Read a command's settings, and do its work with them: the work's result, or 0 where
// command_configure has answered all.
int command_run_configured(const struct program *program, const struct command *command, int argc,
                           char **argv, command_work *work, struct err *err);

// A line of standard error for each of these.
void command_print_warnings(const struct program *program, const struct buf *warnings);

// Read the certificates that the settings name, and print a line for each. Errors: tls_load's.
int command_check_certificates(const struct program *program, const struct config *config,
                               struct err *err);

// Whether the settings name the server to ask. Errors are ERR_USAGE and say how to.
int command_require_socket(const struct command *command, const struct config *config,
                           struct err *err);

// The commands that have a file of their own.
int command_serve(const struct program *program, const struct command *command, int argc,
                  char **argv, struct err *err);
int command_check(const struct program *program, const struct command *command, int argc,
                  char **argv, struct err *err);
int command_status(const struct program *program, const struct command *command, int argc,
                   char **argv, struct err *err);
int command_logs(const struct program *program, const struct command *command, int argc,
                 char **argv, struct err *err);
int command_ctl(const struct program *program, const struct command *command, int argc, char **argv,
                struct err *err);
int command_pack(const struct program *program, const struct command *command, int argc,
                 char **argv, struct err *err);
int command_install(const struct program *program, const struct command *command, int argc,
                    char **argv, struct err *err);
int command_uninstall(const struct program *program, const struct command *command, int argc,
                      char **argv, struct err *err);

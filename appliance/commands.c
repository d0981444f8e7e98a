// commands.c - the command table, the choice among it, and the commands that take few lines. What a
// command does with an interpreter it does through struct runtime.
#include "commands.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "cleanup.h"
#include "config_parse.h"
#include "errand.h"
#include "near.h"
#include "title.h"
#include "version.h"

enum { OUTPUT_MAX = 16 << 20 }; // bytes of help, or of a printed configuration

static int run_python(const struct program *program, const struct command *command, int argc,
                      char **argv, struct err *err)
{
    (void)command;
    (void)err;
    return program->runtime->python(program->archive, argc, argv);
}

static int inspect(const struct program *program, const struct config *config, struct err *err)
{
    char licences[] = "--licences", *arguments[2];
    int count = 0;
    (void)err;
    if (config->licences)
        arguments[count++] = licences;
    if (config->target != NULL)
        arguments[count++] = config->settings[CONFIG_OPTION_target].text;
    return program->runtime->tool(program->archive, "limpet.inspect", count, arguments);
}

static int run_inspect(const struct program *program, const struct command *command, int argc,
                       char **argv, struct err *err)
{
    return command_run_configured(program, command, argc, argv, inspect, err);
}

// The parts come one a line, "name version licence", limpet itself first.
static int run_version(const struct program *program, const struct command *command, int argc,
                       char **argv, struct err *err)
{
    if (argc > 1)
        return err_set(err, ERR_USAGE, "unexpected argument \"%.200s\": \"%s %s\" takes none",
                       argv[1], program->name, command->name);
    printf("limpet %s\n", LIMPET_VERSION);
    const char *line = LIMPET_PARTS;
    while (*line != '\0') {
        int size = (int)strcspn(line, "\n");
        if (strncmp(line, "limpet ", 7) != 0)
            printf("  %.*s\n", size, line);
        line += size + (line[size] == '\n');
    }
    return 0;
}

static int run_help(const struct program *program, const struct command *command, int argc,
                    char **argv, struct err *err);

static const struct command commands[] = {
    {"serve", "[TARGET] [options]", "TARGET", "serve a Python web application",
     "TARGET is module:attr (attr is app or application if left out), a folder, a .py file or a "
     "zip.\nA packed binary serves its own application and needs no TARGET.\n",
     SCOPE_SERVE, command_serve},
    {"pack", "SRC -o OUT [options]", "SRC", "write a binary that carries the application in SRC",
     "SRC is the application's folder. The options of serve are packed in as settings, over those "
     "in\n[tool.limpet] of SRC/pyproject.toml.\n",
     SCOPE_PACK, command_pack},
    {"install", "[options]", NULL, "install this packed application as a service of systemd",
     "The binary goes to /usr/local/bin, its unit to /etc/systemd/system, its data to /var/lib,\n"
     "each under the binary's own name. The options of serve become the unit's. Once more, with a\n"
     "newer binary or other options, it is an upgrade; without options those of before stay.\n",
     SCOPE_INSTALL, command_install},
    {"uninstall", "[options]", NULL, "remove what install has made",
     "Files that were changed since, and folders with something in them, are kept and named.\n",
     SCOPE_UNINSTALL, command_uninstall},
    {"status", "[options]", NULL, "show what a running server does",
     "The server is found by its --control-socket, given here or wherever serve finds it: in the "
     "file of\n--config, as LIMPET_CONTROL_SOCKET, or packed in.\n",
     SCOPE_STATUS, command_status},
    {"logs", "[options]", NULL, "show what a running server has logged in memory",
     "For a server with --log memory or --access-log=memory. It is found as status finds it.\n",
     SCOPE_LOGS, command_logs},
    {"ctl", "reload|restart|stop|scale NUMBER [options]", "ACTION",
     "tell a running server what to do",
     "reload reads certificates and keys again, restart replaces every worker, both without an "
     "interruption;\nscale changes the number of workers; stop ends the server as SIGTERM does. "
     "The server is found\nas status finds it.\n",
     SCOPE_CTL, command_ctl},
    {"python", "[ARGUMENT]...", NULL, "be the Python interpreter: -c, -m, FILE, or interactive", "",
     SCOPE_NONE, run_python},
    {"check", "[TARGET] [options]", "TARGET",
     "load options and application, and say if they are good", "", SCOPE_CHECK, command_check},
    {"inspect", "[FILE] [options]", "FILE", "show what is inside this binary, or inside FILE", "",
     SCOPE_INSPECT, run_inspect},
    {"version", "", NULL, "print the versions of limpet and its parts", "", SCOPE_NONE,
     run_version},
    {"help", "[COMMAND|options]", NULL, "explain a command, or list all options in Markdown", "",
     SCOPE_NONE, run_help},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static const char *near_command(const char *name)
{
    struct near best = {.distance = NEAR_NOTHING};
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        near_consider(&best, str_of(name), commands[i].name);
    return best.word;
}

static int unknown_command(const struct program *program, const char *name, struct err *err)
{
    const char *near = near_command(name);
    if (near != NULL)
        return err_set(err, ERR_USAGE, "unknown command \"%.200s\" (did you mean \"%s\"?)", name,
                       near);
    return err_set(err, ERR_USAGE, "unknown command \"%.200s\" (\"%s help\" lists the commands)",
                   name, program->name);
}

// Help.

static void print_overview(const struct program *program, FILE *out)
{
    fprintf(out, "usage: %s COMMAND [ARGUMENT]...\n\n", program->name);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    if (program->packed)
        fprintf(out, "\nWithout a command: serve the application packed in.\n");
    fprintf(out, "\n\"%s help COMMAND\" says more.\n", program->name);
}

static void print_command_help(const struct program *program, const struct command *command)
{
    _buf_ struct buf out = BUF_INIT(OUTPUT_MAX);
    config_help(command->scope, &out);
    printf("usage: %s %s %s\n\n%c%s.\n%s", program->name, command->name, command->usage,
           command->summary[0] - 'a' + 'A', command->summary + 1, command->description);
    if (out.size > 0)
        printf("\noptions (range) [default]:\n%s", buf_text(&out));
    if ((command->scope & SCOPE_RUN) != 0)
        printf("\nEach option is also the variable LIMPET_NAME and a key in files: see \"%s help "
               "options\".\n",
               program->name);
}

static int run_help(const struct program *program, const struct command *command, int argc,
                    char **argv, struct err *err)
{
    (void)command;
    if (argc <= 1) {
        print_overview(program, stdout);
        return 0;
    }
    if (strcmp(argv[1], "options") == 0) {
        _buf_ struct buf out = BUF_INIT(OUTPUT_MAX);
        config_document(&out);
        fputs(buf_text(&out), stdout);
        return 0;
    }
    const struct command *wanted = find_command(argv[1]);
    if (wanted == NULL)
        return unknown_command(program, argv[1], err);
    print_command_help(program, wanted);
    return 0;
}

// The choice.

static bool is_python_file(const char *word)
{
    struct stat status;
    size_t size = strlen(word);
    return size > 3 && strcmp(word + size - 3, ".py") == 0 && stat(word, &status) == 0 &&
           S_ISREG(status.st_mode);
}

// What python is started with when the interpreter, a shebang line or multiprocessing calls us:
// our own name for it, one of its options, or a script.
static bool is_python_call(const char *called_as, const char *word)
{
    const char *slash = strrchr(called_as, '/');
    const char *base = slash != NULL ? slash + 1 : called_as;
    if (strncmp(base, "python", 6) == 0)
        return true;
    if (word == NULL)
        return false;
    if (word[0] == '-')
        return word[1] != '-' && strcmp(word, "-h") != 0;
    return is_python_file(word);
}

// The command that a first word as such means, or NULL.
static const struct command *find_word(const char *word)
{
    if (strcmp(word, "--version") == 0)
        return find_command("version");
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return find_command("help");
    return find_command(word);
}

static int no_command(const struct program *program, const char *word, struct err *err)
{
    if (word == NULL) {
        print_overview(program, stderr);
        return err_set(err, ERR_USAGE, "no command given");
    }
    if (word[0] == '-')
        return err_set(err, ERR_USAGE,
                       "no command before %.200s (write: %s COMMAND %.200s; \"%s help\" lists the "
                       "commands)",
                       word, program->name, word, program->name);
    return unknown_command(program, word, err);
}

const struct command *command_choose(const struct program *program, int *argc, char ***argv,
                                     struct err *err)
{
    char **arguments = *argv;
    char *word = *argc > 1 ? arguments[1] : NULL;
    if (*argc > 0 && is_python_call(arguments[0], word))
        return find_command("python");
    const struct command *command = word != NULL ? find_word(word) : NULL;
    if (command != NULL) {
        arguments[1] = arguments[0];
        ++*argv;
        --*argc;
        return command;
    }
    // A packed binary serves, whatever its arguments; but a word that looks like a command is not
    // meant to be an application.
    bool is_option = word != NULL && word[0] == '-';
    if (program->packed && (word == NULL || is_option || near_command(word) == NULL))
        return find_command("serve");
    no_command(program, word, err);
    return NULL;
}

// The program.

static int read_packed_settings(struct program *program, struct err *err)
{
    const struct archive_member *member = archive_find(program->archive, STR("limpet/settings"));
    if (member == NULL)
        return 0;
    program->packed = true;
    if (buf_reserve(&program->settings, member->size) < 0)
        return err_set(err, ERR_FAILED, "%s: packed settings of %zu bytes are too large",
                       archive_path(program->archive), member->size);
    if (member->size == 0)
        return 0;
    if (archive_read(program->archive, member, program->settings.data, err) < 0)
        return -1;
    program->settings.data[member->size] = '\0';
    program->settings.size = member->size;
    return 0;
}

int program_init(struct program *program, const struct archive *archive,
                 const struct runtime *runtime, char **environment, struct err *err)
{
    const char *path = archive_path(archive);
    const char *slash = strrchr(path, '/');
    *program = (struct program){.archive = archive,
                                .runtime = runtime,
                                .settings = BUF_INIT(CONFIG_TEXT_MAX),
                                .environment = environment,
                                .name = "limpet"};
    if (read_packed_settings(program, err) < 0)
        return -1;
    if (program->packed)
        snprintf(program->name, sizeof program->name, "%s", slash != NULL ? slash + 1 : path);
    return 0;
}

void program_fini(struct program *program)
{
    buf_fini(&program->settings);
}

// Settings.

struct file_errand {
    const struct program *program;
    const char *file;
    const char *table;
};

static int read_file_in_child(void *owner, struct buf *out, struct err *err)
{
    const struct file_errand *file = owner;
    return file->program->runtime->read_settings(file->program->archive, file->file, file->table,
                                                 out, err);
}

static int read_file(void *owner, const char *file, const char *table, struct buf *lines,
                     struct err *err)
{
    struct file_errand task = {owner, file, table};
    struct errand errand = {.what = file, .run = read_file_in_child, .owner = &task};
    return errand_run(&errand, lines, err);
}

void command_print_warnings(const struct program *program, const struct buf *warnings)
{
    const char *line = buf_text(warnings);
    while (*line != '\0') {
        int size = (int)strcspn(line, "\n");
        fprintf(stderr, "%s: warning: %.*s\n", program->name, size, line);
        line += size + (line[size] == '\n');
    }
}

int command_configure(const struct program *program, const struct command *command, int argc,
                      char **argv, struct config *config, struct err *err)
{
    bool own_settings =
        (command->scope & (SCOPE_SERVE | SCOPE_CHECK | SCOPE_CONTROL | SCOPE_INSTALL)) != 0;
    struct config_request request = {
        .scope = command->scope,
        .program = program->name,
        .command = command->name,
        .positional = command->positional,
        .argc = argc - 1,
        .argv = argv + 1,
        .environment = program->environment,
        .packed = own_settings ? buf_str(&program->settings) : STR(""),
        .read_file = read_file,
        .owner = (void *)(uintptr_t)program,
    };
    config_each_secret(title_hide);
    int result = config_read(config, &request, err);
    command_print_warnings(program, &config->warnings);
    if (result < 0)
        return -1;
    if (config->help) {
        print_command_help(program, command);
        return 1;
    }
    if (config->print_config) {
        _buf_ struct buf out = BUF_INIT(OUTPUT_MAX);
        config_print(config, command->scope, &out);
        fputs(buf_text(&out), stdout);
        return 1;
    }
    return 0;
}

int command_run_configured(const struct program *program, const struct command *command, int argc,
                           char **argv, command_work *work, struct err *err)
{
    struct config config;
    int result = command_configure(program, command, argc, argv, &config, err);
    if (result == 0)
        result = work(program, &config, err);
    else if (result > 0)
        result = 0;
    config_fini(&config);
    return result;
}

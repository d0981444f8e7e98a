// test_commands.c - which command the arguments mean, and what each command hands on: to the
// supervisor, to the interpreter, to the operator. Archive, supervisor and interpreter are fakes.
#include "commands.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "control.h"
#include "supervisor.h"
#include "unit.h"
#include "worker.h"
#include "worker_services.h"

// The archive: its settings, and the path it is found at.
static const char *packed_settings; // NULL: nothing is packed
static const char *own_path = "/srv/limpet";
static struct archive_member settings_member;

const char *archive_path(const struct archive *archive)
{
    (void)archive;
    return own_path;
}

const struct archive_member *archive_find(const struct archive *archive, struct str name)
{
    (void)archive;
    if (packed_settings == NULL || !str_equal(name, STR("limpet/settings")))
        return NULL;
    settings_member.size = strlen(packed_settings);
    return &settings_member;
}

int archive_read(const struct archive *archive, const struct archive_member *member, void *out,
                 struct err *err)
{
    (void)archive;
    if (strcmp(packed_settings, "damaged") == 0)
        return err_set(err, ERR_FAILED, "limpet/settings: wrong checksum");
    memcpy(out, packed_settings, member->size);
    return 0;
}

// What was called, and with what: "serve port=8000 target=shop:app".
static struct buf calls = {.maximum = 1 << 16};

int worker_main(const struct inherit *inherit)
{
    (void)inherit;
    return 0;
}

int worker_services_check(const struct config *config, const struct archive *archive,
                          struct err *err)
{
    (void)config, (void)archive, (void)err;
    return 0;
}

int worker_template_main(const struct inherit *inherit)
{
    return worker_main(inherit);
}

int supervisor_run(const struct supervisor_setup *setup, struct err *err)
{
    buf_printf(&calls, "supervisor %s %d", setup->config->target, (int)setup->config->port);
    CHECK(setup->worker == worker_main && setup->runtime != NULL && setup->archive != NULL);
    if (setup->config->port == 1)
        return err_set(err, ERR_FAILED, "127.0.0.1 port 1: Permission denied");
    return 0;
}

// What servers say to one question after the other where the socket is called "logs"; NULL: they
// have gone.
static const char *const *said;

int control_ask(const char *path, struct str line, struct buf *out, struct err *err)
{
    buf_printf(&calls, "ask %s [%.*s]", path, (int)line.size - 1, line.data);
    CHECK(line.size > 0 && line.data[line.size - 1] == '\n');
    if (strcmp(path, "none") == 0)
        return err_set(err, ERR_FAILED, "no server answers on none");
    if (strcmp(path, "logs") != 0)
        return buf_printf(out, "so it is\n");
    buf_printf(&calls, " ");
    return *said != NULL ? buf_printf(out, "%s", *said++)
                         : err_set(err, ERR_FAILED, "no server answers on logs");
}

static void note_arguments(const char *what, int argc, char **argv)
{
    buf_printf(&calls, "%s", what);
    for (int i = 0; i < argc; i++)
        buf_printf(&calls, " [%s]", argv[i]);
}

static int fake_python(const struct archive *archive, int argc, char **argv)
{
    (void)archive;
    note_arguments("python", argc, argv);
    return 3;
}

static int fake_tool(const struct archive *archive, const char *module, int argc, char **argv)
{
    (void)archive;
    note_arguments(module, argc, argv);
    return 4;
}

static int fake_read_settings(const struct archive *archive, const char *file, const char *table,
                              struct buf *out, struct err *err)
{
    (void)archive;
    if (strstr(file, "bad") != NULL)
        return err_set(err, ERR_USAGE, "%s: line 3: no value", file);
    buf_printf(&calls, "in the child only");
    return buf_printf(out, strcmp(table, "tool.limpet") == 0 ? "port = 7\n" : "port = 6\n");
}

static int fake_start(const struct runtime_setup *setup, char *description, size_t size,
                      struct err *err)
{
    if (strcmp(setup->target, "broken") == 0)
        return err_set(err, ERR_FAILED, "broken: the application failed to import");
    snprintf(description, size, "wsgi %s:app %s %u", setup->target, setup->interface,
             setup->workers);
    return 0;
}

static void fake_stop(void)
{
    _exit(0);
}

static const struct runtime fake_runtime = {
    .name = "fake",
    .read_settings = fake_read_settings,
    .start = fake_start,
    .stop = fake_stop,
    .python = fake_python,
    .tool = fake_tool,
};

// One call of limpet: its end, its output, its errors.
static int status;
static struct err err;
static char output[1 << 16], errors[1 << 14];

static void slurp(FILE *file, char *text, size_t size)
{
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

static int choose_and_run(int argc, char **argv, char **environment)
{
    struct program program;
    int result = program_init(&program, (const struct archive *)(const void *)&settings_member,
                              &fake_runtime, environment, &err);
    const struct command *command =
        result < 0 ? NULL : command_choose(&program, &argc, &argv, &err);
    result = command == NULL ? -1 : command->run(&program, command, argc, argv, &err);
    program_fini(&program);
    return result;
}

static void call(char **environment, char **arguments)
{
    int argc = 0;
    FILE *out = tmpfile(), *errs = tmpfile();
    _close_ int kept_out = dup(STDOUT_FILENO);
    _close_ int kept_err = dup(STDERR_FILENO);
    while (arguments[argc] != NULL)
        argc++;
    fflush(stdout);
    dup2(fileno(out), STDOUT_FILENO);
    dup2(fileno(errs), STDERR_FILENO);
    buf_fini(&calls);
    err = (struct err){.kind = ERR_NONE};
    status = choose_and_run(argc, arguments, environment);
    fflush(stdout);
    dup2(kept_out, STDOUT_FILENO);
    dup2(kept_err, STDERR_FILENO);
    slurp(out, output, sizeof output);
    slurp(errs, errors, sizeof errors);
}

#define CALL(...) call(NULL, (char *[]){__VA_ARGS__, NULL})

#define CHECK_CALLED(expected_status, expected) \
    do {                                        \
        CHECK(status == (expected_status));     \
        CHECK_STR(err.text, "");                \
        CHECK_STR(buf_text(&calls), expected);  \
    } while (0)

#define CHECK_FAILED(expected_kind, expected) \
    do {                                      \
        CHECK(status == -1);                  \
        CHECK(err.kind == (expected_kind));   \
        CHECK_STR(err.text, expected);        \
    } while (0)

static char folder[] = "/tmp/test_commands.XXXXXX";

static char *file_in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file != NULL)
        fclose(file);
    return path;
}

static void test_python_calls(void)
{
    CALL("/usr/bin/python3", "x.py", "--help");
    CHECK_CALLED(3, "python [/usr/bin/python3] [x.py] [--help]");
    CALL("python");
    CHECK_CALLED(3, "python [python]");
    CALL("limpet", "-c", "print()", "serve");
    CHECK_CALLED(3, "python [limpet] [-c] [print()] [serve]");
    CALL("limpet", "-");
    CHECK_CALLED(3, "python [limpet] [-]");
    CALL("limpet", "-V");
    CHECK_CALLED(3, "python [limpet] [-V]");
    CALL("limpet", "python", "-m", "x");
    CHECK_CALLED(3, "python [limpet] [-m] [x]");
    CALL("limpet", "python");
    CHECK_CALLED(3, "python [limpet]");
    char expected[256], *script = file_in_folder("script.py");
    CALL("limpet", script, "a");
    snprintf(expected, sizeof expected, "python [limpet] [%s] [a]", script);
    CHECK_CALLED(3, expected);
    unlink(script);
    CALL("limpet", "/nowhere/script.py");
    CHECK_FAILED(ERR_USAGE, "unknown command \"/nowhere/script.py\" (\"limpet help\" lists the "
                            "commands)");
}

static void test_unknown_commands(void)
{
    CALL("limpet", "srve", "x");
    CHECK_FAILED(ERR_USAGE, "unknown command \"srve\" (did you mean \"serve\"?)");
    CALL("limpet", "frobnicate");
    CHECK_FAILED(ERR_USAGE, "unknown command \"frobnicate\" (\"limpet help\" lists the commands)");
    CALL("limpet", "--port", "1");
    CHECK_FAILED(ERR_USAGE,
                 "no command before --port (write: limpet COMMAND --port; \"limpet help\" "
                 "lists the commands)");
    CALL("limpet");
    CHECK_FAILED(ERR_USAGE, "no command given");
    CHECK_CONTAINS(errors, "usage: limpet COMMAND");
    CHECK_STR(output, "");
}

static void test_help(void)
{
    char *ways[] = {"help", "--help", "-h"};
    for (size_t i = 0; i < UNIT_COUNT(ways); i++) {
        CALL("limpet", ways[i]);
        CHECK_CALLED(0, "");
        CHECK_CONTAINS(output, "usage: limpet COMMAND");
        CHECK_CONTAINS(output, "\n  check      ");
        CHECK_STR(errors, "");
    }
    CALL("limpet", "help", "serve");
    CHECK_CALLED(0, "");
    CHECK_CONTAINS(output, "usage: limpet serve [TARGET] [options]\n\nServe a Python web "
                           "application.\n");
    CHECK_CONTAINS(output, "\n  --port NUMBER ");
    CHECK(strstr(output, "--output") == NULL);
    CALL("limpet", "pack", "--help");
    CHECK_CALLED(0, "");
    CHECK_CONTAINS(output, "usage: limpet pack SRC -o OUT [options]\n");
    CHECK_CONTAINS(output, "\n  --port NUMBER ");
    CHECK_CONTAINS(output, "\n  -o, --output FILE ");
    CALL("limpet", "help", "version");
    CHECK_CALLED(0, "");
    CHECK(strstr(output, "options") == NULL);
    CALL("limpet", "help", "options");
    CHECK_CALLED(0, "");
    CHECK_CONTAINS(output, "| `--port` |");
    CALL("limpet", "help", "srve");
    CHECK_FAILED(ERR_USAGE, "unknown command \"srve\" (did you mean \"serve\"?)");
}

static void test_version(void)
{
    CALL("limpet", "--version");
    CHECK_CALLED(0, "");
    CHECK(strncmp(output, "limpet ", 7) == 0);
    CHECK_CONTAINS(output, "\n  python 3.");
    CHECK(strstr(output, "  limpet") == NULL);
    CALL("limpet", "version", "x");
    CHECK_FAILED(ERR_USAGE, "unexpected argument \"x\": \"limpet version\" takes none");
}

static void test_serve(void)
{
    CALL("limpet", "serve", "shop:app", "--port", "9000");
    CHECK_CALLED(0, "supervisor shop:app 9000");
    CALL("limpet", "serve", "shop:app", "--port", "1");
    CHECK_FAILED(ERR_FAILED, "127.0.0.1 port 1: Permission denied");
    CALL("limpet", "serve");
    CHECK_FAILED(ERR_USAGE, "no application to serve (write: limpet serve module:attr)");
    CALL("limpet", "serve", "shop:app", "--port", "x");
    CHECK_FAILED(ERR_USAGE, "--port x: not a whole number, must be between 0 and 65535");
    CHECK_STR(buf_text(&calls), "");
    CALL("limpet", "serve", "shop:app", "--print-config");
    CHECK_CALLED(0, "");
    CHECK_CONTAINS(output, "target = shop:app                      # command line\n");
    CALL("limpet", "serve", "--help");
    CHECK_CALLED(0, "");
    CHECK_CONTAINS(output, "usage: limpet serve");
    call((char *[]){"LIMPET_PROT=1", "LIMPET_PORT=5", NULL},
         (char *[]){"limpet", "serve", "shop", NULL});
    CHECK_CALLED(0, "supervisor shop 5");
    CHECK_STR(errors,
              "limpet: warning: ignoring LIMPET_PROT: there is no such option (did you mean "
              "LIMPET_PORT?)\n");
}

static void test_settings_files_are_read_in_a_child(void)
{
    char expected[256], *file = file_in_folder("good.toml");
    CALL("limpet", "serve", "shop:app", "--config", file);
    CHECK_CALLED(0, "supervisor shop:app 6");
    unlink(file);
    file = file_in_folder("bad.toml");
    CALL("limpet", "serve", "shop:app", "--config", file);
    snprintf(expected, sizeof expected, "%s: line 3: no value", file);
    CHECK_FAILED(ERR_USAGE, expected);
    CHECK_STR(buf_text(&calls), "");
    unlink(file);
}

static void test_check(void)
{
    CALL("limpet", "check", "shop", "--workers", "3");
    CHECK_CALLED(0, "");
    CHECK_STR(output, "ok: wsgi shop:app auto 3\n");
    CALL("limpet", "check", "broken");
    CHECK_FAILED(ERR_FAILED, "broken: the application failed to import");
    CHECK_STR(output, "");
    CALL("limpet", "check");
    CHECK_FAILED(ERR_USAGE, "no application to check (write: limpet check module:attr)");
}

static void test_inspect(void)
{
    CALL("limpet", "inspect");
    CHECK_CALLED(4, "limpet.inspect");
    CALL("limpet", "inspect", "./shop");
    CHECK_CALLED(4, "limpet.inspect [./shop]");
    CALL("limpet", "inspect", "--help");
    CHECK_CALLED(0, "");
    CHECK_CONTAINS(output, "usage: limpet inspect [FILE]");
}

static void test_status(void)
{
    CALL("limpet", "status", "--control-socket", "s");
    CHECK_CALLED(0, "ask s [status table]");
    CHECK_STR(output, "so it is\n");
    CALL("limpet", "status", "--json", "--control-socket=s");
    CHECK_CALLED(0, "ask s [status json]");
    CALL("limpet", "status", "--control-socket", "none");
    CHECK_FAILED(ERR_FAILED, "no server answers on none");
    CHECK_STR(output, "");
    CALL("limpet", "status");
    CHECK_FAILED(ERR_USAGE, "status needs a server that was started with --control-socket PATH, "
                            "and the same --control-socket PATH here");
    CALL("limpet", "status", "now", "--control-socket", "s");
    CHECK_FAILED(ERR_USAGE, "unexpected argument \"now\": \"limpet status\" takes options only");
    CALL("limpet", "status", "--help");
    CHECK_CALLED(0, "");
    CHECK_CONTAINS(output, "\n  --json ");
    CHECK_CONTAINS(output, "\n  --control-socket PATH ");
}

#define SAID(...)         \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

static void test_logs(void)
{
    said = SAID("70 90 more whole\n3 three\n1 one\n1 another\n2 two\n", "80 95 more whole\n",
                "90 99 more whole\n4 four 4\n-5 odd\n6\n");
    CALL("limpet", "logs", "--control-socket", "logs");
    CHECK_CALLED(0, "ask logs [logs 0 0 any once] ask logs [logs 70 0 any once] "
                    "ask logs [logs 80 0 any once] ");
    CHECK_STR(output, "one\nanother\ntwo\nthree\nodd\nfour 4\n\n");
    CHECK_STR(errors, "");
    said = SAID("70 70 end whole\n");
    CALL("limpet", "logs", "--control-socket", "logs", "--status", "5xx");
    CHECK_CALLED(0, "ask logs [logs 0 0 5xx once] ");
    CHECK_STR(output, "");
}

static void test_logs_since(void)
{
    int64_t before = clock_read(CLOCK_REALTIME) / 1000000, since;
    said = SAID("70 70 end whole\n");
    CALL("limpet", "logs", "--control-socket", "logs", "--since", "5m");
    CHECK(sscanf(buf_text(&calls), "ask logs [logs 0 %" SCNd64 " any once] ", &since) == 1);
    CHECK(since >= before - 300000 && since <= clock_read(CLOCK_REALTIME) / 1000000 - 300000);
}

// Until there is nobody left to ask.
static void test_logs_are_followed(void)
{
    said = SAID("7 9 more whole\n1 one\n", "9 9 end whole\n2 two\n", "9 9 end whole\n",
                "12 12 end overwritten\n5 five\n", "3 3 end renewed\n6 six\n");
    CALL("limpet", "logs", "--control-socket", "logs", "-f");
    CHECK_FAILED(ERR_FAILED, "the log ends here: no server answers on logs");
    CHECK_STR(output, "one\ntwo\nfive\nsix\n");
    CHECK_STR(errors, "limpet: lines were overwritten before they could be read: the server needs "
                      "more --log-memory to keep them for longer\n"
                      "limpet: another server has taken over; what it has logged begins here\n");
    CHECK_STR(buf_text(&calls), "ask logs [logs 0 0 any follow] ask logs [logs 7 0 any follow] "
                                "ask logs [logs 9 0 any follow] ask logs [logs 9 0 any follow] "
                                "ask logs [logs 12 0 any follow] ask logs [logs 3 0 any follow] ");
}

static void test_logs_mistakes(void)
{
    static const char *const answers[] = {
        "",
        "\n",
        "so it is\n",
        "1 2 end\n",
        "1 2 end whole",
        "x 2 end whole\n",
        "1 2 endwithoutend whole\n",
        "1 2 end whole 1 text\n",
    };
    for (size_t i = 0; i < UNIT_COUNT(answers); i++) {
        said = SAID(answers[i]);
        CALL("limpet", "logs", "--control-socket", "logs");
        CHECK_FAILED(ERR_FAILED, "what the server on logs says of its logs is no answer");
        CHECK_STR(output, "");
    }
    CALL("limpet", "logs", "--control-socket", "none", "--follow");
    CHECK_FAILED(ERR_FAILED, "no server answers on none");
    CALL("limpet", "logs");
    CHECK_FAILED(ERR_USAGE, "logs needs a server that was started with --control-socket PATH, and "
                            "the same --control-socket PATH here");
    CALL("limpet", "logs", "--control-socket", "s", "--status", "6xx");
    CHECK_FAILED(ERR_USAGE, "--status 6xx: must be a status (404) or a class of them (5xx)");
    CALL("limpet", "ctl", "logs", "--control-socket", "s");
    CHECK_FAILED(ERR_USAGE, "ctl: logs is a command of its own (write: limpet logs)");
    CHECK_STR(buf_text(&calls), "");
}

static void test_ctl(void)
{
    CALL("limpet", "ctl", "reload", "--control-socket", "s");
    CHECK_CALLED(0, "ask s [reload]");
    CHECK_STR(output, "so it is\n");
    CALL("limpet", "ctl", "--control-socket", "s", "scale", "4");
    CHECK_CALLED(0, "ask s [scale 4]");
    CALL("limpet", "ctl", "stop", "--control-socket", "none");
    CHECK_FAILED(ERR_FAILED, "no server answers on none");
    CALL("limpet", "ctl", "restart");
    CHECK_FAILED(ERR_USAGE, "ctl needs a server that was started with --control-socket PATH, and "
                            "the same --control-socket PATH here");
    // What is no request never leaves.
    CALL("limpet", "ctl", "--control-socket", "s");
    CHECK_FAILED(ERR_USAGE, "nothing to do (write: limpet ctl reload|restart|stop|scale N)");
    CALL("limpet", "ctl", "relaod", "--control-socket", "s");
    CHECK_FAILED(ERR_USAGE, "ctl: unknown request \"relaod\" (did you mean \"reload\"?)");
    CALL("limpet", "ctl", "scale", "--control-socket", "s");
    CHECK_FAILED(ERR_USAGE, "ctl: scale needs a number of workers");
    CALL("limpet", "ctl", "scale", "0", "--control-socket", "s");
    CHECK_FAILED(ERR_USAGE, "ctl: scale 0: the number of workers must be between 1 and 512");
    CALL("limpet", "ctl", "stop\nstop", "--control-socket", "s");
    CHECK_FAILED(ERR_USAGE, "ctl: more than one line");
    CALL("limpet", "ctl", "status", "table", "--control-socket", "s");
    CHECK_FAILED(ERR_USAGE, "ctl: status is a command of its own (write: limpet status)");
    CHECK_STR(buf_text(&calls), "");
}

static void test_pack(void)
{
    char expected[512];
    CALL("limpet", "pack", "src", "-o", "shop");
    CHECK_CALLED(4, "limpet.pack [src] [--output] [shop] [--settings] []");
    CALL("limpet", "pack", "src", "-o", "shop", "--app", "a:b", "--with", "x", "--with", "y",
         "--requirements", "r", "--host", "::");
    CHECK_CALLED(4, "limpet.pack [src] [--output] [shop] [--app] [a:b] [--with] [x] [--with] [y] "
                    "[--requirements] [r] [--settings] [host = ::\n]");
    char *project = file_in_folder("pyproject.toml");
    CALL("limpet", "pack", folder, "-o", "shop", "--uds", "u");
    snprintf(expected, sizeof expected,
             "limpet.pack [%s] [--output] [shop] [--settings] [port = 7\nuds = u\n]", folder);
    CHECK_CALLED(4, expected);
    unlink(project);
    CALL("limpet", "pack");
    CHECK_FAILED(ERR_USAGE, "nothing to pack (write: limpet pack SRC -o OUT)");
    CALL("limpet", "pack", "src");
    CHECK_FAILED(ERR_USAGE, "no name for the binary (write: limpet pack src -o OUT)");
}

static void test_install(void)
{
    CALL("limpet", "install");
    CHECK_FAILED(ERR_USAGE,
                 "there is no application in this binary to install: only packed ones can be "
                 "(write: limpet pack SRC -o shop, and then ./shop install)");
    CALL("limpet", "uninstall", "--dry-run");
    CHECK_FAILED(ERR_USAGE,
                 "there is no application in this binary to uninstall: only packed ones can "
                 "be (write: limpet pack SRC -o shop, and then ./shop uninstall)");
    packed_settings = "target = shop:app\nbacklog = 77\nworkers = 3\n";
    own_path = "/srv/shop";
    CALL("./shop", "uninstall");
    CHECK_CALLED(4, "limpet.uninstall [shop]");
    CALL("./shop", "uninstall", "--dry-run");
    CHECK_CALLED(4, "limpet.uninstall [shop] [--dry-run]");
    // What is given becomes the unit's, what is packed stays where it is.
    CALL("./shop", "install", "--workers", "2", "--preload", "--no-compress", "--listen", ":80",
         "--listen", "unix:/run/s", "--dry-run");
    CHECK_CONTAINS(
        buf_text(&calls),
        "limpet.install [shop] [--listen=:80\n--listen=unix:/run/s\n--workers=2\n--preload\n"
        "--no-compress\n] [");
    CHECK_CONTAINS(buf_text(&calls), "\nworkers = 2\n");
    CHECK_CONTAINS(buf_text(&calls), "\nbacklog = 77\n");
    CHECK_CONTAINS(buf_text(&calls), "] [--dry-run]");
    CALL("./shop", "install", "--worker", "2");
    CHECK_FAILED(ERR_USAGE, "unknown option --worker (did you mean --workers?)");
    CALL("./shop", "install", "--workers", "0");
    CHECK_FAILED(ERR_USAGE, "--workers 0: must be between 1 and 512, or auto");
    CALL("./shop", "install", "other:app");
    CHECK_FAILED(ERR_USAGE,
                 "unexpected argument \"other:app\": \"shop install\" takes options only");
    CALL("./shop", "uninstall", "--workers", "2");
    CHECK_FAILED(ERR_USAGE, "--workers is an option of \"shop serve\", not of \"shop uninstall\"");
    CHECK_STR(buf_text(&calls), "");
    packed_settings = NULL;
    own_path = "/srv/limpet";
}

static void test_a_packed_binary(void)
{
    packed_settings = "target = shop:app\nport = 80\n";
    own_path = "/srv/shop";
    CALL("./shop");
    CHECK_CALLED(0, "supervisor shop:app 80");
    CALL("./shop", "--port", "9000");
    CHECK_CALLED(0, "supervisor shop:app 9000");
    CALL("./shop", "serve", "--port", "9000");
    CHECK_CALLED(0, "supervisor shop:app 9000");
    CALL("./shop", "other:app");
    CHECK_CALLED(0, "supervisor other:app 80");
    CALL("./shop", "-c", "x");
    CHECK_CALLED(3, "python [./shop] [-c] [x]");
    CALL("./shop", "python", "manage.py");
    CHECK_CALLED(3, "python [./shop] [manage.py]");
    CALL("./shop", "check", "--workers", "2");
    CHECK_CALLED(0, "");
    CHECK_STR(output, "ok: wsgi shop:app:app auto 2\n");
    packed_settings = "target = shop:app\nport = 80\ncontrol-socket = /run/shop.ctl\n";
    CALL("./shop", "status");
    CHECK_CALLED(0, "ask /run/shop.ctl [status table]");
    CALL("./shop", "ctl", "stop", "--control-socket", "s");
    CHECK_CALLED(0, "ask s [stop]");
    CALL("./shop", "srve");
    CHECK_FAILED(ERR_USAGE, "unknown command \"srve\" (did you mean \"serve\"?)");
    CALL("./shop", "--prot", "1");
    CHECK_FAILED(ERR_USAGE, "unknown option --prot (did you mean --port?)");
    CALL("./shop", "--nonsense");
    CHECK_FAILED(ERR_USAGE, "unknown option --nonsense (\"shop help serve\" lists the options)");
    CALL("./shop", "help");
    CHECK_CONTAINS(output, "usage: shop COMMAND");
    // pack takes nothing of what is packed here.
    CALL("./shop", "pack", "src", "-o", "x");
    CHECK_CALLED(4, "limpet.pack [src] [--output] [x] [--settings] []");
    packed_settings = "port = x";
    CALL("./shop");
    CHECK_FAILED(ERR_USAGE,
                 "packed settings: port = x: not a whole number, must be between 0 and 65535");
    packed_settings = "damaged";
    CALL("./shop");
    CHECK_FAILED(ERR_FAILED, "limpet/settings: wrong checksum");
    packed_settings = "";
    CALL("./shop");
    CHECK_FAILED(ERR_USAGE, "no application to serve (write: shop serve module:attr)");
    packed_settings = NULL;
    own_path = "/srv/limpet";
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_python_calls),
    UNIT_CASE(test_unknown_commands),
    UNIT_CASE(test_help),
    UNIT_CASE(test_version),
    UNIT_CASE(test_serve),
    UNIT_CASE(test_settings_files_are_read_in_a_child),
    UNIT_CASE(test_check),
    UNIT_CASE(test_inspect),
    UNIT_CASE(test_status),
    UNIT_CASE(test_ctl),
    UNIT_CASE(test_logs),
    UNIT_CASE(test_logs_since),
    UNIT_CASE(test_logs_are_followed),
    UNIT_CASE(test_logs_mistakes),
    UNIT_CASE(test_pack),
    UNIT_CASE(test_install),
    UNIT_CASE(test_a_packed_binary),
};

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    int result = unit_main("commands", cases, UNIT_COUNT(cases));
    buf_fini(&calls);
    rmdir(folder);
    return result;
}

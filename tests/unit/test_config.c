// test_config.c - the layers of a configuration: their order, every error text, --print-config, and
// what pack stores.
#include "config_input.h"

static void test_defaults(void)
{
    READ();
    CHECK_READ();
    CHECK(config.target == NULL);
    CHECK_STR(config.host, "127.0.0.1");
    CHECK(config.port == 8000);
    CHECK(config.uds == NULL);
    CHECK(config.listen.count == 0);
    CHECK(config.backlog == 1024 && config.backpressure == 10000 && config.http1_keep_alive);
    CHECK_STR(config.interface.name, "auto");
    CHECK(config.interface.index == 0);
    CHECK(config.working_dir == NULL);
    CHECK(config.graceful_timeout == 30000);
    CHECK_STR(config.log_level.name, "info");
    CHECK(config.log_level.index == 2);
    CHECK(config.config_file == NULL && !config.print_config && !config.help);
    CHECK(config.workers == cgroup_workers(cgroup_processors(), cgroup_memory()));
    CHECK_STR(asked_file, "");
    CHECK_STR(buf_text(&config.warnings), "");
}

static void test_where_metrics_are(void)
{
    READ();
    CHECK(config.metrics == NULL);
    CHECK_STR(config.health_live, "/health/live");
    CHECK_STR(config.health_ready, "/health/ready");
    READ(ARGUMENTS("--metrics", "shop:app"));
    CHECK_READ();
    CHECK_STR(config.metrics, "127.0.0.1:9090");
    CHECK_STR(config.target, "shop:app");
    READ(ARGUMENTS("shop:app", "--metrics"));
    CHECK_STR(config.metrics, "127.0.0.1:9090");
    READ(ARGUMENTS("--metrics", "[::1]:9100", "shop:app"));
    CHECK_STR(config.metrics, "[::1]:9100");
    READ(ARGUMENTS("--metrics", "/figures", "shop:app", "--health-live", "off"));
    CHECK_STR(config.metrics, "/figures");
    CHECK_STR(config.target, "shop:app");
    CHECK_STR(config.health_live, "off");
}

static void test_command_line_forms(void)
{
    READ(ARGUMENTS("shop:app", "--port", "9000", "--host=::1", "--graceful-timeout=1h30m",
                   "--log-level", "debug", "--print-config", "--workers", "4"));
    CHECK_READ();
    CHECK_STR(config.target, "shop:app");
    CHECK(config.port == 9000);
    CHECK_STR(config.host, "::1");
    CHECK(config.graceful_timeout == 5400000);
    CHECK(config.log_level.index == 3);
    CHECK(config.print_config);
    CHECK(config.workers == 4);
    READ(ARGUMENTS("--print-config", "--no-print-config", "--port", "1", "--port=2", "--uds=a=b"));
    CHECK_READ();
    CHECK(!config.print_config);
    CHECK(config.port == 2);
    CHECK_STR(config.uds, "a=b");
    READ(ARGUMENTS("--target", "shop:app"));
    CHECK_STR(config.target, "shop:app");
    READ(ARGUMENTS("--", "--port"));
    CHECK_STR(config.target, "--port");
    READ(ARGUMENTS("--uds=--x", "-"));
    CHECK_STR(config.uds, "--x");
    CHECK_STR(config.target, "-");
}

static void test_help_ends_the_reading(void)
{
    READ(ARGUMENTS("-h", "--nonsense"), ENVIRONMENT("LIMPET_PORT=x"));
    CHECK_READ();
    CHECK(config.help);
    READ(ARGUMENTS("--port", "1", "--help"), .packed = "port = x");
    CHECK_READ();
    CHECK(config.help);
}

// Unless it was said how many, wherever that was.
static void test_reload_has_one_worker(void)
{
    READ(ARGUMENTS("app"));
    CHECK(!config.reload);
    READ(ARGUMENTS("app", "--reload"));
    CHECK_READ();
    CHECK(config.reload && config.workers == 1);
    CHECK(config.settings[CONFIG_OPTION_workers].source == CONFIG_DEFAULT);
    READ(ARGUMENTS("app", "--reload", "--workers", "4"));
    CHECK(config.workers == 4);
    READ(ARGUMENTS("app"), ENVIRONMENT("LIMPET_RELOAD=1", "LIMPET_WORKERS=3"));
    CHECK(config.reload && config.workers == 3);
    // What is packed does not change.
    READ(.scope = SCOPE_PACK, ARGUMENTS("shop", "--reload"));
    CHECK_REFUSED("--reload is an option of \"limpet serve\", not of \"limpet pack\"");
}

static void test_auto_is_a_number_of_workers(void)
{
    char expected[64];
    READ(ARGUMENTS("--workers", "3"));
    CHECK_STR(config.settings[CONFIG_OPTION_workers].text, "3");
    CHECK(strstr(printed(SCOPE_SERVE), " here)") == NULL);
    READ(ARGUMENTS("--workers", "auto"), ENVIRONMENT("LIMPET_WORKERS=3"));
    CHECK_READ();
    CHECK(config.workers == cgroup_workers(cgroup_processors(), cgroup_memory()));
    CHECK_STR(config.settings[CONFIG_OPTION_workers].text, "auto");
    snprintf(expected, sizeof expected, "# command line (%d here)\n", (int)config.workers);
    CHECK_CONTAINS(printed(SCOPE_SERVE), expected);
}

static void test_whom_processes_run_as(void)
{
    READ(ARGUMENTS("--user", "shop", "--group=www-data", "--umask", "027", "--process-name",
                   "/srv/shop", "--pid-file", "/run/shop.pid"));
    CHECK_READ();
    CHECK_STR(config.user, "shop");
    CHECK_STR(config.group, "www-data");
    CHECK_STR(config.umask, "027");
    CHECK_STR(config.process_name, "/srv/shop");
    CHECK_STR(config.pid_file, "/run/shop.pid");
    READ(ARGUMENTS("--umask", "1000"));
    CHECK_REFUSED("--umask 1000: must be octal, between 0 and 0777 (write 027)");
    READ(ARGUMENTS("--process-name", "a\x1b[2J"));
    CHECK_REFUSED("--process-name a\x1b[2J: must not have control characters");
    READ(.packed = "process-name = shop\n", ARGUMENTS("--process-name", ""));
    CHECK_READ();
    CHECK(config.process_name == NULL);
}

static void test_precedence(void)
{
    const char *file = file_in_folder("shop.toml");
    READ(.packed = "port = 1\n");
    CHECK(config.port == 1);
    READ(.packed = "port = 1\n", .file = "port = 2\n", ARGUMENTS("--config", file));
    CHECK_READ();
    CHECK(config.port == 2);
    CHECK_STR(asked_file, file);
    CHECK_STR(asked_table, "");
    READ(.packed = "port = 1\n", .file = "port = 2\n", ARGUMENTS("--config", file),
         ENVIRONMENT("LIMPET_PORT=3"));
    CHECK(config.port == 3);
    READ(.packed = "port = 1\n", .file = "port = 2\n", ARGUMENTS("--config", file, "--port", "4"),
         ENVIRONMENT("LIMPET_PORT=3"));
    CHECK(config.port == 4);
    CHECK(config.settings[CONFIG_OPTION_port].source == CONFIG_COMMAND_LINE);
    READ(.packed = "target = a\n", .file = "target = b\n", ARGUMENTS("--config", file));
    CHECK_STR(config.target, "b");
    READ(.packed = "target = a\n", .file = "target = b\n", ARGUMENTS("--config", file),
         ENVIRONMENT("LIMPET_TARGET=c"));
    CHECK_STR(config.target, "c");
    READ(.packed = "target = a\n", ARGUMENTS("d"), ENVIRONMENT("LIMPET_TARGET=c"));
    CHECK_STR(config.target, "d");
}

static void test_the_file_may_be_named_anywhere(void)
{
    char packed[256], variable[256];
    const char *file = file_in_folder("shop.toml");
    snprintf(packed, sizeof packed, "config = %s", file);
    READ(.packed = packed, .file = "port = 2\n");
    CHECK_READ();
    CHECK(config.port == 2);
    CHECK_STR(asked_file, file);
    snprintf(variable, sizeof variable, "LIMPET_CONFIG=%s", file);
    READ(.packed = "config = /nowhere.toml", .file = "port = 2\n", ENVIRONMENT(variable));
    CHECK_READ();
    CHECK(config.port == 2);
    READ(.packed = "config = /nowhere.toml", .file = "port = 2\n", ARGUMENTS("--config", ""));
    CHECK_READ();
    CHECK(config.port == 8000);
    CHECK_STR(asked_file, "");
}

static void test_empty_undoes_and_empty_variables_are_unset(void)
{
    READ(.packed = "uds = /run/shop.sock", ARGUMENTS("--uds", ""));
    CHECK_READ();
    CHECK(config.uds == NULL);
    READ(.packed = "uds = /run/shop.sock\nport = 5", ENVIRONMENT("LIMPET_UDS=", "LIMPET_PORT="));
    CHECK_READ();
    CHECK_STR(config.uds, "/run/shop.sock");
    CHECK(config.port == 5);
}

static void test_unknown_arguments(void)
{
    READ(ARGUMENTS("--prot", "1"));
    CHECK_REFUSED("unknown option --prot (did you mean --port?)");
    READ(ARGUMENTS("--log_level=info"));
    CHECK_REFUSED("unknown option --log_level (did you mean --log-level?)");
    READ(ARGUMENTS("--frobnicate"));
    CHECK_REFUSED("unknown option --frobnicate (\"limpet help serve\" lists the options)");
    READ(ARGUMENTS("--"));
    CHECK_READ();
    READ(ARGUMENTS("--output", "shop"));
    CHECK_REFUSED("--output is an option of \"limpet pack\", not of \"limpet serve\"");
    READ(.scope = SCOPE_INSPECT, ARGUMENTS("--port", "1"));
    CHECK_REFUSED("--port is an option of \"limpet serve\", not of \"limpet inspect\"");
    READ(ARGUMENTS("-p", "1"));
    CHECK_REFUSED("unknown option -p (\"limpet help serve\" lists the options)");
    READ(ARGUMENTS("-o", "shop"));
    CHECK_REFUSED("unknown option -o (\"limpet help serve\" lists the options)");
    READ(ARGUMENTS("-hx"));
    CHECK_REFUSED("unknown option -hx (\"limpet help serve\" lists the options)");
    READ(ARGUMENTS("--no-port"));
    CHECK_REFUSED("--no-port: --port is not a switch, it takes a value");
}

// status and ctl look for a server by settings that were written for it.
static void test_settings_of_the_server_that_is_looked_for(void)
{
    const char *file = file_in_folder("shop.toml");
    char config_line[192];
    READ(.scope = SCOPE_STATUS, .packed = "port = x\ntarget = a:b\ncontrol-socket = /run/packed\n");
    CHECK_READ();
    CHECK_STR(config.control_socket, "/run/packed");
    CHECK(config.port == 8000 && config.target == NULL);
    snprintf(config_line, sizeof config_line, "config = %s\ncontrol-socket = /run/packed\n", file);
    READ(.scope = SCOPE_CTL, .packed = config_line,
         .file = "listen = a\nlisten = b\ncontrol-socket = /run/file\n", ARGUMENTS("stop"));
    CHECK_READ();
    CHECK_STR(config.control_socket, "/run/file");
    READ(.scope = SCOPE_STATUS, .packed = config_line, .file = "control-socket = /run/file\n",
         ENVIRONMENT("LIMPET_CONTROL_SOCKET=/run/variable", "LIMPET_PORT=x"));
    CHECK_READ();
    CHECK_STR(config.control_socket, "/run/variable");
    READ(.scope = SCOPE_STATUS, ARGUMENTS("--control-socket", "/run/argument", "--json"),
         ENVIRONMENT("LIMPET_CONTROL_SOCKET=/run/variable"));
    CHECK_READ();
    CHECK_STR(config.control_socket, "/run/argument");
    CHECK(config.json);
    // What serve would not know either.
    READ(.scope = SCOPE_STATUS, .packed = "control-sockt = /run/packed");
    CHECK_REFUSED("packed settings: unknown key \"control-sockt\" (did you mean "
                  "\"control-socket\"?)");
    READ(.scope = SCOPE_STATUS, .packed = "output = x");
    CHECK_REFUSED("packed settings: \"output\" is no setting of \"limpet status\"");
    READ(.scope = SCOPE_STATUS, ARGUMENTS("--port", "1"));
    CHECK_REFUSED("--port is an option of \"limpet serve\", not of \"limpet status\"");
    READ(ARGUMENTS("--json"));
    CHECK_REFUSED("--json is an option of \"limpet status\", not of \"limpet serve\"");
}

static void test_words_of_ctl(void)
{
    READ(.scope = SCOPE_CTL, ARGUMENTS("scale", "--control-socket", "s", "4"));
    CHECK_READ();
    CHECK(config.word_count == 2 && config.target == NULL);
    CHECK_STR(config.words[0], "scale");
    CHECK_STR(config.words[1], "4");
    READ(.scope = SCOPE_CTL, ARGUMENTS("scale", "4", "5"));
    CHECK_REFUSED("unexpected argument \"5\" (\"limpet help ctl\" says what there may be)");
    READ(.scope = SCOPE_CTL, .packed = "");
    CHECK_READ();
    CHECK(config.word_count == 0);
}

static void test_wrong_arguments(void)
{
    READ(ARGUMENTS("--port"));
    CHECK_REFUSED("--port needs a value (write --port NUMBER)");
    READ(ARGUMENTS("--log-level"));
    CHECK_REFUSED("--log-level needs a value (write --log-level error|warning|info|debug)");
    READ(ARGUMENTS("--uds", "--port", "1"));
    CHECK_REFUSED("--uds needs a value before --port (write --uds=VALUE if that is the value)");
    READ(ARGUMENTS("--print-config=yes"));
    CHECK_REFUSED("--print-config takes no value (write --print-config or --no-print-config)");
    READ(ARGUMENTS("a", "b"));
    CHECK_REFUSED(
        "unexpected argument \"b\": \"limpet serve\" takes one TARGET, and that is \"a\"");
    READ(ARGUMENTS(""));
    CHECK_REFUSED("TARGET is empty");
    READ(ARGUMENTS("a\nb"));
    CHECK_REFUSED("TARGET a b: a newline in the value (it must be a single line)");
}

static void test_no_positional(void)
{
    char *arguments[] = {(char[]){"x"}};
    struct config_request request = {.scope = SCOPE_SERVE,
                                     .program = "limpet",
                                     .command = "serve",
                                     .argc = 1,
                                     .argv = arguments,
                                     .packed = STR("")};
    config_fini(&config);
    result = config_read(&config, &request, &err);
    CHECK_REFUSED("unexpected argument \"x\": \"limpet serve\" takes options only");
}

static void test_bad_values(void)
{
    READ(ARGUMENTS("--port", "70000"));
    CHECK_REFUSED("--port 70000: must be between 0 and 65535");
    READ(ARGUMENTS("--port=-1"));
    CHECK_REFUSED("--port -1: must be between 0 and 65535");
    READ(ARGUMENTS("--port", "http"));
    CHECK_REFUSED("--port http: not a whole number, must be between 0 and 65535");
    READ(ARGUMENTS("--port", ""));
    CHECK_REFUSED("--port \"\": not a whole number, must be between 0 and 65535");
    READ(ARGUMENTS("--workers", "0"));
    CHECK_REFUSED("--workers 0: must be between 1 and 512, or auto");
    READ(ARGUMENTS("--workers", "many"));
    CHECK_REFUSED("--workers many: not a whole number, must be between 1 and 512, or auto");
    READ(ARGUMENTS("--graceful-timeout", "5x"));
    CHECK_REFUSED("--graceful-timeout 5x: not a duration as 30, 30s, 1h30m or 500ms, must be "
                  "between 0s and 1d");
    READ(ARGUMENTS("--graceful-timeout", "25h"));
    CHECK_REFUSED("--graceful-timeout 25h: must be between 0s and 1d");
    READ(ARGUMENTS("--interface", "uwsgi"));
    CHECK_REFUSED("--interface uwsgi: must be one of auto, wsgi, asgi, rsgi (did you mean wsgi?)");
    READ(ARGUMENTS("--log-level", "loud"));
    CHECK_REFUSED("--log-level loud: must be one of error, warning, info, debug");
    READ(ARGUMENTS("--host", ""));
    CHECK_REFUSED("--host \"\": must not be empty");
    READ(ARGUMENTS("--host", "a\nb"));
    CHECK_REFUSED("--host a b: a newline in the value (it must be a single line)");
    READ(ARGUMENTS("--uds", " x"));
    CHECK_REFUSED("--uds  x: a blank at the start or the end of the value");
    READ(ENVIRONMENT("LIMPET_UDS=x\t"));
    CHECK_REFUSED("LIMPET_UDS=x\t: a blank at the start or the end of the value");
    // Checked even where a stronger source overrides it.
    READ(ARGUMENTS("--port", "1"), ENVIRONMENT("LIMPET_PORT=70000"));
    CHECK_REFUSED("LIMPET_PORT=70000: must be between 0 and 65535");
    READ(ENVIRONMENT("LIMPET_PRINT_CONFIG=maybe"));
    CHECK_REFUSED("LIMPET_PRINT_CONFIG=maybe: must be true or false");
}

static void test_the_ends_of_a_range(void)
{
    READ(ARGUMENTS("--port", "65535", "--workers", "512", "--graceful-timeout", "24h"));
    CHECK_READ();
    CHECK(config.port == 65535 && config.workers == 512 && config.graceful_timeout == 86400000);
    READ(ARGUMENTS("--port", "0", "--workers", "1", "--graceful-timeout", "0"));
    CHECK_READ();
    CHECK(config.port == 0 && config.workers == 1 && config.graceful_timeout == 0);
    READ(ARGUMENTS("--port", "65536"));
    CHECK_REFUSED("--port 65536: must be between 0 and 65535");
    READ(ARGUMENTS("--workers", "513"));
    CHECK_REFUSED("--workers 513: must be between 1 and 512, or auto");
    READ(ARGUMENTS("--graceful-timeout", "86400001ms"));
    CHECK_REFUSED("--graceful-timeout 86400001ms: must be between 0s and 1d");
}

static void test_a_stronger_source_replaces_a_list(void)
{
    const struct config_option *with = &config_options[CONFIG_OPTION_with];
    READ();
    CHECK(config_set(&config, with, CONFIG_PROJECT, "a", &err) == 0);
    CHECK(config_set(&config, with, CONFIG_PROJECT, "b", &err) == 0);
    CHECK(config.with.count == 2);
    CHECK(config_set(&config, with, CONFIG_COMMAND_LINE, "c", &err) == 0);
    CHECK(config_set(&config, with, CONFIG_PROJECT, "d", &err) == 0);
    CHECK(config.with.count == 1);
    if (config.with.count == 1)
        CHECK_STR(config.with.items[0], "c");
}

static void test_a_long_value_is_refused(void)
{
    static char text[1 << 15];
    memset(text, 'x', sizeof text - 1);
    READ(ARGUMENTS("--uds", text));
    CHECK(result == -1);
    CHECK_CONTAINS(err.text, ": longer than 16384 bytes");
}

static void test_environment(void)
{
    READ(ENVIRONMENT("LIMPET_LOG_LEVEL=error", "LIMPET_PRINT_CONFIG=yes", "PATH=/bin",
                     "LIMPET_CACHE=x", "LIMPET_SOURCES=y"));
    CHECK_READ();
    CHECK(config.log_level.index == 0);
    CHECK(config.print_config);
    CHECK_STR(buf_text(&config.warnings), "");
    READ(ENVIRONMENT("LIMPET_OUTPUT=x", "LIMPET_WITH=y"));
    CHECK_READ();
    CHECK_STR(buf_text(&config.warnings), "");
    READ(ENVIRONMENT("LIMPET_PROT=1", "LIMPET_NONSENSE=2", "LIMPET_log_level=debug",
                     "LIMPET_LOG-LEVEL=debug", "LIMPET_HELP=1"));
    CHECK_READ();
    CHECK(config.log_level.index == 2 && !config.help);
    CHECK_STR(buf_text(&config.warnings),
              "ignoring LIMPET_PROT: there is no such option (did you mean LIMPET_PORT?)\n"
              "ignoring LIMPET_NONSENSE: there is no such option\n"
              "ignoring LIMPET_log_level: there is no such option (did you mean "
              "LIMPET_LOG_LEVEL?)\n"
              "ignoring LIMPET_LOG-LEVEL: there is no such option (did you mean "
              "LIMPET_LOG_LEVEL?)\n"
              "ignoring LIMPET_HELP: there is no such option\n");
}

static void test_packed_settings(void)
{
    READ(.packed = "# made by pack\n\ntarget = shop:app\n log-level=debug \r\n");
    CHECK_READ();
    CHECK_STR(config.target, "shop:app");
    CHECK(config.log_level.index == 3);
    READ(.packed = "port = 1\nnonsense\n");
    CHECK_REFUSED("packed settings: line 2: no \"=\" in it (write: key = value)");
    READ(.packed = "port = x");
    CHECK_REFUSED("packed settings: port = x: not a whole number, must be between 0 and 65535");
    READ(.packed = "config = /nowhere/shop.toml");
    CHECK_FAILED(ERR_FAILED,
                 "packed settings: config = /nowhere/shop.toml: No such file or directory");
}

static void test_file_errors(void)
{
    const char *file = file_in_folder("shop.toml");
    char expected[512];
#define CHECK_FILE_REFUSED(lines, text)                            \
    do {                                                           \
        READ(.file = lines, ARGUMENTS("--config", file));          \
        snprintf(expected, sizeof expected, "%s: %s", file, text); \
        CHECK_REFUSED(expected);                                   \
    } while (0)
    CHECK_FILE_REFUSED("port = 70000", "port = 70000: must be between 0 and 65535");
    CHECK_FILE_REFUSED("prot = 1", "unknown key \"prot\" (did you mean \"port\"?)");
    CHECK_FILE_REFUSED("frobnicate = 1",
                       "unknown key \"frobnicate\" (\"limpet help options\" lists them)");
    CHECK_FILE_REFUSED("server.port = 1",
                       "unknown key \"server.port\" (\"limpet help options\" lists them)");
    CHECK_FILE_REFUSED("output = x", "\"output\" is no setting of \"limpet serve\"");
    CHECK_FILE_REFUSED("print-config = true",
                       "\"print-config\" cannot be set here (give --print-config)");
    CHECK_FILE_REFUSED("config = x", "\"config\" cannot be set here (give --config)");
    CHECK_FILE_REFUSED("host = a\nhost = b", "\"host\" has several values, and takes one");
    CHECK_FILE_REFUSED("host =", "host = \"\": must not be empty");
    READ(ARGUMENTS("--config", "/nowhere/shop.toml"));
    CHECK_FAILED(ERR_FAILED, "--config /nowhere/shop.toml: No such file or directory");
    READ(ENVIRONMENT("LIMPET_CONFIG=/nowhere/shop.toml"));
    CHECK_FAILED(ERR_FAILED, "LIMPET_CONFIG=/nowhere/shop.toml: No such file or directory");
    READ(.fails = "shop.toml: line 3: no value", ARGUMENTS("--config", file));
    CHECK(result == -1 && err.kind == ERR_FAILED);
    CHECK_STR(err.text, "shop.toml: line 3: no value");
}

static void test_pack(void)
{
    READ(.scope = SCOPE_PACK, ARGUMENTS("src", "-o", "shop", "--app=shop:app", "--with", "a",
                                        "--with", "b", "--requirements", "r.txt"));
    CHECK_READ();
    CHECK_STR(config.target, "src");
    CHECK_STR(config.output, "shop");
    CHECK_STR(config.app, "shop:app");
    CHECK_STR(config.requirements, "r.txt");
    CHECK(config.with.count == 2);
    if (config.with.count == 2) {
        CHECK_STR(config.with.items[0], "a");
        CHECK_STR(config.with.items[1], "b");
    }
    CHECK_STR(stored(), "");
    READ(.scope = SCOPE_PACK, ARGUMENTS("src", "-oshop", "--port", "9000"),
         ENVIRONMENT("LIMPET_APP=a:b", "LIMPET_PORT=1", "LIMPET_TARGET=x", "LIMPET_HOST=h"));
    CHECK_READ();
    CHECK_STR(config.output, "shop");
    CHECK_STR(config.app, "a:b");
    CHECK_STR(config.target, "src");
    CHECK_STR(stored(), "port = 9000\n");
    READ(.scope = SCOPE_PACK, ARGUMENTS("--with", ""));
    CHECK_REFUSED("--with \"\": must not be empty");
    READ(.scope = SCOPE_PACK, ARGUMENTS("src", "-o"));
    CHECK_REFUSED("--output needs a value (write --output FILE)");
}

static void test_pack_reads_the_project(void)
{
    char project[128], expected[256];
    snprintf(project, sizeof project, "%s", file_in_folder("pyproject.toml"));
    READ(.scope = SCOPE_PACK,
         ARGUMENTS(folder, "--port", "9000", "--graceful-timeout", "90", "--config",
                   "/etc/shop.toml", "--workers", "auto", "--uds", ""),
         ENVIRONMENT("LIMPET_HOST=10.0.0.1"),
         .file = "port = 1\nhost = ::\nwith = vendor\nwith = /opt/more\noutput = shop\n");
    CHECK_READ();
    CHECK_STR(asked_file, project);
    CHECK_STR(asked_table, "tool.limpet");
    CHECK(config.with.count == 2);
    if (config.with.count == 2) {
        snprintf(expected, sizeof expected, "%s/vendor", folder);
        CHECK_STR(config.with.items[0], expected);
        CHECK_STR(config.with.items[1], "/opt/more");
    }
    snprintf(expected, sizeof expected, "%s/shop", folder);
    CHECK_STR(config.output, expected);
    CHECK_STR(stored(), "host = ::\nport = 9000\nuds = \nworkers = auto\n"
                        "graceful-timeout = 1m30s\nconfig = /etc/shop.toml\n");
    READ(.scope = SCOPE_PACK, ARGUMENTS(folder, "--with", "mine"), .file = "with = theirs\n");
    CHECK(config.with.count == 1);
    if (config.with.count == 1)
        CHECK_STR(config.with.items[0], "mine");
    READ(.scope = SCOPE_PACK, ARGUMENTS(folder), .file = "target = shop:app\n");
    snprintf(expected, sizeof expected, "%s: \"target\" is no setting of \"limpet pack\"", project);
    CHECK_REFUSED(expected);
    READ(.scope = SCOPE_PACK, ARGUMENTS("/nowhere"));
    CHECK_READ();
    CHECK_STR(asked_file, "");
    unlink(project);
}

static void test_what_pack_stores_reads_back(void)
{
    READ(.scope = SCOPE_PACK, ARGUMENTS("src", "--port", "9000", "--uds", "# a \"b\" = c",
                                        "--workers", "auto", "--log-level", "debug"));
    _free_ char *text = strdup(stored());
    READ(.packed = text);
    CHECK_READ();
    CHECK(config.port == 9000);
    CHECK_STR(config.uds, "# a \"b\" = c");
    CHECK_STR(config.settings[CONFIG_OPTION_workers].text, "auto");
    CHECK(config.log_level.index == 3);
    READ(.scope = SCOPE_PACK, .packed = "host = a", ENVIRONMENT("LIMPET_PORT=1"),
         ARGUMENTS("src", "--workers", "2"));
    CHECK_STR(stored(), "workers = 2\n");
}

static void test_print_config(void)
{
    char expected[1024];
    const char *file = file_in_folder("shop.toml");
    READ(.packed = "target = shop:app\n", .file = "graceful-timeout = 90\n",
         ARGUMENTS("--port", "9000", "--config", file, "--print-config"),
         ENVIRONMENT("LIMPET_WORKERS=4"));
    CHECK_READ();
    int width = (int)(sizeof "config = " - 1 + strlen(file));
    static const char *const lines[][2] = {
        {"target = shop:app", "packed"},    {"host = 127.0.0.1", "default"},
        {"port = 9000", "command line"},    {"uds = ", "default"},
        {"workers = 4", "LIMPET_WORKERS"},  {"graceful-timeout = 1m30s", "file "},
        {"max-body-size = 64M", "default"}, {"log-level = info", "default"},
    };
    for (size_t i = 0; i < UNIT_COUNT(lines); i++) {
        snprintf(expected, sizeof expected, "%-*s    # %s", width, lines[i][0], lines[i][1]);
        CHECK_CONTAINS(printed(SCOPE_SERVE), expected);
    }
    snprintf(expected, sizeof expected, "# file %s\n", file);
    CHECK_CONTAINS(printed(SCOPE_SERVE), expected);
    snprintf(expected, sizeof expected, "config = %s    # command line\n", file);
    CHECK_CONTAINS(printed(SCOPE_SERVE), expected);
    // A long value does not push the others' comments away.
    READ(ARGUMENTS("--uds", "/a/path/that/goes/on/and/on/much/longer/than/any/other/value/does"));
    width = (int)sizeof "blocking-threads-idle-timeout = 30s" - 1;
    snprintf(expected, sizeof expected, "\n%-*s    # default\n", width, "port = 8000");
    CHECK_CONTAINS(printed(SCOPE_SERVE), expected);
    CHECK_CONTAINS(printed(SCOPE_SERVE), "/other/value/does    # command line\n");
    READ(.scope = SCOPE_PACK, ARGUMENTS("src", "--with", "a", "--with", "b"));
    snprintf(expected, sizeof expected, "\n%-*s    # command line\n%-*s    # command line\n", width,
             "with = a", width, "with = b");
    CHECK_CONTAINS(printed(SCOPE_PACK), expected);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_where_metrics_are),
    UNIT_CASE(test_defaults),
    UNIT_CASE(test_command_line_forms),
    UNIT_CASE(test_help_ends_the_reading),
    UNIT_CASE(test_reload_has_one_worker),
    UNIT_CASE(test_settings_of_the_server_that_is_looked_for),
    UNIT_CASE(test_words_of_ctl),
    UNIT_CASE(test_auto_is_a_number_of_workers),
    UNIT_CASE(test_whom_processes_run_as),
    UNIT_CASE(test_precedence),
    UNIT_CASE(test_the_file_may_be_named_anywhere),
    UNIT_CASE(test_empty_undoes_and_empty_variables_are_unset),
    UNIT_CASE(test_unknown_arguments),
    UNIT_CASE(test_wrong_arguments),
    UNIT_CASE(test_no_positional),
    UNIT_CASE(test_bad_values),
    UNIT_CASE(test_the_ends_of_a_range),
    UNIT_CASE(test_a_stronger_source_replaces_a_list),
    UNIT_CASE(test_a_long_value_is_refused),
    UNIT_CASE(test_environment),
    UNIT_CASE(test_packed_settings),
    UNIT_CASE(test_file_errors),
    UNIT_CASE(test_pack),
    UNIT_CASE(test_pack_reads_the_project),
    UNIT_CASE(test_what_pack_stores_reads_back),
    UNIT_CASE(test_print_config),
};

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    int status = unit_main("config", cases, UNIT_COUNT(cases));
    config_fini(&config);
    unlink(file_in_folder("shop.toml"));
    rmdir(folder);
    return status;
}

// test_config_layers.c - options with values of a kind of their own: addresses to listen on, and a
// path, from every layer.
#include "config_input.h"
#include "config_mount.h"

// The list, with blanks between its items.
static const char *listed(void)
{
    static struct buf out = {.maximum = 1 << 16};
    buf_fini(&out);
    for (size_t i = 0; i < config.listen.count; i++)
        buf_printf(&out, "%s%s", i > 0 ? " " : "", config.listen.items[i]);
    return buf_text(&out);
}

static void test_listen_from_everywhere(void)
{
    const char *file = file_in_folder("shop.toml");
    READ(ARGUMENTS("--listen", "8000", "--listen=unix:/run/s,mode=0600"));
    CHECK_READ();
    CHECK_STR(listed(), "8000 unix:/run/s,mode=0600");
    READ(ENVIRONMENT("LIMPET_LISTEN= 8000 \t unix:/run/s  :80 "));
    CHECK_READ();
    CHECK_STR(listed(), "8000 unix:/run/s :80");
    CHECK(config.settings[CONFIG_OPTION_listen].source == CONFIG_ENVIRONMENT);
    READ(.packed = "listen = 8000", ENVIRONMENT("LIMPET_LISTEN="));
    CHECK_STR(listed(), "8000");
    READ(.packed = "listen = 8000\nlisten = 8001", .file = "listen = 1\nlisten = 2\n",
         ARGUMENTS("--config", file));
    CHECK_READ();
    CHECK_STR(listed(), "1 2");
    READ(.packed = "listen = 8000\nlisten = 8001");
    CHECK_STR(listed(), "8000 8001");
    READ(.scope = SCOPE_PACK, ARGUMENTS("src", "--listen", "8000", "--listen", "unix:s"));
    CHECK_READ();
    CHECK_STR(stored(), "listen = 8000\nlisten = unix:s\n");
}

static void test_bad_listen(void)
{
    const char *file = file_in_folder("shop.toml");
    char expected[256];
    READ(ARGUMENTS("--listen", "shop"));
    CHECK_REFUSED("--listen shop: no port (write shop:8000)");
    READ(ARGUMENTS("--listen", ""));
    CHECK_REFUSED("--listen \"\": must not be empty");
    READ(ENVIRONMENT("LIMPET_LISTEN=8000 shop"));
    CHECK_REFUSED("LIMPET_LISTEN=shop: no port (write shop:8000)");
    READ(.packed = "listen = shop");
    CHECK_REFUSED("packed settings: listen = shop: no port (write shop:8000)");
    READ(.file = "listen = shop", ARGUMENTS("--config", file));
    snprintf(expected, sizeof expected, "%s: listen = shop: no port (write shop:8000)", file);
    CHECK_REFUSED(expected);
    // An address twice.
    READ(ARGUMENTS("--listen", "8000", "--listen", ":9000", "--listen", "127.0.0.1:8000"));
    CHECK_REFUSED("--listen 127.0.0.1:8000: the address is given twice (leave one of them out)");
    READ(ENVIRONMENT("LIMPET_LISTEN=unix:s unix:s,mode=0600"));
    CHECK_REFUSED(
        "LIMPET_LISTEN unix:s,mode=0600: the address is given twice (leave one of them out)");
    READ(.packed = "listen = 8000\nlisten = 8000");
    CHECK_REFUSED("packed settings: \"listen\" 8000: the address is given twice (leave one of them "
                  "out)");
    READ(ARGUMENTS("--listen", "0", "--listen", "0"));
    CHECK_READ();
    // One given twice by sources of which one is replaced is none.
    READ(.packed = "listen = 8000", ARGUMENTS("--listen", "8000"));
    CHECK_READ();
    CHECK_STR(listed(), "8000");
}

static void test_listen_or_the_short_way(void)
{
    const char *file = file_in_folder("shop.toml");
    char expected[256];
    READ(ARGUMENTS("--listen", "8000", "--port", "80"));
    CHECK_REFUSED("--listen and --port exclude each other (leave --port out, and give its address "
                  "to --listen)");
    READ(ARGUMENTS("--host", "::1", "--listen", "8000"));
    CHECK_REFUSED("--listen and --host exclude each other (leave --host out, and give its address "
                  "to --listen)");
    READ(ENVIRONMENT("LIMPET_UDS=s", "LIMPET_LISTEN=8000"));
    CHECK_REFUSED("LIMPET_LISTEN and LIMPET_UDS exclude each other (leave LIMPET_UDS out, and give "
                  "its address to LIMPET_LISTEN)");
    READ(.file = "port = 1\nlisten = 2", ARGUMENTS("--config", file));
    snprintf(expected, sizeof expected,
             "%s: \"listen\" and \"port\" exclude each other (leave \"port\" out, and give its "
             "address to \"listen\")",
             file);
    CHECK_REFUSED(expected);
    READ(.packed = "port = 1\nlisten = 2");
    CHECK_REFUSED(
        "packed settings: \"listen\" and \"port\" exclude each other (leave \"port\" out, "
        "and give its address to \"listen\")");
    // The stronger source has its way, whichever way that is.
    READ(.packed = "port = 1\nhost = ::", ENVIRONMENT("LIMPET_UDS=s"),
         ARGUMENTS("--listen", "8000"));
    CHECK_READ();
    CHECK_STR(listed(), "8000");
    CHECK(config.port == 8000 && config.uds == NULL);
    CHECK_STR(config.host, "127.0.0.1");
    CHECK(config.settings[CONFIG_OPTION_port].source == CONFIG_DEFAULT);
    READ(.packed = "listen = 8000\nlisten = 8001", ENVIRONMENT("LIMPET_PORT=80"));
    CHECK_READ();
    CHECK_STR(listed(), "");
    CHECK(config.port == 80);
    CHECK(config.settings[CONFIG_OPTION_listen].source == CONFIG_DEFAULT);
    // What pack stores does not have both.
    READ(.scope = SCOPE_PACK, ARGUMENTS(folder, "--listen", "8000"));
    CHECK_STR(stored(), "listen = 8000\n");
    file_in_folder("pyproject.toml");
    READ(.scope = SCOPE_PACK, ARGUMENTS(folder, "--port", "80"), .file = "listen = 8000\n");
    CHECK_READ();
    CHECK_STR(stored(), "port = 80\n");
    READ(.scope = SCOPE_PACK, ARGUMENTS(folder, "--listen", "80"), .file = "uds = s\n");
    CHECK_READ();
    CHECK_STR(stored(), "listen = 80\n");
    unlink(file_in_folder("pyproject.toml"));
}

static void test_path_prefix(void)
{
    READ(ARGUMENTS("shop:app", "--url-path-prefix", "/shop/a", "--factory", "--env-files", "a",
                   "--env-files", "b"));
    CHECK_READ();
    CHECK_STR(config.url_path_prefix, "/shop/a");
    CHECK(config.factory && config.env_files.count == 2);
    READ(ARGUMENTS("shop:app", "--url-path-prefix", ""), ENVIRONMENT("LIMPET_URL_PATH_PREFIX=/a"));
    CHECK_READ();
    CHECK(config.url_path_prefix == NULL);
    READ(.file = "url-path-prefix = shop\n", ARGUMENTS("shop:app", "--config", "/dev/null"));
    CHECK_REFUSED("/dev/null: url-path-prefix = shop: must begin with \"/\"");
    READ(ARGUMENTS("shop:app", "--url-path-prefix", "/shop/"));
    CHECK_REFUSED("--url-path-prefix /shop/: must not end with \"/\"");
}

// --- mounts ---

static void test_mounts(void)
{
    READ(ARGUMENTS("shop:app", "--mount", "/admin=wsgi:shop.wsgi:app", "--mount", "/a=b"));
    CHECK_READ();
    CHECK(config.mount.count == 2);
    CHECK_STR(config.mount.items[1], "/a=b");
    READ(ARGUMENTS("shop:app"), ENVIRONMENT("LIMPET_MOUNT=/a=b /c/d=./folder"));
    CHECK_READ();
    CHECK(config.mount.count == 2);
    CHECK_STR(config.mount.items[1], "/c/d=./folder");
    READ(.file = "mount = /a=b\nmount = /b=b\n", ARGUMENTS("shop:app", "--config", "/dev/null"));
    CHECK_READ();
    CHECK(config.mount.count == 2);
}

static void test_bad_mounts(void)
{
    static const struct {
        char *value;
        const char *error;
    } rows[] = {
        {"/admin", "must be PREFIX=APP, like /admin=shop.admin:app"},
        {"admin=shop:app", "its prefix: must begin with \"/\""},
        {"=shop:app", "its prefix: must begin with \"/\""},
        {"shop:app", "must be PREFIX=APP, like /admin=shop.admin:app"},
        {"/=shop:app",
         "\"/\" is all of the server, which TARGET has (mount below it, like /admin)"},
        {"/a/=shop:app", "its prefix: must not end with \"/\""},
        {"/a//b=shop:app", "its prefix: must not have an empty part"},
        {"/a%20b=shop:app", "its prefix: must be a plain path, without \"?\", \"#\" and \"%\""},
        {"/admin=", "names no application (PREFIX=APP)"},
        {"/admin=wsgi:app",
         "\"wsgi\" is an interface or a module: say wsgi:app:NAME or auto:wsgi:app"},
        {"/admin=rsgi:", "names no application (PREFIX=APP)"},
        {"", "must not be empty"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char expected[300];
        snprintf(expected, sizeof expected, "--mount %s: %s",
                 *rows[i].value ? rows[i].value : "\"\"", rows[i].error);
        READ(ARGUMENTS("shop:app", "--mount", rows[i].value));
        CHECK_REFUSED(expected);
    }
    READ(ARGUMENTS("shop:app", "--mount", "/a=x", "--mount", "/b=x", "--mount", "/a=y"));
    CHECK_REFUSED("--mount: /a is given twice (leave one of them out)");
    READ(ARGUMENTS("shop:app"), ENVIRONMENT("LIMPET_MOUNT=/a=x /a=y"));
    CHECK_REFUSED("LIMPET_MOUNT: /a is given twice (leave one of them out)");
    READ(.file = "mount = a=x\n", ARGUMENTS("shop:app", "--config", "/dev/null"));
    CHECK_REFUSED("/dev/null: mount = a=x: its prefix: must begin with \"/\"");
}

static void check_taken_apart(const char *text, const char *prefix, const char *interface,
                              const char *target)
{
    struct config_mount mount;
    CHECK(config_mount_parse(text, &mount, &err) == 0);
    CHECK(str_equal(mount.prefix, str_of(prefix)));
    CHECK_STR(mount.interface, interface);
    CHECK_STR(mount.target, target);
}

static void test_mounts_taken_apart(void)
{
    check_taken_apart("/a=b", "/a", "auto", "b");
    check_taken_apart("/a/b c=m:app=x", "/a/b c", "auto", "m:app=x");
    check_taken_apart("/a=wsgi:m:app", "/a", "wsgi", "m:app");
    check_taken_apart("/a=auto:wsgi:app", "/a", "auto", "wsgi:app");
    check_taken_apart("/a=wsgi:wsgi:app", "/a", "wsgi", "wsgi:app");
    check_taken_apart("/a=asgi:./folder", "/a", "asgi", "./folder");
    check_taken_apart("/a=rsgi:site.zip", "/a", "rsgi", "site.zip");
    check_taken_apart("/a=asgi:site.py", "/a", "asgi", "site.py");
    check_taken_apart("/a=wsgi", "/a", "auto", "wsgi");
    check_taken_apart("/a=shop.wsgi:app", "/a", "auto", "shop.wsgi:app");
}

// --- limits of workers ---

static void test_a_jitter_needs_its_limit(void)
{
    READ(ARGUMENTS("--workers-max-requests-jitter", "5"));
    CHECK_REFUSED("--workers-max-requests-jitter is added to --workers-max-requests, which is not "
                  "given (give it, or leave --workers-max-requests-jitter out)");
    READ(ENVIRONMENT("LIMPET_WORKERS_LIFETIME_JITTER=5s"));
    CHECK_REFUSED("LIMPET_WORKERS_LIFETIME_JITTER is added to LIMPET_WORKERS_LIFETIME, which is "
                  "not given (give it, or leave LIMPET_WORKERS_LIFETIME_JITTER out)");
    READ(ARGUMENTS("--workers-max-requests-jitter", "5"),
         ENVIRONMENT("LIMPET_WORKERS_MAX_REQUESTS=7"));
    CHECK_READ();
    CHECK(config.workers_max_requests == 7 && config.workers_max_requests_jitter == 5);
    READ(ARGUMENTS("--workers-lifetime-jitter", "0"));
    CHECK_READ();
}

static void test_memory_that_no_worker_can_do_with(void)
{
    READ(ARGUMENTS("--workers-max-rss", "200"));
    CHECK_REFUSED("--workers-max-rss 200: a worker has 16M at least (200M is meant?)");
    READ(ARGUMENTS("--workers-max-rss", "15M"));
    CHECK_REFUSED("--workers-max-rss 15M: a worker has 16M at least, choose more");
    READ(.packed = "workers-max-rss = 1M\n");
    CHECK_REFUSED(
        "packed settings: \"workers-max-rss\" 1M: a worker has 16M at least, choose more");
    READ(ARGUMENTS("--workers-max-rss", "16M"));
    CHECK_READ();
}

static void test_limits_are_no_negative_numbers(void)
{
    READ(ARGUMENTS("--workers-max-requests", "-1"));
    CHECK(result == -1 && err.kind == ERR_USAGE);
    CHECK(strstr(err.text, "--workers-max-requests") != NULL);
    READ(ARGUMENTS("--workers-lifetime", "-1s"));
    CHECK(result == -1 && err.kind == ERR_USAGE);
    READ(ARGUMENTS("--rss-samples", "0", "--rss-sample-interval", "1s"));
    CHECK(result == -1 && strstr(err.text, "--rss-samples") != NULL);
    READ(ARGUMENTS("--workers-max-requests", "0", "--workers-lifetime", "0", "--request-timeout",
                   "0"));
    CHECK_READ();
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_a_jitter_needs_its_limit),
    UNIT_CASE(test_memory_that_no_worker_can_do_with),
    UNIT_CASE(test_limits_are_no_negative_numbers),
    UNIT_CASE(test_listen_from_everywhere),
    UNIT_CASE(test_bad_listen),
    UNIT_CASE(test_listen_or_the_short_way),
    UNIT_CASE(test_path_prefix),
    UNIT_CASE(test_mounts),
    UNIT_CASE(test_bad_mounts),
    UNIT_CASE(test_mounts_taken_apart),
};

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    int status = unit_main("config layers", cases, UNIT_COUNT(cases));
    config_fini(&config);
    unlink(file_in_folder("shop.toml"));
    rmdir(folder);
    return status;
}

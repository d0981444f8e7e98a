// test_reload.c - which changes of which target count, and when they are due, on a clock of its
// own.
#include "reload.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "config.h"
#include "unit.h"

static char base[] = "/tmp/limpet-reload-XXXXXX";

static void write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status, (void)type, (void)at;
    return remove(path);
}

static struct reload *open_for(const char *target, const char *working_dir)
{
    struct config config = {.reload = true, .target = target, .working_dir = working_dir};
    struct err err = {.text = ""};
    struct reload *reload = NULL;
    CHECK(reload_open(&reload, &config, &err) == 0);
    CHECK_STR(err.text, "");
    CHECK(reload != NULL);
    return reload;
}

// --- where the sources are ---

static void test_not_asked_for(void)
{
    struct config config = {.target = "app:app"};
    struct err err;
    struct reload *reload = NULL;
    CHECK(reload_open(&reload, &config, &err) == 0);
    CHECK(reload == NULL);
    CHECK(reload_fd(reload) == -1);
    CHECK(reload_deadline(reload) == CHILD_NEVER);
    CHECK(reload_due(reload, 5) == NULL);
    reload_close(reload);
}

// The working folder is the base, with shop/app.py, shop/cart/cart.py, kiosk/app.py, shop.zip.
static const struct place {
    const char *target, *working_dir;
    const char *counts, *does_not; // NULL: nothing
} places[] = {
    {"app:app", NULL, "shop/app.py", "../limpet-reload-other.py"},
    {"app:app", "shop", "shop/app.py", "kiosk/app.py"},
    {"app", "shop/", "shop/cart/cart.py", "kiosk/app.py"},
    {"cart.cart:app", "shop", "shop/app.py", "kiosk/app.py"},
    {"shop", NULL, "shop/cart/cart.py", "kiosk/app.py"},
    {"shop:app", NULL, "kiosk/app.py", NULL}, // a module of that name
    {"./shop:app:app", NULL, "shop/app.py", "kiosk/app.py"},
    {"cart", "shop", "shop/cart/cart.py", "shop/app.py"},
    {"shop/app.py", NULL, "shop/cart/cart.py", "kiosk/app.py"},
    {"shop/cart/cart.py:app", NULL, "shop/cart/cart.py", "shop/app.py"},
    {"app.py", "kiosk", "kiosk/app.py", "shop/app.py"},
    {"cart/cart.py", "shop", "shop/cart/cart.py", "shop/app.py"},
    {"shop.zip", NULL, "shop.zip", "shop/app.py"},
    {"shop.zip:app:app", NULL, "shop.zip", "shop/app.py"},
};

static void test_places(void)
{
    for (size_t i = 0; i < UNIT_COUNT(places); i++) {
        unsigned before = unit_failures;
        const struct place *place = &places[i];
        struct reload *reload = open_for(place->target, place->working_dir);
        if (place->does_not != NULL)
            write_file(place->does_not);
        CHECK(reload_due(reload, 0) == NULL);
        CHECK(reload_deadline(reload) == CHILD_NEVER);
        write_file(place->counts);
        CHECK(reload_due(reload, 0) == NULL);
        CHECK(reload_deadline(reload) != CHILD_NEVER);
        reload_close(reload);
        if (unit_failures != before)
            printf("    target %s\n", place->target);
    }
    unlink("../limpet-reload-other.py");
}

static void test_absolute_target(void)
{
    char target[64];
    snprintf(target, sizeof target, "%s/shop/app.py:app", base);
    struct reload *reload = open_for(target, "kiosk");
    write_file("kiosk/app.py");
    CHECK(reload_due(reload, 0) == NULL && reload_deadline(reload) == CHILD_NEVER);
    write_file("shop/app.py");
    CHECK(reload_due(reload, 0) == NULL && reload_deadline(reload) != CHILD_NEVER);
    reload_close(reload);
}

// --env-files are read before the working folder is changed.
static void test_environment_files(void)
{
    char name[] = "shop.env", *names[] = {name};
    struct config config = {.reload = true, .target = "app", .working_dir = "shop"};
    config.env_files = (struct config_list){names, 1};
    struct reload *reload = NULL;
    struct err err;
    CHECK(reload_open(&reload, &config, &err) == 0);
    write_file("other.env");
    CHECK(reload_due(reload, 0) == NULL && reload_deadline(reload) == CHILD_NEVER);
    write_file("shop.env");
    CHECK(reload_due(reload, 0) == NULL && reload_deadline(reload) != CHILD_NEVER);
    reload_close(reload);
}

// What is mounted counts wherever it is.
static void test_mounts(void)
{
    static const char *const counts[] = {"shop/app.py", "kiosk/app.py", "shop.zip"};
    char kiosk[] = "/a=kiosk/app.py:app", module[] = "/b=wsgi:cart.cart:app",
         zip[] = "/c=auto:./shop.zip:app:app", within[] = "/d=./shop/cart:cart:app";
    char *mounts[] = {kiosk, module, zip, within};
    struct config config = {.reload = true, .target = "app"};
    config.mount = (struct config_list){mounts, UNIT_COUNT(mounts)};
    config.target = "./shop:app";
    for (size_t i = 0; i < UNIT_COUNT(counts); i++) {
        struct reload *reload = NULL;
        struct err err;
        CHECK(reload_open(&reload, &config, &err) == 0);
        CHECK(reload_due(reload, 0) == NULL && reload_deadline(reload) == CHILD_NEVER);
        write_file(counts[i]);
        struct pollfd polled = {.fd = reload_fd(reload), .events = POLLIN};
        CHECK(poll(&polled, 1, 0) == 1);
        CHECK(reload_due(reload, 0) == NULL && reload_deadline(reload) != CHILD_NEVER);
        CHECK(poll(&polled, 1, 0) == 0);
        reload_close(reload);
    }
}

static void check_refused(const char *target, const char *expected)
{
    struct config config = {.reload = true, .target = target};
    struct err err = {.text = ""};
    struct reload *reload = NULL;
    CHECK(reload_open(&reload, &config, &err) == -1);
    CHECK(reload == NULL);
    CHECK(err.kind == ERR_FAILED);
    CHECK_STR(err.text, expected);
}

static void test_nothing_to_watch(void)
{
    check_refused("nowhere/app.py",
                  "cannot watch ./nowhere for --reload: No such file or directory");
    check_refused("nowhere.zip",
                  "cannot watch ./nowhere.zip for --reload: No such file or directory");
    check_refused("/nowhere/shop",
                  "cannot watch /nowhere/shop for --reload: No such file or directory");
}

// The server goes on without: that is no reason not to serve.
static void test_no_inotify(void)
{
    struct config config = {.reload = true, .target = "app", .working_dir = "shop"};
    struct reload *reload = NULL;
    struct rlimit before, none;
    struct err err;
    char text[512] = "";
    int ends[2], real_stderr = dup(STDERR_FILENO);
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    dup2(ends[1], STDERR_FILENO);
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = 0; // no descriptor more: as the limit of instances, EMFILE
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK(reload_open(&reload, &config, &err) == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    CHECK(reload == NULL);
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    CHECK_CONTAINS(text, "warning limpet[");
    CHECK_CONTAINS(text, "changes are not noticed: too few inotify instances (raise sysctl "
                         "fs.inotify.max_user_instances)\n");
    close(ends[0]);
    close(ends[1]);
}

// --- when ---

static void test_due_after_a_quiet_moment(void)
{
    struct reload *reload = open_for("app", "shop");
    struct pollfd poll_fd = {.fd = reload_fd(reload), .events = POLLIN};
    CHECK(poll(&poll_fd, 1, 0) == 0);
    write_file("shop/app.py");
    CHECK(poll(&poll_fd, 1, 0) == 1);
    CHECK(reload_due(reload, 1000) == NULL);
    CHECK(poll(&poll_fd, 1, 0) == 0);
    CHECK(reload_deadline(reload) == 1080);
    CHECK(reload_due(reload, 1079) == NULL);
    const char *changed = reload_due(reload, 1080);
    CHECK(changed != NULL);
    CHECK_STR(changed, "app.py");
    CHECK(reload_deadline(reload) == CHILD_NEVER);
    CHECK(reload_due(reload, 2000) == NULL);
    reload_close(reload);
}

static void test_changes_are_gathered(void)
{
    struct reload *reload = open_for("app", "shop");
    write_file("shop/app.py");
    CHECK(reload_due(reload, 0) == NULL);
    write_file("shop/cart/cart.py");
    CHECK(reload_due(reload, 79) == NULL);
    CHECK(reload_deadline(reload) == 159);
    write_file("shop/app.py");
    CHECK(reload_due(reload, 159) == NULL); // seen only now, but it is there
    CHECK_STR(reload_due(reload, 239), "app.py");
    CHECK(reload_due(reload, 400) == NULL);
    reload_close(reload);
}

static void test_no_change_waits_for_ever(void)
{
    struct reload *reload = open_for("app", "shop");
    int64_t now = 0;
    const char *changed = NULL;
    for (; changed == NULL && now < 5000; now += 50) {
        write_file("shop/app.py");
        changed = reload_due(reload, now);
    }
    CHECK(now == 1050);
    write_file("shop/app.py");
    CHECK(reload_due(reload, now) == NULL);
    CHECK(reload_deadline(reload) == now + 80);
    reload_close(reload);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_not_asked_for),
    UNIT_CASE(test_places),
    UNIT_CASE(test_absolute_target),
    UNIT_CASE(test_environment_files),
    UNIT_CASE(test_mounts),
    UNIT_CASE(test_nothing_to_watch),
    UNIT_CASE(test_no_inotify),
    UNIT_CASE(test_due_after_a_quiet_moment),
    UNIT_CASE(test_changes_are_gathered),
    UNIT_CASE(test_no_change_waits_for_ever),
};

int main(void)
{
    if (mkdtemp(base) == NULL || chdir(base) < 0 || mkdir("shop", 0755) < 0 ||
        mkdir("shop/cart", 0755) < 0 || mkdir("kiosk", 0755) < 0)
        return 1;
    static const char *const files[] = {"shop/app.py", "shop/cart/cart.py", "kiosk/app.py",
                                        "shop.zip", "shop.env"};
    for (size_t i = 0; i < UNIT_COUNT(files); i++)
        write_file(files[i]);
    int status = unit_main("reload", cases, UNIT_COUNT(cases));
    nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}

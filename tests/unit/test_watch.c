// test_watch.c - a real folder, what is done in it, and what counts as a change of it.
#include <sys/wait.h>

#include "watched_folder.h"

// --- names ---

static void test_names(void)
{
    static const char *const sources[] = {"app.py",      "pyproject.toml", "base.html",
                                          "index.jinja", "a.b.py",         "mail.j2"};
    static const char *const others[] = {"app.pyc",   ".app.py.swp", "app.py~",        ".#app.py",
                                         "#app.py#",  "4913",        "app.py.tmp",     ".py",
                                         "db.sqlite", "access.log",  "flycheck_my.py", "py",
                                         "app.py.bak"};
    for (size_t i = 0; i < UNIT_COUNT(sources); i++)
        CHECK(watch_names_source(sources[i]));
    for (size_t i = 0; i < UNIT_COUNT(others); i++)
        CHECK(!watch_names_source(others[i]));
    CHECK(watch_names_skipped("__pycache__") && watch_names_skipped(".git") &&
          watch_names_skipped("node_modules") && watch_names_skipped("site-packages"));
    CHECK(!watch_names_skipped("shop") && !watch_names_skipped("modules"));
}

// --- files ---

static void test_nothing_at_first(void)
{
    begin();
    CHECK(watch_fd(watch) >= 0);
    CHECK_UNCHANGED();
    end();
}

static void test_written(void)
{
    begin();
    write_file("app.py");
    struct pollfd poll_fd = {.fd = watch_fd(watch), .events = POLLIN};
    CHECK(poll(&poll_fd, 1, 0) == 1);
    CHECK_CHANGED("app.py");
    CHECK_UNCHANGED();
    write_file("views.py");
    write_file("app.py");
    CHECK_CHANGED("views.py"); // the first of several
    CHECK_UNCHANGED();
    end();
}

// Not before it is closed: half a file would be loaded.
static void test_counts_when_closed(void)
{
    begin();
    int fd = open("new.py", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    CHECK(write(fd, "import", 6) == 6);
    CHECK_UNCHANGED();
    close(fd);
    CHECK_CHANGED("new.py");
    end();
}

static void test_reading_and_attributes_do_not_count(void)
{
    begin();
    int fd = open("app.py", O_RDONLY | O_CLOEXEC);
    CHECK(close(fd) == 0 && chmod("app.py", 0600) == 0);
    CHECK_UNCHANGED();
    end();
}

static void test_removed(void)
{
    begin();
    CHECK(unlink("app.py") == 0);
    CHECK_CHANGED("app.py");
    end();
}

static void test_renamed(void)
{
    begin();
    move("app.py", "main.py");
    CHECK_CHANGED("app.py");
    move("main.py", "../main.py");
    CHECK_CHANGED("main.py");
    move("../main.py", "app.py");
    CHECK_CHANGED("app.py");
    end();
}

// vim: a trial file, the old one aside as a backup, the new one written, the backup removed.
static void test_vim(void)
{
    begin();
    write_file("4913");
    CHECK(unlink("4913") == 0);
    write_file(".app.py.swp");
    CHECK_UNCHANGED();
    move("app.py", "app.py~");
    write_file("app.py");
    CHECK(unlink("app.py~") == 0);
    CHECK_CHANGED("app.py");
    CHECK_UNCHANGED();
    end();
}

static void test_written_beside_and_renamed_over(void)
{
    begin();
    write_file("app.py.tmp1234");
    CHECK_UNCHANGED();
    move("app.py.tmp1234", "app.py");
    CHECK_CHANGED("app.py");
    end();
}

// Nothing is written after it.
static void test_links(void)
{
    begin();
    CHECK(link("app.py", "hard.py") == 0);
    CHECK_CHANGED("hard.py");
    CHECK(symlink("app.py", "soft.py") == 0);
    CHECK_CHANGED("soft.py");
    CHECK(unlink("soft.py") == 0);
    CHECK_CHANGED("soft.py");
    end();
}

static void test_other_files_do_not_count(void)
{
    begin();
    write_file("shop.sqlite");
    write_file("shop.log");
    move("shop.log", "shop.log.1");
    write_file(".hidden.py");
    CHECK(unlink("shop.sqlite") == 0);
    CHECK_UNCHANGED();
    end();
}

// --- folders ---

static void test_folders_that_are_there(void)
{
    fresh_folder();
    make("cart");
    make("cart/templates");
    write_file("cart/templates/cart.html");
    watch = open_on(".", NULL);
    CHECK_UNCHANGED();
    write_file("cart/templates/cart.html");
    CHECK_CHANGED("cart/templates/cart.html");
    end();
}

static void test_new_folder(void)
{
    begin();
    make("cart");
    CHECK_UNCHANGED();
    write_file("cart/views.py");
    CHECK_CHANGED("cart/views.py");
    CHECK_UNCHANGED();
    end();
}

// All is there before we come to look at the first of them.
static void test_new_folders_and_files_at_once(void)
{
    begin();
    make("cart");
    make("cart/a");
    make("cart/a/b");
    write_file("cart/a/b/deep.py");
    CHECK_CHANGED("cart/a/b/deep.py");
    CHECK_UNCHANGED();
    write_file("cart/a/b/deep.py");
    CHECK_CHANGED("cart/a/b/deep.py");
    end();
}

static void test_renamed_folder(void)
{
    begin();
    make("cart");
    make("cart/a");
    write_file("cart/a/x.py");
    CHECK_CHANGED("cart/a/x.py");
    move("cart", "basket");
    CHECK_CHANGED("cart");
    CHECK_UNCHANGED();
    write_file("basket/a/x.py");
    CHECK_CHANGED("basket/a/x.py");
    end();
}

static void test_folders_change_places(void)
{
    begin();
    make("one");
    make("two");
    write_file("one/one.py");
    write_file("two/two.py");
    CHECK_CHANGED("one/one.py");
    move("one", "three");
    move("two", "one");
    move("three", "two");
    CHECK_CHANGED("one");
    CHECK_UNCHANGED();
    write_file("one/two.py");
    CHECK_CHANGED("one/two.py");
    write_file("two/one.py");
    CHECK_CHANGED("two/one.py");
    end();
}

static void test_folder_moved_out_and_in(void)
{
    begin();
    make("cart");
    write_file("cart/x.py");
    CHECK_CHANGED("cart/x.py");
    move("cart", "../cart");
    CHECK_CHANGED("cart");
    write_file("../cart/x.py");
    CHECK_UNCHANGED();
    move("../cart", "cart");
    CHECK_CHANGED("cart/x.py");
    write_file("cart/x.py");
    CHECK_CHANGED("cart/x.py");
    end();
}

static void test_removed_folder(void)
{
    begin();
    make("cart");
    write_file("cart/x.py");
    CHECK_CHANGED("cart/x.py");
    remove_all("cart");
    CHECK_CHANGED("cart/x.py");
    make("cart");
    write_file("cart/y.py");
    CHECK_CHANGED("cart/y.py");
    end();
}

// What applications do with uploads.
static void test_folders_without_sources_do_not_count(void)
{
    begin();
    make("uploads");
    make("uploads/tmp1");
    write_file("uploads/tmp1/picture.png");
    move("uploads/tmp1", "uploads/1");
    remove_all("uploads/1");
    CHECK_UNCHANGED();
    end();
}

static void test_skipped_folders(void)
{
    static const char *const skipped[] = {"__pycache__", ".git", "node_modules", "site-packages"};
    char path[64];
    begin();
    for (size_t i = 0; i < UNIT_COUNT(skipped); i++) {
        make(skipped[i]);
        snprintf(path, sizeof path, "%s/x.py", skipped[i]);
        write_file(path);
    }
    CHECK_UNCHANGED();
    watch_close(watch);
    watches_added = 0;
    watch = open_on(".", NULL);
    CHECK(watches_added == 2); // the folder, and the one that it is in
    write_file("node_modules/x.py");
    CHECK_UNCHANGED();
    end();
}

static void test_environment(void)
{
    fresh_folder();
    make("env");
    make("env/lib");
    write_file("env/pyvenv.cfg");
    watch = open_on(".", NULL);
    write_file("env/lib/x.py");
    CHECK_UNCHANGED();
    end();
}

// Its mark comes when its folders are there already.
static void test_environment_is_made(void)
{
    begin();
    make("env");
    make("env/lib");
    CHECK_UNCHANGED();
    write_file("env/pyvenv.cfg");
    write_file("env/lib/x.py");
    CHECK_UNCHANGED();
    write_file("env/lib/y.py");
    CHECK_UNCHANGED();
    write_file("app.py");
    CHECK_CHANGED("app.py");
    end();
}

static void test_linked_folder(void)
{
    begin();
    make("../common");
    write_file("../common/x.py");
    CHECK(symlink("../common", "common") == 0);
    CHECK_CHANGED("common/x.py");
    write_file("../common/x.py");
    CHECK_CHANGED("common/x.py");
    CHECK(unlink("common") == 0);
    CHECK_CHANGED("common");
    write_file("../common/x.py");
    CHECK_UNCHANGED();
    end();
    remove_all("common");
}

static void test_links_in_a_circle(void)
{
    begin();
    make("a");
    CHECK(symlink("..", "a/up") == 0 && symlink(".", "a/self") == 0);
    CHECK_UNCHANGED();
    watch_close(watch);
    watch = open_on(".", NULL);
    write_file("a/x.py");
    CHECK_CHANGED("a/x.py");
    end();
}

// The watched folder itself goes, and another comes.
static void test_replaced(void)
{
    fresh_folder();
    CHECK(chdir(base) == 0);
    watch = open_on("shop", NULL);
    move("shop", "old");
    CHECK_CONTAINS(changed(), "/shop");
    write_file("old/app.py");
    CHECK_UNCHANGED();
    make("shop");
    write_file("shop/new.py");
    CHECK_CHANGED("new.py");
    remove_all("shop");
    CHECK_CHANGED("new.py");
    move("old", "shop");
    CHECK_CHANGED("app.py");
    write_file("shop/app.py");
    CHECK_CHANGED("app.py");
    write_file("other.py"); // beside it
    CHECK_UNCHANGED();
    CHECK(unlink("other.py") == 0);
    end();
}

// --- folders that come and go while they are read ---

enum { DISORDER = 3000 }; // operations

static _Noreturn void make_disorder(void)
{
    static const char *const names[] = {"a", "b", "c"};
    unsigned random = 1;
    char paths[2][64];
    for (int i = 0; i < DISORDER; i++) {
        for (int p = 0; p < 2; p++) {
            unsigned digits[4];
            for (size_t d = 0; d < UNIT_COUNT(digits); d++) {
                random = random * 1103515245 + 12345;
                digits[d] = random >> 16;
            }
            int depth = 1 + (int)(digits[3] % 3);
            snprintf(paths[p], sizeof paths[p], "%.*s/%.*s/%.*s", 1, names[digits[0] % 3],
                     depth > 1, names[digits[1] % 3], depth > 2, names[digits[2] % 3]);
            paths[p][depth * 2 - 1] = '\0';
        }
        bool deeper = strlen(paths[0]) < strlen(paths[1]);
        if (i % 4 == 0)
            rename(paths[deeper], paths[!deeper]); // never to a deeper level
        else if (i % 16 == 1)
            rmdir(paths[0]);
        else
            mkdir(paths[0], 0755);
    }
    _exit(0);
}

// In every folder that there is, a change is noticed, under its right name.
static int check_folder(const char *path, const struct stat *status, int type, struct FTW *at)
{
    char file[128];
    (void)status, (void)at;
    if (type != FTW_D)
        return 0;
    snprintf(file, sizeof file, "%s/x.py", path);
    write_file(file);
    CHECK_CHANGED(file + 2); // without "./"
    CHECK_UNCHANGED();
    return 0;
}

static void test_disorder(void)
{
    begin();
    pid_t pid = fork();
    if (pid == 0)
        make_disorder();
    struct pollfd poll_fd = {.fd = watch_fd(watch), .events = POLLIN};
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        poll(&poll_fd, 1, 10);
        watch_take(watch);
    }
    while (watch_take(watch) != NULL)
        continue;
    CHECK_UNCHANGED();
    CHECK(nftw(".", check_folder, 16, FTW_PHYS) == 0);
    end();
}

// --- limits ---

static long number_in(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, text, sizeof text - 1) > 0 && close(fd) == 0);
    return strtol(text, NULL, 10);
}

// Where folders were made meanwhile.
static void test_overflow(void)
{
    static const char *const names[] = {"a.log", "b.log"};
    begin();
    long limit = number_in("/proc/sys/fs/inotify/max_queued_events");
    for (long i = 0; i < limit + 10; i++)
        close(open(names[i % 2], O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    make("cart");
    write_file("cart/x.py");
    begin_log();
    const char *path = "(nothing)";
    // The events before the gap come first, a part of them in each call.
    for (long i = 0; i < limit && strcmp(path, "(nothing)") == 0; i++)
        path = changed();
    CHECK_CONTAINS(path, "/shop");
    const char *text = end_log();
    CHECK_CONTAINS(text, "fs.inotify.max_queued_events");
    CHECK(count_lines(text) == 1);
    CHECK_UNCHANGED();
    write_file("cart/x.py");
    CHECK_CHANGED("cart/x.py");
    end();
}

static void test_too_few_watches(void)
{
    fresh_folder();
    make("cart");
    make("cart/a");
    make("cart/b");
    watches_left = 1;
    begin_log();
    watch = open_on(".", NULL);
    const char *text = end_log();
    CHECK_CONTAINS(text, "cart and maybe more cannot be watched");
    CHECK_CONTAINS(text, "sysctl fs.inotify.max_user_watches");
    CHECK(count_lines(text) == 1);
    write_file("cart/x.py");
    CHECK_UNCHANGED();
    write_file("app.py");
    CHECK_CHANGED("app.py");
    end();
}

static void check_not_opened(const char *folder, const char *part)
{
    struct err err = {.text = ""};
    struct watch_setup setup = {.folder = folder};
    CHECK(watch_open(&setup, &err) == NULL);
    CHECK(err.kind == ERR_FAILED);
    CHECK_CONTAINS(err.text, part);
}

static void test_not_opened(void)
{
    fresh_folder();
    check_not_opened("nowhere", "nowhere: No such file or directory");
    start_errno = EMFILE;
    check_not_opened(".", "sysctl fs.inotify.max_user_instances");
    start_errno = ENOSYS;
    check_not_opened(".", "no inotify: ");
    start_errno = 0;
    CHECK(chdir(base) == 0);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_names),
    UNIT_CASE(test_nothing_at_first),
    UNIT_CASE(test_written),
    UNIT_CASE(test_counts_when_closed),
    UNIT_CASE(test_reading_and_attributes_do_not_count),
    UNIT_CASE(test_removed),
    UNIT_CASE(test_renamed),
    UNIT_CASE(test_vim),
    UNIT_CASE(test_written_beside_and_renamed_over),
    UNIT_CASE(test_links),
    UNIT_CASE(test_other_files_do_not_count),
    UNIT_CASE(test_folders_that_are_there),
    UNIT_CASE(test_new_folder),
    UNIT_CASE(test_new_folders_and_files_at_once),
    UNIT_CASE(test_renamed_folder),
    UNIT_CASE(test_folders_change_places),
    UNIT_CASE(test_folder_moved_out_and_in),
    UNIT_CASE(test_removed_folder),
    UNIT_CASE(test_folders_without_sources_do_not_count),
    UNIT_CASE(test_skipped_folders),
    UNIT_CASE(test_environment),
    UNIT_CASE(test_environment_is_made),
    UNIT_CASE(test_linked_folder),
    UNIT_CASE(test_links_in_a_circle),
    UNIT_CASE(test_replaced),
    UNIT_CASE(test_disorder),
    UNIT_CASE(test_overflow),
    UNIT_CASE(test_too_few_watches),
    UNIT_CASE(test_not_opened),
};

int main(void)
{
    if (mkdtemp(base) == NULL)
        return 1;
    int status = unit_main("watch", cases, UNIT_COUNT(cases));
    remove_all(base);
    return status;
}

// test_files_disk.c - what is opened beneath a folder, by openat2 and step by step: links inside
// and out, what is no regular file, folders that are replaced.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files_priv.h"
#include "unit.h"

static char root[PATH_MAX], site[PATH_MAX + 8];

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    CHECK(file != NULL);
    if (file == NULL)
        return;
    fputs(text, file);
    fclose(file);
}

static void make_site(void)
{
    char template[] = "/tmp/test_files_disk.XXXXXX", absolute[PATH_MAX + 32];
    CHECK(mkdtemp(template) != NULL && realpath(template, root) != NULL && chdir(root) == 0);
    snprintf(site, sizeof site, "%s/site", root);
    CHECK(mkdir("site", 0755) == 0 && mkdir("site/css", 0755) == 0 &&
          mkdir("site/css/deep", 0755) == 0);
    write_file("outside", "outside");
    write_file("site-too", "outside");
    write_file("site/a", "a");
    write_file("site/css/b", "b");
    write_file("site/css/deep/c", "c");
    CHECK(mkfifo("site/fifo", 0644) == 0);
    static const char *const links[][2] = {
        {"css/b", "site/inside"},
        {"../a", "site/css/up"},
        {"../../outside", "site/css/out"},
        {"..", "site/parent"},
        {"css/../../outside", "site/around-out"},
        {"css/../css/../a", "site/around"},
        {"loop", "site/loop"},
        {"nope", "site/dangling"},
        {"css", "site/folder"},
        {"folder/deep", "site/two"},
        {"/", "site/slash"},
        {"/etc/passwd", "site/etc"},
        {"/dev/null", "site/null"},
        {".", "site/self"},
    };
    for (size_t i = 0; i < UNIT_COUNT(links); i++)
        CHECK(symlink(links[i][0], links[i][1]) == 0);
    snprintf(absolute, sizeof absolute, "%s/css/b", site);
    CHECK(symlink(absolute, "site/absolute") == 0);
    snprintf(absolute, sizeof absolute, "%s-too", site);
    CHECK(symlink(absolute, "site/absolute-out") == 0);
    snprintf(absolute, sizeof absolute, "%s/css/../css", site);
    CHECK(symlink(absolute, "site/absolute-folder") == 0);
}

static const struct {
    const char *name;
    const char *content; // NULL: not to be had
} rows[] = {
    {"a", "a"},
    {"css/b", "b"},
    {"css/deep/c", "c"},
    {"inside", "b"},
    {"css/up", "a"},
    {"around", "a"},
    {"folder/b", "b"},
    {"two/c", "c"},
    {"self/self/a", "a"},
    {"absolute", "b"},
    {"absolute-folder/deep/c", "c"},
    {"nope", NULL},
    {"a/b", NULL},
    {"css/nope", NULL},
    {"css/out", NULL},
    {"parent/outside", NULL},
    {"around-out", NULL},
    {"loop", NULL},
    {"dangling", NULL},
    {"slash/etc/passwd", NULL},
    {"etc", NULL},
    {"absolute-out", NULL},
    {"../outside", NULL},
    {"css/../../outside", NULL},
};

static void check_content(int fd, const char *expected)
{
    char text[16] = "";
    CHECK((fd >= 0) == (expected != NULL));
    if (fd < 0)
        return;
    CHECK(read(fd, text, sizeof text - 1) >= 0);
    CHECK_STR(text, expected != NULL ? expected : "");
    close(fd);
}

static struct files_folder open_site(void)
{
    struct err err;
    struct files_folder folder = {.path = site};
    folder.fd = files_disk_open_folder(site, &err);
    CHECK(folder.fd >= 0);
    return folder;
}

static void test_open(void)
{
    struct files_folder folder = open_site();
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct files_item item = {.fd = -1};
        int64_t nanoseconds;
        unsigned status = files_disk_open(&folder, rows[i].name, &item, &nanoseconds);
        if ((status == FILES_FOUND) != (rows[i].content != NULL))
            printf("    %s: %u\n", rows[i].name, status);
        CHECK(status == (rows[i].content != NULL ? FILES_FOUND : 404));
        CHECK(status != FILES_FOUND || item.size == 1);
        check_content(item.fd, rows[i].content);
    }
    close(folder.fd);
}

// As on a kernel that has no openat2.
static void test_walk(void)
{
    struct files_folder folder = open_site();
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        int fd = files_disk_walk(folder.fd, site, rows[i].name);
        if ((fd >= 0) != (rows[i].content != NULL))
            printf("    %s\n", rows[i].name);
        check_content(fd, rows[i].content);
    }
    CHECK(files_disk_walk(folder.fd, site, "css/out") == -1 && errno == EXDEV);
    CHECK(files_disk_walk(folder.fd, site, "loop") == -1 && errno == ELOOP);
    CHECK(files_disk_walk(folder.fd, site, "nope") == -1 && errno == ENOENT);
    static char name[2 * PATH_MAX];
    memset(name, 'a', sizeof name - 1);
    CHECK(files_disk_walk(folder.fd, site, name) == -1 && errno == ENAMETOOLONG);
    close(folder.fd);
}

static void test_no_files(void)
{
    struct files_folder folder = open_site();
    struct files_item item = {.fd = -1};
    int64_t nanoseconds;
    CHECK(files_disk_open(&folder, "fifo", &item, &nanoseconds) == 404);
    CHECK(files_disk_open(&folder, "null", &item, &nanoseconds) == 404);
    CHECK(files_disk_open(&folder, "css", &item, &nanoseconds) == FILES_IS_FOLDER);
    CHECK(files_disk_open(&folder, ".", &item, &nanoseconds) == FILES_IS_FOLDER);
    CHECK(files_disk_open(&folder, "folder", &item, &nanoseconds) == FILES_IS_FOLDER);
    CHECK(files_disk_open(&folder, "absolute-folder", &item, &nanoseconds) == FILES_IS_FOLDER);
    CHECK(item.fd == -1);
    close(folder.fd);
}

// A descriptor of a folder is used by its number while another folder takes its place.
static void test_replaced(void)
{
    struct files_folder folder = open_site();
    struct files_item item = {.fd = -1};
    int64_t nanoseconds;
    int fd = folder.fd;
    folder.looked_at = 1000;
    CHECK(rename("site", "before") == 0 && mkdir("site", 0755) == 0);
    write_file("site/new", "n");
    files_disk_look_again(&folder, 1500);
    CHECK(files_disk_open(&folder, "new", &item, &nanoseconds) == 404);
    files_disk_look_again(&folder, 2000);
    CHECK(folder.fd == fd && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(files_disk_open(&folder, "new", &item, &nanoseconds) == FILES_FOUND);
    check_content(item.fd, "n");
    // One that has gone is kept.
    CHECK(unlink("site/new") == 0 && rmdir("site") == 0);
    files_disk_look_again(&folder, 4000);
    CHECK(rename("before", "site") == 0);
    files_disk_look_again(&folder, 6000);
    CHECK(files_disk_open(&folder, "a", &item, &nanoseconds) == FILES_FOUND);
    check_content(item.fd, "a");
    close(folder.fd);
}

static void test_faults(void)
{
    struct err err;
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/a", site);
    CHECK(files_disk_open_folder(path, &err) == -1);
    CHECK_CONTAINS(err.text, "Not a directory");
    snprintf(path, sizeof path, "%s/nope", site);
    CHECK(files_disk_open_folder(path, &err) == -1);
    CHECK_CONTAINS(err.text, "No such file");
}

static void remove_site(void)
{
    pid_t child = fork();
    if (child == 0)
        execlp("rm", "rm", "-rf", root, (char *)NULL);
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static const struct unit_case cases[] = {
    UNIT_CASE(make_site),     UNIT_CASE(test_open),     UNIT_CASE(test_walk),
    UNIT_CASE(test_no_files), UNIT_CASE(test_replaced), UNIT_CASE(test_faults),
    UNIT_CASE(remove_site),
};

int main(void)
{
    return unit_main("files_disk", cases, UNIT_COUNT(cases));
}

// test_unix_socket.c - real sockets and files in a folder of its own.
#include "unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static char folder[] = "/tmp/limpet-unix-socket-XXXXXX";
static char path[sizeof folder + 64];
static struct sockaddr_un name;
static struct stat status;

static const char *in_folder(const char *file)
{
    snprintf(path, sizeof path, "%s/%s", folder, file);
    CHECK(unix_socket_name(path, &name));
    return path;
}

static int bound(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
    return fd;
}

static bool exists(void)
{
    return lstat(path, &status) == 0;
}

static void test_names(void)
{
    char longest[UNIX_SOCKET_PATH_MAX + 2];
    CHECK(!unix_socket_name("", &name));
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CHECK(!unix_socket_name(longest, &name));
    longest[sizeof longest - 2] = '\0';
    CHECK(unix_socket_name(longest, &name));
    CHECK(name.sun_family == AF_UNIX);
    CHECK_STR(name.sun_path, longest);
}

static void test_what_is_there(void)
{
    in_folder("none");
    CHECK(unix_socket_look(&name, &status) == ENOENT);
    in_folder("file");
    close(open(path, O_CREAT | O_WRONLY, 0600));
    CHECK(unix_socket_look(&name, &status) == ENOTSOCK);
    in_folder("file/none");
    CHECK(unix_socket_look(&name, &status) == ENOTDIR);
    in_folder("file");
    CHECK(unlink(path) == 0);
    // Not what a link leads to.
    CHECK(symlink("/dev/null", path) == 0);
    CHECK(unix_socket_look(&name, &status) == ENOTSOCK);
    CHECK(unlink(path) == 0);
}

static void test_only_stale_ones_are_removed(void)
{
    in_folder("s");
    int fd = bound();
    CHECK(listen(fd, 1) == 0);
    CHECK(unix_socket_look(&name, &status) == 0 && S_ISSOCK(status.st_mode));
    CHECK(unix_socket_remove_stale(&name) == EADDRINUSE);
    CHECK(exists());
    close(fd);
    CHECK(unix_socket_remove_stale(&name) == 0);
    CHECK(!exists());
}

static void test_one_of_another_kind_is_in_use(void)
{
    in_folder("datagrams");
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
    CHECK(unix_socket_remove_stale(&name) == EADDRINUSE);
    CHECK(exists());
    close(fd);
    CHECK(unlink(path) == 0);
}

static void test_only_its_maker_removes_a_file(void)
{
    struct unix_socket_file file = {.path = NULL};
    int child_status = -1;
    unix_socket_remove(&file); // none
    in_folder("s");
    CHECK(unix_socket_note(&file, path) == ENOENT);
    int fd = bound();
    CHECK(unix_socket_note(&file, path) == 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        unix_socket_remove(&file);
        _exit(0);
    }
    CHECK(waitpid(pid, &child_status, 0) == pid && child_status == 0);
    CHECK(exists());
    unix_socket_remove(&file);
    CHECK(!exists() && file.path == NULL);
    unix_socket_remove(&file);
    close(fd);
}

static void test_another_file_stays(void)
{
    struct unix_socket_file file;
    char aside[sizeof path + 4];
    in_folder("s");
    int first = bound();
    CHECK(unix_socket_note(&file, path) == 0);
    snprintf(aside, sizeof aside, "%s.old", path);
    CHECK(rename(path, aside) == 0); // keeps the inode in use
    int second = bound();
    unix_socket_remove(&file);
    CHECK(exists());
    CHECK(unlink(path) == 0 && unlink(aside) == 0);
    close(first);
    close(second);
}

static void test_reasons(void)
{
    CHECK_STR(unix_socket_reason(EADDRINUSE), "in use by another process; choose another with");
    CHECK(unix_socket_reason(ENOMEM) == NULL);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_names),
    UNIT_CASE(test_what_is_there),
    UNIT_CASE(test_only_stale_ones_are_removed),
    UNIT_CASE(test_one_of_another_kind_is_in_use),
    UNIT_CASE(test_only_its_maker_removes_a_file),
    UNIT_CASE(test_another_file_stays),
    UNIT_CASE(test_reasons),
};

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    int result = unit_main("unix_socket", cases, UNIT_COUNT(cases));
    return rmdir(folder) == 0 ? result : 1;
}

// test_mount.c - members through the C library's own calls, which the link redirects
// (mount.symbols).
#include "mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive.h"
#include "unit.h"
#include "zip_builder.h"

static char folder[] = "/tmp/limpet-mount-XXXXXX";
static char executable[512];
static struct archive *archive;

static const struct str long_text = STR(
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");

// Write the appliance file that all cases use. Member 3 (app/damaged) fails its check sum.
static void build_executable(void)
{
    struct zip_builder zip;
    struct err err = {0};
    zip_init(&zip);
    zip_add_elf(&zip, true);
    zip_add(&zip, STR("app/a.py"), STR("print()\n"), false);
    zip_add(&zip, STR("app/b/c/d.txt"), STR("d"), false);
    zip_add(&zip, STR("app/b/e"), STR(""), false);
    zip_add(&zip, STR("app/damaged"), STR("12345"), false);
    zip_add(&zip, STR("app/x.css"), long_text, true);
    zip_add(&zip, STR("lib/z"), STR("z"), false);
    zip_end(&zip);
    zip.data[zip.members[3].header_offset + 30 + zip.members[3].name_size] = 'X';
    char canonical[PATH_MAX];
    int used = snprintf(executable, sizeof executable, "%s/shop", realpath(folder, canonical));
    if (used < 0 || (size_t)used >= sizeof executable)
        abort();
    FILE *file = fopen(executable, "wb");
    if (file == NULL || fwrite(zip.data, 1, zip.size, file) != zip.size || fclose(file) != 0 ||
        archive_open(&archive, executable, &err) < 0)
        abort();
    zip_fini(&zip);
    mount_archive(archive);
}

// A path below the executable: "/app" is EXECUTABLE/app. Valid for the next three calls.
static const char *at(const char *tail)
{
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s%s", executable, tail);
    return path;
}

#define CHECK_FAILS(call, expected) \
    do {                            \
        errno = 0;                  \
        CHECK((call) == -1);        \
        CHECK(errno == (expected)); \
    } while (0)

static const char *read_all(int fd)
{
    static char content[256];
    ssize_t size = read(fd, content, sizeof content - 1);
    content[size > 0 ? size : 0] = '\0';
    return content;
}

static void check_content(const char *path, const char *expected)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_STR(read_all(fd), expected);
    close(fd);
}

static void test_open(void)
{
    check_content(at("/app/a.py"), "print()\n");
    check_content(at("/app/x.css"), long_text.data);
    check_content(at("/app/b/e"), "");
    check_content(at("/app//b/./../a.py"), "print()\n");
    check_content(at("//lib/z"), "z");
    check_content(at("/nothing/../app/a.py"), "print()\n");
    int fd = openat(AT_FDCWD, at("/lib/z"), O_RDONLY);
    CHECK_STR(read_all(fd), "z");
    close(fd);
    fd = openat(STDIN_FILENO, at("/lib/z"), O_RDONLY);
    CHECK_STR(read_all(fd), "z");
    close(fd);
}

static void test_descriptor(void)
{
    struct stat by_path, by_fd;
    int fd = open(at("/app/a.py"), O_RDONLY | O_CLOEXEC);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK(lseek(fd, 0, SEEK_CUR) == 0);
    CHECK(fstat(fd, &by_fd) == 0 && stat(at("/app/a.py"), &by_path) == 0);
    CHECK(by_fd.st_size == 8 && by_fd.st_mtime == by_path.st_mtime);
    CHECK(by_fd.st_mode == by_path.st_mode);
    char *map = mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED && memcmp(map, "print()\n", 8) == 0);
    munmap(map, 8);
    CHECK_FAILS(write(fd, "x", 1), EPERM);
    CHECK_FAILS(ftruncate(fd, 0), EPERM);
    CHECK((fcntl(fd, F_GET_SEALS) & F_SEAL_SEAL) != 0);
    close(fd);
    fd = open(at("/app/a.py"), O_RDONLY);
    CHECK(fcntl(fd, F_GETFD) == 0);
    close(fd);
}

static void test_open_refused(void)
{
    CHECK_FAILS(open(at("/app/a.py"), O_WRONLY), EROFS);
    CHECK_FAILS(open(at("/app/a.py"), O_RDWR), EROFS);
    CHECK_FAILS(open(at("/app/a.py"), O_RDONLY | O_TRUNC), EROFS);
    CHECK_FAILS(open(at("/app/new"), O_WRONLY | O_CREAT, 0644), EROFS);
    CHECK_FAILS(open(at("/app"), O_WRONLY), EROFS);
    CHECK_FAILS(open(at("/app"), O_TMPFILE | O_RDWR, 0644), EROFS);
    CHECK_FAILS(open(at("/app/new"), O_RDWR), ENOENT);
    CHECK_FAILS(open(at("/app/none"), O_RDONLY), ENOENT);
    CHECK_FAILS(open(at("/app/a.py/x"), O_RDONLY), ENOTDIR);
    CHECK_FAILS(open(at("/app/a.py/"), O_RDONLY), ENOTDIR);
    CHECK_FAILS(open(at("/app/a.py/."), O_RDONLY), ENOTDIR);
    CHECK_FAILS(open(at("/app/a.py"), O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_FAILS(open(at("/app"), O_RDONLY), EISDIR);
    CHECK_FAILS(open(at("/app"), O_RDONLY | O_DIRECTORY), ENOTSUP);
    CHECK_FAILS(open(at("/app"), O_PATH), ENOTSUP);
}

static void test_damaged(void)
{
    // The log says what is wrong: keep it out of the tests' output.
    int saved = dup(STDERR_FILENO), pipe_fds[2];
    char text[512] = "";
    CHECK(pipe(pipe_fds) == 0 && dup2(pipe_fds[1], STDERR_FILENO) == STDERR_FILENO);
    CHECK_FAILS(open(at("/app/damaged"), O_RDONLY), EIO);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipe_fds[1]);
    CHECK(read(pipe_fds[0], text, sizeof text - 1) > 0);
    CHECK_CONTAINS(text, "/shop: damaged archive: app/damaged: wrong check sum");
    close(pipe_fds[0]);
}

static void test_stat(void)
{
    struct stat status, other;
    CHECK(stat(at("/app/x.css"), &status) == 0);
    CHECK(status.st_mode == (S_IFREG | 0444) && status.st_size == 90 && status.st_nlink == 1);
    CHECK(status.st_uid == geteuid());
    CHECK(status.st_dev % 2 == 1 && status.st_blocks == 1);
    CHECK(lstat(at("/app/x.css"), &other) == 0 && memcmp(&status, &other, sizeof status) == 0);
    CHECK(fstatat(AT_FDCWD, at("/app/x.css"), &other, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK(other.st_ino == status.st_ino);
    CHECK(stat(at("/app"), &status) == 0 && status.st_mode == (S_IFDIR | 0555));
    CHECK(stat(at("/"), &status) == 0 && S_ISDIR(status.st_mode) && status.st_ino != 0);
    CHECK(stat(at("/app/.."), &other) == 0 && other.st_ino == status.st_ino);
    CHECK(stat(at("/app/b/.."), &other) == 0 && stat(at("/app/"), &status) == 0);
    CHECK(other.st_ino == status.st_ino);
    CHECK_FAILS(stat(at("/none"), &status), ENOENT);
    CHECK_FAILS(stat(at("/app/a.py/x"), &status), ENOTDIR);
    CHECK_FAILS(lstat(at("/app/a.py/"), &status), ENOTDIR);
    CHECK_FAILS(fstatat(AT_FDCWD, at("/none/x"), &status, 0), ENOENT);
}

// Everything is as old as the executable, but never older than a zip can tell.
static void test_time(void)
{
    static const struct timespec times[] = {{1700000000, 123456789}, {1, 0}};
    static const time_t seen[] = {1700000000, 315532800};
    for (size_t i = 0; i < 2; i++) {
        struct stat status, opened;
        struct timespec both[2] = {times[i], times[i]};
        CHECK(utimensat(AT_FDCWD, executable, both, 0) == 0);
        mount_archive(archive);
        CHECK(stat(at("/app/x.css"), &status) == 0 && status.st_mtime == seen[i]);
        CHECK(status.st_mtim.tv_nsec == times[i].tv_nsec);
        int fd = open(at("/app/x.css"), O_RDONLY);
        CHECK(fd >= 0 && fstat(fd, &opened) == 0 && close(fd) == 0);
        CHECK(memcmp(&opened.st_mtim, &status.st_mtim, sizeof status.st_mtim) == 0);
    }
}

static void test_inodes_differ(void)
{
    static const char *const paths[] = {"/",        "/app",     "/app/a.py",
                                        "/app/b",   "/app/b/c", "/app/b/c/d.txt",
                                        "/app/b/e", "/lib",     "/lib/z"};
    struct stat first, second;
    for (size_t i = 0; i < UNIT_COUNT(paths); i++) {
        for (size_t j = i + 1; j < UNIT_COUNT(paths); j++) {
            CHECK(stat(at(paths[i]), &first) == 0 && stat(at(paths[j]), &second) == 0);
            CHECK(first.st_ino != second.st_ino);
        }
    }
}

static void test_long_path(void)
{
    static char path[3 * PATH_MAX];
    struct stat status;
    size_t used = (size_t)snprintf(path, sizeof path, "%s/", executable);
    memset(path + used, 'n', PATH_MAX);
    CHECK_FAILS(stat(path, &status), ENAMETOOLONG);
    path[used + PATH_MAX - 2] = '\0';
    CHECK_FAILS(stat(path, &status), ENOENT);
    // What is short once normalised is found, however it is written.
    for (size_t i = used; i < used + PATH_MAX; i += 2)
        memcpy(path + i, "./", 2);
    memcpy(path + used + PATH_MAX, "lib/z", 6);
    CHECK(stat(path, &status) == 0 && status.st_size == 1);
}

static void test_access(void)
{
    CHECK(access(at("/app/a.py"), F_OK) == 0);
    CHECK(access(at("/app/a.py"), R_OK) == 0);
    CHECK(access(at("/app"), R_OK | X_OK) == 0);
    CHECK_FAILS(access(at("/app/a.py"), W_OK), EROFS);
    CHECK_FAILS(access(at("/app/a.py"), X_OK), EACCES);
    CHECK_FAILS(access(at("/none"), F_OK), ENOENT);
    CHECK(faccessat(AT_FDCWD, at("/app/a.py"), R_OK, AT_EACCESS) == 0);
    CHECK_FAILS(faccessat(AT_FDCWD, at("/app/a.py/x"), R_OK, 0), ENOTDIR);
}

static void test_links_and_folders(void)
{
    char target[16];
    CHECK_FAILS(readlink(at("/app/a.py"), target, sizeof target), EINVAL);
    CHECK_FAILS(readlink(at("/app"), target, sizeof target), EINVAL);
    CHECK_FAILS(readlink(at("/none"), target, sizeof target), ENOENT);
    CHECK_FAILS(readlinkat(AT_FDCWD, at("/app"), target, sizeof target), EINVAL);
    CHECK_FAILS(mkdir(at("/app"), 0755), EEXIST);
    CHECK_FAILS(mkdir(at("/new"), 0755), EROFS);
    CHECK_FAILS(mkdirat(AT_FDCWD, at("/app/a.py/x"), 0755), ENOTDIR);
    CHECK_FAILS(listxattr(at("/app/a.py"), target, sizeof target), ENOTSUP);
    CHECK_FAILS(llistxattr(at("/app"), target, sizeof target), ENOTSUP);
    CHECK_FAILS(getxattr(at("/app/a.py"), "user.x", target, sizeof target), ENOTSUP);
    CHECK_FAILS(lgetxattr(at("/none"), "user.x", target, sizeof target), ENOENT);
}

static void test_fopen(void)
{
    char text[64] = "";
    FILE *file = fopen(at("/app/a.py"), "rb");
    CHECK(file != NULL && fgets(text, sizeof text, file) == text);
    CHECK_STR(text, "print()\n");
    CHECK(file != NULL && fcntl(fileno(file), F_GETFD) == 0);
    if (file != NULL)
        fclose(file);
    file = fopen(at("/app/a.py"), "re");
    CHECK(file != NULL && fcntl(fileno(file), F_GETFD) == FD_CLOEXEC);
    if (file != NULL)
        fclose(file);
    static const struct {
        const char *path, *mode;
        int expected;
    } refused[] = {
        {"/app/a.py", "r+", EROFS}, {"/app/a.py", "w", EROFS}, {"/app/new", "a", EROFS},
        {"/app/none", "r", ENOENT}, {"/app", "r", EISDIR},     {"/app/a.py", "", EINVAL},
        {"/app/a.py", "q", EINVAL},
    };
    for (size_t i = 0; i < UNIT_COUNT(refused); i++) {
        errno = 0;
        CHECK(fopen(at(refused[i].path), refused[i].mode) == NULL);
        CHECK(errno == refused[i].expected);
    }
}

// --- Folders ---

// The folder's entries, each with its kind, checked against stat.
static const char *list(const char *tail)
{
    static char text[256];
    size_t used = 0;
    struct stat status;
    char path[512];
    text[0] = '\0';
    DIR *stream = opendir(at(tail));
    if (stream == NULL)
        return strerror(errno);
    errno = 0;
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        bool is_folder = entry->d_type == DT_DIR;
        snprintf(path, sizeof path, "%s/%s", tail, entry->d_name);
        CHECK(stat(at(path), &status) == 0 && status.st_ino == entry->d_ino);
        CHECK(S_ISDIR(status.st_mode) == is_folder);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s ", entry->d_name,
                                 is_folder ? "/" : "");
    }
    CHECK(errno == 0);
    CHECK(closedir(stream) == 0);
    return text;
}

static void test_folders(void)
{
    CHECK_STR(list(""), strerror(ENOTDIR)); // the executable itself: the kernel's business
    CHECK_STR(list("/"), "app/ lib/ ");
    CHECK_STR(list("/app"), "a.py b/ damaged x.css ");
    CHECK_STR(list("/app/b/../b//"), "c/ e ");
    CHECK_STR(list("/app/none"), strerror(ENOENT));
    CHECK_STR(list("/app/a.py"), strerror(ENOTDIR));
    CHECK_STR(list("/app/a.py/x"), strerror(ENOTDIR));
}

static void test_folder_positions(void)
{
    DIR *stream = opendir(at("/app"));
    CHECK(stream != NULL);
    if (stream == NULL)
        return;
    CHECK_STR(readdir(stream)->d_name, "a.py");
    long position = telldir(stream);
    CHECK_STR(readdir(stream)->d_name, "b");
    CHECK_STR(readdir(stream)->d_name, "damaged");
    seekdir(stream, position);
    CHECK_STR(readdir(stream)->d_name, "b");
    rewinddir(stream);
    CHECK_STR(readdir(stream)->d_name, "a.py");
    seekdir(stream, LONG_MAX);
    CHECK(readdir(stream) == NULL && readdir(stream) == NULL);
    CHECK_FAILS(dirfd(stream), ENOTSUP);
    CHECK(closedir(stream) == 0);
}

static void test_folders_open_at_a_time(void)
{
    static DIR *streams[2000];
    size_t count = 0;
    while (count < UNIT_COUNT(streams) && (streams[count] = opendir(at("/app"))) != NULL)
        count++;
    CHECK(errno == EMFILE && count > 256 && count < UNIT_COUNT(streams));
    CHECK_STR(readdir(streams[0])->d_name, "a.py");
    CHECK_STR(readdir(streams[count - 1])->d_name, "a.py");
    while (count > 0)
        closedir(streams[--count]);
    CHECK_STR(list("/app/b"), "c/ e ");
}

static void test_real_folder(void)
{
    unsigned found = 0;
    DIR *stream = opendir(folder);
    CHECK(stream != NULL);
    if (stream == NULL)
        return;
    CHECK(dirfd(stream) >= 0);
    long start = telldir(stream);
    while (readdir(stream) != NULL)
        found++;
    CHECK(found == 3);
    rewinddir(stream);
    CHECK(readdir(stream) != NULL);
    seekdir(stream, start);
    CHECK(closedir(stream) == 0);
}

// --- What is not ours ---

static void test_kernel_paths(void)
{
    struct stat status, other;
    char path[PATH_MAX];
    // The executable stays a file, also to itself.
    CHECK(stat(executable, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 400);
    CHECK(access(executable, R_OK) == 0);
    // A sibling whose name begins as ours does.
    snprintf(path, sizeof path, "%s.log", executable);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    CHECK(fd >= 0 && fstat(fd, &status) == 0 && (status.st_mode & 0777) == 0640);
    CHECK(stat(path, &other) == 0 && other.st_ino == status.st_ino);
    close(fd);
    unlink(path);
    fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && fstat(fd, &status) == 0 && (status.st_mode & 0777) == 0600);
    close(fd);
    CHECK_FAILS(stat(at("/.."), &status), ENOTDIR);
    CHECK_FAILS(stat(at("/app/../../shop"), &status), ENOTDIR);
    CHECK_FAILS(open("shop/app/a.py", O_RDONLY), ENOENT);
    CHECK_FAILS(unlink(at("/app/a.py")), ENOTDIR);
}

static void test_unmounted(void)
{
    struct stat status;
    mount_archive(NULL);
    CHECK_FAILS(stat(at("/app/a.py"), &status), ENOTDIR);
    CHECK(opendir(at("/app")) == NULL);
    mount_archive(archive);
    CHECK(stat(at("/app/a.py"), &status) == 0);
}

// --- Threads ---

static void *open_and_list(void *failures)
{
    for (unsigned i = 0; i < 300; i++) {
        char text[16] = "";
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/app/a.py", executable);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        bool good = read(fd, text, sizeof text - 1) == 8 && strcmp(text, "print()\n") == 0;
        close(fd);
        snprintf(path, sizeof path, "%s/app/b", executable);
        DIR *stream = opendir(path);
        good = good && stream != NULL && strcmp(readdir(stream)->d_name, "c") == 0 &&
               strcmp(readdir(stream)->d_name, "e") == 0 && readdir(stream) == NULL;
        if (stream != NULL)
            closedir(stream);
        if (!good)
            __atomic_add_fetch((unsigned *)failures, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[4];
    unsigned failures = 0;
    for (size_t i = 0; i < UNIT_COUNT(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, open_and_list, &failures) == 0);
    for (size_t i = 0; i < UNIT_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    CHECK(failures == 0);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_open),
    UNIT_CASE(test_descriptor),
    UNIT_CASE(test_open_refused),
    UNIT_CASE(test_damaged),
    UNIT_CASE(test_stat),
    UNIT_CASE(test_time),
    UNIT_CASE(test_inodes_differ),
    UNIT_CASE(test_long_path),
    UNIT_CASE(test_access),
    UNIT_CASE(test_links_and_folders),
    UNIT_CASE(test_fopen),
    UNIT_CASE(test_folders),
    UNIT_CASE(test_folder_positions),
    UNIT_CASE(test_folders_open_at_a_time),
    UNIT_CASE(test_real_folder),
    UNIT_CASE(test_kernel_paths),
    UNIT_CASE(test_unmounted),
    UNIT_CASE(test_threads),
};

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    build_executable();
    int status = unit_main("mount", cases, UNIT_COUNT(cases));
    mount_archive(NULL);
    archive_close(archive);
    unlink(executable);
    rmdir(folder);
    return status;
}

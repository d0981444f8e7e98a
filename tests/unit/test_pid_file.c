// test_pid_file.c - whose a pid file is, what is never overwritten, and writing it.
#include "pid_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "text_file.h"
#include "unit.h"

static char folder[] = "/tmp/limpet-pid-XXXXXX";
static char path[sizeof folder + 16];
static struct err err;

static void write_bytes(const void *data, size_t size)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

static void write_text(const char *text)
{
    write_bytes(text, strlen(text));
}

static void write_number(pid_t pid)
{
    char text[32];
    snprintf(text, sizeof text, "%d\n", (int)pid);
    write_text(text);
}

static const char *content(void)
{
    static char text[128];
    if (text_file_read(path, text, sizeof text) < 0)
        return "(none)";
    return text;
}

static int claim(pid_t except)
{
    err = (struct err){.kind = ERR_NONE};
    return pid_file_claim(path, except, &err);
}

// A process that does nothing until it is killed.
static pid_t start_process(void)
{
    fflush(NULL);
    pid_t pid = fork();
    while (pid == 0)
        pause();
    CHECK(pid > 0);
    return pid;
}

static void end_process(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, NULL, 0) == pid);
}

static void test_nobody_has_it(void)
{
    CHECK(claim(0) == 0);
    CHECK_STR(content(), "(none)");
    write_text("");
    CHECK(claim(0) == 0);
    write_text(" \n");
    CHECK(claim(0) == 0);
    write_bytes("\0\0\0\0\0", 5);
    CHECK(claim(0) == 0);
    write_number(getpid());
    CHECK(claim(0) == 0);
    unlink(path);
}

static void test_somebody_has_it(void)
{
    char expected[256];
    pid_t pid = start_process();
    write_number(pid);
    CHECK(claim(0) == -1);
    snprintf(expected, sizeof expected,
             "%s names process %d, which is running; stop it, or choose another --pid-file", path,
             (int)pid);
    CHECK_STR(err.text, expected);
    CHECK(err.kind == ERR_FAILED);
    CHECK(claim(pid + 1) == -1);
    CHECK(claim(pid) == 0);
    end_process(pid);
    CHECK(claim(0) == 0);
    unlink(path);
}

// Its number has been given to another one since, which runs.
static void test_the_number_is_another_ones_by_now(void)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000000000}};
    pid_t pid = start_process();
    write_number(pid);
    CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
    CHECK(claim(0) == (access("/proc/self/stat", R_OK) == 0 ? 0 : -1));
    end_process(pid);
    unlink(path);
}

// It has ended, and only its parent has not looked yet.
static void test_a_process_that_has_ended(void)
{
    siginfo_t info;
    pid_t pid = start_process();
    write_number(pid);
    kill(pid, SIGKILL);
    CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
    CHECK(claim(0) == 0);
    CHECK(waitpid(pid, NULL, 0) == pid);
    unlink(path);
}

static void test_other_files_are_left_alone(void)
{
    static const char *const texts[] = {
        "hello", "12x",           "-5",
        "0",     "99999999999",   "2147483648",
        "12 13", "4711\nrunning", "            123                     "};
    char expected[256];
    snprintf(expected, sizeof expected, "%s is no pid file; remove it or choose another --pid-file",
             path);
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        write_text(texts[i]);
        CHECK(claim(0) == -1);
        CHECK_STR(err.text, expected);
        CHECK_STR(content(), texts[i]);
        pid_file_remove(path);
        CHECK_STR(content(), texts[i]);
    }
    unlink(path);
    CHECK(mkdir(path, 0700) == 0);
    CHECK(claim(0) == -1);
    CHECK_STR(err.text, expected);
    CHECK(rmdir(path) == 0 && mkfifo(path, 0600) == 0);
    CHECK(claim(0) == -1);
    CHECK_STR(err.text, expected);
    unlink(path);
}

static void check_refused(const char *name, const char *problem)
{
    char expected[256];
    snprintf(expected, sizeof expected, "cannot write %s: %s, or choose another --pid-file", name,
             problem);
    CHECK(pid_file_claim(name, 0, &err) == -1);
    CHECK_STR(err.text, expected);
    CHECK(pid_file_write(name, &err) == -1);
    CHECK_STR(err.text, expected);
}

static void test_folders_that_are_no_good(void)
{
    char name[sizeof path + 16];
    snprintf(name, sizeof name, "%s/none/x", folder);
    check_refused(name, "its folder does not exist; create it");
    write_text("");
    snprintf(name, sizeof name, "%s/x", path);
    check_refused(name, "its folder is not a folder; remove what is there");
    unlink(path);
}

// As somebody who may not.
static void test_a_folder_of_others(void)
{
    int status = -1;
    CHECK(chmod(folder, 0555) == 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0)
            CHECK(setresuid(65534, 65534, 65534) == 0);
        check_refused(path, "permission denied; change who may write there");
        fflush(NULL);
        _exit(unit_failures != 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(chmod(folder, 0755) == 0);
}

static void test_too_long_a_path(void)
{
    static char name[5000];
    memset(name, 'x', sizeof name - 1);
    CHECK(pid_file_claim(name, 0, &err) == -1);
    CHECK_CONTAINS(err.text, "cannot write xxx");
    CHECK(pid_file_write(name, &err) == -1);
}

static size_t files_in_folder(void)
{
    size_t count = 0;
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    while ((entry = readdir(entries)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(entries);
    return count;
}

static void test_writing(void)
{
    char expected[32];
    struct stat status;
    mode_t mask = umask(077);
    snprintf(expected, sizeof expected, "%d\n", (int)getpid());
    CHECK(pid_file_write(path, &err) == 0);
    umask(mask);
    CHECK_STR(content(), expected);
    CHECK(stat(path, &status) == 0 && (status.st_mode & 07777) == 0644);
    CHECK(claim(0) == 0);
    write_text("4711\n");
    CHECK(pid_file_write(path, &err) == 0);
    CHECK_STR(content(), expected);
    CHECK(files_in_folder() == 1);
    pid_file_remove(path);
    CHECK(files_in_folder() == 0);
    pid_file_remove(path);
}

// That of a successor stays.
static void test_only_ours_is_removed(void)
{
    write_text("1\n");
    pid_file_remove(path);
    CHECK_STR(content(), "1\n");
    unlink(path);
}

// A folder that cannot be renamed in leaves no temporary file behind.
static void test_failed_writing_leaves_nothing(void)
{
    CHECK(mkdir(path, 0700) == 0);
    CHECK(pid_file_write(path, &err) == -1);
    CHECK(files_in_folder() == 1);
    CHECK(rmdir(path) == 0);
}

static void test_a_path_without_a_folder(void)
{
    CHECK(chdir(folder) == 0);
    CHECK(pid_file_claim("shop.pid", 0, &err) == 0);
    CHECK(pid_file_write("shop.pid", &err) == 0);
    CHECK(files_in_folder() == 1);
    pid_file_remove("shop.pid");
    CHECK(files_in_folder() == 0);
    CHECK(chdir("/") == 0);
    CHECK(pid_file_claim("/", 0, &err) == -1);
    CHECK_STR(err.text, "/ is no pid file; remove it or choose another --pid-file");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_nobody_has_it),
    UNIT_CASE(test_somebody_has_it),
    UNIT_CASE(test_the_number_is_another_ones_by_now),
    UNIT_CASE(test_a_process_that_has_ended),
    UNIT_CASE(test_other_files_are_left_alone),
    UNIT_CASE(test_folders_that_are_no_good),
    UNIT_CASE(test_a_folder_of_others),
    UNIT_CASE(test_too_long_a_path),
    UNIT_CASE(test_writing),
    UNIT_CASE(test_only_ours_is_removed),
    UNIT_CASE(test_failed_writing_leaves_nothing),
    UNIT_CASE(test_a_path_without_a_folder),
};

int main(void)
{
    if (mkdtemp(folder) == NULL || chmod(folder, 0755) < 0)
        return 1;
    snprintf(path, sizeof path, "%s/shop.pid", folder);
    int status = unit_main("pid_file", cases, UNIT_COUNT(cases));
    rmdir(folder);
    return status;
}

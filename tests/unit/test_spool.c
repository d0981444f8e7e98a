// test_spool.c - the border between memory and file, the limits, folders that cannot be used.
#include "spool.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apart.h"
#include "unit.h"

static struct err err;
static bool may_leave; // this process can have another root

static void check_content(const struct spool *spool, const char *expected)
{
    char content[64] = "";
    if (spool->fd >= 0)
        CHECK(pread(spool->fd, content, sizeof content - 1, 0) >= 0);
    else
        memcpy(content, buf_text(&spool->memory), spool->memory.size);
    CHECK_STR(content, expected);
    CHECK(spool->size == strlen(expected));
}

static void test_small_stays_in_memory(void)
{
    struct spool_limits limits = {.memory = 8, .maximum = 100};
    struct spool spool;
    spool_init(&spool, &limits);
    CHECK(spool_append(&spool, "12345678", 8, &err) == 0);
    CHECK(spool.fd == -1);
    check_content(&spool, "12345678");
    spool_fini(&spool);
}

static void test_large_goes_to_a_nameless_file(void)
{
    struct spool_limits limits = {.memory = 8, .maximum = 100};
    struct spool spool;
    struct stat about;
    spool_init(&spool, &limits);
    CHECK(spool_append(&spool, "12345", 5, &err) == 0);
    CHECK(spool_append(&spool, "6789", 4, &err) == 0);
    CHECK(spool_append(&spool, "abc", 3, &err) == 0);
    CHECK(spool.fd >= 0 && spool.memory.size == 0);
    CHECK(fstat(spool.fd, &about) == 0 && about.st_nlink == 0);
    CHECK((fcntl(spool.fd, F_GETFD) & FD_CLOEXEC) != 0);
    check_content(&spool, "123456789abc");
    spool_clear(&spool);
    CHECK(spool.fd == -1 && spool.size == 0);
    CHECK(spool_append(&spool, "again", 5, &err) == 0);
    check_content(&spool, "again");
    spool_fini(&spool);
}

static void test_no_memory_at_all(void)
{
    struct spool_limits limits = {.memory = 0, .maximum = 100};
    struct spool spool;
    spool_init(&spool, &limits);
    CHECK(spool_append(&spool, "x", 1, &err) == 0);
    CHECK(spool.fd >= 0);
    check_content(&spool, "x");
    spool_fini(&spool);
}

static void test_maximum(void)
{
    struct spool_limits limits = {.memory = 4, .maximum = 10};
    struct spool spool;
    spool_init(&spool, &limits);
    CHECK(!spool_exceeds(&spool, 10) && spool_exceeds(&spool, 11));
    CHECK(spool_append(&spool, "1234567", 7, &err) == 0);
    CHECK(spool_exceeds(&spool, 4) && spool_exceeds(&spool, UINT64_MAX));
    CHECK(spool_append(&spool, "8901", 4, &err) == -1);
    CHECK_STR(err.text, "longer than the 10 bytes of --max-body-size");
    check_content(&spool, "1234567");
    spool_fini(&spool);
}

static void test_zero_is_no_maximum(void)
{
    struct spool_limits limits = {.memory = 4, .maximum = 0};
    struct spool spool;
    spool_init(&spool, &limits);
    CHECK(!spool_exceeds(&spool, UINT64_MAX));
    spool_fini(&spool);
}

static void test_folder_that_cannot_be_used(void)
{
    struct spool_limits missing = {.folder = "/nonexistent/folder"};
    CHECK(spool_check(&missing, &err) == -1);
    CHECK_STR(err.text, "cannot make a temporary file in /nonexistent/folder (choose another with "
                        "--temp-dir): No such file or directory");
    struct spool_limits file = {.folder = "/proc/self/status"};
    CHECK(spool_check(&file, &err) == -1);
    struct spool_limits standard = {.folder = NULL};
    CHECK(spool_check(&standard, &err) == 0);
}

// The folder goes while the server runs. Only without one that was asked for, memory helps.
static void test_no_place_while_it_grows(void)
{
    struct spool_limits limits = {.memory = 4, .maximum = 100, .folder = "/nonexistent"};
    struct spool spool;
    spool_init(&spool, &limits);
    CHECK(spool_append(&spool, "1234", 4, &err) == 0);
    CHECK(spool_append(&spool, "5", 1, &err) == -1);
    CHECK(strstr(err.text, "--temp-dir") != NULL);
    CHECK(spool.fd == -1);
    check_content(&spool, "1234");
    spool_fini(&spool);
}

// What needs a file is known by its size, and the file is there before the first byte.
static void test_what_is_to_come(void)
{
    struct spool_limits limits = {.memory = 4, .maximum = 100};
    struct spool spool;
    spool_init(&spool, &limits);
    CHECK(spool_expect(&spool, 0, &err) == 0 && spool_expect(&spool, 4, &err) == 0);
    CHECK(spool.fd == -1);
    CHECK(spool_expect(&spool, 5, &err) == 0);
    int fd = spool.fd;
    CHECK(fd >= 0 && spool.size == 0);
    CHECK(spool_expect(&spool, 6, &err) == 0 && spool.fd == fd);
    CHECK(spool_append(&spool, "123", 3, &err) == 0 && spool_append(&spool, "45", 2, &err) == 0);
    CHECK(spool.fd == fd);
    check_content(&spool, "12345");
    spool_fini(&spool);
    struct spool_limits missing = {.memory = 4, .maximum = 100, .folder = "/nonexistent"};
    spool_init(&spool, &missing);
    CHECK(spool_expect(&spool, 4, &err) == 0);
    CHECK(spool_expect(&spool, 5, &err) == -1);
    CHECK_CONTAINS(err.text, "cannot make a temporary file in /nonexistent ");
    CHECK(spool.fd == -1 && spool_append(&spool, "1234", 4, &err) == 0);
    check_content(&spool, "1234");
    spool_fini(&spool);
}

// --- Where memory is scarce ---

static const struct spool_limits plenty = {.memory = 4, .maximum = 100};
static const struct spool_limits scarce = {.memory = 4, .maximum = 100, .scarce = true};

// With a folder it is as elsewhere.
static void test_scarce_with_a_folder(void)
{
    struct spool spool;
    struct stat about;
    CHECK(spool_check(&scarce, &err) == 0);
    spool_init(&spool, &scarce);
    CHECK(spool_append(&spool, "1234", 4, &err) == 0 && spool.fd == -1);
    CHECK(spool_append(&spool, "5", 1, &err) == 0 && spool.fd >= 0);
    CHECK(fstat(spool.fd, &about) == 0 && about.st_nlink == 0);
    check_content(&spool, "12345");
    spool_fini(&spool);
}

// The root becomes a folder that is not there any more, in which nothing can be made.
static bool leave(void)
{
    char folder[] = "/tmp/limpet-spool-XXXXXX";
    if (geteuid() != 0 && unshare(CLONE_NEWUSER) < 0)
        return false;
    return mkdtemp(folder) != NULL && chdir(folder) == 0 && rmdir(folder) == 0 && chroot(".") == 0;
}

static bool can_leave(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(leave() ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void keep_without_folder(void)
{
    struct spool spool;
    CHECK(leave());
    CHECK(spool_check(&plenty, &err) == 0);
    spool_init(&spool, &plenty);
    CHECK(spool_append(&spool, "1234", 4, &err) == 0 && spool.fd == -1);
    CHECK(spool_append(&spool, "56789", 5, &err) == 0 && spool.fd >= 0);
    CHECK((fcntl(spool.fd, F_GETFD) & FD_CLOEXEC) != 0);
    check_content(&spool, "123456789");
    spool_clear(&spool);
    CHECK(spool_expect(&spool, 5, &err) == 0 && spool.fd >= 0);
    spool_fini(&spool);
}

static void refuse_without_folder(void)
{
    static const char why[] = "cannot make a temporary file in /tmp (choose another with "
                              "--temp-dir): No such file or directory";
    struct spool spool;
    CHECK(leave());
    CHECK(spool_check(&scarce, &err) == 0); // bodies that need no file are served
    spool_init(&spool, &scarce);
    CHECK(spool_append(&spool, "1234", 4, &err) == 0);
    CHECK(spool_append(&spool, "5", 1, &err) == -1);
    CHECK_STR(err.text, why);
    CHECK(spool.fd == -1);
    check_content(&spool, "1234"); // and nothing of what was refused
    spool_clear(&spool);
    CHECK(spool_append(&spool, "12345", 5, &err) == -1 && spool.size == 0);
    err.text[0] = '\0';
    CHECK(spool_expect(&spool, 5, &err) == -1);
    CHECK_STR(err.text, why);
    CHECK(spool_expect(&spool, 4, &err) == 0 && spool_append(&spool, "next", 4, &err) == 0);
    check_content(&spool, "next");
    spool_fini(&spool);
}

static void test_without_a_folder(void)
{
    if (may_leave)
        run_apart(keep_without_folder);
}

static void test_scarce_without_a_folder(void)
{
    if (may_leave)
        run_apart(refuse_without_folder);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_small_stays_in_memory),   UNIT_CASE(test_large_goes_to_a_nameless_file),
    UNIT_CASE(test_no_memory_at_all),        UNIT_CASE(test_maximum),
    UNIT_CASE(test_zero_is_no_maximum),      UNIT_CASE(test_folder_that_cannot_be_used),
    UNIT_CASE(test_no_place_while_it_grows), UNIT_CASE(test_what_is_to_come),
    UNIT_CASE(test_scarce_with_a_folder),    UNIT_CASE(test_without_a_folder),
    UNIT_CASE(test_scarce_without_a_folder),
};

int main(void)
{
    may_leave = can_leave();
    if (!may_leave)
        printf("  spool: no other root can be had here: a machine without /tmp is not tested\n");
    return unit_main("spool", cases, UNIT_COUNT(cases));
}

// test_spool.c - the border between memory and file, the limits, folders that cannot be used.
#include "spool.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static struct err err;

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
    spool_fini(&spool);
    struct spool_limits scarce = {.memory = 4, .maximum = 100, .scarce = true};
    CHECK(spool_check(&scarce, &err) == 0);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_small_stays_in_memory),   UNIT_CASE(test_large_goes_to_a_nameless_file),
    UNIT_CASE(test_no_memory_at_all),        UNIT_CASE(test_maximum),
    UNIT_CASE(test_zero_is_no_maximum),      UNIT_CASE(test_folder_that_cannot_be_used),
    UNIT_CASE(test_no_place_while_it_grows),
};

int main(void)
{
    return unit_main("spool", cases, UNIT_COUNT(cases));
}

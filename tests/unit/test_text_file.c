// test_text_file.c - files of any length, the kernel's, and those that cannot be read.
#include "text_file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static char path[] = "/tmp/limpet-text-XXXXXX";

static void write_content(const char *content)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(content, file) >= 0 && fclose(file) == 0);
}

static void test_what_fits(void)
{
    char out[8];
    write_content("");
    CHECK(text_file_read(path, out, sizeof out) == 0);
    CHECK_STR(out, "");
    write_content("1234567");
    CHECK(text_file_read(path, out, sizeof out) == 7);
    CHECK_STR(out, "1234567");
    write_content("12345678901234");
    CHECK(text_file_read(path, out, sizeof out) == 7);
    CHECK_STR(out, "1234567");
    CHECK(text_file_read(path, out, 1) == 0);
    CHECK_STR(out, "");
}

static void test_what_cannot_be_read(void)
{
    char out[8] = "x";
    CHECK(text_file_read("/nonexistent/file", out, sizeof out) == -1 && errno == ENOENT);
    CHECK_STR(out, "");
    memcpy(out, "x", 2);
    CHECK(text_file_read("/tmp", out, sizeof out) == -1 && errno == EISDIR);
    CHECK_STR(out, "");
}

// Nobody writes to it, and nobody waits for that.
static void test_a_pipe(void)
{
    char out[8];
    unlink(path);
    CHECK(mkfifo(path, 0600) == 0);
    CHECK(text_file_read(path, out, sizeof out) == 0);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_what_fits),
    UNIT_CASE(test_what_cannot_be_read),
    UNIT_CASE(test_a_pipe),
};

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    int status = unit_main("text_file", cases, UNIT_COUNT(cases));
    unlink(path);
    return status;
}

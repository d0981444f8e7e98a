// test_resident.c - what is let go of comes back as it was, and nothing that was written is lost.
#include "resident.h"

#include "archive.h"
#include "unit.h"

// Constants of several pages, read and not written; and a variable that has been written.
static const char constants[3 << 16] = {[0] = 'a', [1 << 16] = 'b', [2 << 16] = 'c'};
static char variable[1 << 16] = {[0] = 'x'};

static void test_all_is_there_afterwards(void)
{
    struct err err;
    struct archive *archive = NULL;
    static const char empty_zip[22] = "PK\5\6";
    variable[1] = 'y';
    CHECK(archive_index(&archive, empty_zip, sizeof empty_zip, &err) == 0);
    for (int i = 0; i < 3; i++) {
        resident_release(archive);
        CHECK(constants[0] == 'a' && constants[1 << 16] == 'b' && constants[2 << 16] == 'c');
        CHECK(variable[0] == 'x' && variable[1] == 'y');
    }
    archive_close(archive);
}

static const struct unit_case cases[] = {UNIT_CASE(test_all_is_there_afterwards)};

int main(void)
{
    return unit_main("resident", cases, UNIT_COUNT(cases));
}

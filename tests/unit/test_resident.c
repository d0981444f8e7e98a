// test_resident.c - what is let go of is gone, and comes back as it was; nothing that was written
// is lost.
#include "resident.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "cleanup.h"
#include "unit.h"

enum { SIZE = 4 << 20, STEP = 4096 };

// Constants, read and not written, by a pointer that the compiler does not see through; and a
// variable that has been written.
static const char bytes[SIZE] = {[0] = 'a', [SIZE / 2] = 'b', [SIZE - 1] = 'c'};
static const char *volatile constants = bytes;
static char variable[1 << 16] = {[0] = 'x'};

static int read_all(void)
{
    int sum = 0;
    for (size_t i = 0; i < SIZE; i += STEP)
        sum += constants[i];
    return sum + constants[SIZE - 1];
}

// KB of the mapping with this address that this process has in memory.
static long resident_around(const void *address)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    char line[512];
    bool within = false;
    unsigned long start, end;
    long size = -1;
    while (maps != NULL && size < 0 && fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            within = (uintptr_t)address >= start && (uintptr_t)address < end;
        else if (within && strncmp(line, "Rss:", 4) == 0)
            sscanf(line, "Rss: %ld", &size);
    }
    if (maps != NULL)
        fclose(maps);
    return size;
}

static void test_gone_and_back(void)
{
    struct err err;
    struct archive *archive = NULL;
    static const char empty_zip[22] = "PK\5\6";
    variable[1] = 'y';
    CHECK(archive_index(&archive, empty_zip, sizeof empty_zip, &err) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(read_all() == 'a' + 'b' + 'c');
        long before = resident_around(&constants[SIZE / 2]);
        resident_release(archive);
        long after = resident_around(&constants[SIZE / 2]);
        CHECK(before >= SIZE >> 10 && after >= 0 && after < before - (SIZE >> 11));
        CHECK(variable[0] == 'x' && variable[1] == 'y');
    }
    CHECK(read_all() == 'a' + 'b' + 'c');
    archive_close(archive);
}

static const struct unit_case cases[] = {UNIT_CASE(test_gone_and_back)};

int main(void)
{
    return unit_main("resident", cases, UNIT_COUNT(cases));
}

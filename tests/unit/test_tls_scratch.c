// test_tls_scratch.c - record buffers come and go, and some are kept.
#include "tls_scratch.h"

#include <stdlib.h>

#include "unit.h"

enum { MANY = 3 * TLS_BUFFERS_KEPT };

static void test_one_size(void)
{
    struct tls_scratch *scratch = tls_scratch_new();
    char *small = tls_scratch_take(scratch, 1);
    char *whole = tls_scratch_take(scratch, TLS_BUFFER_SIZE);
    CHECK(small != NULL && whole != NULL && small != whole);
    CHECK(tls_scratch_take(scratch, TLS_BUFFER_SIZE + 1) == NULL);
    small[TLS_BUFFER_SIZE - 1] = whole[TLS_BUFFER_SIZE - 1] = 'x'; // all of it is there
    tls_scratch_give(scratch, small, 1);
    tls_scratch_give(scratch, whole, TLS_BUFFER_SIZE);
    // Whatever the direction that it was of.
    CHECK(tls_scratch_take(scratch, 100) == whole);
    CHECK(tls_scratch_take(scratch, 100) == small);
    tls_scratch_give(scratch, small, 100);
    free(whole); // as any block
    tls_scratch_free(scratch);
}

static void test_more_than_are_kept(void)
{
    struct tls_scratch *scratch = tls_scratch_new();
    void *buffers[MANY];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            buffers[i] = tls_scratch_take(scratch, TLS_BUFFER_SIZE);
            CHECK(buffers[i] != NULL);
        }
        CHECK(scratch->buffer_count == 0);
        for (int i = 0; i < MANY; i++)
            tls_scratch_give(scratch, buffers[i], TLS_BUFFER_SIZE);
        CHECK(scratch->buffer_count == TLS_BUFFERS_KEPT);
    }
    tls_scratch_free(scratch);
    tls_scratch_free(NULL);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_one_size),
    UNIT_CASE(test_more_than_are_kept),
};

int main(void)
{
    return unit_main("tls_scratch", cases, UNIT_COUNT(cases));
}

// test_supervisor_memory.c - what a supervisor answers who asks for the lines in its memory: pieces
// that are bounded, whatever is there and whatever is asked for.
#include "supervisor_memory_priv.h"

#include <inttypes.h>

#include "clock.h"
#include "sink_ring_priv.h"
#include "unit.h"

static struct supervisor supervisor;
static struct control_logs logs;
static struct buf answer = {.maximum = CONTROL_ANSWER_MAX};
static struct err err;
static uint64_t head;
static char state[16], gap[16];

static void open_ring(size_t size)
{
    logs = (struct control_logs){0};
    CHECK(sink_ring_new(&supervisor.ring, size, &err) == 0);
}

static void close_ring(void)
{
    sink_ring_free(supervisor.ring);
    supervisor.ring = NULL;
    buf_fini(&answer);
}

static void put(struct str text, int64_t time, unsigned status)
{
    sink_ring_put(supervisor.ring,
                  &(struct sink_line){.text = text, .time = time, .status = status});
}

// The lines of the next piece.
static const char *ask(void)
{
    int begin = 0;
    buf_fini(&answer);
    CHECK(supervisor_tell_logs(&supervisor, &logs, &answer, &err) == 0);
    CHECK(sscanf(buf_text(&answer), "%" SCNu64 " %" SCNu64 " %15s %15s%n", &logs.cursor, &head,
                 state, gap, &begin) == 4);
    CHECK(begin > 0 && answer.data[begin] == '\n');
    return answer.data + begin + 1;
}

static void test_lines(void)
{
    open_ring(65536);
    CHECK_STR(ask(), "");
    put(STR("one"), 5, 200);
    put(STR("two\n\x1b"), -3, 0);
    CHECK_STR(ask(), "5 one\n-3 two??\n");
    CHECK_STR(state, "end");
    CHECK_STR(gap, "whole");
    CHECK(logs.cursor == head);
    CHECK_STR(ask(), "");
    put(STR(""), 7, 0);
    CHECK_STR(ask(), "7 \n");
    close_ring();
}

static void test_what_is_asked_for(void)
{
    open_ring(65536);
    for (unsigned status = 0; status < 600; status += status == 0 ? 199 : 100) {
        char text[8];
        snprintf(text, sizeof text, "%u", status);
        put(str_of(text), status, status);
    }
    logs = (struct control_logs){.least = 200, .most = 399};
    CHECK_STR(ask(), "299 299\n399 399\n");
    CHECK(logs.cursor == head);
    logs = (struct control_logs){.least = 499, .most = 499};
    CHECK_STR(ask(), "499 499\n");
    logs = (struct control_logs){.since = 400};
    CHECK_STR(ask(), "499 499\n599 599\n");
    logs = (struct control_logs){.since = 1};
    CHECK_STR(ask(), "199 199\n299 299\n399 399\n499 499\n599 599\n");
    close_ring();
}

static void test_pieces(void)
{
    static char text[10000];
    unsigned pieces = 0, lines = 0;
    memset(text, 'x', sizeof text);
    open_ring(4 << 20);
    for (unsigned i = 0; i < 300; i++)
        put((struct str){text, sizeof text}, i, 200);
    do {
        const char *at = ask();
        CHECK(answer.size < 300 << 10);
        for (; (at = strchr(at, '\n')) != NULL; at++)
            lines++;
        CHECK_STR(gap, "whole");
        pieces++;
    } while (strcmp(state, "more") == 0 && pieces < 100);
    CHECK_STR(state, "end");
    CHECK(lines == 300 && pieces == 300 / 27 + 1);
    close_ring();
}

// That nothing passes, and lines that are not there.
static void test_long_searches(void)
{
    enum { LINES = 50000, SLOTS = 16384 };
    open_ring(16 << 20);
    for (unsigned i = 0; i < LINES; i++)
        put(STR("a line"), 1, 200);
    for (unsigned round = 0; round < 2; round++) {
        unsigned pieces = 0;
        logs = (struct control_logs){.least = 404, .most = 404};
        do {
            uint64_t before = logs.cursor;
            CHECK_STR(ask(), "");
            CHECK(before == 0 || logs.cursor - before < 2 * SLOTS);
            pieces++;
        } while (strcmp(state, "more") == 0 && pieces < 100);
        CHECK_STR(state, "end");
        CHECK(pieces > 2 && pieces < 10);
        supervisor.ring->memory->next += LINES; // reserved, and never written
    }
    close_ring();
}

static void test_lines_that_are_being_written(void)
{
    int64_t now = clock_read(CLOCK_REALTIME) / 1000000;
    open_ring(65536);
    supervisor.ring->memory->next += 1;
    put(STR("one"), now + 60000, 200);
    logs.follow = true;
    CHECK_STR(ask(), "");
    CHECK_STR(state, "end");
    CHECK(logs.cursor < head);
    put(STR("two"), now - 60000, 200);
    CHECK_STR(ask(), "");
    logs.follow = false;
    CHECK(strstr(ask(), " one\n") != NULL);
    CHECK(logs.cursor == head);
    close_ring();
}

static void test_other_cursors(void)
{
    open_ring(65536);
    for (unsigned i = 0; i < 1000; i++)
        put(STR("old"), 1, 200);
    logs.cursor = 17;
    ask();
    CHECK_STR(gap, "renewed");
    logs.cursor = supervisor.ring->base;
    ask();
    CHECK_STR(gap, "overwritten");
    ask();
    CHECK_STR(gap, "whole");
    close_ring();
}

static void test_no_memory(void)
{
    CHECK(supervisor_tell_logs(&supervisor, &logs, &answer, &err) == -1);
    CHECK(err.kind == ERR_FAILED && answer.size == 0);
    CHECK_STR(err.text, "the server keeps no log in memory; start it with --log memory or "
                        "--access-log=memory");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_lines),         UNIT_CASE(test_what_is_asked_for),
    UNIT_CASE(test_pieces),        UNIT_CASE(test_long_searches),
    UNIT_CASE(test_other_cursors), UNIT_CASE(test_lines_that_are_being_written),
    UNIT_CASE(test_no_memory),
};

int main(void)
{
    return unit_main("supervisor_memory", cases, UNIT_COUNT(cases));
}

// test_sink_ring.c - lines of many processes in one memory: read whole or not at all, whoever
// writes, is killed, or has damaged it.
#include "sink_ring.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sink_ring_priv.h"
#include "unit.h"

enum { SMALL = 64 * 1024, SLOTS = SMALL / SINK_RING_SLOT };

static struct sink_ring *ring;
static struct sink_ring_cursor cursor;
static struct sink_ring_reading reading;
static struct err err;

static void open_ring(size_t size)
{
    CHECK(sink_ring_new(&ring, size, &err) == 0);
    cursor = (struct sink_ring_cursor){0};
}

static void close_ring(void)
{
    sink_ring_free(ring);
    ring = NULL;
}

static void put_bytes(const char *text, size_t size, int64_t time, unsigned status)
{
    sink_ring_put(ring, &(struct sink_line){
                            .text = {text, size}, .time = time, .level = 2, .status = status});
}

static void put(const char *text)
{
    put_bytes(text, strlen(text), 1000, 0);
}

// Through places without a line, however many.
static enum sink_ring_found next_settled(int64_t settled)
{
    enum sink_ring_found found;
    enum sink_ring_gap gap = SINK_RING_WHOLE;
    do {
        found = sink_ring_next(ring, &cursor, settled, &reading);
        gap = reading.gap > gap ? reading.gap : gap;
    } while (found == SINK_RING_AGAIN);
    reading.gap = gap;
    return found;
}

// The next line; "-": there is none.
static const char *next(void)
{
    static char text[SINK_RING_LINE + 1];
    if (next_settled(INT64_MAX) != SINK_RING_FOUND)
        return "-";
    CHECK(reading.line.text.data == reading.text && reading.line.text.size <= SINK_RING_LINE);
    memcpy(text, reading.text, reading.line.text.size);
    text[reading.line.text.size] = '\0';
    return text;
}

static void test_lines(void)
{
    open_ring(SMALL);
    CHECK_STR(next(), "-");
    put("one");
    put_bytes("two", 3, -5, 404);
    put("");
    CHECK_STR(next(), "one");
    CHECK(reading.line.time == 1000 && reading.line.status == 0 && reading.line.level == 2);
    CHECK(reading.gap == SINK_RING_WHOLE);
    CHECK_STR(next(), "two");
    CHECK(reading.line.time == -5 && reading.line.status == 404);
    CHECK_STR(next(), "");
    CHECK_STR(next(), "-");
    CHECK(cursor.position == sink_ring_head(ring));
    put("three");
    CHECK_STR(next(), "three");
    cursor.position = 0;
    CHECK_STR(next(), "one");
    close_ring();
    sink_ring_put(NULL, &(struct sink_line){.status = 0});
    sink_ring_free(NULL);
}

static void test_lines_of_any_length(void)
{
    static char text[SINK_RING_LINE + 100];
    open_ring(1 << 20);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 23);
    for (size_t size = 1; size <= sizeof text; size += size < 1000 ? 1 : 777)
        put_bytes(text, size, 7, 200);
    put_bytes(text, sizeof text, 7, 200);
    for (size_t size = 1; size <= sizeof text; size += size < 1000 ? 1 : 777) {
        size_t kept = size < SINK_RING_LINE ? size : SINK_RING_LINE;
        CHECK(next_settled(INT64_MAX) == SINK_RING_FOUND && reading.line.text.size == kept &&
              memcmp(reading.text, text, kept) == 0);
    }
    CHECK(next_settled(INT64_MAX) == SINK_RING_FOUND);
    CHECK(reading.line.text.size == SINK_RING_LINE);
    CHECK_STR(next(), "-");
    close_ring();
}

static void test_controls_are_masked(void)
{
    open_ring(SMALL);
    put_bytes("a\n\x1b[2J\0\xc2\x9b\xff\xc3\xa9", 12, 0, 0);
    CHECK_STR(next(), "a??[2J????\xc3\xa9");
    close_ring();
}

static void put_number(unsigned number)
{
    char text[32];
    snprintf(text, sizeof text, "%u", number);
    put(text);
}

static void test_wraps_around(void)
{
    char expected[32];
    open_ring(SMALL);
    put("first");
    CHECK_STR(next(), "first");
    for (unsigned i = 0; i < 10 * SLOTS + 17; i++)
        put_number(i);
    for (unsigned i = 9 * SLOTS + 17; i < 10 * SLOTS + 17; i++) {
        snprintf(expected, sizeof expected, "%u", i);
        CHECK_STR(next(), expected);
        CHECK(reading.gap == (i == 9 * SLOTS + 17 ? SINK_RING_OVERWRITTEN : SINK_RING_WHOLE));
    }
    CHECK_STR(next(), "-");
    // From the beginning there is nothing to miss.
    cursor.position = 0;
    snprintf(expected, sizeof expected, "%u", 9 * SLOTS + 17);
    CHECK_STR(next(), expected);
    CHECK(reading.gap == SINK_RING_WHOLE);
    close_ring();
}

// Of which the oldest has lost its beginning.
static void test_long_lines_wrap_around(void)
{
    char text[1000];
    unsigned lines = 0;
    open_ring(SMALL);
    for (unsigned i = 0; i < 1000; i++) {
        memset(text, 'a' + (int)(i % 26), sizeof text);
        put_bytes(text, sizeof text - i % 7, 0, 0);
    }
    while (next_settled(0) == SINK_RING_FOUND) {
        for (size_t i = 0; i < reading.line.text.size; i++)
            CHECK(reading.text[i] == reading.text[0]);
        lines++;
    }
    CHECK(lines == SLOTS / 5);
    CHECK(reading.text[0] == 'a' + 999 % 26);
    close_ring();
}

static void test_cursors_of_other_rings(void)
{
    open_ring(SMALL);
    put("old");
    CHECK_STR(next(), "old");
    struct sink_ring_cursor kept = cursor;
    close_ring();
    open_ring(SMALL);
    cursor = kept;
    CHECK(next_settled(INT64_MAX) == SINK_RING_END && reading.gap == SINK_RING_RENEWED);
    put("new");
    cursor = kept;
    CHECK_STR(next(), "new");
    CHECK(reading.gap == SINK_RING_RENEWED);
    const uint64_t others[] = {1, UINT64_MAX, cursor.position + 1, UINT64_MAX / 2};
    for (size_t i = 0; i < UNIT_COUNT(others); i++) {
        cursor.position = others[i];
        CHECK_STR(next(), "new");
        CHECK(reading.gap == SINK_RING_RENEWED);
        CHECK_STR(next(), "-");
        CHECK(reading.gap == SINK_RING_WHOLE);
    }
    close_ring();
}

// --- places that are not written ---

// As who was killed, or is about to write them.
static void reserve(unsigned slots)
{
    atomic_fetch_add(&ring->memory->next, slots);
}

static void test_a_line_that_is_never_written(void)
{
    open_ring(SMALL);
    put("one");
    reserve(3);
    CHECK_STR(next(), "one");
    CHECK(next_settled(INT64_MAX) == SINK_RING_END);
    put_bytes("two", 3, 2000, 0);
    CHECK(next_settled(1999) == SINK_RING_END && next_settled(1999) == SINK_RING_END);
    CHECK(next_settled(2000) == SINK_RING_FOUND);
    CHECK(memcmp(reading.text, "two", 3) == 0 && reading.gap == SINK_RING_WHOLE);
    CHECK_STR(next(), "-");
    close_ring();
}

static void test_a_line_that_is_written_late(void)
{
    open_ring(SMALL);
    put("one");
    put("late");
    put("two");
    CHECK_STR(next(), "one");
    struct sink_ring_slot *slot = sink_ring_slot(ring, cursor.position);
    uint64_t sequence = atomic_exchange(&slot->sequence, 0);
    CHECK(next_settled(999) == SINK_RING_END);
    atomic_store(&slot->sequence, sequence);
    CHECK_STR(next(), "late");
    CHECK_STR(next(), "two");
    close_ring();
}

// At full speed all that is there is younger than what is waited for.
static void test_nothing_old_is_waited_for(void)
{
    open_ring(SMALL);
    reserve(1);
    for (unsigned i = 0; i < SLOTS / 2 - 1; i++)
        put("young");
    CHECK(next_settled(0) == SINK_RING_END);
    put("young");
    CHECK(next_settled(0) == SINK_RING_FOUND);
    close_ring();
}

static void test_many_places_without_a_line(void)
{
    open_ring(16 << 20);
    reserve(50000);
    unsigned calls = 0;
    while (sink_ring_next(ring, &cursor, 0, &reading) == SINK_RING_AGAIN)
        calls++;
    CHECK(calls >= 50000 / 4096 / 2);
    put("behind");
    CHECK_STR(next(), "behind");
    close_ring();
}

// --- damage ---

static void test_damaged_slots(void)
{
    char full[SINK_RING_PART];
    memset(full, 'x', sizeof full);
    open_ring(SMALL);
    for (unsigned bit = 0; bit < SINK_RING_SLOT * 8; bit++) {
        put_bytes(full, sizeof full, 1, 200);
        put("fine");
        _Atomic uint64_t *words = &sink_ring_slot(ring, sink_ring_head(ring) - 2)->sequence;
        words[bit / 64] ^= UINT64_C(1) << bit % 64;
        CHECK_STR(next(), "fine");
        CHECK_STR(next(), "-");
    }
    close_ring();
}

// Somebody who knows how: sizes and parts that there cannot be, with the seal that belongs to them.
static void forge(uint64_t position, uint64_t packed)
{
    struct sink_ring_slot *slot = sink_ring_slot(ring, position);
    struct sink_ring_digest digest = sink_ring_digest(position, 0, packed);
    slot->time = 0;
    slot->about = packed;
    for (unsigned i = 0; i < SINK_RING_WORDS; i++)
        sink_ring_add(&digest, slot->text[i]);
    slot->seal = sink_ring_seal(&digest);
    slot->sequence = position;
}

static void test_forged_slots(void)
{
    open_ring(SMALL);
    put("one");
    const struct sink_ring_about lies[] = {
        {.size = 0xffff},
        {.size = SINK_RING_LINE + 1},
        {.size = SINK_RING_LINE},            // whose other parts are not there
        {.size = SINK_RING_PART, .part = 1}, // behind its end
        {.size = 10, .part = 0xffff},
        {.size = SINK_RING_LINE, .part = 73},
    };
    for (size_t i = 0; i < UNIT_COUNT(lies); i++) {
        forge(ring->base, sink_ring_pack(&lies[i]));
        cursor.position = 0;
        CHECK_STR(next(), "-");
    }
    // A line that goes on behind the head.
    for (unsigned part = 0; part < 2; part++)
        forge(ring->base + part,
              sink_ring_pack(&(struct sink_ring_about){.size = 2 * SINK_RING_PART, .part = part}));
    cursor.position = 0;
    CHECK_STR(next(), "-");
    close_ring();
}

static void test_a_damaged_head(void)
{
    const uint64_t lies[] = {0, 1, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1};
    for (size_t i = 0; i < UNIT_COUNT(lies); i++) {
        open_ring(SMALL);
        put("one");
        CHECK_STR(next(), "one");
        atomic_store(&ring->memory->next, lies[i]);
        for (unsigned k = 0; k < 10 && next_settled(0) == SINK_RING_FOUND; k++)
            CHECK(k < 9);
        put("two");
        next_settled(0);
        CHECK(cursor.position >= ring->base);
        close_ring();
    }
    open_ring(SMALL);
    put("one");
    ring->memory->next -= 1;
    put("two");
    CHECK_STR(next(), "two");
    ring->memory->next += UINT64_C(1) << 40;
    put("three");
    CHECK_STR(next(), "three");
    CHECK(reading.gap == SINK_RING_OVERWRITTEN);
    close_ring();
}

static void test_noise(void)
{
    unsigned state = 1;
    open_ring(SMALL);
    for (unsigned round = 0; round < 50; round++) {
        unsigned char *bytes = (unsigned char *)ring->memory->slots;
        for (size_t i = 0; i < SMALL; i++)
            bytes[i] = (unsigned char)((state = state * 1103515245 + 12345) >> 16);
        put("between");
        reserve(round);
        while (next_settled(0) == SINK_RING_FOUND)
            CHECK(memcmp(reading.text, "between", 7) == 0);
    }
    close_ring();
}

// --- many ---

enum { WRITERS = 4, LINES = 20000 };

// Of one letter each, so that a line that is made of two shows; of lengths up to four slots.
static void write_lines(unsigned writer, unsigned count)
{
    char text[900];
    for (unsigned i = 0; i < count; i++) {
        int used = snprintf(text, sizeof text, "%u %u ", writer, i);
        size_t size = (size_t)used + i * 37 % (sizeof text - (size_t)used);
        memset(text + used, 'a' + (int)(i % 26), size - (size_t)used);
        put_bytes(text, size, i, writer);
    }
}

static unsigned latest[WRITERS + 1]; // number of each writer's latest line, and one
static unsigned lines_read, gaps;

static void check_line(void)
{
    unsigned writer, number;
    int used = 0;
    reading.text[reading.line.text.size < SINK_RING_LINE ? reading.line.text.size : 0] = '\0';
    CHECK(sscanf(reading.text, "%u %u %n", &writer, &number, &used) == 2);
    CHECK(writer <= WRITERS && reading.line.status == writer && reading.line.time == number);
    for (const char *p = reading.text + used; *p != '\0'; p++)
        CHECK(*p == 'a' + (int)(number % 26));
    CHECK(writer <= WRITERS && number >= latest[writer]);
    latest[writer <= WRITERS ? writer : 0] = number + 1;
    lines_read++;
}

static bool read_what_there_is(void)
{
    bool any = false;
    while (next_settled(INT64_MAX) == SINK_RING_FOUND) {
        gaps += reading.gap == SINK_RING_OVERWRITTEN;
        check_line();
        any = true;
    }
    return any;
}

static void start_reading(void)
{
    memset(latest, 0, sizeof latest);
    lines_read = gaps = 0;
}

// Their lines are read while they write, and each is what it was, in the order of its writer; one
// that writes without end is killed, wherever that meets it.
static void test_many_processes(void)
{
    pid_t pids[WRITERS + 1];
    int status;
    start_reading();
    open_ring(SMALL);
    fflush(NULL);
    for (unsigned i = 0; i <= WRITERS; i++) {
        if ((pids[i] = fork()) == 0) {
            write_lines(i, i == WRITERS ? UINT32_MAX : LINES);
            _exit(0);
        }
    }
    while (latest[WRITERS] == 0 || lines_read < 1000)
        read_what_there_is();
    CHECK(kill(pids[WRITERS], SIGKILL) == 0);
    for (unsigned i = 0; i <= WRITERS; i++) {
        while (waitpid(pids[i], &status, WNOHANG) == 0)
            read_what_there_is();
        CHECK(i == WRITERS ? WIFSIGNALED(status) : status == 0);
    }
    read_what_there_is();
    put("9 9 ");
    CHECK_STR(next(), "9 9 "); // whatever is left of the one that was killed
    close_ring();
}

// In a ring that has room for all of them not one is lost.
static void test_nothing_is_lost(void)
{
    int status;
    start_reading();
    open_ring(64 << 20);
    fflush(NULL);
    for (unsigned i = 0; i < WRITERS; i++) {
        if (fork() == 0) {
            write_lines(i, LINES);
            _exit(0);
        }
    }
    // Waiting for what is being written, as long as it takes.
    while (lines_read < WRITERS * LINES) {
        if (next_settled(INT64_MIN) == SINK_RING_FOUND)
            check_line();
        CHECK(reading.gap == SINK_RING_WHOLE);
        if (unit_failures > 0)
            break;
    }
    for (unsigned i = 0; i < WRITERS; i++)
        CHECK(wait(&status) > 0 && status == 0 && latest[i] == LINES);
    close_ring();
}

static void *write_in_thread(void *writer)
{
    write_lines((unsigned)(size_t)writer, LINES / 10);
    return NULL;
}

// As ThreadSanitizer can see it.
static void test_many_threads(void)
{
    pthread_t threads[WRITERS];
    start_reading();
    open_ring(SMALL);
    for (size_t i = 0; i < WRITERS; i++)
        CHECK(pthread_create(&threads[i], NULL, write_in_thread, (void *)i) == 0);
    for (unsigned i = 0; i < 1000; i++)
        read_what_there_is();
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    read_what_there_is();
    CHECK(lines_read > 0);
    close_ring();
}

// What was written before its end is there.
static void test_the_last_words_of_a_process(void)
{
    int status;
    open_ring(SMALL);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        put("goodbye");
        raise(SIGKILL);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    CHECK_STR(next(), "goodbye");
    close_ring();
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_lines),
    UNIT_CASE(test_lines_of_any_length),
    UNIT_CASE(test_controls_are_masked),
    UNIT_CASE(test_wraps_around),
    UNIT_CASE(test_long_lines_wrap_around),
    UNIT_CASE(test_cursors_of_other_rings),
    UNIT_CASE(test_a_line_that_is_never_written),
    UNIT_CASE(test_a_line_that_is_written_late),
    UNIT_CASE(test_nothing_old_is_waited_for),
    UNIT_CASE(test_many_places_without_a_line),
    UNIT_CASE(test_damaged_slots),
    UNIT_CASE(test_forged_slots),
    UNIT_CASE(test_a_damaged_head),
    UNIT_CASE(test_noise),
    UNIT_CASE(test_many_processes),
    UNIT_CASE(test_nothing_is_lost),
    UNIT_CASE(test_many_threads),
    UNIT_CASE(test_the_last_words_of_a_process),
};

int main(void)
{
    return unit_main("sink_ring", cases, UNIT_COUNT(cases));
}

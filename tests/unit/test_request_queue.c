// test_request_queue.c - requests in order, taken by whose they are, moved as a whole.
#include "http_priv.h"

#include <stdlib.h>

#include "unit.h"

enum { COUNT = 5 };

static struct request *requests[COUNT];
static int home, other;

// The requests that the letters name: "ab" is the first and the second.
static struct request_queue queue_of(const char *letters)
{
    struct request_queue queue = {NULL, NULL};
    for (; *letters != '\0'; letters++)
        request_queue_put(&queue, requests[*letters - 'a']);
    return queue;
}

static char letter_of(const struct request *request)
{
    for (int i = 0; i < COUNT; i++) {
        if (requests[i] == request)
            return (char)('a' + i);
    }
    return '-';
}

// Empties it: what can be put behind and taken out is what it holds.
static void check_queue(struct request_queue *queue, const char *expected)
{
    char letters[COUNT + 1] = "";
    for (size_t i = 0; i < COUNT && queue->first != NULL; i++)
        letters[i] = letter_of(request_queue_take(queue));
    CHECK_STR(letters, expected);
    CHECK(request_queue_take(queue) == NULL);
}

static void set_homes(void *const homes[COUNT])
{
    for (int i = 0; i < COUNT; i++)
        request_set_home(requests[i], homes[i]);
}

static void test_order(void)
{
    struct request_queue queue = queue_of("cab");
    CHECK(letter_of(request_queue_take(&queue)) == 'c');
    request_queue_put(&queue, requests[4]);
    check_queue(&queue, "abe");
    request_queue_put(&queue, requests[3]); // behind what was there last
    check_queue(&queue, "d");
}

static void test_taken_by_home(void)
{
    set_homes((void *const[]){&other, &home, NULL, &home, &other});
    struct request_queue queue = queue_of("abcde");
    CHECK(letter_of(request_queue_take_home(&queue, &home)) == 'b');
    CHECK(letter_of(request_queue_take_for(&queue, &home)) == 'c');
    CHECK(letter_of(request_queue_take_for(&queue, &home)) == 'd');
    CHECK(request_queue_take_for(&queue, &home) == NULL);
    CHECK(request_queue_take_home(&queue, &home) == NULL);
    check_queue(&queue, "ae");
}

// Wherever in the queue it was, others still come behind the last.
static void check_taken(const char *before, char taken, const char *after)
{
    struct request_queue queue = queue_of(before);
    set_homes((void *const[]){&other, &other, &other, &other, &other});
    request_set_home(requests[taken - 'a'], &home);
    CHECK(letter_of(request_queue_take_home(&queue, &home)) == taken);
    request_queue_put(&queue, requests[4]);
    check_queue(&queue, after);
}

static void test_taken_out_of_its_place(void)
{
    check_taken("abc", 'a', "bce");
    check_taken("abc", 'b', "ace");
    check_taken("abc", 'c', "abe");
    check_taken("a", 'a', "e");
}

static void test_append(void)
{
    struct request_queue queue = {NULL, NULL}, none = {NULL, NULL}, behind = queue_of("ab");
    request_queue_append(&queue, &none);
    check_queue(&queue, "");
    request_queue_append(&queue, &behind);
    CHECK(behind.first == NULL);
    behind = queue_of("cd");
    request_queue_append(&queue, &behind);
    request_queue_append(&queue, &none);
    request_queue_put(&queue, requests[4]);
    request_queue_put(&behind, request_queue_take(&queue));
    check_queue(&behind, "a");
    check_queue(&queue, "bcde");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_order),
    UNIT_CASE(test_taken_by_home),
    UNIT_CASE(test_taken_out_of_its_place),
    UNIT_CASE(test_append),
};

int main(void)
{
    for (int i = 0; i < COUNT; i++)
        requests[i] = calloc(1, sizeof *requests[i]);
    int status = unit_main("request_queue", cases, UNIT_COUNT(cases));
    for (int i = 0; i < COUNT; i++)
        free(requests[i]);
    return status;
}

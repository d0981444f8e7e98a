// test_errand.c - what comes back from a child: its answer, its error, or its end.
#include "errand.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static struct err err;
static struct buf out = {.maximum = 2 << 20};
static int parent_value;

// Shared with the children.
static struct shared {
    pid_t pid;
    int finished;
} * shared;

static int run(int (*function)(void *, struct buf *, struct err *), void (*finish)(void *))
{
    struct errand errand = {
        .what = "reading shop.toml", .run = function, .finish = finish, .owner = &parent_value};
    buf_fini(&out);
    err = (struct err){.kind = ERR_NONE};
    *shared = (struct shared){.pid = 0};
    return errand_run(&errand, &out, &err);
}

static int answer(void *owner, struct buf *text, struct err *error)
{
    (void)error;
    shared->pid = getpid();
    *(int *)owner = 5;
    return buf_append_str(text, STR("port = 1\nhost = a\n"));
}

static void finish(void *owner)
{
    shared->finished = *(int *)owner;
}

static void test_an_answer(void)
{
    parent_value = 1;
    CHECK(run(answer, finish) == 0);
    CHECK_STR(buf_text(&out), "port = 1\nhost = a\n");
    CHECK(shared->pid != 0 && shared->pid != getpid());
    CHECK(parent_value == 1);
    CHECK(shared->finished == 5);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1);
}

static int say_nothing(void *owner, struct buf *text, struct err *error)
{
    (void)owner, (void)text, (void)error;
    return 0;
}

static int say_much(void *owner, struct buf *text, struct err *error)
{
    (void)owner, (void)error;
    for (int i = 0; i < 1 << 16; i++)
        buf_append(text, "0123456789abcde\n", 16);
    return 0;
}

static void test_answers_of_any_length(void)
{
    CHECK(run(say_nothing, NULL) == 0);
    CHECK(out.size == 0);
    CHECK(run(say_much, NULL) == 0);
    CHECK(out.size == 1 << 20);
    out.maximum = 100;
    CHECK(run(say_much, NULL) == -1);
    CHECK_STR(err.text, "reading shop.toml: the answer is too long");
    out.maximum = 2 << 20;
}

static int fail(void *owner, struct buf *text, struct err *error)
{
    (void)owner;
    buf_append_str(text, STR("half"));
    return err_set(error, ERR_USAGE, "shop.toml: line 3: no value");
}

static void test_an_error(void)
{
    CHECK(run(fail, finish) == -1);
    CHECK(err.kind == ERR_USAGE);
    CHECK_STR(err.text, "shop.toml: line 3: no value");
    CHECK(out.size == 0);
    CHECK(shared->finished == 0);
}

static int die(void *owner, struct buf *text, struct err *error)
{
    (void)owner, (void)text, (void)error;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    raise(SIGKILL);
    return 0;
}

static int leave(void *owner, struct buf *text, struct err *error)
{
    (void)owner, (void)text, (void)error;
    _exit(7);
}

static void test_an_early_end(void)
{
    CHECK(run(die, NULL) == -1);
    CHECK(err.kind == ERR_FAILED);
    CHECK_STR(err.text, "reading shop.toml: ended by signal 9 (Killed)");
    CHECK(run(leave, NULL) == -1);
    CHECK(err.kind == ERR_FAILED);
    CHECK_STR(err.text, "reading shop.toml: ended with status 7 before it was done");
}

static void die_finishing(void *owner)
{
    (void)owner;
    raise(SIGKILL);
}

static void test_an_end_while_finishing_spoils_nothing(void)
{
    CHECK(run(answer, die_finishing) == 0);
    CHECK_STR(buf_text(&out), "port = 1\nhost = a\n");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_an_answer),
    UNIT_CASE(test_answers_of_any_length),
    UNIT_CASE(test_an_error),
    UNIT_CASE(test_an_early_end),
    UNIT_CASE(test_an_end_while_finishing_spoils_nothing),
};

int main(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    int status = unit_main("errand", cases, UNIT_COUNT(cases));
    buf_fini(&out);
    return status;
}

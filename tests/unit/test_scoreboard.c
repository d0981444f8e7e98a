// test_scoreboard.c - what a worker writes, as another process reads it.
#include "scoreboard.h"

#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "unit.h"

static struct scoreboard_map new_map(unsigned threads)
{
    struct scoreboard_map map;
    struct err err;
    CHECK(scoreboard_new(&map, threads, &err) == 0);
    return map;
}

static void test_starts_empty(void)
{
    struct scoreboard_map map = new_map(4);
    CHECK(map.board->requests == 0 && map.board->connections == 0 && map.board->threads == 0);
    CHECK(scoreboard_oldest(&map) == NULL && scoreboard_latest(&map) == NULL);
    CHECK(scoreboard_busy(&map) == 0);
    scoreboard_free(&map);
    CHECK(map.board == NULL && map.fd == -1);
    scoreboard_free(&map);
}

static void test_nobody_looks(void)
{
    CHECK(scoreboard_join(NULL) == NULL);
    CHECK(scoreboard_join(&(struct scoreboard_map){.fd = -1}) == NULL);
    scoreboard_begin(NULL, STR("GET"), STR("/"));
    scoreboard_end(NULL);
    scoreboard_leave(NULL, NULL);
}

static void test_work_is_seen(void)
{
    struct scoreboard_map map = new_map(4);
    char line[SCOREBOARD_LINE];
    struct scoreboard_task *task = scoreboard_join(&map);
    CHECK(map.board->threads == 1 && scoreboard_busy(&map) == 0);
    scoreboard_begin(task, STR("GET"), STR("/shop?x=1"));
    CHECK(scoreboard_busy(&map) == 1);
    CHECK(scoreboard_oldest(&map) == task);
    CHECK(clock_milliseconds() - task->since < 1000);
    scoreboard_line(task, line);
    CHECK_STR(line, "GET /shop?x=1");
    scoreboard_end(task);
    scoreboard_end(task);
    CHECK(scoreboard_busy(&map) == 0 && scoreboard_oldest(&map) == NULL);
    CHECK(scoreboard_latest(&map) == task);
    scoreboard_leave(&map, task);
    CHECK(map.board->threads == 0);
    scoreboard_free(&map);
}

static void test_oldest_and_latest(void)
{
    struct scoreboard_map map = new_map(4);
    struct scoreboard_task *tasks[3];
    for (size_t i = 0; i < UNIT_COUNT(tasks); i++) {
        tasks[i] = scoreboard_join(&map);
        scoreboard_begin(tasks[i], STR("GET"), STR("/"));
        tasks[i]->since = 1000 + (int64_t)i;
    }
    CHECK(scoreboard_oldest(&map) == tasks[0] && scoreboard_latest(&map) == tasks[2]);
    scoreboard_end(tasks[0]);
    scoreboard_end(tasks[2]);
    CHECK(scoreboard_oldest(&map) == tasks[1] && scoreboard_latest(&map) == tasks[2]);
    scoreboard_free(&map);
}

static void test_entries_are_given_back(void)
{
    struct scoreboard_map map = new_map(1);
    struct scoreboard_task *tasks[3];
    for (size_t i = 0; i < UNIT_COUNT(tasks); i++)
        CHECK((tasks[i] = scoreboard_join(&map)) != NULL);
    CHECK(scoreboard_join(&map) == NULL);
    scoreboard_leave(&map, tasks[1]);
    CHECK(scoreboard_join(&map) == tasks[1]);
    scoreboard_free(&map);
}

static void test_long_and_hostile_lines(void)
{
    static char target[4096];
    struct scoreboard_map map = new_map(1);
    char line[SCOREBOARD_LINE];
    struct scoreboard_task *task = scoreboard_join(&map);
    memset(target, 'a', sizeof target);
    target[0] = '\x1b';
    target[1] = '\xff';
    scoreboard_begin(task, STR("POST"), (struct str){target, sizeof target});
    scoreboard_line(task, line);
    CHECK(strlen(line) == SCOREBOARD_LINE - 1);
    CHECK(strncmp(line, "POST ??aaa", 10) == 0);
    // A worker may have written anything.
    memset(task->line, 'x', sizeof task->line);
    scoreboard_line(task, line);
    CHECK(strlen(line) == SCOREBOARD_LINE - 1);
    task->since = INT64_MIN;
    CHECK(scoreboard_oldest(&map) == NULL && scoreboard_latest(&map) == task);
    scoreboard_free(&map);
}

static void test_another_process_writes(void)
{
    struct scoreboard_map map = new_map(2);
    char line[SCOREBOARD_LINE];
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct scoreboard_map theirs;
        struct err err;
        int fd = dup(map.fd);
        if (scoreboard_attach(&theirs, fd, 2, &err) < 0)
            _exit(1);
        scoreboard_begin(scoreboard_join(&theirs), STR("GET"), STR("/last"));
        theirs.board->requests = 17;
        // The supervisor must not lose the memory that it looks at.
        _exit(ftruncate(map.fd, 0) == 0 ? 2 : 0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(map.board->requests == 17);
    const struct scoreboard_task *task = scoreboard_oldest(&map);
    CHECK(task != NULL);
    scoreboard_line(task, line);
    CHECK_STR(line, "GET /last");
    scoreboard_free(&map);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_starts_empty),           UNIT_CASE(test_nobody_looks),
    UNIT_CASE(test_work_is_seen),           UNIT_CASE(test_oldest_and_latest),
    UNIT_CASE(test_entries_are_given_back), UNIT_CASE(test_long_and_hostile_lines),
    UNIT_CASE(test_another_process_writes),
};

int main(void)
{
    return unit_main("scoreboard", cases, UNIT_COUNT(cases));
}

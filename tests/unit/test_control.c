// test_control.c - the control socket with clients of all kinds.
#include "control.h"

#include <errno.h>
#include <sys/resource.h>

#include "cleanup.h"
#include "played_control.h"

static void test_answers(void)
{
    open_control();
    CHECK_STR(exchange("status json\n"), "ok\nasked for 0 1 0\n");
    CHECK_STR(exchange("scale 4\n"), "ok\nasked for 4 0 4\n");
    CHECK_STR(exchange("stop\n"), "error it stops already\n");
    CHECK(answers == 3);
    close_control();
    CHECK(!exists(path));
}

static void test_garbage(void)
{
    char bytes[1 << 16];
    open_control();
    CHECK_STR(exchange("hello\n"), "error unknown request \"hello\"\n");
    CHECK_STR(exchange("\n"), "error unknown request \"\"\n");
    CHECK_STR(exchange("scale x\n"),
              "error scale x: the number of workers must be between 1 and 512\n");
    CHECK_STR(exchange("stop\nstop\n"), "error more than one line\n");
    CHECK_STR(exchange("GET / HTTP/1.1\r\n\r\n"), "error a byte that is no printable character\n");
    CHECK_STR(exchange_bytes("\0\0\n", 3), "error a byte that is no printable character\n");
    memset(bytes, 'x', sizeof bytes);
    bytes[CONTROL_LINE_MAX] = '\n';
    CHECK_STR(exchange_bytes(bytes, 257), "error a line of more than 256 bytes\n");
    CHECK_STR(exchange_bytes(bytes, 256), "error a line of more than 256 bytes\n");
    CHECK_STR(exchange_bytes(bytes, sizeof bytes), "error a line of more than 256 bytes\n");
    bytes[255] = '\n';
    CHECK(strncmp(exchange_bytes(bytes, 256), "error unknown request \"xxx", 25) == 0);
    CHECK(answers == 0);
    CHECK_STR(exchange("status table\n"), "ok\nasked for 0 0 0\n");
    close_control();
}

static int counted_lines(FILE *file, const char *part)
{
    char line[1024];
    int count = 0;
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL)
        count += strstr(line, part) != NULL;
    return count;
}

static void test_warnings_are_few(void)
{
    _fclose_ FILE *log = tmpfile();
    _close_ int kept = dup(STDERR_FILENO);
    open_control();
    dup2(fileno(log), STDERR_FILENO);
    for (int i = 0; i < 10; i++)
        exchange("hello\n");
    now += 999;
    exchange("hello\n");
    CHECK(counted_lines(log, "warning") == 1);
    now += 1;
    exchange("hello\n");
    exchange("stop\n"); // a request like others, which the callback refuses
    dup2(kept, STDERR_FILENO);
    CHECK(counted_lines(log, "control: a request on the control socket is refused: unknown "
                             "request \"hello\"") == 2);
    CHECK(counted_lines(log, "") == 2);
    close_control();
}

static void test_a_request_in_pieces(void)
{
    open_control();
    int fd = connected();
    for (const char *p = "status table\n"; *p != '\0'; p++) {
        CHECK(answers == 0);
        now += 100;
        say_bytes(fd, p, 1);
    }
    CHECK_STR(hear(fd), "ok\nasked for 0 0 0\n");
    close(fd);
    close_control();
}

// However little it says: a line has five seconds.
static void test_a_slow_client_is_dropped(void)
{
    open_control();
    int silent = connected();
    CHECK(control_deadline(control) == now + CONTROL_PATIENCE);
    now += 1;
    int slow = connected();
    say(slow, "sta");
    now += CONTROL_PATIENCE - 2;
    say(slow, "t");
    CHECK_STR(hear(silent), "...");
    CHECK(control_deadline(control) == now + 1);
    now += 1;
    turn();
    CHECK_STR(hear(silent), "");
    CHECK_STR(hear(slow), "...");
    now += 1;
    turn();
    CHECK_STR(hear(slow), "");
    close(silent);
    close(slow);
    close_control();
}

static void test_a_half_closed_client(void)
{
    open_control();
    int fd = connected();
    CHECK(send(fd, "scale 2\n", 8, 0) == 8 && shutdown(fd, SHUT_WR) == 0);
    CHECK_STR(hear(fd), "ok\nasked for 4 0 2\n");
    close(fd);
    fd = connected();
    say(fd, "scale 2");
    CHECK(shutdown(fd, SHUT_WR) == 0);
    CHECK_STR(hear(fd), "error a line without an end\n");
    close(fd);
    CHECK(answers == 1);
    close_control();
}

static void test_clients_that_vanish(void)
{
    open_control();
    close(connected()); // as who looks whether somebody listens
    turn();
    int fd = connected();
    say(fd, "stat");
    close(fd);
    turn();
    fd = connected();
    CHECK(send(fd, "status json\n", 12, 0) == 12);
    close(fd); // before it was read
    turn();
    fd = connected();
    say(fd, "reload\n"); // a long answer, which it does not wait for
    close(fd);
    turn();
    CHECK(answers == 2);
    close_control();
}

static void test_twenty_at_once(void)
{
    int fds[20];
    open_control();
    for (size_t i = 0; i < 20; i++)
        fds[i] = connect_to(path);
    turn();
    CHECK(turn() == CONTROL_CLIENTS_MAX); // the listener is not watched
    for (size_t i = 0; i < 20; i++)
        CHECK(send(fds[i], "status json\n", 12, 0) == 12);
    for (size_t i = 0; i < 20; i++) {
        CHECK_STR(hear(fds[i]), "ok\nasked for 0 1 0\n");
        close(fds[i]);
    }
    CHECK(answers == 20);
    close_control();
}

// Those that hold all places lose them in time.
static void test_silent_clients_keep_nobody_out(void)
{
    int fds[CONTROL_CLIENTS_MAX];
    open_control();
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        fds[i] = connected();
    int late = connected();
    say(late, "status json\n");
    CHECK_STR(hear(late), "...");
    now += CONTROL_PATIENCE;
    turn();
    CHECK_STR(hear(late), "ok\nasked for 0 1 0\n");
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        close(fds[i]);
    close(late);
    close_control();
}

static void test_an_answer_that_nobody_reads(void)
{
    open_control();
    int fd = connected();
    say(fd, "reload\n");
    CHECK(control_deadline(control) == now + CONTROL_PATIENCE);
    CHECK_STR(exchange("status json\n"), "ok\nasked for 0 1 0\n");
    now += CONTROL_PATIENCE;
    turn();
    CHECK(!has_clients());
    CHECK(strlen(hear(fd)) < LONG_ANSWER); // what the kernel had taken
    close(fd);
    close_control();
}

static void test_a_long_answer(void)
{
    open_control();
    CHECK(strlen(exchange("reload\n")) == LONG_ANSWER + 3);
    CHECK(strncmp(heard, "ok\nxxx", 6) == 0);
    close_control();
}

// Slow is not dead: it has five seconds for each piece.
static void test_a_long_answer_read_slowly(void)
{
    char piece[100000];
    size_t total = 0;
    ssize_t size;
    open_control();
    int fd = connected();
    say(fd, "reload\n");
    while ((size = recv(fd, piece, sizeof piece, 0)) > 0) {
        total += (size_t)size;
        now += 3000;
        turn();
    }
    CHECK(size == 0 && total == LONG_ANSWER + 3);
    CHECK(now > 1000000 + 2 * CONTROL_PATIENCE);
    close(fd);
    close_control();
}

// The listener stays readable then: it must not keep the supervisor busy.
static void test_out_of_descriptors(void)
{
    struct rlimit limit, tight;
    open_control();
    int fd = connect_to(path), next = dup(fd);
    close(next);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    tight = limit;
    tight.rlim_cur = (rlim_t)next;
    CHECK(setrlimit(RLIMIT_NOFILE, &tight) == 0);
    CHECK(turn() == 1);
    CHECK(turn() == 0);
    CHECK(control_deadline(control) == now + 1000);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    now += 1000;
    CHECK(turn() == 0);
    CHECK(turn() == 1);
    say(fd, "status json\n");
    CHECK_STR(hear(fd), "ok\nasked for 0 1 0\n");
    close(fd);
    close_control();
}

static void test_without_a_path(void)
{
    struct pollfd polls[1];
    CHECK(open_at(NULL, false) == 0);
    CHECK(control == NULL);
    CHECK(control_poll(control, polls, 1) == 0);
    CHECK(control_deadline(control) == INT64_MAX);
    control_take(control, polls, 0, 0);
    control_forget_file(control);
    control_close(control);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_answers),
    UNIT_CASE(test_garbage),
    UNIT_CASE(test_warnings_are_few),
    UNIT_CASE(test_a_request_in_pieces),
    UNIT_CASE(test_a_slow_client_is_dropped),
    UNIT_CASE(test_a_half_closed_client),
    UNIT_CASE(test_clients_that_vanish),
    UNIT_CASE(test_twenty_at_once),
    UNIT_CASE(test_silent_clients_keep_nobody_out),
    UNIT_CASE(test_an_answer_that_nobody_reads),
    UNIT_CASE(test_a_long_answer),
    UNIT_CASE(test_a_long_answer_read_slowly),
    UNIT_CASE(test_out_of_descriptors),
    UNIT_CASE(test_without_a_path),
};

int main(void)
{
    return control_unit_main("control", cases, UNIT_COUNT(cases));
}

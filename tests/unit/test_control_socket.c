// test_control_socket.c - the file of the control socket: what may be there, whose it is, and how
// one process takes it over from another.
#include <fcntl.h>
#include <sys/wait.h>

#include "played_control.h"

static void test_the_file(void)
{
    struct stat status;
    struct pollfd polls[1];
    mode_t mask = umask(0);
    open_control();
    CHECK(umask(mask) == 0);
    CHECK(lstat(path, &status) == 0 && S_ISSOCK(status.st_mode));
    CHECK((status.st_mode & 07777) == 0600);
    CHECK(control_poll(control, polls, 1) == 1);
    CHECK(fcntl(polls[0].fd, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(polls[0].fd, F_GETFL) & O_NONBLOCK);
    close_control();
    CHECK(!exists(path));
}

static void check_refused(const char *where, const char *reason)
{
    char expected[512];
    CHECK(open_at(where, false) == -1);
    CHECK(control == NULL && err.kind == ERR_FAILED);
    snprintf(expected, sizeof expected,
             "cannot open the control socket %.200s: %s --control-socket", where, reason);
    CHECK_STR(err.text, expected);
}

static void test_paths_that_cannot_be(void)
{
    char longest[110];
    snprintf(longest, sizeof longest, "%s/%080d", folder, 0);
    memset(longest, 'x', 108);
    memcpy(longest, folder, sizeof folder - 1);
    longest[sizeof folder - 1] = '/';
    longest[108] = '\0';
    check_refused(longest,
                  "a path of 108 bytes, at most 107 are possible; choose a shorter one with");
    longest[107] = '\0';
    CHECK(open_at(longest, false) == 0);
    struct control *first = control;
    CHECK(open_at(longest, true) == 0); // its name beside fits, too
    control_close(first);
    CHECK(exists(longest));
    control_close(control);
    CHECK(!exists(longest));
    check_refused(in_folder("none/ctl"),
                  "its folder does not exist; create it or choose another with");
    close(open(in_folder("file"), O_CREAT | O_WRONLY, 0600));
    check_refused(path, "a file is there that is no socket; remove it or choose another path with");
    CHECK(open_at(path, true) == -1);
    CHECK_CONTAINS(err.text, "a file is there that is no socket");
    CHECK(exists(path) && unlink(path) == 0);
    check_refused("", "a path of 0 bytes, at most 107 are possible; choose a shorter one with");
}

static void test_a_live_socket_is_left_alone(void)
{
    open_control();
    struct control *first = control;
    check_refused(path, "in use by another process; choose another with");
    control = first;
    turn(); // who looked has gone
    turn();
    CHECK_STR(exchange("status json\n"), "ok\nasked for 0 1 0\n");
    close_control();
}

static void test_a_stale_socket_is_replaced(void)
{
    leave_a_socket();
    open_control();
    CHECK_STR(exchange("status json\n"), "ok\nasked for 0 1 0\n");
    close_control();
    CHECK(!exists(path));
}

static void test_a_socket_of_another_user(void)
{
    if (geteuid() != 0)
        return; // only root can give a file away
    leave_a_socket();
    CHECK(chown(path, NOBODY, NOBODY) == 0);
    check_refused(path, "a socket of user 65534 is there; remove it or choose another path with");
    CHECK(open_at(path, true) == -1);
    CHECK_CONTAINS(err.text, "a socket of user 65534 is there");
    CHECK(exists(path) && unlink(path) == 0);
}

static void test_only_the_maker_removes_the_file(void)
{
    int status = -1;
    open_control();
    int fd = connected();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        control_close(control);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(exists(path));
    say(fd, "status json\n");
    CHECK_STR(hear(fd), "ok\nasked for 0 1 0\n");
    close(fd);
    close_control();
}

static void test_a_take_over(void)
{
    struct stat status;
    open_control();
    struct control *old = control;
    CHECK(open_at(path, true) == 0);
    struct control *new = control;
    CHECK(lstat(path, &status) == 0 && (status.st_mode & 07777) == 0600);
    CHECK(!exists(in_folder("ct~")));
    in_folder("ctl");
    CHECK_STR(exchange("status json\n"), "ok\nasked for 0 1 0\n"); // by the new one
    control_close(old); // which finds another file there, and leaves it
    CHECK(exists(path));
    control = new;
    CHECK_STR(exchange("status json\n"), "ok\nasked for 0 1 0\n");
    close_control();
    CHECK(!exists(path));
    // Where nobody was.
    CHECK(open_at(path, true) == 0);
    CHECK_STR(exchange("status json\n"), "ok\nasked for 0 1 0\n");
    close_control();
}

// The name beside is in the way: one that was left there goes, anything else stays.
static void test_a_take_over_with_something_beside(void)
{
    CHECK(open_at(in_folder("ct~"), false) == 0);
    control_forget_file(control);
    control_close(control);
    open_control();
    struct control *old = control;
    CHECK(open_at(path, true) == 0);
    control_close(old);
    CHECK(!exists(in_folder("ct~")));
    close(open(path, O_CREAT | O_WRONLY, 0600));
    old = control;
    CHECK(open_at(in_folder("ctl"), true) == -1);
    CHECK_CONTAINS(err.text, "ct~: a file is there that is no socket");
    CHECK(unlink(in_folder("ct~")) == 0);
    control = old;
    close_control();
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_the_file),
    UNIT_CASE(test_paths_that_cannot_be),
    UNIT_CASE(test_a_live_socket_is_left_alone),
    UNIT_CASE(test_a_stale_socket_is_replaced),
    UNIT_CASE(test_a_socket_of_another_user),
    UNIT_CASE(test_only_the_maker_removes_the_file),
    UNIT_CASE(test_a_take_over),
    UNIT_CASE(test_a_take_over_with_something_beside),
};

int main(void)
{
    return control_unit_main("control_socket", cases, UNIT_COUNT(cases));
}

// test_control_client.c - what asks on a control socket, in a child; and whom it does not ask.
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "played_control.h"

static bool impatient; // five seconds are a moment

int setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    struct timeval moment = {.tv_usec = 20000};
    if (impatient && level == SOL_SOCKET && (option == SO_RCVTIMEO || option == SO_SNDTIMEO))
        value = &moment;
    return (int)syscall(SYS_setsockopt, fd, level, option, value, size);
}

static void ask_and_tell(const char *where, const char *line, int fd)
{
    _buf_ struct buf out = BUF_INIT(CONTROL_ANSWER_MAX);
    int result = control_ask(where, str_of(line), &out, &err);
    const char *text = result == 0 ? buf_text(&out) : err.text;
    dprintf(fd, "%d %d %.*s", result, result < 0 ? (int)err.kind : 0, 4096, text);
    close(fd);
}

// control_ask in a child of that user, while the server serves: what it found, as text.
static const char *ask(const char *where, const char *line, uid_t user)
{
    int ends[2], status = -1;
    CHECK(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (user == geteuid() || setuid(user) == 0)
            ask_and_tell(where, line, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    struct pollfd polls[CONTROL_POLLS_MAX + 1] = {{.revents = 0}};
    while ((polls[0].revents & POLLHUP) == 0) {
        polls[0] = (struct pollfd){.fd = ends[0], .events = 0};
        size_t count = control_poll(control, polls + 1, CONTROL_POLLS_MAX);
        CHECK(poll(polls, (nfds_t)count + 1, -1) > 0);
        control_take(control, polls + 1, count, now);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    ssize_t size = read(ends[0], heard, sizeof heard - 1);
    heard[size > 0 ? size : 0] = '\0';
    close(ends[0]);
    return heard;
}

static const char *expected_failure(const char *format)
{
    static char text[512];
    int used = snprintf(text, sizeof text, "-1 %d ", ERR_FAILED);
    const char *mark = strchr(format, '@'); // for the path
    snprintf(text + used, sizeof text - (size_t)used, "%.*s%s%s", (int)(mark - format), format,
             path, mark + 1);
    return text;
}

static void test_asking(void)
{
    open_control();
    CHECK_STR(ask(path, "scale 3\n", geteuid()), "0 0 asked for 4 0 3\n");
    CHECK_STR(ask(path, "stop\n", geteuid()), "-1 2 it stops already");
    CHECK_STR(ask(path, "hello\n", geteuid()), "-1 2 unknown request \"hello\"");
    CHECK(strncmp(ask(path, "reload\n", geteuid()), "0 0 xxxx", 8) == 0);
    CHECK(strlen(heard) == 4 + 4096);
    close_control();
}

static void test_asking_nobody(void)
{
    in_folder("none");
    CHECK_STR(ask(path, "stop\n", geteuid()),
              expected_failure("no server answers on @: there is no such file; is it running, with "
                               "this --control-socket?"));
    leave_a_socket();
    CHECK_STR(ask(path, "stop\n", geteuid()),
              expected_failure("no server answers on @: the one that made this socket has ended"));
    CHECK(unlink(path) == 0);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    CHECK_STR(ask(path, "stop\n", geteuid()),
              expected_failure("no server answers on @: this is no socket"));
    CHECK(unlink(path) == 0);
    CHECK_STR(ask("", "stop\n", geteuid()),
              "-1 2 no server answers on : there is no such file; is it running, with this "
              "--control-socket?");
}

static void test_asking_as_another_user(void)
{
    if (geteuid() != 0)
        return; // only root can become another
    CHECK(chmod(folder, 0755) == 0);
    open_control();
    CHECK_STR(ask(path, "stop\n", NOBODY),
              expected_failure("cannot ask the server on @: permission denied; run this as root or "
                               "as the user that the server runs as"));
    CHECK(chown(path, NOBODY, NOBODY) == 0);
    CHECK_STR(ask(path, "stop\n", 0),
              expected_failure("cannot ask the server on @: it belongs to user 65534, neither to "
                               "us nor to root; run this as that user"));
    CHECK_STR(ask(path, "scale 3\n", NOBODY), "0 0 asked for 4 0 3\n"); // root listens
    CHECK(answers == 1);
    close_control();
}

static _Noreturn void listen_as_nobody(int ends[2])
{
    char byte = 0;
    close(ends[1]);
    if (setuid(NOBODY) < 0 || open_at(path, false) < 0 || write(ends[0], &byte, 1) != 1)
        _exit(1);
    ssize_t ended = read(ends[0], &byte, 1); // until the test is over
    control_forget_file(control);
    control_close(control);
    _exit(ended == 0 ? 0 : 1);
}

// A listener of another user at a path that is ours.
static void test_asking_what_another_user_runs(void)
{
    int ends[2], status = -1;
    char byte;
    if (geteuid() != 0)
        return; // only root can become another
    CHECK(chmod(folder, 0777) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    in_folder("theirs");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        listen_as_nobody(ends);
    close(ends[0]);
    CHECK(read(ends[1], &byte, 1) == 1);
    CHECK(chown(path, 0, 0) == 0);
    CHECK_STR(ask(path, "stop\n", 0),
              expected_failure("cannot ask the server on @: it belongs to user 65534, neither to "
                               "us nor to root; run this as that user"));
    close(ends[1]);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(unlink(path) == 0 && chmod(folder, 0700) == 0);
}

// A listener that is none of ours: it sends this and closes. NULL: it never does anything.
static const char *ask_stranger(const char *says)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", in_folder("stranger"));
    int ends[2], fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&name, sizeof name) == 0 && listen(fd, 1) == 0);
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        ask_and_tell(path, "stop\n", ends[1]);
        _exit(0);
    }
    close(ends[1]);
    if (says != NULL) {
        char line[16];
        int peer = accept(fd, NULL, NULL);
        CHECK(recv(peer, line, sizeof line, 0) == 5);
        CHECK(send(peer, says, strlen(says), 0) == (ssize_t)strlen(says));
        close(peer);
    }
    ssize_t size = read(ends[0], heard, sizeof heard - 1);
    heard[size > 0 ? size : 0] = '\0';
    close(ends[0]);
    waitpid(pid, NULL, 0);
    close(fd);
    unlink(path);
    return heard;
}

static void test_asking_strangers(void)
{
    const char *ended = "the server on @ ended the connection without an answer";
    const char *stranger = "what answers on @ is no limpet";
    CHECK_STR(ask_stranger(""), expected_failure(ended));
    CHECK_STR(ask_stranger("HTTP/1.1 400 Bad Request\r\n\r\n"), expected_failure(stranger));
    CHECK_STR(ask_stranger("ok"), expected_failure(stranger));
    CHECK_STR(ask_stranger("error "), expected_failure(stranger));
    CHECK_STR(ask_stranger("error \n"), "-1 2 ");
    CHECK_STR(ask_stranger("ok\n"), "0 0 ");
    impatient = true;
    CHECK_STR(ask_stranger(NULL), expected_failure("the server on @ does not answer"));
    impatient = false;
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_asking),
    UNIT_CASE(test_asking_nobody),
    UNIT_CASE(test_asking_as_another_user),
    UNIT_CASE(test_asking_what_another_user_runs),
    UNIT_CASE(test_asking_strangers),
};

int main(void)
{
    return control_unit_main("control_client", cases, UNIT_COUNT(cases));
}

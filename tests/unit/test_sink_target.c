// test_sink_target.c - what names a target, what cannot be opened and is said of it, files that are
// opened again, and lines that are written at once.
#include "sink_target.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "apart.h"
#include "cleanup.h"
#include "log.h"
#include "sink.h"
#include "unit.h"

enum { PATH_SIZE = 160, NOBODY = 65534 };

static char folder[] = "/tmp/limpet-target-XXXXXX";
static struct err err;

static const char *path_of(const char *name)
{
    static char paths[4][PATH_SIZE];
    static unsigned next;
    char *out = paths[next++ % 4];
    snprintf(out, PATH_SIZE, "%s/%s", folder, name);
    return out;
}

static const char *content_of(const char *path)
{
    static char text[1024];
    _close_ int fd = open(path, O_RDONLY | O_NONBLOCK);
    ssize_t size = read(fd, text, sizeof text - 1);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

static void put(struct sink_target *target, const char *text)
{
    sink_target_put(target, &(struct sink_line){.text = str_of(text), .level = LOG_LEVEL_INFO});
}

// --- names ---

static void test_check(void)
{
    static const char *const good[] = {"stderr",       "stdout", "syslog",    "memory",
                                       "off",          "x.log",  "./stderrr", "/var/log/x",
                                       "folder/x.log", "access", "stdout.log"};
    static const struct {
        const char *text, *problem;
    } bad[] = {
        {"", "is empty (write stderr, stdout, syslog, memory, off or a file's path)"},
        {"-", "is no target (write stdout or stderr)"},
        {"/var/log/", "is a folder (name a file in it)"},
        {"stdrr", "is no target (did you mean stderr? A file of that name: ./stdrr)"},
        {"sylog", "is no target (did you mean syslog? A file of that name: ./sylog)"},
    };
    for (size_t i = 0; i < UNIT_COUNT(good); i++)
        CHECK(sink_target_check(good[i], &err) == 0);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        CHECK(sink_target_check(bad[i].text, &err) < 0 && err.kind == ERR_USAGE);
        CHECK_STR(err.text, bad[i].problem);
    }
}

static void test_attaches(void)
{
    CHECK(sink_target_attaches("stderr") && sink_target_attaches("/x") &&
          sink_target_attaches("./x") && sink_target_attaches("off"));
    CHECK(!sink_target_attaches("app:app") && !sink_target_attaches("--workers"));
}

static void test_words(void)
{
    static const struct {
        const char *text;
        enum sink_kind kind;
        bool opens;
    } rows[] = {
        {NULL, SINK_NOTHING, false},    {"off", SINK_NOTHING, false},
        {"memory", SINK_MEMORY, false}, {"stdout", SINK_STREAM, true},
        {"stderr", SINK_STREAM, true},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sink_target target;
        CHECK(sink_target_open(&target, rows[i].text, NULL, &err) == 0);
        CHECK(target.kind == rows[i].kind);
        CHECK(rows[i].opens ? target.fd > STDERR_FILENO : target.fd == -1);
        CHECK(sink_target_reopen(&target, &err) == 0); // is nothing to do
        sink_target_close(&target);
        CHECK(target.kind == SINK_NOTHING && target.fd == -1);
    }
}

// --- files ---

static void test_file(void)
{
    const char *path = path_of("new.log");
    struct sink_target target;
    struct stat status;
    mode_t mask = umask(0);
    CHECK(sink_target_try(path, &err) == 0 && access(path, F_OK) < 0); // makes nothing
    CHECK(sink_target_open(&target, path, NULL, &err) == 0);
    umask(mask);
    CHECK(stat(path, &status) == 0 && (status.st_mode & 0777) == 0640);
    CHECK(fcntl(target.fd, F_GETFD) == FD_CLOEXEC);
    CHECK((fcntl(target.fd, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE)) ==
          (O_APPEND | O_WRONLY));
    put(&target, "one");
    CHECK(sink_target_try(path, &err) == 0);
    sink_target_close(&target);
    // It is there already.
    CHECK(sink_target_open(&target, path, NULL, &err) == 0);
    put(&target, "two");
    sink_target_close(&target);
    CHECK_STR(content_of(path), "one\ntwo\n");
}

static void test_opened_again(void)
{
    const char *path = path_of("turned"), *old = path_of("turned.1");
    struct sink_target target;
    CHECK(sink_target_open(&target, path, NULL, &err) == 0);
    int fd = target.fd;
    put(&target, "before");
    CHECK(rename(path, old) == 0);
    put(&target, "between");
    CHECK(sink_target_reopen(&target, &err) == 0);
    put(&target, "after");
    CHECK(target.fd == fd && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK_STR(content_of(old), "before\nbetween\n");
    CHECK_STR(content_of(path), "after\n");
    // It cannot be: all stays as it is.
    CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
    CHECK(sink_target_reopen(&target, &err) < 0);
    CHECK_CONTAINS(err.text, ": it is a folder; name a file in it");
    CHECK(write(target.fd, "x", 1) == 1);
    sink_target_close(&target);
}

static int listen_at(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    CHECK(bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
    return fd;
}

static void test_what_cannot_be_opened(void)
{
    _close_ int listening = listen_at(path_of("socket"));
    _close_ int file = open(path_of("file"), O_CREAT | O_WRONLY, 0600);
    static const struct {
        const char *name, *problem;
    } rows[] = {
        {"", ": it is a folder; name a file in it"},
        {"missing/x.log", ": its folder does not exist; create it or name another file"},
        {"file/x.log", ": its folder is not a folder; name another file"},
        {"socket", ": it is a socket, or a FIFO that nobody reads; name a file"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const char *path = path_of(rows[i].name);
        char expected[512];
        struct sink_target target;
        snprintf(expected, sizeof expected, "cannot open %s%s", path, rows[i].problem);
        CHECK(sink_target_open(&target, path, NULL, &err) < 0 && err.kind == ERR_FAILED);
        CHECK_STR(err.text, expected);
        CHECK(target.kind == SINK_NOTHING && target.fd == -1);
        CHECK(sink_target_try(path, &err) < 0);
        CHECK_STR(err.text, expected);
    }
}

static void open_as_nobody(void)
{
    static const char *const names[] = {"roots", "other.log"};
    struct sink_target target;
    if (getuid() == 0)
        CHECK(chmod(folder, 0755) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    for (size_t i = 0; i < UNIT_COUNT(names); i++) {
        CHECK(sink_target_open(&target, path_of(names[i]), NULL, &err) < 0);
        CHECK_CONTAINS(err.text, ": we may not write there; change its owner or mode, or name");
        CHECK(sink_target_try(path_of(names[i]), &err) < 0);
        CHECK_CONTAINS(err.text, ": we may not write there; change its owner or mode, or name");
    }
}

static void test_not_ours(void)
{
    _close_ int file = open(path_of("roots"), O_CREAT | O_WRONLY, 0400);
    CHECK(file >= 0);
    if (getuid() == 0)
        run_apart(open_as_nobody);
}

static void test_devices(void)
{
    struct sink_target target;
    CHECK(sink_target_open(&target, "/dev/null", NULL, &err) == 0);
    put(&target, "nothing");
    CHECK(target.missed == 0);
    sink_target_close(&target);
}

static void test_fifo(void)
{
    const char *path = path_of("fifo");
    struct sink_target target;
    CHECK(mkfifo(path, 0600) == 0);
    CHECK(sink_target_try(path, &err) == 0);
    CHECK(sink_target_open(&target, path, NULL, &err) == 0); // waits for nobody
    put(&target, "early");
    _close_ int reading = open(path, O_RDONLY | O_NONBLOCK);
    char text[64];
    CHECK(read(reading, text, sizeof text) == 6);
    close(reading);
    put(&target, "later"); // is not broken
    reading = open(path, O_RDONLY | O_NONBLOCK);
    CHECK(read(reading, text, sizeof text) == 6 && memcmp(text, "later\n", 6) == 0);
    CHECK(target.missed == 0);
    sink_target_close(&target);
}

// --- syslog ---

static void test_syslog(void)
{
    const char *path = path_of("log");
    struct sink_target target = {.kind = SINK_SYSLOG, .path = path};
    target.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(sink_target_reopen(&target, &err) < 0);
    char expected[256], text[256];
    snprintf(expected, sizeof expected,
             "nothing listens at %s; start syslogd or journald, or name another target", path);
    CHECK_STR(err.text, expected);
    _close_ int listening = listen_at(path);
    CHECK(sink_target_reopen(&target, &err) == 0);
    put(&target, "text");
    ssize_t size = recv(listening, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    snprintf(expected, sizeof expected, " limpet[%d]: text", (int)getpid());
    CHECK(strncmp(text, "<30>", 4) == 0);
    CHECK_STR(text + 4 + strlen("Jan  1 00:00:00"), expected);
    sink_target_close(&target);
}

// --- lines at once ---

static void test_missed_lines(void)
{
    int ends[2], flags;
    char text[1 << 16], line[1000];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    flags = fcntl(ends[0], F_GETFL);
    fcntl(ends[0], F_SETFL, flags | O_NONBLOCK);
    fcntl(ends[1], F_SETPIPE_SZ, 16384);
    struct sink_target target = {.kind = SINK_STREAM, .fd = ends[1]};
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    sink_target_take_log(&target);
    log_set_role("test");
    for (int i = 0; i < 40; i++)
        put(&target, line);
    unsigned missed = target.missed;
    CHECK(missed > 0 && missed < 40);
    while (read(ends[0], text, sizeof text) > 0)
        ;
    log_info("unit", "room again");
    ssize_t size = read(ends[0], text, sizeof text - 1);
    text[size > 0 ? size : 0] = '\0';
    char told[64];
    snprintf(told, sizeof told, " log: %u lines were dropped\n", missed);
    CHECK_CONTAINS(text, " unit: room again\n");
    CHECK_CONTAINS(text, told);
    CHECK(target.missed == 0);
    log_set_output(NULL, NULL);
    close(ends[0]);
    close(ends[1]);
}

static void test_streams_follow(void)
{
    const char *path = path_of("stream"), *old = path_of("stream.1");
    struct sink_target target;
    struct stat output;
    _close_ int kept = dup(STDERR_FILENO);
    CHECK(fstat(STDOUT_FILENO, &output) == 0);
    CHECK(sink_target_open(&target, path, NULL, &err) == 0);
    dup2(target.fd, STDERR_FILENO);
    CHECK(rename(path, old) == 0);
    struct sink_target next;
    CHECK(sink_target_open(&next, path, NULL, &err) == 0);
    sink_target_follow(&target, next.fd);
    sink_target_replace(&target, next.fd);
    CHECK(write(STDERR_FILENO, "new\n", 4) == 4);
    dup2(kept, STDERR_FILENO);
    CHECK_STR(content_of(path), "new\n");
    struct stat after; // standard output is another's
    CHECK(fstat(STDOUT_FILENO, &after) == 0 && after.st_ino == output.st_ino);
    sink_target_close(&target);
}

// A reader that has stopped, and a line that finds room for its beginning alone.
static void test_stream_that_is_stuck(void)
{
    int ends[2];
    static char line[12001], text[1 << 16];
    _close_ int kept = dup(STDERR_FILENO);
    CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 && fcntl(ends[1], F_SETFL, 0) == 0);
    CHECK(fcntl(ends[1], F_SETPIPE_SZ, 16384) == 16384);
    dup2(ends[1], STDERR_FILENO);
    struct sink_target target;
    CHECK(sink_target_open(&target, "stderr", NULL, &err) == 0);
    dup2(kept, STDERR_FILENO);
    // The stream itself stays as others expect it.
    CHECK((fcntl(target.fd, F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(ends[1], F_GETFL) & O_NONBLOCK) == 0);
    memset(line, 'x', sizeof line - 1);
    put(&target, line);
    put(&target, line); // is cut
    CHECK(target.missed == 1);
    put(&target, "lost");
    CHECK(target.missed == 2);
    ssize_t size = read(ends[0], text, sizeof text);
    CHECK(size > 12001 && text[size - 1] == 'x');
    put(&target, "next");
    size = read(ends[0], text, sizeof text - 1);
    text[size > 0 ? size : 0] = '\0';
    CHECK_STR(text, "\nnext\n");
    sink_target_close(&target);
    close(ends[0]);
    close(ends[1]);
}

// Twice, before the target's own descriptor has turned.
static void test_streams_follow_twice(void)
{
    const char *path = path_of("twice");
    struct sink_target target, first, second;
    _close_ int kept = dup(STDERR_FILENO);
    CHECK(sink_target_open(&target, path, NULL, &err) == 0);
    dup2(target.fd, STDERR_FILENO);
    CHECK(unlink(path) == 0 && sink_target_open(&first, path, NULL, &err) == 0);
    sink_target_follow(&target, first.fd);
    CHECK(unlink(path) == 0 && sink_target_open(&second, path, NULL, &err) == 0);
    sink_target_follow(&target, second.fd);
    CHECK(write(STDERR_FILENO, "newest\n", 7) == 7);
    dup2(kept, STDERR_FILENO);
    CHECK_STR(content_of(path), "newest\n");
    sink_target_close(&target);
    sink_target_close(&first);
    sink_target_close(&second);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_stream_that_is_stuck),
    UNIT_CASE(test_streams_follow_twice),
    UNIT_CASE(test_check),
    UNIT_CASE(test_attaches),
    UNIT_CASE(test_words),
    UNIT_CASE(test_file),
    UNIT_CASE(test_opened_again),
    UNIT_CASE(test_what_cannot_be_opened),
    UNIT_CASE(test_not_ours),
    UNIT_CASE(test_devices),
    UNIT_CASE(test_fifo),
    UNIT_CASE(test_syslog),
    UNIT_CASE(test_missed_lines),
    UNIT_CASE(test_streams_follow),
};

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(folder) == NULL)
        return 1;
    int status = unit_main("sink_target", cases, UNIT_COUNT(cases));
    char command[PATH_SIZE];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command) == 0 ? status : 1;
}

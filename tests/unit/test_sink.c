// test_sink.c - lines arrive whole and in order, whatever the target does; what it does not take is
// counted and told; nobody who puts a line waits.
#include "sink.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apart.h"
#include "buf.h"
#include "cleanup.h"
#include "log_lines.h"
#include "unit.h"

enum { PATH_SIZE = 128, ALL_MAX = 1 << 24, PATIENCE = 60000 };

static struct err err;

// --- targets ---

static char folder[] = "/tmp/limpet-sink-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[4][PATH_SIZE];
    static unsigned next;
    char *out = path[next++ % 4];
    snprintf(out, PATH_SIZE, "%s/%s", folder, name);
    return out;
}

static struct sink_target file_target(const char *path)
{
    struct sink_target target = {.fd = -1};
    CHECK(sink_target_open(&target, path, NULL, &err) == 0);
    return target;
}

// The writing end of a pipe as a target; *reading: the other one.
static struct sink_target pipe_target(int *reading)
{
    int ends[2] = {-1, -1};
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    *reading = ends[0];
    return (struct sink_target){.kind = SINK_STREAM, .fd = ends[1]};
}

static struct buf all_of(int fd)
{
    struct buf all = BUF_INIT(ALL_MAX);
    char piece[65536];
    ssize_t size;
    while ((size = read(fd, piece, sizeof piece)) > 0)
        CHECK(buf_append(&all, piece, (size_t)size) == 0);
    return all;
}

static struct buf all_of_file(const char *path)
{
    _close_ int fd = open(path, O_RDONLY);
    return all_of(fd);
}

static struct sink *sink_of(const struct sink_target *target)
{
    struct sink *sink = NULL;
    CHECK(sink_new(&sink, target, "access log", &err) == 0);
    return sink;
}

static void put(struct sink *sink, const char *text)
{
    sink_put(sink, &(struct sink_line){.text = str_of(text), .level = LOG_LEVEL_INFO});
}

static size_t count_lines(const struct buf *all)
{
    size_t lines = 0;
    for (size_t i = 0; i < all->size; i++)
        lines += all->data[i] == '\n';
    return lines;
}

// --- files ---

static void test_lines_in_order(void)
{
    const char *path = path_of("order");
    struct sink_target target = file_target(path);
    struct sink *sink = sink_of(&target);
    put(sink, "one");
    put(sink, "");
    sink_put_bytes(sink, "two\nthree\n", 10, 2);
    sink_flush(sink, PATIENCE);
    _buf_ struct buf all = all_of_file(path);
    CHECK_STR(buf_text(&all), "one\n\ntwo\nthree\n");
    put(sink, "four");
    sink_free(sink); // which waits for what is there
    sink_target_close(&target);
    _buf_ struct buf rest = all_of_file(path);
    CHECK_STR(buf_text(&rest), "one\n\ntwo\nthree\nfour\n");
}

enum { THREADS = 4, LINES = 20000 };

struct writer {
    struct sink *sink;
    char letter;
};

static void *write_many(void *owner)
{
    const struct writer *writer = owner;
    char text[128];
    for (int i = 0; i < LINES; i++) {
        int size = snprintf(text, sizeof text, "%c %d ", writer->letter, i);
        memset(text + size, writer->letter, 60);
        text[size + 60] = '\0';
        put(writer->sink, text);
    }
    return NULL;
}

// Whether each line is one writer's whole, and each writer's are in order.
static void check_whole(const struct buf *all)
{
    int last[THREADS] = {-1, -1, -1, -1};
    size_t broken = 0;
    for (char *at = all->data, *end = all->data + all->size; at != NULL && at < end;) {
        char *newline = memchr(at, '\n', (size_t)(end - at)), letter = *at;
        int writer = letter - 'a', number = -1, begin = 0;
        CHECK(newline != NULL && writer >= 0 && writer < THREADS);
        if (newline == NULL || writer < 0 || writer >= THREADS)
            return;
        *newline = '\0';
        char expected[64];
        memset(expected, letter, 60);
        expected[60] = '\0';
        broken += sscanf(at, "%*c %d %n", &number, &begin) != 1 || number <= last[writer] ||
                  strcmp(at + begin, expected) != 0;
        last[writer] = number;
        *newline = '\n';
        at = newline + 1;
    }
    CHECK(broken == 0);
}

static void run_writers(struct sink *const sinks[THREADS])
{
    pthread_t threads[THREADS];
    struct writer writers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){sinks[i], (char)('a' + i)};
        CHECK(pthread_create(&threads[i], NULL, write_many, &writers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void test_threads_share_a_sink(void)
{
    const char *path = path_of("threads");
    struct sink_target target = file_target(path);
    struct sink *sink = sink_of(&target);
    run_writers((struct sink *[]){sink, sink, sink, sink});
    sink_flush(sink, PATIENCE);
    _buf_ struct buf all = all_of_file(path);
    check_whole(&all);
    CHECK(count_lines(&all) + sink_dropped(sink) == (size_t)THREADS * LINES);
    sink_free(sink);
    sink_target_close(&target);
}

struct reader {
    int fd;
    struct buf all;
};

static void *read_all(void *owner)
{
    struct reader *reader = owner;
    reader->all = all_of(reader->fd);
    return NULL;
}

// Each has its thread, as those of several processes do.
static void test_sinks_share_a_pipe(void)
{
    struct reader reader = {.fd = -1};
    struct sink_target target = pipe_target(&reader.fd);
    struct sink *sinks[THREADS];
    pthread_t thread;
    uint64_t dropped = 0;
    CHECK(pthread_create(&thread, NULL, read_all, &reader) == 0);
    for (int i = 0; i < THREADS; i++)
        sinks[i] = sink_of(&target);
    run_writers(sinks);
    for (int i = 0; i < THREADS; i++) {
        sink_flush(sinks[i], PATIENCE);
        dropped += sink_dropped(sinks[i]);
        sink_free(sinks[i]);
    }
    sink_target_close(&target);
    pthread_join(thread, NULL);
    check_whole(&reader.all);
    CHECK(count_lines(&reader.all) + dropped == (size_t)THREADS * LINES);
    buf_fini(&reader.all);
    close(reader.fd);
}

// --- another descriptor ---

static void test_another_file(void)
{
    const char *path = path_of("turned"), *old = path_of("turned.1");
    struct sink_target target = file_target(path);
    struct sink *sink = sink_of(&target);
    put(sink, "before");
    CHECK(rename(path, old) == 0);
    struct sink_target next = file_target(path);
    sink_use(sink, next.fd);
    put(sink, "after");
    sink_free(sink);
    _buf_ struct buf first = all_of_file(old), second = all_of_file(path);
    CHECK_STR(buf_text(&first), "before\n");
    CHECK_STR(buf_text(&second), "after\n");
    CHECK(fcntl(target.fd, F_GETFD) == FD_CLOEXEC);
    sink_target_close(&target);
}

static void test_another_file_while_one_is_stuck(void)
{
    int reading;
    struct sink_target target = pipe_target(&reading);
    struct sink *sink = sink_of(&target);
    for (int i = 0; i < 3000; i++)
        put(sink, "a line of the pipe, which nobody reads as long as it is there at all");
    struct sink_target next = file_target(path_of("free"));
    sink_use(sink, next.fd);
    put(sink, "last");
    sink_flush(sink, PATIENCE);
    _buf_ struct buf all = all_of_file(path_of("free"));
    CHECK_CONTAINS(buf_text(&all), "\nlast\n");
    CHECK(sink_dropped(sink) == 0);
    sink_free(sink);
    sink_target_close(&target);
    close(reading);
}

// --- targets that do not take lines ---

enum { MANY = 30000 }; // lines of LONG bytes: more than finds room

static uint64_t flood(struct sink *sink)
{
    enum { LONG = 99 };
    char text[LONG + 1];
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    for (int i = 0; i < MANY; i++)
        put(sink, text);
    return sink_dropped(sink);
}

static void test_reader_that_has_stopped(void)
{
    _Atomic uint64_t counted = 0;
    struct reader reader;
    pthread_t thread;
    char told[128];
    struct sink_target target = pipe_target(&reader.fd);
    struct sink *sink = sink_of(&target);
    sink_count_drops(sink, &counted);
    log_lines_begin();
    uint64_t dropped = flood(sink);
    CHECK(dropped > 0 && dropped == counted);
    CHECK(MANY - dropped >= SINK_BATCH / 100);
    // It goes on: all else arrives, and the count is told.
    CHECK(pthread_create(&thread, NULL, read_all, &reader) == 0);
    sink_flush(sink, PATIENCE);
    put(sink, "last");
    sink_free(sink);
    sink_target_close(&target);
    pthread_join(thread, NULL);
    const char *log = log_lines_end();
    CHECK_CONTAINS(log, " warning ");
    CHECK_CONTAINS(log, "log: lines of the access log are dropped, 1 so far: its target does not "
                        "take them as fast as they come\n");
    snprintf(told, sizeof told, "log: %llu lines of the access log dropped\n",
             (unsigned long long)dropped);
    CHECK_CONTAINS(log, told);
    CHECK(count_lines(&reader.all) == MANY - dropped + 1);
    CHECK_CONTAINS(buf_text(&reader.all), "x\nlast\n");
    buf_fini(&reader.all);
    close(reader.fd);
}

static void test_end_while_the_reader_has_stopped(void)
{
    int reading;
    struct sink_target target = pipe_target(&reading);
    struct sink *sink = sink_of(&target);
    log_lines_begin();
    flood(sink);
    sink_free(sink); // comes back
    CHECK_CONTAINS(log_lines_end(), "so far");
    sink_target_close(&target);
    close(reading);
}

// A line that no pipe takes at once: its beginning is there, and nobody waits for the rest. Where
// the kernel cannot write to a pipe without waiting, the thread does, until somebody reads it all.
static void test_end_while_a_line_is_cut(void)
{
    int reading;
    struct sink_target target = pipe_target(&reading);
    struct sink *sink = sink_of(&target);
    _buf_ struct buf line = BUF_INIT(ALL_MAX);
    CHECK(buf_reserve(&line, 100000) == 0);
    memset(line.data, 'x', 100000);
    sink_put(sink, &(struct sink_line){.text = {line.data, 100000}});
    sink_free(sink);
    sink_target_close(&target);
    _buf_ struct buf all = all_of(reading);
    CHECK(all.size > 0 && memcmp(all.data, line.data, all.size < 100000 ? all.size : 100000) == 0);
    close(reading);
}

static void check_refused(const struct sink_target *target, const char *reason)
{
    char told[128];
    struct sink *sink = sink_of(target);
    log_lines_begin();
    put(sink, "one");
    put(sink, "two");
    sink_flush(sink, PATIENCE);
    put(sink, "three");
    sink_flush(sink, PATIENCE);
    CHECK(sink_dropped(sink) == 3);
    sink_free(sink);
    const char *log = log_lines_end();
    snprintf(told, sizeof told, "lines of the access log are dropped, 2 so far: %s\n", reason);
    CHECK_CONTAINS(log, told);
    CHECK_CONTAINS(log, "log: 3 lines of the access log dropped\n"); // at the end, not for each
    CHECK(strstr(strstr(log, "so far") + 1, "so far") == NULL);
}

static void test_full_disk(void)
{
    struct sink_target target = file_target("/dev/full");
    check_refused(&target, "No space left on device");
    sink_target_close(&target);
}

static void test_closed_pipe(void)
{
    int reading;
    struct sink_target target = pipe_target(&reading);
    close(reading);
    check_refused(&target, "Broken pipe");
    sink_target_close(&target);
}

// It has nobody to tell but itself.
static void test_log_that_drops(void)
{
    int reading;
    struct sink_target target = pipe_target(&reading);
    struct sink *sink = NULL;
    CHECK(sink_new(&sink, &target, SINK_LOG, &err) == 0);
    log_lines_begin();
    uint64_t dropped = flood(sink);
    CHECK(dropped > 0);
    CHECK_STR(log_lines.text, log_lines.size == 0 ? log_lines.text : "");
    struct reader reader = {.fd = reading};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, read_all, &reader) == 0);
    sink_flush(sink, PATIENCE);
    sink_free(sink);
    sink_target_close(&target);
    pthread_join(thread, NULL);
    char told[128];
    snprintf(told, sizeof told, "log: %llu lines of the log dropped\n",
             (unsigned long long)dropped);
    CHECK_CONTAINS(log_lines_end(), told);
    buf_fini(&reader.all);
    close(reading);
}

// --- a file system that is full for a while ---

// A file whose size is limited refuses as a full disk does: in the midst of a line, too.
static void fill_up(void)
{
    const char *path = path_of("limited");
    struct sink_target target = file_target(path);
    struct sink *sink = sink_of(&target);
    struct rlimit limit = {1000, RLIM_INFINITY};
    char text[100], expected[128];
    signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    log_lines_begin();
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof text, "%02d %.*s", i, 62,
                 "-------------------------------------------"
                 "--------------------------------------");
        put(sink, text);
    }
    sink_flush(sink, PATIENCE);
    CHECK(sink_dropped(sink) == 14); // fifteen are whole, one is torn
    limit.rlim_cur = RLIM_INFINITY;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    put(sink, "there is room again");
    sink_free(sink);
    sink_target_close(&target);
    const char *log = log_lines_end();
    CHECK_CONTAINS(log, "lines of the access log are dropped, 14 so far: File too large\n");
    CHECK_CONTAINS(log, "log: 14 lines of the access log dropped\n");
    _buf_ struct buf all = all_of_file(path);
    snprintf(expected, sizeof expected, "\n15 %.*s\nthere is room again\n", 62,
             "---------------------------------------------------------------------------------");
    CHECK(count_lines(&all) == 17);
    CHECK_CONTAINS(buf_text(&all), expected);
}

static void test_room_again(void)
{
    run_apart(fill_up);
}

// --- forks ---

static void test_forked_process(void)
{
    const char *path = path_of("forked");
    struct sink_target target = file_target(path);
    struct sink *sink = sink_of(&target);
    pid_t pid = fork();
    if (pid == 0) {
        put(sink, "of the child");
        sink_put_bytes(sink, "and\nbytes\n", 10, 2);
        sink_flush(sink, PATIENCE);
        sink_free(sink);
        _exit(0);
    }
    CHECK(waitpid(pid, NULL, 0) == pid);
    _buf_ struct buf all = all_of_file(path);
    CHECK_STR(buf_text(&all), "of the child\nand\nbytes\n");
    put(sink, "of the parent");
    sink_free(sink);
    _buf_ struct buf more = all_of_file(path);
    CHECK_CONTAINS(buf_text(&more), "bytes\nof the parent\n");
    sink_target_close(&target);
}

// --- a crash ---

static void test_crash(void)
{
    const char *path = path_of("crash");
    struct sink_target target = file_target(path);
    pid_t pid = fork();
    if (pid == 0) {
        struct sink *sink = sink_of(&target);
        put(sink, "one");
        sink_flush(sink, PATIENCE);
        put(sink, "last words");
        sink_crash(sink);
        _exit(0);
    }
    CHECK(waitpid(pid, NULL, 0) == pid);
    sink_target_close(&target);
    _buf_ struct buf all = all_of_file(path);
    CHECK_STR(buf_text(&all), "one\nlast words\n");
}

// --- syslog ---

static int listen_at(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    unlink(path);
    CHECK(bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
    return fd;
}

static const char *receive(int fd)
{
    static char text[512];
    ssize_t size = recv(fd, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

static void test_syslog(void)
{
    const char *path = path_of("syslog");
    int listening = listen_at(path);
    struct sink_target target = {.kind = SINK_SYSLOG, .path = path, .tag = "shop"};
    target.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(sink_target_reopen(&target, &err) == 0);
    struct sink *sink = sink_of(&target);
    CHECK(!sink_takes_bytes(sink));
    setenv("TZ", "UTC", 1);
    int64_t time = INT64_C(1795341102123); // 2026-11-22T09:51:42.123Z
    sink_put(sink, &(struct sink_line){STR("broken"), time, LOG_LEVEL_ERROR, 0});
    char expected[128];
    snprintf(expected, sizeof expected, "<27>Nov 22 09:51:42 shop[%d]: broken", (int)getpid());
    CHECK_STR(receive(listening), expected);
    // It is started anew.
    close(listening);
    listening = listen_at(path);
    put(sink, "well");
    CHECK_CONTAINS(receive(listening), ": well");
    close(listening);
    log_lines_begin();
    put(sink, "unheard");
    sink_flush(sink, PATIENCE);
    CHECK(sink_dropped(sink) == 1);
    CHECK_CONTAINS(log_lines_end(), "1 so far: Connection refused");
    sink_free(sink);
    sink_target_close(&target);
}

// More than its queue holds.
static void test_syslog_that_is_slow(void)
{
    const char *path = path_of("slow");
    int listening = listen_at(path);
    struct sink_target target = {.kind = SINK_SYSLOG, .path = path};
    target.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(sink_target_reopen(&target, &err) == 0);
    struct sink *sink = sink_of(&target);
    char text[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, ": %d.", i);
        put(sink, text);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, ": %d.", i);
        CHECK_CONTAINS(receive(listening), text);
    }
    CHECK(sink_dropped(sink) == 0);
    sink_free(sink);
    sink_target_close(&target);
    close(listening);
}

static const struct unit_case cases[] = {
    // ThreadSanitizer wants no thread before a fork whose child starts some.
    UNIT_CASE(test_room_again),
    UNIT_CASE(test_crash),
    UNIT_CASE(test_forked_process),
    UNIT_CASE(test_lines_in_order),
    UNIT_CASE(test_threads_share_a_sink),
    UNIT_CASE(test_sinks_share_a_pipe),
    UNIT_CASE(test_another_file),
    UNIT_CASE(test_another_file_while_one_is_stuck),
    UNIT_CASE(test_reader_that_has_stopped),
    UNIT_CASE(test_end_while_the_reader_has_stopped),
    UNIT_CASE(test_end_while_a_line_is_cut),
    UNIT_CASE(test_full_disk),
    UNIT_CASE(test_closed_pipe),
    UNIT_CASE(test_log_that_drops),
    UNIT_CASE(test_syslog),
    UNIT_CASE(test_syslog_that_is_slow),
};

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(folder) == NULL)
        return 1;
    int status = unit_main("sink", cases, UNIT_COUNT(cases));
    char command[PATH_SIZE];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command) == 0 ? status : 1;
}

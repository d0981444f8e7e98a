// sink_target.c - opens what a log is written to, and writes single lines there.
#include "sink_target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "near.h"
#include "sink_priv.h"
#include "sink_ring.h"

#define SYSLOG_PATH "/dev/log"

enum {
    FILE_MODE = 0640,
    ABOVE_STANDARD = 3, // descriptors of ours are above those of standard input, output, error
    PUT_WITHIN = 100,   // milliseconds
};

static const struct {
    const char *word;
    enum sink_kind kind;
    int fd;
} words[] = {
    {"stderr", SINK_STREAM, STDERR_FILENO},
    {"stdout", SINK_STREAM, STDOUT_FILENO},
    {"syslog", SINK_SYSLOG, -1},
    {"memory", SINK_MEMORY, -1},
    {"off", SINK_NOTHING, -1},
};

enum { WORD_COUNT = sizeof words / sizeof words[0] };

// WORD_COUNT: it is a path.
static size_t find_word(const char *text)
{
    size_t i = 0;
    while (i < WORD_COUNT && strcmp(text, words[i].word) != 0)
        i++;
    return i;
}

int sink_target_check(const char *text, struct err *err)
{
    struct near best = {.distance = NEAR_NOTHING};
    if (*text == '\0')
        return err_set(err, ERR_USAGE,
                       "is empty (write stderr, stdout, syslog, memory, off or a "
                       "file's path)");
    if (strcmp(text, "-") == 0)
        return err_set(err, ERR_USAGE, "is no target (write stdout or stderr)");
    if (text[strlen(text) - 1] == '/')
        return err_set(err, ERR_USAGE, "is a folder (name a file in it)");
    if (find_word(text) < WORD_COUNT || strchr(text, '/') != NULL)
        return 0;
    for (size_t i = 0; i < WORD_COUNT; i++)
        near_consider(&best, str_of(text), words[i].word);
    if (best.word != NULL && strchr(text, '.') == NULL)
        return err_set(err, ERR_USAGE, "is no target (did you mean %s? A file of that name: ./%s)",
                       best.word, text);
    return 0;
}

bool sink_target_attaches(const char *argument)
{
    return *argument == '/' || *argument == '.' || find_word(argument) < WORD_COUNT;
}

// --- files ---

// What an errno value means here, and the way out; NULL: its own text is all there is to say.
static const char *reason_of(int errnum)
{
    static const struct {
        int errnum;
        const char *reason;
    } table[] = {
        {ENOENT, "its folder does not exist; create it or name another file"},
        {ENOTDIR, "its folder is not a folder; name another file"},
        {EISDIR, "it is a folder; name a file in it"},
        {EACCES, "we may not write there; change its owner or mode, or name another file"},
        {EROFS, "the file system is read-only; name another file"},
        {ENXIO, "it is a socket, or a FIFO that nobody reads; name a file"},
        {ENOTBLK, "it is a disk; name a file"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].errnum == errnum)
            return table[i].reason;
    }
    return NULL;
}

static int refuse(const char *path, int errnum, struct err *err)
{
    const char *reason = reason_of(errnum);
    if (reason == NULL)
        return err_system(err, errnum, "cannot open %.300s", path);
    return err_set(err, ERR_FAILED, "cannot open %.300s: %s", path, reason);
}

// Never waits for a FIFO's reader. Who reads it, too, is not told that the others have gone.
static int open_once(const char *path, int more)
{
    int flags = O_APPEND | O_NOCTTY | O_CLOEXEC | O_NONBLOCK | more;
    struct stat status;
    if (stat(path, &status) == 0 && S_ISFIFO(status.st_mode)) {
        int fd = open(path, O_RDWR | flags, FILE_MODE);
        if (fd >= 0 || errno != EACCES)
            return fd;
    }
    return open(path, O_WRONLY | flags, FILE_MODE);
}

static int open_file(const char *path, int more, struct err *err)
{
    struct stat status;
    _close_ int fd = open_once(path, more);
    if (fd < 0)
        return refuse(path, errno, err);
    if (fstat(fd, &status) < 0)
        return refuse(path, errno, err);
    if (S_ISBLK(status.st_mode))
        return refuse(path, ENOTBLK, err);
    // Who reads a FIFO or sits at a terminal may stop, and we do not wait for that.
    if (!S_ISFIFO(status.st_mode) && !isatty(fd))
        fcntl(fd, F_SETFL, O_APPEND);
    int above = fcntl(fd, F_DUPFD_CLOEXEC, ABOVE_STANDARD);
    return above >= 0 ? above : err_system(err, errno, "cannot open %.300s", path);
}

// --- other targets ---

// A description of our own of a pipe or terminal, which does not wait when its reader has stopped:
// the stream's is that of others, too, who expect that it does. -1: there is none, without /proc,
// or of another user's pipe.
static int open_unblocked(int number)
{
    struct stat status;
    char path[32];
    if (fstat(number, &status) < 0 || !(S_ISFIFO(status.st_mode) || isatty(number)))
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", number);
    _close_ int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_APPEND);
    return fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, ABOVE_STANDARD) : -1;
}

static int open_stream(int number, struct err *err)
{
    int fd = open_unblocked(number);
    if (fd < 0)
        fd = fcntl(number, F_DUPFD_CLOEXEC, ABOVE_STANDARD);
    return fd >= 0 ? fd : err_system(err, errno, "cannot use standard output or error");
}

static int open_syslog(const char *path, struct err *err)
{
    _close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int errnum = fd < 0 ? errno : sink_connect(fd, path);
    if (errnum == 0)
        return steal_fd(&fd);
    if (errnum == ENOENT || errnum == ECONNREFUSED)
        return err_set(err, ERR_FAILED,
                       "nothing listens at %s; start syslogd or journald, or name another target",
                       path);
    return err_system(err, errnum, "cannot reach syslog at %s", path);
}

int sink_target_open(struct sink_target *out, const char *text, struct sink_ring *ring,
                     struct err *err)
{
    *out = (struct sink_target){.kind = SINK_NOTHING, .fd = -1, .ring = ring, .opener = getpid()};
    size_t word = text != NULL ? find_word(text) : WORD_COUNT;
    struct sink_target opened = *out;
    if (text == NULL)
        return 0;
    opened.kind = word < WORD_COUNT ? words[word].kind : SINK_FILE;
    if (opened.kind == SINK_FILE) {
        opened.path = text;
        opened.fd = open_file(text, O_CREAT, err);
    } else if (opened.kind == SINK_STREAM) {
        opened.fd = open_stream(words[word].fd, err);
    } else if (opened.kind == SINK_SYSLOG) {
        opened.path = SYSLOG_PATH;
        opened.fd = open_syslog(opened.path, err);
    }
    if (opened.fd < 0 && opened.path != NULL)
        return -1;
    if (opened.fd < 0 && opened.kind == SINK_STREAM)
        return -1;
    *out = opened;
    return 0;
}

void sink_target_replace(const struct sink_target *target, int fd)
{
    dup3(fd, target->fd, O_CLOEXEC);
    close(fd);
}

static bool is_same_file(int a, int b)
{
    struct stat one, other;
    return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

// Whether a stream is the file that was given to it last, before the target's own descriptor was.
static bool has_followed(const struct sink_target *target, int stream)
{
    struct stat status;
    return target->followed.inode != 0 && fstat(stream, &status) == 0 &&
           status.st_dev == target->followed.device && status.st_ino == target->followed.inode;
}

void sink_target_follow(struct sink_target *target, int fd)
{
    struct stat status;
    for (int stream = STDOUT_FILENO; stream <= STDERR_FILENO; stream++) {
        if (is_same_file(stream, target->fd) || has_followed(target, stream))
            dup2(fd, stream);
    }
    if (fstat(fd, &status) == 0) {
        target->followed.device = status.st_dev;
        target->followed.inode = status.st_ino;
    }
}

int sink_target_reopen(struct sink_target *target, struct err *err)
{
    int fd = -1;
    if (target->kind == SINK_FILE)
        fd = open_file(target->path, O_CREAT, err);
    else if (target->kind == SINK_SYSLOG)
        fd = open_syslog(target->path, err);
    else
        return 0;
    if (fd < 0)
        return -1;
    if (target->kind == SINK_FILE) {
        sink_target_replace(target, fd);
        return 0;
    }
    // The socket is one that all processes have: it is told its new peer, for all of them.
    close(fd);
    int errnum = sink_connect(target->fd, target->path);
    return errnum == 0 ? 0 : err_system(err, errnum, "cannot reach syslog at %s", target->path);
}

void sink_target_close(struct sink_target *target)
{
    if (target->kind != SINK_NOTHING && target->fd >= 0)
        close(target->fd);
    *target = (struct sink_target){.kind = SINK_NOTHING, .fd = -1};
}

// --- a trial ---

static int try_folder(const char *path, struct err *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash != NULL ? (size_t)(slash - path) : 0;
    if (size >= sizeof folder)
        return refuse(path, ENAMETOOLONG, err);
    snprintf(folder, sizeof folder, "%.*s", (int)size, path);
    if (size == 0)
        snprintf(folder, sizeof folder, slash != NULL ? "/" : ".");
    return access(folder, W_OK | X_OK) == 0 ? 0 : refuse(path, errno, err);
}

int sink_target_try(const char *text, struct err *err)
{
    if (text == NULL || find_word(text) < WORD_COUNT) {
        struct sink_target target;
        if (sink_target_open(&target, text, NULL, err) < 0)
            return -1;
        sink_target_close(&target);
        return 0;
    }
    struct stat status;
    if (stat(text, &status) < 0)
        return errno == ENOENT ? try_folder(text, err) : refuse(text, errno, err);
    int fd = open_file(text, 0, err);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

// --- single lines ---

size_t sink_target_line_max(const struct sink_target *target)
{
    if (target->kind != SINK_STREAM && target->kind != SINK_FILE)
        return 0;
    enum sink_way way = sink_way_of(target->fd);
    return way == SINK_UNBLOCKED || way == SINK_SHARED ? PIPE_BUF : 0;
}

static int put_once(struct sink_target *target, const struct sink_line *line)
{
    if (target->kind == SINK_SYSLOG)
        return sink_send(target, line);
    return sink_write_line(target, sink_way_of(target->fd), line->text);
}

static void tell_missed(struct sink_target *target)
{
    unsigned missed = atomic_exchange(&target->missed, 0);
    if (missed == 0)
        return;                                          // another thread tells of them
    log_warning("log", "%u lines were dropped", missed); // which comes back to sink_target_put
    if (atomic_load(&target->missed) > 0)
        atomic_fetch_add(&target->missed, missed - 1); // that line is none of them
}

void sink_target_put(struct sink_target *target, const struct sink_line *line)
{
    if (target->kind == SINK_MEMORY)
        sink_ring_put(target->ring, line);
    if (target->kind == SINK_MEMORY || target->fd < 0)
        return;
    int errnum = put_once(target, line);
    // A worker's thread may have the lock of its interpreter.
    if (errnum == EAGAIN && atomic_load(&target->missed) == 0 && target->opener == getpid() &&
        sink_has_room(target->fd, PUT_WITHIN))
        errnum = put_once(target, line);
    if (errnum != 0)
        atomic_fetch_add(&target->missed, 1);
    else if (atomic_load(&target->missed) > 0)
        tell_missed(target);
}

static void put_record(void *owner, enum log_level level, int64_t time, const char *text,
                       size_t size)
{
    sink_target_put(owner, &(struct sink_line){{text, size}, time, (int)level, 0});
}

void sink_target_take_log(struct sink_target *target)
{
    log_set_output(put_record, target);
}

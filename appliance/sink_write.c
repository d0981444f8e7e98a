// sink_write.c - writes and sends, as much as a target takes.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "sink_priv.h"

// --- bytes ---

enum sink_way sink_way_of(int fd)
{
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        return SINK_AT_ONCE;
    if (fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode))
        return SINK_SOCKET;
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 ? SINK_UNBLOCKED : SINK_SHARED;
}

bool sink_has_room(int fd, int limit)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    return poll(&poll_fd, 1, limit) > 0;
}

// Whole lines that are one write, of which others' do not land in the midst.
static size_t piece_of(const char *data, size_t size)
{
    if (size <= PIPE_BUF)
        return size;
    for (size_t at = PIPE_BUF; at > 0; at--) {
        if (data[at - 1] == '\n')
            return at;
    }
    const char *last = memchr(data, '\n', size);
    return last != NULL ? (size_t)(last - data) + 1 : size;
}

enum { PARTS = 3 }; // of a write: what a line has before and behind it

// That poll has seen room is no promise: others write, too.
static ssize_t write_unblocked(int fd, struct iovec parts[static PARTS])
{
    ssize_t written = pwritev2(fd, parts, PARTS, -1, RWF_NOWAIT);
    if (written >= 0 || errno == EAGAIN || errno == EINTR || errno == EPIPE)
        return written;
    return writev(fd, parts, PARTS); // the kernel knows no such thing here
}

static ssize_t write_parts(int fd, enum sink_way way, struct iovec parts[static PARTS])
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = PARTS};
    if (way == SINK_SOCKET)
        return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return way == SINK_SHARED ? write_unblocked(fd, parts) : writev(fd, parts, PARTS);
}

// Bytes written, or -1 with errno set.
static ssize_t write_once(int fd, enum sink_way way, struct iovec parts[static PARTS])
{
    ssize_t written;
    do
        written = write_parts(fd, way, parts);
    while (written < 0 && errno == EINTR);
    // Nobody says so, but it would be asked for ever.
    if (written == 0)
        errno = EIO;
    return written > 0 ? written : -1;
}

struct sink_written sink_write(int fd, enum sink_way way, const char *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        struct iovec parts[PARTS] = {{(char *)(uintptr_t)data + done, size - done}};
        if (way != SINK_AT_ONCE && !sink_has_room(fd, 0))
            return (struct sink_written){done, EAGAIN};
        if (way != SINK_AT_ONCE)
            parts[0].iov_len = piece_of(data + done, size - done);
        ssize_t written = write_once(fd, way, parts);
        if (written < 0)
            return (struct sink_written){done, errno};
        done += (size_t)written;
    }
    return (struct sink_written){done, 0};
}

// Leave the first bytes out.
static void advance(struct iovec parts[static PARTS], size_t size)
{
    for (int i = 0; i < PARTS; i++) {
        size_t part = size < parts[i].iov_len ? size : parts[i].iov_len;
        parts[i].iov_base = (char *)parts[i].iov_base + part;
        parts[i].iov_len -= part;
        size -= part;
    }
}

int sink_write_line(struct sink_target *target, enum sink_way way, struct str text)
{
    char newlines[] = "\n\n";
    if (way != SINK_AT_ONCE && !sink_has_room(target->fd, 0))
        return EAGAIN;
    bool torn = atomic_exchange(&target->torn, false);
    struct iovec parts[PARTS] = {
        {newlines, torn}, {(char *)(uintptr_t)text.data, text.size}, {newlines + 1, 1}};
    size_t left = torn + text.size + 1;
    bool begun = torn;
    // The rest of a line that was begun may find room.
    for (int i = 0; i < 2 && left > 0; i++) {
        ssize_t written = write_once(target->fd, way, parts);
        if (written < 0) {
            atomic_store(&target->torn, begun);
            return errno;
        }
        advance(parts, (size_t)written);
        left -= (size_t)written;
        begun = true;
    }
    if (left > 0)
        atomic_store(&target->torn, true);
    return left > 0 ? EAGAIN : 0;
}

// --- datagrams ---

int sink_connect(int fd, const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    return connect(fd, (const struct sockaddr *)&name, sizeof name) == 0 ? 0 : errno;
}

// RFC 3164 section 4.1 as local daemons send it: no host's name, which syslogd knows. Returns its
// size.
static size_t write_head(const struct sink_target *target, const struct sink_line *line, char *out,
                         size_t room)
{
    static const int severities[] = {[LOG_LEVEL_ERROR] = 3,
                                     [LOG_LEVEL_WARNING] = 4,
                                     [LOG_LEVEL_INFO] = 6,
                                     [LOG_LEVEL_DEBUG] = 7};
    enum { FACILITY_DAEMON = 3 };
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(line->time / 1000);
    struct tm local;
    localtime_r(&seconds, &local);
    int used = snprintf(out, room, "<%d>%s %2d %02d:%02d:%02d %.32s[%d]: ",
                        FACILITY_DAEMON * 8 + severities[line->level], months[local.tm_mon],
                        local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                        target->tag != NULL ? target->tag : "limpet", (int)getpid());
    return (size_t)used < room ? (size_t)used : room - 1;
}

static int send_once(int fd, const struct msghdr *message)
{
    ssize_t sent;
    do
        sent = sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return 0;
    return errno == ENOBUFS ? EAGAIN : errno;
}

int sink_send(const struct sink_target *target, const struct sink_line *line)
{
    char head[128];
    struct iovec parts[] = {{head, write_head(target, line, head, sizeof head)},
                            {(char *)(uintptr_t)line->text.data, line->text.size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    int errnum = send_once(target->fd, &message);
    if (errnum == 0 || errnum == EAGAIN || errnum == EMSGSIZE)
        return errnum;
    // The socket has another owner by now, or none.
    errnum = sink_connect(target->fd, target->path);
    return errnum == 0 ? send_once(target->fd, &message) : errnum;
}

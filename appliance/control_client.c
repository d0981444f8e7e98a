// control_client.c - asks a server on its control socket, as "status" and "ctl" do: only one that
// is ours or root's, and without ever waiting for long.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cleanup.h"
#include "control.h"
#include "unix_socket.h"

// "...: " and what errnum means here.
static int refuse(const char *path, int errnum, struct err *err)
{
    static const struct {
        int errnum;
        const char *before, *after;
    } texts[] = {
        {ENOENT, "no server answers on",
         ": there is no such file; is it running, with this "
         "--control-socket?"},
        {ENOTDIR, "no server answers on",
         ": there is no such file; is it running, with this "
         "--control-socket?"},
        {ECONNREFUSED, "no server answers on", ": the one that made this socket has ended"},
        {EACCES, "cannot ask the server on",
         ": permission denied; run this as root or as the user that the server runs as"},
        {EAGAIN, "the server on", " does not answer"},
        {ECONNRESET, "the server on", " ended the connection without an answer"},
        {EPIPE, "the server on", " ended the connection without an answer"},
        {ENOTSOCK, "no server answers on", ": this is no socket"},
        {ENAMETOOLONG, "no server answers on", ": the path is too long for a socket"},
        {EPROTO, "what answers on", " is no limpet"},
        {EFBIG, "the server on", " says more than fits into memory"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].errnum == errnum)
            return err_set(err, ERR_FAILED, "%s %.200s%s", texts[i].before, path, texts[i].after);
    }
    return err_system(err, errnum, "cannot ask the server on %.200s", path);
}

// Whoever else it belongs to could say anything and have it believed.
static int check_owner(const char *path, uid_t owner, struct err *err)
{
    if (owner == geteuid() || owner == 0)
        return 0;
    return err_set(err, ERR_FAILED,
                   "cannot ask the server on %.200s: it belongs to user %u, neither to us nor to "
                   "root; run this as that user",
                   path, (unsigned)owner);
}

// The file says who may have put it there, the peer who listens.
static int check_peer(const char *path, int fd, struct err *err)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return refuse(path, errno, err);
    return check_owner(path, peer.uid, err);
}

static int find(const char *path, struct sockaddr_un *name, struct err *err)
{
    struct stat status;
    if (!unix_socket_name(path, name))
        return refuse(path, *path == '\0' ? ENOENT : ENAMETOOLONG, err);
    if (stat(path, &status) < 0)
        return refuse(path, errno, err);
    if (!S_ISSOCK(status.st_mode))
        return refuse(path, ENOTSOCK, err);
    return check_owner(path, status.st_uid, err);
}

static int connect_to(const char *path, int fd, struct err *err)
{
    static const struct timeval patience = {.tv_sec = CONTROL_PATIENCE / 1000};
    struct sockaddr_un name;
    if (find(path, &name, err) < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
        connect(fd, (struct sockaddr *)&name, sizeof name) < 0)
        return refuse(path, errno, err);
    return check_peer(path, fd, err);
}

// All that the server says until it closes.
static int receive_all(const char *path, int fd, struct buf *answer, struct err *err)
{
    char piece[16384];
    ssize_t size;
    while ((size = recv(fd, piece, sizeof piece, 0)) != 0) {
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return refuse(path, errno, err);
        if (buf_append(answer, piece, (size_t)size) < 0)
            return refuse(path, EFBIG, err);
    }
    return 0;
}

static int take_answer(const char *path, struct str answer, struct buf *out, struct err *err)
{
    if (answer.size == 0)
        return refuse(path, ECONNRESET, err);
    if (str_starts(answer, STR("ok\n"))) {
        struct str rest = {answer.data + 3, answer.size - 3};
        return buf_append_str(out, rest) < 0 ? refuse(path, EFBIG, err) : 0;
    }
    if (str_starts(answer, STR("error ")) && answer.data[answer.size - 1] == '\n')
        return err_set(err, ERR_FAILED, "%.*s", (int)(answer.size - 7), answer.data + 6);
    return refuse(path, EPROTO, err);
}

int control_ask(const char *path, struct str line, struct buf *out, struct err *err)
{
    _buf_ struct buf answer = BUF_INIT(CONTROL_ANSWER_MAX);
    _close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refuse(path, errno, err);
    if (connect_to(path, fd, err) < 0)
        return -1;
    // A line fits into any socket's buffer as a whole.
    if (send(fd, line.data, line.size, MSG_NOSIGNAL) < 0)
        return refuse(path, errno, err);
    if (receive_all(path, fd, &answer, err) < 0)
        return -1;
    return take_answer(path, buf_str(&answer), out, err);
}

// ipc.c - messages on SOCK_SEQPACKET: the kernel keeps their bounds and order, and says when the
// other side has gone. A message is two 32-bit numbers in the machine's order, type and size of the
// text, and the text.
#include "ipc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct kind {
    const char *name; // NULL: does not travel
    bool has_text;
    unsigned fd_count;
};

// What the kernel passes beside the bytes.
union ancillary {
    char bytes[CMSG_SPACE(IPC_FDS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    struct cmsghdr align;
};

static const struct kind kinds[IPC_TYPE_COUNT] = {
    [IPC_BORN] = {"BORN", false, 0},    [IPC_READY] = {"READY", true, 0},
    [IPC_FAILED] = {"FAILED", true, 0}, [IPC_BYE] = {"BYE", false, 0},
    [IPC_DONE] = {"DONE", false, 0},    [IPC_WORN] = {"WORN", true, 0},
    [IPC_DRAIN] = {"DRAIN", false, 0},  [IPC_RETIRE] = {"RETIRE", false, 0},
    [IPC_END] = {"END", true, 0},       [IPC_FORK] = {"FORK", true, 2},
    [IPC_TLS] = {"TLS", false, 1},      [IPC_GIVE_UP] = {"GIVE_UP", false, 0},
    [IPC_LOG] = {"LOG", true, 1},
};

static const struct kind *kind_of(uint32_t type)
{
    return type < IPC_TYPE_COUNT && kinds[type].name != NULL ? &kinds[type] : NULL;
}

const char *ipc_type_name(enum ipc_type type)
{
    const struct kind *kind = kind_of((uint32_t)type);
    return kind != NULL ? kind->name : "unknown";
}

// What holds for every message, sent or received.
static int check_message(uint32_t type, size_t text_size, struct err *err)
{
    const struct kind *kind = kind_of(type);
    if (kind == NULL)
        return err_set(err, ERR_FAILED, "unknown message type %u", type);
    if (text_size >= IPC_TEXT_MAX)
        return err_set(err, ERR_FAILED, "message %s: a text of %zu bytes, at most %d are possible",
                       kind->name, text_size, IPC_TEXT_MAX - 1);
    if (text_size > 0 && !kind->has_text)
        return err_set(err, ERR_FAILED, "message %s: carries no text, but has one of %zu bytes",
                       kind->name, text_size);
    return 0;
}

int ipc_encode(enum ipc_type type, const char *text, unsigned char out[static IPC_MESSAGE_MAX],
               struct err *err)
{
    size_t text_size = text != NULL ? strlen(text) : 0;
    if (check_message((uint32_t)type, text_size, err) < 0)
        return -1;
    uint32_t header[2] = {(uint32_t)type, (uint32_t)text_size};
    memcpy(out, header, sizeof header);
    if (text_size > 0)
        memcpy(out + sizeof header, text, text_size);
    return (int)(sizeof header + text_size);
}

int ipc_decode(struct ipc_message *out, const void *data, size_t size, struct err *err)
{
    uint32_t header[2];
    _Static_assert(sizeof header == IPC_HEADER_SIZE, "the header is two 32-bit numbers");
    if (size < sizeof header)
        return err_set(err, ERR_FAILED, "a message of %zu bytes, shorter than its header", size);
    memcpy(header, data, sizeof header);
    if (check_message(header[0], header[1], err) < 0)
        return -1;
    enum ipc_type type = (enum ipc_type)header[0];
    if (size != sizeof header + header[1])
        return err_set(err, ERR_FAILED, "message %s: %zu bytes instead of %zu", ipc_type_name(type),
                       size, sizeof header + header[1]);
    const char *text = (const char *)data + sizeof header;
    if (memchr(text, '\0', header[1]) != NULL)
        return err_set(err, ERR_FAILED, "message %s: a NUL in its text", ipc_type_name(type));
    out->type = type;
    memcpy(out->text, text, header[1]);
    out->text[header[1]] = '\0';
    return 0;
}

int ipc_pair(int fds[static 2], struct err *err)
{
    int on = 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return err_system(err, errno, "cannot make a socket pair");
    setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    return 0;
}

// The descriptors that go along, into the message.
static void attach_fds(struct msghdr *header, union ancillary *ancillary, const int *fds,
                       unsigned count)
{
    memset(ancillary, 0, sizeof *ancillary);
    header->msg_control = ancillary->bytes;
    header->msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *part = CMSG_FIRSTHDR(header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(part), fds, count * sizeof(int));
}

static int send_message(int fd, enum ipc_type type, const char *text, const int *fds,
                        struct err *err)
{
    unsigned char data[IPC_MESSAGE_MAX];
    int size = ipc_encode(type, text, data, err);
    if (size < 0)
        return -1;
    struct iovec part = {data, (size_t)size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    union ancillary ancillary;
    if (fds != NULL)
        attach_fds(&header, &ancillary, fds, kinds[type].fd_count);
    ssize_t sent;
    do
        sent = sendmsg(fd, &header, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == size ? 0 : err_system(err, errno, "cannot send %s", ipc_type_name(type));
}

int ipc_send(int fd, enum ipc_type type, const char *text, struct err *err)
{
    return send_message(fd, type, text, NULL, err);
}

int ipc_send_fds(int fd, enum ipc_type type, const char *text, const int fds[IPC_FDS_MAX],
                 struct err *err)
{
    return send_message(fd, type, text, fds, err);
}

// musl's macro mixes signed and unsigned.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
static struct cmsghdr *next_part(struct msghdr *header, struct cmsghdr *part)
{
    return CMSG_NXTHDR(header, part);
}
#pragma GCC diagnostic pop

// What came beside the bytes; every descriptor is ours from here on. Returns their number.
static unsigned take_ancillary(struct msghdr *header, struct ipc_message *out)
{
    unsigned count = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL;
         part = next_part(header, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_CREDENTIALS) {
            struct ucred credentials;
            memcpy(&credentials, CMSG_DATA(part), sizeof credentials);
            out->sender = credentials.pid;
        } else if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS) {
            count = (unsigned)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            count = count < IPC_FDS_MAX ? count : IPC_FDS_MAX;
            memcpy(out->fds, CMSG_DATA(part), count * sizeof(int));
        }
    }
    return count;
}

static void close_fds(struct ipc_message *message)
{
    for (size_t i = 0; i < IPC_FDS_MAX; i++) {
        if (message->fds[i] >= 0)
            close(message->fds[i]);
        message->fds[i] = -1;
    }
}

static int decode(struct ipc_message *out, const void *data, size_t size, unsigned fd_count,
                  struct err *err)
{
    if (size > IPC_MESSAGE_MAX)
        return err_set(err, ERR_FAILED, "a message of %zu bytes, at most %d are possible", size,
                       IPC_MESSAGE_MAX);
    if (ipc_decode(out, data, size, err) < 0)
        return -1;
    if (fd_count != kinds[out->type].fd_count)
        return err_set(err, ERR_FAILED, "message %s: %u descriptors instead of %u",
                       ipc_type_name(out->type), fd_count, kinds[out->type].fd_count);
    return 0;
}

int ipc_receive(int fd, struct ipc_message *out, struct err *err)
{
    unsigned char data[IPC_MESSAGE_MAX];
    struct iovec part = {data, sizeof data};
    union ancillary ancillary;
    struct msghdr header;
    ssize_t size;
    *out = (struct ipc_message){.type = IPC_NOTHING, .fds = {-1, -1}};
    // ECONNRESET says once that the other side went without reading all; what it sent itself comes
    // after that.
    do {
        header = (struct msghdr){.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = ancillary.bytes,
                                 .msg_controllen = sizeof ancillary.bytes};
        size = recvmsg(fd, &header, MSG_TRUNC | MSG_CMSG_CLOEXEC);
    } while (size < 0 && (errno == EINTR || errno == ECONNRESET));
    if (size < 0 && errno != EAGAIN)
        return err_system(err, errno, "cannot receive a message");
    if (size <= 0) {
        out->type = size == 0 ? IPC_CLOSED : IPC_NOTHING;
        return 0;
    }
    unsigned fd_count = take_ancillary(&header, out);
    int result = decode(out, data, (size_t)size, fd_count, err);
    if (result < 0)
        close_fds(out);
    return result;
}

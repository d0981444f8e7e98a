// ipc.c - messages on SOCK_SEQPACKET: the kernel keeps their bounds and order, and says when the
// other side has gone. A message is two 32-bit numbers in the machine's order, type and size of the
// text, and the text.
#include "ipc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct kind {
    const char *name; // NULL: does not travel
    bool has_text;
};

static const struct kind kinds[IPC_TYPE_COUNT] = {
    [IPC_READY] = {"READY", true},      [IPC_FAILED] = {"FAILED", true},
    [IPC_BYE] = {"BYE", false},         [IPC_DONE] = {"DONE", false},
    [IPC_WORN] = {"WORN", true},        [IPC_DRAIN] = {"DRAIN", false},
    [IPC_RETIRE] = {"RETIRE", false},   [IPC_END] = {"END", true},
    [IPC_GIVE_UP] = {"GIVE_UP", false},
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
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return err_system(err, errno, "cannot make a socket pair");
    return 0;
}

int ipc_send(int fd, enum ipc_type type, const char *text, struct err *err)
{
    unsigned char data[IPC_MESSAGE_MAX];
    int size = ipc_encode(type, text, data, err);
    if (size < 0)
        return -1;
    ssize_t sent;
    do
        sent = send(fd, data, (size_t)size, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == size ? 0 : err_system(err, errno, "cannot send %s", ipc_type_name(type));
}

int ipc_receive(int fd, struct ipc_message *out, struct err *err)
{
    unsigned char data[IPC_MESSAGE_MAX];
    ssize_t size;
    // ECONNRESET says once that the other side went without reading all; what it sent itself comes
    // after that.
    do
        size = recv(fd, data, sizeof data, MSG_TRUNC);
    while (size < 0 && (errno == EINTR || errno == ECONNRESET));
    if (size < 0 && errno != EAGAIN)
        return err_system(err, errno, "cannot receive a message");
    if (size <= 0) {
        *out = (struct ipc_message){.type = size == 0 ? IPC_CLOSED : IPC_NOTHING};
        return 0;
    }
    if ((size_t)size > sizeof data)
        return err_set(err, ERR_FAILED, "a message of %zd bytes, at most %zu are possible", size,
                       sizeof data);
    return ipc_decode(out, data, (size_t)size, err);
}

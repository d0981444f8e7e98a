// ipc.h - typed, bounded messages between the supervisor and one of its processes, each with its
// own socket pair.
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "err.h"

enum {
    IPC_TEXT_MAX = 1024, // bytes with the closing NUL; holds the text of a struct err
    IPC_HEADER_SIZE = 8, // bytes
    IPC_FDS_MAX = 2,     // descriptors that go along
    IPC_MESSAGE_MAX = IPC_HEADER_SIZE + IPC_TEXT_MAX - 1,
};

enum ipc_type {
    IPC_NOTHING, // ipc_receive: no message is waiting
    IPC_CLOSED,  // ipc_receive: the other side has gone, nothing will come any more
    IPC_BORN,    // worker that was forked from the template: I am here (ipc_message.sender)
    IPC_READY,   // worker: I serve; text: what ("wsgi shop:app")
    IPC_FAILED,  // worker: I cannot start and end myself; text: why
    IPC_BYE,     // worker: all requests are answered, I end
    IPC_DONE,    // worker: all is answered, but I have something to do as the last
    IPC_WORN,    // worker: I have answered as many requests as I am to; text: how many
    IPC_DRAIN,   // supervisor: answer what is under way, then end
    IPC_RETIRE,  // supervisor: the same, but others serve: clients need not be hurried
    IPC_END,     // supervisor, to one that is done: end; text: "last" when no other worker is left
    // Supervisor, to the template: fork a worker; text: "NUMBER LUCK"; with the worker's end of its
    // own socket pair, and its scoreboard.
    IPC_FORK,
    IPC_TLS,     // supervisor: certificates and keys for connections to come; with their bundle
    IPC_LOG,     // supervisor: a log's file was opened anew; text: "log", "access"; with it
    IPC_GIVE_UP, // supervisor: a request has been under way for too long, report and refuse it
    IPC_TYPE_COUNT,
};

struct ipc_message {
    enum ipc_type type;
    char text[IPC_TEXT_MAX]; // "" for types that carry none
    int fds[IPC_FDS_MAX];    // as many as the type has, the receiver's to close; -1 behind them
    pid_t sender;            // as the kernel says, for the supervisor's end; 0: not known
};

const char *ipc_type_name(enum ipc_type type);

// The bytes of a message (text may be NULL), and back. ipc_encode returns their number. Errors: a
// type that does not travel, a text that is too long or belongs to a type that carries none; for
// ipc_decode also a size that does not fit and a NUL in the text. Nothing that arrives is trusted:
// a worker runs the application's code.
int ipc_encode(enum ipc_type type, const char *text, unsigned char out[static IPC_MESSAGE_MAX],
               struct err *err);
int ipc_decode(struct ipc_message *out, const void *data, size_t size, struct err *err);

// A connected pair (non-blocking, close-on-exec): fds[0] for the supervisor, fds[1] for the worker.
int ipc_pair(int fds[static 2], struct err *err);

// Send one message, or take the next one without waiting.
int ipc_send(int fd, enum ipc_type type, const char *text, struct err *err);
// The same with copies of descriptors, as many as the type has.
int ipc_send_fds(int fd, enum ipc_type type, const char *text, const int fds[IPC_FDS_MAX],
                 struct err *err);
int ipc_receive(int fd, struct ipc_message *out, struct err *err);

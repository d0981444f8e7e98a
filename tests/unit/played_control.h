// played_control.h - a control socket in a folder of its own, on a clock of the test's, with a
// callback that notes what it was asked; and clients of it in the same process. Nothing waits: a
// turn of the poll loop is taken after whatever a client does.
#pragma once

#include "control.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"

enum { LONG_ANSWER = 2 << 20, NOBODY = 65534 };

static char folder[] = "/tmp/limpet-control-XXXXXX";
static char path[sizeof folder + 64];

// --- the server ---

static struct control *control;
static struct err err;
static int64_t now; // the server's time, milliseconds

static struct control_request asked; // the latest request
static unsigned answers;             // how many requests the callback was given

static inline int answer(void *owner, const struct control_request *request, struct buf *out,
                         struct err *error)
{
    CHECK(owner == &asked);
    asked = *request;
    answers++;
    if (request->action == CONTROL_STOP)
        return err_set(error, ERR_FAILED, "it stops already");
    if (request->action != CONTROL_RELOAD)
        return buf_printf(out, "asked for %d %d %u\n", (int)request->action, request->json,
                          request->workers);
    CHECK(buf_reserve(out, LONG_ANSWER) == 0);
    memset(out->data + out->size, 'x', LONG_ANSWER);
    out->size += LONG_ANSWER;
    return 0;
}

static inline int open_at(const char *where, bool take_over)
{
    struct control_setup setup = {
        .path = where, .take_over = take_over, .answer = answer, .owner = &asked};
    err = (struct err){.kind = ERR_NONE};
    return control_open(&control, &setup, &err);
}

static inline const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline void open_control(void)
{
    now = 1000000;
    answers = 0;
    CHECK(open_at(in_folder("ctl"), false) == 0);
}

// What the poll loop of a supervisor does, once, without waiting. Returns how many were watched.
static inline size_t turn(void)
{
    struct pollfd polls[CONTROL_POLLS_MAX];
    size_t count = control_poll(control, polls, CONTROL_POLLS_MAX);
    CHECK(poll(polls, (nfds_t)count, 0) >= 0);
    control_take(control, polls, count, now);
    return count;
}

static inline bool has_clients(void)
{
    struct pollfd polls[CONTROL_POLLS_MAX];
    return control_poll(control, polls, CONTROL_POLLS_MAX) != 1 ||
           control_deadline(control) != INT64_MAX;
}

static inline void close_control(void)
{
    CHECK(!has_clients());
    control_close(control);
    control = NULL;
}

static inline bool exists(const char *name)
{
    struct stat status;
    return lstat(name, &status) == 0;
}

// As a process leaves it that is killed.
static inline void leave_a_socket(void)
{
    open_control();
    control_forget_file(control);
    close_control();
    CHECK(exists(path));
}

// --- its clients ---

static inline int connect_to(const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline int connected(void)
{
    int fd = connect_to(path);
    CHECK(fd >= 0);
    turn();
    return fd;
}

static inline void say_bytes(int fd, const char *data, size_t size)
{
    CHECK(send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size);
    turn();
}

static inline void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

static char heard[LONG_ANSWER + 64];

// All that comes until the server closes, with turns between; "..." where it has not closed.
static inline const char *hear(int fd)
{
    size_t used = 0;
    for (int idle = 0; idle < 3; idle++) {
        ssize_t size = recv(fd, heard + used, sizeof heard - 4 - used, 0);
        used += size > 0 ? (size_t)size : 0;
        heard[used] = '\0';
        if (size == 0)
            return heard;
        idle = size > 0 ? -1 : idle;
        turn();
    }
    snprintf(heard + used, 4, "...");
    return heard;
}

static inline const char *exchange_bytes(const char *data, size_t size)
{
    int fd = connected();
    say_bytes(fd, data, size);
    hear(fd);
    close(fd);
    turn();
    return heard;
}

static inline const char *exchange(const char *text)
{
    return exchange_bytes(text, strlen(text));
}

// unit_main in a new folder, which has to be empty in the end.
static inline int control_unit_main(const char *module, const struct unit_case *cases, size_t count)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    int result = unit_main(module, cases, count);
    return rmdir(folder) == 0 ? result : 1;
}

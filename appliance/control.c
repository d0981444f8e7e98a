// control.c - the supervisor's side of the control socket: a few clients at once, none of which is
// ever waited for. What a request does is the callback's business.
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "control_priv.h"
#include "log.h"

enum {
    WARNING_PAUSE = 1000, // milliseconds between two warnings of bad requests
    ACCEPT_PAUSE = 1000,  // milliseconds without new clients when descriptors are short
    DRAIN_MAX = 16,       // pieces that are read and forgotten before a connection is closed
};

struct client {
    int fd;                          // -1: none
    char line[CONTROL_LINE_MAX + 1]; // one byte more than a request may have
    size_t used;                     // of line
    bool answered;
    struct buf answer;
    size_t sent; // of answer
    int64_t deadline;
};

struct control {
    struct control_setup setup;
    char *path;
    int listener;
    struct unix_socket_file file;
    struct client clients[CONTROL_CLIENTS_MAX];
    int64_t warned_at;   // INT64_MIN: never
    int64_t accept_from; // INT64_MIN: at any time
};

// --- clients ---

static void close_client(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    buf_fini(&client->answer);
    *client = (struct client){.fd = -1};
}

// What was not read when a connection is closed makes it look broken to the other side; who goes on
// and on is not listened to.
static void drop(struct client *client)
{
    char piece[4096];
    for (int i = 0; i < DRAIN_MAX && recv(client->fd, piece, sizeof piece, 0) > 0; i++)
        ;
    close_client(client);
}

static void warn(struct control *control, const char *why, int64_t now)
{
    if (control->warned_at > now - WARNING_PAUSE)
        return;
    control->warned_at = now;
    log_warning("control", "a request on the control socket is refused: %s", why);
}

static void send_answer(struct client *client, int64_t now)
{
    const struct buf *answer = &client->answer;
    while (client->sent < answer->size) {
        ssize_t size = send(client->fd, answer->data + client->sent, answer->size - client->sent,
                            MSG_NOSIGNAL);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (size < 0)
            break;
        client->sent += (size_t)size;
        client->deadline = now + CONTROL_PATIENCE;
    }
    drop(client);
}

static void answer(struct control *control, struct client *client, int64_t now)
{
    const struct control_setup *setup = &control->setup;
    struct control_request request;
    struct err err;
    struct buf *out = &client->answer;
    struct str line = {client->line, client->used};
    client->answered = true;
    client->deadline = now + CONTROL_PATIENCE;
    buf_init(out, CONTROL_ANSWER_MAX);
    int result = control_parse(&request, line, &err);
    if (result < 0)
        warn(control, err.text, now);
    else if (buf_append_str(out, STR("ok\n")) == 0)
        result = setup->answer(setup->owner, &request, out, &err);
    if (result == 0)
        return;
    buf_fini(out);
    buf_init(out, CONTROL_ANSWER_MAX);
    buf_printf(out, "error %s\n", err.text);
}

static void receive(struct control *control, struct client *client, int64_t now)
{
    ssize_t size =
        recv(client->fd, client->line + client->used, sizeof client->line - client->used, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    // Without a word: it only looked whether somebody listens.
    if (size < 0 || (size == 0 && client->used == 0)) {
        close_client(client);
        return;
    }
    client->used += (size_t)size;
    if (size == 0 || client->used >= CONTROL_LINE_MAX ||
        memchr(client->line, '\n', client->used) != NULL)
        answer(control, client, now);
}

static void serve(struct control *control, struct client *client, int64_t now)
{
    if (!client->answered)
        receive(control, client, now);
    if (client->answered)
        send_answer(client, now);
}

static struct client *find_client(struct control *control, int fd)
{
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (control->clients[i].fd == fd)
            return &control->clients[i];
    }
    return NULL;
}

static void accept_clients(struct control *control, int64_t now)
{
    struct client *client;
    while ((client = find_client(control, -1)) != NULL) {
        int fd = accept4(control->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            // Out of descriptors or memory: it stays readable, and must not keep us busy.
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                control->accept_from = now + ACCEPT_PAUSE;
            return;
        }
        *client = (struct client){.fd = fd, .deadline = now + CONTROL_PATIENCE};
    }
}

// --- the poll loop ---

size_t control_poll(const struct control *control, struct pollfd *polls, size_t max)
{
    size_t count = 0;
    bool room = false;
    if (control == NULL)
        return 0;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        const struct client *client = &control->clients[i];
        room = room || client->fd < 0;
        if (client->fd >= 0 && count < max)
            polls[count++] =
                (struct pollfd){.fd = client->fd, .events = client->answered ? POLLOUT : POLLIN};
    }
    if (room && control->accept_from == INT64_MIN && count < max)
        polls[count++] = (struct pollfd){.fd = control->listener, .events = POLLIN};
    return count;
}

int64_t control_deadline(const struct control *control)
{
    if (control == NULL)
        return INT64_MAX;
    int64_t next = control->accept_from != INT64_MIN ? control->accept_from : INT64_MAX;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        const struct client *client = &control->clients[i];
        if (client->fd >= 0 && client->deadline < next)
            next = client->deadline;
    }
    return next;
}

void control_take(struct control *control, const struct pollfd *polls, size_t count, int64_t now)
{
    bool waiting = false;
    if (control == NULL)
        return;
    // New ones come last: they may get the descriptors of those that go.
    for (size_t i = 0; i < count; i++) {
        struct client *client = polls[i].revents != 0 ? find_client(control, polls[i].fd) : NULL;
        waiting = waiting || (polls[i].revents != 0 && polls[i].fd == control->listener);
        if (client != NULL)
            serve(control, client, now);
    }
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        struct client *client = &control->clients[i];
        if (client->fd >= 0 && client->deadline <= now)
            drop(client);
    }
    if (control->accept_from <= now)
        control->accept_from = INT64_MIN;
    if (waiting)
        accept_clients(control, now);
}

// --- life ---

int control_open(struct control **out, const struct control_setup *setup, struct err *err)
{
    *out = NULL;
    if (setup->path == NULL)
        return 0;
    struct control *control = calloc(1, sizeof *control);
    must_have(control != NULL);
    control->setup = *setup;
    control->warned_at = control->accept_from = INT64_MIN;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        control->clients[i].fd = -1;
    control->setup.path = control->path = strdup(setup->path);
    must_have(control->path != NULL);
    control->listener = control_socket_open(control->path, setup->take_over, &control->file, err);
    if (control->listener < 0) {
        control_close(control);
        return -1;
    }
    *out = control;
    return 0;
}

void control_close(struct control *control)
{
    if (control == NULL)
        return;
    unix_socket_remove(&control->file);
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        close_client(&control->clients[i]);
    if (control->listener >= 0)
        close(control->listener);
    free(control->path);
    free(control);
}

void control_forget_file(struct control *control)
{
    if (control != NULL)
        control->file.path = NULL;
}

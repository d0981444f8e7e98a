// proxy_intake.c - the list of connections whose header is on its way, oldest first. All have the
// same time, so the first of them is the next to be closed.
#include "proxy_intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "proxies.h"
#include "proxy_header.h"

struct entry {
    struct entry *older, *newer; // all that are alive; newer alone: of the dead
    struct tls_accepted accepted;
    int64_t deadline; // milliseconds
    bool dead;        // to be freed at the end of the turn: events may name it
    size_t size;
    unsigned char data[PROXY_HEADER_MAX];
};

struct proxy_intake {
    struct proxy_intake_setup setup;
    struct entry *oldest, *newest;
    struct entry *dead;
    size_t count; // alive
};

struct proxy_intake *proxy_intake_new(const struct proxy_intake_setup *setup, struct err *err)
{
    struct proxy_intake *intake = calloc(1, sizeof *intake);
    if (intake == NULL) {
        err_system(err, ENOMEM, "PROXY protocol");
        return NULL;
    }
    intake->setup = *setup;
    return intake;
}

// Out of the list and the epoll set; the descriptor is the caller's. Its memory stays until the end
// of the turn.
static void forget(struct proxy_intake *intake, struct entry *entry)
{
    *(entry->older != NULL ? &entry->older->newer : &intake->oldest) = entry->newer;
    *(entry->newer != NULL ? &entry->newer->older : &intake->newest) = entry->older;
    intake->count--;
    // Its events would go on where a process that the application has forked keeps the socket open.
    epoll_ctl(intake->setup.epoll_fd, EPOLL_CTL_DEL, entry->accepted.fd, NULL);
    entry->dead = true;
    entry->newer = intake->dead;
    intake->dead = entry;
}

// why: NULL: it does not matter to anybody.
static void refuse(struct proxy_intake *intake, const struct tls_accepted *accepted,
                   const char *why)
{
    if (why != NULL)
        intake->setup.refused(intake->setup.owner, accepted, why);
    close(accepted->fd);
}

static void end(struct proxy_intake *intake, struct entry *entry, const char *why)
{
    forget(intake, entry);
    refuse(intake, &entry->accepted, why);
}

static void bury(struct proxy_intake *intake)
{
    while (intake->dead != NULL) {
        struct entry *entry = intake->dead;
        intake->dead = entry->newer;
        free(entry);
    }
}

static void begin(struct proxy_intake *intake, struct tls_accepted *accepted,
                  const struct proxy_header *header)
{
    // The proxy itself is believed as on other listeners; who it cannot tell of is not.
    if (header->source.family == AF_UNSPEC)
        accepted->hidden = !header->local;
    else
        accepted->address_size = address_to_socket(&header->source, &accepted->address);
    intake->setup.begun(intake->setup.owner, accepted);
}

// --- reading ---

// Bytes that are known to be the header's, which are there already. False: somebody else has read
// them, or the connection has failed.
static bool skip(int fd, unsigned char *out, size_t size)
{
    return size == 0 || recv(fd, out, size, MSG_DONTWAIT) == (ssize_t)size;
}

// Read as much of a header as there is, and nothing behind it. *why: NULL where it is not worth a
// word.
static enum proxy_header_state read_header(int fd, unsigned char data[static PROXY_HEADER_MAX],
                                           size_t *size, struct proxy_header *header,
                                           const char **why)
{
    ssize_t more = recv(fd, data + *size, PROXY_HEADER_MAX - *size, MSG_PEEK | MSG_DONTWAIT);
    *why = NULL;
    if (more < 0 && (errno == EAGAIN || errno == EINTR))
        return PROXY_HEADER_INCOMPLETE;
    if (more <= 0) {
        // One that says nothing at all looks whether we are there.
        *why = *size > 0 ? "cut off" : NULL;
        return PROXY_HEADER_MALFORMED;
    }
    enum proxy_header_state state = proxy_header_parse(header, data, *size + (size_t)more);
    *why = header->fault;
    if (state == PROXY_HEADER_MALFORMED)
        return state;
    size_t taken = state == PROXY_HEADER_COMPLETE ? header->size - *size : (size_t)more;
    if (!skip(fd, data + *size, taken))
        return PROXY_HEADER_MALFORMED;
    *size += taken;
    return state;
}

static void keep(struct proxy_intake *intake, const struct tls_accepted *accepted,
                 const unsigned char *data, size_t size)
{
    if (intake->count >= intake->setup.limit)
        proxy_intake_end_oldest(intake);
    struct entry *entry = malloc(sizeof *entry);
    if (entry == NULL) {
        close(accepted->fd);
        return;
    }
    int64_t time = intake->setup.time;
    entry->accepted = *accepted;
    entry->deadline = time > 0 ? clock_milliseconds() + time : INT64_MAX;
    entry->dead = false;
    entry->size = size;
    memcpy(entry->data, data, size);
    entry->newer = NULL;
    entry->older = intake->newest;
    *(intake->newest != NULL ? &intake->newest->newer : &intake->oldest) = entry;
    intake->newest = entry;
    intake->count++;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u64 = (uintptr_t)entry | 4};
    if (epoll_ctl(intake->setup.epoll_fd, EPOLL_CTL_ADD, accepted->fd, &event) < 0)
        end(intake, entry, NULL);
}

void proxy_intake_add(struct proxy_intake *intake, struct tls_accepted *accepted)
{
    unsigned char data[PROXY_HEADER_MAX];
    struct proxy_header header;
    struct address peer;
    const char *why;
    size_t size = 0;
    address_of_socket(&peer, (const struct sockaddr *)&accepted->address);
    if (!proxies_trust(intake->setup.proxies, &peer)) {
        refuse(intake, accepted, "not of --trusted-proxies");
        return;
    }
    // It is mostly here already.
    switch (read_header(accepted->fd, data, &size, &header, &why)) {
    case PROXY_HEADER_INCOMPLETE:
        keep(intake, accepted, data, size);
        break;
    case PROXY_HEADER_COMPLETE:
        begin(intake, accepted, &header);
        break;
    case PROXY_HEADER_MALFORMED:
        refuse(intake, accepted, why);
        break;
    }
}

bool proxy_intake_owns(const void *data)
{
    return ((uintptr_t)data & 7) == 4;
}

void proxy_intake_take(struct proxy_intake *intake, const void *data)
{
    struct entry *entry = (struct entry *)((uintptr_t)data & ~(uintptr_t)7);
    struct proxy_header header;
    const char *why;
    if (entry->dead)
        return;
    switch (read_header(entry->accepted.fd, entry->data, &entry->size, &header, &why)) {
    case PROXY_HEADER_INCOMPLETE:
        break;
    case PROXY_HEADER_COMPLETE:
        forget(intake, entry);
        begin(intake, &entry->accepted, &header);
        break;
    case PROXY_HEADER_MALFORMED:
        end(intake, entry, why);
        break;
    }
}

// --- the end ---

bool proxy_intake_end_oldest(struct proxy_intake *intake)
{
    if (intake->oldest == NULL)
        return false;
    end(intake, intake->oldest, "ended for others, too many are under way");
    return true;
}

bool proxy_intake_has_work(const struct proxy_intake *intake)
{
    return intake->count > 0 || intake->dead != NULL;
}

void proxy_intake_turn(struct proxy_intake *intake, int64_t now)
{
    while (intake->oldest != NULL && intake->oldest->deadline <= now)
        end(intake, intake->oldest, "not sent in time (--header-timeout)");
    bury(intake);
}

int64_t proxy_intake_deadline(const struct proxy_intake *intake)
{
    return intake->oldest != NULL ? intake->oldest->deadline : INT64_MAX;
}

void proxy_intake_drop(struct proxy_intake *intake)
{
    while (intake->oldest != NULL)
        end(intake, intake->oldest, NULL);
}

size_t proxy_intake_count(const struct proxy_intake *intake)
{
    return intake->count;
}

void proxy_intake_free(struct proxy_intake *intake)
{
    if (intake == NULL)
        return;
    proxy_intake_drop(intake);
    bury(intake);
    free(intake);
}

// http_linger.c - the sockets whose clients still send, oldest first. All have the same time, so
// the first of them is the next to be closed.
#include "http_linger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PIECE = 16 << 10,    // bytes that are thrown away by one call
    PIECES_AN_EVENT = 8, // so that a fast sender does not keep the others waiting
};

// One socket. An event may name a place that is free by now, or another's: that finds nothing to
// read, at worst.
struct place {
    struct place *older, *newer; // of those in use; newer alone: of the free ones
    int64_t since;               // milliseconds
    size_t bytes;                // thrown away
    int fd;                      // -1: free
};

struct http_linger {
    int epoll_fd;
    int64_t time; // milliseconds that one may last
    struct place *oldest, *newest;
    struct place *free;
    size_t count; // in use
    struct place places[HTTP_LINGER_MAX];
};

struct http_linger *http_linger_new(int epoll_fd)
{
    struct http_linger *linger = calloc(1, sizeof *linger);
    if (linger == NULL)
        return NULL;
    linger->epoll_fd = epoll_fd;
    linger->time = HTTP_LINGER_TIME;
    for (size_t i = HTTP_LINGER_MAX; i-- > 0;) {
        linger->places[i].fd = -1;
        linger->places[i].newer = linger->free;
        linger->free = &linger->places[i];
    }
    return linger;
}

static void end(struct http_linger *linger, struct place *place)
{
    *(place->older != NULL ? &place->older->newer : &linger->oldest) = place->newer;
    *(place->newer != NULL ? &place->newer->older : &linger->newest) = place->older;
    linger->count--;
    // Its events would go on where a process that the application has forked keeps it open.
    epoll_ctl(linger->epoll_fd, EPOLL_CTL_DEL, place->fd, NULL);
    close(place->fd);
    *place = (struct place){.fd = -1, .newer = linger->free};
    linger->free = place;
}

bool http_linger_end_oldest(struct http_linger *linger)
{
    if (linger->oldest == NULL)
        return false;
    end(linger, linger->oldest);
    return true;
}

void http_linger_free(struct http_linger *linger)
{
    if (linger == NULL)
        return;
    while (http_linger_end_oldest(linger))
        ;
    free(linger);
}

void http_linger_add(struct http_linger *linger, int fd, int64_t now)
{
    if (shutdown(fd, SHUT_WR) < 0)
        return; // nobody is there any more
    if (linger->free == NULL)
        http_linger_end_oldest(linger);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return;
    struct place *place = linger->free;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = place};
    if (epoll_ctl(linger->epoll_fd, EPOLL_CTL_ADD, copy, &event) < 0) {
        close(copy);
        return;
    }
    linger->free = place->newer;
    *place = (struct place){.older = linger->newest, .since = now, .fd = copy};
    *(linger->newest != NULL ? &linger->newest->newer : &linger->oldest) = place;
    linger->newest = place;
    linger->count++;
}

bool http_linger_owns(const struct http_linger *linger, const void *data)
{
    uintptr_t at = (uintptr_t)data, first = (uintptr_t)linger->places;
    return at >= first && at < first + sizeof linger->places;
}

void http_linger_take(struct http_linger *linger, const void *data)
{
    struct place *place = &linger->places[(const struct place *)data - linger->places];
    char piece[PIECE];
    for (int i = 0; i < PIECES_AN_EVENT && place->fd >= 0; i++) {
        // TLS or not: nobody is to know what it says.
        ssize_t size = recv(place->fd, piece, sizeof piece, MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (size > 0)
            place->bytes += (size_t)size;
        if (size <= 0 || place->bytes > HTTP_LINGER_BYTES)
            end(linger, place);
    }
}

void http_linger_turn(struct http_linger *linger, int64_t now)
{
    while (http_linger_deadline(linger) <= now)
        end(linger, linger->oldest);
}

int64_t http_linger_deadline(const struct http_linger *linger)
{
    return linger->oldest != NULL ? linger->oldest->since + linger->time : INT64_MAX;
}

void http_linger_drain(struct http_linger *linger)
{
    linger->time = HTTP_LINGER_TIME_DRAINING;
}

size_t http_linger_count(const struct http_linger *linger)
{
    return linger->count;
}

// tls_handshakes.c - the list of handshakes under way, oldest first, and the thread for slow ones.
#include "tls_handshakes.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "limiter_address.h"
#include "limiter_connections.h"
#include "log.h"
#include "stats.h"

enum {
    COMPLAINT_PAUSE = 60000, // milliseconds between two words of the same
    REST_MAX = 256 << 10,    // bytes that are read of who is to close, until he reads why
};

enum state {
    STATE_WAITS,  // for the socket
    STATE_AWAY,   // in the thread's hands
    STATE_FAILED, // the client is still to read why
    STATE_DEAD,   // to be freed at the end of the turn: events may name it
};

struct handshake {
    struct handshake *older, *newer; // all that are alive
    struct handshake *next;          // of those that are away or were, or dead
    struct tls_accepted accepted;
    struct tls_context *context;
    int64_t deadline; // milliseconds
    enum state state;
    uint32_t events;            // that the socket is watched for
    size_t rest;                // bytes that came after it had failed
    bool doomed;                // to be ended once the thread has done with it; with the lock
    enum tls_progress progress; // what the thread has come to
};

struct tls_handshakes {
    struct tls_handshakes_setup setup;
    struct handshake *oldest, *newest;
    struct handshake *dead;
    size_t count;       // alive
    int64_t complained; // when the limit was told last; 0: never
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t lock; // for what follows
    pthread_cond_t changed;
    // For the thread, latest first: when there are more than it can do in time, those are served
    // whose clients still wait.
    struct handshake *slow;
    struct handshake *finished; // by the thread
    bool stops;
};

static void pile_put(struct handshake **pile, struct handshake *handshake)
{
    handshake->next = *pile;
    *pile = handshake;
}

static struct handshake *pile_take(struct handshake **pile)
{
    struct handshake *handshake = *pile;
    if (handshake != NULL)
        *pile = handshake->next;
    return handshake;
}

// False: it is not there.
static bool pile_remove(struct handshake **pile, const struct handshake *handshake)
{
    while (*pile != NULL && *pile != handshake)
        pile = &(*pile)->next;
    if (*pile == NULL)
        return false;
    *pile = handshake->next;
    return true;
}

struct tls_handshakes *tls_handshakes_new(const struct tls_handshakes_setup *setup, struct err *err)
{
    struct tls_handshakes *handshakes = calloc(1, sizeof *handshakes);
    if (handshakes == NULL) {
        err_system(err, ENOMEM, "TLS");
        return NULL;
    }
    handshakes->setup = *setup;
    pthread_mutex_init(&handshakes->lock, NULL);
    pthread_cond_init(&handshakes->changed, NULL);
    return handshakes;
}

// --- the end of one ---

// Watch for what it waits for: level-triggered, and nothing while it is away.
static bool watch(struct tls_handshakes *handshakes, struct handshake *handshake, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = (uintptr_t)handshake | 1};
    if (events == handshake->events)
        return true;
    int operation = handshake->events == 0 ? EPOLL_CTL_ADD
                    : events == 0          ? EPOLL_CTL_DEL
                                           : EPOLL_CTL_MOD;
    handshake->events = events;
    return epoll_ctl(handshakes->setup.epoll_fd, operation, handshake->accepted.fd, &event) == 0;
}

// False: it has none (a unix socket's).
static bool address_of(const struct handshake *handshake, uint64_t *out)
{
    return limiter_address_of((const struct sockaddr *)&handshake->accepted.address, out);
}

// Out of the list; what it holds is the caller's. Its memory stays until the end of the turn.
static void forget(struct tls_handshakes *handshakes, struct handshake *handshake)
{
    uint64_t address;
    *(handshake->older != NULL ? &handshake->older->newer : &handshakes->oldest) = handshake->newer;
    *(handshake->newer != NULL ? &handshake->newer->older : &handshakes->newest) = handshake->older;
    handshakes->count--;
    if (address_of(handshake, &address))
        limiter_connections_remove(handshakes->setup.counts, address);
    tls_context_drop(handshake->context);
    handshake->state = STATE_DEAD;
    handshake->next = handshakes->dead;
    handshakes->dead = handshake;
}

// Out of the thread's hands. False: it is working on it, or has done so, and says so soon.
static bool take_back(struct tls_handshakes *handshakes, struct handshake *handshake)
{
    pthread_mutex_lock(&handshakes->lock);
    bool back = pile_remove(&handshakes->slow, handshake);
    handshake->doomed = !back;
    pthread_mutex_unlock(&handshakes->lock);
    return back;
}

// Who has said nothing has begun none.
static void count_failure(struct tls_handshakes *handshakes, const struct handshake *handshake)
{
    if (tls_session_has_begun(handshake->accepted.session))
        stats_count(handshakes->setup.stats, STATS_handshakes_failed, 1);
}

static void end(struct tls_handshakes *handshakes, struct handshake *handshake)
{
    if (handshake->state == STATE_AWAY && !take_back(handshakes, handshake))
        return;
    if (handshake->accepted.session != NULL) {
        count_failure(handshakes, handshake);
        tls_session_free(handshake->accepted.session);
    }
    // Its events would go on where a process that the application has forked keeps the socket open.
    watch(handshakes, handshake, 0);
    close(handshake->accepted.fd);
    forget(handshakes, handshake);
}

static void bury(struct tls_handshakes *handshakes)
{
    while (handshakes->dead != NULL) {
        struct handshake *handshake = handshakes->dead;
        handshakes->dead = handshake->next;
        free(handshake);
    }
}

static void refuse_http(int fd)
{
    static const char answer[] =
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 45\r\n\r\n"
        "400 Bad Request: HTTPS is spoken here (https)";
    ssize_t ignored = send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
}

static void fail(struct tls_handshakes *handshakes, struct handshake *handshake)
{
    const struct tls_session *session = handshake->accepted.session;
    int fd = handshake->accepted.fd;
    log_debug("tls", "a handshake fails: %s", tls_session_failure(session));
    count_failure(handshakes, handshake);
    if (tls_session_is_http(session))
        refuse_http(fd);
    tls_session_free(handshake->accepted.session);
    handshake->accepted.session = NULL;
    handshake->state = STATE_FAILED;
    // A close would be a reset, with which an alert is lost, as long as something is unread.
    if (shutdown(fd, SHUT_WR) < 0 || !watch(handshakes, handshake, EPOLLIN | EPOLLRDHUP))
        end(handshakes, handshake);
}

static void read_rest(struct tls_handshakes *handshakes, struct handshake *handshake)
{
    char rest[4096];
    ssize_t size = recv(handshake->accepted.fd, rest, sizeof rest, MSG_DONTWAIT);
    if (size > 0)
        handshake->rest += (size_t)size;
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR) || handshake->rest > REST_MAX)
        end(handshakes, handshake);
}

// --- the thread ---

// With the lock. Nothing is done for those that nobody waits for any more.
static void labour_for(struct tls_handshakes *handshakes, struct handshake *handshake)
{
    if (handshake->doomed)
        return;
    pthread_mutex_unlock(&handshakes->lock);
    handshake->progress = tls_session_labour(handshake->accepted.session);
    pthread_mutex_lock(&handshakes->lock);
}

static void *labour(void *owner)
{
    struct tls_handshakes *handshakes = owner;
    prctl(PR_SET_NAME, "tls");
    pthread_mutex_lock(&handshakes->lock);
    while (!handshakes->stops) {
        struct handshake *handshake = pile_take(&handshakes->slow);
        if (handshake == NULL) {
            pthread_cond_wait(&handshakes->changed, &handshakes->lock);
            continue;
        }
        labour_for(handshakes, handshake);
        bool first = handshakes->finished == NULL;
        pile_put(&handshakes->finished, handshake);
        if (first)
            handshakes->setup.wake(handshakes->setup.owner);
    }
    pthread_mutex_unlock(&handshakes->lock);
    return NULL;
}

// False: there is none, and none can be had.
static bool need_thread(struct tls_handshakes *handshakes)
{
    sigset_t all, before;
    if (handshakes->has_thread)
        return true;
    // Signals are for the threads that were there before.
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    handshakes->has_thread = pthread_create(&handshakes->thread, NULL, labour, handshakes) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return handshakes->has_thread;
}

static void send_away(struct tls_handshakes *handshakes, struct handshake *handshake)
{
    handshake->state = STATE_AWAY;
    pthread_mutex_lock(&handshakes->lock);
    pile_put(&handshakes->slow, handshake);
    pthread_cond_signal(&handshakes->changed);
    pthread_mutex_unlock(&handshakes->lock);
}

// --- progress ---

static void establish(struct tls_handshakes *handshakes, struct handshake *handshake)
{
    struct tls_accepted accepted = handshake->accepted;
    bool resumed = tls_session_is_resumed(accepted.session);
    stats_count(handshakes->setup.stats, resumed ? STATS_handshakes_resumed : STATS_handshakes_full,
                1);
    watch(handshakes, handshake, 0);
    forget(handshakes, handshake);
    handshakes->setup.established(handshakes->setup.owner, &accepted);
}

static void settle(struct tls_handshakes *handshakes, struct handshake *handshake,
                   enum tls_progress progress)
{
    bool watched = true;
    switch (progress) {
    case TLS_DONE:
        establish(handshakes, handshake);
        return;
    case TLS_WANTS_READ:
        watched = watch(handshakes, handshake, EPOLLIN);
        break;
    case TLS_WANTS_WRITE:
        watched = watch(handshakes, handshake, EPOLLOUT);
        break;
    case TLS_SLOW:
        if (need_thread(handshakes)) {
            watched = watch(handshakes, handshake, 0);
            send_away(handshakes, handshake);
        } else {
            settle(handshakes, handshake, tls_session_labour(handshake->accepted.session));
        }
        return;
    case TLS_FAILED:
        fail(handshakes, handshake);
        return;
    }
    if (!watched)
        end(handshakes, handshake);
}

static void complain(struct tls_handshakes *handshakes, int64_t now)
{
    if (handshakes->complained != 0 && now - handshakes->complained < COMPLAINT_PAUSE)
        return;
    handshakes->complained = now;
    log_warning("tls", "%zu handshakes are under way at once, the oldest ends for each new one",
                handshakes->setup.limit);
}

bool tls_handshakes_end_oldest(struct tls_handshakes *handshakes)
{
    struct handshake *handshake = handshakes->oldest;
    while (handshake != NULL && handshake->doomed)
        handshake = handshake->newer;
    if (handshake == NULL)
        return false;
    end(handshakes, handshake);
    return true;
}

void tls_handshakes_add(struct tls_handshakes *handshakes, struct tls_context *context,
                        const struct tls_accepted *accepted)
{
    int64_t now = clock_milliseconds();
    uint64_t address;
    if (handshakes->count >= handshakes->setup.limit) {
        complain(handshakes, now);
        tls_handshakes_end_oldest(handshakes);
    }
    struct handshake *handshake = calloc(1, sizeof *handshake);
    if (handshake == NULL) {
        close(accepted->fd);
        return;
    }
    handshake->accepted = *accepted;
    handshake->accepted.session = NULL; // made for the first byte: until then there may be many
    handshake->context = tls_context_hold(context);
    handshake->deadline = now + TLS_HANDSHAKE_TIME;
    handshake->older = handshakes->newest;
    *(handshakes->newest != NULL ? &handshakes->newest->newer : &handshakes->oldest) = handshake;
    handshakes->newest = handshake;
    handshakes->count++;
    if (address_of(handshake, &address))
        limiter_connections_add(handshakes->setup.counts, address);
    if (!watch(handshakes, handshake, EPOLLIN))
        end(handshakes, handshake);
}

bool tls_handshakes_owns(const void *data)
{
    return ((uintptr_t)data & 1) != 0;
}

void tls_handshakes_take(struct tls_handshakes *handshakes, const void *data)
{
    struct handshake *handshake = (struct handshake *)((uintptr_t)data & ~(uintptr_t)1);
    struct tls_accepted *accepted = &handshake->accepted;
    if (handshake->state == STATE_FAILED)
        read_rest(handshakes, handshake);
    if (handshake->state != STATE_WAITS)
        return;
    if (accepted->session == NULL)
        accepted->session =
            tls_session_new(handshake->context, accepted->fd, accepted->listener->client_verify);
    if (accepted->session == NULL) {
        log_warning("tls", "out of memory for a handshake");
        end(handshakes, handshake);
        return;
    }
    settle(handshakes, handshake, tls_session_handshake(accepted->session));
}

static void take_finished(struct tls_handshakes *handshakes)
{
    if (!handshakes->has_thread)
        return;
    pthread_mutex_lock(&handshakes->lock);
    struct handshake *list = handshakes->finished;
    handshakes->finished = NULL;
    pthread_mutex_unlock(&handshakes->lock);
    while (list != NULL) {
        struct handshake *handshake = list;
        list = handshake->next;
        handshake->state = STATE_WAITS;
        if (handshake->doomed)
            end(handshakes, handshake);
        else
            settle(handshakes, handshake, handshake->progress);
    }
}

bool tls_handshakes_have_finished(struct tls_handshakes *handshakes)
{
    if (!handshakes->has_thread)
        return false;
    pthread_mutex_lock(&handshakes->lock);
    bool finished = handshakes->finished != NULL;
    pthread_mutex_unlock(&handshakes->lock);
    return finished;
}

void tls_handshakes_turn(struct tls_handshakes *handshakes, int64_t now)
{
    take_finished(handshakes);
    for (struct handshake *handshake = handshakes->oldest, *newer;
         handshake != NULL && handshake->deadline <= now; handshake = newer) {
        newer = handshake->newer;
        if (handshake->doomed)
            continue;
        log_debug("tls", "a handshake was not over in time");
        end(handshakes, handshake);
    }
    bury(handshakes);
}

int64_t tls_handshakes_deadline(const struct tls_handshakes *handshakes)
{
    const struct handshake *handshake = handshakes->oldest;
    // What is doomed ends when the thread says so.
    while (handshake != NULL && handshake->doomed)
        handshake = handshake->newer;
    return handshake != NULL ? handshake->deadline : INT64_MAX;
}

void tls_handshakes_drop(struct tls_handshakes *handshakes)
{
    for (struct handshake *handshake = handshakes->oldest, *newer; handshake != NULL;
         handshake = newer) {
        newer = handshake->newer;
        end(handshakes, handshake);
    }
}

bool tls_handshakes_have_work(const struct tls_handshakes *handshakes)
{
    return handshakes->count > 0 || handshakes->dead != NULL;
}

size_t tls_handshakes_count(const struct tls_handshakes *handshakes)
{
    return handshakes->count;
}

void tls_handshakes_free(struct tls_handshakes *handshakes)
{
    if (handshakes == NULL)
        return;
    if (handshakes->has_thread) {
        pthread_mutex_lock(&handshakes->lock);
        handshakes->stops = true;
        pthread_cond_signal(&handshakes->changed);
        pthread_mutex_unlock(&handshakes->lock);
        pthread_join(handshakes->thread, NULL);
    }
    // Nobody's hands any more.
    for (struct handshake *handshake = handshakes->oldest; handshake != NULL;
         handshake = handshake->newer)
        handshake->state = STATE_WAITS;
    tls_handshakes_drop(handshakes);
    bury(handshakes);
    pthread_cond_destroy(&handshakes->changed);
    pthread_mutex_destroy(&handshakes->lock);
    free(handshakes);
}

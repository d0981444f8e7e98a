// sink.c - bounded memory between who writes lines and a target: a batch that is filled while the
// thread (sink_thread.c) writes the one before.
#include "sink.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "sink_priv.h"
#include "sink_ring.h"

enum {
    STACK = 128 * 1024, // bytes; of the thread
    FLUSH_AT_END = 500, // milliseconds for the thread to write all; and to end then
    END_WITHIN = 200,
};

// How many forks lie between this process and the first: a sink of another one has no thread here.
static _Atomic unsigned forks;

static void note_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
    int ignored = pthread_atfork(NULL, NULL, note_fork);
    (void)ignored;
}

static bool is_foreign(const struct sink *sink)
{
    return sink->forks != atomic_load_explicit(&forks, memory_order_relaxed);
}

void sink_count_drops(struct sink *sink, _Atomic uint64_t *counter)
{
    if (sink != NULL)
        atomic_store(&sink->drops.counter, counter);
}

uint64_t sink_dropped(const struct sink *sink)
{
    return atomic_load(&sink->drops.total);
}

// --- lines ---

// In a process that has no thread for it.
static void put_at_once(struct sink *sink, const struct sink_line *line)
{
    int errnum = sink->datagrams ? sink_send(&sink->target, line)
                                 : sink_write_line(&sink->target, sink->way, line->text);
    if (errnum != 0)
        atomic_fetch_add(&sink->drops.total, 1);
}

// Room for so many bytes of the batch, with the lock, which is left to the caller then; NULL: there
// is none, and the lock is not held. The thread may use what is kept for it.
static char *reserve(struct sink *sink, size_t size)
{
    pthread_mutex_lock(&sink->lock);
    size_t room = SINK_BATCH - sink->filling.size;
    if (size > room && size <= room + SINK_RESERVE && pthread_equal(pthread_self(), sink->thread))
        room += SINK_RESERVE;
    if (sink->filling.size <= SINK_BATCH && size <= room)
        return sink->filling.data + sink->filling.size;
    pthread_mutex_unlock(&sink->lock);
    return NULL;
}

// Bytes are there, as one that has the lock.
static void commit(struct sink *sink, size_t size, unsigned lines)
{
    size_t before = sink->filling.size;
    sink->filling.size += size;
    sink->filling.lines += lines;
    bool wake = (sink->asleep && before == 0) ||
                (sink->gathering && before < SINK_URGENT && sink->filling.size >= SINK_URGENT);
    pthread_mutex_unlock(&sink->lock);
    if (wake)
        pthread_cond_signal(&sink->wake);
}

void sink_put(struct sink *sink, const struct sink_line *line)
{
    if (sink == NULL)
        return;
    if (sink->target.kind == SINK_MEMORY) {
        sink_ring_put(sink->target.ring, line);
        return;
    }
    if (is_foreign(sink)) {
        put_at_once(sink, line);
        return;
    }
    size_t head = sink->datagrams ? sizeof(struct envelope) : 0;
    size_t size = head + line->text.size + !sink->datagrams;
    char *out = reserve(sink, size);
    if (out == NULL) {
        sink_drop(sink, 1, 0);
        return;
    }
    if (sink->datagrams) {
        struct envelope envelope = {line->time, line->level, (uint32_t)line->text.size};
        memcpy(out, &envelope, sizeof envelope);
    } else {
        out[size - 1] = '\n';
    }
    memcpy(out + head, line->text.data, line->text.size);
    commit(sink, size, 1);
}

bool sink_takes_bytes(const struct sink *sink)
{
    return sink->target.kind == SINK_FILE || sink->target.kind == SINK_STREAM;
}

// Each by itself.
static void put_each(struct sink *sink, const char *lines, size_t size)
{
    int64_t now = clock_read(CLOCK_REALTIME) / 1000000;
    while (size > 0) {
        const char *newline = memchr(lines, '\n', size);
        size_t length = newline != NULL ? (size_t)(newline - lines) : size;
        sink_put(sink, &(struct sink_line){{lines, length}, now, LOG_LEVEL_INFO, 0});
        length += newline != NULL;
        lines += length;
        size -= length;
    }
}

void sink_put_bytes(struct sink *sink, const char *lines, size_t size, unsigned count)
{
    if (sink == NULL || size == 0)
        return;
    if (!sink_takes_bytes(sink)) {
        put_each(sink, lines, size);
        return;
    }
    if (is_foreign(sink)) {
        if (sink_write(sink->target.fd, sink->way, lines, size).errnum != 0)
            atomic_fetch_add(&sink->drops.total, count);
        return;
    }
    char *out = reserve(sink, size);
    if (out == NULL) {
        sink_drop(sink, count, 0);
        return;
    }
    memcpy(out, lines, size);
    commit(sink, size, count);
}

void sink_use(struct sink *sink, int fd)
{
    pthread_mutex_lock(&sink->lock);
    if (sink->next_fd != SINK_NEVER)
        close(sink->next_fd);
    else
        sink->next_at = sink->filling.size;
    sink->next_fd = fd;
    pthread_mutex_unlock(&sink->lock);
    pthread_cond_signal(&sink->wake);
}

// --- beginning and end ---

// With the thread's own signals: those of a crash alone. Returns an errno value.
static int start_thread(struct sink *sink)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
    pthread_attr_t attributes;
    sigset_t others, before;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        sigdelset(&others, crashes[i]);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    // It reads its own number, in reserve.
    pthread_mutex_lock(&sink->lock);
    int errnum = pthread_create(&sink->thread, &attributes, sink_run, sink);
    pthread_mutex_unlock(&sink->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return errnum;
}

static void destroy(struct sink *sink)
{
    if (sink->next_fd != SINK_NEVER)
        close(sink->next_fd);
    free(sink->torn);
    free(sink->filling.data);
    free(sink->writing.data);
    free(sink);
}

static void init_lock(struct sink *sink)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&sink->lock, NULL);
    pthread_cond_init(&sink->wake, &monotonic);
    pthread_cond_init(&sink->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

int sink_new(struct sink **out, const struct sink_target *target, const char *name, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sink *sink = calloc(1, sizeof *sink);
    if (sink == NULL)
        return err_system(err, ENOMEM, "no memory for the %s", name);
    pthread_once(&once, watch_forks);
    sink->target = *target;
    sink->name = name;
    sink->is_log = strcmp(name, SINK_LOG) == 0;
    sink->datagrams = target->kind == SINK_SYSLOG;
    sink->forks = atomic_load(&forks);
    sink->next_fd = SINK_NEVER;
    sink->drops.told_at = sink->drops.end_told_at = SINK_NEVER;
    init_lock(sink);
    if (target->kind == SINK_MEMORY) {
        *out = sink;
        return 0;
    }
    sink->way = sink_way_of(target->fd);
    // Untouched pages cost nothing.
    sink->filling.data = malloc(SINK_BATCH + SINK_RESERVE);
    sink->writing.data = malloc(SINK_BATCH + SINK_RESERVE);
    int errnum = ENOMEM;
    if (sink->filling.data != NULL && sink->writing.data != NULL)
        errnum = start_thread(sink);
    if (errnum != 0) {
        destroy(sink);
        return err_system(err, errnum, "no thread for the %s", name);
    }
    *out = sink;
    return 0;
}

static bool has_thread(const struct sink *sink)
{
    return sink != NULL && sink->target.kind != SINK_MEMORY && !is_foreign(sink);
}

static void await_idle(struct sink *sink, int64_t limit)
{
    struct timespec end = sink_moment_in(limit);
    int result = 0;
    sink->hurry = true;
    pthread_cond_signal(&sink->wake);
    while (result == 0 && (sink->busy || sink->filling.size > 0))
        result = pthread_cond_timedwait(&sink->idle, &sink->lock, &end);
    sink->hurry = false;
}

void sink_flush(struct sink *sink, int64_t limit)
{
    if (!has_thread(sink))
        return;
    pthread_mutex_lock(&sink->lock);
    await_idle(sink, limit);
    pthread_mutex_unlock(&sink->lock);
}

// Whether the thread has ended.
static bool end_thread(struct sink *sink)
{
    int result = 0;
    pthread_mutex_lock(&sink->lock);
    await_idle(sink, FLUSH_AT_END);
    sink->stop = true;
    struct timespec end = sink_moment_in(END_WITHIN);
    pthread_cond_signal(&sink->wake);
    while (result == 0 && !sink->ended)
        result = pthread_cond_timedwait(&sink->idle, &sink->lock, &end);
    bool ended = sink->ended;
    pthread_mutex_unlock(&sink->lock);
    return ended;
}

// One that is stuck in a write has all of it until the process ends; it is still to be found.
static void abandon(struct sink *sink)
{
    static _Atomic(struct sink *) abandoned;
    pthread_detach(sink->thread);
    sink->abandoned = atomic_exchange(&abandoned, sink);
}

void sink_free(struct sink *sink)
{
    if (sink == NULL || (is_foreign(sink) && sink->target.kind != SINK_MEMORY))
        return;
    if (has_thread(sink)) {
        if (!end_thread(sink)) {
            abandon(sink);
            return;
        }
        pthread_join(sink->thread, NULL);
    }
    destroy(sink);
}

void sink_crash(struct sink *sink)
{
    enum { ATTEMPTS = 1000 };
    if (!has_thread(sink))
        return;
    // Another thread may have the lock for a moment; or the one that has crashed, for ever.
    for (unsigned i = 0; i < ATTEMPTS && pthread_mutex_trylock(&sink->lock) != 0; i++)
        sched_yield();
    struct batch *batch = &sink->filling;
    if (!sink->datagrams)
        sink_write(sink->target.fd, sink->way, batch->data, batch->size);
    for (size_t at = 0; sink->datagrams && at < batch->size;) {
        struct envelope envelope;
        memcpy(&envelope, batch->data + at, sizeof envelope);
        at += sizeof envelope;
        struct sink_line line = {.text = {batch->data + at, envelope.size},
                                 .time = envelope.time,
                                 .level = envelope.level};
        sink_send(&sink->target, &line);
        at += envelope.size;
    }
    batch->size = 0;
}

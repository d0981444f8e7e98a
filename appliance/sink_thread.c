// sink_thread.c - the thread of a sink: gathers lines, writes them, and tells of those that were
// dropped.
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "cleanup.h"
#include "clock.h"
#include "crash.h"
#include "log.h"
#include "sink_priv.h"

enum {
    SLICE = 100,           // milliseconds after which a stuck thread looks who wants it to stop
    NAP = 10,              // after a target that has room and takes nothing all the same
    TELL_INTERVAL = 30000, // between two lines about drops of one kind
};

struct timespec sink_moment_in(int64_t milliseconds)
{
    int64_t at = clock_read(CLOCK_MONOTONIC) + milliseconds * 1000000;
    return (struct timespec){.tv_sec = (time_t)(at / 1000000000),
                             .tv_nsec = (long)(at % 1000000000)};
}

// --- drops ---

// A log that drops says so once it has room again.
static void tell_drops(struct sink *sink, const char *reason)
{
    int64_t now = clock_milliseconds(), last = atomic_load(&sink->drops.told_at);
    if (sink->is_log || (last != SINK_NEVER && now - last < TELL_INTERVAL))
        return;
    if (atomic_compare_exchange_strong(&sink->drops.told_at, &last, now))
        log_warning("log", "lines of the %s are dropped, %llu so far: %s", sink->name,
                    (unsigned long long)atomic_load(&sink->drops.untold), reason);
}

// errnum: why; 0: the target is too slow.
void sink_drop(struct sink *sink, uint64_t lines, int errnum)
{
    if (lines == 0)
        return;
    _Atomic uint64_t *counter = atomic_load(&sink->drops.counter);
    atomic_fetch_add(&sink->drops.total, lines);
    atomic_fetch_add(&sink->drops.untold, lines);
    if (counter != NULL)
        atomic_fetch_add(counter, lines);
    tell_drops(sink, errnum == 0 ? "its target does not take them as fast as they come"
                                 : strerror(errnum));
}

// The thread, when its target takes lines.
static void tell_end(struct sink *sink, bool last)
{
    int64_t now = clock_milliseconds();
    bool told =
        sink->drops.end_told_at != SINK_NEVER && now - sink->drops.end_told_at < TELL_INTERVAL;
    if (atomic_load(&sink->drops.untold) == 0 || (told && !last))
        return;
    uint64_t lines = atomic_exchange(&sink->drops.untold, 0);
    sink->drops.end_told_at = now;
    log_warning("log", "%llu %s of the %s dropped", (unsigned long long)lines,
                lines == 1 ? "line" : "lines", sink->name);
}

// --- the thread: writing ---

static uint64_t count_lines(const char *data, size_t size)
{
    uint64_t lines = 0;
    const char *end = data + size, *at;
    for (; (at = memchr(data, '\n', (size_t)(end - data))) != NULL; data = at + 1)
        lines++;
    return lines;
}

// The descriptor that was given last, if there is one.
static bool take_next_fd(struct sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    int fd = sink->next_fd;
    sink->next_fd = SINK_NEVER;
    pthread_mutex_unlock(&sink->lock);
    if (fd == SINK_NEVER)
        return false;
    free(steal_ptr(&sink->torn));
    sink_target_replace(&sink->target, fd);
    sink->way = sink_way_of(sink->target.fd);
    return true;
}

// While the target takes nothing: false when it is not to be waited for. Another descriptor is used
// at once.
static bool await_room(struct sink *sink)
{
    bool ready = sink_has_room(sink->target.fd, SLICE);
    if (!take_next_fd(sink) && ready)
        nanosleep(&(struct timespec){.tv_nsec = NAP * 1000000}, NULL);
    pthread_mutex_lock(&sink->lock);
    bool stop = sink->stop;
    pthread_mutex_unlock(&sink->lock);
    return !stop;
}

// What is left of a line whose beginning stands at the target is its beginning when there is room.
static size_t keep_torn(struct sink *sink, const char *data, size_t size)
{
    const char *newline = memchr(data, '\n', size);
    size_t left = newline != NULL ? (size_t)(newline - data) + 1 : size;
    sink->torn = malloc(left);
    sink->torn_size = sink->torn != NULL ? left : 0;
    if (sink->torn != NULL)
        memcpy(sink->torn, data, left);
    return left;
}

// Returns how much was written; less than all: the errno value why.
static size_t write_patiently(struct sink *sink, const char *data, size_t size, int *errnum)
{
    size_t done = 0;
    for (;;) {
        struct sink_written written =
            sink_write(sink->target.fd, sink->way, data + done, size - done);
        done += written.size;
        *errnum = written.errnum == EAGAIN ? 0 : written.errnum;
        if (done == size || *errnum != 0 || !await_room(sink))
            return done;
    }
}

static bool write_torn(struct sink *sink)
{
    int errnum;
    if (sink->torn == NULL)
        return true;
    size_t done = write_patiently(sink, sink->torn, sink->torn_size, &errnum);
    if (sink->torn == NULL)
        return true; // there is a new target meanwhile
    memmove(sink->torn, sink->torn + done, sink->torn_size - done);
    sink->torn_size -= done;
    if (sink->torn_size > 0)
        return false;
    free(steal_ptr(&sink->torn));
    return true;
}

static void write_lines(struct sink *sink, const char *data, size_t size)
{
    int errnum = 0;
    size_t done = write_torn(sink) ? write_patiently(sink, data, size, &errnum) : 0;
    if (done < size && done > 0 && data[done - 1] != '\n')
        done += keep_torn(sink, data + done, size - done);
    if (done < size)
        sink_drop(sink, count_lines(data + done, size - done), errnum);
    else if (size > 0 && sink->torn == NULL)
        tell_end(sink, false);
}

static void send_lines(struct sink *sink, const char *data, size_t size)
{
    struct envelope envelope;
    for (size_t at = 0; at < size; at += sizeof envelope + envelope.size) {
        memcpy(&envelope, data + at, sizeof envelope);
        struct sink_line line = {.text = {data + at + sizeof envelope, envelope.size},
                                 .time = envelope.time,
                                 .level = envelope.level};
        int errnum = sink_send(&sink->target, &line);
        while (errnum == EAGAIN && await_room(sink))
            errnum = sink_send(&sink->target, &line);
        if (errnum != 0)
            sink_drop(sink, 1, errnum == EAGAIN ? 0 : errnum);
        else
            tell_end(sink, false);
    }
}

static void write_part(struct sink *sink, size_t from, size_t to)
{
    if (sink->datagrams)
        send_lines(sink, sink->writing.data + from, to - from);
    else
        write_lines(sink, sink->writing.data + from, to - from);
}

// --- the thread: waiting ---

// Until there is something to write. False: there is not, and nothing will come.
static bool await_line(struct sink *sink)
{
    pthread_cond_broadcast(&sink->idle);
    sink->asleep = true;
    while (sink->filling.size == 0 && sink->next_fd == SINK_NEVER && !sink->stop)
        pthread_cond_wait(&sink->wake, &sink->lock);
    sink->asleep = false;
    return sink->filling.size > 0 || sink->next_fd != SINK_NEVER;
}

static void gather(struct sink *sink)
{
    struct timespec end = sink_moment_in(SINK_GATHER);
    int result = 0;
    if (sink->is_log)
        return;
    sink->gathering = true;
    while (result == 0 && sink->filling.size < SINK_URGENT && !sink->hurry && !sink->stop)
        result = pthread_cond_timedwait(&sink->wake, &sink->lock, &end);
    sink->gathering = false;
}

// What has been put so far, and where the lines for another descriptor begin in it.
static size_t take_batch(struct sink *sink)
{
    struct batch batch = sink->filling;
    sink->filling = sink->writing;
    sink->writing = batch;
    sink->filling.size = sink->filling.lines = 0;
    sink->busy = true;
    if (sink->next_fd == SINK_NEVER)
        return batch.size;
    size_t at = sink->next_at;
    sink->next_at = 0;
    return at;
}

void *sink_run(void *owner)
{
    struct sink *sink = owner;
    prctl(PR_SET_NAME, sink->name);
    crash_init_thread();
    pthread_mutex_lock(&sink->lock);
    while (await_line(sink)) {
        gather(sink);
        bool turns = sink->next_fd != SINK_NEVER;
        size_t turn_at = take_batch(sink);
        pthread_mutex_unlock(&sink->lock);
        write_part(sink, 0, turn_at);
        if (turns)
            take_next_fd(sink);
        write_part(sink, turn_at, sink->writing.size);
        pthread_mutex_lock(&sink->lock);
        sink->busy = false;
    }
    pthread_mutex_unlock(&sink->lock);
    tell_end(sink, true);
    pthread_mutex_lock(&sink->lock);
    sink->ended = true;
    pthread_cond_broadcast(&sink->idle);
    pthread_mutex_unlock(&sink->lock);
    crash_fini_thread();
    return NULL;
}

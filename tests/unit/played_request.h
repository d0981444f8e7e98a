// played_request.h - requests without a connection, as the pool sees them: each plays a script. A
// work in the wrong thread stops the process. Included by one test program each: it defines the
// functions of request.h that the pool calls.
#pragma once

#include "played_language.h"

// Between the clients and the holder of the baton.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
} wire = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};

// Of a request's body.
enum body { BODY_NONE, BODY_ASKED, BODY_TOLD, BODY_THERE, BODY_LOST };

struct request {
    struct request *next;
    void *home;
    // The script, written before it is fed. Works: the answer, pieces, and with these a release.
    void (*work)(struct request *request); // attached, in each work
    unsigned pieces;
    bool parks; // behind each piece it waits until it is fed again: a client that takes its time
    unsigned seed;
    // What has become of it.
    unsigned step;    // works done
    pthread_t thread; // of the answer
    bool gathers;
    unsigned flushed; // with the baton, as running
    bool running;     // or about to be
    // With the wire's lock.
    enum body body;
    bool parked, done;
};

void request_queue_put(struct request_queue *queue, struct request *request)
{
    request->next = NULL;
    *(queue->first == NULL ? &queue->first : &queue->last->next) = request;
    queue->last = request;
}

static inline struct request *take_at(struct request_queue *queue, struct request *before)
{
    struct request *request = before == NULL ? queue->first : before->next;
    if (request == NULL)
        return NULL;
    *(before == NULL ? &queue->first : &before->next) = request->next;
    if (queue->last == request)
        queue->last = before;
    return request;
}

static inline struct request *take_of(struct request_queue *queue, const void *a, const void *b)
{
    struct request *before = NULL, *at = queue->first;
    for (; at != NULL && at->home != a && at->home != b; at = at->next)
        before = at;
    return at != NULL ? take_at(queue, before) : NULL;
}

struct request *request_queue_take(struct request_queue *queue)
{
    return take_at(queue, NULL);
}

struct request *request_queue_take_for(struct request_queue *queue, const void *home)
{
    return take_of(queue, home, NULL);
}

struct request *request_queue_take_home(struct request_queue *queue, const void *home)
{
    return take_of(queue, home, home);
}

void request_queue_append(struct request_queue *queue, struct request_queue *behind)
{
    struct request *request;
    while ((request = request_queue_take(behind)) != NULL)
        request_queue_put(queue, request);
}

static inline unsigned works_of(const struct request *request)
{
    return request->pieces > 0 ? 1 + request->pieces + 1 : 1;
}

void request_run(struct request *request, bool gathers)
{
    language_enter();
    if (request->step == 0)
        request->thread = pthread_self();
    must(pthread_equal(request->thread, pthread_self()));
    request->gathers = gathers;
    request->work(request);
    request->step++;
    language_leave();
}

const struct request_head *request_head(const struct request *request)
{
    static const struct request_head head = {.method = STR("GET"), .target = STR("/")};
    (void)request;
    return &head;
}

void *request_home(const struct request *request)
{
    return request->home;
}

void request_set_home(struct request *request, void *home)
{
    request->home = home;
}

enum rest request_rest(const struct request *request)
{
    if (request->step == 0 || request->step == works_of(request))
        return REST_NONE;
    return request->step <= request->pieces ? REST_PIECES : REST_RELEASE;
}

bool request_ask_body(struct request *request)
{
    must(attached);
    pthread_mutex_lock(&wire.lock);
    bool first = request->body == BODY_NONE;
    if (first)
        request->body = BODY_ASKED;
    pthread_mutex_unlock(&wire.lock);
    return first;
}

bool request_await_body(struct request *request)
{
    must(!attached);
    pthread_mutex_lock(&wire.lock);
    while (request->body != BODY_THERE && request->body != BODY_LOST)
        pthread_cond_wait(&wire.changed, &wire.lock);
    bool there = request->body == BODY_THERE;
    pthread_mutex_unlock(&wire.lock);
    return there;
}

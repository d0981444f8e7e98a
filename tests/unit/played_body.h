// played_body.h - the bodies of a played application's answers: bytes that a client can foretell,
// as a whole or in pieces, some of which come late. What is for one thread stops the process in
// another.
#pragma once

#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "played_language.h"

enum { GATES = 16 };

// What a client of /gated/N opens.
static sem_t gates[GATES];

static _Atomic unsigned bodies_live, bodies_made, bodies_lost;

// What the body of an answer is made of, released with it.
struct site_body {
    pthread_t thread;
    bool anywhere; // released in any thread
    bool fails;
    unsigned pieces, size, late, gate;
    unsigned given;
    char *first; // piece, which the answer begins with
    char *bytes;
};

enum { PERIOD = 26 * 26 };

// What is behind so many bytes of every body: letters that repeat after PERIOD.
static inline char *site_bytes(size_t from, size_t size)
{
    char *bytes = malloc(size + 1);
    must(bytes != NULL);
    size_t done = 0;
    for (; done < size && done < PERIOD; done++)
        bytes[done] = (char)('a' + ((from + done) * 7 + (from + done) / 26) % 26);
    while (done < size) {
        size_t part = done < size - done ? done : size - done;
        memcpy(bytes + done, bytes, part);
        done += part;
    }
    return bytes;
}

static inline struct site_body *site_body_new(size_t size)
{
    struct site_body *body = calloc(1, sizeof *body);
    must(body != NULL);
    body->thread = pthread_self();
    body->bytes = site_bytes(0, size);
    bodies_live++;
    bodies_made++;
    return body;
}

static inline void site_body_release(void *owner)
{
    struct site_body *body = owner;
    must(attached && (body->anywhere || pthread_equal(body->thread, pthread_self())));
    free(body->first);
    free(body->bytes);
    free(body);
    bodies_live--;
}

static inline void wait_detached(sem_t *gate, long microseconds)
{
    language_detach();
    if (gate != NULL)
        sem_wait(gate);
    else
        pause_for(microseconds);
    language_attach();
}

static inline int site_next(void *owner, struct str *piece)
{
    struct site_body *body = owner;
    language_enter();
    must(pthread_equal(body->thread, pthread_self()));
    bool ends = body->given == body->pieces;
    if (!ends && body->late > 0 && body->given % body->late == body->late - 1)
        wait_detached(NULL, 3000);
    if (!ends && body->gate > 0 && body->given == 1)
        wait_detached(&gates[body->gate], 0);
    if (!ends) {
        free(body->bytes); // the piece before is no longer valid
        body->bytes = site_bytes((size_t)body->given * body->size, body->size);
        *piece = (struct str){body->bytes, body->size};
        body->given++;
    }
    language_leave();
    return !ends ? 1 : body->fails ? -1 : 0;
}

// rsgi_life.c - from the reactor's handler to the end of the answer and of the application's call,
// in whatever order these come. What is answered before the handler returns needs no exchange: it
// is begun when something has to be waited for, or the handler returns without an answer.
#include "call.h"
#include "forked.h"
#include "report.h"
#include "rsgi_priv.h"

bool rsgi_life_is_here(const struct rsgi_life *life)
{
    (void)life;
    return call_is_here();
}

void rsgi_life_begin(struct rsgi_life *life, const struct exchange_events *events, PyObject *owner)
{
    if (life->begun || life->finished || life->request == NULL)
        return;
    life->begun = true;
    life->events = events;
    life->owner = owner;
    exchange_begin(life->request, events, owner);
}

void rsgi_life_release(struct rsgi_life *life)
{
    current_end(&life->current, !life->ended);
    rsgi_scope_detach(life->scope, !life->ended);
    if (!life->ended && life->watch.lost != NULL && life->watch.place == NULL)
        exchange_watch(life->request, &life->watch);
    life->request = NULL;
    life->begun = false;
}

void rsgi_life_lose(struct rsgi_life *life)
{
    life->lost = true;
    rsgi_scope_detach(life->scope, true);
}

// Nobody can ask for the request from here on: what the reactor does with it is its own.
static void let_go(struct rsgi_life *life)
{
    struct request *request = life->request;
    bool begun = life->begun, cut = life->cut;
    rsgi_life_release(life);
    if (!begun)
        return;
    exchange_end(request, cut);
    // Whoever still waits for the client learns that there is nothing more to wait for.
    life->events->readable(life->owner);
    life->events->writable(life->owner);
}

void rsgi_life_finish(struct rsgi_life *life, bool cut)
{
    if (life->finished || life->request == NULL)
        return;
    life->finished = true;
    life->cut = cut;
    if (!life->starting)
        let_go(life);
}

static int call_application(const struct application *application, struct rsgi_life *life,
                            PyObject *owner, void (*ended)(PyObject *owner, PyObject *exception))
{
    PyObject *arguments[] = {NULL, life->scope, owner};
    _pyref_ PyObject *awaitable = PyObject_Vectorcall(application->callable, arguments + 1,
                                                      2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    forked_end_child();
    return awaitable != NULL ? call_start(awaitable, owner, &life->current, ended) : -1;
}

void rsgi_life_run(struct rsgi_life *life, const struct application *application, PyObject *owner,
                   const struct exchange_events *events,
                   void (*ended)(PyObject *owner, PyObject *exception))
{
    life->starting = true;
    life->current.request = life->request;
    struct current *before = current_enter(&life->current);
    if (call_application(application, life, owner, ended) < 0) {
        _pyref_ PyObject *exception = PyErr_GetRaisedException();
        ended(owner, exception);
    }
    life->starting = false;
    current_enter(before);
    if (life->request == NULL)
        return;
    if (life->finished)
        let_go(life);
    else
        rsgi_life_begin(life, events, owner);
}

unsigned rsgi_life_status(PyObject *exception)
{
    return exception != NULL && call_was_cancelled(exception) ? 503 : 500;
}

void rsgi_life_fini(struct rsgi_life *life, bool is_answered)
{
    exchange_unwatch(&life->watch);
    life->ended = true;
    if (life->request != NULL && !is_answered)
        request_fail(life->request, 500);
    rsgi_life_finish(life, is_answered);
    current_drop(&life->current);
    Py_DECREF(life->scope);
}

void rsgi_life_report(const struct rsgi_life *life, PyObject *exception)
{
    if (exception != NULL && call_was_cancelled(exception))
        return;
    if (life->lost && exception != NULL &&
        PyErr_GivenExceptionMatches(exception, rsgi_types.protocol_closed))
        return;
    const struct request_head *head = rsgi_scope_head(life->scope);
    PyErr_Clear();
    report_exception("rsgi", head, exception);
}

// loop.c - the selector's select() in C: it blocks in the reactor, with the GIL given back, starts
// requests right there, and returns to asyncio only where there is something to do for Python.
#include "loop.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "application.h"
#include "asgi.h"
#include "call.h"
#include "clock.h"
#include "exchange.h"
#include "forked.h"
#include "log.h"
#include "operation.h"
#include "loop_watch.h"
#include "pool.h"
#include "py.h"
#include "reactor.h"
#include "scoreboard.h"
#include "stats_threads.h"
#include "thread.h"

enum {
    // Milliseconds before the end of a drain's time at which the applications' calls are cancelled,
    // so that their shutdown comes to its turn: a tenth, within these, and no more than half.
    RESERVE_LEAST = 500,
    RESERVE_MOST = 5000,
};

// What a process has one of: an event loop, in its first thread.
static struct {
    PyObject *loop, *selector; // asyncio's; NULL: there is none
    PyObject *running;         // what event_loop.stop takes
    PyObject *ready;           // the loop's deque of callbacks that are due
    PyObject *empty;           // a list
    PyObject *name_stopping, *name_scheduled, *name_poll, *name_thread, *name_debug;
    struct reactor *reactor; // while it runs
    struct scoreboard_task *task;
    struct stats_worker *stats;
    bool works; // the loop's thread is in the application, as far as stats are concerned
    uint64_t there_since, working_since;
    int64_t graceful_timeout;
    bool is_finished;
    bool is_cancelled;
    _Atomic int64_t drained; // when the drain began, milliseconds; 0: it has not
} shared;

// --- select() ---

// Seconds or None; -1: any time.
static int64_t milliseconds_of(PyObject *timeout)
{
    if (timeout == Py_None)
        return -1;
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds <= 0)
        return 0;
    return seconds > 86400 ? 86400000 : (int64_t)ceil(seconds * 1000);
}

// The timer that is due first: borrowed, NULL: none. It is what the timeout was made of.
static PyObject *first_timer(void)
{
    _pyref_ PyObject *timers = PyObject_GetAttr(shared.loop, shared.name_scheduled);
    if (timers == NULL || !PyList_Check(timers) || PyList_GET_SIZE(timers) == 0) {
        PyErr_Clear();
        return NULL;
    }
    return PyList_GET_ITEM(timers, 0);
}

static bool is_stopping(void)
{
    _pyref_ PyObject *stopping = PyObject_GetAttr(shared.loop, shared.name_stopping);
    PyErr_Clear();
    return stopping == Py_True;
}

static void stop_loop(void)
{
    if (PyObject_SetAttr(shared.loop, shared.name_stopping, Py_True) < 0)
        PyErr_Clear();
}

// Work of a WSGI application, which may take as long as it likes. A request that has begun there
// goes on there.
static bool is_for_pool(const struct request *request)
{
    if (!application_is_mixed())
        return false;
    if (request_rest(request) != REST_NONE)
        return request_home(request) != NULL;
    const struct application *application = application_of(request);
    return application != NULL && application->interface == APPLICATION_WSGI;
}

// From the first thing that there is to do for an application until there is nothing left.
static void tell_work(void)
{
    if (shared.works)
        return;
    shared.works = true;
    shared.working_since = stats_work_begin(shared.stats);
}

static void tell_rest(void)
{
    if (!shared.works)
        return;
    shared.works = false;
    stats_work_end(shared.stats, shared.working_since);
}

// In a thread of the pool, or here and now.
static void run_request(struct request *request)
{
    if (is_for_pool(request)) {
        pool_submit(request);
        return;
    }
    const struct request_head *head = request_head(request);
    tell_work();
    scoreboard_begin(shared.task, head->method, head->target);
    request_run(request, false);
    scoreboard_end(shared.task);
    if (!request_is_open(request))
        reactor_settle(shared.reactor, request);
}

static bool run_requests(void)
{
    bool any = false;
    struct request *request;
    while ((request = reactor_next(shared.reactor)) != NULL) {
        run_request(request);
        any = true;
    }
    return any;
}

static int64_t cancel_time(void)
{
    int64_t reserve = shared.graceful_timeout / 10;
    reserve = reserve < RESERVE_LEAST ? RESERVE_LEAST : reserve;
    reserve = reserve > RESERVE_MOST ? RESERVE_MOST : reserve;
    if (reserve > shared.graceful_timeout / 2)
        reserve = shared.graceful_timeout / 2;
    return shared.drained + shared.graceful_timeout - reserve;
}

// A drain comes to its end: when all is answered, or its time is nearly over.
static void check_drain(void)
{
    if (shared.drained == 0)
        return;
    bool finished = reactor_finished(shared.reactor) && call_count() == 0;
    int64_t left = cancel_time() - clock_milliseconds();
    if (!finished && left <= 0 && !shared.is_cancelled) {
        log_warning("loop", "%zu calls of the application have not ended: cancelled", call_count());
        shared.is_cancelled = true;
        call_cancel_all();
    } else if (finished || (shared.is_cancelled && call_count() == 0) ||
               left < -shared.graceful_timeout / 20) {
        // Those that swallow their cancellation keep neither the requests nor the worker.
        call_abandon_all();
        shared.is_finished = true;
        stop_loop();
    }
}

// Milliseconds to wait at most, less while it drains.
static int64_t limit_of(int64_t limit)
{
    if (shared.drained == 0)
        return limit;
    int64_t left = cancel_time() - clock_milliseconds();
    left = left > 1000 ? 1000 : left < 10 ? 10 : left;
    return limit < 0 || limit > left ? left : limit;
}

static void attach(void)
{
    uint64_t began = stats_wait_begin(shared.stats);
    thread_attach();
    stats_wait_end(shared.stats, began);
}

static void wait_events(int64_t limit)
{
    loop_watch_rest();
    if (limit != 0) {
        tell_rest();
        thread_detach();
    }
    reactor_sleep(shared.reactor, limit_of(limit));
    if (limit != 0)
        attach();
    loop_watch_work();
    reactor_wake(shared.reactor);
}

// Whether asyncio has to be asked: callbacks, a timer that is due earlier, a stop.
static bool has_callbacks(const PyObject *timer)
{
    return PyObject_Size(shared.ready) != 0 || first_timer() != timer || is_stopping();
}

// select(timeout) -> [(key, events)]
static PyObject *select_events(PyObject *self, PyObject *timeout)
{
    int64_t limit = milliseconds_of(timeout);
    int64_t until = limit > 0 ? clock_milliseconds() + limit : 0;
    const PyObject *timer = first_timer();
    (void)self;
    forked_end_child(); // of a callback
    for (;;) {
        // What callbacks have brought may have left other requests behind it.
        do
            reactor_prepare(shared.reactor);
        while (reactor_has_work(shared.reactor) && run_requests());
        wait_points_settle();
        if (has_callbacks(timer))
            limit = 0;
        wait_events(limit);
        run_requests();
        check_drain();
        wait_points_settle();
        if (PyErr_CheckSignals() < 0)
            return NULL;
        if (reactor_other_is_ready(shared.reactor)) {
            tell_work();
            return PyObject_CallMethodNoArgs(shared.selector, shared.name_poll);
        }
        if (limit == 0 || has_callbacks(timer))
            break;
        if (limit > 0 && (limit = until - clock_milliseconds()) <= 0)
            break;
    }
    tell_work();
    return Py_NewRef(shared.empty);
}

static PyMethodDef select_method = {"select", select_events, METH_O,
                                    "Let the reactor run until there is something to do."};

// --- what every task asks its loop ---
//
// asyncio's own answers are Python, and cost more than all else of a task's beginning.

static PyObject *answer_running(PyObject *self, PyObject *Py_UNUSED(nothing))
{
    _pyref_ PyObject *thread = PyObject_GetAttr(self, shared.name_thread);
    return thread != NULL ? PyBool_FromLong(thread != Py_None) : NULL;
}

static PyObject *answer_debug(PyObject *self, PyObject *Py_UNUSED(nothing))
{
    return PyObject_GetAttr(self, shared.name_debug);
}

static PyMethodDef answers[] = {
    {"is_running", answer_running, METH_NOARGS, "Whether the event loop is running."},
    {"get_debug", answer_debug, METH_NOARGS, "Whether it is in debug mode."},
};

static void answer_in_python(void)
{
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (PyObject_DelAttrString(shared.loop, answers[i].ml_name) < 0)
            PyErr_Clear();
    }
}

static int answer_in_c(void)
{
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        _pyref_ PyObject *answer = PyCFunction_New(&answers[i], shared.loop);
        if (answer == NULL || PyObject_SetAttrString(shared.loop, answers[i].ml_name, answer) < 0)
            return -1;
    }
    return 0;
}

// --- a loop's life ---

static PyObject *event_loop_module(void)
{
    return PyImport_ImportModule("limpet.event_loop");
}

int loop_init(void)
{
    _pyref_ PyObject *module = event_loop_module();
    _pyref_ PyObject *made = module != NULL ? PyObject_CallMethod(module, "make", NULL) : NULL;
    if (made == NULL || !PyArg_ParseTuple(made, "OO", &shared.loop, &shared.selector))
        return -1;
    Py_INCREF(shared.loop);
    Py_INCREF(shared.selector);
    shared.ready = PyObject_GetAttrString(shared.loop, "_ready");
    shared.empty = PyList_New(0);
    shared.name_stopping = PyUnicode_InternFromString("_stopping");
    shared.name_scheduled = PyUnicode_InternFromString("_scheduled");
    shared.name_poll = PyUnicode_InternFromString("poll");
    shared.name_thread = PyUnicode_InternFromString("_thread_id");
    shared.name_debug = PyUnicode_InternFromString("_debug");
    return shared.ready != NULL && shared.empty != NULL && shared.name_stopping != NULL &&
                   shared.name_scheduled != NULL && shared.name_poll != NULL &&
                   shared.name_thread != NULL && shared.name_debug != NULL
               ? answer_in_c()
               : -1;
}

static const char *const interface_names[] = {
    [APPLICATION_WSGI] = "wsgi",
    [APPLICATION_ASGI] = "asgi",
    [APPLICATION_ASGI2] = "asgi2",
    [APPLICATION_RSGI] = "rsgi",
};

// [(interface, object, callable, name)], or NULL with an exception set.
static PyObject *applications(void)
{
    _pyref_ PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < application_count(); i++) {
        const struct application *one = application_at(i);
        _pyref_ PyObject *item = Py_BuildValue("(sOOs)", interface_names[one->interface],
                                               one->object, one->callable, one->name);
        if (item == NULL || PyList_Append(list, item) < 0)
            return NULL;
    }
    return py_steal(&list);
}

static int start_failed(struct err *err)
{
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    if (strcmp(Py_TYPE(exception)->tp_name, "StartupFailed") == 0) {
        PyErr_SetRaisedException(py_steal(&exception));
        pyerr_take(err);
        // Without the name of our own type.
        const char *text = strstr(err->text, ": ");
        struct err own = *err;
        return err_set(err, ERR_FAILED, "%s",
                       text != NULL ? own.text + (text + 2 - err->text) : own.text);
    }
    PyErr_SetRaisedException(py_steal(&exception));
    pyerr_report_application(err);
    return err_wrap(err, "the application's startup failed (traceback above)");
}

int loop_start(struct err *err)
{
    _pyref_ PyObject *module = event_loop_module();
    _pyref_ PyObject *list = module != NULL ? applications() : NULL;
    _pyref_ PyObject *started =
        list != NULL ? PyObject_CallMethod(module, "start", "OO", shared.loop, list) : NULL;
    PyObject *running, *states;
    if (started == NULL || !PyArg_ParseTuple(started, "OO!", &running, &PyList_Type, &states))
        return start_failed(err);
    shared.running = Py_NewRef(running);
    for (size_t i = 0; i < application_count(); i++) {
        struct application *one = application_at(i);
        PyObject *state = PyList_GET_ITEM(states, (Py_ssize_t)i);
        if (one->interface == APPLICATION_ASGI || one->interface == APPLICATION_ASGI2)
            asgi_set_state(one, state != Py_None ? state : NULL);
    }
    return 0;
}

void loop_drain(void)
{
    int64_t none = 0;
    atomic_compare_exchange_strong(&shared.drained, &none, clock_milliseconds());
}

static int attach_reactor(struct err *err)
{
    _pyref_ PyObject *fd = PyObject_CallMethod(shared.selector, "fileno", NULL);
    _pyref_ PyObject *select = PyCFunction_New(&select_method, NULL);
    int number = fd != NULL ? PyLong_AsInt(fd) : -1;
    if (number < 0 || select == NULL)
        return pyerr_take(err);
    if (reactor_watch_other(shared.reactor, number, err) < 0)
        return -1;
    _pyref_ PyObject *attached = PyObject_CallMethod(shared.selector, "attach", "O", select);
    return attached != NULL ? 0 : pyerr_take(err);
}

static void detach_reactor(void)
{
    _pyref_ PyObject *detached = PyObject_CallMethod(shared.selector, "attach", "O", Py_None);
    if (detached == NULL)
        PyErr_Clear();
    shared.reactor = NULL;
}

// An application may stop the loop, or raise SystemExit in a callback: requests go on.
static void run_for_ever(void)
{
    while (!shared.is_finished) {
        _pyref_ PyObject *done = PyObject_CallMethod(shared.loop, "run_forever", NULL);
        struct err err;
        forked_end_child();
        if (shared.is_finished)
            PyErr_Clear();
        else if (done != NULL)
            log_warning("loop", "the application has stopped the event loop: it goes on");
        else
            log_error("loop", "%s", (pyerr_report(&err), err.text));
    }
}

// What hangs in a thread, up to the end of the process, keeps nobody else from a shutdown.
static void close_pool(const struct reactor *reactor)
{
    if (!reactor_finished(reactor))
        loop_fini();
    pool_close();
}

int loop_run(const struct runtime_run *run, const struct pool_setup *pool, struct err *err)
{
    bool pooled = application_is_mixed();
    shared.reactor = run->reactor;
    shared.graceful_timeout = run->graceful_timeout;
    shared.task = scoreboard_join(run->board);
    shared.stats = run->stats;
    shared.there_since = stats_thread_begin(shared.stats);
    if (attach_reactor(err) < 0 || loop_watch_start(err) < 0)
        return -1;
    if (pooled && pool_open(pool, err) < 0)
        return -1;
    run_for_ever();
    loop_watch_stop();
    scoreboard_leave(run->board, shared.task);
    tell_rest();
    stats_thread_end(shared.stats, shared.there_since);
    detach_reactor();
    if (pooled)
        close_pool(run->reactor);
    return 0;
}

void loop_fini(void)
{
    if (shared.loop == NULL)
        return;
    _pyref_ PyObject *module = event_loop_module();
    _pyref_ PyObject *nothing = PyList_New(0);
    _pyref_ PyObject *stopped =
        module != NULL ? PyObject_CallMethod(module, "stop", "OO", shared.loop,
                                             shared.running != NULL ? shared.running : nothing)
                       : NULL;
    if (stopped == NULL)
        PyErr_Clear();
    Py_CLEAR(shared.running);
    Py_CLEAR(shared.ready);
    Py_CLEAR(shared.empty);
    // Whoever keeps the loop asks asyncio from here on. The names stay: a thread may be on its way.
    answer_in_python();
    Py_CLEAR(shared.selector);
    Py_CLEAR(shared.loop);
}

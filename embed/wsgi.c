// wsgi.c - calls the application for one request and answers with what it returned.
#include "wsgi.h"

#include <unistd.h>

#include "current.h"
#include "environ.h"
#include "forked.h"
#include "input.h"
#include "report.h"
#include "start_response.h"
#include "streams.h"
#include "wsgi_body.h"

// What this side of the bridge has of an application.
struct wsgi {
    PyObject *callable;
    // The context (PEP 567) that it was loaded in. Each request runs in a copy, so that neither a
    // thread's next request nor one that comes between the pieces of a body sees what it has set.
    PyObject *context;
    struct environ_site *site;
};

int wsgi_start(bool multithread, bool multiprocess)
{
    return start_response_init() < 0 ? -1 : environ_init(multithread, multiprocess);
}

void wsgi_stop(void)
{
    environ_fini();
    start_response_fini();
}

int wsgi_init(struct application *application)
{
    struct wsgi *wsgi = PyMem_Calloc(1, sizeof *wsgi);
    if (wsgi == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    application->interface_data = wsgi;
    wsgi->callable = Py_NewRef(application->callable);
    wsgi->context = PyContext_CopyCurrent();
    wsgi->site = environ_site_new(application->prefix);
    return wsgi->context != NULL && wsgi->site != NULL ? 0 : -1;
}

void wsgi_fini(struct application *application)
{
    struct wsgi *wsgi = application->interface_data;
    application->interface_data = NULL;
    Py_CLEAR(wsgi->callable);
    Py_CLEAR(wsgi->context);
    environ_site_free(wsgi->site);
    PyMem_Free(wsgi);
}

// What the application returned, a new reference; NULL with an exception set.
static PyObject *call_application(const struct wsgi *wsgi, struct request *request,
                                  PyObject *start_response, PyObject **awaited)
{
    _pyref_ PyObject *environ = environ_new(wsgi->site, request, awaited);
    if (environ == NULL)
        return NULL;
    PyObject *arguments[] = {NULL, environ, start_response};
    PyObject *returned = PyObject_Vectorcall(wsgi->callable, arguments + 1,
                                             2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    forked_end_child();
    return returned;
}

// The length that the application announced is the one that its body has, as far as that is known
// yet. A file's was looked at.
static int check_length(const struct request *request, const struct response *response)
{
    int64_t announced = response->content_length;
    bool begun = response->body.size > 0;
    if (announced < 0 || (response->source != NULL && (announced > 0 || !begun)))
        return 0;
    if (response->source == NULL && announced == (int64_t)response->body.size)
        return 0;
    if (!request_takes_body(request, response->status))
        return 0;
    PyErr_Format(PyExc_ValueError, "Content-Length says %lld, the body has %s%zu bytes",
                 (long long)announced, response->source != NULL ? "more than " : "",
                 response->body.size);
    return -1;
}

// Takes what the response owns along, on failure as well. 0, or -1 with an exception set.
static int respond(struct request *request, const struct response *response)
{
    struct err err;
    if (check_length(request, response) == 0) {
        if (request_respond(request, response, &err) == 0)
            return 0;
        PyErr_SetString(PyExc_MemoryError, err.text);
        return -1;
    }
    if (response->source != NULL && response->source->fd >= 0)
        close(response->source->fd);
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    response->release(response->owner);
    PyErr_SetRaisedException(py_steal(&exception));
    return -1;
}

static void release_object(void *owner)
{
    Py_DECREF(owner);
}

// The answer that most are: a list of one piece, which needs nothing but a reference.
static int respond_piece(struct request *request, PyObject *start_response, PyObject *piece)
{
    struct response response;
    if (start_response_result(start_response, &response) < 0)
        return -1;
    response.body = (struct str){PyBytes_AS_STRING(piece), (size_t)PyBytes_GET_SIZE(piece)};
    response.owner = Py_NewRef(piece);
    response.release = release_object;
    response.release_early = true;
    return respond(request, &response);
}

// Any other: a generator is run up to its first piece, which is when its headers are final.
static int respond_body(struct request *request, PyObject *start_response, PyObject *iterable,
                        PyObject *own_context)
{
    struct response response;
    struct body_source source;
    struct wsgi_body *body =
        wsgi_body_new(iterable, start_response_written(start_response), own_context, request);
    if (body == NULL)
        return -1;
    if (wsgi_body_begin(body) < 0 || start_response_result(start_response, &response) < 0) {
        wsgi_body_free(body);
        return -1;
    }
    wsgi_body_describe(body, &response, &source);
    return respond(request, &response);
}

// 0, or -1 with an exception set.
static int answer(const struct wsgi *wsgi, struct request *request, PyObject *start_response,
                  PyObject *own_context, PyObject **awaited)
{
    _pyref_ PyObject *iterable = call_application(wsgi, request, start_response, awaited);
    if (iterable == NULL)
        return -1;
    bool simple = start_response_written(start_response) == NULL && PyList_CheckExact(iterable) &&
                  PyList_GET_SIZE(iterable) == 1 && PyBytes_Check(PyList_GET_ITEM(iterable, 0));
    if (!simple)
        return respond_body(request, start_response, iterable, own_context);
    return respond_piece(request, start_response, PyList_GET_ITEM(iterable, 0));
}

static void report_failure(struct request *request)
{
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    report_exception("wsgi", request_head(request), exception);
    request_fail(request, 500);
}

void wsgi_handle(const struct application *application, struct request *request)
{
    const struct wsgi *wsgi = application->interface_data;
    struct current current = {.request = request, .is_apart = true};
    struct current *before = current_enter(&current);
    _pyref_ PyObject *own_context = PyContext_Copy(wsgi->context);
    _pyref_ PyObject *start_response = own_context != NULL ? start_response_new(request) : NULL;
    PyObject *awaited = NULL;
    bool entered = start_response != NULL && PyContext_Enter(own_context) == 0;
    if (!entered || answer(wsgi, request, start_response, own_context, &awaited) < 0)
        report_failure(request);
    if (entered)
        PyContext_Exit(own_context);
    // The application may keep them for longer than the request lives.
    if (start_response != NULL)
        start_response_end(start_response);
    input_forget(awaited);
    streams_end_lines();
    current_enter(before);
    current_drop(&current);
}

// wsgi.c - calls the application for one request and answers with what it returned.
#include "wsgi.h"

#include <unistd.h>

#include "cleanup.h"
#include "environ.h"
#include "log.h"
#include "names.h"
#include "start_response.h"
#include "wsgi_body.h"

// What a process has one of: the application it serves.
static PyObject *application;

int wsgi_init(PyObject *callable, bool multithread, bool multiprocess)
{
    if (names_init() < 0 || start_response_init() < 0 || environ_init(multithread, multiprocess) < 0)
        return -1;
    application = Py_NewRef(callable);
    return 0;
}

void wsgi_fini(void)
{
    Py_CLEAR(application);
    environ_fini();
    start_response_fini();
    names_fini();
}

// The application's answer, run up to its first piece; NULL with an exception set.
static struct wsgi_body *call_application(struct request *request, PyObject *start_response,
                                          PyObject **awaited)
{
    _pyref_ PyObject *environ = environ_new(request, awaited);
    if (environ == NULL)
        return NULL;
    PyObject *arguments[] = {NULL, environ, start_response};
    _pyref_ PyObject *iterable =
        PyObject_Vectorcall(application, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (iterable == NULL)
        return NULL;
    struct wsgi_body *body =
        wsgi_body_new(iterable, start_response_written(start_response), request);
    if (body != NULL && wsgi_body_begin(body) < 0) {
        wsgi_body_free(body);
        return NULL;
    }
    return body;
}

// The length that the application announced is the one that its body has, as far as that is known
// yet.
static int check_length(const struct started *started, const struct response *response)
{
    int64_t announced = started->content_length;
    if (announced < 0 || (response->source != NULL && announced > 0))
        return 0;
    if (response->source == NULL && announced == (int64_t)response->body.size)
        return 0;
    PyErr_Format(PyExc_ValueError, "Content-Length says %lld, the body has %s%zu bytes",
                 (long long)announced, response->source != NULL ? "more than " : "",
                 response->body.size);
    return -1;
}

// Takes the body along, on failure as well. 0, or -1 with an exception set.
static int respond(struct request *request, PyObject *start_response, struct wsgi_body *body)
{
    struct started started = {.headers = NULL};
    struct body_source source;
    int result = start_response_result(start_response, &started);
    _free_ struct header *headers = started.headers;
    struct response response = {
        .status = started.status,
        .headers = headers,
        .header_count = started.header_count,
        .content_length = started.content_length,
    };
    if (result == 0)
        wsgi_body_describe(body, &response, &source);
    if (result == 0 && request_takes_body(request, started.status))
        result = check_length(&started, &response);
    if (result < 0) {
        if (response.source != NULL && source.fd >= 0)
            close(source.fd);
        wsgi_body_free(body);
        return -1;
    }
    struct err err;
    if (request_respond(request, &response, &err) == 0)
        return 0;
    PyErr_SetString(PyExc_ValueError, err.text);
    return -1;
}

static void report_failure(struct request *request)
{
    const struct request_head *head = request_head(request);
    log_error("wsgi", "exception while answering %.*s %.*s", (int)head->method.size,
              head->method.data, (int)head->target.size, head->target.data);
    struct err err;
    pyerr_report(&err);
    request_fail(request, 500);
}

void wsgi_handle(struct request *request)
{
    _pyref_ PyObject *start_response = start_response_new();
    struct wsgi_body *body = NULL;
    PyObject *awaited = NULL;
    if (start_response != NULL)
        body = call_application(request, start_response, &awaited);
    if (body == NULL || respond(request, start_response, body) < 0)
        report_failure(request);
    environ_forget(awaited);
}

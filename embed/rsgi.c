// rsgi.c - the types of RSGI, and the way of a request to its protocol object.
#include "rsgi.h"

#include <string.h>

#include "call.h"
#include "names.h"
#include "report.h"
#include "rsgi_priv.h"
#include "socket_name.h"
#include "websocket.h"

struct rsgi_types rsgi_types;

PyTypeObject *rsgi_type_new(PyType_Spec *spec)
{
    return (PyTypeObject *)(void *)PyType_FromSpec(spec);
}

void *rsgi_new(PyTypeObject *type)
{
    PyObject *object = PyObject_New(PyObject, type);
    if (object != NULL)
        memset(object + 1, 0, (size_t)type->tp_basicsize - sizeof *object);
    return object;
}

PyObject *rsgi_bytes_of(PyObject *object, const char *what)
{
    if (PyBytes_Check(object))
        return Py_NewRef(object);
    if (PyUnicode_Check(object) || !PyObject_CheckBuffer(object))
        return PyErr_Format(PyExc_TypeError, "%s is bytes, not %T", what, object);
    return PyBytes_FromObject(object);
}

// --- types ---

static int make_errors(void)
{
    rsgi_types.protocol_error = PyErr_NewExceptionWithDoc(
        "limpet.rsgi.ProtocolError", "A protocol object is used in a way that it is not made for.",
        PyExc_RuntimeError, NULL);
    rsgi_types.protocol_closed =
        PyErr_NewExceptionWithDoc("limpet.rsgi.ProtocolClosed", "The connection is lost or closed.",
                                  PyExc_RuntimeError, NULL);
    return rsgi_types.protocol_error != NULL && rsgi_types.protocol_closed != NULL ? 0 : -1;
}

static int make_types(void)
{
    if (rsgi_types.protocol_closed != NULL)
        return 0;
    if (rsgi_scope_init() < 0 || rsgi_headers_init() < 0 || rsgi_http_init() < 0 ||
        rsgi_stream_init() < 0 || rsgi_websocket_init() < 0 || rsgi_websocket_transport_init() < 0)
        return -1;
    return make_errors();
}

PyObject *rsgi_module(void)
{
    static PyModuleDef definition = {
        PyModuleDef_HEAD_INIT,
        .m_name = "_limpet_rsgi",
        .m_doc = "The types of limpet.rsgi.",
        .m_size = -1,
    };
    _pyref_ PyObject *module = make_types() == 0 ? PyModule_Create(&definition) : NULL;
    if (module == NULL)
        return NULL;
    const struct {
        const char *name;
        void *value;
    } members[] = {
        {"Scope", rsgi_types.scope},
        {"Headers", rsgi_types.headers},
        {"HTTPProtocol", rsgi_types.http},
        {"HTTPStreamTransport", rsgi_types.stream},
        {"WebsocketProtocol", rsgi_types.websocket},
        {"WebsocketTransport", rsgi_types.websocket_transport},
        {"WebsocketMessage", rsgi_types.message},
        {"ProtocolError", rsgi_types.protocol_error},
        {"ProtocolClosed", rsgi_types.protocol_closed},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (PyModule_AddObjectRef(module, members[i].name, members[i].value) < 0)
            return NULL;
    }
    return py_steal(&module);
}

// --- applications ---

int rsgi_init(struct application *application)
{
    (void)application;
    return names_init() < 0 || operation_init() < 0 || call_init() < 0 ? -1 : make_types();
}

void rsgi_fini(struct application *application)
{
    (void)application;
    socket_name_fini();
}

static void handle_http(const struct application *application, struct request *request)
{
    PyObject *scope = rsgi_scope_new(request_head(request), false);
    _pyref_ PyObject *protocol = rsgi_http_new(request, scope);
    if (protocol != NULL)
        rsgi_http_run(application, protocol);
}

static void handle_websocket(const struct application *application, struct request *request)
{
    PyObject *scope = rsgi_scope_new(request_head(request), true);
    _pyref_ PyObject *protocol = rsgi_websocket_new(request, scope);
    if (protocol != NULL)
        rsgi_websocket_run(application, protocol);
}

void rsgi_handle(const struct application *application, struct request *request)
{
    struct websocket_offer offer;
    unsigned status = 0;
    if (websocket_is_offered(request, &offer, &status))
        handle_websocket(application, request);
    else if (status != 0)
        request_fail(request, status);
    else
        handle_http(application, request);
    if (PyErr_Occurred()) { // out of memory: answered 500
        _pyref_ PyObject *exception = PyErr_GetRaisedException();
        report_exception("rsgi", request_head(request), exception);
    }
}

// ssl_session.c - SSLSession: what a client keeps of a connection, to take it up again in the next.
#include "ssl_priv.h"

struct session {
    PyObject_HEAD struct ssl_context *context; // sessions do not go from one to another
    struct tls_resumption *resumption;
};

static struct session *session_of(PyObject *object)
{
    return (struct session *)(void *)object;
}

PyObject *ssl_session_new(struct ssl_context *context, struct tls_resumption *resumption)
{
    PyTypeObject *type = context->state->session;
    struct session *self = session_of(type->tp_alloc(type, 0));
    if (self == NULL) {
        tls_resumption_drop(resumption);
        return NULL;
    }
    self->context = (struct ssl_context *)Py_NewRef(context);
    self->resumption = resumption;
    return (PyObject *)self;
}

struct ssl_context *ssl_session_context(PyObject *session)
{
    return session_of(session)->context;
}

struct tls_resumption *ssl_session_resumption(PyObject *session)
{
    return session_of(session)->resumption;
}

// A cycle through it goes through its context, which breaks it.
static int session_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(session_of(object)->context);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void session_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_XDECREF(session_of(object)->context);
    tls_resumption_drop(session_of(object)->resumption);
    type->tp_free(object);
    Py_DECREF(type);
}

static struct tls_resumption_facts facts_of(PyObject *object)
{
    struct tls_resumption_facts facts;
    tls_resumption_facts(session_of(object)->resumption, &facts);
    return facts;
}

static PyObject *get_id(PyObject *object, void *Py_UNUSED(closure))
{
    struct tls_resumption_facts facts = facts_of(object);
    return PyBytes_FromStringAndSize(facts.id.data, (Py_ssize_t)facts.id.size);
}

static PyObject *get_time(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(facts_of(object).time);
}

static PyObject *get_timeout(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(facts_of(object).timeout);
}

static PyObject *get_lifetime_hint(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(facts_of(object).lifetime_hint);
}

static PyObject *get_has_ticket(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(facts_of(object).has_ticket);
}

static PyObject *session_compare(PyObject *left, PyObject *right, int operation)
{
    if (!Py_IS_TYPE(right, Py_TYPE(left)) || (operation != Py_EQ && operation != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    bool equal = left == right || str_equal(facts_of(left).id, facts_of(right).id);
    return PyBool_FromLong(equal == (operation == Py_EQ));
}

static PyGetSetDef attributes[] = {
    {"has_ticket", get_has_ticket, NULL, "Does the session contain a ticket?", NULL},
    {"id", get_id, NULL, "Session ID.", NULL},
    {"ticket_lifetime_hint", get_lifetime_hint, NULL, "Ticket life time hint.", NULL},
    {"time", get_time, NULL, "Session creation time (seconds since epoch).", NULL},
    {"timeout", get_timeout, NULL, "Session timeout (delta in seconds).", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A session that a client can take up again."},
    {Py_tp_traverse, session_traverse},
    {Py_tp_dealloc, session_dealloc},
    {Py_tp_richcompare, session_compare},
    {Py_tp_getset, attributes},
    {0, NULL},
};

PyType_Spec ssl_session_spec = {
    .name = "_ssl.SSLSession",
    .basicsize = sizeof(struct session),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

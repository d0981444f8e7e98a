// environ_tls.c - the keys of an environ that only TLS has.
#include "environ_tls.h"

#include <string.h>

#include "names.h"

// The latest texts, since most connections have the same: a process has one interpreter.
static struct {
    const char *name;
    PyObject *text; // NULL: none
} latest[2];

enum { LATEST_PROTOCOL, LATEST_CIPHER };

static int set_text(PyObject *environ, PyObject *key, const char *value)
{
    _pyref_ PyObject *text = PyUnicode_DecodeUTF8(value, (Py_ssize_t)strlen(value), "replace");
    return text != NULL ? PyDict_SetItem(environ, key, text) : -1;
}

// Names of protocols and ciphers are literals: the same pointer is the same text.
static int set_literal(PyObject *environ, PyObject *key, const char *value, int which)
{
    if (latest[which].text == NULL || latest[which].name != value) {
        PyObject *text = PyUnicode_FromString(value);
        if (text == NULL)
            return -1;
        Py_XSETREF(latest[which].text, text);
        latest[which].name = value;
    }
    return PyDict_SetItem(environ, key, latest[which].text);
}

int environ_tls_prepare(PyObject *environ)
{
    if (PyDict_SetItem(environ, names.HTTPS, names.on) < 0 ||
        PyDict_SetItem(environ, names.SSL_CLIENT_VERIFY, names.NONE) < 0)
        return -1;
    return 0;
}

static int set_chain(PyObject *environ, const char *const *chain)
{
    for (int i = 0; chain[i] != NULL; i++) {
        _pyref_ PyObject *key = PyUnicode_FromFormat("SSL_CLIENT_CERT_CHAIN_%d", i);
        if (key == NULL || set_text(environ, key, chain[i]) < 0)
            return -1;
    }
    return 0;
}

static int set_client(PyObject *environ, const struct tls_client *client)
{
    const struct {
        PyObject *key;
        const char *value;
    } table[] = {
        {names.SSL_CLIENT_VERIFY, "SUCCESS"},
        {names.SSL_CLIENT_S_DN, client->subject},
        {names.SSL_CLIENT_S_DN_CN, client->common_name},
        {names.SSL_CLIENT_I_DN, client->issuer},
        {names.SSL_CLIENT_M_SERIAL, client->serial},
        {names.SSL_CLIENT_V_START, client->not_before},
        {names.SSL_CLIENT_V_END, client->not_after},
        {names.SSL_CLIENT_CERT, client->chain[0]},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (set_text(environ, table[i].key, table[i].value) < 0)
            return -1;
    }
    return set_chain(environ, client->chain + 1);
}

int environ_tls_set(PyObject *environ, const struct tls_facts *facts)
{
    if (set_literal(environ, names.SSL_PROTOCOL, facts->protocol, LATEST_PROTOCOL) < 0 ||
        set_literal(environ, names.SSL_CIPHER, facts->cipher, LATEST_CIPHER) < 0)
        return -1;
    if (facts->server_name[0] != '\0' &&
        set_text(environ, names.SSL_TLS_SNI, facts->server_name) < 0)
        return -1;
    return facts->client != NULL ? set_client(environ, facts->client) : 0;
}

void environ_tls_fini(void)
{
    for (size_t i = 0; i < sizeof latest / sizeof latest[0]; i++)
        Py_CLEAR(latest[i].text);
}

// socket_name.c - one text for each port is kept: connections have different ones.
#include "socket_name.h"

#include <string.h>

#include "names.h"

enum {
    SLOTS = 256,       // a power of two
    ADDRESS_KEPT = 48, // bytes
};

// What a process has one of: its interpreter is one.
static struct slot {
    PyObject *text; // NULL: none
    uint16_t port;
    size_t size;
    char address[ADDRESS_KEPT];
} slots[SLOTS];

static PyObject *make(struct str address, uint16_t port)
{
    _pyref_ PyObject *host =
        PyUnicode_DecodeFSDefaultAndSize(address.data, (Py_ssize_t)address.size);
    if (host == NULL || port == 0)
        return py_steal(&host);
    bool is_ipv6 = address.size > 0 && memchr(address.data, ':', address.size) != NULL &&
                   address.data[0] != '[';
    return PyUnicode_FromFormat(is_ipv6 ? "[%U]:%u" : "%U:%u", host, (unsigned)port);
}

PyObject *socket_name(struct str address, uint16_t port)
{
    if (address.size == 0 && port == 0)
        return Py_NewRef(names.empty);
    if (address.size > ADDRESS_KEPT)
        return make(address, port);
    struct slot *slot = &slots[port % SLOTS];
    if (slot->text != NULL && slot->port == port && slot->size == address.size &&
        memcmp(slot->address, address.data, address.size) == 0)
        return Py_NewRef(slot->text);
    PyObject *text = make(address, port);
    if (text == NULL)
        return NULL;
    Py_XSETREF(slot->text, Py_NewRef(text));
    slot->port = port;
    slot->size = address.size;
    memcpy(slot->address, address.data, address.size);
    return text;
}

void socket_name_fini(void)
{
    for (size_t i = 0; i < SLOTS; i++)
        Py_CLEAR(slots[i].text);
}

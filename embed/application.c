// application.c - loads what the operator wants served, by limpet.loader, and finds the one that a
// request is for.
#include "application.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asgi.h"
#include "buf.h"
#include "check.h"
#include "config_mount.h"
#include "names.h"
#include "rsgi.h"
#include "target.h"
#include "wsgi.h"

// How applications of an interface are called.
struct bridge {
    const char *name; // as limpet.loader says it
    int (*init)(struct application *application);
    void (*fini)(struct application *application);
    void (*handle)(const struct application *application, struct request *request);
};

static const struct bridge bridges[] = {
    [APPLICATION_WSGI] = {"wsgi", wsgi_init, wsgi_fini, wsgi_handle},
    [APPLICATION_ASGI] = {"asgi", asgi_init, asgi_fini, asgi_handle},
    [APPLICATION_ASGI2] = {"asgi2", asgi_init, asgi_fini, asgi_handle},
    [APPLICATION_RSGI] = {"rsgi", rsgi_init, rsgi_fini, rsgi_handle},
};

enum { BRIDGE_COUNT = sizeof bridges / sizeof bridges[0] };

// What a process has one of: the applications of its interpreter.
static struct {
    struct application *all;    // by number
    struct application **order; // the longest prefix first
    size_t count;               // of those that are loaded
    size_t prepared;            // and of these, by their bridge
    bool wsgi;                  // its bridge is prepared
    bool async;
} applications;

// What limpet.loader says about a target: its own errors as they are, the application's with their
// traceback.
int application_load_failed(const char *target, struct err *err)
{
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    _pyref_ PyObject *loader = PyImport_ImportModule("limpet.loader");
    _pyref_ PyObject *load_error =
        loader != NULL ? PyObject_GetAttrString(loader, "LoadError") : NULL;
    if (load_error != NULL && PyObject_IsInstance(exception, load_error) == 1) {
        _pyref_ PyObject *text = PyObject_Str(exception);
        const char *utf8 = text != NULL ? PyUnicode_AsUTF8(text) : NULL;
        return err_set(err, ERR_FAILED, "%s", utf8 != NULL ? utf8 : "cannot be loaded");
    }
    PyErr_Clear();
    PyErr_SetRaisedException(py_steal(&exception));
    pyerr_report_application(err);
    return err_wrap(err, "%s: the application failed to import (traceback above)", target);
}

// The text is the application's from here on.
static int join_prefix(struct application *application, const char *outer, struct str inner)
{
    size_t outer_size = outer != NULL ? strlen(outer) : 0, size = outer_size + inner.size;
    char *prefix = malloc(size + 1);
    if (prefix == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (outer_size > 0)
        memcpy(prefix, outer, outer_size);
    memcpy(prefix + outer_size, inner.data, inner.size);
    application->prefix = (struct str){prefix, size};
    return 0;
}

static enum application_interface interface_of(const char *name)
{
    size_t i = 0;
    while (i < BRIDGE_COUNT && strcmp(bridges[i].name, name) != 0)
        i++;
    must(i < BRIDGE_COUNT);
    return (enum application_interface)i;
}

// How the operator would ask for another interface, with {} in its place; a new reference, or NULL.
static PyObject *spelling_of(const struct config_mount *mount)
{
    if (mount->prefix.size == 0)
        return PyUnicode_FromString("--interface {}");
    _pyref_ PyObject *prefix =
        PyUnicode_DecodeFSDefaultAndSize(mount->prefix.data, (Py_ssize_t)mount->prefix.size);
    return prefix != NULL ? PyUnicode_FromFormat("%U={}:%s", prefix, mount->target) : NULL;
}

// limpet.loader.load(target, interface, factory, spelling) -> (callable, application, name,
// interface): a new reference, or NULL with an exception set.
static PyObject *load_target(const struct config_mount *mount, bool factory)
{
    _pyref_ PyObject *loader = PyImport_ImportModule("limpet.loader");
    _pyref_ PyObject *spelling = spelling_of(mount);
    if (loader == NULL || spelling == NULL)
        return NULL;
    return PyObject_CallMethod(loader, "load", "ssOO", mount->target, mount->interface,
                               factory ? Py_True : Py_False, spelling);
}

// The next one. mount: of the target, without a prefix.
static int load_next(const struct runtime_setup *setup, const struct config_mount *mount,
                     bool factory, struct buf *description)
{
    _pyref_ PyObject *loaded = load_target(mount, factory);
    if (loaded == NULL)
        return -1;
    PyObject *callable, *object;
    const char *name, *interface;
    if (!PyArg_ParseTuple(loaded, "OOss", &callable, &object, &name, &interface))
        return -1;
    struct application *application = &applications.all[applications.count];
    if (join_prefix(application, setup->path_prefix, mount->prefix) < 0)
        return -1;
    application->interface = interface_of(interface);
    application->number = (unsigned)applications.count;
    application->name = strdup(name);
    application->callable = Py_NewRef(callable);
    application->object = Py_NewRef(object);
    applications.order[applications.count++] = application;
    // What does not fit is left out.
    if (mount->prefix.size == 0)
        buf_printf(description, "%s %s", interface, name);
    else
        buf_printf(description, ", %s (%s) at %.*s", name, interface, (int)mount->prefix.size,
                   mount->prefix.data);
    return 0;
}

static int load_all(const struct runtime_setup *setup, struct buf *description, struct err *err)
{
    struct config_mount target = {STR(""), setup->interface, setup->target};
    if (load_next(setup, &target, setup->factory, description) < 0)
        return application_load_failed(setup->target, err);
    for (size_t i = 0; i < setup->mount_count; i++) {
        struct config_mount mount;
        if (config_mount_parse(setup->mounts[i], &mount, err) < 0)
            return err_wrap(err, "--mount %s", setup->mounts[i]);
        if (load_next(setup, &mount, false, description) < 0) {
            application_load_failed(mount.target, err);
            return err_wrap(err, "--mount %.*s", (int)mount.prefix.size, mount.prefix.data);
        }
    }
    return 0;
}

static int compare_prefixes(const void *a, const void *b)
{
    size_t first = (*(struct application *const *)a)->prefix.size;
    size_t second = (*(struct application *const *)b)->prefix.size;
    return first < second ? 1 : first > second ? -1 : 0;
}

// Let each interface prepare for its applications.
static int init_all(const struct runtime_setup *setup)
{
    for (size_t i = 0; i < applications.count; i++) {
        struct application *application = &applications.all[i];
        if (application->interface != APPLICATION_WSGI)
            applications.async = true;
        else if (!applications.wsgi && wsgi_start(setup->threads > 1, setup->workers > 1) < 0)
            return -1;
        else
            applications.wsgi = true;
        if (bridges[application->interface].init(application) < 0)
            return -1;
        applications.prepared++;
    }
    return 0;
}

int application_load(const struct runtime_setup *setup, char *description, size_t size,
                     struct err *err)
{
    size_t count = setup->mount_count + 1;
    _buf_ struct buf text = BUF_INIT(size - 1);
    applications.all = calloc(count, sizeof *applications.all);
    applications.order = calloc(count, sizeof *applications.order);
    if (applications.all == NULL || applications.order == NULL)
        return err_set(err, ERR_FAILED, "no memory for %zu applications", count);
    if (names_init() < 0)
        return pyerr_report(err);
    if (load_all(setup, &text, err) < 0)
        return -1;
    snprintf(description, size, "%s", buf_text(&text));
    qsort(applications.order, applications.count, sizeof *applications.order, compare_prefixes);
    return init_all(setup) < 0 ? pyerr_report(err) : 0;
}

void application_unload(void)
{
    for (size_t i = 0; i < applications.count; i++) {
        struct application *application = &applications.all[i];
        if (i < applications.prepared)
            bridges[application->interface].fini(application);
        Py_CLEAR(application->callable);
        Py_CLEAR(application->object);
        free(application->name);
        free((char *)(uintptr_t)application->prefix.data);
    }
    if (applications.wsgi)
        wsgi_stop();
    // The names stay: what an application keeps may be used until the interpreter has ended.
    free(applications.all);
    free(applications.order);
    memset(&applications, 0, sizeof applications);
}

size_t application_count(void)
{
    return applications.count;
}

struct application *application_at(size_t index)
{
    must(index < applications.count);
    return &applications.all[index];
}

const struct application *application_of(const struct request *request)
{
    const struct application *last = applications.order[applications.count - 1];
    if (applications.count == 1 && last->prefix.size == 0)
        return last;
    struct str path, query;
    target_split(request_head(request)->target, &path, &query);
    for (size_t i = 0; i < applications.count; i++) {
        const struct application *application = applications.order[i];
        if (target_strip_prefix(path, application->prefix, &query))
            return application;
    }
    return NULL;
}

void application_handle(struct request *request)
{
    const struct application *application = application_of(request);
    if (application != NULL)
        bridges[application->interface].handle(application, request);
    else
        request_fail(request, 404);
}

bool application_is_async(void)
{
    return applications.async;
}

bool application_is_mixed(void)
{
    return applications.async && applications.wsgi;
}

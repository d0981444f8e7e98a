// runtime.c - fills in the appliance's runtime table: which process starts an interpreter, for
// what, and who holds the GIL.
#include "runtime.h"

#include <string.h>

#include "application.h"
#include "crash.h"
#include "current.h"
#include "embed.h"
#include "forked.h"
#include "hooks.h"
#include "interp.h"
#include "loop.h"
#include "py.h"
#include "pool.h"
#include "reactor.h"
#include "streams.h"
#include "thread.h"
#include "traceback.h"

// A new list of str, or NULL with an exception set.
static PyObject *strings(char *const *items, size_t count)
{
    _pyref_ PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count; i++) {
        _pyref_ PyObject *item = PyUnicode_DecodeFSDefault(items[i]);
        if (item == NULL || PyList_Append(list, item) < 0)
            return NULL;
    }
    return py_steal(&list);
}

// A file that cannot be read, or what limpet.settings says about its content.
static int settings_failed(const char *file, struct err *err)
{
    _pyref_ PyObject *exception = PyErr_GetRaisedException();
    bool unreadable = PyObject_TypeCheck(exception, (PyTypeObject *)PyExc_OSError);
    _pyref_ PyObject *text =
        unreadable ? PyObject_GetAttrString(exception, "strerror") : PyObject_Str(exception);
    const char *utf8 = text != NULL && PyUnicode_Check(text) ? PyUnicode_AsUTF8(text) : NULL;
    PyErr_Clear();
    return err_set(err, unreadable ? ERR_FAILED : ERR_USAGE, "%s: %s", file,
                   utf8 != NULL ? utf8 : "cannot be read");
}

// limpet.settings.read(file, table) -> lines
static int settings_lines(const char *file, const char *table, struct buf *out, struct err *err)
{
    _pyref_ PyObject *module = PyImport_ImportModule("limpet.settings");
    if (module == NULL)
        return pyerr_report(err);
    _pyref_ PyObject *lines = PyObject_CallMethod(module, "read", "ss", file, table);
    if (lines == NULL)
        return settings_failed(file, err);
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(lines, &size);
    if (text == NULL)
        return pyerr_take(err);
    if (buf_append(out, text, (size_t)size) < 0)
        return err_set(err, ERR_USAGE, "%s: too large for a settings file", file);
    return 0;
}

static int read_settings(const struct archive *archive, const char *file, const char *table,
                         struct buf *out, struct err *err)
{
    if (interp_start(archive, 0, NULL, err) < 0)
        return -1;
    int result = settings_lines(file, table, out, err);
    interp_stop();
    return result;
}

// limpet.loader.set_environment([file, ...])
static int set_environment(const struct runtime_setup *setup, struct err *err)
{
    if (setup->env_file_count == 0)
        return 0;
    _pyref_ PyObject *loader = PyImport_ImportModule("limpet.loader");
    _pyref_ PyObject *files = strings(setup->env_files, setup->env_file_count);
    if (loader == NULL || files == NULL)
        return pyerr_report(err);
    _pyref_ PyObject *done = PyObject_CallMethod(loader, "set_environment", "O", files);
    return done != NULL ? 0 : application_load_failed(setup->target, err);
}

// What a worker does before it serves.
static int begin_worker(struct err *err)
{
    if (hooks_run("on_worker_start", err) < 0)
        return -1;
    if (!application_is_async())
        return 0;
    return loop_init() < 0 ? pyerr_report(err) : loop_start(err);
}

// From here on what the application says goes to the log, with the request that it says it for.
static int begin_log(const struct runtime_setup *setup, struct err *err)
{
    if (!setup->logs)
        return 0;
    return current_init() < 0 || streams_install() < 0 ? pyerr_report(err) : 0;
}

static int start(const struct runtime_setup *setup, char *description, size_t size, struct err *err)
{
    char *arguments[] = {(char *)(uintptr_t)archive_path(setup->archive)};
    crash_set_language_dump(traceback_dump);
    thread_use_name(setup->name);
    if (interp_start(setup->archive, 1, arguments, err) < 0 || begin_log(setup, err) < 0 ||
        set_environment(setup, err) < 0)
        return -1;
    if (setup->working_folder != NULL && chdir(setup->working_folder) < 0)
        return err_system(err, errno, "--working-dir %s", setup->working_folder);
    if (application_load(setup, description, size, err) < 0)
        return -1;
    if (setup->first && hooks_run("on_start", err) < 0)
        return -1;
    return setup->serves ? begin_worker(err) : 0;
}

static int run(const struct runtime_run *run, struct err *err)
{
    struct pool_setup setup = {
        .reactor = run->reactor,
        .board = run->board,
        .stats = run->stats,
        .limit = run->threads,
        .idle_timeout = run->idle_timeout * 1000000,
        .attach = thread_attach,
        .detach = thread_detach,
        .start_thread = thread_start,
    };
    forked_watch();
    return application_is_async() ? loop_run(run, &setup, err) : pool_run(&setup, err);
}

// Applications of an event loop read a body as it comes.
static bool streams(void *owner, const struct request *request)
{
    (void)owner;
    const struct application *application = application_is_async() ? application_of(request) : NULL;
    return application != NULL && application->interface != APPLICATION_WSGI;
}

static void handle(void *owner, struct request *request)
{
    (void)owner;
    application_handle(request);
}

// The collector writes to every object that it looks at, which would take it out of what processes
// share: those that are there now are not looked at any more.
static int freeze_objects(struct err *err)
{
    _pyref_ PyObject *gc = PyImport_ImportModule("gc");
    _pyref_ PyObject *collected = gc != NULL ? PyObject_CallMethod(gc, "collect", NULL) : NULL;
    _pyref_ PyObject *frozen = collected != NULL ? PyObject_CallMethod(gc, "freeze", NULL) : NULL;
    return frozen != NULL ? 0 : pyerr_report(err);
}

// The first thread waits for other workers: the application's own threads go on meanwhile.
static bool waits;

static bool begin_wait(bool wanted)
{
    if (wanted)
        thread_detach();
    waits = wanted;
    return wanted;
}

static void end_wait(void)
{
    if (waits)
        thread_attach();
    waits = false;
}

static int tell(enum runtime_event event, struct err *err)
{
    switch (event) {
    case RUNTIME_STUCK:
        traceback_log_all();
        return 0;
    case RUNTIME_DRAIN:
        loop_drain();
        return hooks_run_in_thread("on_worker_stop", err);
    case RUNTIME_PRELOADED:
        return freeze_objects(err);
    case RUNTIME_FORKING:
        PyOS_BeforeFork();
        return 0;
    case RUNTIME_FORKED_PARENT:
        PyOS_AfterFork_Parent();
        return 0;
    case RUNTIME_FORKED_CHILD:
        PyOS_AfterFork_Child();
        return hooks_run("post_fork", err) < 0 ? -1 : begin_worker(err);
    case RUNTIME_LAST_WANTED:
        hooks_join(); // what belongs to a worker comes before what belongs to the server
        return begin_wait(hooks_has("on_stop"));
    case RUNTIME_LAST:
        end_wait();
        return hooks_run("on_stop", err);
    }
    return 0;
}

static void stop(void)
{
    end_wait();
    hooks_join();
    loop_fini();
    application_unload();
    interp_stop();
}

static int call_main(const char *module, int argc, char **argv, struct err *err)
{
    _pyref_ PyObject *imported = PyImport_ImportModule(module);
    _pyref_ PyObject *arguments = strings(argv, (size_t)argc);
    if (imported == NULL || arguments == NULL)
        return pyerr_report(err);
    _pyref_ PyObject *result = PyObject_CallMethod(imported, "main", "O", arguments);
    if (result == NULL)
        return pyerr_report(err);
    return PyLong_AsInt(result);
}

static int tool(const struct archive *archive, const char *module, int argc, char **argv)
{
    struct err err = {.kind = ERR_NONE};
    if (interp_start(archive, 0, NULL, &err) < 0) {
        fprintf(stderr, "limpet: %s\n", err.text);
        return 1;
    }
    int status = call_main(module, argc, argv, &err);
    if (interp_stop() < 0 && status == 0)
        status = 1;
    return status < 0 ? 1 : status;
}

const struct runtime python_runtime = {
    .name = "CPython " PY_VERSION,
    .read_settings = read_settings,
    .start = start,
    .run = run,
    .streams = streams,
    .handle = handle,
    .tell = tell,
    .stop = stop,
    .python = interp_python,
    .tool = tool,
};

// interp.c - PyConfig for the two ways of life: isolated inside a worker or a tool, and as plain
// "python" for scripts, the REPL and multiprocessing's children. Both run from the frozen standard
// library and the archive alone.
#include "py.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "cleanup.h"
#include "interp.h"
#include "mod_hash.h"
#include "mod_limpet.h"
#include "mod_ssl.h"
#include "rsgi.h"

extern const struct _frozen frozen_modules[]; // by toolchain/freeze.py

enum { PATH_TEXT_MAX = 64 * 1024 };

// Folders of the archive on sys.path, first wins.
static const char *const archive_folders[] = {"app", "site", "lib"};

static PyStatus set_path(PyConfig *config, wchar_t **field, const char *base, const char *tail)
{
    _buf_ struct buf path = BUF_INIT(PATH_TEXT_MAX);
    if (buf_printf(&path, "%s%s", base, tail) < 0)
        return PyStatus_NoMemory();
    return PyConfig_SetBytesString(config, field, buf_text(&path));
}

// Everything Python would search the file system for, told: the executable is the installation.
static PyStatus set_paths(PyConfig *config, const struct archive *archive)
{
    const char *self = archive_path(archive);
    struct {
        wchar_t **field;
        const char *tail;
    } fields[] = {
        {&config->program_name, ""},    {&config->executable, ""},
        {&config->base_executable, ""}, {&config->home, ""},
        {&config->prefix, ""},          {&config->base_prefix, ""},
        {&config->exec_prefix, ""},     {&config->base_exec_prefix, ""},
        {&config->stdlib_dir, "/lib"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        PyStatus status = set_path(config, fields[i].field, self, fields[i].tail);
        if (PyStatus_Exception(status))
            return status;
    }
    config->site_import = 0;
    config->user_site_directory = 0;
    config->use_frozen_modules = 1;
    config->pathconfig_warnings = 0;
    config->module_search_paths_set = 1;
    return PyStatus_Ok();
}

static PyStatus append_search_path(PyConfig *config, const char *base, const char *folder)
{
    _buf_ struct buf path = BUF_INIT(PATH_TEXT_MAX);
    if (buf_printf(&path, "%s/%s", base, folder) < 0)
        return PyStatus_NoMemory();
    wchar_t *wide = Py_DecodeLocale(buf_text(&path), NULL);
    if (wide == NULL)
        return PyStatus_NoMemory();
    PyStatus status = PyWideStringList_Append(&config->module_search_paths, wide);
    PyMem_RawFree(wide);
    return status;
}

static PyStatus append_archive_folders(PyConfig *config, const struct archive *archive)
{
    PyStatus status = PyStatus_Ok();
    for (size_t i = 0; i < sizeof archive_folders / sizeof archive_folders[0]; i++) {
        // An executable with nothing packed has no app: its name on sys.path would only cost
        // look-ups.
        if (archive_kind_of(archive, str_of(archive_folders[i])) != ARCHIVE_FOLDER)
            continue;
        status = append_search_path(config, archive_path(archive), archive_folders[i]);
        if (PyStatus_Exception(status))
            break;
    }
    return status;
}

// Before the interpreter: the frozen modules and the built-in ones of ours.
static int prepare(const struct archive *archive)
{
    PyImport_FrozenModules = frozen_modules;
    mod_limpet_use_archive(archive);
    if (PyImport_AppendInittab("_limpet_rsgi", rsgi_module) < 0 ||
        PyImport_AppendInittab("_ssl", mod_ssl_init) < 0 ||
        PyImport_AppendInittab("_hashlib", mod_hash_init) < 0)
        return -1;
    return PyImport_AppendInittab("_limpet", mod_limpet_init);
}

// After the interpreter started: the archive's folders on sys.path are read by our own finder.
static int install_importer(void)
{
    _pyref_ PyObject *module = PyImport_ImportModule("limpet.importer");
    if (module == NULL)
        return -1;
    _pyref_ PyObject *result = PyObject_CallMethod(module, "install", NULL);
    return result != NULL ? 0 : -1;
}

static int start_error(PyStatus status, struct err *err)
{
    return err_set(err, ERR_FAILED, "the Python interpreter does not start: %s",
                   status.err_msg != NULL ? status.err_msg : "no reason given");
}

static PyStatus start_isolated(const struct archive *archive, int argc, char **argv)
{
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    before.configure_locale = 0;
    PyStatus status = Py_PreInitialize(&before);
    if (PyStatus_Exception(status))
        return status;
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.parse_argv = 0;
    config.write_bytecode = 0;
    config.install_signal_handlers = 0;
    status = set_paths(&config, archive);
    if (!PyStatus_Exception(status))
        status = append_archive_folders(&config, archive);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesArgv(&config, argc, argv);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    return status;
}

int interp_start(const struct archive *archive, int argc, char **argv, struct err *err)
{
    if (prepare(archive) < 0)
        return err_set(err, ERR_FAILED, "the Python interpreter does not start: out of memory");
    PyStatus status = start_isolated(archive, argc, argv);
    if (PyStatus_Exception(status))
        return start_error(status, err);
    if (install_importer() < 0)
        return pyerr_report(err);
    return 0;
}

int interp_stop(void)
{
    return Py_FinalizeEx();
}

// PYTHONPATH, as PyConfig_Read found it: we set the search path ourselves, so this part is ours
// too. An empty part of it is the working folder.
static PyStatus append_environment_path(PyConfig *config, const wchar_t *rest)
{
    PyStatus status = PyStatus_Ok();
    if (rest != NULL && *rest == L'\0')
        rest = NULL;
    while (rest != NULL && !PyStatus_Exception(status)) {
        size_t size = wcscspn(rest, L":");
        wchar_t *one = PyMem_RawCalloc(size + 1, sizeof *one);
        if (one == NULL)
            return PyStatus_NoMemory();
        wmemcpy(one, rest, size);
        status = PyWideStringList_Append(&config->module_search_paths, one);
        PyMem_RawFree(one);
        rest = rest[size] == L':' ? rest + size + 1 : NULL;
    }
    return status;
}

// "shop python manage.py migrate": a script that is not on disk is looked for in the packed
// application, and then called by its place there, as sys.argv[0] and sys.path[0] must lead to it.
static PyStatus find_packed_script(const struct archive *archive, char **script)
{
    _buf_ struct buf path = BUF_INIT(PATH_TEXT_MAX);
    size_t root = strlen(archive_path(archive)) + 1;
    if (access(*script, F_OK) == 0 ||
        buf_printf(&path, "%s/app/%s", archive_path(archive), *script) < 0)
        return PyStatus_Ok();
    struct str member = {buf_text(&path) + root, path.size - root};
    if (archive_kind_of(archive, member) != ARCHIVE_FILE)
        return PyStatus_Ok();
    // It takes the place of an argument, which nobody frees either.
    char *name = strdup(buf_text(&path));
    if (name == NULL)
        return PyStatus_NoMemory();
    *script = name;
    return PyStatus_Ok();
}

// The parts of the configuration that arguments and environment decide, but we fill in. They are
// read into a configuration of their own: CPython 3.14 forgets -X warn_default_encoding when one is
// read and then used.
static PyStatus configure_asked(PyConfig *config, const struct archive *archive, int argc,
                                char **argv)
{
    PyConfig asked;
    PyConfig_InitPythonConfig(&asked);
    PyStatus status = PyConfig_SetBytesArgv(&asked, argc, argv);
    if (!PyStatus_Exception(status))
        status = PyConfig_Read(&asked);
    if (!PyStatus_Exception(status))
        status = append_environment_path(config, asked.pythonpath_env);
    if (!PyStatus_Exception(status))
        status = append_archive_folders(config, archive);
    // What is left of the arguments begins with the script, if there is one.
    if (!PyStatus_Exception(status) && asked.run_filename != NULL)
        status = find_packed_script(archive, &argv[argc - (int)asked.argv.length]);
    PyConfig_Clear(&asked);
    return status;
}

static PyStatus configure_python(PyConfig *config, const struct archive *archive, int argc,
                                 char **argv)
{
    PyStatus status = configure_asked(config, archive, argc, argv);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesArgv(config, argc, argv);
    if (!PyStatus_Exception(status))
        status = set_paths(config, archive);
    // The REPL's exit, help and history come from site; -S still leaves it out.
    config->site_import = 1;
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(config);
    return status;
}

int interp_python(const struct archive *archive, int argc, char **argv)
{
    if (prepare(archive) < 0)
        return 1;
    PyPreConfig before;
    PyPreConfig_InitPythonConfig(&before);
    PyStatus status = Py_PreInitializeFromBytesArgs(&before, argc, argv);
    if (!PyStatus_Exception(status)) {
        PyConfig config;
        PyConfig_InitPythonConfig(&config);
        status = configure_python(&config, archive, argc, argv);
        PyConfig_Clear(&config);
    }
    if (PyStatus_IsExit(status))
        return status.exitcode;
    if (PyStatus_Exception(status))
        Py_ExitStatusException(status);
    if (install_importer() < 0)
        PyErr_Print();
    // sys.exit(-1) is the status 255.
    return Py_RunMain() & 0xff;
}

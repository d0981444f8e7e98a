// dl.c - dlopen, dlsym, dlclose and dlerror for a static binary, in place of musl's, which always
// fail: with them "import ctypes" works, and ctypes.CDLL(None), CDLL("libc.so.6") and
// ctypes.pythonapi find what the program itself is made of. Nothing is ever loaded.
//
// A static binary has no symbol table at run time, so there is one here, made from dl_symbols.def.
// That a function stands in it brings it into the binary.
//
// To be compiled without link-time optimisation: the declarations below say no more of a symbol
// than that it is there, which the optimiser takes for mistakes.
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// Each row declares its symbol under a name of our own, made from the row's line, so that it
// contradicts no header, and stands in the table under its true name.
#define DL_OWN_NAME(line) DL_OWN_NAME_OF(line)
#define DL_OWN_NAME_OF(line) symbol_in_line_##line

#define DL_FUNCTION(name) void DL_OWN_NAME(__LINE__)(void) __asm__(name);
#if _REDIR_TIME64
#define DL_TIME(name, name_64) DL_FUNCTION(name_64)
#else
#define DL_TIME(name, name_64) DL_FUNCTION(name)
#endif
#define DL_DATA(name) extern char DL_OWN_NAME(__LINE__)[] __asm__(name);
#include "dl_symbols.def"
#undef DL_FUNCTION
#undef DL_TIME
#undef DL_DATA

struct symbol {
    const char *name;
    void *address;
};

#define DL_FUNCTION(name) {name, (void *)DL_OWN_NAME(__LINE__)},
#define DL_TIME(name, name_64) DL_FUNCTION(name)
#define DL_DATA(name) {name, DL_OWN_NAME(__LINE__)},
static const struct symbol symbols[] = {
#include "dl_symbols.def"
};
#undef DL_FUNCTION
#undef DL_TIME
#undef DL_DATA

enum { SYMBOL_COUNT = sizeof symbols / sizeof symbols[0] };

// The one library there is: its address is the handle.
static char program;

// The last failure of this thread, until dlerror has told it.
static _Thread_local struct {
    bool pending;
    char text[512];
} failure;

static void fail(const char *name, const char *problem)
{
    snprintf(failure.text, sizeof failure.text, "%s: %s", name, problem);
    failure.pending = true;
}

// Libraries whose content is in this program, whatever their version and folder: "libc.so.6",
// "libc.musl-x86_64.so.1", "/usr/lib/libm.so".
static bool is_within_program(const char *file)
{
    static const char *const prefixes[] = {
        "libc.", "libm.", "libpthread.", "libdl.", "librt.", "libutil.", "libpython3.",
    };
    const char *slash = strrchr(file, '/');
    const char *name = slash != NULL ? slash + 1 : file;
    if (strstr(name, ".so") == NULL)
        return false;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return false;
}

void *dlopen(const char *file, int mode)
{
    (void)mode; // everything is bound and visible already
    if (file == NULL || is_within_program(file))
        return &program;
    fail(file, "a static binary cannot load shared libraries");
    return NULL;
}

int dlclose(void *handle)
{
    if (handle == &program)
        return 0;
    fail("dlclose", "not a handle of dlopen");
    return -1;
}

static void *find_symbol(const char *name)
{
    size_t low = 0, high = SYMBOL_COUNT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, symbols[middle].name);
        if (order == 0)
            return symbols[middle].address;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

void *dlsym(void *restrict handle, const char *restrict name)
{
    if (handle == RTLD_NEXT) {
        fail(name, "no library follows a static binary");
        return NULL;
    }
    if (handle != RTLD_DEFAULT && handle != &program) {
        fail("dlsym", "not a handle of dlopen");
        return NULL;
    }
    void *address = find_symbol(name);
    if (address == NULL)
        fail(name, "undefined symbol, or not in the table of this static binary");
    return address;
}

#if _REDIR_TIME64
// What musl's <dlfcn.h> makes of it on 32-bit ARM, behind headers that know times.
void *__dlsym_time64(void *restrict handle, const char *restrict name)
    __attribute__((alias("dlsym")));
#endif

char *dlerror(void)
{
    if (!failure.pending)
        return NULL;
    failure.pending = false;
    return failure.text;
}

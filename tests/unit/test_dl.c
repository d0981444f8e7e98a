// test_dl.c - toolchain/shims/dl.c with its real table, so linked like the product: statically with
// musl, libpython and what libpython needs (see toolchain/shims/README.md). Starts no interpreter.
#include "../../toolchain/shims/dl.c"

#include "unit.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

// Of libpython, declared as far as addresses go.
extern void *PyExc_ValueError;
void *PyLong_FromLong(long value);

static bool is_at(const void *found, uintptr_t expected)
{
    return found != NULL && (uintptr_t)found == expected;
}

static void test_table_is_sorted(void)
{
    for (size_t i = 1; i < SYMBOL_COUNT; i++) {
        if (strcmp(symbols[i - 1].name, symbols[i].name) < 0)
            continue;
        printf("    %s stands before %s\n", symbols[i - 1].name, symbols[i].name);
        CHECK(!"sorted, each name once");
    }
}

static void test_every_row_is_found(void)
{
    void *handle = dlopen(NULL, RTLD_NOW);
    CHECK(handle != NULL);
    for (size_t i = 0; i < SYMBOL_COUNT; i++) {
        CHECK(symbols[i].address != NULL);
        CHECK(dlsym(handle, symbols[i].name) == symbols[i].address);
        CHECK(dlsym(RTLD_DEFAULT, symbols[i].name) == symbols[i].address);
    }
    CHECK(dlerror() == NULL);
}

static void test_addresses_are_true(void)
{
    void *handle = dlopen("libc.so.6", RTLD_LAZY);
    CHECK(is_at(dlsym(handle, "strlen"), (uintptr_t)strlen));
    CHECK(is_at(dlsym(handle, "getpid"), (uintptr_t)getpid));
    CHECK(is_at(dlsym(handle, "write"), (uintptr_t)write));
    CHECK(is_at(dlsym(handle, "__errno_location"), (uintptr_t)__errno_location));
    CHECK(is_at(dlsym(handle, "environ"), (uintptr_t)&environ));
    CHECK(is_at(dlsym(handle, "pow"), (uintptr_t)(double (*)(double, double))pow));
    CHECK(is_at(dlsym(handle, "dlsym"), (uintptr_t)dlsym));
    CHECK(is_at(dlsym(handle, "PyLong_FromLong"), (uintptr_t)PyLong_FromLong));
    CHECK(is_at(dlsym(handle, "PyExc_ValueError"), (uintptr_t)&PyExc_ValueError));
    size_t (*measure)(const char *) = (size_t(*)(const char *))dlsym(handle, "strlen");
    CHECK(measure("four") == 4);
}

static void test_unknown_symbols(void)
{
    static const char *const names[] = {"", "!", "strle", "strlenx", "Strlen", "Py", "\x7f\x7f"};
    void *handle = dlopen(NULL, RTLD_NOW);
    for (size_t i = 0; i < UNIT_COUNT(names); i++) {
        CHECK(dlsym(handle, names[i]) == NULL);
        const char *text = dlerror();
        CHECK(text != NULL);
        CHECK_CONTAINS(text, names[i]);
        CHECK_CONTAINS(text, ": undefined symbol");
    }
}

static void test_libraries_within(void)
{
    static const char *const within[] = {
        "libc.so",          "libc.so.6",       "libc.musl-x86_64.so.1",
        "libm.so.6",        "libpthread.so.0", "/lib/x86_64-linux-gnu/libc.so.6",
        "libpython3.14.so", "libpython3.so",   "./libdl.so.2",
    };
    for (size_t i = 0; i < UNIT_COUNT(within); i++) {
        void *handle = dlopen(within[i], RTLD_NOW);
        CHECK(handle != NULL);
        CHECK(handle == dlopen(NULL, RTLD_NOW));
        CHECK(dlclose(handle) == 0);
    }
    CHECK(dlerror() == NULL);
}

static void test_other_libraries(void)
{
    static const char *const others[] = {
        "libssl.so.3",
        "libcrypt.so.1",
        "libcrypto.so.3",
        "/opt/libc.so.d/libz.so.1",
        "libc.a",
        "",
        "libc",
        "xlibc.so.6",
        "/tmp/module.cpython-314.so",
    };
    for (size_t i = 0; i < UNIT_COUNT(others); i++) {
        char expected[100];
        snprintf(expected, sizeof expected, "%s: a static binary cannot load shared libraries",
                 others[i]);
        CHECK(dlopen(others[i], RTLD_NOW) == NULL);
        CHECK_STR(dlerror(), expected);
    }
}

static void test_bad_handles(void)
{
    int nothing;
    CHECK(dlsym(&nothing, "strlen") == NULL);
    CHECK_STR(dlerror(), "dlsym: not a handle of dlopen");
    CHECK(dlclose(&nothing) != 0);
    CHECK_STR(dlerror(), "dlclose: not a handle of dlopen");
    CHECK(dlclose(NULL) != 0);
    CHECK(dlerror() != NULL);
    CHECK(dlsym(RTLD_NEXT, "strlen") == NULL);
    CHECK_CONTAINS(dlerror(), "strlen: ");
}

static void test_error_is_told_once(void)
{
    CHECK(dlerror() == NULL);
    CHECK(dlopen("libfirst.so", RTLD_NOW) == NULL);
    CHECK(dlopen("libsecond.so", RTLD_NOW) == NULL);
    CHECK_CONTAINS(dlerror(), "libsecond.so");
    CHECK(dlerror() == NULL);
}

static void test_long_names(void)
{
    char name[2000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    CHECK(dlopen(name, RTLD_NOW) == NULL);
    const char *text = dlerror();
    CHECK(text != NULL && strncmp(text, name, 500) == 0 && strlen(text) < 600);
}

static void *fail_here(void *argument)
{
    bool clean = dlerror() == NULL; // the first thread's failure is not ours
    bool failed = dlopen("libinner.so", RTLD_NOW) == NULL;
    const char *text = dlerror();
    return clean && failed && text != NULL && strstr(text, "libinner.so") != NULL ? argument : NULL;
}

static void test_errors_are_per_thread(void)
{
    pthread_t thread;
    void *result = NULL;
    CHECK(dlopen("libouter.so", RTLD_NOW) == NULL);
    char mark;
    CHECK(pthread_create(&thread, NULL, fail_here, &mark) == 0);
    CHECK(pthread_join(thread, &result) == 0);
    CHECK(result == &mark);
    CHECK_CONTAINS(dlerror(), "libouter.so");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_table_is_sorted),    UNIT_CASE(test_every_row_is_found),
    UNIT_CASE(test_addresses_are_true), UNIT_CASE(test_unknown_symbols),
    UNIT_CASE(test_libraries_within),   UNIT_CASE(test_other_libraries),
    UNIT_CASE(test_bad_handles),        UNIT_CASE(test_error_is_told_once),
    UNIT_CASE(test_long_names),         UNIT_CASE(test_errors_are_per_thread),
};

int main(void)
{
    return unit_main("dl", cases, UNIT_COUNT(cases));
}

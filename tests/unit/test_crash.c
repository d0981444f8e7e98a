// test_crash.c - children that crash in several ways: what they leave on standard error, and what
// they end by. Under sanitizers, whose handlers stay, only that.
#include "crash.h"

#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "unit.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { FUNCTION_SIZE = 512 }; // bytes, more than any function here has

extern const char __executable_start[], etext[];

static char text[64 << 10]; // what the last child wrote
static int status;          // what it ended with
static pid_t child;
static int ready; // the end of a pipe that a child writes to when it can be sent a signal

// Run crash in a child that watches for crashes; what it writes goes into text.
static void run(void (*crash)(void))
{
    int ends[2], readiness[2];
    if (pipe(ends) < 0 || pipe(readiness) < 0)
        abort();
    child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        alarm(60);
        ready = readiness[1];
        log_set_role("worker-2");
        crash_init();
        crash();
        _exit(0);
    }
    close(ends[1]);
    close(readiness[1]);
    char byte;
    if (read(readiness[0], &byte, 1) == 1)
        kill(child, SIGABRT);
    size_t size = 0;
    ssize_t count;
    while ((count = read(ends[0], text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)count;
    text[size] = '\0';
    close(ends[0]);
    close(readiness[0]);
    waitpid(child, &status, 0);
}

static bool matches(const char *pattern)
{
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    bool found = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

// The report's first line, with such a cause.
static bool has_headline(const char *cause)
{
    char pattern[512];
    snprintf(pattern, sizeof pattern,
             "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}Z error "
             "worker-2\\[%d\\] crash: %s, build id [0-9a-f]{40}\n    #0 0x[0-9a-f]{16}",
             (int)child, cause);
    return matches(pattern);
}

static unsigned count_of(const char *part)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

// The offset of a frame; 0: there is no such frame, or it has none.
static uintptr_t offset_of(unsigned frame)
{
    char mark[32];
    unsigned long address, offset;
    snprintf(mark, sizeof mark, "    #%u ", frame);
    const char *line = strstr(text, mark);
    if (line == NULL || sscanf(line + strlen(mark), "0x%lx limpet+0x%lx", &address, &offset) != 2)
        return 0;
    return offset;
}

// The first frame that is of a function, or -1.
static int frame_of(void (*function)(void))
{
    uintptr_t start = (uintptr_t)function;
#ifdef __arm__
    start &= ~(uintptr_t)1; // which tells Thumb
#endif
    for (unsigned i = 0; offset_of(i) != 0; i++) {
        if (offset_of(i) >= start && offset_of(i) < start + FUNCTION_SIZE)
            return (int)i;
    }
    return -1;
}

static bool ended_by(int number)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == number;
}

// What a caller does behind the call, so that it is none that is jumped to.
#define BEHIND() __asm__ volatile("" ::: "memory")

static volatile uintptr_t bad_address = 16;

__attribute__((noinline)) static void write_badly(void)
{
    *(volatile int *)bad_address = 1;
    BEHIND();
}

__attribute__((noinline)) static void call_write(void)
{
    write_badly();
    BEHIND();
}

static void test_a_bad_write(void)
{
    run(call_write);
    CHECK(ended_by(SIGSEGV));
    CHECK(has_headline("SIGSEGV at address 0x10 \\(code 1\\)"));
    CHECK(frame_of(write_badly) == 0);
    CHECK(frame_of(call_write) == 1);
    CHECK(frame_of(test_a_bad_write) > 1);
    for (unsigned i = 0; i < 4; i++)
        CHECK(offset_of(i) >= (uintptr_t)__executable_start && offset_of(i) < (uintptr_t)etext);
}

__attribute__((noinline)) static void call_abort(void)
{
    abort();
}

static void test_abort(void)
{
    run(call_abort);
    CHECK(ended_by(SIGABRT));
    CHECK(has_headline("SIGABRT raised by itself \\(code -6\\)"));
    CHECK(frame_of(call_abort) > 0);
    CHECK(frame_of(test_abort) > frame_of(call_abort));
    CHECK(count_of(" crash: ") == 1);
}

static void (*volatile wrong_function)(void);

__attribute__((noinline)) static void call_nothing(void)
{
    wrong_function();
    BEHIND();
}

static void test_a_call_of_what_is_no_function(void)
{
    run(call_nothing);
    CHECK(ended_by(SIGSEGV));
    CHECK(has_headline("SIGSEGV at address 0x0 \\(code 1\\)"));
    CHECK_CONTAINS(text, "    #0 0x0000000000000000\n    #1 ");
    char *first = strstr(text, "    #0 ");
    if (first != NULL)
        memcpy(first, "    #- ", 7);
    CHECK(count_of("    #2 ") == 1);
    CHECK(offset_of(1) >= (uintptr_t)call_nothing &&
          offset_of(1) < (uintptr_t)call_nothing + FUNCTION_SIZE);
}

static void format_badly(void)
{
    char buffer[8];
    snprintf(buffer, sizeof buffer, "%s", (const char *)bad_address);
    BEHIND();
}

static void test_within_the_c_library(void)
{
    run(format_badly);
    CHECK(ended_by(SIGSEGV));
    CHECK(frame_of(format_badly) > 0);
    CHECK(frame_of(test_within_the_c_library) > frame_of(format_badly));
}

static volatile bool endless = true;

__attribute__((noinline)) static void recurse(void)
{
    volatile char room[1000];
    room[0] = 1;
    if (endless)
        recurse();
    room[1] = room[0];
}

static void test_stack_overflow(void)
{
    run(recurse);
    CHECK(ended_by(SIGSEGV));
    CHECK(matches(" crash: SIGSEGV at address 0x[0-9a-f]+ \\(code [12]\\), "));
    CHECK(frame_of(recurse) == 0);
    CHECK(count_of("limpet+0x") == 64);
    CHECK_CONTAINS(text, "    #63 ");
    CHECK_CONTAINS(text, "\n    ...\n");
}

static void *run_with_stack(void *argument)
{
    crash_init_thread();
    crash_init_thread();
    (*(void (**)(void))argument)();
    crash_fini_thread();
    return NULL;
}

static void in_thread(void (*crash)(void))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_with_stack, &crash) == 0)
        pthread_join(thread, NULL);
}

static void overflow_in_thread(void)
{
    in_thread(recurse);
}

static void write_in_thread(void)
{
    in_thread(call_write);
}

static void test_in_a_thread(void)
{
    run(overflow_in_thread);
    CHECK(ended_by(SIGSEGV));
    CHECK(frame_of(recurse) == 0);
    CHECK_CONTAINS(text, "    #63 ");
    run(write_in_thread);
    CHECK(ended_by(SIGSEGV));
    CHECK(has_headline("SIGSEGV at address 0x10 \\(code 1\\)"));
    CHECK(frame_of(write_badly) == 0);
    CHECK(frame_of(call_write) == 1);
}

static void do_nothing(void)
{
    BEHIND();
}

static void crash_after_thread(void)
{
    in_thread(do_nothing);
    stack_t told;
    if (sigaltstack(NULL, &told) == 0 && !(told.ss_flags & SS_DISABLE))
        call_write();
}

static void test_a_thread_that_ended_leaves_the_others_theirs(void)
{
    run(crash_after_thread);
    CHECK(frame_of(call_write) == 1);
}

static pthread_barrier_t together;

static void *crash_together(void *nothing)
{
    (void)nothing;
    crash_init_thread();
    pthread_barrier_wait(&together);
    call_write();
    return NULL;
}

static void crash_in_threads(void)
{
    pthread_t threads[4];
    pthread_barrier_init(&together, NULL, 4);
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, crash_together, NULL);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void test_threads_that_crash_at_once_leave_one_report(void)
{
    for (unsigned i = 0; i < 20; i++) {
        run(crash_in_threads);
        CHECK(ended_by(SIGSEGV));
        CHECK(count_of(" crash: ") == 1);
        CHECK(count_of("    #1 ") == 1);
    }
}

static void wait_for_signal(void)
{
    char byte = 0;
    int ends[2];
    // Which never comes to it: musl's system calls are others where threads can be cancelled.
    if (pipe(ends) == 0 && write(ready, "", 1) == 1 && read(ends[0], &byte, 1) == 1)
        pthread_cancel(pthread_self());
    BEHIND();
}

static void test_a_signal_of_another_process(void)
{
    char cause[64];
    run(wait_for_signal);
    CHECK(ended_by(SIGABRT));
    snprintf(cause, sizeof cause, "SIGABRT sent by process %d \\(code 0\\)", (int)getpid());
    CHECK(has_headline(cause));
    CHECK(frame_of(wait_for_signal) > 0);
}

static void dump(int fd)
{
    ssize_t ignored = write(fd, "Stack of a language\n", 20);
    (void)ignored;
}

static void crash_with_dump(void)
{
    crash_set_language_dump(dump);
    call_write();
}

static void test_the_language_has_its_say(void)
{
    run(crash_with_dump);
    CHECK(ended_by(SIGSEGV));
    CHECK(matches("    #1 .*\nStack of a language\n$"));
}

static void dump_badly(int fd)
{
    dump(fd);
    write_badly();
}

static void abort_with_bad_dump(void)
{
    crash_set_language_dump(dump_badly);
    abort();
}

static void write_with_bad_dump(void)
{
    crash_set_language_dump(dump_badly);
    write_badly();
}

static void test_a_crash_in_a_report_ends_it(void)
{
    run(abort_with_bad_dump);
    CHECK(ended_by(SIGABRT));
    CHECK(matches("Stack of a language\n    cut short by signal 11\n$"));
    CHECK(count_of(" crash: ") == 1);
    run(write_with_bad_dump);
    CHECK(ended_by(SIGSEGV));
    CHECK(matches("Stack of a language\n    cut short by signal 11\n$"));
    CHECK(count_of(" crash: ") == 1);
}

static void crash_in_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        call_write();
    char expected[64];
    waitpid(pid, &status, 0);
    snprintf(expected, sizeof expected, "forked as %d ended by %d\n", (int)pid, WTERMSIG(status));
    ssize_t ignored = write(STDERR_FILENO, expected, strlen(expected));
    (void)ignored;
    call_write();
}

static void test_forked_processes_say_their_own_number(void)
{
    int pid = 0, number = 0;
    char expected[64];
    run(crash_in_fork);
    CHECK(ended_by(SIGSEGV));
    CHECK(count_of(" crash: ") == 2);
    const char *line = strstr(text, "forked as ");
    CHECK(line != NULL && sscanf(line, "forked as %d ended by %d", &pid, &number) == 2);
    CHECK(number == SIGSEGV && pid != child);
    snprintf(expected, sizeof expected, " worker-2[%d] crash: ", pid);
    CHECK_CONTAINS(text, expected);
    snprintf(expected, sizeof expected, " worker-2[%d] crash: ", (int)child);
    CHECK_CONTAINS(text, expected);
}

static void miscalculate(void)
{
    raise(SIGFPE);
    BEHIND();
}

static void stop_at_breakpoint(void)
{
    raise(SIGTRAP);
    BEHIND();
}

// Gcc's trap is an instruction that is none, or a debugger's breakpoint.
#if defined __aarch64__ || defined __riscv
#define OF_TRAP SIGTRAP, "crash: SIGTRAP "
#else
#define OF_TRAP SIGILL, "crash: SIGILL "
#endif

static void run_into_trap(void)
{
    __builtin_trap();
}

static void test_other_signals(void)
{
    static const struct {
        void (*crash)(void);
        int number;
        const char *name;
    } rows[] = {{miscalculate, SIGFPE, "crash: SIGFPE "},
                {stop_at_breakpoint, SIGTRAP, "crash: SIGTRAP "},
                {run_into_trap, OF_TRAP}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        run(rows[i].crash);
        CHECK(ended_by(rows[i].number));
        CHECK_CONTAINS(text, rows[i].name);
        CHECK(frame_of(rows[i].crash) >= 0);
    }
}

static void test_sanitizers_keep_their_handlers(void)
{
    struct sigaction before, after;
    sigaction(SIGSEGV, NULL, &before);
    crash_init();
    sigaction(SIGSEGV, NULL, &after);
    CHECK(before.sa_sigaction == after.sa_sigaction);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_a_bad_write),
    UNIT_CASE(test_abort),
    UNIT_CASE(test_a_call_of_what_is_no_function),
    UNIT_CASE(test_within_the_c_library),
    UNIT_CASE(test_stack_overflow),
    UNIT_CASE(test_in_a_thread),
    UNIT_CASE(test_a_thread_that_ended_leaves_the_others_theirs),
    UNIT_CASE(test_threads_that_crash_at_once_leave_one_report),
    UNIT_CASE(test_a_signal_of_another_process),
    UNIT_CASE(test_the_language_has_its_say),
    UNIT_CASE(test_a_crash_in_a_report_ends_it),
    UNIT_CASE(test_forked_processes_say_their_own_number),
    UNIT_CASE(test_other_signals),
};

static const struct unit_case sanitized_cases[] = {
    UNIT_CASE(test_sanitizers_keep_their_handlers),
};

int main(void)
{
    if (SANITIZED)
        return unit_main("crash", sanitized_cases, UNIT_COUNT(sanitized_cases));
    return unit_main("crash", cases, UNIT_COUNT(cases));
}

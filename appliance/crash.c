// crash.c - the signals of a crash: the handler, its stacks, and the end of the process. What is
// written stands in crash_text.c and crash_frames.c.
#include "crash.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crash_priv.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { WATCHED = 0 };
#else
enum { WATCHED = 1 };
#endif

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

// Bytes. The unwinder's own needs and, as many times as a report has parts, what the kernel puts
// there: the registers, which are many on some processors.
enum { STACK_SIZE = 64 << 10, STACK_SIGNALS = 4 };

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};

enum { SIGNAL_COUNT = sizeof signals / sizeof signals[0] };

static void (*language_dump)(int fd);

void crash_set_language_dump(void (*dump)(int fd))
{
    language_dump = dump;
}

static void (*last)(void);

void crash_set_last(void (*write_last)(void))
{
    last = write_last;
}

// --- The report ---

struct crash {
    int number;
    const siginfo_t *info;
    ucontext_t *context;
};

static void write_headline(const struct crash *crash)
{
    crash_write_headline(crash->number, crash->info);
}

static void write_frames(const struct crash *crash)
{
    crash_write_frames(crash->context);
}

static void write_language(const struct crash *crash)
{
    (void)crash;
    if (language_dump != NULL)
        language_dump(STDERR_FILENO);
}

static void write_last(const struct crash *crash)
{
    (void)crash;
    if (last != NULL)
        last();
}

// In this order: the later ones walk through more of what may be broken.
static void (*const parts[])(const struct crash *) = {write_headline, write_frames, write_language,
                                                      write_last};

enum { PART_COUNT = sizeof parts / sizeof parts[0] };

// A process crashes once.
static struct {
    _Atomic uint64_t thread; // whose report it is: process and thread, as this_thread gives them
    struct crash crash;
    unsigned done; // parts that were begun
} report;

static uint64_t this_thread(void)
{
    return (uint64_t)getpid() << 32 | (uint32_t)gettid();
}

// Whether the report is this thread's to write; begun: it is in the midst of it. The report of the
// process that this one was forked from does not count.
static bool claim(bool *begun)
{
    uint64_t me = this_thread(), owner = atomic_load(&report.thread);
    while (owner >> 32 != me >> 32) {
        if (atomic_compare_exchange_weak(&report.thread, &owner, me)) {
            *begun = false;
            return true;
        }
    }
    *begun = true;
    return owner == me;
}

static void note_cut(int number)
{
    struct crash_text text = {.size = 0};
    crash_text_add(&text, "    cut short by signal ");
    crash_text_add_decimal(&text, number, 1);
    crash_text_add(&text, "\n");
    crash_text_write(&text);
}

static void set_handlers(const struct sigaction *action)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        sigaction(signals[i], action, NULL);
}

// The first signal once more, as it was, now by its default action: when the handler has returned,
// so that a core dump shows the place of the crash, or, where there is no way back, at once.
static void end(bool at_once)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t one;
    sigemptyset(&action.sa_mask);
    set_handlers(&action);
    sigemptyset(&one);
    sigaddset(&one, report.crash.number);
    sigprocmask(at_once ? SIG_UNBLOCK : SIG_BLOCK, &one, NULL);
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), report.crash.number, report.crash.info) <
        0)
        raise(report.crash.number);
    if (at_once)
        __builtin_trap(); // the first process of a container is spared what it sends itself
}

// A part that crashes, too, comes back here, and the next one is written: each is begun once, so
// this ends. Other threads that crash meanwhile wait for the end of the process.
static void on_crash(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    bool again;
    while (!claim(&again))
        pause();
    if (again) {
        note_cut(number);
    } else {
        report.crash = (struct crash){number, info, context};
        report.done = 0;
    }
    while (report.done < PART_COUNT)
        parts[report.done++](&report.crash);
    end(again);
    errno = saved;
}

// --- Stacks ---

// What a thread has one of: its stack for the handler, above a page that nobody may touch.
static _Thread_local struct {
    char *mapping; // NULL: none
    size_t size;   // of the mapping
    void *start;
} stack;

void crash_init_thread(void)
{
    if (!WATCHED || stack.mapping != NULL)
        return;
    size_t page = (size_t)getauxval(AT_PAGESZ);
    size_t size = STACK_SIZE + STACK_SIGNALS * (size_t)getauxval(AT_MINSIGSTKSZ);
    size = (size + page - 1) / page * page + page;
    char *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return;
    stack_t told = {.ss_sp = mapping + page, .ss_size = size - page};
    if (mprotect(mapping, page, PROT_NONE) < 0 || sigaltstack(&told, NULL) < 0) {
        munmap(mapping, size);
        return;
    }
    stack.mapping = mapping;
    stack.size = size;
    stack.start = told.ss_sp;
}

void crash_fini_thread(void)
{
    stack_t told;
    if (stack.mapping == NULL)
        return;
    // Somebody may have put his own in its place.
    if (sigaltstack(NULL, &told) == 0 && told.ss_sp == stack.start)
        sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    munmap(stack.mapping, stack.size);
    stack.mapping = NULL;
}

void crash_init(void)
{
    if (!WATCHED)
        return;
    crash_frames_init();
    crash_init_thread();
    // Not SA_RESETHAND: a part that crashes by the same signal comes back, too.
    struct sigaction action = {.sa_sigaction = on_crash,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    set_handlers(&action);
}

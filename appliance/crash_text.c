// crash_text.c - lines of a report, put together by hand, as printf is not for signal handlers; and
// the first of them, in the log's form.
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crash_priv.h"
#include "log.h"
#include "signals.h"

enum { DIGITS_MAX = 20 }; // of 64 bits, in decimal

void crash_text_add(struct crash_text *text, const char *part)
{
    while (*part != '\0' && text->size < sizeof text->data)
        text->data[text->size++] = *part++;
}

static void add_number(struct crash_text *text, uint64_t value, unsigned base, unsigned digits)
{
    char reversed[DIGITS_MAX + 1];
    char *at = reversed + DIGITS_MAX;
    *at = '\0';
    for (unsigned done = 0; done < DIGITS_MAX && (value != 0 || done < digits); done++) {
        *--at = "0123456789abcdef"[value % base];
        value /= base;
    }
    crash_text_add(text, at);
}

void crash_text_add_hex(struct crash_text *text, uintptr_t value, unsigned digits)
{
    add_number(text, value, 16, digits);
}

void crash_text_add_decimal(struct crash_text *text, int64_t value, unsigned digits)
{
    if (value < 0)
        crash_text_add(text, "-");
    add_number(text, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, digits);
}

void crash_text_write(struct crash_text *text)
{
    ssize_t ignored = write(STDERR_FILENO, text->data, text->size);
    (void)ignored;
    text->size = 0;
}

static void add_time(struct crash_text *text)
{
    struct timespec now = {0, 0};
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    // Arithmetic alone in musl, which is where this runs.
    gmtime_r(&now.tv_sec, &utc);
    const struct {
        int value;
        unsigned digits;
        const char *after;
    } parts[] = {
        {utc.tm_year + 1900, 4, "-"},
        {utc.tm_mon + 1, 2, "-"},
        {utc.tm_mday, 2, "T"},
        {utc.tm_hour, 2, ":"},
        {utc.tm_min, 2, ":"},
        {utc.tm_sec, 2, "."},
        {(int)(now.tv_nsec / 1000000), 3, "Z"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        crash_text_add_decimal(text, parts[i].value, parts[i].digits);
        crash_text_add(text, parts[i].after);
    }
}

// What came before the signal: an instruction that could not be carried out, or somebody's wish.
static void add_cause(struct crash_text *text, int number, const siginfo_t *info)
{
    if (info->si_code > 0 && number == SIGSYS) {
        crash_text_add(text, " at system call ");
        crash_text_add_decimal(text, info->si_syscall, 1);
    } else if (info->si_code > 0) {
        crash_text_add(text, " at address 0x");
        crash_text_add_hex(text, (uintptr_t)info->si_addr, 1);
    } else if (info->si_pid == getpid()) {
        crash_text_add(text, " raised by itself");
    } else {
        crash_text_add(text, " sent by process ");
        crash_text_add_decimal(text, info->si_pid, 1);
    }
    crash_text_add(text, " (code ");
    crash_text_add_decimal(text, info->si_code, 1);
    crash_text_add(text, "), ");
}

void crash_write_headline(int number, const siginfo_t *info)
{
    struct crash_text text = {.size = 0};
    char unnamed[32];
    add_time(&text);
    crash_text_add(&text, " error ");
    crash_text_add(&text, log_role());
    crash_text_add(&text, "[");
    crash_text_add_decimal(&text, getpid(), 1);
    crash_text_add(&text, "] crash: ");
    crash_text_add(&text, signals_name(number, unnamed, sizeof unnamed));
    add_cause(&text, number, info);
    crash_add_build_id(&text);
    crash_text_add(&text, "\n");
    crash_text_write(&text);
}

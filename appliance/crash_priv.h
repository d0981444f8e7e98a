// crash_priv.h - the parts of a report. All of it may be called in a signal handler.
#pragma once

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

// A line that is being put together; what does not fit is left out.
struct crash_text {
    size_t size;
    char data[512];
};

void crash_text_add(struct crash_text *text, const char *part);
// At least so many digits, with zeros before them.
void crash_text_add_hex(struct crash_text *text, uintptr_t value, unsigned digits);
void crash_text_add_decimal(struct crash_text *text, int64_t value, unsigned digits);
// Its one write to standard error. The text is empty afterwards.
void crash_text_write(struct crash_text *text);

// The first line of a report.
void crash_write_headline(int number, const siginfo_t *info);

// Look at the program's own headers, and make the unwinder do what it does only once. Before any
// signal.
void crash_frames_init(void);
// "build id 3f2a...", or that there is none.
void crash_add_build_id(struct crash_text *text);
// The frames from where the signal came from. The context is as it was afterwards.
void crash_write_frames(ucontext_t *context);

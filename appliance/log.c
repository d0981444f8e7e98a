// log.c - formats a record on the stack and writes it at once, so that lines of several processes
// never mix.
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOG_RECORD_MAX = 2048 }; // bytes, below PIPE_BUF: one write is one piece even on a pipe

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

// A process has one log and one role in it.
static struct {
    enum log_level level;
    char role[32];
    int pid;
} state = {.level = LOG_LEVEL_INFO, .role = "limpet"};

void log_set_level(enum log_level level)
{
    state.level = level;
}

bool log_enabled(enum log_level level)
{
    return level <= state.level;
}

void log_set_role(const char *role)
{
    snprintf(state.role, sizeof state.role, "%s", role);
    state.pid = (int)getpid();
}

const char *log_role(void)
{
    return state.role;
}

static size_t write_prefix(char *record, size_t size, enum log_level level, const char *module)
{
    struct timespec now;
    struct tm utc;
    char date[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    int used = snprintf(record, size, "%s.%03ldZ %s %s[%d] %s: ", date, now.tv_nsec / 1000000,
                        level_names[level], state.role, state.pid, module);
    return used > 0 && (size_t)used < size ? (size_t)used : 0;
}

// What a peer sent may stand in a record, but never end it, nor drive the operator's terminal.
static void mask_controls(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
    }
}

void log_write(enum log_level level, const char *module, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    char record[LOG_RECORD_MAX];
    if (state.pid == 0)
        state.pid = (int)getpid();
    size_t used = write_prefix(record, sizeof record - 1, level, module);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(record + used, sizeof record - 1 - used, format, arguments);
    va_end(arguments);
    mask_controls(record + used);
    used += strlen(record + used);
    record[used++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, record, used);
    (void)ignored;
}

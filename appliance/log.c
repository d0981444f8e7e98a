// log.c - formats a record on the stack and gives it on at once as one piece, so that lines of
// several processes never mix.
#include "log.h"

#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log_priv.h"
#include "mask.h"

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

// A process has one log and one role in it.
static struct {
    enum log_level level;
    enum log_format format;
    size_t line_max; // 0: none
    char role[32];
    _Atomic int pid;
    _Atomic(log_put *) put; // NULL: standard error
    void *owner;            // of put, written before it
    _Atomic unsigned users; // threads that are about to call it, or in it
    _Atomic(log_observer *) observer;
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

void log_set_format(enum log_format format)
{
    state.format = format;
}

enum log_format log_get_format(void)
{
    return state.format;
}

void log_set_line_max(size_t line_max)
{
    state.line_max = line_max;
}

// --- where lines go ---

void log_set_output(log_put *put, void *owner)
{
    atomic_store(&state.put, NULL);
    // It does not wait, so neither do we for long.
    while (atomic_load(&state.users) > 0)
        sched_yield();
    state.owner = owner;
    atomic_store(&state.put, put);
}

// A line, behind which there is room for a newline.
static void put_line(enum log_level level, int64_t time, char *line, size_t size)
{
    atomic_fetch_add(&state.users, 1);
    log_put *put = atomic_load(&state.put);
    if (put != NULL)
        put(state.owner, level, time, line, size);
    atomic_fetch_sub(&state.users, 1);
    if (put != NULL)
        return;
    line[size] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, size + 1);
    (void)ignored;
}

// --- records ---

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void log_format_time(int64_t time, char out[static LOG_TIME_SIZE])
{
    time_t seconds = (time_t)(time / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t size = strftime(out, LOG_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + size, LOG_TIME_SIZE - size, ".%03dZ", (int)(time % 1000));
}

static int own_pid(void)
{
    if (state.pid == 0)
        state.pid = (int)getpid();
    return state.pid;
}

// What stands before a record's text. Returns its size, at most half of a record.
static size_t write_prefix(const struct log_record *record, char *out)
{
    char time[LOG_TIME_SIZE];
    int used;
    if (state.format == LOG_FORMAT_BARE) {
        used = snprintf(out, LOG_RECORD_MAX / 2, "%s %s: ", record->role, record->module);
    } else {
        log_format_time(record->time, time);
        used = snprintf(out, LOG_RECORD_MAX / 2, "%s %s %s[%d] %s: ", time, record->level_name,
                        record->role, record->pid, record->module);
    }
    return used < LOG_RECORD_MAX / 2 ? (size_t)used : LOG_RECORD_MAX / 2 - 1;
}

static struct log_record make_record(enum log_level level, const char *module)
{
    return (struct log_record){
        .level = level,
        .level_name = level_names[level],
        .role = state.role,
        .pid = own_pid(),
        .time = now(),
        .module = module,
        .request = "",
    };
}

static void put_json(const struct log_record *record, char *line, size_t room)
{
    if (state.line_max > 0 && state.line_max < room)
        room = state.line_max;
    size_t size = log_json(record, line, room - 1);
    put_line(record->level, record->time, line, size);
}

void log_write(enum log_level level, const char *module, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    struct log_record record = make_record(level, module);
    char text[LOG_RECORD_MAX];
    bool json = state.format == LOG_FORMAT_JSON;
    size_t before = json ? 0 : write_prefix(&record, text), room = sizeof text - 1 - before;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + before, room, format, arguments);
    va_end(arguments);
    size_t size = strlen(text + before);
    if (json) {
        char line[LOG_JSON_MAX];
        record.message = (struct str){text, size};
        put_json(&record, line, sizeof line);
        return;
    }
    // What a peer sent may stand in a record, but never end it, nor drive the operator's terminal.
    mask_line(text + before, size);
    put_line(level, record.time, text, before + size);
}

// --- records of the application ---

// How much of a line finds room, in whole characters of UTF-8.
static size_t piece_of(struct str line, size_t room)
{
    if (line.size <= room)
        return line.size;
    size_t size = room;
    while (size > room - 4 && ((unsigned char)line.data[size] & 0xc0) == 0x80)
        size--;
    return size;
}

// One line, as several records where it is long.
static void put_text(const struct log_record *record, struct str line)
{
    char text[LOG_RECORD_MAX], suffix[128] = "";
    size_t before = write_prefix(record, text);
    mask_line(text, before);
    if (*record->request != '\0')
        snprintf(suffix, sizeof suffix, " request=%.100s", record->request);
    size_t after = strlen(suffix);
    while (line.size > 0) {
        size_t size = piece_of(line, sizeof text - 1 - before - after);
        memcpy(text + before, line.data, size);
        memcpy(text + before + size, suffix, after);
        mask_line(text + before, size + after);
        put_line(record->level, record->time, text, before + size + after);
        line.data += size;
        line.size -= size;
    }
}

static void put_lines(const struct log_record *record)
{
    struct str rest = record->message;
    while (rest.size > 0) {
        const char *newline = memchr(rest.data, '\n', rest.size);
        size_t size = newline != NULL ? (size_t)(newline - rest.data) : rest.size;
        struct str line = {rest.data, size};
        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
        put_text(record, line);
        size += newline != NULL;
        rest.data += size;
        rest.size -= size;
    }
}

// A target that keeps no more than that together gets several records of a text that is longer.
static void put_json_records(struct log_record *record)
{
    enum { AROUND = 512 }; // bytes of a record beside its message
    char line[LOG_JSON_TEXT_MAX];
    size_t room = state.line_max > 0 ? state.line_max : sizeof line;
    struct str rest = record->message;
    while (rest.size > 0) {
        size_t size = log_json_lines(rest, room > 2 * AROUND ? room - AROUND : room / 2);
        record->message = (struct str){rest.data, size};
        // But for the last one they end with a line.
        if (size < rest.size)
            record->message.size--;
        if (record->message.size > 0)
            put_json(record, line, sizeof line);
        rest.data += size;
        rest.size -= size;
    }
}

void log_set_observer(log_observer *observer)
{
    atomic_store(&state.observer, observer);
}

void log_application(enum log_level level, const char *name, const char *text, size_t size,
                     const char *request_id)
{
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    log_observer *observer = atomic_load(&state.observer);
    if (observer != NULL)
        observer(text, size);
    if (!log_enabled(level) || size == 0)
        return;
    struct log_record record = make_record(level, name);
    record.message = (struct str){text, size};
    record.request = request_id;
    if (state.format != LOG_FORMAT_JSON) {
        put_lines(&record);
        return;
    }
    put_json_records(&record);
}

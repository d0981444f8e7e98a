// log.h - the operational log: one record, one line, at once to standard error or to whom takes
// them.
//   2026-11-21T09:51:42.123Z info worker-2[4711] http: text key=value
//   {"time":"2026-11-21T09:51:42.123Z","level":"info","role":"worker-2","pid":4711,
//    "module":"http","message":"text key=value"}
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

// Records above this level are dropped. Process-wide, inherited over fork.
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

// Who speaks: "supervisor", "worker-2". Copied, cut at 31 bytes; the pid is taken anew.
void log_set_role(const char *role);
const char *log_role(void);

// module: the part that speaks ("listener"), a literal. What is longer than a record is cut.
void log_write(enum log_level level, const char *module, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

enum log_format {
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON, // an object a line: UTF-8 and escaped, whatever bytes there were
    LOG_FORMAT_BARE, // text without time, level and pid, for a target that has its own (syslog)
};

// How records are written from now on. Process-wide, inherited over fork.
void log_set_format(enum log_format format);
enum log_format log_get_format(void);

// Bytes of a line, with its newline: for a target that tears longer ones; at least 4096. 0: as many
// as a record may have. Process-wide, inherited over fork.
void log_set_line_max(size_t line_max);

// From here on lines go to that function, without their newline, by any thread; it does not wait
// long. NULL: to standard error, at once, as at first. Process-wide, inherited over fork. On return
// nobody is in the function that was set before. time: Unix time, milliseconds.
typedef void log_put(void *owner, enum log_level level, int64_t time, const char *line,
                     size_t size);
void log_set_output(log_put *put, void *owner);

// A record of the application: stream or logger's name in the place of the module, text of any
// bytes and several lines ("" is no record), and the request that is worked on ("": none). In text
// each line is a record, and a long one several; in JSON all of it is one, the middle of a long
// text left out.
//   2026-11-21T09:51:42.123Z info worker-2[4711] stdout: text request=6ec3
void log_application(enum log_level level, const char *name, const char *text, size_t size,
                     const char *request_id);

// Who is shown what applications write, before it is a record, by whatever thread; NULL: nobody.
// Process-wide, inherited over fork.
typedef void log_observer(const char *text, size_t size);
void log_set_observer(log_observer *observer);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

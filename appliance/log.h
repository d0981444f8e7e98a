// log.h - the operational log: one record, one line, one write(2) to standard error.
//   2026-11-21T09:51:42.123Z info worker-2[4711] http: text key=value
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

// Records above this level are dropped. Process-wide, inherited over fork.
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

// Who speaks: "supervisor", "worker-2". Copied, cut at 31 bytes; the pid is taken anew.
void log_set_role(const char *role);
const char *log_role(void);

// module: the part that speaks ("listener"), a literal.
void log_write(enum log_level level, const char *module, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

// log_lines.h - what the operational log is told, in the place of standard error.
#pragma once

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

static struct {
    pthread_mutex_t lock;
    char text[1 << 16]; // lines, each with its newline
    size_t size;
} log_lines = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void log_lines_take(void *owner, enum log_level level, int64_t time, const char *line,
                           size_t size)
{
    (void)owner, (void)level, (void)time;
    pthread_mutex_lock(&log_lines.lock);
    if (log_lines.size + size + 2 < sizeof log_lines.text) {
        memcpy(log_lines.text + log_lines.size, line, size);
        log_lines.size += size;
        log_lines.text[log_lines.size++] = '\n';
    }
    pthread_mutex_unlock(&log_lines.lock);
}

// From here on, and none so far.
static void log_lines_begin(void)
{
    log_set_output(log_lines_take, NULL);
    log_lines.size = 0;
}

static const char *log_lines_end(void)
{
    log_set_output(NULL, NULL);
    log_lines.text[log_lines.size] = '\0';
    return log_lines.text;
}

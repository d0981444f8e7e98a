// accesslog.c - which requests get a line, and the lines of a turn.
#include "accesslog.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "accesslog_line.h"
#include "accesslog_text.h"
#include "log.h"
#include "sink.h"

enum { BUFFER_SIZE = 4 * ACCESSLOG_LINE_MAX };

struct accesslog {
    struct sink *sink;
    struct accesslog_format *format;
    struct str *skips; // without a slash at the end
    size_t skip_count;
    unsigned sample, passed; // requests since the last line, of those that are sampled
    bool takes_bytes;
    bool wants_id;
    unsigned count; // lines in the buffer
    size_t size;    // bytes
    struct accesslog_writer writer;
    char buffer[BUFFER_SIZE];
};

// The paths and their text are one piece of memory.
static int copy_skips(struct accesslog *log, const struct accesslog_setup *setup, struct err *err)
{
    size_t size = setup->skip_count * sizeof log->skips[0] + 1;
    for (size_t i = 0; i < setup->skip_count; i++)
        size += strlen(setup->skips[i]);
    log->skips = malloc(size);
    if (log->skips == NULL)
        return err_system(err, ENOMEM, "access log");
    char *text = (char *)&log->skips[setup->skip_count];
    for (; log->skip_count < setup->skip_count; log->skip_count++) {
        struct str skip = str_of(setup->skips[log->skip_count]);
        while (skip.size > 1 && skip.data[skip.size - 1] == '/')
            skip.size--;
        log->skips[log->skip_count] = (struct str){text, skip.size};
        text = (char *)mempcpy(text, skip.data, skip.size);
    }
    return 0;
}

int accesslog_new(struct accesslog **out, const struct accesslog_setup *setup, struct err *err)
{
    struct accesslog *log = calloc(1, sizeof *log);
    *out = NULL;
    if (log == NULL)
        return err_system(err, ENOMEM, "access log");
    if (accesslog_format_new(&log->format, setup->format, err) < 0 ||
        copy_skips(log, setup, err) < 0) {
        accesslog_free(log);
        return -1;
    }
    if (setup->line_max > 0)
        accesslog_format_fit(log->format, setup->line_max);
    tzset(); // while files can still be read
    log->sink = setup->sink;
    log->takes_bytes = sink_takes_bytes(setup->sink);
    log->sample = setup->sample > 0 ? setup->sample : 1;
    for (size_t i = 0; i < log->format->count; i++)
        log->wants_id = log->wants_id || log->format->pieces[i].value == ACCESSLOG_REQUEST_ID;
    log->writer.format = log->format;
    log->writer.worker = setup->worker;
    log->writer.pid = (unsigned)getpid();
    log->writer.sample = log->sample;
    *out = log;
    return 0;
}

void accesslog_free(struct accesslog *log)
{
    if (log == NULL)
        return;
    accesslog_flush(log);
    free(log->skips);
    accesslog_format_free(log->format);
    free(log);
}

bool accesslog_wants_id(const struct accesslog *log)
{
    return log->wants_id;
}

// --- which requests ---

// Whether a path is that one, or below it.
static bool is_below(struct str path, struct str skip)
{
    size_t at = 0;
    for (size_t i = 0; i < skip.size; i++) {
        if (at >= path.size || accesslog_text_octet(path, &at) != skip.data[i])
            return false;
    }
    return at == path.size || accesslog_text_octet(path, &at) == '/';
}

static bool is_skipped(const struct accesslog *log, const struct accesslog_entry *entry)
{
    if (log->skip_count == 0 || entry->head->method.size == 0)
        return false;
    struct str path = accesslog_text_target(entry->head->target).path;
    for (size_t i = 0; i < log->skip_count; i++) {
        if (is_below(path, log->skips[i]))
            return true;
    }
    return false;
}

static bool is_sampled(struct accesslog *log, const struct accesslog_entry *entry)
{
    if (log->sample == 1 || entry->status >= 500)
        return true;
    bool taken = log->passed == 0;
    log->passed = log->passed + 1 < log->sample ? log->passed + 1 : 0;
    return taken;
}

// --- their lines ---

void accesslog_write(struct accesslog *log, const struct accesslog_entry *entry)
{
    if (log == NULL || is_skipped(log, entry) || !is_sampled(log, entry))
        return;
    if (log->size > BUFFER_SIZE - ACCESSLOG_LINE_MAX)
        accesslog_flush(log);
    char *line = log->buffer + log->size;
    size_t size = accesslog_line_write(&log->writer, entry, line);
    if (log->takes_bytes) {
        line[size] = '\n';
        log->size += size + 1;
        log->count++;
        return;
    }
    struct sink_line whole = {
        .text = {line, size},
        .time = (entry->began + entry->duration) / 1000000,
        .level = LOG_LEVEL_INFO,
        .status = entry->status,
    };
    sink_put(log->sink, &whole);
}

void accesslog_flush(struct accesslog *log)
{
    if (log == NULL || log->count == 0)
        return;
    sink_put_bytes(log->sink, log->buffer, log->size, log->count);
    log->size = log->count = 0;
}

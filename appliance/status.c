// status.c - the table: what the supervisor is, then a row for each worker, in columns as wide as
// what is in them.
#include "status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    CELL_MAX = 128,  // bytes of a cell, its NUL included
    LINE_SHOWN = 64, // bytes of a request's line
};

// --- cells ---

// Nothing but printable ASCII, cut where there is no room.
static void write_harmless(const char *text, char *out, size_t size)
{
    size_t used = 0;
    for (; *text != '\0' && used + 1 < size; text++)
        out[used++] = *text >= 0x20 && *text <= 0x7e ? *text : '?';
    out[used] = '\0';
    if (*text != '\0' && used >= 3)
        memcpy(out + used - 3, "...", 3);
}

// "3d 4h", "12m 5s", "7s"; "-" for what has not begun.
static void write_age(int64_t milliseconds, char *out, size_t size)
{
    static const struct {
        int64_t seconds;
        char name;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    int64_t left = milliseconds / 1000;
    size_t i = 0;
    if (milliseconds < 0) {
        snprintf(out, size, "-");
        return;
    }
    while (units[i].seconds > 1 && left < units[i].seconds)
        i++;
    if (units[i].seconds == 1)
        snprintf(out, size, "%" PRId64 "s", left);
    else
        snprintf(out, size, "%" PRId64 "%c %" PRId64 "%c", left / units[i].seconds, units[i].name,
                 left % units[i].seconds / units[i + 1].seconds, units[i + 1].name);
}

// "34.5 MB"; "-" for what is not known. As in settings, a kilobyte has 1024 bytes.
static void write_bytes(int64_t bytes, char *out, size_t size)
{
    static const char *const units[] = {"KB", "MB", "GB", "TB"};
    double number = (double)bytes / 1024;
    size_t i = 0;
    if (bytes < 0) {
        snprintf(out, size, "-");
        return;
    }
    // What would be written as 1024.0 is 1.0 of the next.
    while (number >= 1023.95 && i + 1 < sizeof units / sizeof units[0]) {
        number /= 1024;
        i++;
    }
    snprintf(out, size, "%.1f %s", number, units[i]);
}

static void write_number(const struct status_worker *worker, char *out, size_t size)
{
    snprintf(out, size, "%u", worker->number);
}

static void write_pid(const struct status_worker *worker, char *out, size_t size)
{
    snprintf(out, size, "%d", (int)worker->pid);
}

static void write_state(const struct status_worker *worker, char *out, size_t size)
{
    char state[CELL_MAX / 2];
    write_harmless(worker->state, state, sizeof state);
    snprintf(out, size, "%s%s", state, worker->successor ? " (next)" : "");
}

static void write_worker_age(const struct status_worker *worker, char *out, size_t size)
{
    write_age(worker->age, out, size);
}

static void write_requests(const struct status_worker *worker, char *out, size_t size)
{
    snprintf(out, size, "%" PRIu64, worker->requests);
}

static void write_threads(const struct status_worker *worker, char *out, size_t size)
{
    snprintf(out, size, "%u/%u", worker->busy, worker->threads);
}

static void write_connections(const struct status_worker *worker, char *out, size_t size)
{
    snprintf(out, size, "%u", worker->connections);
}

static void write_memory(const struct status_worker *worker, char *out, size_t size)
{
    write_bytes(worker->resident, out, size);
}

// The request that runs for the longest: "GET /shop?x=1 (1.2s), 3 more".
static void write_doing(const struct status_worker *worker, char *out, size_t size)
{
    char line[LINE_SHOWN + 1], time[32], more[32] = "";
    size_t longest = 0;
    *out = '\0';
    if (worker->doing_count == 0)
        return;
    for (size_t i = 1; i < worker->doing_count; i++) {
        if (worker->doing[i].running > worker->doing[longest].running)
            longest = i;
    }
    int64_t running = worker->doing[longest].running;
    write_harmless(worker->doing[longest].line, line, sizeof line);
    if (running >= 0 && running < 60000)
        snprintf(time, sizeof time, "%.1fs", (double)(running / 100) / 10);
    else
        write_age(running, time, sizeof time);
    if (worker->doing_count > 1)
        snprintf(more, sizeof more, ", +%zu more", worker->doing_count - 1);
    snprintf(out, size, "%s (%s)%s", line, time, more);
}

// --- the table ---

static const struct column {
    const char *title;
    bool right; // aligned to the right
    void (*write)(const struct status_worker *worker, char *out, size_t size);
} columns[] = {
    {"WORKER", true, write_number},
    {"PID", true, write_pid},
    {"STATE", false, write_state},
    {"AGE", false, write_worker_age},
    {"REQUESTS", true, write_requests},
    {"BUSY/THREADS", true, write_threads},
    {"CONNECTIONS", true, write_connections},
    {"MEMORY", true, write_memory},
    {"DOING", false, write_doing},
};

enum { COLUMN_COUNT = sizeof columns / sizeof columns[0] };

static void measure(const struct status *status, int widths[static COLUMN_COUNT])
{
    char cell[CELL_MAX];
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        size_t width = strlen(columns[i].title);
        for (size_t k = 0; k < status->worker_count; k++) {
            columns[i].write(&status->workers[k], cell, sizeof cell);
            width = strlen(cell) > width ? strlen(cell) : width;
        }
        widths[i] = (int)width;
    }
}

// The titles, where worker is NULL. No line ends in blanks.
static int put_row(const struct status_worker *worker, const int widths[static COLUMN_COUNT],
                   struct buf *out)
{
    char row[COLUMN_COUNT * (CELL_MAX + 2)], cell[CELL_MAX];
    size_t used = 0;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        int width = columns[i].right ? widths[i] : -widths[i];
        if (worker != NULL)
            columns[i].write(worker, cell, sizeof cell);
        used += (size_t)snprintf(row + used, sizeof row - used, "%s%*s", i > 0 ? "  " : "", width,
                                 worker != NULL ? cell : columns[i].title);
    }
    while (used > 0 && row[used - 1] == ' ')
        used--;
    row[used] = '\0';
    return buf_printf(out, "%s\n", row);
}

static int put_field(const char *name, const char *text, struct buf *out)
{
    size_t size = strlen(text) + 1;
    int result = buf_printf(out, "%-13s", name);
    if (result < 0 || buf_reserve(out, size) < 0)
        return -1;
    // Addresses have any length: they are made harmless where they stay.
    write_harmless(text, out->data + out->size, size);
    out->size += size - 1;
    return buf_append(out, "\n", 1);
}

static unsigned serving_workers(const struct status *status)
{
    unsigned count = 0;
    for (size_t i = 0; i < status->worker_count; i++) {
        const struct status_worker *worker = &status->workers[i];
        count += !worker->successor && strcmp(worker->state, "serving") == 0;
    }
    return count;
}

// What the supervisor is: "shop 1.2 (pid 4711), serving for 3d 4h, 12.3 MB".
static int put_supervisor(const struct status *status, struct buf *out)
{
    char name[CELL_MAX], version[CELL_MAX], state[CELL_MAX], age[32], memory[64] = "", bytes[32];
    write_harmless(status->name, name, sizeof name);
    write_harmless(status->version, version, sizeof version);
    write_harmless(status->state, state, sizeof state);
    write_age(status->uptime, age, sizeof age);
    write_bytes(status->resident, bytes, sizeof bytes);
    if (status->resident >= 0)
        snprintf(memory, sizeof memory, ", %s", bytes);
    if (buf_printf(out, "%s %s (pid %d), %s, up %s%s\n", name, version, (int)status->pid, state,
                   age, memory) < 0)
        return -1;
    if (*status->application != '\0' && put_field("application", status->application, out) < 0)
        return -1;
    if (*status->listening != '\0' && put_field("listening", status->listening, out) < 0)
        return -1;
    return buf_printf(out, "%-13s%u of %u serving, %" PRIu64 " replaced, %" PRIu64 " died\n",
                      "workers", serving_workers(status), status->workers_wanted, status->replaced,
                      status->died);
}

// "example.org (ECDSA P-256), expires 2027-01-02, in 42 days".
static int put_certificate(const struct status_certificate *certificate, int64_t now,
                           struct buf *out)
{
    char text[CELL_MAX * 4], date[16];
    time_t until = (time_t)certificate->not_after;
    struct tm parts = {.tm_mday = 1};
    int64_t left = certificate->not_after - now;
    gmtime_r(&until, &parts);
    strftime(date, sizeof date, "%Y-%m-%d", &parts);
    const char *names = *certificate->names != '\0' ? certificate->names : certificate->file;
    int size = snprintf(text, sizeof text, "%.256s (%s), %s %s", names, certificate->kind,
                        left > 0 ? "expires" : "EXPIRED", date);
    if (left > 0)
        snprintf(text + size, sizeof text - (size_t)size, ", in %" PRId64 " days", left / 86400);
    return put_field("certificate", text, out);
}

static int put_certificates(const struct status *status, struct buf *out)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < status->certificate_count; i++)
        result = put_certificate(&status->certificates[i], status->now, out);
    return result;
}

int status_table(const struct status *status, struct buf *out)
{
    int widths[COLUMN_COUNT];
    int result = put_supervisor(status, out);
    if (result == 0)
        result = put_certificates(status, out);
    if (result < 0 || status->worker_count == 0)
        return result;
    measure(status, widths);
    result = buf_append(out, "\n", 1) < 0 ? -1 : put_row(NULL, widths, out);
    for (size_t i = 0; result == 0 && i < status->worker_count; i++)
        result = put_row(&status->workers[i], widths, out);
    return result;
}

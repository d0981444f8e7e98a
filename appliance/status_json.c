// status_json.c - the status as JSON: one object in one line, times in seconds, sizes in bytes.
#include "status.h"

#include <inttypes.h>
#include <string.h>

struct json {
    struct buf *out;
    bool comma;  // something stands before what comes next
    bool failed; // something did not fit
};

static void put(struct json *json, const char *data, size_t size)
{
    json->failed = json->failed || buf_append(json->out, data, size) < 0;
}

#define PUT(json, ...) ((json)->failed = (json)->failed || buf_printf((json)->out, __VA_ARGS__) < 0)

static void separate(struct json *json)
{
    if (json->comma)
        put(json, ",", 1);
    json->comma = true;
}

static void begin(struct json *json, const char *bracket)
{
    separate(json);
    put(json, bracket, 1);
    json->comma = false;
}

static void end(struct json *json, const char *bracket)
{
    put(json, bracket, 1);
    json->comma = true;
}

static void put_name(struct json *json, const char *name)
{
    separate(json);
    PUT(json, "\"%s\":", name);
    json->comma = false;
}

// --- texts ---

// The bytes of the UTF-8 character that text begins with, 0: it does not begin with one (Unicode,
// table 3-7). The NUL that ends a text is no byte of any.
static size_t character_size(const unsigned char *text)
{
    static const struct {
        unsigned char first, last;          // of the first byte
        unsigned char second_first, second; // of the second
        size_t size;
    } ranges[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    if (text[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (text[0] < ranges[i].first || text[0] > ranges[i].last)
            continue;
        if (text[1] < ranges[i].second_first || text[1] > ranges[i].second)
            return 0;
        for (size_t k = 2; k < ranges[i].size; k++) {
            if ((text[k] & 0xc0) != 0x80)
                return 0;
        }
        return ranges[i].size;
    }
    return 0;
}

// Besides what has to be escaped, what drives a terminal: DEL, and the controls of Latin 1.
static void put_character(struct json *json, const unsigned char *text, size_t size)
{
    if (size == 0)
        put(json, "\xef\xbf\xbd", 3); // U+FFFD
    else if (*text == '"' || *text == '\\')
        PUT(json, "\\%c", *text);
    else if (*text < 0x20 || *text == 0x7f)
        PUT(json, "\\u%04x", *text);
    else if (*text == 0xc2 && text[1] < 0xa0)
        PUT(json, "\\u%04x", text[1]);
    else
        put(json, (const char *)text, size);
}

static void put_text(struct json *json, const char *name, const char *value)
{
    const unsigned char *text = (const unsigned char *)value;
    put_name(json, name);
    separate(json);
    put(json, "\"", 1);
    while (*text != '\0') {
        size_t size = character_size(text);
        put_character(json, text, size);
        text += size > 0 ? size : 1;
    }
    put(json, "\"", 1);
}

// --- numbers ---

static void put_number(struct json *json, const char *name, uint64_t value)
{
    put_name(json, name);
    separate(json);
    PUT(json, "%" PRIu64, value);
}

static void put_flag(struct json *json, const char *name, bool value)
{
    put_name(json, name);
    separate(json);
    PUT(json, "%s", value ? "true" : "false");
}

// Negative: null.
static void put_seconds(struct json *json, const char *name, int64_t milliseconds)
{
    put_name(json, name);
    separate(json);
    if (milliseconds < 0)
        put(json, "null", 4);
    else
        PUT(json, "%" PRId64 ".%03d", milliseconds / 1000, (int)(milliseconds % 1000));
}

static void put_bytes(struct json *json, const char *name, int64_t bytes)
{
    put_name(json, name);
    separate(json);
    if (bytes < 0)
        put(json, "null", 4);
    else
        PUT(json, "%" PRId64, bytes);
}

// --- the object ---

static void put_request(struct json *json, const struct status_request *request)
{
    begin(json, "{");
    put_text(json, "line", request->line);
    put_seconds(json, "running_seconds", request->running);
    end(json, "}");
}

static void put_worker(struct json *json, const struct status_worker *worker)
{
    begin(json, "{");
    put_number(json, "number", worker->number);
    put_number(json, "pid", (uint64_t)worker->pid);
    put_text(json, "state", worker->state);
    put_flag(json, "successor", worker->successor);
    put_seconds(json, "age_seconds", worker->age);
    put_number(json, "requests", worker->requests);
    put_number(json, "connections", worker->connections);
    put_number(json, "threads", worker->threads);
    put_number(json, "busy", worker->busy);
    put_bytes(json, "resident_bytes", worker->resident);
    put_name(json, "doing");
    begin(json, "[");
    for (size_t i = 0; i < worker->doing_count; i++)
        put_request(json, &worker->doing[i]);
    end(json, "]");
    end(json, "}");
}

static void put_certificate(struct json *json, const struct status_certificate *certificate)
{
    begin(json, "{");
    put_text(json, "names", certificate->names);
    put_text(json, "kind", certificate->kind);
    put_text(json, "serial", certificate->serial);
    put_text(json, "file", certificate->file);
    put_number(json, "not_after", (uint64_t)certificate->not_after);
    end(json, "}");
}

int status_json(const struct status *status, struct buf *out)
{
    struct json json = {.out = out};
    begin(&json, "{");
    put_text(&json, "name", status->name);
    put_text(&json, "version", status->version);
    put_number(&json, "pid", (uint64_t)status->pid);
    put_text(&json, "state", status->state);
    put_seconds(&json, "uptime_seconds", status->uptime);
    put_bytes(&json, "resident_bytes", status->resident);
    put_text(&json, "application", status->application);
    put_text(&json, "listening", status->listening);
    put_number(&json, "workers_wanted", status->workers_wanted);
    put_number(&json, "workers_replaced", status->replaced);
    put_number(&json, "workers_died", status->died);
    put_name(&json, "certificates");
    begin(&json, "[");
    for (size_t i = 0; i < status->certificate_count; i++)
        put_certificate(&json, &status->certificates[i]);
    end(&json, "]");
    put_name(&json, "workers");
    begin(&json, "[");
    for (size_t i = 0; i < status->worker_count; i++)
        put_worker(&json, &status->workers[i]);
    end(&json, "]");
    end(&json, "}");
    put(&json, "\n", 1);
    return json.failed ? -1 : 0;
}

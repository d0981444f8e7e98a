// status_json.c - the status as JSON: one object in one line, times in seconds, sizes in bytes.
#include "json.h"
#include "status.h"

static void put_text(struct json *json, const char *name, const char *value)
{
    json_text(json, name, str_of(value));
}

static void put_request(struct json *json, const struct status_request *request)
{
    json_begin(json, NULL, '{');
    put_text(json, "line", request->line);
    json_seconds(json, "running_seconds", request->running);
    json_end(json, '}');
}

static void put_worker(struct json *json, const struct status_worker *worker)
{
    json_begin(json, NULL, '{');
    json_number(json, "number", worker->number);
    json_number(json, "pid", (uint64_t)worker->pid);
    put_text(json, "state", worker->state);
    json_flag(json, "successor", worker->successor);
    json_seconds(json, "age_seconds", worker->age);
    json_number(json, "requests", worker->requests);
    json_number(json, "connections", worker->connections);
    json_number(json, "threads", worker->threads);
    json_number(json, "busy", worker->busy);
    json_known(json, "resident_bytes", worker->resident);
    json_begin(json, "doing", '[');
    for (size_t i = 0; i < worker->doing_count; i++)
        put_request(json, &worker->doing[i]);
    json_end(json, ']');
    json_end(json, '}');
}

static void put_certificate(struct json *json, const struct status_certificate *certificate)
{
    json_begin(json, NULL, '{');
    put_text(json, "names", certificate->names);
    put_text(json, "kind", certificate->kind);
    put_text(json, "serial", certificate->serial);
    put_text(json, "file", certificate->file);
    json_number(json, "not_after", (uint64_t)certificate->not_after);
    json_end(json, '}');
}

int status_json(const struct status *status, struct buf *out)
{
    struct json json = {.out = out};
    json_begin(&json, NULL, '{');
    put_text(&json, "name", status->name);
    put_text(&json, "version", status->version);
    json_number(&json, "pid", (uint64_t)status->pid);
    put_text(&json, "state", status->state);
    json_seconds(&json, "uptime_seconds", status->uptime);
    json_known(&json, "resident_bytes", status->resident);
    put_text(&json, "application", status->application);
    put_text(&json, "listening", status->listening);
    json_number(&json, "workers_wanted", status->workers_wanted);
    json_number(&json, "workers_replaced", status->replaced);
    json_number(&json, "workers_died", status->died);
    json_begin(&json, "certificates", '[');
    for (size_t i = 0; i < status->certificate_count; i++)
        put_certificate(&json, &status->certificates[i]);
    json_end(&json, ']');
    json_begin(&json, "workers", '[');
    for (size_t i = 0; i < status->worker_count; i++)
        put_worker(&json, &status->workers[i]);
    json_end(&json, ']');
    json_end(&json, '}');
    return json.failed ? -1 : buf_append(out, "\n", 1);
}

// fuzz_control.c - any bytes as a request to the control socket: either one of those that there
// are, within its range, or an error of one printable line.
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "check.h"
#include "control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int write_logs(const struct control_logs *logs, char *out, size_t size)
{
    const char *end = logs->follow ? "follow" : "once";
    char status[8] = "any";
    if (logs->most > logs->least)
        snprintf(status, sizeof status, "%uxx", logs->least / 100 % 10);
    else if (logs->most != 0)
        snprintf(status, sizeof status, "%u", logs->most % 1000);
    must(logs->since >= 0 && (logs->most == 0 || (logs->least >= 100 && logs->most <= 599)));
    return snprintf(out, size, "logs %" PRIu64 " %" PRId64 " %s %s\n", logs->cursor, logs->since,
                    status, end);
}

// The line of the request, as the clients of ours write it.
static int write_request(const struct control_request *request, char *out, size_t size)
{
    static const char *const words[] = {
        [CONTROL_RELOAD] = "reload\n", [CONTROL_RESTART] = "restart\n", [CONTROL_STOP] = "stop\n"};
    if (request->action == CONTROL_STATUS)
        return snprintf(out, size, "status %s\n", request->json ? "json" : "table");
    if (request->action == CONTROL_LOGS)
        return write_logs(&request->logs, out, size);
    if (request->action == CONTROL_SCALE)
        return snprintf(out, size, "scale %u\n", request->workers);
    return snprintf(out, size, "%s", words[request->action]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control_request request;
    struct str line = {(const char *)data, size};
    struct err err = {.kind = ERR_NONE};
    char text[128];
    if (control_parse(&request, line, &err) < 0) {
        must(err.kind == ERR_USAGE && err.text[0] != '\0');
        for (const char *p = err.text; *p != '\0'; p++)
            must(*p >= 0x20 && *p <= 0x7e);
        return 0;
    }
    must(err.kind == ERR_NONE && size <= CONTROL_LINE_MAX);
    must(request.action != CONTROL_SCALE || (request.workers >= 1 && request.workers <= 512));
    struct str written = {text, (size_t)write_request(&request, text, sizeof text)};
    // But for the noughts before a number there is one way to write it.
    must(request.action == CONTROL_SCALE || request.action == CONTROL_LOGS ||
         str_equal(line, written));
    struct control_request again;
    must(control_parse(&again, written, &err) == 0 && again.action == request.action);
    must(again.json == request.json && again.workers == request.workers);
    must(again.logs.cursor == request.logs.cursor && again.logs.since == request.logs.since);
    must(again.logs.least == request.logs.least && again.logs.most == request.logs.most);
    must(again.logs.follow == request.logs.follow);
    return 0;
}

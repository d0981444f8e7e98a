// fuzz_control.c - any bytes as a request to the control socket: either one of those that there
// are, within its range, or an error of one printable line.
#include <stdint.h>
#include <stdio.h>

#include "check.h"
#include "control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The line of the request, as the clients of ours write it.
static int write_request(const struct control_request *request, char *out, size_t size)
{
    static const char *const words[] = {
        [CONTROL_RELOAD] = "reload\n", [CONTROL_RESTART] = "restart\n", [CONTROL_STOP] = "stop\n"};
    if (request->action == CONTROL_STATUS)
        return snprintf(out, size, "status %s\n", request->json ? "json" : "table");
    if (request->action == CONTROL_SCALE)
        return snprintf(out, size, "scale %u\n", request->workers);
    return snprintf(out, size, "%s", words[request->action]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control_request request;
    struct str line = {(const char *)data, size};
    struct err err = {.kind = ERR_NONE};
    char text[64];
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
    must(request.action == CONTROL_SCALE || str_equal(line, written));
    struct control_request again;
    must(control_parse(&again, written, &err) == 0 && again.action == request.action);
    must(again.json == request.json && again.workers == request.workers);
    return 0;
}

// fuzz_ipc.c - any bytes as a message between the supervisor and a worker, which runs the
// application's code: what is taken for a message is one, byte for byte.
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ipc_message message;
    struct err err = {.kind = ERR_NONE};
    unsigned char again[IPC_MESSAGE_MAX];
    if (ipc_decode(&message, data, size, &err) < 0) {
        must(err.kind == ERR_FAILED && err.text[0] != '\0');
        return 0;
    }
    must(strlen(message.text) < IPC_TEXT_MAX);
    int written = ipc_encode(message.type, message.text, again, &err);
    must(written >= 0 && (size_t)written == size && memcmp(again, data, size) == 0);
    return 0;
}

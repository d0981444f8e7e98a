// fuzz_proxy_header.c - any bytes as the beginning of a connection: what is taken for a header
// stays one, of the same size, whatever is behind it and however it arrives.
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole, part;
    char text[ADDRESS_TEXT_MAX];
    enum proxy_header_state state = proxy_header_parse(&whole, data, size);
    must((state == PROXY_HEADER_MALFORMED) == (whole.fault != NULL));
    must(state == PROXY_HEADER_COMPLETE || whole.source.family == AF_UNSPEC);
    if (state == PROXY_HEADER_INCOMPLETE)
        must(size < PROXY_HEADER_MAX);
    if (state != PROXY_HEADER_COMPLETE)
        return 0;
    must(whole.size > 0 && whole.size <= size && whole.size <= PROXY_HEADER_MAX);
    address_write(&whole.source, text);
    must(proxy_header_parse(&part, data, whole.size) == PROXY_HEADER_COMPLETE);
    must(part.size == whole.size && address_equal(&part.source, &whole.source));
    // As it comes in pieces.
    for (size_t cut = 0; cut < whole.size; cut += 1 + cut / 8)
        must(proxy_header_parse(&part, data, cut) == PROXY_HEADER_INCOMPLETE);
    return 0;
}

// fuzz_tls_ciphers.c - any text as a list of cipher suites: each suite is chosen once at most, TLS
// 1.3's come first, and the list of what was chosen chooses the same.
#include <stdint.h>
#include <stdlib.h>

#include "buf.h"
#include "check.h"
#include "cleanup.h"
#include "tls_ciphers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TLS13_COUNT = 3, NAMES_MAX_SIZE = 4096 };

static void check_list(const int *numbers, struct buf *names)
{
    size_t count = 0;
    for (; numbers[count] != 0; count++) {
        const struct tls_cipher *cipher = tls_cipher_of(numbers[count]);
        must(count < TLS_CIPHERS_MAX && cipher != NULL);
        must((numbers[count] >> 8 == 0x13) == (count < TLS13_COUNT));
        for (size_t i = 0; i < count; i++)
            must(numbers[i] != numbers[count]);
        must(buf_printf(names, "%s:", cipher->name) == 0);
    }
    must(count > TLS13_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    int numbers[TLS_CIPHERS_MAX], again[TLS_CIPHERS_MAX], level = -1;
    _buf_ struct buf names = BUF_INIT(NAMES_MAX_SIZE);
    _free_ char *text = malloc(size + 1);
    must(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    int result = tls_ciphers_parse(text, numbers, &level, &fault);
    must(level >= -1 && level <= 5);
    if (result < 0) {
        must(fault.kind == TLS_FAULT_SSL && fault.text[0] != '\0');
        return 0;
    }
    check_list(numbers, &names);
    must(tls_ciphers_parse(buf_text(&names), again, &level, &fault) == 0);
    for (size_t i = 0; i == 0 || numbers[i - 1] != 0; i++)
        must(again[i] == numbers[i]);
    return 0;
}

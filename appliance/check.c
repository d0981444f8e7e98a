// check.c - the end of a process that found a bug in itself: one line, then abort for a core dump.
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void check_failed(const char *function, const char *file, int line, const char *condition)
{
    char text[512];
    int size = snprintf(text, sizeof text, "limpet: bug in %s (%s:%d): %s does not hold\n",
                        function, file, line, condition);
    if (size > 0) {
        size_t count = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
        ssize_t ignored = write(STDERR_FILENO, text, count);
        (void)ignored;
    }
    abort();
}

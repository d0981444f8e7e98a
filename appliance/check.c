// check.c - the end of a process that found a bug in itself: one line, then abort for a core dump;
// and of one that has no memory for what it cannot do without: one line.
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void write_line(const char *text, int size, size_t room)
{
    if (size <= 0)
        return;
    size_t count = (size_t)size < room ? (size_t)size : room - 1;
    ssize_t ignored = write(STDERR_FILENO, text, count);
    (void)ignored;
}

_Noreturn void check_failed(const char *function, const char *file, int line, const char *condition)
{
    char text[512];
    int size = snprintf(text, sizeof text, "limpet: bug in %s (%s:%d): %s does not hold\n",
                        function, file, line, condition);
    write_line(text, size, sizeof text);
    abort();
}

_Noreturn void check_memory_failed(const char *function)
{
    char text[512];
    int size = snprintf(text, sizeof text, "limpet: out of memory (%s)\n", function);
    write_line(text, size, sizeof text);
    _exit(1);
}

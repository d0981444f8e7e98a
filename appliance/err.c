// err.c - fills struct err: fixed size, no allocation, always one line.
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// An error is one line in a log whatever a file name or a peer put into it.
static void flatten(char *text)
{
    for (char *p = text; *p != '\0'; p++) {
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    }
}

int err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    flatten(err->text);
    err->kind = kind;
    return -1;
}

int err_system(struct err *err, int errnum, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(errnum));
    flatten(err->text);
    err->kind = ERR_FAILED;
    return -1;
}

int err_wrap(struct err *err, const char *format, ...)
{
    char text[sizeof err->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, ": %.*s", (int)(sizeof text - used), err->text);
    memcpy(err->text, text, sizeof text);
    flatten(err->text);
    return -1;
}

int err_exit_status(const struct err *err)
{
    return err->kind == ERR_USAGE ? 2 : 1;
}

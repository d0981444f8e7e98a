// kernel.c - the version of the kernel, before anything is done that an old one cannot.
#include "kernel.h"

#include <stddef.h>
#include <sys/utsname.h>

enum { DIGITS_MAX = 6 }; // of a number in a version: more than any has, and no overflow

// The number at *text, which is moved behind it. False: there is none.
static bool take_number(const char **text, unsigned *out)
{
    size_t digits = 0;
    for (*out = 0; (*text)[digits] >= '0' && (*text)[digits] <= '9'; digits++) {
        if (digits == DIGITS_MAX)
            return false;
        *out = *out * 10 + (unsigned)((*text)[digits] - '0');
    }
    *text += digits;
    return digits > 0;
}

bool kernel_is_before(const char *release, unsigned major, unsigned minor)
{
    unsigned their_major, their_minor = 0;
    if (!take_number(&release, &their_major))
        return false;
    if (*release == '.') {
        release++;
        if (!take_number(&release, &their_minor))
            their_minor = 0;
    }
    return their_major < major || (their_major == major && their_minor < minor);
}

int kernel_check(struct err *err)
{
    struct utsname system;
    if (uname(&system) < 0 || !kernel_is_before(system.release, KERNEL_MAJOR, KERNEL_MINOR))
        return 0;
    return err_set(err, ERR_FAILED, "this kernel is %.64s, limpet needs Linux %d.%d or later",
                   system.release, KERNEL_MAJOR, KERNEL_MINOR);
}

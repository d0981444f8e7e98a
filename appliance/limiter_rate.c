// limiter_rate.c - COUNT "/" UNIT [":" BURST].
#include "limiter_rate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    char name;
    int64_t seconds;
} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}};

enum { DIGITS_MAX = 9 };

// A number of digits alone, which end is set behind. False: there is none, or it is too long.
static bool take_number(const char *text, const char **end, int64_t *out)
{
    size_t digits = strspn(text, "0123456789");
    *end = text + digits;
    if (digits == 0 || digits > DIGITS_MAX)
        return false;
    *out = strtoll(text, NULL, 10);
    return true;
}

// 0: there is no such unit.
static int64_t seconds_of(char name)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].name == name)
            return units[i].seconds;
    }
    return 0;
}

static int refuse(struct err *err)
{
    return err_set(err, ERR_USAGE,
                   "must be requests a second, minute or hour, as 100/s, 600/m or 20/h, with or "
                   "without how many may come at once: 600/m:50");
}

int limiter_rate_parse(struct limiter_rate *out, const char *text, struct err *err)
{
    const char *at;
    int64_t count, burst = 0;
    if (!take_number(text, &at, &count) || *at++ != '/')
        return refuse(err);
    int64_t seconds = seconds_of(*at);
    if (seconds == 0)
        return refuse(err);
    bool has_burst = *++at == ':';
    if ((has_burst && !take_number(at + 1, &at, &burst)) || *at != '\0')
        return refuse(err);
    if (count == 0 || count > LIMITER_RATE_MAX * seconds)
        return err_set(err, ERR_USAGE, "must be 1 request at least, and %d a second at most",
                       LIMITER_RATE_MAX);
    if (has_burst && (burst == 0 || burst > LIMITER_BURST_MAX))
        return err_set(err, ERR_USAGE, "has a burst that must be 1 to %d", LIMITER_BURST_MAX);
    if (!has_burst)
        burst = count / seconds > 0 ? count / seconds : 1;
    *out = (struct limiter_rate){seconds * 1000000000 / count, (uint32_t)burst};
    return 0;
}

int limiter_rate_check(const char *text, struct err *err)
{
    struct limiter_rate rate;
    return limiter_rate_parse(&rate, text, err);
}

// config_value.c - numbers with and without units, from text and to text. Nothing but digits and
// the units below is a number here: no blanks, no fractions, no other bases.
#include "config_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit size_units[] = {{"G", 1 << 30}, {"M", 1 << 20}, {"k", 1 << 10}};
enum { SIZE_UNIT_COUNT = sizeof size_units / sizeof size_units[0] };

// From large to small, as they follow each other in a text.
static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
enum { DURATION_UNIT_COUNT = sizeof duration_units / sizeof duration_units[0] };

// The digits at *text, which is moved behind them. -1 where there are none or too many.
static int read_digits(const char **text, int64_t *out)
{
    const char *p = *text;
    int64_t number = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *p - '0', &number))
            return -1;
    }
    if (p == *text)
        return -1;
    *text = p;
    *out = number;
    return 0;
}

static int multiplied(int64_t number, int64_t factor, int64_t *out)
{
    int64_t product;
    if (__builtin_mul_overflow(number, factor, &product))
        return -1;
    *out = product;
    return 0;
}

int config_read_integer(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    int64_t number;
    if (negative)
        text++;
    if (read_digits(&text, &number) < 0 || *text != '\0')
        return -1;
    *out = negative ? -number : number;
    return 0;
}

int config_read_size(const char *text, int64_t *out)
{
    int64_t number;
    if (read_digits(&text, &number) < 0)
        return -1;
    if (*text == '\0') {
        *out = number;
        return 0;
    }
    for (size_t i = 0; i < SIZE_UNIT_COUNT; i++) {
        if (strcasecmp(text, size_units[i].name) == 0)
            return multiplied(number, size_units[i].factor, out);
    }
    return -1;
}

// The unit at *text, at first or behind it in the table; *text is moved behind it. -1: none.
static int read_duration_unit(const char **text, size_t first, size_t *out)
{
    size_t letters = strspn(*text, "abcdefghijklmnopqrstuvwxyz");
    for (size_t i = first; i < DURATION_UNIT_COUNT; i++) {
        const char *name = duration_units[i].name;
        if (letters == strlen(name) && memcmp(*text, name, letters) == 0) {
            *text += letters;
            *out = i;
            return 0;
        }
    }
    return -1;
}

int config_read_duration(const char *text, int64_t *out)
{
    int64_t total = 0, number;
    size_t unit = 0;
    const char *p = text;
    if (read_digits(&p, &number) == 0 && *p == '\0')
        return multiplied(number, 1000, out);
    do {
        if (read_digits(&text, &number) < 0 || read_duration_unit(&text, unit, &unit) < 0 ||
            __builtin_mul_overflow(number, duration_units[unit].factor, &number) ||
            __builtin_add_overflow(total, number, &total))
            return -1;
        unit++;
    } while (*text != '\0');
    *out = total;
    return 0;
}

int config_read_flag(const char *text, bool *out)
{
    static const struct {
        const char *name;
        bool value;
    } words[] = {{"true", true},   {"yes", true}, {"on", true},   {"1", true},
                 {"false", false}, {"no", false}, {"off", false}, {"0", false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i].name) == 0) {
            *out = words[i].value;
            return 0;
        }
    }
    return -1;
}

void config_write_integer(int64_t number, char out[static CONFIG_VALUE_TEXT])
{
    snprintf(out, CONFIG_VALUE_TEXT, "%" PRId64, number);
}

void config_write_size(int64_t bytes, char out[static CONFIG_VALUE_TEXT])
{
    for (size_t i = 0; i < SIZE_UNIT_COUNT; i++) {
        const struct unit *unit = &size_units[i];
        if (bytes != 0 && bytes % unit->factor == 0) {
            snprintf(out, CONFIG_VALUE_TEXT, "%" PRId64 "%s", bytes / unit->factor, unit->name);
            return;
        }
    }
    config_write_integer(bytes, out);
}

void config_write_duration(int64_t milliseconds, char out[static CONFIG_VALUE_TEXT])
{
    size_t used = 0;
    for (size_t i = 0; i < DURATION_UNIT_COUNT; i++) {
        int64_t count = milliseconds / duration_units[i].factor;
        if (count == 0)
            continue;
        used += (size_t)snprintf(out + used, CONFIG_VALUE_TEXT - used, "%" PRId64 "%s", count,
                                 duration_units[i].name);
        milliseconds -= count * duration_units[i].factor;
    }
    if (used == 0)
        snprintf(out, CONFIG_VALUE_TEXT, "0s");
}

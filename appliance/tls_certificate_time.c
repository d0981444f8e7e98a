// tls_certificate_time.c - UTCTime and GeneralizedTime (X.680 sections 46 and 47) as OpenSSL prints
// them: also what certificates may not have (RFC 5280 section 4.1.2.5), as times without seconds,
// with fractions of them, or of another time zone.
#include <mbedtls/asn1.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "tls_certificate_priv.h"

enum {
    FRACTION_AT = 14,  // where a GeneralizedTime with seconds has its point
    FRACTION_MAX = 20, // digits that are shown: more than anybody writes
};

struct clock {
    struct str text;
    size_t at;
    struct tm time;
};

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

static bool is_next(const struct clock *clock, const char *any)
{
    return clock->at < clock->text.size && clock->text.data[clock->at] != '\0' &&
           strchr(any, clock->text.data[clock->at]) != NULL;
}

// Two digits between these numbers, with something behind them.
static bool take_two(struct clock *clock, int min, int max, int *out)
{
    const char *digits = clock->text.data + clock->at;
    if (clock->text.size - clock->at < 2 || !is_digit(digits[0]) || !is_digit(digits[1]))
        return false;
    clock->at += 2;
    *out = (digits[0] - '0') * 10 + (digits[1] - '0');
    return *out >= min && *out <= max;
}

static bool take_year(struct clock *clock, bool has_century)
{
    int century, year;
    if (has_century && !take_two(clock, 0, 99, &century))
        return false;
    if (!take_two(clock, 0, 99, &year))
        return false;
    if (!has_century)
        century = year < 50 ? 20 : 19;
    clock->time.tm_year = century * 100 + year - 1900;
    return true;
}

static int days_of(int month, int year)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month] + (month == 1 && is_leap ? 1 : 0);
}

static bool take_day(struct clock *clock)
{
    if (!take_two(clock, 1, 12, &clock->time.tm_mon))
        return false;
    clock->time.tm_mon--;
    return take_two(clock, 1, days_of(clock->time.tm_mon, clock->time.tm_year + 1900),
                    &clock->time.tm_mday);
}

// Digits may be as many as they like, but there is at least one.
static bool take_fraction(struct clock *clock)
{
    size_t begin = ++clock->at;
    while (clock->at < clock->text.size && is_digit(clock->text.data[clock->at]))
        clock->at++;
    return clock->at > begin;
}

// "Z", or how far the clock is ahead of (+) or behind Greenwich, which is then made good.
static bool take_zone(struct clock *clock)
{
    int hours, minutes;
    if (is_next(clock, "Z")) {
        clock->at++;
        return true;
    }
    if (!is_next(clock, "+-"))
        return false;
    int sign = clock->text.data[clock->at++] == '-' ? 1 : -1;
    if (!take_two(clock, 0, 12, &hours) || !take_two(clock, 0, 59, &minutes))
        return false;
    if (hours == 0 && minutes == 0)
        return true;
    time_t time = timegm(&clock->time) + sign * (hours * 3600 + minutes * 60);
    // As OpenSSL: nothing before 1900 and behind 9999 where a zone is reckoned with.
    return gmtime_r(&time, &clock->time) != NULL && clock->time.tm_year >= 0 &&
           clock->time.tm_year <= 9999 - 1900;
}

static bool read_clock(struct clock *clock, bool is_generalized)
{
    struct tm *time = &clock->time;
    if (!take_year(clock, is_generalized) || !take_day(clock) ||
        !take_two(clock, 0, 23, &time->tm_hour) || !take_two(clock, 0, 59, &time->tm_min))
        return false;
    if (!is_next(clock, "Z+-") && !take_two(clock, 0, 59, &time->tm_sec))
        return false;
    if (is_generalized && is_next(clock, ".") && !take_fraction(clock))
        return false;
    return take_zone(clock) && clock->at == clock->text.size;
}

// What is shown of it, its point included.
static struct str fraction_of(struct str contents)
{
    if (contents.size <= FRACTION_AT + 1 || contents.data[FRACTION_AT] != '.')
        return STR("");
    struct str fraction = {contents.data + FRACTION_AT, 1};
    while (FRACTION_AT + fraction.size < contents.size && fraction.size <= FRACTION_MAX &&
           is_digit(fraction.data[fraction.size]))
        fraction.size++;
    return fraction;
}

void tls_time_text(char out[static TLS_TIME_TEXT_SIZE], int tag, struct str contents)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    bool is_generalized = tag == MBEDTLS_ASN1_GENERALIZED_TIME;
    struct clock clock = {.text = contents};
    struct str fraction = is_generalized ? fraction_of(contents) : STR("");
    if (!read_clock(&clock, is_generalized)) {
        snprintf(out, TLS_TIME_TEXT_SIZE, "Bad time value");
        return;
    }
    const struct tm *time = &clock.time;
    snprintf(out, TLS_TIME_TEXT_SIZE, "%s %2d %02d:%02d:%02d%.*s %d GMT", months[time->tm_mon],
             time->tm_mday, time->tm_hour, time->tm_min, time->tm_sec, (int)fraction.size,
             fraction.data, time->tm_year + 1900);
}

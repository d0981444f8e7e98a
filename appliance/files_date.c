// files_date.c - dates by arithmetic: no locale, no time zone, no allocation.
#include "files_date.h"

#include <stdio.h>
#include <string.h>

enum { DAY = 86400 };
#define TIME_LAST INT64_C(253402300799) // 9999-12-31 23:59:59

static const char days[] = "Sun"
                           "Mon"
                           "Tue"
                           "Wed"
                           "Thu"
                           "Fri"
                           "Sat";
static const char months[] = "Jan"
                             "Feb"
                             "Mar"
                             "Apr"
                             "May"
                             "Jun"
                             "Jul"
                             "Aug"
                             "Sep"
                             "Oct"
                             "Nov"
                             "Dec";

// Days since 1970-01-01 of a date in the Gregorian calendar. Years begin in March, so that the leap
// day is their last; month: 0 to 11.
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month < 2;
    int64_t era = year / 400, of_era = year % 400;
    int64_t of_year = (153 * ((month + 10) % 12) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void put_number(char *out, unsigned number, int digits)
{
    for (int i = digits - 1; i >= 0; i--, number /= 10)
        out[i] = (char)('0' + number % 10);
}

void files_date_write(char out[FILES_DATE_SIZE], int64_t time)
{
    static const char form[FILES_DATE_SIZE] = "Sun, 06 Nov 1994 08:49:37 GMT";
    time = time < 0 ? 0 : time > TIME_LAST ? TIME_LAST : time;
    unsigned second = (unsigned)(time % DAY);
    int64_t day = time / DAY;
    // Back from days_of: the year of which the day is one, then its month.
    int64_t shifted = day + 719468, era = shifted / 146097, of_era = shifted % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int month = (int)((5 * of_year + 2) / 153);
    unsigned of_month = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
    month = (month + 2) % 12;
    year += era * 400 + (month < 2);
    memcpy(out, form, sizeof form);
    memcpy(out, days + (day + 4) % 7 * 3, 3);
    put_number(out + 5, of_month, 2);
    memcpy(out + 8, months + 3 * month, 3);
    put_number(out + 12, (unsigned)year, 4);
    put_number(out + 17, second / 3600, 2);
    put_number(out + 20, second / 60 % 60, 2);
    put_number(out + 23, second % 60, 2);
}

// --- Parsing ---

// What is left to read; failed: it was not what it had to be.
struct reader {
    struct str rest;
    bool failed;
};

static void skip(struct reader *reader, struct str text)
{
    if (!str_starts(reader->rest, text)) {
        reader->failed = true;
        return;
    }
    reader->rest.data += text.size;
    reader->rest.size -= text.size;
}

// As many digits; padded: the first may be a blank.
static int take_number(struct reader *reader, size_t digits, bool padded)
{
    int number = 0;
    if (reader->rest.size < digits) {
        reader->failed = true;
        return 0;
    }
    for (size_t i = 0; i < digits; i++) {
        char c = reader->rest.data[i];
        if (padded && i == 0 && c == ' ')
            c = '0';
        if (c < '0' || c > '9')
            reader->failed = true;
        number = number * 10 + (c - '0');
    }
    reader->rest.data += digits;
    reader->rest.size -= digits;
    return number;
}

// The index of one of the names of three letters each.
static int take_name(struct reader *reader, const char *names)
{
    for (int i = 0; names[3 * i] != '\0'; i++) {
        if (reader->rest.size >= 3 && memcmp(reader->rest.data, names + 3 * i, 3) == 0) {
            skip(reader, (struct str){names + 3 * i, 3});
            return i;
        }
    }
    reader->failed = true;
    return 0;
}

struct date {
    int year, month, day, hour, minute, second; // month: from 0
};

static void take_time(struct reader *reader, struct date *date)
{
    date->hour = take_number(reader, 2, false);
    skip(reader, STR(":"));
    date->minute = take_number(reader, 2, false);
    skip(reader, STR(":"));
    date->second = take_number(reader, 2, false);
}

// Behind the day of the week: ", 06 Nov 1994 08:49:37 GMT".
static void take_fixdate(struct reader *reader, struct date *date)
{
    skip(reader, STR(", "));
    date->day = take_number(reader, 2, false);
    skip(reader, STR(" "));
    date->month = take_name(reader, months);
    skip(reader, STR(" "));
    date->year = take_number(reader, 4, false);
    skip(reader, STR(" "));
    take_time(reader, date);
    skip(reader, STR(" GMT"));
}

// "nday, 06-Nov-94 08:49:37 GMT": the year of two digits is at most 50 years ahead.
static void take_rfc850(struct reader *reader, struct date *date, int64_t now)
{
    const char *comma = memchr(reader->rest.data, ',', reader->rest.size);
    size_t size = comma != NULL ? (size_t)(comma - reader->rest.data) : 0;
    skip(reader, (struct str){reader->rest.data, size});
    skip(reader, STR(", "));
    date->day = take_number(reader, 2, false);
    skip(reader, STR("-"));
    date->month = take_name(reader, months);
    skip(reader, STR("-"));
    date->year = take_number(reader, 2, false);
    skip(reader, STR(" "));
    take_time(reader, date);
    skip(reader, STR(" GMT"));
    int this_year = 1970 + (int)(now / (DAY * INT64_C(146097) / 400));
    date->year += this_year / 100 * 100;
    if (date->year > this_year + 50)
        date->year -= 100;
    else if (date->year <= this_year - 50)
        date->year += 100;
}

// " Nov  6 08:49:37 1994".
static void take_asctime(struct reader *reader, struct date *date)
{
    skip(reader, STR(" "));
    date->month = take_name(reader, months);
    skip(reader, STR(" "));
    date->day = take_number(reader, 2, true);
    skip(reader, STR(" "));
    take_time(reader, date);
    skip(reader, STR(" "));
    date->year = take_number(reader, 4, false);
}

static bool is_day_name(struct str text)
{
    static const char *const tails[] = {"day", "sday", "nesday", "rsday", "urday"};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        if (str_equal(text, str_of(tails[i])))
            return true;
    }
    return false;
}

static bool is_rfc850(struct str rest)
{
    const char *comma = memchr(rest.data, ',', rest.size);
    return comma != NULL && is_day_name((struct str){rest.data, (size_t)(comma - rest.data)});
}

static bool is_date(const struct date *date)
{
    static const signed char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = date->year % 4 == 0 && (date->year % 100 != 0 || date->year % 400 == 0);
    int length = lengths[date->month] + (date->month == 1 && leap);
    // A leap second is the next one: Unix time has none.
    return date->day >= 1 && date->day <= length && date->hour < 24 && date->minute < 60 &&
           date->second <= 60;
}

bool files_date_parse(struct str text, int64_t now, int64_t *out)
{
    struct reader reader = {text, false};
    struct date date = {0, 0, 0, 0, 0, 0};
    take_name(&reader, days);
    if (reader.failed || reader.rest.size == 0)
        return false;
    if (reader.rest.data[0] == ',')
        take_fixdate(&reader, &date);
    else if (is_rfc850(reader.rest))
        take_rfc850(&reader, &date, now);
    else
        take_asctime(&reader, &date);
    if (reader.failed || reader.rest.size > 0 || !is_date(&date))
        return false;
    *out = days_of(date.year, date.month, date.day) * DAY + date.hour * 3600 + date.minute * 60 +
           date.second;
    return true;
}

// accesslog_date.c - dates, kept for a second.
#include "accesslog_date.h"

#include <time.h>

static const struct {
    const char *format;
    bool utc;
} forms[ACCESSLOG_DATE_FORMS] = {
    [ACCESSLOG_DATE_FORM_BRACKETS] = {"[%d/%b/%Y:%H:%M:%S %z]", false},
    [ACCESSLOG_DATE_FORM_COMMON] = {"%d/%b/%Y:%H:%M:%S %z", false},
    [ACCESSLOG_DATE_FORM_BLANK] = {"%Y-%m-%d %H:%M:%S %z", false},
    [ACCESSLOG_DATE_FORM_ISO] = {"%Y-%m-%dT%H:%M:%S", true},
};

struct str accesslog_date(struct accesslog_dates *dates, enum accesslog_date_form form,
                          int64_t second)
{
    __auto_type made = &dates->made[form];
    if (made->size == 0 || made->second != second) {
        time_t time = (time_t)second;
        struct tm parts;
        struct tm *known = forms[form].utc ? gmtime_r(&time, &parts) : localtime_r(&time, &parts);
        made->size =
            known != NULL ? strftime(made->text, sizeof made->text, forms[form].format, known) : 0;
        made->second = second;
    }
    return (struct str){made->text, made->size};
}

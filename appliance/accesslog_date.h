// accesslog_date.h - dates as a line of the access log has them, made once a second. One thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "str.h"

enum accesslog_date_form {
    ACCESSLOG_DATE_FORM_BRACKETS, // "[22/Nov/2026:09:11:46 +0000]", local time
    ACCESSLOG_DATE_FORM_COMMON,   // the same without brackets
    ACCESSLOG_DATE_FORM_BLANK,    // "2026-11-22 09:11:46 +0000", local time
    ACCESSLOG_DATE_FORM_ISO,      // "2026-11-22T09:11:46", UTC
    ACCESSLOG_DATE_FORMS,
};

struct accesslog_dates { // zeroed: nothing was made yet
    struct {
        int64_t second;
        size_t size; // 0: nothing
        char text[40];
    } made[ACCESSLOG_DATE_FORMS];
};

// The date of a second of Unix time; valid until the next call for that form.
struct str accesslog_date(struct accesslog_dates *dates, enum accesslog_date_form form,
                          int64_t second);

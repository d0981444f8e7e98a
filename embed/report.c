// report.c - one wording for all interfaces.
#include "report.h"

#include "buf.h"
#include "cleanup.h"
#include "log.h"
#include "streams.h"

enum { HEADING_MAX = 16 * 1024 }; // bytes

void report_lines(const char *module, const char *heading, PyObject *exception)
{
    struct err err;
    pyerr_begin_report();
    if (streams_are_installed())
        streams_write(LOG_LEVEL_ERROR, module, heading, strlen(heading));
    else
        log_error(module, "%s", heading);
    if (exception != NULL) {
        PyErr_SetRaisedException(Py_NewRef(exception));
        pyerr_report(&err);
    }
    pyerr_end_report();
}

void report_exception(const char *module, const struct request_head *head, PyObject *exception)
{
    struct str method = head != NULL ? head->method : STR("a");
    struct str target = head != NULL ? head->target : STR("request");
    _buf_ struct buf heading = BUF_INIT(HEADING_MAX);
    const char *what = exception != NULL ? "exception while answering"
                                         : "the application has ended without an answer to";
    if (buf_printf(&heading, "%s %.*s %.*s", what, (int)method.size, method.data, (int)target.size,
                   target.data) < 0)
        buf_printf(&heading, "%s a request", what);
    report_lines(module, buf_text(&heading), exception);
}

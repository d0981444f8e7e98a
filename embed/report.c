// report.c - one wording for all interfaces.
#include "report.h"

#include "log.h"

void report_exception(const char *module, const struct request_head *head, PyObject *exception)
{
    struct str method = head != NULL ? head->method : STR("a");
    struct str target = head != NULL ? head->target : STR("request");
    if (exception == NULL) {
        log_error(module, "the application has ended without an answer to %.*s %.*s",
                  (int)method.size, method.data, (int)target.size, target.data);
        return;
    }
    struct err err;
    pyerr_begin_report();
    log_error(module, "exception while answering %.*s %.*s", (int)method.size, method.data,
              (int)target.size, target.data);
    PyErr_SetRaisedException(Py_NewRef(exception));
    pyerr_report(&err);
    pyerr_end_report();
}

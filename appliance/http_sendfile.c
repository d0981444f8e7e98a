// http_sendfile.c - answers that name a file in X-Accel-Redirect or X-Sendfile, which is sent in
// place of their body (--sendfile). By whoever does the request's work.
#include "http_sendfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "files.h"
#include "http_priv.h"

enum naming { NAMING_NONE, NAMING_PATH, NAMING_TARGET };

static enum naming naming_of(struct str name)
{
    if (str_equal_nocase(name, STR("x-accel-redirect")))
        return NAMING_TARGET;
    return str_equal_nocase(name, STR("x-sendfile")) ? NAMING_PATH : NAMING_NONE;
}

bool http_sendfile_wanted(const struct request *request)
{
    const struct answer *answer = &request->answer;
    struct head_line line;
    if (request->http->setup->files == NULL || answer->is_replaced || request->local != NULL)
        return false;
    for (size_t at = 0; head_next_line(&answer->head, &at, &line);) {
        if (naming_of(line.name) != NAMING_NONE)
            return true;
    }
    return false;
}

// Of the application's own body alone, which is dropped (RFC 9110 section 14.4, RFC 9530; RFC 3230
// and RFC 2616 before it).
static bool is_of_its_body(struct str name)
{
    static const struct str names[] = {
        {"content-range", 13}, {"content-digest", 14}, {"repr-digest", 11},
        {"digest", 6},         {"content-md5", 11},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_equal_nocase(name, names[i]))
            return true;
    }
    return false;
}

// Take the fields out of the head: what names the file, as a copy, NULL without memory. Of several,
// X-Accel-Redirect counts, and the first.
static char *take_name(struct head *head, enum naming *found)
{
    struct head_line line;
    char *name = NULL;
    size_t next = 0;
    *found = NAMING_NONE;
    for (size_t at = 0; head_next_line(head, &next, &line); at = next) {
        enum naming naming = naming_of(line.name);
        if (naming == NAMING_NONE && !is_of_its_body(line.name))
            continue;
        if (naming > *found) {
            free(name);
            name = strndup(line.value.data, line.value.size);
            *found = naming;
        }
        head_remove_line(head, &line);
        next = at;
    }
    return name;
}

// The application's body is for nobody.
static void drop(const struct response *response)
{
    if (response->source != NULL && response->source->fd >= 0)
        close(response->source->fd);
    if (response->release != NULL)
        response->release(response->owner);
}

int http_sendfile_respond(struct request *request, const struct response *response, struct err *err)
{
    struct answer *answer = &request->answer;
    enum naming naming;
    unsigned status = response->status;
    _free_ char *name = take_name(&answer->head, &naming);
    answer->is_replaced = true;
    answer->in_chunks = false; // no trailers
    // The length of what is dropped.
    answer->head.content_length = -1;
    drop(response);
    // Ranges are taken of the file, as requested; a 205 has no content (RFC 9110 section 15.3.6).
    if (status == 205)
        return request_respond(request, &(struct response){.status = 205}, err);
    if (status == 206) {
        status = 200;
        head_set_reason(&answer->head, str_of(request_reason(status)));
    }
    if (name == NULL || !files_send(request->http->setup->files, request, status, str_of(name),
                                    naming == NAMING_TARGET))
        return err_system(err, ENOMEM, "file");
    must(request->answered);
    return 0;
}

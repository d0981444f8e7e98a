// files.h - files answered by the server itself: from folders on disk and from the archive, with
// conditions (RFC 9110 section 13), ranges (section 14), and the codings that are there. One a
// worker, immutable but for its caches; with the baton, but for files_send.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "local.h"
#include "request.h"
#include "str.h"

struct archive;
struct files; // opaque
struct stats_worker;

struct files_setup {
    char *const *routes; // "/static=folder"; the longest prefix wins
    size_t route_count;
    char *const
        *sends; // the same, for what applications name in X-Accel-Redirect and X-Sendfile alone
    size_t send_count;
    const char
        *fallback;   // file of a route's folder for paths of single-page applications; NULL: none
    int64_t expires; // milliseconds for Cache-Control of names without a fingerprint
    const struct archive *archive; // NULL: none
    const char *base; // folder that relative ones are in, where they are not in the archive's app/
    struct stats_worker *stats;
};

// That base, into out, which is given back: the application's working folder, in the one that the
// server was started in (NULL: where we are).
const char *files_base(char *out, size_t size, const char *start_folder, const char *working_dir);

// Errors name the route: the folder is missing, is none, cannot be read.
int files_new(struct files **out, const struct files_setup *setup, struct err *err);
void files_free(struct files *files);
// For the table of local.h.
struct local files_local(struct files *files);

// Answer an application's request with the file that its answer names: by X-Accel-Redirect, the
// route's prefix and a path, percent-encoded; by X-Sendfile, an absolute path on disk or in the
// archive below a route's folder. In the thread that does the request's work; any. The answer's
// head (request_response_head) has the application's fields, without that one, and gets what is
// missing. status: the application's; a condition or range of the request may make it 304, 206 or
// 416 where it is 200. 404 where there is no such file, 403 where it is not allowed; the log says
// so. False: out of memory.
// is_path: the name is X-Accel-Redirect's, else X-Sendfile's.
bool files_send(struct files *files, struct request *request, unsigned status, struct str name,
                bool is_path);

// status_page.h - the page that shows what the server does (--status-page), and the figures that it
// asks for: PATH gives the page, which is in the archive (lib/status.html), PATH?data what it shows
// as JSON, PATH?data=TIME that with the moments after TIME (Unix milliseconds) alone. GET and HEAD,
// for allowed addresses (status_page_allow.h); all others hear 403.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "local.h"

struct archive;
struct stats_board;
struct stats_worker;
struct status_page; // opaque

struct status_page_setup {
    const char *path;   // "/status", without a '/' behind it; what is asked for may have one
    char *const *allow; // networks; none: loopback
    size_t allow_count;
    const struct archive *archive; // NULL: none, and no page in it
    struct stats_board *board;
    struct stats_worker *stats; // our entry there
    const char *name, *version; // of the server
    unsigned worker;            // our number
    // What a state that stands on the board is called; any number may stand there.
    const char *(*state_name)(int state);
};

// What is in the setup must stay valid as long as the page. Errors: there is no page in the
// archive, an address that is none.
int status_page_new(struct status_page **out, const struct status_page_setup *setup,
                    struct err *err);
void status_page_free(struct status_page *page);

// For all listeners but that of the metrics.
struct local status_page_local(struct status_page *page);

// The figures; since: moments after it alone, Unix milliseconds. -1: they do not fit, or memory is
// short.
int status_page_json(const struct status_page_setup *setup, int64_t since, struct buf *out);

// status_page.c - answers with the page, its figures, or why not. In the reactor's thread.
#include "status_page.h"

#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "check.h"
#include "cleanup.h"
#include "compress.h"
#include "files_path.h"
#include "head.h"
#include "request.h"
#include "stats.h"
#include "status_page_allow.h"

enum {
    PAGE_MAX = 256 * 1024, // bytes
    POLICY_MAX = 1024,
    GZIP_HEAD = 10, // bytes
    EXTRA_MAX = 3,
    DATA_MAX = 1024 * 1024, // a thousand workers and all moments are half of it
};

struct status_page {
    struct status_page_setup setup;
    struct status_page_allow allow;
    struct buf html, policy; // the page, and its Content-Security-Policy
    struct buf gzip;         // the page as the archive has it; empty: it is not deflated there
};

static int read_member(struct status_page *page, const char *name, struct buf *out, struct err *err)
{
    const struct archive *archive = page->setup.archive;
    const struct archive_member *member =
        archive != NULL ? archive_find(archive, str_of(name)) : NULL;
    if (member == NULL || buf_reserve(out, member->size) < 0)
        return err_set(err, ERR_FAILED, "--status-page: this binary has no %s in it", name);
    if (archive_read(archive, member, out->data, err) < 0)
        return -1;
    out->size = member->size;
    out->data[out->size] = '\0';
    return 0;
}

static int put_32(struct buf *out, uint32_t number)
{
    unsigned char bytes[4];
    for (size_t i = 0; i < sizeof bytes; i++, number >>= 8)
        bytes[i] = (unsigned char)number;
    return buf_append(out, bytes, sizeof bytes);
}

// What is deflated in the archive, between a gzip file's header and its end (RFC 1952 section 2.3).
static int wrap_page(struct status_page *page, struct err *err)
{
    static const unsigned char head[GZIP_HEAD] = {0x1f, 0x8b, 8, [9] = 0xff};
    const struct archive *archive = page->setup.archive;
    const struct archive_member *member = archive_find(archive, STR("lib/status.html"));
    struct str deflated;
    if (!member->deflated)
        return 0;
    if (archive_view_deflated(archive, member, &deflated, err) < 0)
        return -1;
    bool done = buf_append(&page->gzip, head, sizeof head) == 0 &&
                buf_append_str(&page->gzip, deflated) == 0 &&
                put_32(&page->gzip, member->crc32) == 0 &&
                put_32(&page->gzip, (uint32_t)member->size) == 0;
    return done ? 0 : err_set(err, ERR_FAILED, "out of memory");
}

int status_page_new(struct status_page **out, const struct status_page_setup *setup,
                    struct err *err)
{
    struct status_page *page = calloc(1, sizeof *page);
    if (page == NULL)
        return err_set(err, ERR_FAILED, "out of memory");
    page->setup = *setup;
    buf_init(&page->html, PAGE_MAX);
    buf_init(&page->policy, POLICY_MAX);
    buf_init(&page->gzip, PAGE_MAX);
    if (status_page_allow_init(&page->allow, setup->allow, setup->allow_count, err) < 0 ||
        read_member(page, "lib/status.html", &page->html, err) < 0 ||
        read_member(page, "lib/status.policy", &page->policy, err) < 0 ||
        wrap_page(page, err) < 0) {
        status_page_free(page);
        return -1;
    }
    *out = page;
    return 0;
}

void status_page_free(struct status_page *page)
{
    if (page == NULL)
        return;
    status_page_allow_fini(&page->allow);
    buf_fini(&page->html);
    buf_fini(&page->policy);
    buf_fini(&page->gzip);
    free(page);
}

// --- requests ---

static bool takes(void *owner, const struct request *request)
{
    const struct status_page *page = owner;
    struct str query, path = files_path_split(request_head(request)->target, &query);
    struct str own = str_of(page->setup.path);
    if (path.size == own.size + 1 && path.data[own.size] == '/')
        path.size--;
    return files_path_is(path, own);
}

static bool is_data(struct str query)
{
    return str_equal(query, STR("?data")) || str_starts(query, STR("?data="));
}

// The moment behind "data=", 0: none.
static int64_t since_of(struct str query)
{
    int64_t since = 0;
    for (size_t i = strlen("?data="); i < query.size && since < INT64_MAX / 16; i++) {
        if (query.data[i] < '0' || query.data[i] > '9')
            return 0;
        since = since * 10 + (query.data[i] - '0');
    }
    return since;
}

// --- answers ---

struct field {
    struct str name, value;
};

struct answer {
    unsigned status;
    struct str type, body;
    char *taken;                   // malloc'd: the body, ours to give; NULL: it stays
    struct field extra[EXTRA_MAX]; // up to the first without a name
};

static void respond(struct request *request, const struct answer *answer)
{
    const struct field common[] = {
        {STR("Content-Type"), answer->type},
        {STR("Cache-Control"), STR("no-store")},
        {STR("X-Content-Type-Options"), STR("nosniff")},
        {STR("Referrer-Policy"), STR("no-referrer")},
        {STR("Cross-Origin-Resource-Policy"), STR("same-origin")},
    };
    struct head *head = request_response_head(request);
    struct response response = {.status = answer->status,
                                .content_length = -1,
                                .body = answer->body,
                                .release = answer->taken != NULL ? free : NULL,
                                .release_early = true,
                                .owner = answer->taken};
    struct err err;
    bool fine = head_begin(head, str_of(request_reason(answer->status))) == 0;
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        fine = fine && head_add(head, common[i].name, common[i].value) == HEAD_FINE;
    for (size_t i = 0; i < EXTRA_MAX && answer->extra[i].name.size > 0; i++)
        fine = fine && head_add(head, answer->extra[i].name, answer->extra[i].value) == HEAD_FINE;
    if (!fine) {
        free(answer->taken);
        request_fail(request, 500);
    } else if (request_respond(request, &response, &err) < 0) {
        request_fail(request, 503);
    }
}

static bool takes_gzip(const struct request_head *head)
{
    for (size_t i = 0; i < head->header_count; i++) {
        if (str_equal_nocase(head->headers[i].name, STR("accept-encoding")))
            return coding_choose(head->headers[i].value, 1 << CODING_GZIP) == CODING_GZIP;
    }
    return false;
}

static void give_page(const struct status_page *page, struct request *request)
{
    struct answer answer = {
        .status = 200,
        .type = STR("text/html; charset=utf-8"),
        .body = buf_str(&page->html),
        .extra = {{STR("Content-Security-Policy"), buf_str(&page->policy)},
                  {STR("Vary"), STR("Accept-Encoding")}},
    };
    if (page->gzip.size > 0 && takes_gzip(request_head(request))) {
        answer.body = buf_str(&page->gzip);
        answer.extra[2] = (struct field){STR("Content-Encoding"), STR("gzip")};
    }
    respond(request, &answer);
}

static void give_data(const struct status_page *page, struct request *request, struct str query)
{
    _buf_ struct buf out = BUF_INIT(DATA_MAX);
    stats_refresh_memory(page->setup.board);
    stats_take_moment(page->setup.board);
    if (status_page_json(&page->setup, since_of(query), &out) < 0) {
        request_fail(request, 503);
        return;
    }
    struct answer answer = {.status = 200, .type = STR("application/json"), .body = buf_str(&out)};
    answer.taken = steal_ptr(&out.data);
    respond(request, &answer);
}

static void reply(void *owner, struct request *request)
{
    static const struct answer forbidden = {
        .status = 403,
        .type = STR("text/plain; charset=utf-8"),
        .body = STR("This address may not see the status page: the server's setting "
                    "status-page-allow says who may.\n"),
    };
    static const struct answer not_read = {
        .status = 405,
        .type = STR("text/plain; charset=utf-8"),
        .body = STR("The status page is for GET and HEAD.\n"),
        .extra = {{STR("Allow"), STR("GET, HEAD")}},
    };
    const struct status_page *page = owner;
    const struct request_head *head = request_head(request);
    bool reads = str_equal(head->method, STR("GET")) || str_equal(head->method, STR("HEAD"));
    struct str query;
    files_path_split(head->target, &query);
    stats_count(page->setup.stats, STATS_local_requests, 1);
    if (!status_page_allow_has(&page->allow, head))
        respond(request, &forbidden);
    else if (!reads)
        respond(request, &not_read);
    else if (is_data(query))
        give_data(page, request, query);
    else
        give_page(page, request);
}

struct local status_page_local(struct status_page *page)
{
    return (struct local){.takes = takes, .answer = reply, .owner = page, .on_others = true};
}

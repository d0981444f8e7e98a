// files_send.c - from what was found to an answer: conditions, ranges, the fields, and where the
// bytes come from.
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "files_date.h"
#include "files_priv.h"
#include "head.h"
#include "stats.h"

// Bytes of a deflated member that ranges are taken of: all before one is inflated in the reactor's
// thread, which takes 5 milliseconds at most.
enum { RANGED_MAX = 2 << 20 };

// --- Fields ---

// A field that the application has not written itself.
static void add(struct files_reply *reply, struct str name, struct str value)
{
    struct head *head = request_response_head(reply->request);
    struct str own;
    if (reply->is_local || !head_find(head, name, &own))
        head_add(head, name, value);
}

static int begin_head(struct files_reply *reply, unsigned status)
{
    struct head *head = request_response_head(reply->request);
    struct str reason = str_of(request_reason(status));
    if (reply->is_local)
        return head_begin(head, reason);
    return status == reply->status ? 0 : head_set_reason(head, reason);
}

bool files_reply_status(struct files_reply *reply, unsigned status, struct str name,
                        struct str value)
{
    struct head *head = request_response_head(reply->request);
    char text[128];
    struct err err;
    if (reply->is_local && status >= 400)
        stats_count(reply->files->setup.stats, STATS_static_errors, 1);
    if (head_begin(head, str_of(request_reason(status))) < 0)
        return false;
    if (name.size > 0)
        head_add(head, name, value);
    head_add(head, STR("Content-Type"), STR("text/plain; charset=utf-8"));
    int size = snprintf(text, sizeof text, "%u %s\n", status, request_reason(status));
    struct response response = {
        .status = status,
        .content_length = -1,
        .body = {text, (size_t)size},
        .release_early = true,
    };
    return request_respond(reply->request, &response, &err) == 0;
}

// The application's entity tag is of the plain file: a coding of it is another representation, and
// its parts must not be joined with those of the plain one (RFC 9110 sections 8.8.3.3, 13.1.5).
static void mark_etag(struct files_reply *reply, const struct files_item *item)
{
    struct head *head = request_response_head(reply->request);
    struct head_line line;
    if (reply->is_local || item->coding == FILES_PLAIN)
        return;
    for (size_t at = 0; head_next_line(head, &at, &line);) {
        size_t size = line.value.size;
        if (!str_equal_nocase(line.name, STR("etag")))
            continue;
        bool is_strong = size >= 2 && line.value.data[0] == '"' && line.value.data[size - 1] == '"';
        if (is_strong &&
            head_insert(head, line.value_begin + size - 1, files_codings[item->coding].tag_end) < 0)
            head_remove_line(head, &line);
        return;
    }
}

// What conditions are judged by: what was found, or what the application says of its own. A file
// may be younger than a clock that is not set: its own time counts, by which a copy that a client
// has from before is known or is not.
static struct files_validators validators_of(struct files_reply *reply,
                                             const struct files_item *item)
{
    struct files_validators out = {
        .etag = {item->etag, item->etag_size},
        .modified = item->modified,
    };
    const struct head *head = request_response_head(reply->request);
    struct str value;
    if (reply->is_local)
        return out;
    if (head_find(head, STR("etag"), &value))
        out.etag = value;
    if (head_find(head, STR("last-modified"), &value) &&
        !files_date_parse(value, reply->now, &out.modified))
        out.modified = -1;
    return out;
}

// Of 200, 206, 304 and 416.
static void add_validators(struct files_reply *reply, const struct files_item *item,
                           const struct files_validators *validators)
{
    char date[FILES_DATE_SIZE];
    add(reply, STR("ETag"), (struct str){item->etag, item->etag_size});
    if (validators->modified >= 0) {
        // It may not lie behind the answer's date (RFC 9110 section 8.8.2.1).
        files_date_write(date,
                         validators->modified < reply->now ? validators->modified : reply->now);
        add(reply, STR("Last-Modified"), (struct str){date, FILES_DATE_SIZE - 1});
    }
    if (reply->cache_control != NULL)
        add(reply, STR("Cache-Control"), str_of(reply->cache_control));
    if (reply->varies_by_accept)
        head_add(request_response_head(reply->request), STR("Vary"), STR("Accept"));
    if (item->varies) // beside what the application says
        head_add(request_response_head(reply->request), STR("Vary"), STR("Accept-Encoding"));
}

// Ranges are of the member as it was packed, and what lies before one has to be inflated at once.
static bool has_ranges(const struct files_item *item)
{
    bool inflates = item->member != NULL && item->member->deflated;
    return !item->is_wrapped && (!inflates || item->size <= RANGED_MAX);
}

static void add_content(struct files_reply *reply, const struct files_item *item, struct str type)
{
    add(reply, STR("Content-Type"), type);
    if (item->coding != FILES_PLAIN)
        add(reply, STR("Content-Encoding"), files_codings[item->coding].token);
    if (has_ranges(item))
        add(reply, STR("Accept-Ranges"), STR("bytes"));
}

// --- Bodies ---

static bool is_get(const struct files_reply *reply)
{
    return str_equal(reply->head->method, STR("GET"));
}

static bool respond(struct files_reply *reply, struct response *response)
{
    struct err err;
    return request_respond(reply->request, response, &err) == 0;
}

// A member's bytes from start on.
static bool send_member(struct files_reply *reply, const struct files_item *item,
                        struct response *response, uint64_t start)
{
    struct files_bytes bytes;
    struct body_source source;
    uint64_t size = (uint64_t)response->content_length;
    int kind = files_archive_bytes(reply->files, item, &bytes);
    if (kind < 0)
        return false;
    if (kind == 0) {
        response->body = (struct str){bytes.bytes.data + start, (size_t)size};
        response->release = bytes.release;
        response->owner = bytes.owner;
        response->release_early = true;
        return respond(reply, response);
    }
    if (files_archive_stream(reply->files, item, start, size, &source, response) < 0)
        return false;
    return respond(reply, response);
}

static bool send_bytes(struct files_reply *reply, struct files_item *item, unsigned status,
                       const struct files_range *range)
{
    struct response response = {.status = status,
                                .content_length = (int64_t)(range->end - range->start)};
    struct body_source source;
    if (!request_takes_body(reply->request, status) || response.content_length == 0)
        return respond(reply, &response);
    if (item->member != NULL)
        return send_member(reply, item, &response, range->start);
    source = (struct body_source){.fd = steal_fd(&item->fd), .offset = range->start};
    response.source = &source;
    return respond(reply, &response);
}

static bool send_whole(struct files_reply *reply, struct files_item *item,
                       const struct files_validators *validators)
{
    const struct files_range all = {0, item->size};
    if (begin_head(reply, reply->status) < 0)
        return false;
    add_content(reply, item, item->type->type);
    add_validators(reply, item, validators);
    return send_bytes(reply, item, reply->status, &all);
}

static bool send_range(struct files_reply *reply, struct files_item *item,
                       const struct files_validators *validators, const struct files_range *range)
{
    char text[80];
    if (begin_head(reply, 206) < 0)
        return false;
    add_content(reply, item, item->type->type);
    add_validators(reply, item, validators);
    int size = snprintf(text, sizeof text, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->start,
                        range->end - 1, item->size);
    add(reply, STR("Content-Range"), (struct str){text, (size_t)size});
    return send_bytes(reply, item, 206, range);
}

static struct files_parts *make_parts(struct files_reply *reply, struct files_item *item,
                                      const struct files_ranges *ranges)
{
    struct files_bytes bytes = {.release = NULL};
    if (item->member != NULL && files_archive_bytes(reply->files, item, &bytes) != 0)
        return NULL;
    struct files_parts *parts = files_parts_new(ranges, item, item->type->type, item->fd, &bytes);
    if (parts != NULL)
        item->fd = -1;
    else if (bytes.release != NULL)
        bytes.release(bytes.owner);
    return parts;
}

static bool send_parts(struct files_reply *reply, struct files_item *item,
                       const struct files_validators *validators, const struct files_ranges *ranges)
{
    char type[80];
    struct files_parts *parts = make_parts(reply, item, ranges);
    // What is too large to be inflated again and again is sent as a whole.
    if (parts == NULL)
        return send_whole(reply, item, validators);
    if (begin_head(reply, 206) < 0) {
        files_parts_free(parts);
        return false;
    }
    int size = snprintf(type, sizeof type, "multipart/byteranges; boundary=%s",
                        files_parts_boundary(parts));
    add_content(reply, item, (struct str){type, (size_t)size});
    add_validators(reply, item, validators);
    struct body_source source = {.next = files_parts_next, .at_once = true, .fd = -1};
    struct response response = {
        .status = 206,
        .content_length = (int64_t)files_parts_size(parts),
        .source = &source,
        .release = files_parts_free,
        .owner = parts,
    };
    return respond(reply, &response);
}

static bool send_outside(struct files_reply *reply, const struct files_item *item)
{
    char text[40];
    int size = snprintf(text, sizeof text, "bytes */%" PRIu64, item->size);
    return files_reply_status(reply, 416, STR("Content-Range"), (struct str){text, (size_t)size});
}

static bool send_not_modified(struct files_reply *reply, const struct files_item *item,
                              const struct files_validators *validators)
{
    struct response response = {.status = 304, .content_length = -1};
    if (begin_head(reply, 304) < 0)
        return false;
    add_validators(reply, item, validators);
    return respond(reply, &response);
}

// --- What is asked for ---

bool files_is_read(const struct request_head *head)
{
    return str_equal(head->method, STR("GET")) || str_equal(head->method, STR("HEAD"));
}

// Parts have types of their own: the application's is the whole's.
static bool takes_parts(struct files_reply *reply)
{
    struct str type;
    return reply->is_local ||
           !head_find(request_response_head(reply->request), STR("content-type"), &type);
}

static bool send_ranges(struct files_reply *reply, struct files_item *item,
                        const struct files_validators *validators)
{
    struct files_ranges ranges;
    enum files_range_kind kind = FILES_RANGE_WHOLE;
    if (reply->fields.range.data != NULL && is_get(reply) && has_ranges(item) &&
        files_condition_ranges(&reply->fields, validators, reply->now))
        kind = files_range_parse(&ranges, reply->fields.range, item->size);
    if (kind == FILES_RANGE_OUTSIDE)
        return send_outside(reply, item);
    if (kind == FILES_RANGE_PARTS && ranges.count == 1)
        return send_range(reply, item, validators, &ranges.items[0]);
    if (kind == FILES_RANGE_PARTS && takes_parts(reply))
        return send_parts(reply, item, validators, &ranges);
    return send_whole(reply, item, validators);
}

bool files_reply_item(struct files_reply *reply, struct files_item *item)
{
    reply->now = (int64_t)time(NULL);
    mark_etag(reply, item);
    struct files_validators validators = validators_of(reply, item);
    bool sent;
    // Only an answer of success has what conditions and ranges are about (RFC 9110 section 13.2.1).
    enum files_condition condition = FILES_CONDITION_HOLDS;
    if (reply->status == 200 && files_is_read(reply->head))
        condition = files_condition_judge(&reply->fields, reply->head, &validators, reply->now);
    if (condition == FILES_CONDITION_FAILED)
        sent = files_reply_status(reply, 412, STR(""), STR(""));
    else if (condition == FILES_CONDITION_NOT_MODIFIED)
        sent = send_not_modified(reply, item, &validators);
    else if (reply->status == 200)
        sent = send_ranges(reply, item, &validators);
    else
        sent = send_whole(reply, item, &validators);
    files_item_close(item);
    return sent;
}

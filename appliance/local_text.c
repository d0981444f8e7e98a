// local_text.c - answers from memory, released when they were sent.
#include "local_text.h"

#include <stdlib.h>

#include "cleanup.h"
#include "files_path.h"
#include "head.h"
#include "log.h"

bool local_text_is_for(const struct request *request, const char *path)
{
    struct str query, raw = files_path_split(request_head(request)->target, &query);
    return files_path_is(raw, str_of(path));
}

static bool is_read(const struct request *request)
{
    struct str method = request_head(request)->method;
    return str_equal(method, STR("GET")) || str_equal(method, STR("HEAD"));
}

static bool write_head(struct request *request, unsigned status, struct str type, bool is_read)
{
    struct head *head = request_response_head(request);
    return head_begin(head, str_of(request_reason(status))) == 0 &&
           head_add(head, STR("Content-Type"), type) == HEAD_FINE &&
           head_add(head, STR("Cache-Control"), STR("no-store")) == HEAD_FINE &&
           (is_read || head_add(head, STR("Allow"), STR("GET, HEAD")) == HEAD_FINE);
}

void local_text_answer(struct request *request, unsigned status, struct str type,
                       struct buf *content)
{
    static const char refusal[] = "405 Method Not Allowed: GET and HEAD are\n";
    struct err err;
    char *memory = steal_ptr(&content->data);
    struct response response = {
        .status = status,
        .content_length = -1,
        .body = {memory != NULL ? memory : "", content->size},
        .release = free,
        .release_early = true,
        .owner = memory,
    };
    bool reads = is_read(request);
    content->size = content->capacity = 0;
    if (!reads) {
        response.status = 405;
        response.body = (struct str){refusal, sizeof refusal - 1};
    }
    if (!write_head(request, response.status, type, reads)) {
        free(memory);
        request_fail(request, 500);
    } else if (request_respond(request, &response, &err) < 0) {
        log_warning("http", "%s", err.text);
        request_fail(request, 500);
    }
}

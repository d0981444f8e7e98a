// health.c - a word for each of the two.
#include "health.h"

#include <string.h>

#include "local_text.h"

enum { WORD_MAX = 64 };

bool health_is_asked(const char *path)
{
    return path != NULL && strcmp(path, "off") != 0;
}

static bool takes(void *owner, const struct request *request)
{
    const struct health *health = owner;
    return local_text_is_for(request, health->path);
}

static void answer(void *owner, struct request *request)
{
    const struct health *health = owner;
    _buf_ struct buf word = BUF_INIT(WORD_MAX);
    bool well = !health->asks_ready || stats_is_ready(health->board);
    stats_count(health->stats, STATS_local_requests, 1);
    if (buf_append_str(&word, well ? STR("ok\n") : STR("no requests are taken\n")) < 0) {
        request_fail(request, 500);
        return;
    }
    local_text_answer(request, well ? 200 : 503, STR("text/plain; charset=utf-8"), &word);
}

struct local health_local(const struct health *health)
{
    return (struct local){
        .takes = takes,
        .answer = answer,
        .owner = (void *)(uintptr_t)health,
        .on_metrics_listener = true,
        .on_others = true,
        .any_host = true, // load balancers ask by address
    };
}

// metrics.c - the answer to Prometheus.
#include "metrics.h"

#include <string.h>

#include "local_text.h"

enum { METRICS_MAX = 8 << 20 }; // bytes; 512 workers take a tenth of it

#define OWN_PATH "/metrics"

const char *metrics_version_of(const char *runtime)
{
    const char *space = strchr(runtime, ' ');
    return space != NULL ? space + 1 : runtime;
}

static bool takes(void *owner, const struct request *request)
{
    const struct metrics *metrics = owner;
    return local_text_is_for(request, metrics->path != NULL ? metrics->path : OWN_PATH);
}

static void answer(void *owner, struct request *request)
{
    const struct metrics *metrics = owner;
    _buf_ struct buf text = BUF_INIT(METRICS_MAX);
    stats_count(metrics->stats, STATS_local_requests, 1);
    stats_refresh_memory(metrics->board);
    if (stats_prometheus(metrics->board, &metrics->build, &text) < 0) {
        request_fail(request, 500);
        return;
    }
    local_text_answer(request, 200, STR("text/plain; version=0.0.4; charset=utf-8"), &text);
}

struct local metrics_local(const struct metrics *metrics)
{
    return (struct local){
        .takes = takes,
        .answer = answer,
        .owner = (void *)(uintptr_t)metrics,
        .on_metrics_listener = metrics->path == NULL,
        .on_others = metrics->path != NULL,
    };
}

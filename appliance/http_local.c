// http_local.c - requests that the server answers itself (local.h), inside libmicrohttpd's
// callback.
#include "http_priv.h"
#include "local.h"

static bool is_there(const struct local *local, const struct request *request)
{
    bool metrics = request->connection->listener->kind == LISTENER_METRICS;
    return metrics ? local->on_metrics_listener : local->on_others;
}

bool http_local_find(struct request *request)
{
    const struct reactor_setup *setup = request->http->setup;
    for (size_t i = 0; i < setup->local_count; i++) {
        const struct local *local = &setup->locals[i];
        if (is_there(local, request) && local->takes(local->owner, request)) {
            request->local = local;
            return true;
        }
    }
    return false;
}

bool http_local_has_any_host(const struct request *request)
{
    const struct reactor_setup *setup = request->http->setup;
    for (size_t i = 0; i < setup->local_count; i++) {
        const struct local *local = &setup->locals[i];
        if (local->any_host && is_there(local, request) && local->takes(local->owner, request))
            return true;
    }
    return false;
}

bool http_local_answer(struct request *request, enum MHD_Result *result)
{
    const struct local *local = request->local;
    local->answer(local->owner, request);
    if (!request->answered) {
        request->local = NULL;
        return false;
    }
    http_response_queue(request);
    *result = request->failed ? MHD_NO : MHD_YES;
    return true;
}

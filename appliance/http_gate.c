// http_gate.c - what a request has to pass before anybody works on it, in order; and what is told
// of one that does not.
#include "http_gate_priv.h"

#include <stdlib.h>

#include "clock.h"
#include "hosts.h"
#include "http_location.h"
#include "http_priv.h"
#include "refusals.h"
#include "strict.h"

// Each: the kind of refusal, or PASSES. detail: set to what is wrong, where there is more to say.
enum { PASSES = REFUSAL_COUNT };
typedef int gate(struct request *request, struct str *detail);

static int judge_count(struct request *request, struct str *detail)
{
    (void)detail;
    return request->head.header_count > request->http->limits.headers ? REFUSAL_headers : PASSES;
}

// A target that names a host takes the place of Host, whatever that says (RFC 9112 section 3.2.2):
// for the gates behind this one, and for the application.
static void put_host(struct request *request, struct str authority)
{
    for (size_t i = 0; authority.size > 0 && i < request->head.header_count; i++) {
        if (str_equal_nocase(request->headers[i].name, STR("host")))
            request->headers[i].value = authority;
    }
}

static int judge_grammar(struct request *request, struct str *detail)
{
    static const int kinds[] = {
        [STRICT_GOOD] = PASSES,
        [STRICT_MALFORMED] = REFUSAL_malformed,
        [STRICT_CODING] = REFUSAL_coding,
        [STRICT_METHOD] = REFUSAL_method,
    };
    enum strict_verdict verdict = strict_judge(&request->head, detail);
    if (verdict == STRICT_GOOD && request->head.target.data[0] != '/')
        put_host(request, strict_authority(request->head.target));
    return kinds[verdict];
}

static int judge_length(struct request *request, struct str *detail)
{
    (void)detail;
    return spool_exceeds(&request->body, http_request_length(request)) ? REFUSAL_body : PASSES;
}

static int judge_client(struct request *request, struct str *detail)
{
    (void)detail;
    return request->disagrees ? REFUSAL_forwarded : PASSES;
}

static int judge_rate(struct request *request, struct str *detail)
{
    (void)detail;
    return http_rate_passes(request) ? PASSES : REFUSAL_rate;
}

// Metrics are asked for by address, and so is health.
static int judge_host(struct request *request, struct str *detail)
{
    const struct hosts *hosts = request->http->setup->hosts;
    struct str host = STR("no host");
    if (hosts == NULL || request->connection->listener->kind == LISTENER_METRICS)
        return PASSES;
    if (http_location_host(&request->head, &host) && hosts_have(hosts, host))
        return PASSES;
    if (http_local_has_any_host(request))
        return PASSES;
    *detail = host;
    return REFUSAL_host;
}

static gate *const gates[] = {judge_count, judge_grammar, judge_client,
                              judge_rate,  judge_host,    judge_length};

bool http_gate_passes(struct request *request, enum refusal *which, struct str *detail)
{
    *detail = STR("");
    for (size_t i = 0; i < sizeof gates / sizeof gates[0]; i++) {
        int judgement = gates[i](request, detail);
        if (judgement != PASSES) {
            *which = (enum refusal)judgement;
            return false;
        }
    }
    return true;
}

void http_gate_tell(struct request *request, enum refusal which, struct str detail)
{
    unsigned status = refusal_status(which);
    request->refused = status != 0 ? status : request->refused;
    refusals_tell(request->http->setup->refusals, which, request->head.peer_address, detail,
                  clock_milliseconds());
}

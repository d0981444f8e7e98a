// http_observe_priv.h - what stands around a request: who looks at it, and whether the server
// answers it itself. Included by http_priv.h.
#pragma once

#include <microhttpd.h>
#include <stdbool.h>

struct request;

// http_local.c: whether the server answers it itself, without the application; its answer, queued.
// False: it has declined, and the application is to be asked.
bool http_local_find(struct request *request);
bool http_local_answer(struct request *request, enum MHD_Result *result);
// And whether it is for one that answers whatever host is asked for.
bool http_local_has_any_host(const struct request *request);

// http_observe.c: a request begins; it is refused, with that status, before the application has it;
// it ends, whatever came of it. And libmicrohttpd refuses one itself.
void http_observe_begin(struct request *request);
void http_observe_refusal(struct request *request, unsigned status);
void http_observe_end(struct request *request, enum MHD_RequestTerminationCode how);
// The application does not get on with it: that is its end for all who look. Bytes of an answer
// that was sent past libmicrohttpd, 0: none was.
void http_observe_given_up(struct request *request, uint64_t sent, uint64_t head_sent);
void *http_observe_refused(void *http, struct MHD_Connection *transport, void *request,
                           unsigned status, const char *data, size_t size);

// http_desert.c: the end of a request, or of its work, that was given up before.
void http_desert_end(struct request *request);
void http_desert_settle(struct request *request);

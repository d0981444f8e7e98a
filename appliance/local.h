// local.h - requests that the server answers itself, without the application: files, health,
// metrics, the status page. What answers is written against request.h, as a language bridge is; it
// runs in the thread with the baton, without the language's lock, and must be quick and not wait.
#pragma once

#include <stdbool.h>

#include "request.h"

struct local {
    // Whether it answers this request, whose header section is here; remembered for the answer.
    // Called for each request in the order of the table; the first one that takes it answers.
    bool (*takes)(void *owner, const struct request *request);
    // Answer it: request_response_head and request_respond, or request_fail, before it returns. Its
    // body was received, or (large, or to be asked for) will be thrown away with the connection.
    // May decline instead by not answering (a file that is not there): the application gets it
    // then.
    void (*answer)(void *owner, struct request *request);
    void *owner;
    bool on_metrics_listener; // answers there
    bool on_others;           // answers on all other listeners
    bool any_host;            // whatever the request says its host is (--allowed-hosts)
};

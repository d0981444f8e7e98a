// http_priv.h - what http.c, http_request.c and http_response.c share. Included by them only.
#pragma once

#include <microhttpd.h>
#include <netinet/in.h>

#include "buf.h"
#include "http.h"
#include "request.h"
#include "spool.h"

enum {
    CONNECTION_MEMORY = 40 * 1024, // bytes for request line, header section and response head
    CONNECTION_IDLE = 60,          // seconds without progress before a connection is closed
    HEADER_LIMIT = 100,            // field lines in a request
};

struct connection {
    struct connection *next, *previous; // all of them, in no order
    struct http *http;
    const struct listener *listener;
    int fd;
    uint16_t peer_port;
    bool busy; // between a request's first byte seen by us and its answer's last
    char peer_address[INET6_ADDRSTRLEN];
};

struct request {
    struct http *http;
    struct connection *connection;
    struct MHD_Connection *transport;
    struct request *next_free;
    struct request_head head;
    struct buf target; // the raw request target: libmicrohttpd decodes its own in place
    struct spool body;
    struct header headers[HEADER_LIMIT];
    bool announced; // the header section is complete and was looked at
    bool answered;
};

struct http {
    const struct reactor_setup *setup;
    struct MHD_Daemon *daemon;
    struct connection *connections;
    size_t connection_count;
    struct request *free_requests;
    const struct listener *accepting; // of the connection that http_add is handing over
    bool draining;
};

// http_request.c: libmicrohttpd's callbacks for one request, in the order in which they come.
void *http_request_begin(void *http, const char *target, struct MHD_Connection *transport);
enum MHD_Result http_request_step(void *http, struct MHD_Connection *transport, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **request);
void http_request_end(void *http, struct MHD_Connection *transport, void **request,
                      enum MHD_RequestTerminationCode how);
void http_request_free_all(struct http *http);

// http_response.c: queue a plain answer of our own making.
enum MHD_Result http_respond_plain(struct request *request, unsigned status);

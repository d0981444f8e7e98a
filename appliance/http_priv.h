// http_priv.h - what http.c, http_request.c and http_response.c share. Included by them only.
#pragma once

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "head.h"
#include "http.h"
#include "http_answer_priv.h"
#include "http_client_priv.h"
#include "http_exchange_priv.h"
#include "http_gate_priv.h"
#include "http_linger.h"
#include "http_observe_priv.h"
#include "http_time_priv.h"
#include "http_security_priv.h"
#include "http_upgrade.h"
#include "request.h"
#include "spool.h"

enum {
    REQUEST_ID_MAX = 128, // bytes
    // Where the setup has none of its own.
    REQUEST_LINE_MAX = 8 * 1024, // bytes
    HEADER_SIZE_MAX = 32 * 1024, // bytes
    HEADERS_MAX = 100,
};

struct connection {
    struct connection *next, *previous; // all of them, in no order
    struct http *http;
    const struct listener *listener;
    struct tls_session *session; // NULL: plain
    struct MHD_Connection *transport;
    struct http_clock clock;
    int fd;
    uint16_t peer_port;
    bool served;              // a request, at least
    bool stale;               // idle when a patient drain looked
    bool lingers;             // its last answer did not wait for all of the request
    uint64_t number;          // in this worker, from 1
    uint64_t requests;        // that have ended on it
    bool busy;                // between a request's first byte seen by us and its answer's last
    struct request *exchange; // that is answered later; NULL: none
    struct exchange_watch *watches;
    struct MHD_UpgradeResponseHandle *upgraded; // it is another protocol's (http_upgrade.h)
    bool closes;                                // that has closed it
    bool is_proxy;                              // a trusted one: it tells of its clients
    uint64_t address; // of the peer (limiter_address.h), where one is limited by it
    char peer_address[INET6_ADDRSTRLEN];
};

// What a request has for the application to do.
enum work { WORK_NONE, WORK_ANSWER, WORK_PIECE, WORK_RELEASE };

// A body that its client holds back until it is asked for it.
enum expectation {
    EXPECT_NONE,    // there is no such body, or it is here
    EXPECT_HELD,    // the application has not asked for it
    EXPECT_ASKED,   // it has; libmicrohttpd is still to be told
    EXPECT_COMING,  // 100 Continue was sent
    EXPECT_REFUSED, // it cannot be kept: the client is told so, whatever the application answers
    EXPECT_LOST,    // the client has gone
};

// A request lives from its first line until libmicrohttpd has done with it (ended), no work of it
// is under way (running), and its body was released.
struct request {
    struct http *http;
    struct connection *connection; // valid until it has ended
    struct MHD_Connection *transport;
    struct request *next; // in the one list that it is in: free, with work, posted
    struct request_head head;
    struct buf line; // the raw request target (libmicrohttpd decodes its own in place), the method
    struct spool body;
    struct answer answer;
    pthread_mutex_t lock; // for gathered, more, streams, flushed and ends while work is under way
    void *home;           // request_home
    enum work work;
    bool chunked;   // its body is (RFC 9112 section 7.1)
    bool announced; // the header section is complete and was looked at
    bool answered;
    bool complete;       // all of it was received
    bool failed;         // cut the connection
    bool is_handed_over; // the application has it, or had it
    bool running;
    _Atomic bool deserted; // its work was given up; whoever does that may look
    int64_t offered;       // since when the application can get on with it, monotonic milliseconds
    struct request *next_running, *previous_running;
    bool ended;
    struct exchange exchange;
    struct http_upgrade upgrade; // under way where it has an owner
    struct buf joined;           // http_upgrade_join
    _Atomic enum expectation expectation;
    const struct local *local;             // that answers it without the application; NULL: none
    char id[REQUEST_ID_MAX + 1];           // request_id
    _Atomic size_t id_size;                // 0: nobody has asked
    int64_t began;                         // monotonic nanoseconds, where somebody looks; else 0
    unsigned refused;                      // by us, with that status; 0: it was not
    bool observed;                         // its end has been told of
    bool has_no_line;                      // that could be read; what came of it is in line
    uint32_t retry_after;                  // seconds that it is told to wait for; 0: it is not
    size_t unread;                         // bytes of it when it was refused
    bool disagrees;                        // what its proxy tells does (forwarded.h)
    char client_address[INET6_ADDRSTRLEN]; // that its proxy has told
    struct header headers[];               // as many as the limits allow
};

struct http {
    const struct reactor_setup *setup;
    struct http_limits limits; // the setup's; none of the sizes is 0
    struct MHD_Daemon *daemon;
    struct http_linger *linger;
    struct connection *connections;
    size_t connection_count;
    struct timer_list times[HTTP_TIMES];
    struct request *free_requests;
    size_t request_count; // that are not free
    size_t free_count;
    struct request_queue ready;       // with work for the application
    struct request *_Atomic posted;   // latest first
    struct request *announced;        // handed over as soon as there is nothing more to read
    struct request *noted;            // exchanges with something to do to their connection
    struct websockets *websockets;    // http_upgrade_use
    struct request *running;          // with work that is not settled, latest first
    size_t deserted;                  // of these, given up
    size_t deserted_connections;      // that are still open
    uint64_t answered;                // requests that have ended
    uint64_t served;                  // of these, the application's
    unsigned expecting;               // requests handed over without their body
    pthread_mutex_t expectation_lock; // for waiting only
    pthread_cond_t expectation_changed;
    const struct tls_accepted *accepting; // the connection that http_add is handing over
    bool draining;
    bool patient; // draining, and idle connections are kept for a while
    _Atomic uint64_t id_prefix, id_seed, id_count; // of request_id
    uint64_t connections_made;
    bool challenge_failed; // one could not be read, and that was said
};

// http_request.c: libmicrohttpd's callbacks for one request, in the order in which they come.
void *http_request_begin(void *http, const char *target, struct MHD_Connection *transport);
enum MHD_Result http_request_step(void *http, struct MHD_Connection *transport, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **request);
void http_request_end(void *http, struct MHD_Connection *transport, void **request,
                      enum MHD_RequestTerminationCode how);
void http_request_free_all(struct http *http);
// What its Content-Length says; 0: it has none.
uint64_t http_request_length(const struct request *request);

// Suspend its connection and put it behind the others with work.
void http_request_offer(struct request *request, enum work work);
// Put it behind the others with work.
void http_request_enqueue(struct request *request, enum work work);
// Close its connection, whatever it waits for; it has not ended.
void http_request_cut(struct request *request);
// With no work under way: release what it still has, then free it.
void http_request_finish(struct request *request);

// http_upgrade.c: the request has ended for libmicrohttpd.
void http_upgrade_end(struct request *request);

// http_tls.c: its object is a tls_session.
extern const struct MHD_Transport http_tls_transport;

// http_redirect.c: whether a request is for LISTENER_REDIRECT; and such a one, inside a callback:
// when its header section is there, and when all of it is.
bool http_redirect_wants(const struct request *request);
enum MHD_Result http_redirect_begin(struct request *request);
enum MHD_Result http_redirect_answer(struct request *request);

// http_response.c: queue an answer of our own making, inside a callback; a plain page for the
// status. Takes the response.
enum MHD_Result http_respond(struct request *request, unsigned status, struct MHD_Response *out);
enum MHD_Result http_respond_plain(struct request *request, unsigned status);
// The value of Strict-Transport-Security that its answer is to have (RFC 6797); NULL: none.
const char *http_response_hsts(const struct request *request);
// Bytes straight to the socket, which nothing else is on its way to. As send(2).
ssize_t http_send_at_once(struct connection *connection, char *text, size_t size);
// Give the answer to libmicrohttpd; what cannot be sent fails the request.
void http_response_queue(struct request *request);
// The request ends: the log tells of a file that was too short for its answer.
void http_response_ended(const struct request *request, bool complete);
// Send what the work has brought.
void http_response_go_on(struct request *request);
// Take the next piece of a body from its source; and the ones behind it, as long as they come
// quickly. True: that was all, and it is there: the source can be released.
bool http_response_fetch(struct request *request, bool gathers);
bool http_response_gather(struct request *request, bool gathers);

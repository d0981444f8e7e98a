// http_priv.h - what http.c, http_request.c and http_response.c share. Included by them only.
#pragma once

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "buf.h"
#include "head.h"
#include "http.h"
#include "http_exchange_priv.h"
#include "http_linger.h"
#include "http_upgrade.h"
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
    struct tls_session *session; // NULL: plain
    int fd;
    uint16_t peer_port;
    bool served;              // a request, at least
    bool stale;               // idle when a patient drain looked
    bool lingers;             // its last answer did not wait for all of the request
    bool busy;                // between a request's first byte seen by us and its answer's last
    struct request *exchange; // that is answered later; NULL: none
    struct exchange_watch *watches;
    struct MHD_UpgradeResponseHandle *upgraded; // it is another protocol's (http_upgrade.h)
    bool closes;                                // that has closed it
    char peer_address[INET6_ADDRSTRLEN];
};

// What a request has for the application to do.
enum work { WORK_NONE, WORK_ANSWER, WORK_PIECE, WORK_RELEASE };

// A body that its client holds back until it is asked for it.
enum expectation {
    EXPECT_NONE,   // there is no such body, or it is here
    EXPECT_HELD,   // the application has not asked for it
    EXPECT_ASKED,  // it has; libmicrohttpd is still to be told
    EXPECT_COMING, // 100 Continue was sent
    EXPECT_LOST,   // the client has gone
};

// An answer: written by whoever does the work, read with the baton once that is done; but for what
// is under the lock.
struct answer {
    struct MHD_Response *response; // until it is queued; of a source: made then
    struct MHD_Response *kept;     // for a body in memory: made once, used again
    unsigned status;
    struct head head; // its memory is used again, and that of the three below
    struct buf copy;  // of a small body
    // A source's pieces: gathered while they come quickly, then on their way to the client, then
    // the latest where the source has it.
    struct buf gathered, sending;
    size_t sent; // bytes of sending
    struct str piece;
    struct body_source source;
    int64_t announced; // bytes, -1: not known
    int64_t taken;     // bytes that the source has given
    int more;          // what it said last
    bool streams;      // there is a source
    bool flushed;      // what was gathered is being sent already: gather no more
    bool ends;         // all was gathered, and the source is being released
    bool queued;
    bool drops;                     // what is pushed is for nobody: the answer has no body
    bool in_chunks;                 // trailers may follow: gathered in copy
    struct MHD_Response *streaming; // while it is sent in pieces, libmicrohttpd's
    bool in_place;                  // the body is sent from where the application has it
    bool release_anywhere;          // in any thread
    void (*release)(void *owner);
    void *owner;
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
    bool complete; // all of it was received
    bool failed;   // cut the connection
    bool running;
    _Atomic bool deserted; // its work was given up; whoever does that may look
    int64_t offered;       // since when the application can get on with it, monotonic milliseconds
    struct request *next_running, *previous_running;
    bool ended;
    struct exchange exchange;
    struct http_upgrade upgrade; // under way where it has an owner
    struct buf joined;           // http_upgrade_join
    _Atomic enum expectation expectation;
    struct header headers[HEADER_LIMIT];
};

struct http {
    const struct reactor_setup *setup;
    struct MHD_Daemon *daemon;
    struct http_linger *linger;
    struct connection *connections;
    size_t connection_count;
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
    uint64_t served;                  // requests that have ended
    unsigned expecting;               // requests handed over without their body
    pthread_mutex_t expectation_lock; // for waiting only
    pthread_cond_t expectation_changed;
    const struct listener *accepting; // of the connection that http_add is handing over
    bool draining;
    bool patient;          // draining, and idle connections are kept for a while
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

// http_desert.c: the end of a request, or of its work, that was given up before.
void http_desert_end(struct request *request);
void http_desert_settle(struct request *request);

// http_redirect.c: a request to LISTENER_REDIRECT, inside a callback: when its header section is
// there, and when all of it is.
enum MHD_Result http_redirect_begin(struct request *request);
enum MHD_Result http_redirect_answer(struct request *request);

// http_response.c: queue an answer of our own making, inside a callback; a plain page for the
// status. Takes the response.
enum MHD_Result http_respond(struct request *request, unsigned status, struct MHD_Response *out);
enum MHD_Result http_respond_plain(struct request *request, unsigned status);
// The value of Strict-Transport-Security (RFC 6797) that its answer is to have; NULL: none.
const char *http_response_hsts(const struct request *request);
// Bytes straight to the socket, which nothing else is on its way to. As send(2).
ssize_t http_send_at_once(struct connection *connection, char *text, size_t size);
// Give the answer to libmicrohttpd; what cannot be sent fails the request.
void http_response_queue(struct request *request);
// Send what the work has brought.
void http_response_go_on(struct request *request);
// Take the next piece of a body from its source; and the ones behind it, as long as they come
// quickly. True: that was all, and it is there: the source can be released.
bool http_response_fetch(struct request *request, bool gathers);
bool http_response_gather(struct request *request);

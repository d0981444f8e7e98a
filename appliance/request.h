// request.h - an HTTP request as a language bridge sees it, and the way to answer it. The same for
// every protocol underneath. Used by the one thread that does the request's work (request_run):
// none of it needs the baton (pool.h).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

struct head;      // head.h
struct request;   // opaque
struct tls_facts; // tls_facts.h

// Requests in order; one is in no more than one queue at a time. Zeroed: empty.
struct request_queue {
    struct request *first, *last;
};

void request_queue_put(struct request_queue *queue, struct request *request);
// NULL: it is empty.
struct request *request_queue_take(struct request_queue *queue);
// The first that is nobody's or home's; the first that is home's: taken out of its place. NULL:
// there is none.
struct request *request_queue_take_for(struct request_queue *queue, const void *home);
struct request *request_queue_take_home(struct request_queue *queue, const void *home);
// Move all of one queue behind another.
void request_queue_append(struct request_queue *queue, struct request_queue *behind);

struct header {
    struct str name;
    struct str value;
};

// Who we are to the client: one per listener.
struct endpoint {
    const char *scheme;  // "http"
    const char *address; // literal address or name as configured; the path of a unix socket
    uint16_t port;       // 0 on a unix socket
};

// What names a request in logs and to others: X-Request-ID as its client sent it, if that is 1 to
// 128 letters, digits and -_.~+/=:@, else 32 hexadecimal digits of our own. Made when it is first
// asked for; valid as long as the request. Any thread that does its work.
struct str request_id(struct request *request);

// What arrived. All slices stay valid as long as the request's handler runs; when it has awaited a
// body in vain, only method and target.
struct request_head {
    struct str method;
    struct str target;            // raw, as in the request line (RFC 9112 section 3.2)
    struct str version;           // "HTTP/1.1" or "HTTP/1.0"
    const struct header *headers; // field lines in order of arrival, duplicates kept
    size_t header_count;
    // Bytes of a body that came in chunks (RFC 9112 section 7.1): no field tells them. -1: it did
    // not.
    int64_t decoded_length;
    // The client's, or whom a trusted proxy tells of. "" on a unix socket.
    struct str peer_address;
    uint16_t peer_port; // 0: none, or not known
    const struct endpoint *endpoint;
    // "http" or "https": the endpoint's own text, or as a trusted proxy was asked.
    const char *scheme;
    const struct tls_facts *tls; // NULL: plain
};

const struct request_head *request_head(const struct request *request);

// Do the work that a request has for the application: answer it, fetch the next piece of a body,
// release a body. Calls handle, next or release. gathers: pieces that come quickly are taken
// together, since somebody watches for one that does not (reactor_flush).
void request_run(struct request *request, bool gathers);

// Whether its handler has left it to be answered later (exchange.h): it is not to be settled then.
bool request_is_open(const struct request *request);

// Whose thread has begun a request that has more work than its answer (pieces, close()): all of it
// is for that thread, since connections to databases and the like are a thread's own. NULL:
// nobody's.
void *request_home(const struct request *request);
void request_set_home(struct request *request, void *home);

// What a request still has for its home to do: nothing, to be released, pieces before that. Changed
// by request_run alone.
enum rest { REST_NONE, REST_RELEASE, REST_PIECES };
enum rest request_rest(const struct request *request);

// False as long as the client holds the body back until it is asked for it (Expect: 100-continue,
// RFC 9110 section 10.1.1).
bool request_has_body(const struct request *request);

// Ask for that body, in any thread while the request's handler runs. True: by the first who does;
// once the request was posted then, the client is told. Then wait until the body is there, which
// takes as long as the client does. False: it will never come, the connection is lost or there is
// no room for it (request_lacks_room; its client is told that, whatever is answered).
// (pool_await_body is both, and lets the others go on.)
bool request_ask_body(struct request *request);
bool request_await_body(struct request *request);
bool request_lacks_room(const struct request *request);

// The whole body, received: in memory, where that is not empty, or in a file.
struct str request_body(const struct request *request);

// The file that a large body is in; still the request's. -1: it is in memory.
int request_body_file(const struct request *request);

// Whether an answer of that status carries a body: not to HEAD, and not with 1xx, 204 and 304 (RFC
// 9110 section 6.4.1).
bool request_takes_body(const struct request *request, unsigned status);

// Where a body comes from that is not in memory as a whole.
struct body_source {
    // The next piece, not empty, valid until the next call. 1: there is one, 0: that was all, -1:
    // the body cannot be finished (whoever fails says why): the connection is cut. Called by
    // request_run when the client can take more, so a slow one holds the source back.
    int (*next)(void *owner, struct str *piece);
    // It is called with the baton, and not by request_run: it is quick, never waits, and needs no
    // language's lock.
    bool at_once;
    // Or a regular file: a descriptor that is the response's from here on, -1: none. Sent by the
    // kernel from offset, as many bytes as the response's content_length says.
    int fd;
    uint64_t offset;
};

struct response {
    unsigned status; // its reason and fields are in request_response_head
    // Bytes. What an answer without a body tells (HEAD, 304), and what a source will give; -1: the
    // body's own, or not known.
    int64_t content_length;
    struct str body; // must stay valid until release is called
    // What comes behind body; copied. NULL: nothing. One with a file has no body before it.
    const struct body_source *source;
    // Called exactly once when the body is no longer needed; may be NULL. The owner is next's, too.
    void (*release)(void *owner);
    // Release gives back memory and nothing else: it may be called before the body was sent, from a
    // copy, and in any thread.
    bool release_early;
    void *owner;
};

// The head of the answer, to be written before it is given. The request's.
struct head *request_response_head(struct request *request);

// Answer. To be called once; release is called on failure too, and else by request_run, when the
// answer was sent or its client has gone. For HEAD, and for statuses that have
// no body, the body is left out and its length still told where HTTP allows it (RFC 9110 section
// 8.6). Errors: out of memory (answer with request_fail then).
int request_respond(struct request *request, const struct response *response, struct err *err);

// The reason phrase of a status (RFC 9110 section 15).
const char *request_reason(unsigned status);

// Answer with a plain page for the status (500, 503).
void request_fail(struct request *request, unsigned status);

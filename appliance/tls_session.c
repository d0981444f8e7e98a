// tls_session.c - one connection's TLS by mbedTLS. It never waits: what the socket does not take is
// kept, and what it does not have yet is asked for again.
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "check.h"
#include "tls_priv.h"
#include "tls_suites.h"

enum {
    HOST_MAX = 255,          // bytes of a host name
    RECORD_OVERHEAD = 64,    // bytes that encryption adds to a record, and more
    PENDING_MAX = 128 << 10, // bytes that wait for the socket
    PENDING_FIRST = 4 << 10, // bytes, enough for a server's part of most handshakes
    // Bytes that a whole handshake may bring, and one read before there is data: the library skips
    // warnings and what else says nothing without an end, and no other connection has its turn.
    HANDSHAKE_MAX = 256 << 10,
    NOTHING_MAX = 4 * TLS_INPUT_SIZE,
    ENCRYPTED_ALERT = 5 + 2 + 1 + 16, // bytes: header, alert, its type, tag (RFC 8446 section 5.2)
};

// Encrypted bytes that the socket has not taken.
struct pending {
    unsigned char *data;
    size_t size, capacity;
    size_t sent;
};

struct tls_session {
    mbedtls_ssl_context ssl;
    struct tls_context *context;
    struct tls_scratch *scratch;
    int fd;
    enum client_verify verify;
    bool slow;       // the next steps are: a certificate was chosen that takes long to sign with
    bool away;       // in another thread, which has no scratch
    bool collecting; // what is written goes into the scratch's output
    bool established;
    bool drained;               // the socket has nothing more to read
    bool blocked;               // it has said so itself
    bool ended;                 // nor will it have
    bool started;               // something was read
    bool said_end;              // by tls_session_shutdown
    bool said_alert;            // what was written last was one, in the handshake
    unsigned char first;        // byte that was read
    const unsigned char *input; // that was read and not decrypted: in the scratch, or in stash
    size_t input_size;
    unsigned char *stash;
    size_t taken;     // bytes from the socket, in this handshake or this read
    size_t collected; // bytes in the scratch's output
    struct pending pending;
    size_t withheld;     // bytes of data that are in pending, and for which nobody was told so
    const char *own_pem; // of the context; NULL: not known
    struct tls_facts facts;
    struct tls_client *client;
    char *server_name;
    int failure;
};

// --- the socket ---

static int flush_pending(struct tls_session *session)
{
    struct pending *pending = &session->pending;
    while (pending->sent < pending->size) {
        ssize_t sent = send(session->fd, pending->data + pending->sent,
                            pending->size - pending->sent, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EINTR ? -EAGAIN : -errno;
        pending->sent += (size_t)sent;
    }
    free(pending->data);
    *pending = (struct pending){.data = NULL};
    return 0;
}

static bool add_pending(struct tls_session *session, const unsigned char *data, size_t size)
{
    struct pending *pending = &session->pending;
    size_t needed = pending->size + size;
    if (needed > PENDING_MAX)
        return false;
    if (needed > pending->capacity) {
        size_t capacity = needed > PENDING_FIRST ? needed + needed / 2 : PENDING_FIRST;
        unsigned char *grown = realloc(pending->data, capacity);
        if (grown == NULL)
            return false;
        pending->data = grown;
        pending->capacity = capacity;
    }
    memcpy(pending->data + pending->size, data, size);
    pending->size = needed;
    return true;
}

// Whether a record is an alert. An encrypted one is told by its size: nothing else is so small.
static bool is_alert(const unsigned char *record, size_t size)
{
    return record[0] == MBEDTLS_SSL_MSG_ALERT ||
           (record[0] == MBEDTLS_SSL_MSG_APPLICATION_DATA && size == ENCRYPTED_ALERT);
}

// Nothing is sent here: a flight of a handshake, or several records, leave together.
static int take_output(void *owner, const unsigned char *data, size_t size)
{
    struct tls_session *session = owner;
    struct tls_scratch *scratch = session->scratch;
    session->said_alert = !session->established && size > 0 && is_alert(data, size);
    if (!session->collecting)
        return add_pending(session, data, size) ? (int)size : MBEDTLS_ERR_SSL_ALLOC_FAILED;
    must(size <= sizeof scratch->output - session->collected);
    memcpy(scratch->output + session->collected, data, size);
    session->collected += size;
    return (int)size;
}

static int no_input(const struct tls_session *session)
{
    return session->ended ? 0 : MBEDTLS_ERR_SSL_WANT_READ;
}

// From the socket, 0 at the end.
static int read_socket(struct tls_session *session, unsigned char *out, size_t size)
{
    if (session->drained)
        return no_input(session);
    if (session->taken > (session->established ? NOTHING_MAX : HANDSHAKE_MAX))
        return MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE;
    ssize_t count = recv(session->fd, out, size, 0);
    session->drained = count < (ssize_t)size;
    if (count > 0) {
        if (!session->started)
            session->first = out[0];
        session->started = true;
        session->taken += (size_t)count;
        return (int)count;
    }
    session->blocked = true;
    session->ended = count == 0 || (errno != EAGAIN && errno != EINTR);
    return no_input(session);
}

static void free_stash(struct tls_session *session)
{
    free(session->stash);
    session->stash = NULL;
}

static int give_input(void *owner, unsigned char *out, size_t size)
{
    struct tls_session *session = owner;
    struct tls_scratch *scratch = session->scratch;
    // Whoever waits for an answer gets the question first. After the handshake nobody waits: what
    // is pending leaves with the next data.
    int flushed = flush_pending(session);
    if (flushed < 0 && flushed != -EAGAIN)
        return MBEDTLS_ERR_SSL_CONN_EOF;
    if (flushed < 0 && !session->established)
        return MBEDTLS_ERR_SSL_WANT_WRITE;
    if (session->input_size == 0 && session->away)
        return read_socket(session, out, size);
    if (session->input_size == 0) {
        int count = read_socket(session, scratch->input, sizeof scratch->input);
        if (count <= 0)
            return count;
        session->input = scratch->input;
        session->input_size = (size_t)count;
    }
    if (size > session->input_size)
        size = session->input_size;
    memcpy(out, session->input, size);
    session->input += size;
    session->input_size -= size;
    if (session->input_size == 0)
        free_stash(session);
    return (int)size;
}

// The scratch's input is the next session's: what is left there moves. False: out of memory.
static bool leave_scratch(struct tls_session *session)
{
    if (session->input_size == 0 || session->stash != NULL)
        return true;
    session->stash = malloc(session->input_size);
    if (session->stash == NULL)
        return false;
    memcpy(session->stash, session->input, session->input_size);
    session->input = session->stash;
    return true;
}

// --- beginning and end ---

struct tls_session *tls_session_new(struct tls_context *context, int fd, enum client_verify verify)
{
    struct tls_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->context = tls_context_hold(context);
    session->scratch = context->scratch;
    session->fd = fd;
    session->verify = verify;
    mbedtls_ssl_init(&session->ssl);
    const mbedtls_ssl_config *config =
        verify == CLIENT_VERIFY_OFF ? &context->quiet : &context->verifying;
    if (mbedtls_ssl_setup(&session->ssl, config) != 0) {
        tls_session_free(session);
        return NULL;
    }
    mbedtls_ssl_set_user_data_p(&session->ssl, session);
    mbedtls_ssl_set_bio(&session->ssl, session, take_output, give_input, NULL);
    return session;
}

void tls_session_free(struct tls_session *session)
{
    mbedtls_ssl_free(&session->ssl);
    tls_context_drop(session->context);
    tls_client_free(session->client);
    free_stash(session);
    free(session->pending.data);
    free(session->server_name);
    free(session);
}

// --- the handshake ---

static void take_server_name(struct tls_session *session)
{
    size_t size = 0;
    const unsigned char *name = mbedtls_ssl_get_hs_sni(&session->ssl, &size);
    free(session->server_name);
    session->server_name = NULL;
    if (name == NULL || size == 0 || size > HOST_MAX)
        return;
    char *text = malloc(size + 1);
    if (text == NULL)
        return;
    for (size_t i = 0; i < size; i++)
        text[i] = isgraph(name[i]) ? (char)tolower(name[i]) : '?';
    // A name may end with the dot of the root.
    text[text[size - 1] == '.' ? size - 1 : size] = '\0';
    session->server_name = text;
}

int tls_session_choose(struct tls_session *session)
{
    take_server_name(session);
    session->slow = session->verify != CLIENT_VERIFY_OFF;
    return tls_context_choose(session->context, &session->ssl, session->server_name, &session->slow,
                              &session->own_pem);
}

// The library says nothing of some errors: a client that offers no group of ours, say.
static void say_why(struct tls_session *session, int error)
{
    bool heard = error == MBEDTLS_ERR_SSL_CONN_EOF || error == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ||
                 error == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE;
    if (!session->said_alert && !heard)
        mbedtls_ssl_send_alert_message(&session->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                       error == MBEDTLS_ERR_SSL_ALLOC_FAILED
                                           ? MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR
                                           : MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
}

static enum tls_progress fail(struct tls_session *session, int error)
{
    session->failure = error;
    // An alert, unless the other side could not read it.
    if (!tls_session_is_http(session)) {
        say_why(session, error);
        flush_pending(session);
    }
    return TLS_FAILED;
}

static int refuse_client(struct tls_session *session, unsigned char alert, int error)
{
    mbedtls_ssl_send_alert_message(&session->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert);
    return error;
}

// What a client is told of a certificate with these faults (RFC 8446 section 6.2).
static unsigned char alert_for(uint32_t flags)
{
    static const struct {
        uint32_t flag;
        unsigned char alert;
    } table[] = {
        {MBEDTLS_X509_BADCERT_NOT_TRUSTED, MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA},
        {MBEDTLS_X509_BADCERT_REVOKED, MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED},
        {MBEDTLS_X509_BADCERT_EXPIRED, MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED},
        {MBEDTLS_X509_BADCERT_KEY_USAGE, MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT},
        {MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if ((flags & table[i].flag) != 0)
            return table[i].alert;
    }
    return MBEDTLS_SSL_ALERT_MSG_BAD_CERT;
}

// Judged here and not by the library, which would have to tell the client in the middle of the
// handshake: in TLS 1.3 with keys that it does not use any more, in TLS 1.2 not at all. A
// certificate that was shown of free will has to be good as well.
static int take_client(struct tls_session *session)
{
    if (session->verify == CLIENT_VERIFY_OFF)
        return 0;
    uint32_t flags = mbedtls_ssl_get_verify_result(&session->ssl);
    if (!tls_library_clock_is_set())
        flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE |
                             MBEDTLS_X509_BADCRL_EXPIRED | MBEDTLS_X509_BADCRL_FUTURE);
    const mbedtls_x509_crt *chain = mbedtls_ssl_get_peer_cert(&session->ssl);
    bool is_tls13 = mbedtls_ssl_get_version_number(&session->ssl) == MBEDTLS_SSL_VERSION_TLS1_3;
    if (chain == NULL && session->verify == CLIENT_VERIFY_OPTIONAL)
        return 0;
    if (chain == NULL)
        return refuse_client(session,
                             is_tls13 ? MBEDTLS_SSL_ALERT_MSG_CERT_REQUIRED
                                      : MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE,
                             MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE);
    if (flags != 0)
        return refuse_client(session, alert_for(flags), MBEDTLS_ERR_X509_CERT_VERIFY_FAILED);
    session->client = tls_client_new(chain);
    return session->client != NULL ? 0 : MBEDTLS_ERR_SSL_ALLOC_FAILED;
}

static enum tls_progress establish(struct tls_session *session)
{
    mbedtls_ssl_context *ssl = &session->ssl;
    int error = take_client(session);
    if (error != 0)
        return fail(session, error);
    int suite = mbedtls_ssl_get_ciphersuite_id_from_ssl(ssl);
    session->facts = (struct tls_facts){
        .protocol = mbedtls_ssl_get_version(ssl),
        .cipher = tls_suite_name(suite),
        .version = (uint16_t)mbedtls_ssl_get_version_number(ssl),
        .cipher_id = (uint16_t)suite,
        .server_name = session->server_name != NULL ? session->server_name : "",
        .certificate = session->own_pem,
        .client = session->client,
    };
    session->established = true;
    return TLS_DONE;
}

static int step(struct tls_session *session)
{
    mbedtls_ssl_context *ssl = &session->ssl;
    while (!mbedtls_ssl_is_handshake_over(ssl)) {
        if (session->slow && !session->away)
            return 0;
        int error = mbedtls_ssl_handshake_step(ssl);
        if (error != 0)
            return error;
    }
    return mbedtls_ssl_handshake(ssl); // tickets
}

static enum tls_progress go_on(struct tls_session *session)
{
    session->drained = false;
    int error = step(session);
    if (!leave_scratch(session))
        return fail(session, MBEDTLS_ERR_SSL_ALLOC_FAILED);
    int flushed = flush_pending(session);
    if (flushed == -EAGAIN && (error == 0 || error == MBEDTLS_ERR_SSL_WANT_READ))
        return TLS_WANTS_WRITE;
    if (flushed < 0 && flushed != -EAGAIN)
        return fail(session, MBEDTLS_ERR_SSL_CONN_EOF);
    if (error == MBEDTLS_ERR_SSL_WANT_READ)
        return TLS_WANTS_READ;
    if (error == MBEDTLS_ERR_SSL_WANT_WRITE)
        return TLS_WANTS_WRITE;
    if (error != 0)
        return fail(session, error);
    if (!mbedtls_ssl_is_handshake_over(&session->ssl))
        return TLS_SLOW;
    return establish(session);
}

enum tls_progress tls_session_handshake(struct tls_session *session)
{
    return go_on(session);
}

// Its client will not finish the handshake, whether it has reset the connection or only closed its
// side.
static bool has_gone(const struct tls_session *session)
{
    struct pollfd socket = {.fd = session->fd, .events = POLLRDHUP};
    return poll(&socket, 1, 0) > 0;
}

enum tls_progress tls_session_labour(struct tls_session *session)
{
    if (has_gone(session))
        return fail(session, MBEDTLS_ERR_SSL_CONN_EOF);
    session->away = true;
    enum tls_progress progress = go_on(session);
    session->away = false;
    // What is left to do once the client has answered is quick, unless it is to show a certificate:
    // what that is signed with is its own choice.
    session->slow = session->verify != CLIENT_VERIFY_OFF;
    return progress;
}

const char *tls_session_failure(const struct tls_session *session)
{
    static const struct {
        int error;
        const char *text;
    } table[] = {
        {MBEDTLS_ERR_SSL_CONN_EOF, "the client has gone"},
        {MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, "the client refuses (an alert)"},
        {MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY, "the client has closed it"},
        {MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE, "the client shows no certificate"},
        {MBEDTLS_ERR_X509_CERT_VERIFY_FAILED, "the client's certificate is not accepted"},
        {MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE, "no cipher suite, group or signature in common"},
        {MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, "no version of TLS in common"},
        {MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL, "no application protocol in common"},
        {MBEDTLS_ERR_SSL_INVALID_RECORD, "what the client speaks is not TLS"},
        {MBEDTLS_ERR_SSL_ALLOC_FAILED, "out of memory"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].error == session->failure)
            return table[i].text;
    }
    return "the client breaks the protocol";
}

bool tls_session_is_http(const struct tls_session *session)
{
    return session->started && !session->established && isupper(session->first);
}

// --- data ---

// Idle connections have no record buffers. What is still in them keeps them.
static void settle(struct tls_session *session)
{
    mbedtls_ssl_release_buffers(&session->ssl);
}

static ssize_t no_data(struct tls_session *session, int error)
{
    if (error == MBEDTLS_ERR_SSL_WANT_READ || error == MBEDTLS_ERR_SSL_WANT_WRITE) {
        settle(session);
        return session->ended ? 0 : -EAGAIN;
    }
    if (error == 0 || error == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ||
        error == MBEDTLS_ERR_SSL_CONN_EOF)
        return 0;
    return error == MBEDTLS_ERR_SSL_ALLOC_FAILED ? -ENOMEM : -EPROTO;
}

// Until there is data, or an event has to be waited for: what the socket has no event for any more
// is the end behind a part of a record, and records that were read with one that says nothing. As
// the library does.
static int read_data(struct tls_session *session, void *out, size_t size)
{
    int count;
    must(size > 0); // a read of nothing would find nothing for ever
    session->taken = 0;
    session->blocked = false;
    do {
        session->drained = false;
        count = mbedtls_ssl_read(&session->ssl, out, size);
    } while (!session->blocked && (count == 0 || count == MBEDTLS_ERR_SSL_WANT_READ));
    return count;
}

ssize_t tls_session_read(struct tls_session *session, void *out, size_t size, int *more)
{
    *more = 0;
    int count = read_data(session, out, size);
    if (!leave_scratch(session))
        return -ENOMEM;
    flush_pending(session); // an alert
    if (count <= 0)
        return no_data(session, count);
    *more = !session->drained || session->ended || session->input_size > 0 ||
            mbedtls_ssl_get_bytes_avail(&session->ssl) > 0;
    if (!*more)
        settle(session);
    return count;
}

// Where in the pieces the next byte is.
struct cursor {
    const struct iovec *piece, *end;
    size_t offset;
};

static void skip(struct cursor *cursor, size_t size)
{
    cursor->offset += size;
    while (cursor->piece < cursor->end && cursor->offset >= cursor->piece->iov_len) {
        cursor->offset -= cursor->piece->iov_len;
        cursor->piece++;
    }
}

// Data for one record: from where it is, if that fills one or is all, else gathered.
static struct str next_record(const struct cursor *cursor, struct tls_scratch *scratch)
{
    const struct iovec *piece = cursor->piece;
    size_t here = piece->iov_len - cursor->offset;
    const char *data = (const char *)piece->iov_base + cursor->offset;
    if (here >= TLS_RECORD_SIZE)
        return (struct str){data, TLS_RECORD_SIZE};
    if (piece + 1 == cursor->end)
        return (struct str){data, here};
    struct cursor at = *cursor;
    size_t size = 0;
    while (at.piece < at.end && size < TLS_RECORD_SIZE) {
        size_t part = at.piece->iov_len - at.offset;
        if (part > TLS_RECORD_SIZE - size)
            part = TLS_RECORD_SIZE - size;
        memcpy(scratch->gathered + size, (const char *)at.piece->iov_base + at.offset, part);
        size += part;
        skip(&at, part);
    }
    return (struct str){(const char *)scratch->gathered, size};
}

// Encrypt as much as the scratch's output has room for. Bytes of data, or a negative errno value;
// *last: how many of them are in the last record.
static ssize_t collect(struct tls_session *session, struct cursor *cursor, size_t *last)
{
    struct tls_scratch *scratch = session->scratch;
    size_t taken = 0;
    session->collecting = true;
    session->collected = 0;
    while (cursor->piece < cursor->end &&
           session->collected + TLS_RECORD_SIZE + RECORD_OVERHEAD <= sizeof scratch->output) {
        struct str record = next_record(cursor, scratch);
        int count =
            mbedtls_ssl_write(&session->ssl, (const unsigned char *)record.data, record.size);
        if (count <= 0) {
            session->collecting = false;
            return count == MBEDTLS_ERR_SSL_ALLOC_FAILED ? -ENOMEM : -EPROTO;
        }
        *last = (size_t)count;
        taken += (size_t)count;
        skip(cursor, (size_t)count);
    }
    session->collecting = false;
    return (ssize_t)taken;
}

// What was collected, to the socket; what that does not take is pending. 0 or a negative errno
// value.
static int send_collected(struct tls_session *session)
{
    const unsigned char *output = session->scratch->output;
    ssize_t sent = send(session->fd, output, session->collected, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return -errno;
    size_t done = sent > 0 ? (size_t)sent : 0;
    if (done < session->collected &&
        !add_pending(session, output + done, session->collected - done))
        return -ENOMEM;
    return 0;
}

ssize_t tls_session_write(struct tls_session *session, const struct iovec *pieces, size_t count)
{
    struct cursor cursor = {pieces, pieces + count, 0};
    size_t last = 0;
    int result = flush_pending(session);
    if (result < 0)
        return result;
    size_t before = session->withheld;
    session->withheld = 0;
    skip(&cursor, before);
    ssize_t taken = cursor.piece < cursor.end ? collect(session, &cursor, &last) : 0;
    if (taken < 0)
        return taken;
    if (taken > 0 && (result = send_collected(session)) < 0)
        return result;
    settle(session);
    // The last record counts as taken once all of it has left, so that somebody waits until the
    // socket can be written to.
    if (session->pending.size > 0) {
        session->withheld = last;
        taken -= (ssize_t)last;
    }
    taken += (ssize_t)before;
    return taken > 0 ? taken : -EAGAIN;
}

void tls_session_shutdown(struct tls_session *session)
{
    if (session->said_end || !session->established)
        return;
    session->said_end = true;
    mbedtls_ssl_close_notify(&session->ssl);
    flush_pending(session);
}

bool tls_session_has_begun(const struct tls_session *session)
{
    return session->started;
}

bool tls_session_is_resumed(const struct tls_session *session)
{
    return mbedtls_ssl_is_resumed(&session->ssl) != 0;
}

const struct tls_facts *tls_session_facts(const struct tls_session *session)
{
    return &session->facts;
}

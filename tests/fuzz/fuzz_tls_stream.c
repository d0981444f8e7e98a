// fuzz_tls_stream.c - any bytes from the other side of a connection of the application's own, be
// that a client or a server: in place of its handshake, in the middle of it, or behind it. Whatever
// comes, the stream says what it waits for, or how it has ended, and what it then knows of the
// other side can be read.
//
// The first byte is a set of flags (enum flag), the second says how many bytes arrive at once,
// times 8; 0: all of them. The others are what comes; with CHANGED, each 3 of them change a byte of
// what an honest other side sends (where, 2 bytes; by what). The library has random numbers of its
// own, so the same input does not always take the same way.
#include <errno.h>
#include <mbedtls/pem.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../unit/tls_identities.h"
#include "buf.h"
#include "check.h"
#include "tls_certificate.h"
#include "tls_stream.h"
#include "tls_verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum flag {
    CHANGED = 1, // there is an honest other side
    BEHIND = 2,  // the bytes come behind a handshake with it
    IS_TLS12 = 4,
    IS_SERVER = 8, // the one that the bytes go to
    ASKS = 16,     // the server asks for the client's certificate
    RESUMES = 32,
    PASSES_EOF = 64,
    HAS_PROTOCOLS = 128,
};

enum {
    HEADER_SIZE = 2,
    CHANGE_SIZE = 3,
    PIPE_MAX = 1 << 20, // bytes
    ROUNDS = 30,        // of a handshake
    STEPS_MAX = 100000, // of reading: more than there are records
    CERTIFICATES_MAX = 8,
};

// What one side has written and the other has not read.
struct pipe {
    struct buf bytes;
    size_t begin;
    bool ended;
};

struct side {
    struct pipe *in, *out;
    struct tls_stream *stream;
    const uint8_t *changes; // of what it writes
    size_t changes_size;
    size_t passed; // bytes that it has written
};

static struct tls_setup *client_setup, *server_setup, *other_setup;
static struct tls_resumption *sessions[2]; // of TLS 1.2 and 1.3

// --- transport ---

static ssize_t read_pipe(void *owner, void *out, size_t size)
{
    struct pipe *pipe = ((struct side *)owner)->in;
    size_t there = pipe->bytes.size - pipe->begin;
    if (there == 0)
        return pipe->ended ? 0 : -EAGAIN;
    size = size < there ? size : there;
    memcpy(out, pipe->bytes.data + pipe->begin, size);
    pipe->begin += size;
    return (ssize_t)size;
}

static ssize_t write_pipe(void *owner, const void *bytes, size_t size)
{
    struct side *side = owner;
    struct buf *out = &side->out->bytes;
    size_t begin = out->size;
    if (side->out->ended || buf_append(out, bytes, size) < 0)
        return -EPIPE;
    for (size_t i = 0; i + CHANGE_SIZE <= side->changes_size; i += CHANGE_SIZE) {
        size_t at = (size_t)(side->changes[i] << 8 | side->changes[i + 1]);
        if (at >= side->passed && at < side->passed + size)
            out->data[begin + at - side->passed] ^= (char)side->changes[i + 2];
    }
    side->passed += size;
    return (ssize_t)size;
}

// --- setups ---

static void write_pem(int fd, const char *label, struct str der)
{
    unsigned char text[8192];
    char begin[64], end[64];
    size_t size = 0;
    snprintf(begin, sizeof begin, "-----BEGIN %s-----\n", label);
    snprintf(end, sizeof end, "-----END %s-----\n", label);
    must(mbedtls_pem_write_buffer(begin, end, (const unsigned char *)der.data, der.size, text,
                                  sizeof text, &size) == 0);
    must(write(fd, text, size - 1) == (ssize_t)size - 1);
}

#define BYTES(array) ((struct str){(const char *)(array), sizeof(array)})

static struct tls_setup *new_setup(struct str certificate, struct str key)
{
    char path[] = "/tmp/fuzz_tls_stream-XXXXXX";
    struct tls_fault fault;
    struct tls_setup *setup = tls_setup_new(&fault);
    int fd = mkstemp(path);
    must(setup != NULL && fd >= 0);
    write_pem(fd, "CERTIFICATE", certificate);
    write_pem(fd, "EC PRIVATE KEY", key);
    must(tls_setup_load_identity(setup, path, NULL, NULL, NULL, &fault) == 0);
    must(tls_trust_add_der(tls_setup_trust(setup), BYTES(ec_certificate), &fault) == 0);
    must(tls_trust_add_der(tls_setup_trust(setup), BYTES(other_certificate), &fault) == 0);
    unlink(path);
    close(fd);
    return setup;
}

static int take_name(void *owner, const char *name)
{
    struct side *side = owner;
    if (name != NULL && strcmp(name, "example.org") != 0)
        tls_stream_use(side->stream, other_setup);
    return 0;
}

static void set_rules(struct tls_setup *setup, unsigned flags)
{
    struct tls_fault fault;
    struct tls_setup_rules *rules = tls_setup_rules(setup);
    rules->min_version = rules->max_version = (flags & IS_TLS12) != 0 ? 0x0303 : 0x0304;
    rules->ignores_eof = (flags & PASSES_EOF) != 0;
    rules->verify_mode =
        setup == client_setup || (flags & ASKS) != 0 ? TLS_CERT_REQUIRED : TLS_CERT_NONE;
    rules->check_hostname = setup == client_setup;
    struct str protocols = (flags & HAS_PROTOCOLS) != 0 ? STR("\2h2\10http/1.1") : STR("");
    must(tls_setup_set_alpn(setup, protocols, &fault) == 0);
}

// --- a stream, and all that can be asked of it ---

static void read_certificates(const struct tls_stream *stream, bool verified)
{
    struct str chain[CERTIFICATES_MAX];
    size_t count = tls_stream_certificates(stream, verified, chain, CERTIFICATES_MAX);
    for (size_t i = 0; i < count && i < CERTIFICATES_MAX; i++) {
        struct tls_certificate_text facts;
        struct tls_fault fault = {.kind = TLS_FAULT_NONE};
        if (tls_certificate_read(&facts, chain[i], &fault) == 0)
            tls_certificate_fini(&facts);
    }
}

static void read_session(struct tls_stream *stream)
{
    struct tls_resumption_facts facts;
    struct tls_resumption *session = tls_stream_session(stream);
    if (session == NULL)
        return;
    tls_resumption_facts(session, &facts);
    must(facts.id.size <= 64);
    tls_resumption_drop(session);
}

static void read_facts(struct tls_stream *stream)
{
    const char *protocol = tls_stream_alpn(stream);
    const int *shared = tls_stream_shared_ciphers(stream);
    must(protocol == NULL || strlen(protocol) < 256);
    for (size_t i = 0; shared != NULL && shared[i] != 0; i++)
        must(i < TLS_CIPHERS_MAX && tls_cipher_of(shared[i]) != NULL);
    if (tls_stream_is_done(stream))
        must(tls_stream_version(stream) != NULL && tls_stream_cipher(stream) != NULL);
    tls_stream_is_resumed(stream);
    tls_stream_verdict(stream);
    read_certificates(stream, false);
    read_certificates(stream, true);
    read_session(stream);
}

static void check_fault(const struct tls_stream *stream)
{
    const struct tls_fault *fault = tls_stream_fault(stream);
    must(fault->kind != TLS_FAULT_NONE);
    must(fault->kind == TLS_FAULT_SYSTEM || fault->kind == TLS_FAULT_MEMORY ||
         fault->text[0] != '\0');
}

// Until it waits for more, or is over.
static enum tls_stream_status take(struct tls_stream *stream)
{
    unsigned char out[1000];
    size_t count = 0;
    enum tls_stream_status status = TLS_STREAM_DONE;
    if (!tls_stream_is_done(stream))
        status = tls_stream_handshake(stream);
    for (int i = 0; status == TLS_STREAM_DONE; i++) {
        must(i < STEPS_MAX);
        status = tls_stream_read(stream, out, sizeof out, &count);
        must(count <= sizeof out && (status == TLS_STREAM_DONE) == (count > 0));
        must(tls_stream_pending(stream) <= 1 << 14);
    }
    if (status == TLS_STREAM_FAILED)
        check_fault(stream);
    return status;
}

static bool waits(enum tls_stream_status status)
{
    return status == TLS_STREAM_WANTS_READ || status == TLS_STREAM_WANTS_WRITE;
}

static void open_side(struct side *side, bool is_server, unsigned flags)
{
    struct tls_fault fault;
    struct tls_transport transport = {side, read_pipe, write_pipe};
    const char *name = (flags & PASSES_EOF) != 0 ? "other.test" : "example.org";
    side->stream = tls_stream_new(is_server ? server_setup : client_setup, is_server,
                                  is_server ? NULL : name, &transport, &fault);
    must(side->stream != NULL);
    struct tls_resumption *session = sessions[(flags & IS_TLS12) != 0 ? 0 : 1];
    if (!is_server && (flags & RESUMES) != 0 && session != NULL)
        must(tls_stream_resume(side->stream, session, &fault) == 0);
}

// Both by turns. Whether both have done their handshake.
static bool shake_hands(struct side *subject, struct side *other)
{
    enum tls_stream_status statuses[2] = {TLS_STREAM_WANTS_READ, TLS_STREAM_WANTS_READ};
    struct side *sides[2] = {subject, other};
    for (int i = 0; i < ROUNDS && (waits(statuses[0]) || waits(statuses[1])); i++) {
        struct side *side = sides[i & 1];
        if (waits(statuses[i & 1]))
            statuses[i & 1] = take(side->stream);
        if (!waits(statuses[i & 1]))
            side->out->ended = true;
    }
    return tls_stream_is_done(subject->stream) && tls_stream_is_done(other->stream);
}

static void feed(struct side *subject, const uint8_t *data, size_t size, size_t at_once)
{
    enum tls_stream_status status = TLS_STREAM_WANTS_READ;
    while (waits(status) && size > 0) {
        size_t part = at_once == 0 || at_once > size ? size : at_once;
        must(buf_append(&subject->in->bytes, data, part) == 0);
        data += part;
        size -= part;
        status = take(subject->stream);
    }
}

// The transport ends: whatever it was waiting for will not come.
static void end(struct side *subject)
{
    size_t count;
    subject->in->ended = true;
    enum tls_stream_status status = take(subject->stream);
    must(status == TLS_STREAM_FAILED || status == TLS_STREAM_CLOSED);
    read_facts(subject->stream);
    tls_stream_write(subject->stream, "end", 3, &count);
    status = tls_stream_shutdown(subject->stream);
    must(status != TLS_STREAM_WANTS_READ && status != TLS_STREAM_WANTS_WRITE);
    tls_stream_free(subject->stream);
}

// --- inputs ---

// Sessions to be resumed are of a handshake that nobody interferes with.
static void get_session(unsigned flags)
{
    struct pipe forth = {.bytes = BUF_INIT(PIPE_MAX)}, back = {.bytes = BUF_INIT(PIPE_MAX)};
    struct side client = {.in = &back, .out = &forth}, server = {.in = &forth, .out = &back};
    set_rules(client_setup, flags);
    set_rules(server_setup, flags);
    open_side(&client, false, flags);
    open_side(&server, true, flags);
    must(shake_hands(&client, &server));
    sessions[(flags & IS_TLS12) != 0 ? 0 : 1] = tls_stream_session(client.stream);
    must(sessions[(flags & IS_TLS12) != 0 ? 0 : 1] != NULL);
    tls_stream_free(client.stream);
    tls_stream_free(server.stream);
    buf_fini(&forth.bytes);
    buf_fini(&back.bytes);
}

static void start(void)
{
    if (client_setup != NULL)
        return;
    client_setup = new_setup(BYTES(ec_certificate), BYTES(ec_key));
    server_setup = new_setup(BYTES(ec_certificate), BYTES(ec_key));
    other_setup = new_setup(BYTES(other_certificate), BYTES(other_key));
    tls_setup_set_server_name_hook(server_setup, take_name);
    get_session(0);
    get_session(IS_TLS12);
}

static void run(unsigned flags, size_t at_once, const uint8_t *data, size_t size)
{
    struct pipe in = {.bytes = BUF_INIT(PIPE_MAX)}, out = {.bytes = BUF_INIT(PIPE_MAX)};
    struct side subject = {.in = &in, .out = &out}, other = {.in = &out, .out = &in};
    bool has_other = (flags & (CHANGED | BEHIND)) != 0;
    open_side(&subject, (flags & IS_SERVER) != 0, flags);
    if (has_other)
        open_side(&other, (flags & IS_SERVER) == 0, flags);
    if (has_other && (flags & BEHIND) == 0) {
        other.changes = data;
        other.changes_size = size;
        size = 0;
    }
    bool is_done = has_other && shake_hands(&subject, &other);
    must(is_done || (flags & BEHIND) == 0);
    feed(&subject, data, size, at_once);
    end(&subject);
    if (has_other)
        tls_stream_free(other.stream);
    buf_fini(&in.bytes);
    buf_fini(&out.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEADER_SIZE)
        return 0;
    start();
    set_rules(client_setup, data[0]);
    set_rules(server_setup, data[0]);
    set_rules(other_setup, data[0]);
    run(data[0], data[1] * 8U, data + HEADER_SIZE, size - HEADER_SIZE);
    return 0;
}

// test_tls_stream.c - clients and servers over pipes in memory that take and have as little as they
// are told: handshakes in both versions, bytes both ways, sessions, names, protocols, the end.
#include "tls_stream.h"

#include <errno.h>
#include <mbedtls/pem.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "tls_identities.h"
#include "tls_verify.h"
#include "unit.h"

enum {
    PIPE_MAX = 1 << 20,  // bytes
    NARROW = 700,        // bytes: less than any flight of a handshake
    SIZE = 300000,       // bytes that are sent
    STEPS_MAX = 1000000, // of a conversation that does not end
    ALERT_ACCESS_DENIED = 49,
};

// What one side has written and the other has not read.
struct pipe {
    unsigned char data[PIPE_MAX];
    size_t begin, end, room;
    bool ended;
};

struct side {
    struct pipe *in, *out;
    struct tls_stream *stream;
};

static struct pipe forth, back;
static struct side client, server;
static struct tls_setup *client_setup, *server_setup, *other_setup;
static char folder[] = "/tmp/limpet-unit-XXXXXX";
static char ec_file[64], other_file[64], log_file[64];

static ssize_t read_pipe(void *owner, void *out, size_t size)
{
    struct pipe *pipe = ((struct side *)owner)->in;
    size_t there = pipe->end - pipe->begin;
    if (there == 0)
        return pipe->ended ? 0 : -EAGAIN;
    size = size < there ? size : there;
    memcpy(out, pipe->data + pipe->begin, size);
    pipe->begin += size;
    if (pipe->begin == pipe->end)
        pipe->begin = pipe->end = 0;
    return (ssize_t)size;
}

static ssize_t write_pipe(void *owner, const void *bytes, size_t size)
{
    struct pipe *pipe = ((struct side *)owner)->out;
    size_t there = pipe->end - pipe->begin;
    if (pipe->ended)
        return -EPIPE;
    if (there >= pipe->room)
        return -EAGAIN;
    size = size < pipe->room - there ? size : pipe->room - there;
    must(pipe->end + size <= PIPE_MAX);
    memcpy(pipe->data + pipe->end, bytes, size);
    pipe->end += size;
    return (ssize_t)size;
}

// --- setting up ---

static void write_pem(const char *path, struct str certificate, struct str key)
{
    unsigned char text[8192];
    size_t size = 0;
    FILE *file = fopen(path, "w");
    must(file != NULL);
    must(mbedtls_pem_write_buffer("-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n",
                                  (const unsigned char *)certificate.data, certificate.size, text,
                                  sizeof text, &size) == 0);
    fputs((char *)text, file);
    must(mbedtls_pem_write_buffer("-----BEGIN EC PRIVATE KEY-----\n",
                                  "-----END EC PRIVATE KEY-----\n", (const unsigned char *)key.data,
                                  key.size, text, sizeof text, &size) == 0);
    fputs((char *)text, file);
    must(fclose(file) == 0);
}

#define BYTES(array) ((struct str){(const char *)(array), sizeof(array)})

static void make_files(void)
{
    must(mkdtemp(folder) != NULL);
    snprintf(ec_file, sizeof ec_file, "%s/ec.pem", folder);
    snprintf(other_file, sizeof other_file, "%s/other.pem", folder);
    snprintf(log_file, sizeof log_file, "%s/keys.log", folder);
    write_pem(ec_file, BYTES(ec_certificate), BYTES(ec_key));
    write_pem(other_file, BYTES(other_certificate), BYTES(other_key));
}

static void remove_files(void)
{
    unlink(ec_file);
    unlink(other_file);
    unlink(log_file);
    must(rmdir(folder) == 0);
}

static struct tls_setup *new_server(const char *file)
{
    struct tls_fault fault;
    struct tls_setup *setup = tls_setup_new(&fault);
    must(setup != NULL);
    must(tls_setup_load_identity(setup, file, NULL, NULL, NULL, &fault) == 0);
    return setup;
}

static void open_setups(uint16_t version)
{
    struct tls_fault fault;
    client_setup = tls_setup_new(&fault);
    must(client_setup != NULL);
    must(tls_trust_add_der(tls_setup_trust(client_setup), BYTES(ec_certificate), &fault) == 0);
    struct tls_setup_rules *rules = tls_setup_rules(client_setup);
    rules->verify_mode = TLS_CERT_REQUIRED;
    rules->check_hostname = true;
    rules->min_version = rules->max_version = version;
    server_setup = new_server(ec_file);
    other_setup = new_server(other_file);
}

static void close_setups(void)
{
    tls_setup_free(client_setup);
    tls_setup_free(server_setup);
    tls_setup_free(other_setup);
}

static void open_streams(size_t room, const char *name)
{
    struct tls_fault fault;
    forth = (struct pipe){.room = room};
    back = (struct pipe){.room = room};
    client = (struct side){.in = &back, .out = &forth};
    server = (struct side){.in = &forth, .out = &back};
    struct tls_transport of_client = {&client, read_pipe, write_pipe};
    struct tls_transport of_server = {&server, read_pipe, write_pipe};
    client.stream = tls_stream_new(client_setup, false, name, &of_client, &fault);
    server.stream = tls_stream_new(server_setup, true, NULL, &of_server, &fault);
    must(client.stream != NULL && server.stream != NULL);
}

static void close_streams(void)
{
    tls_stream_free(client.stream);
    tls_stream_free(server.stream);
}

static bool waits(enum tls_stream_status status)
{
    return status == TLS_STREAM_WANTS_READ || status == TLS_STREAM_WANTS_WRITE;
}

// Both sides by turns, until neither waits, or one has failed and the other has heard of it.
static void shake_hands(enum tls_stream_status *of_client, enum tls_stream_status *of_server)
{
    *of_client = *of_server = TLS_STREAM_WANTS_READ;
    for (int i = 0; i < STEPS_MAX && (waits(*of_client) || waits(*of_server)); i++) {
        if (waits(*of_client))
            *of_client = tls_stream_handshake(client.stream);
        if (waits(*of_server))
            *of_server = tls_stream_handshake(server.stream);
        if (*of_client == TLS_STREAM_FAILED)
            forth.ended = true;
        if (*of_server == TLS_STREAM_FAILED)
            back.ended = true;
    }
}

static void meet(void)
{
    enum tls_stream_status of_client, of_server;
    shake_hands(&of_client, &of_server);
    CHECK(of_client == TLS_STREAM_DONE);
    CHECK(of_server == TLS_STREAM_DONE);
    if (of_client == TLS_STREAM_FAILED)
        printf("    client: %s\n", tls_stream_fault(client.stream)->text);
    if (of_server == TLS_STREAM_FAILED)
        printf("    server: %s\n", tls_stream_fault(server.stream)->text);
}

// --- bytes ---

static unsigned char sent[SIZE], received[SIZE];

static void transfer(struct side *from, struct side *to)
{
    size_t written = 0, read = 0, count;
    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (unsigned char)(i * 31 >> 3);
    memset(received, 0, sizeof received);
    for (int i = 0; i < STEPS_MAX && read < SIZE; i++) {
        if (written < SIZE) {
            enum tls_stream_status status =
                tls_stream_write(from->stream, sent + written, SIZE - written, &count);
            CHECK(status == TLS_STREAM_DONE || status == TLS_STREAM_WANTS_WRITE);
            written += count;
        }
        enum tls_stream_status status =
            tls_stream_read(to->stream, received + read, SIZE - read, &count);
        CHECK(status == TLS_STREAM_DONE || status == TLS_STREAM_WANTS_READ);
        read += count;
    }
    CHECK(written == SIZE && read == SIZE);
    CHECK(memcmp(sent, received, SIZE) == 0);
}

static void check_end(void)
{
    size_t count;
    unsigned char byte;
    CHECK(tls_stream_shutdown(client.stream) == TLS_STREAM_WANTS_READ);
    CHECK(tls_stream_write(client.stream, "x", 1, &count) == TLS_STREAM_FAILED);
    CHECK_STR(tls_stream_fault(client.stream)->reason, "PROTOCOL_IS_SHUTDOWN");
    CHECK(tls_stream_read(server.stream, &byte, 1, &count) == TLS_STREAM_CLOSED);
    CHECK(tls_stream_shutdown(server.stream) == TLS_STREAM_DONE);
    CHECK(tls_stream_shutdown(client.stream) == TLS_STREAM_DONE);
}

static void check_conversation(uint16_t version, const char *name)
{
    open_setups(version);
    open_streams(NARROW, "example.org");
    CHECK(tls_stream_version(client.stream) == NULL);
    CHECK(tls_stream_cipher(client.stream) == NULL);
    meet();
    CHECK_STR(tls_stream_version(client.stream), name);
    CHECK_STR(tls_stream_version(server.stream), name);
    CHECK(tls_stream_cipher(client.stream) == tls_stream_cipher(server.stream));
    CHECK(tls_stream_shared_ciphers(server.stream)[0] != 0);
    CHECK(tls_stream_shared_ciphers(client.stream) == NULL);
    CHECK(!tls_stream_is_resumed(client.stream));
    struct str certificates[4];
    CHECK(tls_stream_certificates(client.stream, false, certificates, 4) == 1);
    CHECK(str_equal(certificates[0], BYTES(ec_certificate)));
    CHECK(tls_stream_certificates(client.stream, true, certificates, 4) == 1);
    CHECK(tls_stream_verdict(client.stream) == 0);
    transfer(&client, &server);
    transfer(&server, &client);
    check_end();
    close_streams();
    close_setups();
}

static void test_tls12(void)
{
    check_conversation(0x0303, "TLSv1.2");
}

static void test_tls13(void)
{
    check_conversation(0x0304, "TLSv1.3");
}

static void test_pending(void)
{
    char bytes[10];
    size_t count;
    open_setups(0x0304);
    open_streams(PIPE_MAX, "example.org");
    meet();
    CHECK(tls_stream_write(server.stream, "0123456789", 10, &count) == TLS_STREAM_DONE);
    CHECK(tls_stream_read(client.stream, bytes, 4, &count) == TLS_STREAM_DONE && count == 4);
    CHECK(tls_stream_pending(client.stream) == 6);
    CHECK(tls_stream_read(client.stream, bytes, 10, &count) == TLS_STREAM_DONE && count == 6);
    CHECK(tls_stream_read(client.stream, bytes, 0, &count) == TLS_STREAM_DONE && count == 0);
    CHECK(tls_stream_read(client.stream, bytes, 1, &count) == TLS_STREAM_WANTS_READ);
    close_streams();
    close_setups();
}

// --- refusals ---

static void check_refusal(const char *name, int code, const char *seen_by_server)
{
    enum tls_stream_status of_client, of_server;
    open_streams(PIPE_MAX, name);
    shake_hands(&of_client, &of_server);
    CHECK(of_client == TLS_STREAM_FAILED);
    CHECK(tls_stream_fault(client.stream)->kind == TLS_FAULT_VERIFY);
    CHECK(tls_stream_fault(client.stream)->number == code);
    CHECK_STR(tls_stream_fault(client.stream)->text, "certificate verify failed");
    CHECK(of_server == TLS_STREAM_FAILED);
    CHECK_STR(tls_stream_fault(server.stream)->reason, seen_by_server);
    // It stays so.
    CHECK(tls_stream_handshake(client.stream) == TLS_STREAM_FAILED);
    close_streams();
}

static void test_refusals(void)
{
    for (uint16_t version = 0x0303; version <= 0x0304; version++) {
        open_setups(version);
        check_refusal("example.net", TLS_VERIFY_HOST, "SSLV3_ALERT_BAD_CERTIFICATE");
        check_refusal("10.0.0.1", TLS_VERIFY_ADDRESS, "SSLV3_ALERT_BAD_CERTIFICATE");
        tls_trust_drop(*tls_setup_trust(client_setup));
        *tls_setup_trust(client_setup) = tls_trust_new();
        check_refusal("example.org", TLS_VERIFY_SELF_SIGNED, "TLSV1_ALERT_UNKNOWN_CA");
        // Whoever does not care is told all the same.
        tls_setup_rules(client_setup)->verify_mode = TLS_CERT_NONE;
        tls_setup_rules(client_setup)->check_hostname = false;
        open_streams(PIPE_MAX, "example.org");
        meet();
        CHECK(tls_stream_verdict(client.stream) == TLS_VERIFY_SELF_SIGNED);
        close_streams();
        close_setups();
    }
}

// A list of suites that ends in the middle of one is an error, and is not read forever.
static void test_half_a_suite(void)
{
    static const unsigned char begin[] = {0x16, 0x03, 0x01, 0x00, 0x30, 0x01,
                                          0x00, 0x00, 0x2c, 0x03, 0x03},
                               suites[] = {0, 0, 3, 0x13, 1, 0, 1, 0, 0, 0};
    unsigned char hello[sizeof begin + 32 + sizeof suites] = {0};
    memcpy(hello, begin, sizeof begin);
    memcpy(hello + sizeof begin + 32, suites, sizeof suites);
    open_setups(0x0304);
    open_streams(PIPE_MAX, "example.org");
    must(write_pipe(&client, hello, sizeof hello) == sizeof hello);
    CHECK(tls_stream_handshake(server.stream) == TLS_STREAM_FAILED);
    close_streams();
    close_setups();
}

// What a client hears of the server's refusal: in TLS 1.3 behind its own handshake.
static void check_client_is_told(const char *server_reason, const char *client_reason)
{
    enum tls_stream_status of_client, of_server;
    char byte;
    size_t count;
    open_streams(PIPE_MAX, "example.org");
    shake_hands(&of_client, &of_server);
    CHECK(of_server == TLS_STREAM_FAILED);
    CHECK_STR(tls_stream_fault(server.stream)->reason, server_reason);
    CHECK(tls_stream_read(client.stream, &byte, 1, &count) == TLS_STREAM_FAILED);
    CHECK_STR(tls_stream_fault(client.stream)->reason, client_reason);
    close_streams();
}

static void test_refused_clients(void)
{
    struct tls_fault fault;
    for (uint16_t version = 0x0303; version <= 0x0304; version++) {
        open_setups(version);
        tls_setup_rules(server_setup)->verify_mode = TLS_CERT_REQUIRED;
        check_client_is_told("PEER_DID_NOT_RETURN_A_CERTIFICATE",
                             version == 0x0304 ? "TLSV13_ALERT_CERTIFICATE_REQUIRED"
                                               : "SSLV3_ALERT_HANDSHAKE_FAILURE");
        must(tls_setup_load_identity(client_setup, ec_file, NULL, NULL, NULL, &fault) == 0);
        check_client_is_told("CERTIFICATE_VERIFY_FAILED", "TLSV1_ALERT_UNKNOWN_CA");
        close_setups();
        open_setups(version);
        must(tls_setup_set_group(client_setup, "secp384r1", &fault) == 0);
        must(tls_setup_set_group(server_setup, "prime256v1", &fault) == 0);
        check_client_is_told("NO_SHARED_CIPHER", "SSLV3_ALERT_HANDSHAKE_FAILURE");
        close_setups();
    }
}

static void test_plain_http(void)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
    open_setups(0x0304);
    open_streams(PIPE_MAX, "example.org");
    must(write_pipe(&client, request, sizeof request - 1) == sizeof request - 1);
    CHECK(tls_stream_handshake(server.stream) == TLS_STREAM_FAILED);
    CHECK_STR(tls_stream_fault(server.stream)->reason, "HTTP_REQUEST");
    close_streams();
    open_streams(PIPE_MAX, "example.org");
    must(write_pipe(&server, "HTTP/1.1 400 Bad Request\r\n\r\n", 28) == 28);
    CHECK(tls_stream_handshake(client.stream) == TLS_STREAM_FAILED);
    CHECK_STR(tls_stream_fault(client.stream)->reason, "WRONG_VERSION_NUMBER");
    close_streams();
    close_setups();
}

static void test_early_ends(void)
{
    char byte;
    size_t count;
    open_setups(0x0304);
    open_streams(PIPE_MAX, "example.org");
    back.ended = true;
    CHECK(tls_stream_handshake(client.stream) == TLS_STREAM_FAILED);
    CHECK(tls_stream_fault(client.stream)->kind == TLS_FAULT_EOF);
    close_streams();
    open_streams(PIPE_MAX, "example.org");
    meet();
    back.ended = true; // behind the tickets
    CHECK(tls_stream_read(client.stream, &byte, 1, &count) == TLS_STREAM_FAILED);
    CHECK(tls_stream_fault(client.stream)->kind == TLS_FAULT_EOF);
    CHECK(tls_stream_write(server.stream, "x", 1, &count) == TLS_STREAM_FAILED);
    CHECK(tls_stream_fault(server.stream)->kind == TLS_FAULT_SYSTEM);
    CHECK(tls_stream_fault(server.stream)->number == EPIPE);
    close_streams();
    tls_setup_rules(client_setup)->ignores_eof = true;
    open_streams(PIPE_MAX, "example.org");
    meet();
    back.ended = true;
    CHECK(tls_stream_read(client.stream, &byte, 1, &count) == TLS_STREAM_CLOSED);
    close_streams();
    close_setups();
}

static void test_damaged_record(void)
{
    char byte;
    size_t count;
    open_setups(0x0304);
    open_streams(PIPE_MAX, "example.org");
    meet();
    must(tls_stream_write(client.stream, "hello", 5, &count) == TLS_STREAM_DONE);
    forth.data[forth.end - 1] ^= 1;
    CHECK(tls_stream_read(server.stream, &byte, 1, &count) == TLS_STREAM_FAILED);
    CHECK_STR(tls_stream_fault(server.stream)->reason, "DECRYPTION_FAILED_OR_BAD_RECORD_MAC");
    CHECK(tls_stream_read(client.stream, &byte, 1, &count) == TLS_STREAM_FAILED);
    CHECK_STR(tls_stream_fault(client.stream)->reason, "SSLV3_ALERT_BAD_RECORD_MAC");
    close_streams();
    close_setups();
}

static void test_no_version_in_common(void)
{
    enum tls_stream_status of_client, of_server;
    open_setups(0x0303);
    tls_setup_rules(server_setup)->min_version = 0x0304;
    open_streams(PIPE_MAX, "example.org");
    shake_hands(&of_client, &of_server);
    CHECK_STR(tls_stream_fault(client.stream)->reason, "TLSV1_ALERT_PROTOCOL_VERSION");
    CHECK_STR(tls_stream_fault(server.stream)->reason, "UNSUPPORTED_PROTOCOL");
    close_streams();
    tls_setup_rules(client_setup)->max_version = 0x0302;
    open_streams(PIPE_MAX, "example.org");
    CHECK(tls_stream_handshake(client.stream) == TLS_STREAM_FAILED);
    CHECK_STR(tls_stream_fault(client.stream)->reason, "NO_PROTOCOLS_AVAILABLE");
    close_streams();
    close_setups();
}

// --- names and protocols ---

static const char *asked;
static int answer;

static int choose_by_name(void *owner, const char *name)
{
    must(owner == &server);
    asked = name != NULL ? name : "(none)";
    CHECK(answer != 0 || name == NULL || strcmp(name, "other.test") == 0);
    if (name != NULL && strcmp(name, "other.test") == 0)
        tls_stream_use(server.stream, other_setup);
    return answer;
}

static void test_server_names(void)
{
    struct tls_fault fault;
    struct str certificate;
    for (uint16_t version = 0x0303; version <= 0x0304; version++) {
        open_setups(version);
        must(tls_trust_add_der(tls_setup_trust(client_setup), BYTES(other_certificate), &fault) ==
             0);
        tls_setup_set_server_name_hook(server_setup, choose_by_name);
        open_streams(PIPE_MAX, "other.test");
        answer = 0;
        meet();
        CHECK(tls_stream_certificates(client.stream, false, &certificate, 1) == 1);
        CHECK(str_equal(certificate, BYTES(other_certificate)));
        close_streams();
        enum tls_stream_status of_client, of_server;
        open_streams(PIPE_MAX, "other.test");
        answer = ALERT_ACCESS_DENIED;
        shake_hands(&of_client, &of_server);
        CHECK_STR(tls_stream_fault(client.stream)->reason, "TLSV1_ALERT_ACCESS_DENIED");
        CHECK_STR(tls_stream_fault(server.stream)->reason, "CALLBACK_FAILED");
        close_streams();
        // An address is no name (RFC 6066 section 3).
        answer = 0;
        tls_setup_rules(client_setup)->check_hostname = false;
        open_streams(PIPE_MAX, "10.0.0.1");
        meet();
        CHECK_STR(asked, "(none)");
        close_streams();
        close_setups();
    }
}

static void check_protocols(struct str of_client, struct str of_server, const char *chosen)
{
    struct tls_fault fault;
    open_setups(0x0304);
    if (of_client.size > 0)
        must(tls_setup_set_alpn(client_setup, of_client, &fault) == 0);
    if (of_server.size > 0)
        must(tls_setup_set_alpn(server_setup, of_server, &fault) == 0);
    open_streams(NARROW, "example.org");
    meet();
    const char *client_has = tls_stream_alpn(client.stream);
    const char *server_has = tls_stream_alpn(server.stream);
    CHECK_STR(client_has != NULL ? client_has : "", chosen);
    CHECK_STR(server_has != NULL ? server_has : "", chosen);
    close_streams();
    close_setups();
}

static void test_protocols(void)
{
    struct tls_fault fault;
    check_protocols(STR("\x02h2\x08http/1.1"), STR("\x08http/1.1\x02h2"), "http/1.1");
    check_protocols(STR("\x03"
                        "foo"),
                    STR("\x02h2"), "");
    check_protocols(STR("\x02h2"), STR(""), "");
    check_protocols(STR(""), STR("\x02h2"), "");
    open_setups(0x0304);
    CHECK(tls_setup_set_alpn(client_setup, STR("\x09short"), &fault) < 0);
    CHECK(tls_setup_set_alpn(client_setup, STR("\0"), &fault) < 0);
    close_setups();
}

// --- sessions ---

static struct tls_resumption *take_session(void)
{
    char byte;
    size_t count;
    meet();
    // With TLS 1.3 tickets come behind the handshake.
    must(tls_stream_write(server.stream, "x", 1, &count) == TLS_STREAM_DONE);
    must(tls_stream_read(client.stream, &byte, 1, &count) == TLS_STREAM_DONE);
    return tls_stream_session(client.stream);
}

static void check_resumption(uint16_t version, bool tickets)
{
    struct tls_fault fault;
    struct tls_resumption_facts facts;
    open_setups(version);
    tls_setup_rules(server_setup)->tickets = tickets;
    open_streams(PIPE_MAX, "example.org");
    struct tls_resumption *session = take_session();
    must(session != NULL);
    tls_resumption_facts(session, &facts);
    CHECK(facts.has_ticket == tickets);
    CHECK(facts.id.size > 0);
    CHECK(facts.timeout > 0 && facts.time > 0);
    CHECK((facts.lifetime_hint > 0) == tickets);
    close_streams();
    open_streams(PIPE_MAX, "example.org");
    CHECK(tls_stream_resume(client.stream, session, &fault) == 0);
    meet();
    CHECK(tls_stream_is_resumed(client.stream));
    CHECK(tls_stream_is_resumed(server.stream));
    struct str certificate;
    CHECK(tls_stream_certificates(client.stream, false, &certificate, 1) == 1);
    CHECK(str_equal(certificate, BYTES(ec_certificate)));
    transfer(&client, &server);
    close_streams();
    tls_resumption_drop(session);
    struct tls_setup_stats stats;
    tls_setup_stats(server_setup, &stats);
    CHECK(stats.accept == 2 && stats.accept_good == 2 && stats.hits == 1 && stats.connect == 0);
    tls_setup_stats(client_setup, &stats);
    CHECK(stats.connect == 2 && stats.connect_good == 2 && stats.hits == 1);
    close_setups();
}

// A session with one host is offered to no other: a handshake without it takes place.
// A session that says less than the rules ask is not resumed, and the certificate is seen.
static void check_full_handshake(struct tls_resumption *session, const char *name)
{
    struct tls_fault fault;
    open_streams(PIPE_MAX, name);
    CHECK(tls_stream_resume(client.stream, session, &fault) == 0);
    meet();
    CHECK(!tls_stream_is_resumed(client.stream));
    CHECK(tls_stream_verdict(client.stream) == 0);
    close_streams();
    tls_resumption_drop(session);
}

static void test_resumption_elsewhere(void)
{
    for (uint16_t version = 0x0303; version <= 0x0304; version++) {
        open_setups(version);
        struct tls_setup_rules *rules = tls_setup_rules(client_setup);
        open_streams(PIPE_MAX, "example.org");
        struct tls_resumption *session = take_session();
        close_streams();
        check_full_handshake(session, "www.example.org");
        rules->check_hostname = false;
        open_streams(PIPE_MAX, "example.org");
        session = take_session();
        close_streams();
        rules->check_hostname = true;
        check_full_handshake(session, "example.org");
        rules->check_hostname = false;
        rules->verify_mode = TLS_CERT_NONE;
        open_streams(PIPE_MAX, "example.org");
        session = take_session();
        close_streams();
        rules->verify_mode = TLS_CERT_REQUIRED;
        check_full_handshake(session, "example.org");
        close_setups();
    }
}

static void test_resumption(void)
{
    check_resumption(0x0303, true);
    check_resumption(0x0303, false);
    check_resumption(0x0304, true);
}

static void test_unique(void)
{
    open_setups(0x0303);
    open_streams(PIPE_MAX, "example.org");
    CHECK(tls_stream_unique(client.stream).size == 0);
    meet();
    struct str of_client = tls_stream_unique(client.stream);
    CHECK(of_client.size == 12);
    CHECK(str_equal(of_client, tls_stream_unique(server.stream)));
    close_streams();
    close_setups();
}

// --- the key log ---

static void check_log(uint16_t version, int lines)
{
    struct tls_fault fault;
    char text[8192] = "";
    open_setups(version);
    CHECK(tls_setup_set_key_log(client_setup, folder, &fault) < 0);
    CHECK(fault.kind == TLS_FAULT_SYSTEM && fault.number == EISDIR);
    CHECK(tls_setup_set_key_log(client_setup, log_file, &fault) == 0);
    open_streams(PIPE_MAX, "example.org");
    meet();
    close_streams();
    close_setups();
    FILE *file = fopen(log_file, "r");
    must(file != NULL);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    int count = 0;
    for (size_t i = 0; i < size; i++)
        count += text[i] == '\n';
    CHECK(count == lines + 1);
    CHECK(strstr(text, version == 0x0303 ? "\nCLIENT_RANDOM " : "\nEXPORTER_SECRET ") != NULL);
    unlink(log_file);
}

static void test_key_log(void)
{
    check_log(0x0303, 1);
    check_log(0x0304, 5);
}

// --- keys ---

static int give_wrong_password(void *owner, char *out, size_t size)
{
    (void)owner, (void)size;
    out[0] = 'x';
    return 1;
}

static void test_credentials(void)
{
    struct tls_fault fault;
    struct tls_setup *setup = tls_setup_new(&fault);
    must(setup != NULL);
    CHECK(tls_setup_load_identity(setup, "/nonexistent", NULL, NULL, NULL, &fault) < 0);
    CHECK(fault.kind == TLS_FAULT_SYSTEM && fault.number == ENOENT);
    CHECK(tls_setup_load_identity(setup, folder, NULL, NULL, NULL, &fault) < 0);
    CHECK(fault.kind == TLS_FAULT_SYSTEM && fault.number == EISDIR);
    CHECK(tls_setup_load_identity(setup, ec_file, other_file, NULL, NULL, &fault) < 0);
    CHECK_STR(fault.reason, "KEY_VALUES_MISMATCH");
    CHECK(tls_setup_load_identity(setup, ec_file, "/dev/null", give_wrong_password, NULL, &fault) <
          0);
    CHECK_STR(fault.text, "PEM lib");
    CHECK(tls_setup_load_identity(setup, "/dev/null", NULL, NULL, NULL, &fault) < 0);
    CHECK_STR(fault.text, "PEM lib");
    tls_setup_rules(setup)->security_level = 4;
    CHECK(tls_setup_load_identity(setup, ec_file, NULL, NULL, NULL, &fault) < 0);
    CHECK_STR(fault.reason, "EE_KEY_TOO_SMALL");
    CHECK(tls_setup_set_group(setup, "prime256v1", &fault) == 0);
    CHECK(tls_setup_set_group(setup, "nosuchcurve", &fault) < 0);
    CHECK(fault.kind == TLS_FAULT_VALUE);
    tls_setup_free(setup);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_tls12),           UNIT_CASE(test_tls13),
    UNIT_CASE(test_pending),         UNIT_CASE(test_refusals),
    UNIT_CASE(test_refused_clients), UNIT_CASE(test_plain_http),
    UNIT_CASE(test_half_a_suite),    UNIT_CASE(test_early_ends),
    UNIT_CASE(test_damaged_record),  UNIT_CASE(test_no_version_in_common),
    UNIT_CASE(test_server_names),    UNIT_CASE(test_protocols),
    UNIT_CASE(test_resumption),      UNIT_CASE(test_resumption_elsewhere),
    UNIT_CASE(test_unique),          UNIT_CASE(test_key_log),
    UNIT_CASE(test_credentials),
};

int main(void)
{
    make_files();
    int status = unit_main("tls_stream", cases, UNIT_COUNT(cases));
    remove_files();
    return status;
}

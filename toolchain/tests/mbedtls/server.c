/* server.c - a small TLS server on the patched mbedTLS, driven by drive.py.
 *
 * One process, one poll loop, many connections. Clients send lines and get lines:
 *   ping WORD    pong WORD
 *   big N        N letters x and a line feed
 *   about        version, cipher suite, protocol of ALPN, certificate of the client, verification
 * The driver talks on the standard input: "stats" gives the bytes that mbedTLS holds, the record
 * buffers among them, and connections; "fail N" lets N allocations of buffers fail; the end of the
 * input ends the process, which fails if anything is left allocated.
 *
 * Record buffers come from functions that fill them with 0xA5 and check at the end that what is not
 * wiped was never written.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/platform.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <psa/crypto.h>

enum { CONNECTIONS = 64, CERTIFICATES = 4, LINE_MAX_ = 20000, HEAD = 16, FILL = 0xA5 };

struct options {
    const char *cert[CERTIFICATES], *key[CERTIFICATES], *staple[CERTIFICATES];
    int certificates, tls12, tls13, cert_cb, byte_by_byte, keep_buffers, tickets, required;
    const char *client_ca, *ticket_key, *alpn;
};

struct connection {
    int fd, established, closing;
    mbedtls_ssl_context ssl;
    char in[LINE_MAX_];
    size_t in_size;
    char *out;
    size_t out_size, out_sent;
};

static struct options options;
static struct connection *connections[CONNECTIONS];
static size_t held, buffers, fail_buffers, wrong;
static int send_credit; /* bytes that a byte-by-byte socket takes before it says "later" once */
static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context random_numbers;
static mbedtls_ssl_config config;
static mbedtls_ssl_ticket_context ticket_context;
static mbedtls_x509_crt certificates[CERTIFICATES], client_ca;
static mbedtls_pk_context keys[CERTIFICATES];
static unsigned char *staples[CERTIFICATES];
static size_t staple_size[CERTIFICATES];
static const char *alpn_list[8];

static void fail(const char *what, int code)
{
    char text[160] = "";
    mbedtls_strerror(code, text, sizeof text);
    fprintf(stderr, "server: %s: %s (-0x%04x)\n", what, text, (unsigned)-code);
    exit(2);
}

static void check(const char *what, int code)
{
    if (code != 0)
        fail(what, code);
}

/* Memory: every block knows its size. */
static void *counted_calloc(size_t count, size_t size)
{
    size_t *block = calloc(1, HEAD + count * size);
    if (block == NULL)
        return NULL;
    block[0] = count * size;
    held += count * size;
    return (char *)block + HEAD;
}

static void counted_free(void *memory)
{
    if (memory == NULL)
        return;
    size_t *block = (size_t *)((char *)memory - HEAD);
    held -= block[0];
    free(block);
}

static void *buffer_alloc(void *context, size_t size)
{
    (void)context;
    if (fail_buffers > 0) {
        fail_buffers--;
        return NULL;
    }
    unsigned char *memory = malloc(size);
    if (memory == NULL)
        return NULL;
    memset(memory, FILL, size);
    buffers++;
    return memory;
}

static void buffer_free(void *context, void *buffer, size_t size)
{
    (void)context;
    const unsigned char *at = buffer;
    size_t i = 0;
    while (i < size && at[i] == 0)
        i++;
    while (i < size && at[i] == FILL)
        i++;
    if (i != size) {
        fprintf(stderr, "server: byte %zu of a record buffer was not wiped\n", i);
        wrong++;
    }
    buffers--;
    free(buffer);
}

/* The network: whole, or a byte at a time with EAGAIN in between. */
static int net_recv(void *context, unsigned char *to, size_t size)
{
    struct connection *c = context;
    if (options.byte_by_byte && size > 1)
        size = 1;
    ssize_t got = recv(c->fd, to, size, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_CONN_EOF;
    return (int)got;
}

static int net_send(void *context, const unsigned char *from, size_t size)
{
    struct connection *c = context;
    if (options.byte_by_byte) {
        if (send_credit-- == 0) {
            send_credit = 3;
            return MBEDTLS_ERR_SSL_WANT_WRITE;
        }
        if (size > 7)
            size = 7;
    }
    ssize_t sent = send(c->fd, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_SSL_CONN_EOF;
    return (int)sent;
}

static void close_connection(int slot)
{
    struct connection *c = connections[slot];
    close(c->fd);
    mbedtls_ssl_free(&c->ssl);
    free(c->out);
    free(c);
    connections[slot] = NULL;
}

__attribute__((format(printf, 2, 3))) static void answer(struct connection *c, const char *format,
                                                         ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    c->out = realloc(c->out, c->out_size + (size_t)size);
    memcpy(c->out + c->out_size, text, (size_t)size);
    c->out_size += (size_t)size;
}

static void about(struct connection *c)
{
    const mbedtls_x509_crt *peer = mbedtls_ssl_get_peer_cert(&c->ssl);
    const char *alpn = mbedtls_ssl_get_alpn_protocol(&c->ssl);
    char name[200] = "none";
    if (peer != NULL)
        mbedtls_x509_dn_gets(name, sizeof name, &peer->subject);
    answer(c, "%s %s alpn=%s peer=%s verify=%x\n", mbedtls_ssl_get_version(&c->ssl),
           mbedtls_ssl_get_ciphersuite(&c->ssl), alpn ? alpn : "none", name,
           (unsigned)mbedtls_ssl_get_verify_result(&c->ssl));
}

static void line(struct connection *c, char *text)
{
    if (strncmp(text, "ping ", 5) == 0)
        answer(c, "pong %.400s\n", text + 5);
    if (strcmp(text, "about") == 0)
        about(c);
    if (strncmp(text, "big ", 4) == 0) {
        size_t size = strtoul(text + 4, NULL, 10);
        c->out = realloc(c->out, c->out_size + size + 1);
        memset(c->out + c->out_size, 'x', size);
        c->out[c->out_size + size] = '\n';
        c->out_size += size + 1;
    }
}

static void lines(struct connection *c)
{
    char *end;
    while ((end = memchr(c->in, '\n', c->in_size)) != NULL) {
        *end = '\0';
        line(c, c->in);
        c->in_size -= (size_t)(end + 1 - c->in);
        memmove(c->in, end + 1, c->in_size);
    }
    if (c->in_size == sizeof c->in)
        c->in_size = 0;
}

/* Send what is queued. Returns 0, or an error other than "later". */
static int flush(struct connection *c)
{
    while (c->out_sent < c->out_size) {
        int ret = mbedtls_ssl_write(&c->ssl, (unsigned char *)c->out + c->out_sent,
                                    c->out_size - c->out_sent);
        if (ret == MBEDTLS_ERR_SSL_WANT_WRITE)
            return 0;
        if (ret == MBEDTLS_ERR_SSL_ALLOC_FAILED)
            return 0; /* tried again in the next turn */
        if (ret < 0)
            return ret;
        c->out_sent += (size_t)ret;
    }
    c->out_size = c->out_sent = 0;
    return 0;
}

/* Read and answer until there is nothing more, then release. Returns 0, or why to close. */
static int serve(struct connection *c)
{
    if (!c->established) {
        int ret = mbedtls_ssl_handshake(&c->ssl);
        if (ret == MBEDTLS_ERR_SSL_WANT_READ || ret == MBEDTLS_ERR_SSL_WANT_WRITE)
            return 0;
        if (ret != 0)
            return ret;
        c->established = 1;
    }
    int ret;
    do {
        ret = flush(c);
        if (ret != 0)
            return ret;
        /* A small piece at a time, so that records are left half read. */
        size_t room = sizeof c->in - c->in_size;
        ret =
            mbedtls_ssl_read(&c->ssl, (unsigned char *)c->in + c->in_size, room > 100 ? 100 : room);
        if (ret > 0) {
            c->in_size += (size_t)ret;
            if (!options.keep_buffers)
                (void)mbedtls_ssl_release_buffers(&c->ssl);
            lines(c);
        }
    } while (ret > 0);
    if (ret == 0)
        return MBEDTLS_ERR_SSL_CONN_EOF;
    if (ret == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
        (void)mbedtls_ssl_release_buffers(&c->ssl);
        (void)mbedtls_ssl_close_notify(&c->ssl);
        return ret;
    }
    if (ret != MBEDTLS_ERR_SSL_WANT_READ && ret != MBEDTLS_ERR_SSL_WANT_WRITE &&
        ret != MBEDTLS_ERR_SSL_ALLOC_FAILED)
        return ret;
    ret = flush(c);
    if (!options.keep_buffers && ret == 0)
        (void)mbedtls_ssl_release_buffers(&c->ssl);
    return ret;
}

static int add_certificate(mbedtls_ssl_context *ssl)
{
    for (int i = 0; i < options.certificates; i++) {
        int ret = mbedtls_ssl_set_hs_own_cert(ssl, &certificates[i], &keys[i]);
        if (ret != 0)
            return ret;
    }
    return 0;
}

static void accept_connection(int listener)
{
    int fd = accept(listener, NULL, NULL), slot = 0;
    while (slot < CONNECTIONS && connections[slot] != NULL)
        slot++;
    if (fd < 0 || slot == CONNECTIONS) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct connection *c = calloc(1, sizeof *c);
    c->fd = fd;
    mbedtls_ssl_init(&c->ssl);
    check("mbedtls_ssl_setup", mbedtls_ssl_setup(&c->ssl, &config));
    mbedtls_ssl_set_bio(&c->ssl, c, net_send, net_recv, NULL);
    connections[slot] = c;
}

static unsigned char *load(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail(path, MBEDTLS_ERR_SSL_BAD_INPUT_DATA);
    unsigned char *data = malloc(65536);
    *size = fread(data, 1, 65536, file);
    fclose(file);
    return data;
}

static int staple(void *context, mbedtls_ssl_context *ssl, const mbedtls_x509_crt *own,
                  const unsigned char **response, size_t *size)
{
    (void)context;
    (void)ssl;
    for (int i = 0; i < options.certificates; i++) {
        if (own == &certificates[i] && staples[i] != NULL) {
            *response = staples[i];
            *size = staple_size[i];
            return 0;
        }
    }
    return -1;
}

static void set_up_tickets(void)
{
    mbedtls_ssl_ticket_init(&ticket_context);
    check("mbedtls_ssl_ticket_setup",
          mbedtls_ssl_ticket_setup(&ticket_context, mbedtls_ctr_drbg_random, &random_numbers,
                                   MBEDTLS_CIPHER_AES_256_GCM, 86400));
    if (options.ticket_key != NULL) {
        unsigned char key[32];
        memset(key, options.ticket_key[0], sizeof key);
        /* Twice: the first rotation keeps the random key of the setup as the one before it. */
        for (int i = 0; i < 2; i++)
            check("mbedtls_ssl_ticket_rotate",
                  mbedtls_ssl_ticket_rotate(&ticket_context, (const unsigned char *)"key1", 4, key,
                                            sizeof key, 86400));
    }
    mbedtls_ssl_conf_session_tickets_cb(&config, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse,
                                        &ticket_context);
    mbedtls_ssl_conf_new_session_tickets(&config, (uint16_t)options.tickets);
}

static void set_up_certificates(void)
{
    for (int i = 0; i < options.certificates; i++) {
        mbedtls_x509_crt_init(&certificates[i]);
        mbedtls_pk_init(&keys[i]);
        check(options.cert[i], mbedtls_x509_crt_parse_file(&certificates[i], options.cert[i]));
        check(options.key[i], mbedtls_pk_parse_keyfile(&keys[i], options.key[i], NULL,
                                                       mbedtls_ctr_drbg_random, &random_numbers));
        if (!options.cert_cb)
            check("own_cert", mbedtls_ssl_conf_own_cert(&config, &certificates[i], &keys[i]));
        if (options.staple[i] != NULL)
            staples[i] = load(options.staple[i], &staple_size[i]);
    }
    if (options.cert_cb)
        mbedtls_ssl_conf_cert_cb(&config, add_certificate);
    mbedtls_ssl_conf_ocsp_cb(&config, staple, NULL);
    mbedtls_x509_crt_init(&client_ca);
    if (options.client_ca != NULL) {
        check(options.client_ca, mbedtls_x509_crt_parse_file(&client_ca, options.client_ca));
        mbedtls_ssl_conf_ca_chain(&config, &client_ca, NULL);
        mbedtls_ssl_conf_authmode(&config, options.required ? MBEDTLS_SSL_VERIFY_REQUIRED
                                                            : MBEDTLS_SSL_VERIFY_OPTIONAL);
    }
}

static void set_up(void)
{
    check("psa_crypto_init", (int)psa_crypto_init());
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random_numbers);
    check("seed", mbedtls_ctr_drbg_seed(&random_numbers, mbedtls_entropy_func, &entropy, NULL, 0));
    mbedtls_ssl_config_init(&config);
    check("defaults",
          mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                      MBEDTLS_SSL_PRESET_DEFAULT));
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random_numbers);
    mbedtls_ssl_conf_buffers(&config, buffer_alloc, buffer_free, NULL);
    if (options.tls12)
        mbedtls_ssl_conf_max_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_2);
    if (options.tls13)
        mbedtls_ssl_conf_min_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_3);
    if (options.alpn != NULL) {
        char *list = strdup(options.alpn);
        int count = 0;
        for (char *name = strtok(list, ","); name != NULL && count < 7; name = strtok(NULL, ","))
            alpn_list[count++] = name;
        check("alpn", mbedtls_ssl_conf_alpn_protocols(&config, alpn_list));
    }
    set_up_certificates();
    if (options.tickets >= 0)
        set_up_tickets();
}

static void clean_up(void)
{
    for (int i = 0; i < CONNECTIONS; i++)
        if (connections[i] != NULL)
            close_connection(i);
    if (buffers != 0 || wrong != 0) {
        fprintf(stderr, "server: %zu record buffers left, %zu not wiped\n", buffers, wrong);
        exit(3);
    }
}

static int listen_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        fail("listen", MBEDTLS_ERR_SSL_INTERNAL_ERROR);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

/* A line of the driver. Returns 0 at the end of the input. */
static int command(void)
{
    char text[128];
    if (fgets(text, sizeof text, stdin) == NULL)
        return 0;
    if (strncmp(text, "fail ", 5) == 0)
        fail_buffers = strtoul(text + 5, NULL, 10);
    int count = 0;
    for (int i = 0; i < CONNECTIONS; i++)
        count += connections[i] != NULL;
    printf("held %zu buffers %zu connections %d wrong %zu failing %zu\n", held, buffers, count,
           wrong, fail_buffers);
    fflush(stdout);
    return 1;
}

static void turn(int listener, struct pollfd *polled, int count, const int *slots)
{
    for (int i = 2; i < count; i++) {
        if (polled[i].revents == 0)
            continue;
        int ret = serve(connections[slots[i]]);
        if (ret == 0)
            continue;
        fprintf(stderr, "server: connection closed: -0x%04x\n", (unsigned)-ret);
        close_connection(slots[i]);
    }
    if (polled[1].revents != 0)
        accept_connection(listener);
}

static void parse(int argc, char **argv)
{
    options.tickets = 1;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        int last = options.certificates - 1;
        if (strcmp(name, "--tls12") == 0)
            options.tls12 = 1;
        else if (strcmp(name, "--tls13") == 0)
            options.tls13 = 1;
        else if (strcmp(name, "--cert-cb") == 0)
            options.cert_cb = 1;
        else if (strcmp(name, "--byte-by-byte") == 0)
            options.byte_by_byte = 1;
        else if (strcmp(name, "--required") == 0)
            options.required = 1;
        else if (strcmp(name, "--keep-buffers") == 0)
            options.keep_buffers = 1;
        else if (strcmp(name, "--cert") == 0)
            options.cert[options.certificates++] = value, i++;
        else if (strcmp(name, "--key") == 0)
            options.key[last] = value, i++;
        else if (strcmp(name, "--staple") == 0)
            options.staple[last] = value, i++;
        else if (strcmp(name, "--client-ca") == 0)
            options.client_ca = value, i++;
        else if (strcmp(name, "--ticket-key") == 0)
            options.ticket_key = value, i++;
        else if (strcmp(name, "--tickets") == 0)
            options.tickets = atoi(value), i++;
        else if (strcmp(name, "--alpn") == 0)
            options.alpn = value, i++;
        else
            fail(name, MBEDTLS_ERR_SSL_BAD_INPUT_DATA);
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdin, NULL, _IONBF, 0); /* poll() must see what is there */
    mbedtls_platform_set_calloc_free(counted_calloc, counted_free);
    parse(argc, argv);
    set_up();
    int listener = listen_somewhere();
    for (;;) {
        struct pollfd polled[CONNECTIONS + 2] = {{.fd = 0, .events = POLLIN},
                                                 {.fd = listener, .events = POLLIN}};
        int slots[CONNECTIONS + 2], count = 2;
        for (int i = 0; i < CONNECTIONS; i++) {
            if (connections[i] == NULL)
                continue;
            const struct connection *c = connections[i];
            int more = c->out_size > c->out_sent || !c->established || options.byte_by_byte;
            polled[count] =
                (struct pollfd){.fd = c->fd, .events = (short)(POLLIN | (more ? POLLOUT : 0))};
            slots[count++] = i;
        }
        poll(polled, (nfds_t)count, -1);
        turn(listener, polled, count, slots);
        if (polled[0].revents != 0 && !command())
            break;
    }
    clean_up();
    return 0;
}

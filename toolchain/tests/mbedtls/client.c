/* client.c - a TLS 1.3 client that sends post-handshake messages made by hand: client PORT STEP...
 *
 *   hs HEX     a record with this content, of type handshake
 *   data HEX   the same, of type application data
 *   rotate     the next keys of our direction
 *   ping       a line, and the answer to it is awaited
 *   big N      an answer of so many bytes is asked for, and not read yet
 *   read       the answer to "big"
 *   alert      read until the server ends the connection; prints the number of its alert
 * It knows the insides of the library: what it sends, no public function sends.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ssl_misc.h"
#include "ssl_tls13_keys.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <psa/crypto.h>

enum { BIG = 20000000 };

static void fail(const char *what, int code)
{
    printf("failed %s -0x%04x\n", what, (unsigned)-code);
    exit(2);
}

static void check(const char *what, int code)
{
    if (code < 0)
        fail(what, code);
}

static int net_send(void *context, const unsigned char *from, size_t size)
{
    ssize_t sent = send(*(int *)context, from, size, MSG_NOSIGNAL);
    return sent < 0 ? MBEDTLS_ERR_SSL_CONN_EOF : (int)sent;
}

static int net_recv(void *context, unsigned char *to, size_t size)
{
    ssize_t got = recv(*(int *)context, to, size, 0);
    return got < 0 ? MBEDTLS_ERR_SSL_CONN_EOF : (int)got;
}

static void send_record(mbedtls_ssl_context *ssl, int type, const char *hex)
{
    unsigned value;
    check("out buffer", mbedtls_ssl_acquire_out_buffer(ssl));
    ssl->out_msgtype = type;
    ssl->out_msglen = strlen(hex) / 2;
    for (size_t i = 0; i < ssl->out_msglen; i++) {
        sscanf(hex + 2 * i, "%2x", &value);
        ssl->out_msg[i] = (unsigned char)value;
    }
    check("record", mbedtls_ssl_write_record(ssl, 1));
}

static void ask(mbedtls_ssl_context *ssl, const char *line)
{
    check("write", mbedtls_ssl_write(ssl, (const unsigned char *)line, strlen(line)));
}

static void ask_big(mbedtls_ssl_context *ssl, const char *size)
{
    char line[40];
    snprintf(line, sizeof line, "big %s\n", size);
    ask(ssl, line);
}

/* Read a line and print its length. */
static void answer(mbedtls_ssl_context *ssl)
{
    static unsigned char text[BIG + 100];
    size_t size = 0;
    while (size == 0 || text[size - 1] != '\n') {
        int ret = mbedtls_ssl_read(ssl, text + size, sizeof text - size);
        if (ret == 0)
            fail("read", MBEDTLS_ERR_SSL_CONN_EOF);
        check("read", ret);
        size += (size_t)ret;
    }
    printf("line %zu\n", size);
}

static void await_alert(mbedtls_ssl_context *ssl)
{
    unsigned char text[1000];
    int ret;
    do
        ret = mbedtls_ssl_read(ssl, text, sizeof text);
    while (ret > 0);
    if (ret == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
        printf("alert %d\n", ssl->in_msg[1]);
    else
        printf("no alert -0x%04x\n", (unsigned)-ret);
}

static void run(mbedtls_ssl_context *ssl, char **step)
{
    for (; *step != NULL; step++) {
        if (strcmp(*step, "hs") == 0)
            send_record(ssl, MBEDTLS_SSL_MSG_HANDSHAKE, *++step);
        else if (strcmp(*step, "data") == 0)
            send_record(ssl, MBEDTLS_SSL_MSG_APPLICATION_DATA, *++step);
        else if (strcmp(*step, "rotate") == 0)
            check("rotate", mbedtls_ssl_tls13_update_traffic_keys(ssl, 0));
        else if (strcmp(*step, "ping") == 0)
            ask(ssl, "ping x\n"), answer(ssl);
        else if (strcmp(*step, "big") == 0)
            ask_big(ssl, *++step);
        else if (strcmp(*step, "read") == 0)
            answer(ssl);
        else if (strcmp(*step, "alert") == 0)
            await_alert(ssl);
        else
            fail(*step, MBEDTLS_ERR_SSL_BAD_INPUT_DATA);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 1;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context numbers;
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)atoi(argv[1]))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1; /* a record is not to wait for the acknowledgement of the one before */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    check("connect", connect(fd, (struct sockaddr *)&address, sizeof address));
    check("psa", (int)psa_crypto_init());
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&numbers);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&ssl);
    check("seed", mbedtls_ctr_drbg_seed(&numbers, mbedtls_entropy_func, &entropy, NULL, 0));
    check("defaults",
          mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                      MBEDTLS_SSL_PRESET_DEFAULT));
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &numbers);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_min_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_3);
    check("setup", mbedtls_ssl_setup(&ssl, &config));
    mbedtls_ssl_set_bio(&ssl, &fd, net_send, net_recv, NULL);
    check("handshake", mbedtls_ssl_handshake(&ssl));
    run(&ssl, argv + 2);
    mbedtls_ssl_free(&ssl);
    mbedtls_ssl_config_free(&config);
    mbedtls_ctr_drbg_free(&numbers);
    mbedtls_entropy_free(&entropy);
    close(fd);
    return 0;
}

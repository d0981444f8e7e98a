// websocket_load.c - WebSocket connections to 127.0.0.1, in one thread: each sends a text, waits
// until it has come back, and sends the next one. Or many that are open and do nothing.
//   cc -O2 -std=gnu17 tests/bench/websocket_load.c -o websocket_load
//   websocket_load [--connections N] [--seconds S] [--size BYTES] PORT PATH
//   websocket_load --idle N PORT PATH
// The first prints a JSON object when it is over: messages that came back, the rate a second, their
// latencies in microseconds, and the seconds of processor time that were taken here. The second
// prints one when all connections are open, answers pings, and ends when stdin is closed. What is
// not as it should be ends either with a line on stderr and status 1.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// RFC 6455 section 1.3: a key and what it is answered with.
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum {
    TEXT = 0x1,
    CLOSE = 0x8,
    PING = 0x9,
    PONG = 0xa,
    FIN = 0x80,
    MASKED = 0x80,
    HEADER_MAX = 14,
    CONTROL_MAX = 125,
    EVENTS = 256,
    READ_SIZE = 256 * 1024,
    PATIENCE = 10, // seconds for an opening handshake, and for a closing one
    // Latencies are counted in nanoseconds by their highest 7 bits: within a hundredth.
    FRACTION_BITS = 6,
    SLOTS = 64 << FRACTION_BITS,
};

struct connection {
    int fd;
    bool waits_to_write;
    unsigned char header[HEADER_MAX];
    unsigned header_size;
    bool in_frame;
    uint64_t left;   // bytes of the frame's payload to come
    size_t received; // of the message
    size_t sent;     // of the frame that is being sent
    int64_t began;   // when, nanoseconds
    char pong[2 + 4 + CONTROL_MAX];
    size_t pong_size, pong_sent;
};

static struct {
    long connections, seconds, size, idle; // as asked for
    int port;
    const char *path;
    int epoll;
    struct connection *all;
    char *message, *frame; // a payload, and as it is sent
    size_t frame_size;
    int64_t ends; // nanoseconds
    uint64_t messages;
    uint64_t latencies[SLOTS];
    int64_t slowest; // nanoseconds
} load = {.connections = 64, .seconds = 5, .size = 32};

__attribute__((format(printf, 1, 2))) static _Noreturn void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("websocket_load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// --- latencies ---

static void count(int64_t latency)
{
    uint64_t value = latency > 0 ? (uint64_t)latency : 1;
    int exponent = 63 - __builtin_clzll(value);
    int shift = exponent > FRACTION_BITS ? exponent - FRACTION_BITS : 0;
    // What is behind the highest bit goes on where the exponent before ended.
    load.latencies[((uint64_t)shift << FRACTION_BITS) + (value >> shift)]++;
    load.messages++;
    if (latency > load.slowest)
        load.slowest = latency;
}

// Microseconds that so many of a thousand took at most.
static double percentile(unsigned thousandths)
{
    uint64_t wanted = (load.messages * thousandths + 999) / 1000, seen = 0;
    for (uint64_t slot = 0; slot < SLOTS; slot++) {
        seen += load.latencies[slot];
        if (seen < wanted || seen == 0)
            continue;
        uint64_t shift = slot >> FRACTION_BITS > 0 ? (slot >> FRACTION_BITS) - 1 : 0;
        return (double)((slot - (shift << FRACTION_BITS)) << shift) / 1000;
    }
    return 0;
}

// --- sending ---

// The header of a frame with a mask, always the same one. Returns its size.
static size_t put_header(char *out, unsigned opcode, uint64_t length)
{
    size_t extra = length < 126 ? 0 : length <= UINT16_MAX ? 2 : 8;
    out[0] = (char)(FIN | opcode);
    out[1] = (char)(MASKED | (extra == 0 ? length : extra == 2 ? 126 : 127));
    for (size_t i = 0; i < extra; i++)
        out[2 + i] = (char)(length >> (extra - 1 - i) * 8);
    static const char mask[4] = {0x37, 0x7a, 0x21, 0x3d};
    memcpy(out + 2 + extra, mask, 4);
    return 2 + extra + 4;
}

static size_t put_frame(char *out, unsigned opcode, const char *payload, size_t size)
{
    size_t header = put_header(out, opcode, size);
    const char *mask = out + header - 4;
    for (size_t i = 0; i < size; i++)
        out[header + i] = (char)(payload[i] ^ mask[i % 4]);
    return header + size;
}

// True: all of it is sent.
static bool send_some(struct connection *c, const char *bytes, size_t size, size_t *sent)
{
    while (*sent < size) {
        ssize_t n = send(c->fd, bytes + *sent, size - *sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0)
            die("cannot send: %s", strerror(errno));
        *sent += (size_t)n;
    }
    return true;
}

static void want_write(struct connection *c, bool wanted)
{
    if (c->waits_to_write == wanted)
        return;
    struct epoll_event event = {EPOLLIN | (wanted ? EPOLLOUT : 0), {.ptr = c}};
    if (epoll_ctl(load.epoll, EPOLL_CTL_MOD, c->fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
    c->waits_to_write = wanted;
}

// What is begun is ended, then the other.
static void send_more(struct connection *c)
{
    bool done = c->pong_sent == 0 || send_some(c, c->pong, c->pong_size, &c->pong_sent);
    done = done && send_some(c, load.frame, load.frame_size, &c->sent) &&
           send_some(c, c->pong, c->pong_size, &c->pong_sent);
    if (done)
        c->pong_size = c->pong_sent = 0;
    want_write(c, !done);
}

// --- what comes back ---

static void take_message(struct connection *c)
{
    int64_t at = now();
    if (c->received != (size_t)load.size)
        die("a message of %zu bytes came back as one of %zu", (size_t)load.size, c->received);
    if (at < load.ends)
        count(at - c->began);
    c->began = at;
    c->received = c->sent = 0;
    send_more(c);
}

static void take_frame_end(struct connection *c)
{
    c->in_frame = false;
    c->header_size = 0;
    unsigned opcode = c->header[0] & 0xf;
    if (opcode == CLOSE)
        die("the server closes a connection");
    if (opcode == PING)
        send_more(c);
    if ((opcode & CLOSE) == 0 && (c->header[0] & FIN) != 0)
        take_message(c);
}

static size_t take_payload(struct connection *c, const char *bytes, size_t size)
{
    size_t used = size < c->left ? size : (size_t)c->left;
    unsigned opcode = c->header[0] & 0xf;
    c->left -= used;
    if (opcode == PING) {
        for (size_t i = 0; i < used; i++, c->pong_size++)
            c->pong[c->pong_size] = (char)(bytes[i] ^ c->pong[2 + (c->pong_size - 6) % 4]);
    } else if ((opcode & CLOSE) == 0) {
        if (load.idle > 0 || used > (size_t)load.size - c->received ||
            memcmp(bytes, load.message + c->received, used) != 0)
            die("what came back is not what was sent");
        c->received += used;
    }
    if (c->left == 0)
        take_frame_end(c);
    return used;
}

static void begin_frame(struct connection *c)
{
    unsigned length = c->header[1];
    c->left = length < 126 ? length : 0;
    for (unsigned i = 2; i < c->header_size; i++)
        c->left = c->left << 8 | c->header[i];
    c->in_frame = true;
    if ((c->header[0] & 0xf) != PING)
        return;
    // One is answered at a time; of several the last one is answered (RFC 6455 section 5.5.3).
    if (c->pong_sent > 0)
        die("a ping came before the answer to the last one was sent");
    c->pong_size = put_header(c->pong, PONG, c->left);
}

static size_t take_header(struct connection *c, const char *bytes)
{
    c->header[c->header_size++] = (unsigned char)*bytes;
    if (c->header_size < 2)
        return 1;
    unsigned length = c->header[1];
    if ((length & MASKED) != 0 || ((c->header[0] & CLOSE) != 0 && length > CONTROL_MAX))
        die("the server sends a frame that is none");
    if (c->header_size == 2u + (length == 127 ? 8 : length == 126 ? 2 : 0)) {
        begin_frame(c);
        if (c->left == 0)
            take_frame_end(c);
    }
    return 1;
}

static void take_bytes(struct connection *c, const char *bytes, size_t size)
{
    while (size > 0) {
        size_t used = c->in_frame ? take_payload(c, bytes, size) : take_header(c, bytes);
        bytes += used;
        size -= used;
    }
}

static void receive(struct connection *c)
{
    static char bytes[READ_SIZE];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("the server has cut a connection%s%s", n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
    take_bytes(c, bytes, (size_t)n);
}

// --- connections ---

static void shake_hands(struct connection *c)
{
    char text[4096];
    int size = snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: " KEY "\r\n\r\n",
                        load.path, load.port);
    if (size >= (int)sizeof text || send(c->fd, text, (size_t)size, MSG_NOSIGNAL) != size)
        die("cannot ask for a WebSocket");
    size_t got = 0;
    char *end = NULL;
    while (end == NULL) {
        ssize_t n = recv(c->fd, text + got, sizeof text - 1 - got, 0);
        if (n <= 0)
            die("no answer to the opening handshake");
        text[got += (size_t)n] = '\0';
        end = strstr(text, "\r\n\r\n");
    }
    if (strncmp(text, "HTTP/1.1 101 ", 13) != 0)
        die("the answer is not 101 but \"%.*s\"", (int)strcspn(text, "\r\n"), text);
    if (strstr(text, ACCEPT) == NULL)
        die("the answer has no Sec-WebSocket-Accept, or a wrong one");
    end += 4;
    take_bytes(c, end, got - (size_t)(end - text));
}

static void open_one(struct connection *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load.port)};
    struct timeval patience = {.tv_sec = PATIENCE};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("cannot make a socket: %s", strerror(errno));
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("cannot connect to port %d: %s", load.port, strerror(errno));
    struct epoll_event event = {EPOLLIN, {.ptr = c}};
    if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
    c->sent = load.frame_size; // none yet
    shake_hands(c);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

// Says goodbye to all, and waits until the server has ended each.
static void close_all(void)
{
    char frame[16], ignored[4096];
    size_t size = put_frame(frame, CLOSE, "\x03\xe8", 2);
    for (long i = 0; i < load.connections; i++) {
        fcntl(load.all[i].fd, F_SETFL, 0);
        // In the middle of a frame it is one that no server understands: cut off is cut off.
        if (send(load.all[i].fd, frame, size, MSG_NOSIGNAL) < 0)
            continue;
        shutdown(load.all[i].fd, SHUT_WR);
    }
    for (long i = 0; i < load.connections; i++) {
        while (recv(load.all[i].fd, ignored, sizeof ignored, 0) > 0)
            continue;
        close(load.all[i].fd);
    }
}

// --- runs ---

// Until it is time, or stdin has nothing more; its events have no connection.
static void run(void)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        int64_t left = load.idle > 0 ? -1 : (load.ends - now() + 999999) / 1000000;
        if (load.idle == 0 && left <= 0)
            return;
        int n = epoll_wait(load.epoll, events, EVENTS, (int)left);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            char ignored[256];
            if (c == NULL && read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
                return;
            if (c != NULL && (events[i].events & EPOLLOUT) != 0)
                send_more(c);
            if (c != NULL && (events[i].events & ~(unsigned)EPOLLOUT) != 0)
                receive(c);
        }
    }
}

static double processor_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void run_echo(void)
{
    double before = processor_seconds();
    int64_t began = now();
    load.ends = began + load.seconds * 1000000000;
    for (long i = 0; i < load.connections; i++) {
        load.all[i].began = now();
        load.all[i].sent = 0;
        send_more(&load.all[i]);
    }
    run();
    printf("{\"connections\": %ld, \"size\": %ld, \"messages\": %llu, \"rate\": %.1f, "
           "\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, "
           "\"max_us\": %.1f, \"cpu_seconds\": %.3f}\n",
           load.connections, load.size, (unsigned long long)load.messages,
           (double)load.messages / (double)load.seconds, percentile(500), percentile(900),
           percentile(990), percentile(999), (double)load.slowest / 1000,
           processor_seconds() - before);
}

static void run_idle(void)
{
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}};
    if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
        die("stdin has to be a pipe or a terminal, which ends --idle when it is closed");
    printf("{\"open\": %ld}\n", load.idle);
    fflush(stdout);
    run();
}

static long number(const char *text, long least, long most)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most)
        die("%s is not a number from %ld to %ld", text, least, most);
    return value;
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {{"connections", required_argument, NULL, 'c'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"size", required_argument, NULL, 'm'},
                                            {"idle", required_argument, NULL, 'i'},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        if (option == 'c')
            load.connections = number(optarg, 1, 1000000);
        else if (option == 's')
            load.seconds = number(optarg, 1, 86400);
        else if (option == 'm')
            load.size = number(optarg, 0, 1 << 30);
        else if (option == 'i')
            load.connections = load.idle = number(optarg, 1, 1000000);
        else
            exit(2);
    }
    if (argc - optind != 2)
        die("usage: websocket_load [--connections N] [--seconds S] [--size BYTES] [--idle N] "
            "PORT PATH");
    load.port = (int)number(argv[optind], 1, 65535);
    load.path = argv[optind + 1];
}

int main(int argc, char **argv)
{
    struct rlimit files;
    parse(argc, argv);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.all = calloc((size_t)load.connections, sizeof *load.all);
    load.message = malloc((size_t)load.size + 1);
    load.frame = malloc((size_t)load.size + HEADER_MAX);
    if (load.epoll < 0 || load.all == NULL || load.message == NULL || load.frame == NULL)
        die("out of memory");
    for (long i = 0; i < load.size; i++)
        load.message[i] = "The quick brown fox jumps over the lazy dog. "[i % 45];
    load.frame_size = put_frame(load.frame, TEXT, load.message, (size_t)load.size);
    for (long i = 0; i < load.connections; i++)
        open_one(&load.all[i]);
    if (load.idle > 0)
        run_idle();
    else
        run_echo();
    close_all();
    return 0;
}

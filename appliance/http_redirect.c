// http_redirect.c - the answers of a listener that sends every client on to HTTPS, made here and
// now: no application sees these requests. But ACME's challenges (RFC 8555 section 8.3) are
// answered, from files.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "http_location.h"
#include "http_priv.h"
#include "log.h"

enum {
    TOKEN_MAX = 128,           // bytes
    CHALLENGE_MAX = 64 * 1024, // bytes
};

static const struct str challenges = {"/.well-known/acme-challenge/", 28};

// --- challenges ---

static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    c == '-' || c == '_';
        if (!good)
            return false;
    }
    return text.size > 0 && text.size <= TOKEN_MAX;
}

// Said once a worker: whoever asks may ask often.
static void report(struct http *http, const char *path, int errnum)
{
    if (errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP || http->challenge_failed)
        return;
    http->challenge_failed = true;
    log_error("http", "cannot read the challenge %s: %s%s", path, strerror(errnum),
              errnum == EACCES || errnum == EPERM ? " (workers have to be allowed to)" : "");
}

// -1: it is no such file, or cannot be read. The caller closes it.
static int open_challenge(struct http *http, struct str token)
{
    char path[PATH_MAX];
    struct stat status;
    int size = snprintf(path, sizeof path, "%s%s%.*s", http->setup->challenge_folder,
                        challenges.data, (int)token.size, token.data);
    if (size < 0 || (size_t)size >= sizeof path)
        return -1;
    _close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        report(http, path, errno);
    bool good = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
                status.st_size <= CHALLENGE_MAX;
    return good ? steal_fd(&fd) : -1;
}

// False: it is too long by now, or cannot be read.
static bool read_challenge(int fd, struct buf *out)
{
    char piece[4096];
    ssize_t size;
    while ((size = read(fd, piece, sizeof piece)) > 0) {
        if (buf_append(out, piece, (size_t)size) < 0)
            return false;
    }
    return size == 0;
}

static enum MHD_Result answer_challenge(struct request *request, struct str token)
{
    struct str method = request->head.method;
    _buf_ struct buf text = BUF_INIT(CHALLENGE_MAX + 1);
    _close_ int fd = -1;
    bool asks = str_equal(method, STR("GET")) || str_equal(method, STR("HEAD"));
    if (asks && is_token(token))
        fd = open_challenge(request->http, token);
    if (fd < 0 || !read_challenge(fd, &text))
        return http_respond_plain(request, 404);
    struct MHD_Response *out = MHD_create_response_from_buffer_copy(text.size, buf_text(&text));
    if (out == NULL)
        return MHD_NO;
    MHD_add_response_header(out, "Content-Type", "application/octet-stream");
    if (request->http->setup->security_headers)
        http_security_add_to(out);
    return http_respond(request, 200, out);
}

// --- redirects ---

static enum MHD_Result send_on(struct request *request)
{
    _buf_ struct buf location = BUF_INIT(HTTP_LOCATION_MAX);
    unsigned status = http_location_write(&request->head,
                                          request->connection->listener->redirect_port, &location);
    if (status != 0)
        return http_respond_plain(request, status);
    struct MHD_Response *out = MHD_create_response_from_buffer_static(0, "");
    if (out == NULL)
        return MHD_NO;
    MHD_add_response_header(out, "Location", buf_text(&location));
    if (request->http->setup->security_headers)
        http_security_add_to(out);
    return http_respond(request, 308, out);
}

enum MHD_Result http_redirect_answer(struct request *request)
{
    struct str path = http_location_path(&request->head);
    if (request->http->setup->challenge_folder == NULL || !str_starts(path, challenges))
        return send_on(request);
    struct str token = {path.data + challenges.size, path.size - challenges.size};
    return answer_challenge(request, token);
}

// Who has asked a trusted proxy over HTTPS is there already: sent on, it would come back here.
bool http_redirect_wants(const struct request *request)
{
    return request->connection->listener->kind == LISTENER_REDIRECT &&
           !http_client_is_secure(request);
}

static bool has_body(const struct request *request)
{
    for (size_t i = 0; i < request->head.header_count; i++) {
        const struct header *header = &request->headers[i];
        if (str_equal_nocase(header->name, STR("transfer-encoding")) ||
            (str_equal_nocase(header->name, STR("content-length")) &&
             !str_equal(header->value, STR("0"))))
            return true;
    }
    return false;
}

// An answer queued here closes the connection, which spares us the body.
enum MHD_Result http_redirect_begin(struct request *request)
{
    return has_body(request) ? http_redirect_answer(request) : MHD_YES;
}

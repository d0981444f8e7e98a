// websocket.c - a WebSocket connection as its owner sees it: accepted, read, sent to, closed, let
// go.
#include "websocket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "check.h"
#include "head.h"
#include "http_upgrade.h"
#include "websocket_handshake.h"
#include "websocket_connection_priv.h"

enum {
    SEND_AT = 32 * 1024,   // bytes that are not kept until the turn's end
    EXTENSIONS_SIZE = 256, // of the answer's field
};

// --- the opening handshake ---

bool websocket_is_offered(const struct request *request, struct websocket_offer *offer,
                          unsigned *status)
{
    unsigned judgement = 0;
    if (http_upgrade_websockets(request) != NULL)
        judgement = websocket_judge(request_head(request));
    *offer = (struct websocket_offer){STR("")};
    *status = judgement == 101 ? 0 : judgement;
    if (judgement == 101)
        offer->subprotocols =
            http_upgrade_join((struct request *)(uintptr_t)request, STR("sec-websocket-protocol"));
    return judgement != 0;
}

void websocket_refuse(struct request *request, unsigned status)
{
    // What the answer is to say besides (RFC 6455 section 4.2.2, RFC 9110 section 15.5.22).
    static const char outdated[] = "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n";
    struct head *head = request_response_head(request);
    struct response response = {.status = status, .content_length = -1};
    struct err err;
    if (head_begin(head, str_of(request_reason(status))) < 0 ||
        (status == 426 && buf_append(&head->lines, outdated, sizeof outdated - 1) < 0) ||
        request_respond(request, &response, &err) < 0)
        request_fail(request, status);
}

static int add_fields(struct request *request, struct str subprotocol,
                      struct websocket_deflate *deflate)
{
    const struct request_head *asked = request_head(request);
    struct head *head = request_response_head(request);
    char key[WEBSOCKET_ACCEPT_SIZE], text[EXTENSIONS_SIZE];
    websocket_accept_value(asked, key);
    struct str extensions = websocket_choose_extensions(asked, deflate, text, sizeof text);
    if (head_add(head, STR("Sec-WebSocket-Accept"), (struct str){key, sizeof key}) != HEAD_FINE)
        return -1;
    if (extensions.size > 0 &&
        head_add(head, STR("Sec-WebSocket-Extensions"), extensions) != HEAD_FINE)
        return -1;
    if (subprotocol.size > 0 &&
        head_add(head, STR("Sec-WebSocket-Protocol"), subprotocol) != HEAD_FINE)
        return -1;
    return 0;
}

static struct websocket *websocket_new(struct websockets *set,
                                       const struct websocket_deflate *deflate)
{
    struct websocket *websocket = calloc(1, sizeof *websocket);
    if (websocket == NULL)
        return NULL;
    websocket->set = set;
    websocket->stream.fd = -1;
    buf_init(&websocket->out, SIZE_MAX / 4);
    ring_init(&websocket->all);
    ring_init(&websocket->readable);
    ring_init(&websocket->unsent);
    ring_init(&websocket->timer);
    websocket->reader = websocket_reader_new(deflate, set->settings.max_size);
    websocket->writer = websocket_writer_new(deflate);
    if (websocket->reader != NULL && websocket->writer != NULL)
        return websocket;
    websocket_free(websocket);
    return NULL;
}

// The answer has left: from here on the socket is ours.
static void take_socket(void *owner, const struct http_upgraded *upgraded)
{
    struct websocket *websocket = owner;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.u64 = (uintptr_t)websocket | 2};
    websocket->is_opening = false;
    if (websocket->state == STATE_GONE) {
        http_upgrade_close(upgraded->connection);
        websocket_bury(websocket);
        return;
    }
    websocket->stream = (struct websocket_stream){
        .fd = upgraded->fd,
        .session = upgraded->session,
        .close = http_upgrade_close,
        .owner = upgraded->connection,
    };
    websocket_count(websocket->set, 1);
    if (epoll_ctl(websocket->set->epoll_fd, EPOLL_CTL_ADD, upgraded->fd, &event) < 0 ||
        websocket_keep_ahead(websocket, upgraded->ahead) < 0) {
        websocket_drop(websocket);
        return;
    }
    // A session may hold what the socket has no event for.
    websocket->may_read = websocket->may_write = true;
    websocket_see_life(websocket);
    websocket_write_soon(websocket);
    websocket_read_soon(websocket);
}

static void lose_socket(void *owner)
{
    struct websocket *websocket = owner;
    websocket->is_opening = false;
    websocket_drop(websocket);
    websocket_bury(websocket);
}

// In place of the request, which ends with it.
static int begin(struct websocket *websocket, struct request *request, struct err *err)
{
    struct http_upgrade upgrade = {
        .protocol = STR("websocket"),
        .opened = take_socket,
        .lost = lose_socket,
        .owner = websocket,
    };
    ring_join(&websocket->set->all, &websocket->all);
    websocket->is_opening = true;
    if (http_upgrade_begin(request, &upgrade, err) < 0) {
        ring_leave(&websocket->all);
        return -1;
    }
    return 0;
}

struct websocket *websocket_accept(struct request *request, struct str subprotocol,
                                   const struct websocket_events *events, void *owner,
                                   struct err *err)
{
    struct websockets *set = http_upgrade_websockets(request);
    struct websocket_deflate deflate = {.used = false};
    must(set != NULL && events != NULL);
    if (add_fields(request, subprotocol, &deflate) < 0) {
        err_set(err, ERR_FAILED, "the answer's fields are too long");
        return NULL;
    }
    struct websocket *websocket = websocket_new(set, &deflate);
    if (websocket == NULL) {
        err_system(err, ENOMEM, "WebSocket");
        return NULL;
    }
    websocket->events = events;
    websocket->owner = owner;
    if (begin(websocket, request, err) < 0) {
        websocket_free(websocket);
        return NULL;
    }
    if (set->draining && websocket->state == STATE_OPEN)
        websocket_begin_close(websocket, 1001, STR(""));
    return websocket;
}

// --- what has come ---

// The owner has had its message: its place is another's.
static void let_go_given(struct websocket *websocket)
{
    free(websocket->given);
    websocket->given = NULL;
    if (!websocket->held_is_given)
        return;
    websocket->holds = websocket->held_is_given = false;
    if (websocket->ahead == NULL)
        websocket_reader_rest(websocket->reader);
}

static bool give(struct websocket *websocket, enum websocket_kind *kind, struct str *out)
{
    struct websocket_message *message = websocket->first;
    if (message != NULL) {
        websocket->first = message->next;
        websocket->message_count--;
        websocket->message_bytes -= message->size;
        websocket->given = message;
        *kind = message->kind;
        *out = (struct str){message->data, message->size};
        return true;
    }
    if (!websocket->holds)
        return false;
    websocket->held_is_given = true;
    *kind = websocket->held_kind;
    *out = websocket->held;
    return true;
}

enum websocket_receiving websocket_receive(struct websocket *websocket, enum websocket_kind *kind,
                                           struct str *message)
{
    let_go_given(websocket);
    bool given = give(websocket, kind, message);
    if (!given && websocket->state < STATE_ENDING && websocket->stream.fd >= 0) {
        websocket_take_ahead(websocket);
        given = give(websocket, kind, message);
    }
    websocket_read_soon(websocket);
    if (given)
        return WEBSOCKET_MESSAGE;
    return websocket->state == STATE_OPEN ? WEBSOCKET_WAIT : WEBSOCKET_CLOSED;
}

unsigned websocket_close_code(const struct websocket *websocket)
{
    return websocket->code;
}

struct str websocket_close_reason(const struct websocket *websocket)
{
    if (websocket->reason == NULL)
        return STR("");
    return (struct str){websocket->reason, websocket->reason_size};
}

// --- what goes ---

int websocket_send(struct websocket *websocket, enum websocket_kind kind, struct str message,
                   struct err *err)
{
    if (websocket->state != STATE_OPEN)
        return err_set(err, ERR_FAILED, "the WebSocket is closed");
    if (websocket_put(websocket,
                      kind == WEBSOCKET_TEXT ? WEBSOCKET_OPCODE_TEXT : WEBSOCKET_OPCODE_BINARY,
                      message) < 0)
        return err_system(err, ENOMEM, "WebSocket");
    if (websocket_waiting(websocket) >= SEND_AT && websocket->may_write)
        websocket_write_on(websocket);
    websocket->is_high =
        websocket->state == STATE_OPEN && websocket_waiting(websocket) >= WEBSOCKET_HIGH;
    return 0;
}

size_t websocket_waiting(const struct websocket *websocket)
{
    return websocket->state == STATE_OPEN ? websocket->out.size - websocket->sent : 0;
}

bool websocket_may_close_with(unsigned code)
{
    return websocket_code_is_valid(code);
}

void websocket_close(struct websocket *websocket, unsigned code, struct str reason)
{
    // Who closes it reads no more.
    websocket->holds = websocket->held_is_given = false;
    if (websocket->state == STATE_OPEN)
        websocket_begin_close(websocket, code, reason);
}

void websocket_release(struct websocket *websocket, unsigned code)
{
    websocket->events = NULL;
    websocket->owner = NULL;
    websocket->holds = websocket->held_is_given = false;
    if (websocket->state == STATE_GONE && !websocket->is_opening) {
        websocket_free(websocket);
        return;
    }
    // What was to be taken by the owner is not any more.
    if (websocket->state == STATE_OPEN)
        websocket_begin_close(websocket, code, STR(""));
}

// http_upgrade.c - the upgrade of a connection by libmicrohttpd, which keeps its socket from then
// on until it is closed, but neither reads nor writes; its memory and the request are given back.
#include "http_upgrade.h"

#include <errno.h>

#include "check.h"
#include "exchange.h"
#include "http_priv.h"
#include "log.h"

void http_upgrade_use(struct http *http, struct websockets *websockets)
{
    http->websockets = websockets;
}

struct websockets *http_upgrade_websockets(const struct request *request)
{
    return request->http->websockets;
}

struct str http_upgrade_join(struct request *request, struct str name)
{
    const struct request_head *head = &request->head;
    struct buf *joined = &request->joined;
    joined->size = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        if (!str_equal_nocase(head->headers[i].name, name))
            continue;
        if ((joined->size > 0 && buf_append_str(joined, STR(", ")) < 0) ||
            buf_append_str(joined, head->headers[i].value) < 0)
            return STR("");
    }
    return buf_str(joined);
}

void http_upgrade_end(struct request *request)
{
    void *owner = request->upgrade.owner;
    request->upgrade.owner = NULL;
    if (owner != NULL)
        request->upgrade.lost(owner);
}

void http_upgrade_close(void *owner)
{
    struct connection *connection = owner;
    // Before it was quite open, for want of memory: when that is over.
    connection->closes = true;
    if (connection->upgraded == NULL)
        return;
    // Libmicrohttpd's own objects end with its next turn.
    must(MHD_upgrade_action(connection->upgraded, MHD_UPGRADE_ACTION_CLOSE) == MHD_YES);
}

// MHD_UpgradeHandler: 101 has left.
static void take_socket(void *owner, struct MHD_Connection *transport, void *context,
                        const char *ahead, size_t ahead_size, MHD_socket fd,
                        struct MHD_UpgradeResponseHandle *handle)
{
    struct request *request = owner;
    struct connection *connection = request->connection;
    struct http_upgrade upgrade = request->upgrade;
    (void)context, (void)transport;
    request->upgrade.owner = NULL;
    struct http_upgraded upgraded = {
        .fd = fd,
        .session = connection->session,
        .ahead = {ahead, ahead_size},
        .connection = connection,
    };
    upgrade.opened(upgrade.owner, &upgraded);
    // The request ends with that.
    must(MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_RELEASE_REQUEST) == MHD_YES);
    connection->upgraded = handle;
    if (connection->closes)
        http_upgrade_close(connection);
}

static struct MHD_Response *make_answer(struct request *request, const struct http_upgrade *upgrade)
{
    const struct head *head = &request->answer.head;
    struct MHD_Response *out = MHD_create_response_for_upgrade(take_socket, request);
    if (out == NULL)
        return NULL;
    if (MHD_add_response_header(out, "Upgrade", upgrade->protocol.data) == MHD_YES &&
        MHD_set_response_lines(out, buf_text(&head->lines), head->lines.size, head->reason_size,
                               head->has_date) == MHD_YES)
        return out;
    MHD_destroy_response(out);
    return NULL;
}

int http_upgrade_begin(struct request *request, const struct http_upgrade *upgrade, struct err *err)
{
    must(!request->answered && upgrade->owner != NULL);
    if (request->ended)
        return err_set(err, ERR_FAILED, "the client has gone");
    // Libmicrohttpd takes an answer when all of the request is here; none is waited for.
    if (!request->exchange.is_complete)
        return err_set(err, ERR_FAILED, "the request has a body that is still to come");
    struct MHD_Response *out = make_answer(request, upgrade);
    if (out == NULL)
        return err_system(err, ENOMEM, "upgrade");
    request->upgrade = *upgrade;
    enum MHD_Result queued = MHD_queue_response(request->transport, 101, out);
    MHD_destroy_response(out);
    if (queued != MHD_YES) {
        request->upgrade.owner = NULL;
        return err_set(err, ERR_FAILED, "the connection cannot become another protocol's");
    }
    request->answered = request->answer.queued = true;
    exchange_end(request, false);
    return 0;
}

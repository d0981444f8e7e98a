// test_ipc.c - messages as bytes, and over a real socket pair.
#include "ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

static void check_round_trip(enum ipc_type type, const char *text)
{
    unsigned char data[IPC_MESSAGE_MAX];
    struct ipc_message message = {.text = "rubbish from before"};
    struct err err = {.text = ""};
    int size = ipc_encode(type, text, data, &err);
    CHECK(size == (int)(IPC_HEADER_SIZE + strlen(text)));
    CHECK(ipc_decode(&message, data, (size_t)size, &err) == 0);
    CHECK(message.type == type);
    CHECK_STR(message.text, text);
    CHECK_STR(err.text, "");
}

static void test_round_trips(void)
{
    char longest[IPC_TEXT_MAX];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    check_round_trip(IPC_READY, "wsgi shop:app");
    check_round_trip(IPC_READY, "");
    check_round_trip(IPC_FAILED, "shop: no module named shöp");
    check_round_trip(IPC_FAILED, longest);
    check_round_trip(IPC_BYE, "");
    check_round_trip(IPC_DRAIN, "");
}

static void check_not_encoded(enum ipc_type type, const char *text, const char *expected)
{
    unsigned char data[IPC_MESSAGE_MAX];
    struct err err = {.text = ""};
    CHECK(ipc_encode(type, text, data, &err) == -1);
    CHECK_STR(err.text, expected);
}

static void test_encode_refuses(void)
{
    char too_long[IPC_TEXT_MAX + 1];
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    check_not_encoded(IPC_READY, too_long,
                      "message READY: a text of 1024 bytes, at most 1023 are possible");
    check_not_encoded(IPC_DRAIN, "now", "message DRAIN: carries no text, but has one of 3 bytes");
    check_not_encoded(IPC_NOTHING, NULL, "unknown message type 0");
    check_not_encoded(IPC_CLOSED, NULL, "unknown message type 1");
    check_not_encoded(IPC_TYPE_COUNT, NULL, "unknown message type 15");
}

static void check_not_decoded(uint32_t type, uint32_t text_size, const char *text, size_t size,
                              const char *expected)
{
    unsigned char data[IPC_MESSAGE_MAX] = {0};
    uint32_t header[2] = {type, text_size};
    memcpy(data, header, sizeof header);
    memcpy(data + sizeof header, text, strlen(text));
    struct ipc_message message = {.type = IPC_NOTHING};
    struct err err = {.text = ""};
    CHECK(ipc_decode(&message, data, size, &err) == -1);
    CHECK_STR(err.text, expected);
    CHECK(message.type == IPC_NOTHING);
}

static void test_decode_refuses(void)
{
    check_not_decoded(IPC_BYE, 0, "", 0, "a message of 0 bytes, shorter than its header");
    check_not_decoded(IPC_BYE, 0, "", 7, "a message of 7 bytes, shorter than its header");
    check_not_decoded(77, 0, "", 8, "unknown message type 77");
    check_not_decoded(UINT32_MAX, 0, "", 8, "unknown message type 4294967295");
    check_not_decoded(IPC_NOTHING, 0, "", 8, "unknown message type 0");
    check_not_decoded(IPC_READY, 4, "wsgi", 11, "message READY: 11 bytes instead of 12");
    check_not_decoded(IPC_READY, 3, "wsgi", 12, "message READY: 12 bytes instead of 11");
    check_not_decoded(IPC_READY, UINT32_MAX, "", 8,
                      "message READY: a text of 4294967295 bytes, at most 1023 are possible");
    check_not_decoded(IPC_BYE, 1, "x", 9, "message BYE: carries no text, but has one of 1 bytes");
    check_not_decoded(IPC_FAILED, 3, "a", 11, "message FAILED: a NUL in its text");
}

static void close_both(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static enum ipc_type receive(int fd, struct ipc_message *message)
{
    struct err err = {.text = ""};
    CHECK(ipc_receive(fd, message, &err) == 0);
    CHECK_STR(err.text, "");
    return message->type;
}

static void test_pair_carries_both_ways(void)
{
    int fds[2];
    struct err err;
    struct ipc_message message;
    CHECK(ipc_pair(fds, &err) == 0);
    CHECK(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(fds[1], F_GETFD) & FD_CLOEXEC);
    CHECK(receive(fds[0], &message) == IPC_NOTHING);
    CHECK(ipc_send(fds[1], IPC_READY, "wsgi shop:app", &err) == 0);
    CHECK(ipc_send(fds[1], IPC_BYE, NULL, &err) == 0);
    CHECK(ipc_send(fds[0], IPC_DRAIN, NULL, &err) == 0);
    CHECK(receive(fds[0], &message) == IPC_READY);
    CHECK_STR(message.text, "wsgi shop:app");
    CHECK(receive(fds[0], &message) == IPC_BYE);
    CHECK_STR(message.text, "");
    CHECK(receive(fds[0], &message) == IPC_NOTHING);
    CHECK(receive(fds[1], &message) == IPC_DRAIN);
    close_both(fds);
}

// Last words arrive although their sender went without reading ours.
static void test_last_words_then_closed(void)
{
    int fds[2];
    struct err err;
    struct ipc_message message;
    CHECK(ipc_pair(fds, &err) == 0);
    CHECK(ipc_send(fds[0], IPC_DRAIN, NULL, &err) == 0);
    CHECK(ipc_send(fds[1], IPC_FAILED, "why", &err) == 0);
    close(fds[1]);
    CHECK(receive(fds[0], &message) == IPC_FAILED);
    CHECK_STR(message.text, "why");
    CHECK(receive(fds[0], &message) == IPC_CLOSED);
    CHECK(receive(fds[0], &message) == IPC_CLOSED);
    close(fds[0]);
}

static void test_send_to_nobody(void)
{
    int fds[2];
    struct err err = {.text = ""};
    CHECK(ipc_pair(fds, &err) == 0);
    close(fds[1]);
    CHECK(ipc_send(fds[0], IPC_DRAIN, NULL, &err) == -1);
    CHECK_CONTAINS(err.text, "cannot send DRAIN: ");
    close(fds[0]);
}

static void test_bad_message_is_named_and_passed(void)
{
    int fds[2];
    char big[IPC_MESSAGE_MAX + 1] = {0};
    struct err err = {.text = ""};
    struct ipc_message message;
    CHECK(ipc_pair(fds, &err) == 0);
    CHECK(send(fds[1], big, sizeof big, 0) == (ssize_t)sizeof big);
    CHECK(send(fds[1], "abc", 3, 0) == 3);
    CHECK(ipc_send(fds[1], IPC_BYE, NULL, &err) == 0);
    CHECK(ipc_receive(fds[0], &message, &err) == -1);
    CHECK_STR(err.text, "a message of 1032 bytes, at most 1031 are possible");
    CHECK(ipc_receive(fds[0], &message, &err) == -1);
    CHECK_STR(err.text, "a message of 3 bytes, shorter than its header");
    CHECK(receive(fds[0], &message) == IPC_BYE);
    close_both(fds);
}

static void test_full_socket_is_an_error(void)
{
    int fds[2];
    struct err err = {.text = ""};
    CHECK(ipc_pair(fds, &err) == 0);
    int sent = 0;
    while (sent < 1000000 && ipc_send(fds[0], IPC_DRAIN, NULL, &err) == 0)
        sent++;
    CHECK(sent > 0 && sent < 1000000);
    CHECK_CONTAINS(err.text, "cannot send DRAIN: ");
    close_both(fds);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_round_trips),
    UNIT_CASE(test_encode_refuses),
    UNIT_CASE(test_decode_refuses),
    UNIT_CASE(test_pair_carries_both_ways),
    UNIT_CASE(test_last_words_then_closed),
    UNIT_CASE(test_send_to_nobody),
    UNIT_CASE(test_bad_message_is_named_and_passed),
    UNIT_CASE(test_full_socket_is_an_error),
};

int main(void)
{
    return unit_main("ipc", cases, UNIT_COUNT(cases));
}

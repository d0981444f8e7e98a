// test_network.c - ranges of addresses of both families, and what is none.
#include "network.h"

#include "unit.h"

static struct network network;
static struct err err;

static bool has(const char *range, const char *address)
{
    CHECK(network_parse(&network, range, &err) == 0);
    return network_has(&network, address);
}

static const char *refusal(const char *text)
{
    err.text[0] = '\0';
    CHECK(network_parse(&network, text, &err) < 0 && err.kind == ERR_USAGE);
    return err.text;
}

static void test_one_address(void)
{
    CHECK(has("127.0.0.1", "127.0.0.1") && !has("127.0.0.1", "127.0.0.2"));
    CHECK(has("::1", "::1") && has("::1", "0:0:0:0:0:0:0:1") && !has("::1", "::2"));
    CHECK(has("FD00::A", "fd00::a"));
}

static void test_whole_bytes(void)
{
    CHECK(has("10.0.0.0/8", "10.0.0.0") && has("10.0.0.0/8", "10.255.255.255"));
    CHECK(!has("10.0.0.0/8", "11.0.0.0") && !has("10.0.0.0/8", "9.255.255.255"));
    CHECK(has("fd00::/8", "fdff:ffff::1") && !has("fd00::/8", "fe00::1"));
    CHECK(has("192.0.2.7/32", "192.0.2.7") && !has("192.0.2.7/32", "192.0.2.6"));
    CHECK(has("2001:db8::1/128", "2001:db8::1") && !has("2001:db8::1/128", "2001:db8::"));
}

static void test_parts_of_bytes(void)
{
    CHECK(has("172.16.0.0/12", "172.31.255.255") && !has("172.16.0.0/12", "172.32.0.0"));
    CHECK(has("192.0.2.128/25", "192.0.2.128") && !has("192.0.2.128/25", "192.0.2.127"));
    CHECK(has("fe80::/10", "febf::1") && !has("fe80::/10", "fec0::1"));
    CHECK(has("192.0.2.4/31", "192.0.2.5") && !has("192.0.2.4/31", "192.0.2.6"));
}

static void test_all_of_a_family(void)
{
    CHECK(has("0.0.0.0/0", "0.0.0.0") && has("0.0.0.0/0", "255.255.255.255"));
    CHECK(!has("0.0.0.0/0", "::1") && !has("::/0", "127.0.0.1") && has("::/0", "ff02::1"));
}

static void test_what_is_no_address_is_in_no_network(void)
{
    static const char *const none[] = {"",           "localhost", "127.0.0.1:80", "127.1",
                                       "[::1]",      "1.2.3",     "::1%lo",       " 127.0.0.1",
                                       "127.0.0.1 ", "256.0.0.1"};
    for (size_t i = 0; i < UNIT_COUNT(none); i++)
        CHECK(!has("0.0.0.0/0", none[i]) && !has("::/0", none[i]));
}

static void test_refusals(void)
{
    CHECK_CONTAINS(refusal(""), "is no address (write 10.0.0.0/8, fd00::/8 or 127.0.0.1)");
    CHECK_CONTAINS(refusal("localhost"), "is no address");
    CHECK_CONTAINS(refusal("[::1]"), "is no address");
    CHECK_CONTAINS(refusal("10.0.0/8"), "is no address");
    CHECK_CONTAINS(refusal("1234:1234:1234:1234:1234:1234:123.123.123.1234567890/8"),
                   "is no address");
    CHECK_CONTAINS(refusal("10.0.0.0/33"), "must have up to 32 bits behind \"/\"");
    CHECK_CONTAINS(refusal("fd00::/129"), "must have up to 128 bits");
    CHECK_CONTAINS(refusal("10.0.0.0/"), "must have up to 32 bits");
    CHECK_CONTAINS(refusal("10.0.0.0/-1"), "must have up to 32 bits");
    CHECK_CONTAINS(refusal("10.0.0.0/8x"), "must have up to 32 bits");
    CHECK_CONTAINS(refusal("10.0.0.0/255.0.0.0"), "must have up to 32 bits");
    CHECK_CONTAINS(refusal("10.0.0.0/0000008"), "must have up to 32 bits");
    CHECK_CONTAINS(refusal("10.0.0.1/8"), "has bits behind the first 8, which are the network");
    CHECK_CONTAINS(refusal("fd00::1/8"), "has bits behind the first 8");
    CHECK_CONTAINS(refusal("192.0.2.5/31"), "has bits behind the first 31");
}

int main(void)
{
    static const struct unit_case cases[] = {
        UNIT_CASE(test_one_address),
        UNIT_CASE(test_whole_bytes),
        UNIT_CASE(test_parts_of_bytes),
        UNIT_CASE(test_all_of_a_family),
        UNIT_CASE(test_what_is_no_address_is_in_no_network),
        UNIT_CASE(test_refusals),
    };
    return unit_main("network", cases, UNIT_COUNT(cases));
}

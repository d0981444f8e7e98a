// test_hosts.c - names, those below one, and addresses; and what is none of them.
#include "hosts.h"

#include <stdint.h>

#include "unit.h"

static struct err err;

static bool has(const char *text, const char *host)
{
    struct hosts *hosts;
    char *texts[] = {"other.test", (char *)(uintptr_t)text, "192.0.2.77"};
    CHECK(hosts_check(text, &err) == 0);
    if (hosts_new(&hosts, texts, 3, &err) < 0)
        return false;
    bool found = hosts_have(hosts, (struct str){host, strlen(host)});
    hosts_free(hosts);
    return found;
}

static void test_names(void)
{
    CHECK(has("shop.example", "shop.example") && has("Shop.Example", "sHOP.eXAMPLE"));
    CHECK(has("shop.example", "shop.example.") && has("shop.example.", "shop.example"));
    CHECK(has("shop.example", "other.test") && has("shop.example", "192.0.2.77"));
    CHECK(has("localhost", "localhost") && has("a_b-1", "a_b-1"));
    CHECK(!has("shop.example", "www.shop.example") && !has("shop.example", "shop.example.evil"));
    CHECK(!has("shop.example", "shop-example") && !has("shop.example", "xshop.example"));
    CHECK(!has("shop.example", "") && !has("shop.example", ".") && !has("shop.example", "*"));
    CHECK(!has("shop.example", "shop.example..") && !has("shop.example", ".shop.example"));
}

static void test_names_below(void)
{
    CHECK(has("*.example", "shop.example") && has("*.example", "a.b.EXAMPLE."));
    CHECK(!has("*.example", "example") && !has("*.example", ".example"));
    CHECK(!has("*.example", "shopexample") && !has("*.example", "shop.example.test"));
    CHECK(has(".example", "shop.example") && has(".example", "a.b.example"));
    CHECK(has(".example", "EXAMPLE.") && !has(".example", "shopexample"));
    CHECK(!has(".example", ".example") && !has(".example", "."));
    CHECK(!has("*.example", "*.example") && !has(".example", "a&b.example"));
    CHECK(!has(".example", "a..example") && !has(".example", "a\x80.example"));
}

static void test_addresses(void)
{
    CHECK(has("192.0.2.1", "192.0.2.1") && !has("192.0.2.1", "192.0.2.2"));
    CHECK(has("2001:db8::1", "[2001:DB8:0::1]") && has("[2001:db8::1]", "[2001:db8::1]"));
    CHECK(!has("2001:db8::1", "[2001:db8::2]") && !has("[::1]", "[::]"));
    CHECK(has("192.0.2.1", "[::ffff:192.0.2.1]"));
    CHECK(!has(".2.1", "192.0.2.1") && !has("*.0.2.1", "192.0.2.1"));
}

static const char *refusal(const char *text)
{
    err.text[0] = '\0';
    CHECK(hosts_check(text, &err) < 0 && err.kind == ERR_USAGE);
    return err.text;
}

static void test_refusals(void)
{
    static const char *const none[] = {
        "",         ".",    "..",     "a..b",  "..a",   "shop.example:80",      "a/b",
        "http://a", "a b",  "*a",     "a.*.b", "*.*.a", "sch\xc3\xb6n.example", "[::1",
        "[::1]:80", "::1]", "[shop]", "a.b..", ".a..b", "fe80::1%eth0",
    };
    char label[70];
    for (size_t i = 0; i < UNIT_COUNT(none); i++)
        CHECK_CONTAINS(refusal(none[i]), "is no host (write shop.example, .example, *.example");
    memset(label, 'a', 64);
    label[64] = '\0';
    CHECK_CONTAINS(refusal(label), "is no host");
    CHECK_CONTAINS(refusal("*"), "leave --allowed-hosts out");
    struct hosts *hosts;
    char *texts[] = {"a", "b:1"};
    CHECK(hosts_new(&hosts, texts, 2, &err) == -1);
    CHECK_CONTAINS(err.text, "--allowed-hosts b:1: is no host");
}

int main(void)
{
    static const struct unit_case cases[] = {
        UNIT_CASE(test_names),
        UNIT_CASE(test_names_below),
        UNIT_CASE(test_addresses),
        UNIT_CASE(test_refusals),
    };
    return unit_main("hosts", cases, UNIT_COUNT(cases));
}

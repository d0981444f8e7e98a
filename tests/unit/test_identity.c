// test_identity.c - names and numbers of users and groups; root is there on every machine.
#include "identity.h"

#include "unit.h"

static void test_names(void)
{
    struct identity_user user = {.id = 1};
    gid_t group = 1;
    CHECK(identity_find_user("root", &user) == 0);
    CHECK(user.id == 0 && user.known && user.group == 0);
    CHECK_STR(user.name, "root");
    CHECK(identity_find_group("root", &group) == 0 && group == 0);
}

static void test_numbers(void)
{
    struct identity_user user;
    gid_t group;
    CHECK(identity_find_user("0", &user) == 0);
    CHECK(user.id == 0 && user.known);
    CHECK_STR(user.name, "root");
    CHECK(identity_find_user("4294967294", &user) == 0);
    CHECK(user.id == 4294967294 && !user.known);
    CHECK(identity_find_group("4294967294", &group) == 0 && group == 4294967294);
}

static void test_unknown(void)
{
    static const char *const texts[] = {
        "", "no-such-name", "-1", "1x", " 1", "4294967295", "99999999999", "99999999999999999999"};
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        struct identity_user user = {.id = 7};
        gid_t group = 7;
        CHECK(identity_find_user(texts[i], &user) == -1 && user.id == 7);
        CHECK(identity_find_group(texts[i], &group) == -1 && group == 7);
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_names),
    UNIT_CASE(test_numbers),
    UNIT_CASE(test_unknown),
};

int main(void)
{
    return unit_main("identity", cases, UNIT_COUNT(cases));
}

// test_near.c - which words are near enough to be what was meant.
#include "near.h"

#include "unit.h"

static bool is_near(const char *typed, const char *candidate)
{
    struct near best = {.distance = NEAR_NOTHING};
    return near_consider(&best, str_of(typed), candidate);
}

static void test_one_mistake(void)
{
    CHECK(is_near("serve", "serve"));
    CHECK(is_near("srve", "serve"));
    CHECK(is_near("sserve", "serve"));
    CHECK(is_near("sorve", "serve"));
    CHECK(is_near("sreve", "serve"));
    CHECK(is_near("prot", "port"));
    CHECK(is_near("log_level", "log-level"));
    CHECK(is_near("ab", "abc"));
    CHECK(is_near("graceful-time", "graceful-timeout"));
}

static void test_too_far(void)
{
    CHECK(!is_near("", "serve"));
    CHECK(!is_near("a", "xyz"));
    CHECK(!is_near("shop", "serve"));
    CHECK(!is_near("pack", "port"));
    CHECK(!is_near("frobnicate", "workers"));
    CHECK(!is_near("timeout", "graceful-timeout"));
}

static void test_long_words_are_refused(void)
{
    char word[66];
    memset(word, 'a', sizeof word);
    word[63] = '\0';
    CHECK(is_near(word, word));
    word[63] = 'a';
    word[64] = '\0';
    CHECK(!is_near(word, word));
}

static void test_the_nearest_wins(void)
{
    struct near best = {.distance = NEAR_NOTHING};
    CHECK(near_consider(&best, STR("chek"), "chuck"));
    CHECK(near_consider(&best, STR("chek"), "check"));
    CHECK(!near_consider(&best, STR("chek"), "chest"));
    CHECK_STR(best.word, "check");
    CHECK(best.distance == 1);
    best = (struct near){.distance = NEAR_NOTHING};
    CHECK(near_consider(&best, STR("bat"), "bar"));
    CHECK(!near_consider(&best, STR("bat"), "hat"));
    CHECK_STR(best.word, "bar");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_one_mistake),
    UNIT_CASE(test_too_far),
    UNIT_CASE(test_long_words_are_refused),
    UNIT_CASE(test_the_nearest_wins),
};

int main(void)
{
    return unit_main("near", cases, UNIT_COUNT(cases));
}

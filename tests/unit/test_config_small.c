// test_config_small.c - when a machine is small, what is set then, and that nothing is that an
// operator has set, wherever he has.
#include "config_small.h"

#include "config_input.h"

static const int64_t large = INT64_C(4) << 30, little = 255 << 20;

static void test_by_memory(void)
{
    READ(ARGUMENTS("shop:app", "--no-small"));
    CHECK_READ();
    config_settle_small(&config, little);
    CHECK(!config.small && !config.preload && config.blocking_threads == 64);
    config_reset(&config, &config_options[CONFIG_OPTION_small]);
    config_settle_small(&config, 256 << 20);
    CHECK(!config.small && !config.preload);
    config_settle_small(&config, little);
    CHECK(config.small && config.preload && config.workers == 1 && config.blocking_threads == 8);
    CHECK(config.settings[CONFIG_OPTION_workers].source == CONFIG_DEFAULT);
}

static void test_by_flag(void)
{
    READ(ARGUMENTS("--small"));
    CHECK_READ();
    config_settle_small(&config, large);
    CHECK(config.small && config.preload && config.workers == 1 && config.backpressure == 1000);
    READ(.environment = {"LIMPET_SMALL=true"}, .packed = "small = false\n");
    CHECK(config.small && config.preload);
    READ(.packed = "small = true\n", .scope = SCOPE_CHECK);
    CHECK(config.small && config.preload);
}

// Packing does not decide for the machine that will serve.
static void test_not_while_packing(void)
{
    READ(ARGUMENTS("src", "--small"), .scope = SCOPE_PACK);
    CHECK_READ();
    CHECK(config.small && !config.preload);
}

static void test_what_is_set_stays(void)
{
    READ(ARGUMENTS("--small", "--workers", "auto"), .environment = {"LIMPET_PRELOAD=false"},
         .packed = "blocking-threads = 20\n");
    CHECK_READ();
    CHECK(config.workers == cgroup_workers(cgroup_processors(), cgroup_memory()));
    CHECK(!config.preload && config.blocking_threads == 20 && config.backpressure == 1000);
}

static void test_description(void)
{
    _buf_ struct buf text = BUF_INIT(1024);
    READ(ARGUMENTS("--no-small"));
    config_small_describe(&config, little, &text);
    CHECK_STR(buf_text(&text), "");
    READ(ARGUMENTS("--small", "--workers", "2", "--backpressure", "10"),
         .packed = "preload = false\n");
    config_small_describe(&config, large, &text);
    CHECK_STR(buf_text(&text), "as on a small machine: blocking-threads 8, "
                               "blocking-threads-idle-timeout 5s, body-buffer 256k, log-memory "
                               "128k (--no-small prevents it)");
    text.size = 0;
    READ(ARGUMENTS("--no-small", "--workers", "2", "--backpressure", "10", "--blocking-threads",
                   "9", "--body-buffer", "1k", "--log-memory", "1M"));
    config_reset(&config, &config_options[CONFIG_OPTION_small]);
    config_settle_small(&config, little);
    config_small_describe(&config, little, &text);
    CHECK_STR(buf_text(&text), "a small machine, 255M of memory: preload true, "
                               "blocking-threads-idle-timeout 5s (--no-small prevents it)");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_by_memory),         UNIT_CASE(test_by_flag),
    UNIT_CASE(test_not_while_packing), UNIT_CASE(test_what_is_set_stays),
    UNIT_CASE(test_description),
};

int main(void)
{
    return unit_main("config_small", cases, UNIT_COUNT(cases));
}

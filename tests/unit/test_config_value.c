// test_config_value.c - numbers, sizes, durations and switches, from text and to text.
#include "config_value.h"

#include "unit.h"

// The number that text reads as, or -12345 where it is refused.
static int64_t number_of(int (*read)(const char *text, int64_t *out), const char *text)
{
    int64_t number = 77;
    if (read(text, &number) == 0)
        return number;
    CHECK(number == 77);
    return -12345;
}

static bool refused(int (*read)(const char *text, int64_t *out), const char *text)
{
    return number_of(read, text) == -12345;
}

static void test_integers(void)
{
    static const char *const bad[] = {
        "", "-", "+1", " 1", "1 ", "0x10", "1.5", "1k", "--1", "one", "9223372036854775808"};
    CHECK(number_of(config_read_integer, "0") == 0);
    CHECK(number_of(config_read_integer, "-42") == -42);
    CHECK(number_of(config_read_integer, "0080") == 80);
    CHECK(number_of(config_read_integer, "9223372036854775807") == INT64_MAX);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        CHECK(refused(config_read_integer, bad[i]));
}

static void test_sizes(void)
{
    static const char *const bad[] = {
        "", "k", "-1", "1kb", "1 k", "1T", "1.5M", "64kk", "9223372036854775807k"};
    CHECK(number_of(config_read_size, "65536") == 65536);
    CHECK(number_of(config_read_size, "64k") == 65536);
    CHECK(number_of(config_read_size, "64K") == 65536);
    CHECK(number_of(config_read_size, "16M") == 16777216);
    CHECK(number_of(config_read_size, "2g") == 2147483648);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        CHECK(refused(config_read_size, bad[i]));
}

static void test_durations(void)
{
    static const char *const bad[] = {"",
                                      "s",
                                      "-1s",
                                      "1h30",
                                      "30m1h",
                                      "1s1s",
                                      "1x",
                                      "1 s",
                                      "1.5s",
                                      "1hm",
                                      "1H",
                                      "1sm",
                                      "500msx",
                                      "9223372036854775807",
                                      "9223372036854775807d",
                                      "9223372036854775807ms1ms"};
    CHECK(number_of(config_read_duration, "0") == 0);
    CHECK(number_of(config_read_duration, "30") == 30000);
    CHECK(number_of(config_read_duration, "30s") == 30000);
    CHECK(number_of(config_read_duration, "1h30m") == 5400000);
    CHECK(number_of(config_read_duration, "500ms") == 500);
    CHECK(number_of(config_read_duration, "1m500ms") == 60500);
    CHECK(number_of(config_read_duration, "1d2h3m4s5ms") == 93784005);
    CHECK(number_of(config_read_duration, "90m") == 5400000);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        CHECK(refused(config_read_duration, bad[i]));
}

static void test_flags(void)
{
    static const char *const yes[] = {"true", "yes", "on", "1", "TRUE", "Yes"};
    static const char *const no[] = {"false", "no", "off", "0", "OFF"};
    static const char *const bad[] = {"", "2", "y", "truee", " true"};
    bool flag;
    for (size_t i = 0; i < UNIT_COUNT(yes); i++)
        CHECK(config_read_flag(yes[i], &flag) == 0 && flag);
    for (size_t i = 0; i < UNIT_COUNT(no); i++)
        CHECK(config_read_flag(no[i], &flag) == 0 && !flag);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        CHECK(config_read_flag(bad[i], &flag) == -1);
}

static void test_writing(void)
{
    static const struct {
        void (*write)(int64_t number, char *out);
        int (*read)(const char *text, int64_t *out);
        int64_t number;
        const char *text;
    } rows[] = {
        {config_write_integer, config_read_integer, 8000, "8000"},
        {config_write_integer, config_read_integer, -1, "-1"},
        {config_write_size, config_read_size, 0, "0"},
        {config_write_size, config_read_size, 1500, "1500"},
        {config_write_size, config_read_size, 65536, "64k"},
        {config_write_size, config_read_size, 16777216, "16M"},
        {config_write_size, config_read_size, 1536 * 1024, "1536k"},
        {config_write_size, config_read_size, 3221225472, "3G"},
        {config_write_duration, config_read_duration, 0, "0s"},
        {config_write_duration, config_read_duration, 500, "500ms"},
        {config_write_duration, config_read_duration, 1500, "1s500ms"},
        {config_write_duration, config_read_duration, 30000, "30s"},
        {config_write_duration, config_read_duration, 90000, "1m30s"},
        {config_write_duration, config_read_duration, 5400000, "1h30m"},
        {config_write_duration, config_read_duration, 86400000, "1d"},
        {config_write_duration, config_read_duration, INT64_MAX, "106751991167d7h12m55s807ms"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char text[CONFIG_VALUE_TEXT];
        rows[i].write(rows[i].number, text);
        CHECK_STR(text, rows[i].text);
        CHECK(number_of(rows[i].read, text) == rows[i].number);
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_integers), UNIT_CASE(test_sizes),   UNIT_CASE(test_durations),
    UNIT_CASE(test_flags),    UNIT_CASE(test_writing),
};

int main(void)
{
    return unit_main("config_value", cases, UNIT_COUNT(cases));
}

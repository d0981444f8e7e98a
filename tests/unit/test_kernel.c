// test_kernel.c - versions of kernels, as the world writes them.
#include "kernel.h"

#include "unit.h"

static void test_compares(void)
{
    CHECK(kernel_is_before("3.16.0", 3, 17));
    CHECK(!kernel_is_before("3.17.0", 3, 17));
    CHECK(!kernel_is_before("3.18.0", 3, 17));
    CHECK(!kernel_is_before("4.0.0", 3, 17)); // a smaller minor of a greater major
    CHECK(kernel_is_before("2.6.60", 3, 17)); // a greater minor of a smaller major
    CHECK(kernel_is_before("3.9.0", 3, 17));  // numbers, not text
    CHECK(!kernel_is_before("10.0.1", 9, 17));
    CHECK(kernel_is_before("5.15.0", 10, 1));
}

static void test_releases_of_vendors(void)
{
    CHECK(!kernel_is_before("4.14.98-imx_4.14+g1", 4, 14));
    CHECK(kernel_is_before("4.14.98-imx_4.14+g1", 4, 15));
    CHECK(kernel_is_before("3.10.0-1160.el7.x86_64", 3, 17));
    CHECK(!kernel_is_before("4.4.0-19041-Microsoft", 3, 17));
    CHECK(!kernel_is_before("5.10.110-rockchip-rk3588", 3, 17));
    CHECK(kernel_is_before("3.4.113-sun8i", 3, 17));
    CHECK(!kernel_is_before("6.12.34+rpt-rpi-v8", 6, 12));
    CHECK(!kernel_is_before("4.19-rc3", 4, 19));
    CHECK(!kernel_is_before("4.19+", 4, 19));
    CHECK(!kernel_is_before("6-custom", 3, 17));
    CHECK(kernel_is_before("3-custom", 3, 17));
    CHECK(kernel_is_before("3.-custom", 3, 17));
}

// Whoever has named his kernel so is let through: what it lacks will be told where it is missed.
static void test_no_version(void)
{
    CHECK(!kernel_is_before("", 3, 17));
    CHECK(!kernel_is_before("custom-3.1", 3, 17));
    CHECK(!kernel_is_before("v3.1", 3, 17));
    CHECK(!kernel_is_before(".1", 3, 17));
    CHECK(!kernel_is_before("-1.2", 3, 17));
    CHECK(!kernel_is_before("99999999999999999999.1", 3, 17));
    CHECK(kernel_is_before("3.99999999999999999999", 3, 17));
}

static void test_this_one(void)
{
    struct err err = {.kind = ERR_NONE};
    CHECK(kernel_check(&err) == 0);
    CHECK(err.kind == ERR_NONE);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_compares),
    UNIT_CASE(test_releases_of_vendors),
    UNIT_CASE(test_no_version),
    UNIT_CASE(test_this_one),
};

int main(void)
{
    return unit_main("kernel", cases, UNIT_COUNT(cases));
}

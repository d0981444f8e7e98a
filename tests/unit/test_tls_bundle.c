// test_tls_bundle.c - what is written is read back, and nothing else is read.
#include "tls_bundle.h"

#include <stdlib.h>

#include "cleanup.h"
#include "unit.h"

static struct tls_identity identities[] = {
    {STR("example.org\0*.example.org\0"), STR("chain"), STR("key"), STR("staple"), 1234567890123},
    {STR(""), STR("other chain"), STR("other key"), STR(""), 0},
};

static const struct tls_material full = {
    .identities = identities,
    .identity_count = 2,
    .client_ca = STR("authorities"),
    .client_crl = STR("lists"),
    .ticket_keys = {{"abc", "first"}, {"def", "second"}},
};

// The caller frees it.
static unsigned char *written(const struct tls_material *material, size_t *size)
{
    *size = tls_bundle_size(material);
    unsigned char *bytes = malloc(*size);
    CHECK(bytes != NULL);
    tls_bundle_write(material, bytes);
    return bytes;
}

static bool same_identity(const struct tls_identity *a, const struct tls_identity *b)
{
    return str_equal(a->names, b->names) && str_equal(a->chain, b->chain) &&
           str_equal(a->key, b->key) && str_equal(a->staple, b->staple) &&
           a->staple_until == b->staple_until;
}

static void test_round_trip(void)
{
    struct err err = {.text = ""};
    struct tls_material read;
    size_t size;
    _free_ unsigned char *bytes = written(&full, &size);
    CHECK(tls_bundle_read(&read, bytes, size, &err) == 0);
    CHECK(read.identity_count == 2);
    for (size_t i = 0; i < read.identity_count; i++)
        CHECK(same_identity(&read.identities[i], &identities[i]));
    CHECK(str_equal(read.client_ca, full.client_ca) && str_equal(read.client_crl, full.client_crl));
    CHECK(memcmp(read.ticket_keys, full.ticket_keys, sizeof full.ticket_keys) == 0);
    CHECK_STR(err.text, "");
    free(read.identities);
}

static void test_nothing_in_it(void)
{
    struct err err = {.text = ""};
    const struct tls_material empty = {.identity_count = 0};
    struct tls_material read;
    size_t size;
    _free_ unsigned char *bytes = written(&empty, &size);
    CHECK(tls_bundle_read(&read, bytes, size, &err) == 0);
    CHECK(read.identity_count == 0 && read.client_ca.size == 0 && read.client_crl.size == 0);
    free(read.identities);
}

static void test_ticket_keys_replaced(void)
{
    struct err err = {.text = ""};
    const struct tls_ticket_key keys[TLS_TICKET_KEY_COUNT] = {{"ghi", "third"}, {"abc", "first"}};
    struct tls_material read;
    size_t size;
    _free_ unsigned char *bytes = written(&full, &size);
    tls_bundle_set_ticket_keys(bytes, keys);
    CHECK(tls_bundle_read(&read, bytes, size, &err) == 0);
    CHECK(memcmp(read.ticket_keys, keys, sizeof keys) == 0);
    CHECK(same_identity(&read.identities[0], &identities[0]));
    free(read.identities);
}

static bool is_refused(const unsigned char *bytes, size_t size)
{
    struct err err = {.text = ""};
    struct tls_material read;
    // A block of its very size: what reads past the end is seen.
    _free_ unsigned char *exact = malloc(size > 0 ? size : 1);
    memcpy(exact, bytes, size);
    if (tls_bundle_read(&read, exact, size, &err) == 0) {
        free(read.identities);
        return false;
    }
    return err.kind == ERR_FAILED && err.text[0] != '\0' && read.identities == NULL;
}

static void test_cut_short(void)
{
    size_t size;
    _free_ unsigned char *bytes = written(&full, &size);
    for (size_t i = 0; i < size; i++)
        CHECK(is_refused(bytes, i));
}

// The size in the header fits, but what it holds does not.
static void test_sizes_that_do_not_add_up(void)
{
    const struct tls_material small = {.client_ca = STR("abcd")};
    size_t size;
    _free_ unsigned char *bytes = written(&small, &size);
    for (unsigned value = 1; value < 256; value++) {
        _free_ unsigned char *wrong = malloc(size);
        memcpy(wrong, bytes, size);
        wrong[size - 12] ^= (unsigned char)value; // the low byte of the authorities' size
        CHECK(is_refused(wrong, size));
    }
    bytes[16] = 1; // an identity more than there is
    CHECK(is_refused(bytes, size));
    memset(bytes + 16, 0xff, 8);
    CHECK(is_refused(bytes, size));
}

static void test_names_without_end(void)
{
    struct tls_identity one[] = {{.names = STR("example.org"), .chain = STR("c"), .key = STR("k")}};
    const struct tls_material material = {.identities = one, .identity_count = 1};
    size_t size;
    _free_ unsigned char *bytes = written(&material, &size);
    CHECK(is_refused(bytes, size));
}

static void test_something_else(void)
{
    unsigned char zeros[256] = {0};
    CHECK(is_refused(zeros, sizeof zeros));
    CHECK(is_refused(zeros, 0));
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_round_trip),
    UNIT_CASE(test_nothing_in_it),
    UNIT_CASE(test_ticket_keys_replaced),
    UNIT_CASE(test_cut_short),
    UNIT_CASE(test_sizes_that_do_not_add_up),
    UNIT_CASE(test_names_without_end),
    UNIT_CASE(test_something_else),
};

int main(void)
{
    return unit_main("tls_bundle", cases, UNIT_COUNT(cases));
}

// test_tls_hash.c - digests, HMAC and PBKDF2 against published vectors.
#include "tls_hash.h"

#include <stdlib.h>

#include "err.h"
#include "tls_library.h"
#include "unit.h"

// Bytes as hexadecimal digits, valid until the next call.
static const char *hex(const unsigned char *bytes, size_t size)
{
    static char text[2 * 128 + 1];
    text[0] = '\0';
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return text;
}

// Of "abc" (FIPS 180-4's and 202's examples, RFC 1321 section A.5, RIPEMD-160's own).
static const struct {
    const char *name;
    size_t block_size;
    const char *digest;
} digests[TLS_HASH_COUNT] = {
    [TLS_HASH_MD5] = {"md5", 64, "900150983cd24fb0d6963f7d28e17f72"},
    [TLS_HASH_SHA1] = {"sha1", 64, "a9993e364706816aba3e25717850c26c9cd0d89d"},
    [TLS_HASH_SHA224] = {"sha224", 64, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
    [TLS_HASH_SHA256] = {"sha256", 64,
                         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    [TLS_HASH_SHA384] = {"sha384", 128,
                         "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                         "8086072ba1e7cc2358baeca134c825a7"},
    [TLS_HASH_SHA512] = {"sha512", 128,
                         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                         "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    [TLS_HASH_SHA3_224] = {"sha3_224", 144,
                           "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"},
    [TLS_HASH_SHA3_256] = {"sha3_256", 136,
                           "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"},
    [TLS_HASH_SHA3_384] = {"sha3_384", 104,
                           "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b2"
                           "98d88cea927ac7f539f1edf228376d25"},
    [TLS_HASH_SHA3_512] = {"sha3_512", 72,
                           "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e"
                           "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0"},
    [TLS_HASH_RIPEMD160] = {"ripemd160", 64, "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"},
};

static void test_digests(void)
{
    for (size_t i = 0; i < TLS_HASH_COUNT; i++) {
        const struct tls_hash_kind *kind = tls_hash_kind((enum tls_hash_id)i);
        unsigned char out[TLS_HASH_MAX];
        struct tls_hash hash;
        tls_hash_init(&hash, kind);
        tls_hash_update(&hash, "abc", 3);
        tls_hash_finish(&hash, out);
        tls_hash_fini(&hash);
        CHECK_STR(tls_hash_name(kind), digests[i].name);
        CHECK_STR(hex(out, tls_hash_size(kind)), digests[i].digest);
        CHECK(tls_hash_block_size(kind) == digests[i].block_size);
        CHECK(tls_hash_find(digests[i].name) == kind);
    }
}

static void test_names(void)
{
    CHECK(tls_hash_find("SHA256") == tls_hash_kind(TLS_HASH_SHA256));
    CHECK(tls_hash_find("Sha2-256") == tls_hash_kind(TLS_HASH_SHA256));
    CHECK(tls_hash_find("sha3-512") == tls_hash_kind(TLS_HASH_SHA3_512));
    CHECK(tls_hash_find("RMD160") == tls_hash_kind(TLS_HASH_RIPEMD160));
    CHECK(tls_hash_find("") == NULL);
    CHECK(tls_hash_find("sha") == NULL);
    CHECK(tls_hash_find("sha2567") == NULL);
}

static void test_a_copy_goes_its_own_way(void)
{
    for (size_t i = 0; i < TLS_HASH_COUNT; i++) {
        const struct tls_hash_kind *kind = tls_hash_kind((enum tls_hash_id)i);
        unsigned char out[TLS_HASH_MAX];
        struct tls_hash hash, copy;
        tls_hash_init(&hash, kind);
        tls_hash_update(&hash, "a", 1);
        copy = hash;
        tls_hash_update(&hash, "xyz", 3);
        tls_hash_update(&copy, "b", 1);
        tls_hash_update(&copy, "", 0);
        tls_hash_update(&copy, "c", 1);
        tls_hash_finish(&copy, out);
        CHECK_STR(hex(out, tls_hash_size(kind)), digests[i].digest);
        tls_hash_finish(&hash, out);
        CHECK(strcmp(hex(out, tls_hash_size(kind)), digests[i].digest) != 0);
        tls_hash_fini(&hash);
        tls_hash_fini(&copy);
    }
}

// RFC 2202 section 2 and 3, RFC 4231 section 4.3.
static const struct {
    enum tls_hash_id id;
    const char *code;
} codes[] = {
    {TLS_HASH_MD5, "750c783e6ab0b503eaa86e310a5db738"},
    {TLS_HASH_SHA1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    {TLS_HASH_SHA224, "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"},
    {TLS_HASH_SHA256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {TLS_HASH_SHA384, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
                      "8e2240ca5e69e2c78b3239ecfab21649"},
    {TLS_HASH_SHA512, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                      "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
};
static const char key[] = "Jefe", message[] = "what do ya want for nothing?";

static void test_hmac(void)
{
    for (size_t i = 0; i < UNIT_COUNT(codes); i++) {
        const struct tls_hash_kind *kind = tls_hash_kind(codes[i].id);
        unsigned char out[TLS_HASH_MAX];
        struct tls_hmac *hmac = tls_hmac_new(kind, key, strlen(key));
        CHECK(hmac != NULL && tls_hmac_kind(hmac) == kind);
        tls_hmac_update(hmac, message, 10);
        CHECK(tls_hmac_digest(hmac, out) == 0);
        CHECK(strcmp(hex(out, tls_hash_size(kind)), codes[i].code) != 0);
        struct tls_hmac *copy = tls_hmac_copy(hmac);
        tls_hmac_update(hmac, "something else", 14);
        tls_hmac_free(hmac);
        tls_hmac_update(copy, message + 10, strlen(message) - 10);
        for (int again = 0; again < 2; again++) {
            CHECK(tls_hmac_digest(copy, out) == 0);
            CHECK_STR(hex(out, tls_hash_size(kind)), codes[i].code);
        }
        tls_hmac_free(copy);
        CHECK(tls_hmac_once(kind, str_of(key), str_of(message), out) == 0);
        CHECK_STR(hex(out, tls_hash_size(kind)), codes[i].code);
    }
    tls_hmac_free(NULL);
}

// RFC 4231 section 4.7: a key that is longer than a block is digested first.
static void test_hmac_with_a_long_key(void)
{
    char long_key[131];
    unsigned char out[TLS_HASH_MAX];
    memset(long_key, 0xaa, sizeof long_key);
    CHECK(tls_hmac_once(tls_hash_kind(TLS_HASH_SHA256), (struct str){long_key, sizeof long_key},
                        STR("Test Using Larger Than Block-Size Key - Hash Key First"), out) == 0);
    CHECK_STR(hex(out, 32), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

// RFC 6070 section 2, RFC 7914 section 11.
static const struct {
    enum tls_hash_id id;
    const char *password, *salt;
    unsigned iterations;
    const char *key;
} keys[] = {
    {TLS_HASH_SHA1, "password", "salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"},
    {TLS_HASH_SHA1, "password", "salt", 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"},
    {TLS_HASH_SHA1, "password", "salt", 4096, "4b007901b765489abead49d926f721d065a429c1"},
    {TLS_HASH_SHA1, "passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096,
     "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"},
    {TLS_HASH_SHA256, "passwd", "salt", 1,
     "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
     "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"},
};

static void test_pbkdf2(void)
{
    for (size_t i = 0; i < UNIT_COUNT(keys); i++) {
        unsigned char out[64];
        size_t size = strlen(keys[i].key) / 2;
        CHECK(tls_hash_pbkdf2(tls_hash_kind(keys[i].id), str_of(keys[i].password),
                              str_of(keys[i].salt), keys[i].iterations, out, size) == 0);
        CHECK_STR(hex(out, size), keys[i].key);
    }
}

// With and without its instructions a processor has these.
static void test_what_is_quicker(void)
{
    CHECK(tls_hash_is_quicker(tls_hash_kind(TLS_HASH_RIPEMD160)));
    CHECK(tls_hash_is_quicker(tls_hash_kind(TLS_HASH_SHA224)) ==
          tls_hash_is_quicker(tls_hash_kind(TLS_HASH_SHA256)));
    CHECK(tls_hash_is_quicker(tls_hash_kind(TLS_HASH_SHA384)) ==
          tls_hash_is_quicker(tls_hash_kind(TLS_HASH_SHA512)));
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_digests),
    UNIT_CASE(test_names),
    UNIT_CASE(test_a_copy_goes_its_own_way),
    UNIT_CASE(test_hmac),
    UNIT_CASE(test_hmac_with_a_long_key),
    UNIT_CASE(test_pbkdf2),
    UNIT_CASE(test_what_is_quicker),
};

int main(void)
{
    struct err err;
    if (tls_library_start(&err) < 0)
        return puts(err.text), 1;
    return unit_main("tls_hash", cases, UNIT_COUNT(cases));
}

// tls_library.c - starts mbedTLS in a process: memory, clock, random numbers.
#include "tls_library.h"

#include <mbedtls/error.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_time.h>
#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>
#include <mbedtls/threading.h>
#include <mbedtls/version.h>
#include <psa/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "version.h"

int64_t tls_library_time(void)
{
    time_t now = time(NULL);
    return tls_library_clock_is_set() ? (int64_t)now : LIMPET_BUILD_TIME;
}

int tls_library_clock_is_set(void)
{
    return time(NULL) >= LIMPET_BUILD_TIME;
}

static mbedtls_time_t read_time(mbedtls_time_t *out)
{
    mbedtls_time_t now = (mbedtls_time_t)tls_library_time();
    if (out != NULL)
        *out = now;
    return now;
}

// The first hash of a kind asks the processor what it can do, and keeps that: in one thread, before
// there are others.
static void know_the_processor(void)
{
    unsigned char hash[32];
    int ignored = mbedtls_sha256((const unsigned char *)"", 0, hash, 0);
    ignored |= mbedtls_sha1((const unsigned char *)"", 0, hash);
    (void)ignored;
}

// A forked child has one thread, and its locks as they were: maybe held by one that it has not.
static void free_locks(void)
{
    mbedtls_mutex_init(&mbedtls_threading_key_slot_mutex);
    mbedtls_mutex_init(&mbedtls_threading_psa_globaldata_mutex);
    mbedtls_mutex_init(&mbedtls_threading_psa_rngdata_mutex);
}

static int start(struct err *err)
{
    static pid_t started; // a process has one library
    pid_t self = getpid();
    if (started == self)
        return 0;
    if (started == 0) {
        mbedtls_platform_set_calloc_free(tls_memory_allocate, tls_memory_release);
        mbedtls_platform_set_time(read_time);
        know_the_processor();
    } else {
        free_locks();
        mbedtls_psa_crypto_free();
    }
    psa_status_t status = psa_crypto_init();
    if (status != PSA_SUCCESS)
        return err_set(err, ERR_FAILED, "the TLS library does not start (PSA error %d)",
                       (int)status);
    started = self;
    return 0;
}

int tls_library_start(struct err *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    int status = start(err);
    pthread_mutex_unlock(&lock);
    return status;
}

const char *tls_library_version(void)
{
    return MBEDTLS_VERSION_STRING;
}

const char *tls_library_error(int error, char *out, size_t size)
{
    mbedtls_strerror(error, out, size);
    return out;
}

char *tls_library_serial(const unsigned char *bytes, size_t count)
{
    for (; count > 1 && bytes[0] == 0; count--)
        bytes++;
    char *text = calloc(count * 2 + 1, 1);
    for (size_t i = 0; text != NULL && i < count; i++)
        snprintf(text + i * 2, 3, "%02X", bytes[i]);
    return text;
}

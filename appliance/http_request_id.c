// http_request_id.c - what names a request: its client's name for it, or one of ours.
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "http_priv.h"

// What a client may choose: nothing that means something in a log, a shell or a header.
static bool is_good(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    strchr("-_.~+/=:@", c) != NULL;
        if (!good || c == '\0')
            return false;
    }
    return text.size > 0 && text.size <= REQUEST_ID_MAX;
}

static struct str client_id(const struct request *request)
{
    for (size_t i = 0; i < request->head.header_count; i++) {
        const struct header *header = &request->headers[i];
        if (header->name.size == 12 && str_equal_nocase(header->name, STR("x-request-id")))
            return is_good(header->value) ? header->value : STR("");
    }
    return STR("");
}

static uint64_t draw(void)
{
    uint64_t number;
    // Early in a machine's life there may be no good random numbers: any will do.
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = (uint64_t)clock_read(CLOCK_REALTIME);
    return number;
}

// Sixteen digits, the highest first.
static void write_digits(uint64_t number, char out[static 16])
{
    for (int i = 15; i >= 0; i--, number >>= 4)
        out[i] = "0123456789abcdef"[number & 15];
}

// What comes of one number looks like chance, and each comes of one number (Steele, Lea and Flood,
// "Fast splittable pseudorandom number generators").
static uint64_t mix(uint64_t number)
{
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return number ^ number >> 31;
}

// Drawn once a process, whichever thread is the first.
static uint64_t draw_once(_Atomic uint64_t *seed)
{
    uint64_t known = atomic_load_explicit(seed, memory_order_relaxed);
    if (known != 0)
        return known;
    uint64_t drawn = draw() | 1;
    return atomic_compare_exchange_strong(seed, &known, drawn) ? drawn : known;
}

// With the lock.
static size_t make(struct request *request)
{
    struct http *http = request->http;
    struct str given = client_id(request);
    if (given.size > 0) {
        memcpy(request->id, given.data, given.size);
        return given.size;
    }
    // A number of the process, and one that counts, but does not tell how far: cheap and unique.
    uint64_t step = atomic_fetch_add_explicit(&http->id_count, 1, memory_order_relaxed);
    write_digits(draw_once(&http->id_prefix), request->id);
    write_digits(mix(draw_once(&http->id_seed) + step * UINT64_C(0x9e3779b97f4a7c15)),
                 request->id + 16);
    return 32;
}

struct str request_id(struct request *request)
{
    size_t size = atomic_load_explicit(&request->id_size, memory_order_acquire);
    if (size > 0)
        return (struct str){request->id, size};
    // The thread with the baton may ask for a line of the log while the application does.
    pthread_mutex_lock(&request->lock);
    size = atomic_load_explicit(&request->id_size, memory_order_relaxed);
    if (size == 0) {
        size = make(request);
        atomic_store_explicit(&request->id_size, size, memory_order_release);
    }
    pthread_mutex_unlock(&request->lock);
    return (struct str){request->id, size};
}

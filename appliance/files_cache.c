// files_cache.c - members in another form than in the archive, the latest first. What is sent while
// it is thrown out lives until it was sent.
#include <stdatomic.h>
#include <stdlib.h>

#include "check.h"
#include "files_priv.h"

enum {
    CACHE_SIZE = 8 << 20, // bytes of content
    CACHE_COUNT = 128,    // of members: they are looked through one by one
};

struct kept {
    struct kept *next;
    const struct archive_member *member;
    bool wrapped;
    size_t size;
    atomic_uint holders; // the cache is one
    char *data;
};

struct files_cache {
    pthread_mutex_t lock;
    struct kept *first;
    size_t size, count;
};

struct files_cache *files_cache_new(void)
{
    struct files_cache *cache = calloc(1, sizeof *cache);
    if (cache != NULL)
        pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

static void let_go(void *owner)
{
    struct kept *kept = owner;
    if (atomic_fetch_sub(&kept->holders, 1) > 1)
        return;
    free(kept->data);
    free(kept);
}

void files_cache_free(struct files_cache *cache)
{
    if (cache == NULL)
        return;
    while (cache->first != NULL) {
        struct kept *kept = cache->first;
        cache->first = kept->next;
        let_go(kept);
    }
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static void give(struct kept *kept, struct files_bytes *out)
{
    atomic_fetch_add(&kept->holders, 1);
    *out = (struct files_bytes){{kept->data, kept->size}, let_go, kept};
}

static void put_first(struct files_cache *cache, struct kept *kept)
{
    kept->next = cache->first;
    cache->first = kept;
}

bool files_cache_find(struct files_cache *cache, const struct archive_member *member, bool wrapped,
                      struct files_bytes *out)
{
    pthread_mutex_lock(&cache->lock);
    struct kept **at = &cache->first;
    while (*at != NULL && ((*at)->member != member || (*at)->wrapped != wrapped))
        at = &(*at)->next;
    struct kept *kept = *at;
    if (kept != NULL) {
        *at = kept->next;
        put_first(cache, kept);
        give(kept, out);
    }
    pthread_mutex_unlock(&cache->lock);
    return kept != NULL;
}

// With the lock. What was not asked for longest goes.
static void make_room(struct files_cache *cache)
{
    while (cache->size > CACHE_SIZE || cache->count > CACHE_COUNT) {
        struct kept **at = &cache->first;
        while ((*at)->next != NULL)
            at = &(*at)->next;
        struct kept *last = *at;
        *at = NULL;
        cache->size -= last->size;
        cache->count--;
        let_go(last);
    }
}

void files_cache_put(struct files_cache *cache, const struct archive_member *member, bool wrapped,
                     char *data, size_t size, struct files_bytes *out)
{
    struct kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL) {
        *out = (struct files_bytes){{data, size}, free, data};
        return;
    }
    kept->member = member;
    kept->wrapped = wrapped;
    kept->size = size;
    kept->data = data;
    atomic_init(&kept->holders, 1);
    pthread_mutex_lock(&cache->lock);
    give(kept, out);
    put_first(cache, kept);
    cache->size += size;
    cache->count++;
    make_room(cache);
    pthread_mutex_unlock(&cache->lock);
}

// tls_store.c - one bundle after the other: loads, rotates ticket keys, warns of certificates that
// expire. The memory is a memfd, which nobody else can write to, locked here.
#include "tls_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "clock.h"
#include "config.h"
#include "log.h"
#include "tls_library.h"
#include "tls_load.h"
#include "watch.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum {
    ROTATION = 12 * 3600 * 1000, // milliseconds that tickets are made with a key; they are read
                                 // as long again
    LOOK = 24 * 3600 * 1000,     // milliseconds between words about certificates that expire
    WARN_BEFORE = 14 * 86400,    // seconds before that
    RETIRED_MAX = 64,            // bundles that a worker may not have read yet
    RETIRED_FOR = 60000,         // milliseconds until everybody has who was loaded in time
    QUIET = 1000,                // milliseconds after a change of a file: more may follow
};

struct bundle {
    int fd; // -1: none
    unsigned char *bytes;
    size_t size;
    int64_t retired; // when another took its place
};

struct tls_store {
    const struct config *config;
    struct bundle bundle;
    struct bundle retired[RETIRED_MAX]; // oldest first
    size_t retired_count;
    struct tls_ticket_key ticket_keys[TLS_TICKET_KEY_COUNT];
    int64_t retired_for;        // milliseconds that they stay
    int64_t lists_until;        // as in struct tls_loaded
    int64_t rotate_at, look_at; // clock_milliseconds
    struct tls_certificate_facts *facts;
    size_t count;
    struct watch *watch; // NULL: none
    char **paths;        // that are watched
    size_t path_count;
    int64_t changed; // when a file has; 0: none has
};

// --- bundles ---

static void wipe(struct bundle *bundle)
{
    if (bundle->fd < 0)
        return;
    explicit_bzero(bundle->bytes, bundle->size);
    munmap(bundle->bytes, bundle->size);
    close(bundle->fd);
    *bundle = (struct bundle){.fd = -1};
}

// Ours is the only mapping that can be written to, now and later.
static void seal(int fd)
{
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) < 0) // Linux 5.1
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
}

static int make(struct bundle *out, size_t size, struct err *err)
{
    *out = (struct bundle){.fd = memfd_create("limpet-tls", MFD_CLOEXEC | MFD_ALLOW_SEALING),
                           .size = size};
    if (out->fd < 0 || ftruncate(out->fd, (off_t)size) < 0) {
        err_system(err, errno, "memory for keys");
        if (out->fd >= 0)
            close(out->fd);
        return -1;
    }
    out->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, out->fd, 0);
    if (out->bytes == MAP_FAILED) {
        close(out->fd);
        return err_system(err, errno, "memory for keys");
    }
    if (mlock(out->bytes, size) < 0)
        log_debug("tls", "private keys cannot be locked into memory: %s", strerror(errno));
    madvise(out->bytes, size, MADV_DONTFORK);
    madvise(out->bytes, size, MADV_DONTDUMP);
    seal(out->fd);
    return 0;
}

// Somebody may have been forked a moment ago and not have read the present one yet.
static void replace(struct tls_store *store, const struct bundle *next)
{
    if (store->bundle.fd >= 0 && store->retired_count == RETIRED_MAX) {
        wipe(&store->retired[0]);
        memmove(store->retired, store->retired + 1,
                --store->retired_count * sizeof *store->retired);
    }
    if (store->bundle.fd >= 0) {
        store->bundle.retired = clock_milliseconds();
        store->retired[store->retired_count++] = store->bundle;
    }
    store->bundle = *next;
}

static void wipe_retired(struct tls_store *store, int64_t now)
{
    size_t count = 0;
    while (count < store->retired_count &&
           now - store->retired[count].retired >= store->retired_for)
        wipe(&store->retired[count++]);
    store->retired_count -= count;
    memmove(store->retired, store->retired + count, store->retired_count * sizeof *store->retired);
}

// --- ticket keys ---

static void draw_ticket_key(struct tls_ticket_key *key)
{
    // Early in a machine's life this waits until there is something to draw from.
    while (getrandom(key, sizeof *key, 0) != (ssize_t)sizeof *key)
        must(errno == EINTR);
}

static int rotate(struct tls_store *store, struct err *err)
{
    struct bundle next;
    if (make(&next, store->bundle.size, err) < 0)
        return -1;
    store->ticket_keys[1] = store->ticket_keys[0];
    draw_ticket_key(&store->ticket_keys[0]);
    memcpy(next.bytes, store->bundle.bytes, next.size);
    tls_bundle_set_ticket_keys(next.bytes, store->ticket_keys);
    replace(store, &next);
    return 0;
}

// --- certificates ---

static void say_expiry(const struct tls_certificate_facts *facts, int64_t now)
{
    char date[32];
    time_t until = (time_t)facts->not_after;
    struct tm parts;
    int64_t left = facts->not_after - now;
    if (left > WARN_BEFORE || gmtime_r(&until, &parts) == NULL)
        return;
    strftime(date, sizeof date, "%Y-%m-%d %H:%M", &parts);
    if (left <= 0)
        log_error("tls", "%s (%s) has expired on %s UTC: renew it, then send SIGHUP", facts->file,
                  facts->names, date);
    else
        log_warning("tls", "%s (%s) expires in %" PRId64 " days, on %s UTC", facts->file,
                    facts->names, left / 86400, date);
}

// Clients are refused from then on, which only they would notice.
static void look_at_lists(struct tls_store *store, int64_t now)
{
    int64_t left = store->lists_until - now;
    if (store->lists_until == 0 || left > LOOK / 1000)
        return;
    if (left > 0)
        store->look_at = clock_milliseconds() + left * 1000;
    else
        log_error("tls", "a list of revoked certificates (--tls-crl) was due for renewal: clients "
                         "of its authority are refused until there is a new one");
}

static void look_at_certificates(struct tls_store *store)
{
    int64_t now = tls_library_time();
    for (size_t i = 0; i < store->count; i++)
        say_expiry(&store->facts[i], now);
    store->look_at = clock_milliseconds() + LOOK;
    look_at_lists(store, now);
}

static void say_warnings(const struct buf *warnings)
{
    struct str rest = buf_str(warnings);
    while (rest.size > 0) {
        const char *end = memchr(rest.data, '\n', rest.size);
        size_t size = end != NULL ? (size_t)(end - rest.data) : rest.size;
        log_warning("tls", "%.*s", (int)size, rest.data);
        size += end != NULL;
        rest = (struct str){rest.data + size, rest.size - size};
    }
}

static bool has_paths(const struct tls_store *store, const struct tls_loaded *loaded)
{
    bool same = store->path_count == loaded->path_count;
    for (size_t i = 0; same && i < store->path_count; i++)
        same = strcmp(store->paths[i], loaded->paths[i]) == 0;
    return same;
}

static void free_paths(struct tls_store *store)
{
    for (size_t i = 0; i < store->path_count; i++)
        free(store->paths[i]);
    free(store->paths);
    store->paths = NULL;
    store->path_count = 0;
}

// A certificate more has files of its own.
static void watch_files(struct tls_store *store, struct tls_loaded *loaded)
{
    struct watch_setup setup = {.files = (const char *const *)loaded->paths,
                                .file_count = loaded->path_count};
    struct err err;
    if (!store->config->tls_watch || (store->watch != NULL && has_paths(store, loaded)))
        return;
    // What changed before the new files were watched is found by reading once more.
    store->changed = store->watch != NULL ? clock_milliseconds() : 0;
    watch_close(store->watch);
    store->watch = watch_open(&setup, &err);
    if (store->watch == NULL)
        log_warning("tls", "changes of certificates are not noticed: %s", err.text);
    free_paths(store);
    store->paths = steal_ptr(&loaded->paths);
    store->path_count = loaded->path_count;
    loaded->path_count = 0;
}

static int take(struct tls_store *store, struct tls_loaded *loaded, struct err *err)
{
    struct bundle next;
    memcpy(loaded->material.ticket_keys, store->ticket_keys, sizeof store->ticket_keys);
    if (make(&next, tls_bundle_size(&loaded->material), err) < 0)
        return -1;
    tls_bundle_write(&loaded->material, next.bytes);
    replace(store, &next);
    tls_certificate_facts_free(store->facts, store->count);
    store->facts = steal_ptr(&loaded->facts);
    store->count = loaded->material.identity_count;
    store->lists_until = loaded->lists_until;
    look_at_certificates(store);
    return 0;
}

int tls_store_reload(struct tls_store *store, struct err *err)
{
    struct tls_loaded loaded;
    if (store == NULL)
        return 0;
    int result = tls_load(&loaded, store->config, tls_load_clock(), err);
    say_warnings(&loaded.warnings);
    if (result == 0)
        result = take(store, &loaded, err);
    watch_files(store, &loaded); // after an error, too: what mends it has to be noticed
    tls_loaded_fini(&loaded);
    return result;
}

int tls_store_open(struct tls_store **out, const struct config *config, struct err *err)
{
    *out = NULL;
    if (config->tls_certificate.count == 0)
        return 0;
    struct tls_store *store = calloc(1, sizeof *store);
    must_have(store != NULL);
    *store = (struct tls_store){.config = config,
                                .bundle = {.fd = -1},
                                .retired_for = config->workers_start_timeout + RETIRED_FOR,
                                .rotate_at = clock_milliseconds() + ROTATION};
    for (size_t i = 0; i < TLS_TICKET_KEY_COUNT; i++)
        draw_ticket_key(&store->ticket_keys[i]);
    if (tls_store_reload(store, err) < 0) {
        tls_store_close(store);
        return -1;
    }
    *out = store;
    return 0;
}

static void close_all(struct tls_store *store, void (*end)(struct bundle *bundle))
{
    end(&store->bundle);
    for (size_t i = 0; i < store->retired_count; i++)
        end(&store->retired[i]);
    store->retired_count = 0;
    watch_close(store->watch);
    free_paths(store);
    tls_certificate_facts_free(store->facts, store->count);
    explicit_bzero(store->ticket_keys, sizeof store->ticket_keys);
    free(store);
}

void tls_store_close(struct tls_store *store)
{
    if (store != NULL)
        close_all(store, wipe);
}

// Its mapping is the supervisor's alone, and not here (MADV_DONTFORK).
static void leave(struct bundle *bundle)
{
    if (bundle->retired != 0)
        close(bundle->fd);
}

void tls_store_forget(struct tls_store *store)
{
    if (store != NULL)
        close_all(store, leave);
}

int tls_store_fd(const struct tls_store *store)
{
    return store != NULL ? store->bundle.fd : -1;
}

// --- what is due ---

// Whether files have changed, and no more have for a moment.
static bool files_have_changed(struct tls_store *store, int64_t now)
{
    if (store->watch != NULL && watch_take(store->watch) != NULL)
        store->changed = now;
    if (store->changed == 0 || now - store->changed < QUIET)
        return false;
    store->changed = 0;
    return true;
}

static bool do_logged(struct tls_store *store, int (*act)(struct tls_store *store, struct err *err),
                      const char *done, const char *failed)
{
    struct err err;
    if (act(store, &err) < 0) {
        log_error("tls", "%s: %s", failed, err.text);
        return false;
    }
    log_info("tls", "%s", done);
    return true;
}

bool tls_store_turn(struct tls_store *store, int64_t now)
{
    bool renewed = false;
    if (store == NULL)
        return false;
    wipe_retired(store, now);
    if (files_have_changed(store, now))
        renewed =
            do_logged(store, tls_store_reload, "certificates have changed and were read again",
                      "certificates have changed, the old ones stay");
    if (now >= store->rotate_at) {
        store->rotate_at = now + ROTATION;
        renewed |= do_logged(store, rotate, "new keys for session tickets",
                             "the old keys for session tickets stay");
    }
    if (now >= store->look_at)
        look_at_certificates(store);
    return renewed;
}

int64_t tls_store_deadline(const struct tls_store *store)
{
    if (store == NULL)
        return INT64_MAX;
    int64_t next = store->rotate_at < store->look_at ? store->rotate_at : store->look_at;
    if (store->retired_count > 0 && store->retired[0].retired + store->retired_for < next)
        next = store->retired[0].retired + store->retired_for;
    if (store->changed != 0 && store->changed + QUIET < next)
        next = store->changed + QUIET;
    return next;
}

int tls_store_watch_fd(const struct tls_store *store)
{
    return store != NULL && store->watch != NULL ? watch_fd(store->watch) : -1;
}

const struct tls_certificate_facts *tls_store_certificates(const struct tls_store *store,
                                                           size_t *count)
{
    *count = store != NULL ? store->count : 0;
    return store != NULL ? store->facts : NULL;
}

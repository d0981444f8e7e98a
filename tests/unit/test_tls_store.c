// test_tls_store.c - the supervisor's bundles, one after the other: what workers may do with them,
// how long the old ones stay, ticket keys, and words about certificates that expire. Files are not
// read here: tls_load is played.
#include "tls_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "tls_library.h"
#include "tls_load.h"
#include "unit.h"

enum {
    HOUR = 3600 * 1000, // milliseconds
    KEPT = 64,          // bundles that others have taken the place of
};

static struct {
    bool fails;
    const char *chain;
    int64_t left;       // seconds that the certificate has
    int64_t lists_left; // and the list of revoked ones; 0: there is none
    unsigned calls;
} files = {.chain = "first", .left = 90 * 86400};

static struct config config;
static struct tls_store *store;
static struct err err;

// --- played ---

int64_t tls_load_clock(void)
{
    return tls_library_time();
}

int tls_load(struct tls_loaded *out, const struct config *settings, int64_t now, struct err *why)
{
    (void)settings;
    files.calls++;
    *out = (struct tls_loaded){.warnings = BUF_INIT(1000)};
    if (files.fails)
        return err_set(why, ERR_FAILED, "shop.pem: broken");
    out->material.identities = calloc(1, sizeof *out->material.identities);
    out->facts = calloc(1, sizeof *out->facts);
    CHECK(out->material.identities != NULL && out->facts != NULL);
    out->material.identities[0] = (struct tls_identity){
        .names = STR("example.org\0"), .chain = str_of(files.chain), .key = STR("key")};
    out->material.identity_count = 1;
    out->facts[0] = (struct tls_certificate_facts){.file = strdup("shop.pem"),
                                                   .names = strdup("example.org"),
                                                   .serial = strdup("01"),
                                                   .not_after = now + files.left};
    out->lists_until = files.lists_left != 0 ? now + files.lists_left : 0;
    buf_printf(&out->warnings, "a warning\n");
    return 0;
}

void tls_certificate_facts_free(struct tls_certificate_facts *facts, size_t count)
{
    for (size_t i = 0; facts != NULL && i < count; i++) {
        free(facts[i].file);
        free(facts[i].names);
        free(facts[i].serial);
    }
    free(facts);
}

void tls_loaded_fini(struct tls_loaded *loaded)
{
    tls_certificate_facts_free(loaded->facts, loaded->material.identity_count);
    free(loaded->material.identities);
    buf_fini(&loaded->warnings);
}

// --- what is looked at ---

static void open_store(void)
{
    static char path[] = "shop.pem";
    static char *items[] = {path};
    config = (struct config){.tls_certificate = {items, 1}, .workers_start_timeout = HOUR};
    files.fails = false;
    files.chain = "first";
    files.left = 90 * 86400;
    CHECK(tls_store_open(&store, &config, &err) == 0 && store != NULL);
}

static void reload_with(const char *chain)
{
    files.chain = chain;
    CHECK(tls_store_reload(store, &err) == 0);
}

// The bytes of a bundle, as a worker takes them; "" when they were wiped. The material's ticket
// keys go into keys.
static const char *chain_in(int fd, struct tls_ticket_key keys[TLS_TICKET_KEY_COUNT])
{
    static char chain[64];
    static unsigned char bytes[4096];
    struct tls_material material;
    struct err why;
    ssize_t size = pread(fd, bytes, sizeof bytes, 0);
    CHECK(size > 0);
    chain[0] = '\0';
    if (tls_bundle_read(&material, bytes, (size_t)size, &why) < 0)
        return chain;
    struct str text = material.identities[0].chain;
    memcpy(chain, text.data, text.size);
    chain[text.size] = '\0';
    if (keys != NULL)
        memcpy(keys, material.ticket_keys, sizeof material.ticket_keys);
    free(material.identities);
    return chain;
}

static bool same(const struct tls_ticket_key *a, const struct tls_ticket_key *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

// --- tests ---

static void test_nothing_to_serve(void)
{
    size_t count = 1;
    config = (struct config){.workers = 1};
    CHECK(tls_store_open(&store, &config, &err) == 0 && store == NULL);
    CHECK(tls_store_fd(store) == -1 && tls_store_watch_fd(store) == -1);
    CHECK(tls_store_reload(store, &err) == 0 && !tls_store_turn(store, 0));
    CHECK(tls_store_deadline(store) == INT64_MAX);
    CHECK(tls_store_certificates(store, &count) == NULL && count == 0);
    tls_store_forget(store);
    tls_store_close(store);
}

static void test_a_worker_may_read_only(void)
{
    open_store();
    int fd = tls_store_fd(store);
    CHECK_STR(chain_in(fd, NULL), "first");
    CHECK(pwrite(fd, "x", 1, 0) == -1 && errno == EPERM);
    CHECK(ftruncate(fd, 1) == -1 && errno == EPERM);
    CHECK(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    tls_store_close(store);
}

static void test_reload_is_all_or_nothing(void)
{
    struct tls_ticket_key before[TLS_TICKET_KEY_COUNT], after[TLS_TICKET_KEY_COUNT];
    open_store();
    int first = dup(tls_store_fd(store));
    chain_in(first, before);
    reload_with("second");
    CHECK_STR(chain_in(tls_store_fd(store), after), "second");
    CHECK(same(&before[0], &after[0]) && same(&before[1], &after[1])); // sessions go on
    CHECK_STR(chain_in(first, NULL), "first"); // for whoever was forked a moment ago
    files.fails = true;
    CHECK(tls_store_reload(store, &err) == -1);
    CHECK_STR(err.text, "shop.pem: broken");
    CHECK_STR(chain_in(tls_store_fd(store), NULL), "second");
    close(first);
    tls_store_close(store);
}

static void test_old_bundles_are_wiped(void)
{
    open_store();
    int first = dup(tls_store_fd(store));
    reload_with("second");
    int second = dup(tls_store_fd(store));
    int64_t due = tls_store_deadline(store);
    CHECK(due <= clock_milliseconds() + HOUR + 60000);
    tls_store_turn(store, due - 1);
    CHECK_STR(chain_in(first, NULL), "first");
    tls_store_turn(store, due);
    CHECK_STR(chain_in(first, NULL), "");
    for (unsigned i = 0; i < KEPT; i++)
        reload_with("later");
    CHECK_STR(chain_in(second, NULL), "second");
    reload_with("later"); // there are so many at most
    CHECK_STR(chain_in(second, NULL), "");
    close(first);
    close(second);
    tls_store_close(store);
}

static void test_ticket_keys_rotate(void)
{
    struct tls_ticket_key before[TLS_TICKET_KEY_COUNT], after[TLS_TICKET_KEY_COUNT];
    open_store();
    int64_t began = clock_milliseconds();
    chain_in(tls_store_fd(store), before);
    CHECK(!same(&before[0], &before[1]));
    CHECK(!tls_store_turn(store, began + 11 * HOUR));
    CHECK(tls_store_turn(store, began + 13 * HOUR));
    CHECK_STR(chain_in(tls_store_fd(store), after), "first");
    CHECK(same(&after[1], &before[0]) && !same(&after[0], &before[0]) &&
          !same(&after[0], &before[1]));
    CHECK(!tls_store_turn(store, began + 24 * HOUR));
    CHECK(tls_store_turn(store, began + 26 * HOUR));
    CHECK(files.calls > 0);
    tls_store_close(store);
}

static void test_two_stores_have_keys_of_their_own(void)
{
    struct tls_ticket_key before[TLS_TICKET_KEY_COUNT], after[TLS_TICKET_KEY_COUNT];
    open_store();
    chain_in(tls_store_fd(store), before);
    tls_store_close(store);
    open_store();
    chain_in(tls_store_fd(store), after);
    CHECK(!same(&before[0], &after[0]) && !same(&before[1], &after[1]));
    tls_store_close(store);
}

// What the store says on standard error, in the course of act.
static const char *said_by(void (*act)(void))
{
    static char text[4096];
    int ends[2], standard = dup(STDERR_FILENO);
    CHECK(pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    act();
    CHECK(dup2(standard, STDERR_FILENO) >= 0);
    close(standard);
    close(ends[1]);
    ssize_t size = read(ends[0], text, sizeof text - 1);
    text[size > 0 ? size : 0] = '\0';
    close(ends[0]);
    return text;
}

static void reload_now(void)
{
    CHECK(tls_store_reload(store, &err) == 0);
}

static void turn_tomorrow(void)
{
    tls_store_turn(store, clock_milliseconds() + 25 * HOUR);
}

static void test_expiry_is_said(void)
{
    open_store();
    CHECK(strstr(said_by(reload_now), "expires") == NULL);
    files.left = 15 * 86400;
    CHECK(strstr(said_by(reload_now), "expires") == NULL);
    files.left = 13 * 86400 + 3600;
    const char *text = said_by(reload_now);
    CHECK(strstr(text, "shop.pem (example.org) expires in 13 days, on ") != NULL);
    CHECK(strstr(text, "a warning\n") != NULL);
    CHECK(strstr(said_by(turn_tomorrow), "expires in 13 days") != NULL); // its clock stands still
    files.left = -3600;
    CHECK(strstr(said_by(reload_now), "has expired on ") != NULL);
    tls_store_close(store);
}

static void test_a_list_that_is_due_is_said(void)
{
    open_store();
    files.lists_left = 3 * 86400;
    CHECK(strstr(said_by(reload_now), "list of revoked") == NULL);
    files.lists_left = 3600;
    CHECK(strstr(said_by(reload_now), "list of revoked") == NULL);
    CHECK(tls_store_deadline(store) <= clock_milliseconds() + HOUR);
    files.lists_left = -1;
    CHECK(strstr(said_by(reload_now), "clients of its authority are refused until") != NULL);
    files.lists_left = 0;
    tls_store_close(store);
}

static void test_a_worker_lets_go(void)
{
    open_store();
    int before = tls_store_fd(store);
    reload_with("second");
    int fd = tls_store_fd(store);
    pid_t pid = fork();
    if (pid == 0) {
        tls_store_forget(store);
        bool kept = strcmp(chain_in(fd, NULL), "second") == 0;
        _exit(kept && fcntl(before, F_GETFD) == -1 ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK_STR(chain_in(fd, NULL), "second");
    tls_store_close(store);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_nothing_to_serve),         UNIT_CASE(test_a_worker_may_read_only),
    UNIT_CASE(test_reload_is_all_or_nothing), UNIT_CASE(test_old_bundles_are_wiped),
    UNIT_CASE(test_ticket_keys_rotate),       UNIT_CASE(test_two_stores_have_keys_of_their_own),
    UNIT_CASE(test_expiry_is_said),           UNIT_CASE(test_a_list_that_is_due_is_said),
    UNIT_CASE(test_a_worker_lets_go),
};

int main(void)
{
    return unit_main("tls_store", cases, UNIT_COUNT(cases));
}

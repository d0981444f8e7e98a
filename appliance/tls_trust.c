// tls_trust.c - trusts: arrays of counted certificates and lists, copied before they change.
#include <mbedtls/rsa.h>
#include <mbedtls/threading.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "tls_trust_priv.h"

struct tls_trust *tls_trust_new(void)
{
    struct tls_trust *trust = calloc(1, sizeof *trust);
    if (trust != NULL)
        atomic_init(&trust->holders, 1);
    return trust;
}

struct tls_trust *tls_trust_hold(struct tls_trust *trust)
{
    atomic_fetch_add_explicit(&trust->holders, 1, memory_order_relaxed);
    return trust;
}

void tls_trust_after_fork(struct tls_trust *trust)
{
    pid_t self = getpid();
    if (trust->process == self)
        return;
    trust->process = self;
    for (size_t i = 0; i < trust->certificate_count; i++) {
        struct tls_trusted *trusted = trust->certificates[i];
        if (trusted->process != self && mbedtls_pk_get_type(&trusted->parsed.pk) == MBEDTLS_PK_RSA)
            mbedtls_mutex_init(&mbedtls_pk_rsa(trusted->parsed.pk)->MBEDTLS_PRIVATE(mutex));
        trusted->process = self;
    }
}

void tls_trust_drop(struct tls_trust *trust)
{
    if (trust == NULL || atomic_fetch_sub_explicit(&trust->holders, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < trust->certificate_count; i++)
        tls_trusted_drop(trust->certificates[i]);
    for (size_t i = 0; i < trust->list_count; i++)
        tls_revocations_drop(trust->lists[i]);
    for (size_t i = 0; i < trust->folder_count; i++)
        free(trust->folders[i]);
    free(trust->certificates);
    free(trust->lists);
    free(trust->folders);
    free(trust);
}

// One more place at the end of an array of pointers; they grow by doubling.
static int make_room(void *array, size_t count)
{
    void **items;
    memcpy(&items, array, sizeof items);
    if ((count & (count - 1)) != 0 || (count == 0 && items != NULL))
        return 0;
    items = realloc(items, (count == 0 ? 1 : 2 * count) * sizeof *items);
    if (items == NULL)
        return -1;
    memcpy(array, &items, sizeof items);
    return 0;
}

static bool same_bytes(const mbedtls_x509_buf *a, const mbedtls_x509_buf *b)
{
    return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

int tls_trust_take(struct tls_trust *trust, struct tls_trusted *certificate)
{
    for (size_t i = 0; i < trust->certificate_count; i++) {
        const struct tls_trusted *there = trust->certificates[i];
        if (there->known.subject_hash == certificate->known.subject_hash &&
            same_bytes(&there->parsed.raw, &certificate->parsed.raw)) {
            tls_trusted_drop(certificate);
            return 0;
        }
    }
    if (make_room(&trust->certificates, trust->certificate_count) < 0) {
        tls_trusted_drop(certificate);
        return -1;
    }
    trust->certificates[trust->certificate_count++] = certificate;
    trust->process = 0; // it may be kept from before a fork
    return 0;
}

int tls_trust_take_list(struct tls_trust *trust, struct tls_revocations *list)
{
    for (size_t i = 0; i < trust->list_count; i++)
        if (same_bytes(&trust->lists[i]->parsed.raw, &list->parsed.raw)) {
            tls_revocations_drop(list);
            return 0;
        }
    if (make_room(&trust->lists, trust->list_count) < 0) {
        tls_revocations_drop(list);
        return -1;
    }
    trust->lists[trust->list_count++] = list;
    return 0;
}

static int take_folder(struct tls_trust *trust, const char *path)
{
    for (size_t i = 0; i < trust->folder_count; i++)
        if (strcmp(trust->folders[i], path) == 0)
            return 0;
    if (make_room(&trust->folders, trust->folder_count) < 0)
        return -1;
    char *copy = strdup(path);
    if (copy == NULL)
        return -1;
    trust->folders[trust->folder_count++] = copy;
    return 0;
}

// All of another one into a trust that is the caller's own.
static int add_all(struct tls_trust *to, const struct tls_trust *from)
{
    for (size_t i = 0; i < from->certificate_count; i++)
        if (tls_trust_take(to, tls_trusted_hold(from->certificates[i])) < 0)
            return -1;
    for (size_t i = 0; i < from->list_count; i++)
        if (tls_trust_take_list(to, tls_revocations_hold(from->lists[i])) < 0)
            return -1;
    for (size_t i = 0; i < from->folder_count; i++)
        if (take_folder(to, from->folders[i]) < 0)
            return -1;
    return 0;
}

static struct tls_trust *copy_of(const struct tls_trust *trust)
{
    struct tls_trust *copy = tls_trust_new();
    if (copy == NULL || add_all(copy, trust) == 0)
        return copy;
    tls_trust_drop(copy);
    return NULL;
}

int tls_trust_own(struct tls_trust **trust, struct tls_fault *fault)
{
    // Nobody else can hold it while the caller is its only holder.
    if (atomic_load_explicit(&(*trust)->holders, memory_order_acquire) == 1)
        return 0;
    struct tls_trust *copy = copy_of(*trust);
    if (copy == NULL)
        return tls_fault_memory(fault);
    tls_trust_drop(*trust);
    *trust = copy;
    return 0;
}

int tls_trust_merge(struct tls_trust **trust, struct tls_trust *more, struct tls_fault *fault)
{
    if ((*trust)->certificate_count + (*trust)->list_count + (*trust)->folder_count == 0) {
        tls_trust_drop(*trust);
        *trust = tls_trust_hold(more);
        return 0;
    }
    // A copy in any case: an error must leave what was there.
    struct tls_trust *both = copy_of(*trust);
    if (both == NULL || add_all(both, more) < 0) {
        tls_trust_drop(both);
        return tls_fault_memory(fault);
    }
    tls_trust_drop(*trust);
    *trust = both;
    return 0;
}

int tls_trust_add_folder(struct tls_trust **trust, const char *path, struct tls_fault *fault)
{
    if (tls_trust_own(trust, fault) < 0)
        return -1;
    return take_folder(*trust, path) < 0 ? tls_fault_memory(fault) : 0;
}

static bool is_authority(const struct tls_known *known)
{
    if (known->facts & FACT_BASIC)
        return (known->facts & FACT_CA) != 0;
    return known->parsed->version == 1 && (known->facts & FACT_SELF_SIGNED) != 0;
}

void tls_trust_count(const struct tls_trust *trust, struct tls_trust_counts *out)
{
    *out = (struct tls_trust_counts){.certificates = trust->certificate_count,
                                     .lists = trust->list_count};
    for (size_t i = 0; i < trust->certificate_count; i++)
        out->authorities += is_authority(&trust->certificates[i]->known);
}

struct str tls_trust_certificate(const struct tls_trust *trust, size_t index, bool *authority)
{
    must(index < trust->certificate_count);
    const struct tls_trusted *certificate = trust->certificates[index];
    *authority = is_authority(&certificate->known);
    return (struct str){(const char *)certificate->parsed.raw.p, certificate->parsed.raw.len};
}

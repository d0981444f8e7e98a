// tls_trust_keep.c - certificates of large files, kept for the next trust that is made of them: a
// system's bundle takes milliseconds to read, and every ssl.create_default_context() wants it.
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "tls_trust_priv.h"

enum { FILES_MAX = 4 };

struct kept {
    char *path; // NULL: free
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
    struct tls_trust *trust;
    unsigned long used; // when, by count
};

// Of a process: files are the same for all of it. The lock is only tried: in a child that was
// forked while another thread had it, nothing is kept, and nobody waits.
static struct kept files[FILES_MAX];
static unsigned long uses;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_same(const struct kept *file, const char *path, const struct stat *status)
{
    return file->path != NULL && strcmp(file->path, path) == 0 && file->device == status->st_dev &&
           file->inode == status->st_ino && file->size == status->st_size &&
           same_time(&file->modified, &status->st_mtim) &&
           same_time(&file->changed, &status->st_ctim);
}

struct tls_trust *tls_trust_kept(const char *path, const struct stat *status)
{
    struct tls_trust *trust = NULL;
    if (pthread_mutex_trylock(&lock) != 0)
        return NULL;
    for (size_t i = 0; i < FILES_MAX && trust == NULL; i++)
        if (is_same(&files[i], path, status)) {
            files[i].used = ++uses;
            trust = tls_trust_hold(files[i].trust);
        }
    pthread_mutex_unlock(&lock);
    return trust;
}

// The place of an older state of this file, else a free one, else the one that was used least.
static struct kept *find_place(const char *path)
{
    struct kept *place = &files[0];
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (files[i].path != NULL && strcmp(files[i].path, path) == 0)
            return &files[i];
        if (files[i].used < place->used)
            place = &files[i];
    }
    return place;
}

void tls_trust_keep(const char *path, const struct stat *status, struct tls_trust *trust)
{
    _free_ char *copy = strdup(path);
    if (copy == NULL || pthread_mutex_trylock(&lock) != 0)
        return;
    struct kept *place = find_place(path);
    struct kept old = *place;
    *place = (struct kept){.path = steal_ptr(&copy),
                           .device = status->st_dev,
                           .inode = status->st_ino,
                           .size = status->st_size,
                           .modified = status->st_mtim,
                           .changed = status->st_ctim,
                           .trust = tls_trust_hold(trust),
                           .used = ++uses};
    pthread_mutex_unlock(&lock);
    free(old.path);
    tls_trust_drop(old.trust);
}

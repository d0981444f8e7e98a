// tls_trust_folder.c - folders of certificates and lists that are named by a hash of the name, as
// `openssl rehash` lays them out. They are read when a name is wanted, for one verification: what
// is put there later counts, and a trust does not change while it is used.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "tls_trust_priv.h"

enum {
    FILE_MAX = 1 << 20, // bytes; lists may be long
    NUMBERS_MAX = 100,  // files of one name, in one folder
};

static bool read_small(const char *path, char **out, size_t *size)
{
    struct stat status;
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > FILE_MAX)
        return false;
    *out = malloc((size_t)status.st_size + 1);
    if (*out == NULL)
        return false;
    ssize_t count = read(fd, *out, (size_t)status.st_size);
    *size = count > 0 ? (size_t)count : 0;
    return count >= 0;
}

// Moves what was read to what was found.
static void move(struct tls_trust *from, struct tls_trust_found *found)
{
    struct tls_trust all = {.certificates = found->certificates,
                            .certificate_count = found->certificate_count,
                            .lists = found->lists,
                            .list_count = found->list_count};
    for (size_t i = 0; i < from->certificate_count; i++)
        if (tls_trust_take(&all, tls_trusted_hold(from->certificates[i])) < 0)
            break;
    for (size_t i = 0; i < from->list_count; i++)
        if (tls_trust_take_list(&all, tls_revocations_hold(from->lists[i])) < 0)
            break;
    *found = (struct tls_trust_found){.certificates = all.certificates,
                                      .certificate_count = all.certificate_count,
                                      .lists = all.lists,
                                      .list_count = all.list_count};
}

static void look_at(const char *path, struct tls_trust_found *found)
{
    _free_ char *text = NULL;
    size_t size, count;
    struct tls_fault passed_over;
    struct tls_trust *read = tls_trust_new();
    if (read != NULL && read_small(path, &text, &size)) {
        // What was good before something broken is used.
        (void)!tls_trust_read_pem(read, (struct str){text, size}, &count, &passed_over);
        move(read, found);
    }
    tls_trust_drop(read);
}

void tls_trust_look(const struct tls_trust *trust, uint32_t hash, bool lists,
                    struct tls_trust_found *found)
{
    char path[PATH_MAX];
    struct stat status;
    for (size_t i = 0; i < trust->folder_count; i++)
        for (int number = 0; number < NUMBERS_MAX; number++) {
            int size = snprintf(path, sizeof path, "%s/%08x.%s%d", trust->folders[i],
                                (unsigned)hash, lists ? "r" : "", number);
            if (size >= (int)sizeof path || lstat(path, &status) < 0)
                break;
            look_at(path, found);
        }
}

void tls_trust_found_fini(struct tls_trust_found *found)
{
    for (size_t i = 0; i < found->certificate_count; i++)
        tls_trusted_drop(found->certificates[i]);
    for (size_t i = 0; i < found->list_count; i++)
        tls_revocations_drop(found->lists[i]);
    free(found->certificates);
    free(found->lists);
    *found = (struct tls_trust_found){.certificates = NULL};
}

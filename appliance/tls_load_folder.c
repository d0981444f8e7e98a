// tls_load_folder.c - what stands behind one --tls-certificate: a file, a folder with
// fullchain.pem and privkey.pem, or a folder with such folders (certbot's live).
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "tls_load_priv.h"

static const char chain_name[] = "fullchain.pem", key_name[] = "privkey.pem";

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool join(char out[static PATH_MAX], const char *folder, const char *name)
{
    size_t size = strlen(folder);
    const char *slash = size > 0 && folder[size - 1] == '/' ? "" : "/";
    return snprintf(out, PATH_MAX, "%s%s%s", folder, slash, name) < PATH_MAX;
}

static int load_chain_file(struct tls_loading *loading, const char *path, struct err *err)
{
    _tls_file_ struct tls_file file = {.data = NULL};
    if (tls_load_read(loading, &file, path, err) < 0 || tls_load_chain(loading, &file, err) < 0)
        return -1;
    return tls_load_holds_key(&file) ? tls_load_key(loading, &file, err) : 0;
}

static int load_key_file(struct tls_loading *loading, const char *path, struct err *err)
{
    _tls_file_ struct tls_file file = {.data = NULL};
    if (tls_file_read(&file, path, err) < 0)
        return -1;
    return tls_load_key(loading, &file, err);
}

// The two files of a folder. How many of them there are, or -1.
static int load_pair(struct tls_loading *loading, const char *folder, int needed, struct err *err)
{
    char chain[PATH_MAX], key[PATH_MAX];
    if (!join(chain, folder, chain_name) || !join(key, folder, key_name))
        return 0;
    tls_load_looked_at(loading, folder);
    tls_load_looked_at(loading, key);
    // One that is there but cannot be read is no reason to pass a folder over: reading says why.
    int count = (access(chain, F_OK) == 0) + (access(key, F_OK) == 0);
    if (count < needed || access(chain, F_OK) != 0) {
        tls_load_looked_at(loading, chain);
        return 0;
    }
    if (load_chain_file(loading, chain, err) < 0)
        return -1;
    return access(key, F_OK) != 0 || load_key_file(loading, key, err) == 0 ? count : -1;
}

static int load_folders(struct tls_loading *loading, const char *path, struct dirent **entries,
                        int count, struct err *err)
{
    int found = 0;
    for (int i = 0; i < count; i++) {
        char folder[PATH_MAX];
        if (entries[i]->d_name[0] == '.' || !join(folder, path, entries[i]->d_name) ||
            !is_folder(folder))
            continue;
        int result = load_pair(loading, folder, 2, err);
        if (result < 0)
            return -1;
        found += result > 0;
    }
    if (found > 0)
        return 0;
    return err_set(err, ERR_FAILED,
                   "%s: neither %s and %s are in this folder nor folders that have both (as in "
                   "certbot's live)",
                   path, chain_name, key_name);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int tls_load_item(struct tls_loading *loading, const char *path, struct err *err)
{
    struct dirent **entries = NULL;
    if (!is_folder(path))
        return load_chain_file(loading, path, err);
    int result = load_pair(loading, path, 1, err);
    if (result != 0)
        return result < 0 ? -1 : 0;
    int count = scandir(path, &entries, NULL, by_name);
    if (count < 0)
        return err_system(err, errno, "%s", path);
    result = load_folders(loading, path, entries, count, err);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return result;
}

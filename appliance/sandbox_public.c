// sandbox_public.c - what of /etc is for everybody: root's workers are not to read passwords and
// keys there only because they are root's. Landlock knows no exceptions within a folder, so a
// folder has a rule where all in it is public, and else what is so in it.
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "sandbox.h"
#include "sandbox_priv.h"

static const char FOLDER[] = "/etc";

enum { DEPTH_MAX = 8 }; // folders below the first; deeper ones are not public

static bool is_self(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *open_folder(int above, const char *name)
{
    int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder == NULL && fd >= 0)
        close(fd);
    return folder;
}

static bool is_open(const struct stat *status)
{
    mode_t needed = S_ISDIR(status->st_mode) ? S_IROTH | S_IXOTH : S_IROTH;
    return (status->st_mode & needed) == needed;
}

// Whether all in it is for everybody. Links are: a rule is about what they lead to.
static bool is_public(int above, const char *name, int depth)
{
    struct stat status;
    if (fstatat(above, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    if (S_ISLNK(status.st_mode))
        return true;
    if (!is_open(&status) || !S_ISDIR(status.st_mode))
        return is_open(&status);
    DIR *folder = depth < DEPTH_MAX ? open_folder(above, name) : NULL;
    if (folder == NULL)
        return false;
    bool result = true;
    for (struct dirent *entry; result && (entry = readdir(folder)) != NULL;)
        result = is_self(entry->d_name) || is_public(dirfd(folder), entry->d_name, depth + 1);
    closedir(folder);
    return result;
}

// The parts of it that are public, as large as they can be, each with its '\0'.
static int gather(const char *path, int depth, struct buf *out)
{
    struct stat status;
    if (lstat(path, &status) < 0 || S_ISLNK(status.st_mode) || !is_open(&status))
        return 0;
    if (is_public(AT_FDCWD, path, depth))
        return buf_append(out, path, strlen(path) + 1);
    DIR *folder = depth < DEPTH_MAX ? open_folder(AT_FDCWD, path) : NULL;
    if (folder == NULL)
        return 0;
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(folder)) != NULL;) {
        char part[PATH_MAX];
        int size = snprintf(part, sizeof part, "%s/%s", path, entry->d_name);
        if (!is_self(entry->d_name) && size < (int)sizeof part)
            result = gather(part, depth + 1, out);
    }
    closedir(folder);
    return result;
}

int sandbox_find_public(struct buf *out)
{
    return gather(FOLDER, 0, out);
}

int sandbox_add_public(struct sandbox_rules *rules, const struct buf *parts)
{
    _buf_ struct buf still = BUF_INIT(SANDBOX_PUBLIC_MAX);
    int result = 0;
    sandbox_rules_add(rules, AT_FDCWD, FOLDER, SANDBOX_READ_FOLDER);
    for (size_t at = 0; result == 0 && at < parts->size; at += strlen(parts->data + at) + 1)
        result = gather(parts->data + at, 1, &still);
    for (size_t at = 0; at < still.size; at += strlen(still.data + at) + 1)
        sandbox_rules_add(rules, AT_FDCWD, still.data + at, SANDBOX_READ);
    return result;
}

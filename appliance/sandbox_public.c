// sandbox_public.c - what of /etc is for everybody: root's workers are not to read passwords and
// keys there only because they are root's. Landlock knows no exceptions within a folder, so a
// folder has a rule where all in it is public, and else what is so in it.
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "sandbox_priv.h"

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

static void add_parts(struct sandbox_rules *rules, int above, const char *name, int depth);

static void add_entry(struct sandbox_rules *rules, int folder, const char *name, int depth)
{
    struct stat status;
    if (is_self(name) || fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
        S_ISLNK(status.st_mode) || !is_open(&status))
        return;
    if (is_public(folder, name, depth))
        sandbox_rules_add(rules, folder, name, SANDBOX_READ);
    else if (depth < DEPTH_MAX)
        add_parts(rules, folder, name, depth);
}

static void add_parts(struct sandbox_rules *rules, int above, const char *name, int depth)
{
    DIR *folder = open_folder(above, name);
    if (folder == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        add_entry(rules, dirfd(folder), entry->d_name, depth + 1);
    closedir(folder);
}

void sandbox_add_public(struct sandbox_rules *rules, const char *path)
{
    sandbox_rules_add(rules, AT_FDCWD, path, SANDBOX_READ_FOLDER);
    if (is_public(AT_FDCWD, path, 0))
        sandbox_rules_add(rules, AT_FDCWD, path, SANDBOX_READ);
    else
        add_parts(rules, AT_FDCWD, path, 0);
}

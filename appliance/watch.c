// watch.c - a table of watched folders, kept up by inotify's own events. A folder is first watched
// and then read, so that nothing falls between the two; one that is renamed is forgotten and found
// again, so that no path is ever out of date. Does not know what a change is good for.
#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "log.h"
#include "watch_names.h"
#include "watch_path.h"

enum {
    EVENTS_SIZE = 16384, // bytes of events a read
    READS_MAX = 64,      // a call of watch_take: the caller has other things to do, too
    LEVELS = 2,          // of folders in which everything counts: a named one, and those in it
};

// What is written counts when it is closed, not before it is whole.
static const uint32_t mask = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                             IN_EXCL_UNLINK | IN_ONLYDIR;

struct folder {
    int wd; // 0: forgotten, and removed from the table after all events
    char *path;
    bool whole;       // all sources in it count, and its folders are watched; else what is named
    unsigned levels;  // everything in it counts, and in so many levels of folders, it included
    bool has_sources; // or had: then its end is a change
};

// Paths are absolute and without links up to the watched folder.
struct watch {
    int fd;
    char *root;   // the watched folder; NULL: none
    char **names; // those that are named, absolute, as they were given
    size_t name_count;
    char **files; // those, and the links that lead to them
    size_t file_count;
    bool renamed; // what is at one of these may be something else now
    struct folder *folders;
    size_t folder_count;
    int highest;            // wd so far: the kernel numbers upwards
    char changed[PATH_MAX]; // the first change of this watch_take; "": none
    bool overflowed;
    bool told; // the operator was, that something cannot be watched
};

static bool join(char out[static PATH_MAX], const char *folder, const char *name)
{
    const char *slash = strcmp(folder, "/") == 0 ? "" : "/";
    return snprintf(out, PATH_MAX, "%s%s%s", folder, slash, name) < PATH_MAX;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool is_link(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

static bool is_root(const struct watch *watch, const char *path)
{
    return watch->root != NULL && strcmp(path, watch->root) == 0;
}

static bool is_below(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static bool is_named(const struct watch *watch, const char *path)
{
    for (size_t i = 0; i < watch->file_count; i++) {
        if (strcmp(path, watch->files[i]) == 0)
            return true;
    }
    return false;
}

static void note(struct watch *watch, const char *path)
{
    if (watch->changed[0] != '\0')
        return;
    bool inside = watch->root != NULL && !is_root(watch, path) && is_below(path, watch->root);
    snprintf(watch->changed, sizeof watch->changed, "%s",
             inside ? path + strlen(watch->root) + 1 : path);
}

// --- the table ---

static struct folder *find(struct watch *watch, int wd)
{
    for (size_t i = 0; i < watch->folder_count; i++) {
        if (watch->folders[i].wd == wd)
            return &watch->folders[i];
    }
    return NULL;
}

static struct folder *find_path(struct watch *watch, const char *path)
{
    for (size_t i = 0; i < watch->folder_count; i++) {
        if (watch->folders[i].wd != 0 && strcmp(watch->folders[i].path, path) == 0)
            return &watch->folders[i];
    }
    return NULL;
}

static void tell(struct watch *watch, const char *path, int errnum)
{
    // It went while we looked, or is not ours to read, nor the application's then.
    if (watch->told || errnum == ENOENT || errnum == ENOTDIR || errnum == EACCES)
        return;
    watch->told = true;
    if (errnum == ENOSPC)
        log_warning("watch",
                    "%s and maybe more cannot be watched, changes there go unnoticed: too few "
                    "inotify watches (raise sysctl fs.inotify.max_user_watches)",
                    path);
    else
        log_warning("watch", "%s cannot be watched, changes there go unnoticed: %s", path,
                    strerror(errnum));
}

static void forget(struct folder *folder)
{
    free(folder->path);
    *folder = (struct folder){.wd = 0};
}

static void remove_forgotten(struct watch *watch)
{
    size_t kept = 0;
    for (size_t i = 0; i < watch->folder_count; i++) {
        if (watch->folders[i].wd != 0)
            watch->folders[kept++] = watch->folders[i];
    }
    watch->folder_count = kept;
}

static bool is_same(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

// The watch of this folder, of which the table knows nothing yet. -1: none, or there was one.
static int new_watch(struct watch *watch, const char *path)
{
    int wd = inotify_add_watch(watch->fd, path, mask);
    if (wd < 0)
        tell(watch, path, errno);
    if (wd < 0 || wd > watch->highest)
        return wd;
    struct folder *folder = find(watch, wd);
    if (folder == NULL)
        return wd;
    if (is_same(folder->path, path))
        return -1; // links may lead in a circle
    // It was renamed; we have read of its new place, but not yet what inotify has to tell of that.
    inotify_rm_watch(watch->fd, wd);
    forget(folder);
    return inotify_add_watch(watch->fd, path, mask);
}

static void add(struct watch *watch, const char *path, bool whole)
{
    int wd = new_watch(watch, path);
    if (wd < 0)
        return;
    size_t count = watch->folder_count + 1;
    watch->highest = wd > watch->highest ? wd : watch->highest;
    watch->folders = reallocarray(watch->folders, count, sizeof *watch->folders);
    char *copy = strdup(path);
    must(watch->folders != NULL && copy != NULL);
    watch->folders[watch->folder_count++] = (struct folder){.wd = wd, .path = copy, .whole = whole};
}

// Watch this folder ("": all), and those below it, no more. True: there may have been sources in
// them.
static bool drop(struct watch *watch, const char *path)
{
    bool had_sources = false;
    for (size_t i = 0; i < watch->folder_count; i++) {
        struct folder *folder = &watch->folders[i];
        if (folder->wd == 0 || !is_below(folder->path, path))
            continue;
        had_sources |= folder->has_sources;
        inotify_rm_watch(watch->fd, folder->wd);
        forget(folder);
    }
    return had_sources;
}

// --- folders ---

// A folder below a whole one: is it looked into?
static bool is_looked_into(const char *path, const char *name)
{
    return !watch_names_skipped(name) && is_folder(path) && !watch_names_is_environment(path);
}

// Read one folder of the table. What is in a new one counts: it was maybe there before the watch.
static void scan(struct watch *watch, size_t index, bool is_new)
{
    const char *name = watch->folders[index].path;
    DIR *entries = name != NULL ? opendir(name) : NULL;
    char folder[PATH_MAX], path[PATH_MAX]; // its name goes when it is forgotten below
    if (entries == NULL)
        return;
    snprintf(folder, sizeof folder, "%s", name);
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        bool may_be_folder =
            entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
        if (!join(path, folder, entry->d_name))
            continue;
        if (may_be_folder && is_looked_into(path, entry->d_name)) {
            add(watch, path, true);
        } else if (watch_names_source(entry->d_name)) {
            watch->folders[index].has_sources = true;
            if (is_new)
                note(watch, path);
        }
    }
    closedir(entries);
}

static void add_tree(struct watch *watch, const char *path, bool is_new)
{
    size_t next = watch->folder_count;
    add(watch, path, true);
    for (; next < watch->folder_count; next++)
        scan(watch, next, is_new);
}

// A folder in which everything counts: so many levels, it included.
static void add_levels(struct watch *watch, const char *path, unsigned levels)
{
    add(watch, path, false);
    struct folder *folder = find_path(watch, path);
    DIR *entries = folder != NULL && levels > folder->levels ? opendir(path) : NULL;
    if (entries == NULL)
        return;
    folder->levels = levels;
    char below[PATH_MAX];
    for (const struct dirent *entry; levels > 1 && (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            join(below, path, entry->d_name) && is_folder(below))
            add_levels(watch, below, levels - 1);
    }
    closedir(entries);
}

static void add_folder_of(struct watch *watch, const char *path)
{
    char folder[PATH_MAX];
    size_t size = (size_t)(strrchr(path, '/') - path);
    snprintf(folder, sizeof folder, "%.*s", size > 0 ? (int)size : 1, path);
    add(watch, folder, false);
}

// The folders in which something has a name that we know: files, and the watched folder itself,
// which may be replaced. Files in a new folder count (NULL: none is).
static void add_named(struct watch *watch, const char *new_folder)
{
    for (size_t i = 0; i < watch->file_count; i++) {
        add_folder_of(watch, watch->files[i]);
        if (!is_link(watch->files[i]) && is_folder(watch->files[i]))
            add_levels(watch, watch->files[i], LEVELS);
        if (new_folder != NULL && is_below(watch->files[i], new_folder) &&
            access(watch->files[i], F_OK) == 0)
            note(watch, watch->files[i]);
    }
    if (watch->root != NULL)
        add_folder_of(watch, watch->root);
}

// --- events ---

// A file that is made is written later, and counts then. A link has no later.
static bool is_whole(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && (S_ISLNK(status.st_mode) || status.st_nlink > 1);
}

// The folder that has this path now is in the table under it: found when the one above was read.
static bool is_known(struct watch *watch, const char *path)
{
    const struct folder *folder = find(watch, inotify_add_watch(watch->fd, path, mask));
    return folder != NULL && folder->whole && strcmp(folder->path, path) == 0;
}

static void take_folder(struct watch *watch, const char *path)
{
    if (is_known(watch, path))
        return;
    drop(watch, path); // what a link of this name led to before
    add_tree(watch, path, true);
    add_named(watch, path);
}

static void take_appeared(struct watch *watch, const struct inotify_event *event, const char *path,
                          bool whole, bool counts)
{
    if (is_root(watch, path) || (whole && is_looked_into(path, event->name))) {
        take_folder(watch, path);
    } else if (counts && ((event->mask & IN_MOVED_TO) != 0 || is_whole(path))) {
        note(watch, path);
    }
}

static void take_event(struct watch *watch, const struct inotify_event *event)
{
    char path[PATH_MAX];
    struct folder *folder = find(watch, event->wd);
    watch->overflowed |= (event->mask & IN_Q_OVERFLOW) != 0;
    if (folder != NULL && (event->mask & IN_IGNORED) != 0)
        forget(folder);
    if (folder == NULL || folder->wd == 0 || event->len == 0 ||
        !join(path, folder->path, event->name))
        return;
    bool whole = folder->whole;
    bool source = whole && watch_names_source(event->name);
    bool named = is_named(watch, path);
    unsigned levels = folder->levels;
    bool counts = source || named || levels > 0;
    folder->has_sources |= source;
    watch->renamed |= named && (event->mask & IN_CLOSE_WRITE) == 0;
    if (whole && watch_names_environment(event->name) && !is_root(watch, folder->path)) {
        // It was a folder like others until now.
        *strrchr(path, '/') = '\0';
        drop(watch, path);
    } else if ((event->mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
        take_appeared(watch, event, path, whole, counts);
        if (levels > 1 && is_folder(path))
            add_levels(watch, path, levels - 1);
        if ((named || levels > 0) && (event->mask & IN_ISDIR) != 0)
            note(watch, path); // what is in it may have been there before we looked
    } else {
        bool gone = (event->mask & IN_CLOSE_WRITE) == 0;
        if ((gone && drop(watch, path)) || counts)
            note(watch, path);
    }
}

// --- names ---

static void free_files(struct watch *watch)
{
    for (size_t i = 0; i < watch->file_count; i++)
        free(watch->files[i]);
    free(watch->files);
    watch->files = NULL;
    watch->file_count = 0;
}

static void add_file(void *owner, const char *path)
{
    struct watch *watch = owner;
    if (is_named(watch, path))
        return;
    watch->files = reallocarray(watch->files, watch->file_count + 1, sizeof *watch->files);
    char *copy = strdup(path);
    must(watch->files != NULL && copy != NULL);
    watch->files[watch->file_count++] = copy;
}

// Where the names lead to now.
static void find_files(struct watch *watch)
{
    free_files(watch);
    for (size_t i = 0; i < watch->name_count; i++)
        watch_path_walk(watch->names[i], add_file, watch);
}

// After a gap nothing is known of which folders there are.
static void start_over(struct watch *watch)
{
    log_warning("watch", "more has changed than inotify can tell (sysctl "
                         "fs.inotify.max_queued_events): taking it for a change");
    watch->overflowed = false;
    drop(watch, "");
    if (watch->root != NULL)
        add_tree(watch, watch->root, false);
    add_named(watch, NULL);
    note(watch, watch->root != NULL ? watch->root : watch->files[0]);
}

const char *watch_take(struct watch *watch)
{
    _Alignas(struct inotify_event) char events[EVENTS_SIZE];
    watch->changed[0] = '\0';
    for (int reads = 0; reads < READS_MAX; reads++) {
        ssize_t size = read(watch->fd, events, sizeof events);
        if (size <= 0)
            break;
        for (const char *p = events; p < events + size;) {
            const struct inotify_event *event = (const void *)p;
            take_event(watch, event);
            p += sizeof *event + event->len;
        }
    }
    if (watch->renamed || watch->overflowed)
        find_files(watch);
    if (watch->renamed)
        add_named(watch, NULL);
    if (watch->overflowed)
        start_over(watch);
    watch->renamed = false;
    remove_forgotten(watch);
    return watch->changed[0] != '\0' ? watch->changed : NULL;
}

// --- open and close ---

// Names are given relative to the folder that we work in now.
static void name_files(struct watch *watch, const struct watch_setup *setup)
{
    _free_ char *here = realpath(".", NULL);
    watch->names = calloc(setup->file_count + 1, sizeof *watch->names);
    must_have(watch->names != NULL);
    for (size_t i = 0; i < setup->file_count; i++) {
        char path[PATH_MAX];
        const char *name = setup->files[i];
        if (name[0] == '/' ? snprintf(path, sizeof path, "%s", name) >= PATH_MAX
                           : here == NULL || !join(path, here, name))
            continue;
        char *copy = strdup(path);
        must_have(copy != NULL);
        watch->names[watch->name_count++] = copy;
    }
    find_files(watch);
}

static int start(struct watch *watch, const struct watch_setup *setup, struct err *err)
{
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0 && errno == EMFILE)
        return err_set(err, ERR_FAILED,
                       "too few inotify instances (raise sysctl fs.inotify.max_user_instances)");
    if (watch->fd < 0)
        return err_system(err, errno, "no inotify");
    if (setup->folder != NULL && (watch->root = realpath(setup->folder, NULL)) == NULL)
        return err_system(err, errno, "%s", setup->folder);
    name_files(watch, setup);
    if (watch->root != NULL)
        add_tree(watch, watch->root, false);
    add_named(watch, NULL);
    return 0;
}

struct watch *watch_open(const struct watch_setup *setup, struct err *err)
{
    struct watch *watch = calloc(1, sizeof *watch);
    must_have(watch != NULL);
    if (start(watch, setup, err) == 0)
        return watch;
    watch_close(watch);
    return NULL;
}

void watch_close(struct watch *watch)
{
    if (watch == NULL)
        return;
    if (watch->fd >= 0)
        close(watch->fd);
    for (size_t i = 0; i < watch->folder_count; i++)
        free(watch->folders[i].path);
    for (size_t i = 0; i < watch->name_count; i++)
        free(watch->names[i]);
    free_files(watch);
    free(watch->folders);
    free(watch->names);
    free(watch->root);
    free(watch);
}

int watch_fd(const struct watch *watch)
{
    return watch->fd;
}

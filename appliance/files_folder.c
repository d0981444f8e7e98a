// files_folder.c - the folders of routes, and what a name in one of them stands for: the file in
// the coding that suits the client best.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "files_priv.h"
#include "files_route.h"

enum { KNOWN_FOR = 1000 }; // milliseconds that a file's siblings are taken for the same

// --- Opening ---

const char *files_base(char *out, size_t size, const char *start_folder, const char *working_dir)
{
    const char *start = start_folder != NULL ? start_folder : ".";
    if (working_dir == NULL)
        snprintf(out, size, "%s", start);
    else if (working_dir[0] == '/')
        snprintf(out, size, "%s", working_dir);
    else
        snprintf(out, size, "%s/%s", start, working_dir);
    return out;
}

// Into *out, a name in the archive: folder is one there.
static bool in_archive(const struct archive *archive, const char *folder, char **out)
{
    const char *path = archive != NULL ? archive_path(archive) : "";
    size_t size = strlen(path);
    if (archive == NULL || size == 0)
        return false;
    if (folder[0] != '/')
        must(asprintf(out, "app/%s", strcmp(folder, ".") == 0 ? "" : folder) >= 0);
    else if (strncmp(folder, path, size) == 0 && folder[size] == '/')
        must_have((*out = strdup(folder + size + 1)) != NULL);
    else
        return false;
    for (size_t end = strlen(*out); end > 0 && (*out)[end - 1] == '/'; end--)
        (*out)[end - 1] = '\0';
    if (archive_kind_of(archive, str_of(*out)) == ARCHIVE_FOLDER)
        return true;
    free(steal_ptr(out));
    return false;
}

static char *absolute(const char *base, struct str folder)
{
    char *out = NULL;
    if (folder.data[0] == '/')
        must((out = strndup(folder.data, folder.size)) != NULL);
    else
        must(asprintf(&out, "%s/%.*s", base, (int)folder.size, folder.data) >= 0);
    for (size_t end = strlen(out); end > 1 && out[end - 1] == '/'; end--)
        out[end - 1] = '\0';
    return out;
}

static int open_folder(struct files_folder *folder, const struct files_setup *setup,
                       const struct files_route *route, const char *option, struct err *err)
{
    _free_ char *name = strndup(route->folder.data, route->folder.size);
    must_have(name != NULL);
    folder->prefix = route->prefix;
    folder->fd = -1;
    if (in_archive(setup->archive, name, &folder->path)) {
        folder->archive = setup->archive;
        return 0;
    }
    folder->path = absolute(setup->base != NULL ? setup->base : ".", route->folder);
    folder->fd = files_disk_open_folder(folder->path, err);
    if (folder->fd >= 0)
        return 0;
    err_wrap(err, "--%s %.*s=%.*s", option, (int)route->prefix.size, route->prefix.data,
             (int)route->folder.size, route->folder.data);
    err->kind = ERR_USAGE;
    const char *way_out = setup->archive != NULL
                              ? " (it is no folder of the archive's app/, either; create it, or "
                                "give another one)"
                              : " (create the folder, or give another one)";
    size_t size = strlen(err->text);
    snprintf(err->text + size, sizeof err->text - size, "%s", way_out);
    return -1;
}

// Longer prefixes first: "/static/admin" before "/static" before "".
static int compare(const void *a, const void *b)
{
    const struct files_folder *one = a, *other = b;
    return (one->prefix.size < other->prefix.size) - (one->prefix.size > other->prefix.size);
}

int files_folders_open(struct files_folders *folders, const struct files *files,
                       char *const *routes, size_t count, const char *option, struct err *err)
{
    folders->items = calloc(count + 1, sizeof *folders->items);
    must_have(folders->items != NULL);
    for (size_t i = 0; i < count; i++) {
        struct files_route route;
        if (files_route_parse(&route, routes[i], err) < 0)
            return err_wrap(err, "--%s %s", option, routes[i]);
        folders->count++;
        if (open_folder(&folders->items[i], &files->setup, &route, option, err) < 0)
            return -1;
    }
    qsort(folders->items, count, sizeof *folders->items, compare);
    return 0;
}

void files_folders_close(struct files_folders *folders)
{
    for (size_t i = 0; i < folders->count; i++) {
        if (folders->items[i].fd >= 0)
            close(folders->items[i].fd);
        free(folders->items[i].path);
    }
    free(folders->items);
    *folders = (struct files_folders){.items = NULL};
}

struct files_folder *files_folders_find(const struct files_folders *folders,
                                        const struct files_path *path, struct str *rest)
{
    for (size_t i = 0; i < folders->count; i++) {
        if (files_path_strip(path, folders->items[i].prefix, rest))
            return &folders->items[i];
    }
    return NULL;
}

// --- Finding ---

void files_item_close(struct files_item *item)
{
    if (item->fd >= 0)
        close(item->fd);
    item->fd = -1;
}

static void put_hex(struct files_item *item, uint64_t number)
{
    static const char digits[] = "0123456789abcdef";
    char text[16];
    size_t at = sizeof text;
    do
        text[--at] = digits[number & 15];
    while ((number >>= 4) > 0);
    memcpy(item->etag + item->etag_size, text + at, sizeof text - at);
    item->etag_size += sizeof text - at;
}

// Of what is sent, so one for each coding (RFC 9110 section 8.8.3.3).
static void make_etag(struct files_item *item, uint64_t mark)
{
    struct str end = STR("");
    if (item->coding != FILES_PLAIN)
        end = files_codings[item->coding].tag_end;
    item->etag[0] = '"';
    item->etag_size = 1;
    put_hex(item, mark);
    item->etag[item->etag_size++] = '-';
    put_hex(item, item->size);
    memcpy(item->etag + item->etag_size, end.data, end.size);
    item->etag_size += end.size;
    item->etag[item->etag_size++] = '"';
}

static unsigned find_name(struct files *files, const struct files_folder *folder, const char *name,
                          struct files_item *item)
{
    int64_t nanoseconds = 0;
    item->fd = -1;
    item->member = NULL;
    item->is_wrapped = false;
    unsigned status = folder->archive != NULL ? files_archive_find(files, folder, name, item)
                                              : files_disk_open(folder, name, item, &nanoseconds);
    if (status != FILES_FOUND)
        return status;
    if (item->member != NULL)
        make_etag(item, item->member->crc32);
    else
        make_etag(item, (uint64_t)item->modified * 1000000000 + (uint64_t)nanoseconds);
    return FILES_FOUND;
}

// --- Siblings ---

// FNV-1a. Two names with one key have the siblings of one of them looked for in vain, or not, for a
// second.
static uint64_t key_of(const struct files_folder *folder, struct str name)
{
    uint64_t key = UINT64_C(14695981039346656037) ^ (uint64_t)(uintptr_t)folder;
    for (size_t i = 0; i < name.size; i++)
        key = (key ^ (unsigned char)name.data[i]) * UINT64_C(1099511628211);
    return key | 1;
}

// The name with an ending.
static void add_ending(char out[FILES_NAME_MAX], struct str name, enum files_coding coding)
{
    struct str ending = files_codings[coding].ending;
    memcpy(out, name.data, name.size);
    memcpy(out + name.size, ending.data, ending.size);
    out[name.size + ending.size] = '\0';
}

static unsigned look_for_siblings(struct files *files, const struct files_folder *folder,
                                  struct str name)
{
    unsigned set = 0;
    for (int i = 0; i < FILES_CODING_COUNT; i++) {
        char full[FILES_NAME_MAX];
        struct files_item item = {.coding = (enum files_coding)i};
        add_ending(full, name, (enum files_coding)i);
        if (find_name(files, folder, full, &item) == FILES_FOUND)
            set |= 1u << i;
        files_item_close(&item);
    }
    return set;
}

static unsigned siblings_of(struct files *files, struct files_folder *folder, struct str name,
                            int64_t now)
{
    uint64_t key = key_of(folder, name);
    struct files_known *known = &files->known[(key >> 1) % FILES_KNOWN];
    pthread_mutex_lock(&files->lock);
    bool fresh = folder->archive != NULL || now - known->looked_at < KNOWN_FOR;
    bool is_known = known->key == key && fresh;
    unsigned set = known->siblings;
    pthread_mutex_unlock(&files->lock);
    if (is_known)
        return set;
    set = look_for_siblings(files, folder, name);
    pthread_mutex_lock(&files->lock);
    *known = (struct files_known){key, now, set};
    pthread_mutex_unlock(&files->lock);
    return set;
}

// A coding in the place of the plain file. False: it has gone, or is not wanted.
static bool take_coding(struct files *files, const struct files_folder *folder, struct str name,
                        enum files_coding coding, unsigned siblings, struct files_item *item)
{
    char full[FILES_NAME_MAX];
    struct files_item other = *item;
    other.coding = coding;
    if ((siblings & 1u << coding) != 0) {
        add_ending(full, name, coding);
        if (find_name(files, folder, full, &other) != FILES_FOUND)
            return false;
    } else {
        other.is_wrapped = true;
        other.size = item->member->stored_size + 18;
        make_etag(&other, item->member->crc32);
    }
    files_item_close(item);
    *item = other;
    return true;
}

static void choose_coding(struct files *files, struct files_folder *folder, struct str name,
                          const struct files_ask *ask, struct files_item *item)
{
    struct files_taste taste;
    const struct files_fields *fields = ask->fields;
    bool deflated = item->member != NULL && item->member->deflated;
    // Clients undo a coding, so that what is downloaded as a gzip file would not be one any more.
    if (!item->type->is_compressible)
        return;
    unsigned siblings = siblings_of(files, folder, name, ask->now), set;
    // A range of a gzip file that is made here would be nobody's wish.
    set = siblings | (deflated && fields->range.data == NULL ? 1u << FILES_GZIP : 0);
    item->varies = siblings != 0 || deflated;
    if (set == 0 || fields->accept_encoding.data == NULL)
        return;
    files_coding_taste(&taste, fields, ask->head);
    enum files_coding coding = files_coding_choose(&taste, set);
    if (coding != FILES_PLAIN)
        take_coding(files, folder, name, coding, siblings, item);
}

unsigned files_folder_find(struct files *files, struct files_folder *folder, struct str name,
                           const struct files_ask *ask, struct files_item *item)
{
    char text[FILES_NAME_MAX];
    if (name.size + 8 > sizeof text)
        return 404;
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    item->coding = FILES_PLAIN;
    item->varies = false;
    if (folder->archive == NULL) {
        pthread_mutex_lock(&files->lock);
        files_disk_look_again(folder, ask->now);
        pthread_mutex_unlock(&files->lock);
    }
    bool is_root = folder->archive == NULL && name.size == 0;
    unsigned status = find_name(files, folder, is_root ? "." : text, item);
    if (status != FILES_FOUND)
        return status;
    item->type = files_mime_of(files_path_name(name));
    choose_coding(files, folder, name, ask, item);
    return FILES_FOUND;
}

// files_named.c - the files that applications name in X-Accel-Redirect and X-Sendfile. In the
// thread that does the request's work, beside the others: what is shared is locked.
#include <stdlib.h>

#include "cleanup.h"
#include "clock.h"
#include "files_priv.h"
#include "head.h"

// What of an absolute path lies below a folder: from a '/' on.
static bool strip(struct str name, const char *path, struct str *rest)
{
    size_t size = strlen(path);
    if (!str_starts(name, (struct str){path, size}) || name.size <= size || name.data[size] != '/')
        return false;
    *rest = (struct str){name.data + size, name.size - size};
    return true;
}

// A member's path is the executable's, and its name.
static bool strip_archive(struct str name, const struct files_folder *folder, struct str *rest)
{
    struct str member;
    if (!strip(name, archive_path(folder->archive), &member))
        return false;
    if (folder->path[0] == '\0') {
        *rest = member;
        return true;
    }
    return strip((struct str){member.data + 1, member.size - 1}, folder->path, rest);
}

// As the folder was given, or free of links, as applications resolve paths.
static bool strip_disk(struct str name, const struct files_folder *folder, struct str *rest)
{
    if (strip(name, folder->path, rest))
        return true;
    _free_ char *real = realpath(folder->path, NULL);
    return real != NULL && strip(name, real, rest);
}

static struct files_folder *find_by_name(const struct files_folders *folders, struct str name,
                                         struct str *rest)
{
    for (size_t i = 0; i < folders->count; i++) {
        struct files_folder *folder = &folders->items[i];
        if (folder->archive != NULL ? strip_archive(name, folder, rest)
                                    : strip_disk(name, folder, rest))
            return folder;
    }
    return NULL;
}

// What the answer names, in a folder: *rest lies in path.
static struct files_folder *find(const struct files *files, struct str name, bool is_path,
                                 struct files_path *path, struct str *rest)
{
    struct str query, text = is_path ? files_path_split(name, &query) : name;
    if (is_path) {
        files_path_decode(path, text);
        return files_folders_find(&files->sends, path, rest);
    }
    struct files_folder *folder = find_by_name(&files->sends, name, &text);
    if (folder == NULL)
        return NULL;
    files_path_take(path, text);
    *rest = (struct str){path->text, path->size};
    return folder;
}

static bool refuse(struct files *files, struct request *request, struct str name, unsigned status)
{
    const char *why = "no such file";
    if (status == 403)
        why = "may not be read, or is below no folder of --sendfile";
    else if (status != 404)
        why = "cannot be opened";
    files_complain(files, "the application names %.*s: %s", (int)name.size, name.data, why);
    request_fail(request, status);
    return true;
}

bool files_send(struct files *files, struct request *request, unsigned status, struct str name,
                bool is_path)
{
    const struct request_head *head = request_head(request);
    struct files_reply reply = {.files = files, .request = request, .head = head, .status = status};
    struct files_ask ask = {&reply.fields, head, clock_milliseconds()};
    struct files_path path;
    struct files_item item;
    struct str rest, coding;
    struct files_folder *folder = find(files, name, is_path, &path, &rest);
    if (folder == NULL)
        return refuse(files, request, name, 403);
    if (path.kind != FILES_PATH_FINE || rest.size < 2)
        return refuse(files, request, name, 404);
    files_fields_take(&reply.fields, head);
    // What the application has coded itself is not to be coded again.
    if (head_find(request_response_head(request), STR("content-encoding"), &coding))
        reply.fields.accept_encoding.data = NULL;
    rest.data++, rest.size--;
    unsigned found = files_folder_find(files, folder, rest, &ask, &item);
    if (found != FILES_FOUND)
        return refuse(files, request, name, found == FILES_IS_FOLDER ? 404 : found);
    return files_reply_item(&reply, &item);
}

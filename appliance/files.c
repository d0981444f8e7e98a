// files.c - answers with files: from a request's path to a route, a file in its folder, an index, a
// redirection to a folder's own path, or the page of a single-page application.
#include "files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "check.h"
#include "cleanup.h"
#include "clock.h"
#include "files_priv.h"
#include "log.h"
#include "mount.h"
#include "stats.h"

enum {
    COMPLAIN_AGAIN = 1000,          // milliseconds
    TIME_EARLIEST = 315532800,      // 1980-01-01 00:00:00 UTC
    LOCATION_MAX = 4 * 1024 + 4096, // bytes
};

#define INDEX "index.html"

// --- Making ---

static int64_t time_of_archive(const struct archive *archive)
{
    struct stat about;
    if (archive == NULL || stat(archive_path(archive), &about) < 0 ||
        about.st_mtim.tv_sec < TIME_EARLIEST)
        return TIME_EARLIEST;
    return about.st_mtim.tv_sec;
}

// The page is in one of the routes' folders.
static int check_fallback(struct files *files, struct err *err)
{
    static const struct files_fields fields;
    static const struct request_head head;
    const struct files_ask ask = {&fields, &head, clock_milliseconds()};
    struct files_item item;
    if (files->fallback.size == 0)
        return 0;
    for (size_t i = 0; i < files->routes.count; i++) {
        struct files_folder *folder = &files->routes.items[i];
        if (files_folder_find(files, folder, files->fallback, &ask, &item) == FILES_FOUND) {
            files_item_close(&item);
            return 0;
        }
    }
    return err_set(err, ERR_USAGE, "--static-fallback %s: there is no such file in %s",
                   files->fallback.data,
                   files->routes.count == 0 ? "a folder of --static, for there is none (give one)"
                                            : "the folders of --static (give the name of one)");
}

static int open_all(struct files *files, struct err *err)
{
    const struct files_setup *setup = &files->setup;
    if (files_folders_open(&files->routes, files, setup->routes, setup->route_count, "static",
                           err) < 0 ||
        files_folders_open(&files->sends, files, setup->sends, setup->send_count, "sendfile", err) <
            0)
        return -1;
    return check_fallback(files, err);
}

int files_new(struct files **out, const struct files_setup *setup, struct err *err)
{
    struct files *files = calloc(1, sizeof *files);
    must_have(files != NULL);
    pthread_mutex_init(&files->lock, NULL);
    files->setup = *setup;
    files->fallback = setup->fallback != NULL ? str_of(setup->fallback) : STR("");
    files->archive_time = time_of_archive(setup->archive);
    files->cache = files_cache_new();
    must_have(files->cache != NULL);
    if (setup->expires >= 1000)
        snprintf(files->cache_control, sizeof files->cache_control, "public, max-age=%" PRId64,
                 setup->expires / 1000);
    else
        snprintf(files->cache_control, sizeof files->cache_control, "no-cache");
    if (open_all(files, err) < 0) {
        files_free(files);
        return -1;
    }
    *out = files;
    return 0;
}

void files_free(struct files *files)
{
    if (files == NULL)
        return;
    files_folders_close(&files->routes);
    files_folders_close(&files->sends);
    files_cache_free(files->cache);
    pthread_mutex_destroy(&files->lock);
    free(files);
}

void files_complain(struct files *files, const char *format, ...)
{
    char text[512];
    int64_t now = clock_milliseconds();
    va_list arguments;
    pthread_mutex_lock(&files->lock);
    bool silent = files->complained_at != 0 && now - files->complained_at < COMPLAIN_AGAIN;
    unsigned left_out = files->complaints;
    files->complaints = silent ? left_out + 1 : 0;
    if (!silent)
        files->complained_at = now;
    pthread_mutex_unlock(&files->lock);
    if (silent)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (left_out > 0)
        log_warning("files", "%s (and %u more were not told)", text, left_out);
    else
        log_warning("files", "%s", text);
}

// --- Requests ---

// Of a route: a method of its own is refused there, and goes on to the application where the route
// is the whole site.
static bool takes(void *owner, const struct request *request)
{
    const struct files *files = owner;
    const struct request_head *head = request_head(request);
    struct files_path path;
    struct str rest, query;
    files_path_decode(&path, files_path_split(head->target, &query));
    const struct files_folder *folder = files_folders_find(&files->routes, &path, &rest);
    if (folder == NULL)
        return false;
    return folder->prefix.size > 0 || (path.kind == FILES_PATH_FINE && files_is_read(head));
}

// The request of one answer.
struct visit {
    struct files_reply reply;
    struct files_ask ask;
    struct files_folder *folder;
    struct files_path path;
    struct str rest; // of the path, in the folder
    struct str query;
};

static const char *cache_control_of(const struct files *files, struct str name)
{
    return files_mime_is_fingerprinted(files_path_name(name))
               ? "public, max-age=31536000, immutable"
               : files->cache_control;
}

// Not of what the application gets after all.
static void finish(struct visit *visit, bool answered)
{
    stats_count(visit->reply.files->setup.stats, STATS_static_requests, 1);
    if (answered)
        return;
    stats_count(visit->reply.files->setup.stats, STATS_static_errors, 1);
    request_fail(visit->reply.request, 500);
}

static bool send_name(struct visit *visit, struct str name, const char *cache_control,
                      unsigned *status)
{
    struct files *files = visit->reply.files;
    struct files_item item;
    *status = files_folder_find(files, visit->folder, name, &visit->ask, &item);
    if (*status != FILES_FOUND)
        return false;
    visit->reply.cache_control = cache_control;
    finish(visit, files_reply_item(&visit->reply, &item));
    return true;
}

// --- Folders ---

// "css/" and "" have the index of the folder; "css" is led there.
static bool has_index(struct visit *visit, struct str name)
{
    struct files_item item;
    char text[FILES_PATH_MAX + sizeof "/" INDEX];
    int size = snprintf(text, sizeof text, "%.*s%s" INDEX, (int)name.size, name.data,
                        name.size > 0 ? "/" : "");
    struct str index = {text, (size_t)size};
    if (files_folder_find(visit->reply.files, visit->folder, index, &visit->ask, &item) !=
        FILES_FOUND)
        return false;
    files_item_close(&item);
    return true;
}

// The decoded path, encoded again: so it begins with one slash, and is on this host.
static bool redirect(struct visit *visit)
{
    _buf_ struct buf location = BUF_INIT(LOCATION_MAX);
    struct str path = {visit->path.text, visit->path.size};
    if (files_path_encode(&location, path) < 0 || buf_append_str(&location, STR("/")) < 0 ||
        buf_append_str(&location, visit->query) < 0)
        return false;
    finish(visit, files_reply_status(&visit->reply, 301, STR("Location"), buf_str(&location)));
    return true;
}

static bool send_index(struct visit *visit, struct str name, unsigned *status)
{
    char text[FILES_PATH_MAX + sizeof INDEX];
    int size = snprintf(text, sizeof text, "%.*s" INDEX, (int)name.size, name.data);
    return send_name(visit, (struct str){text, (size_t)size}, visit->reply.files->cache_control,
                     status);
}

// --- Answers ---

// What a browser asks for when somebody follows a link: a page, by a path without an ending.
static bool is_navigation(const struct visit *visit)
{
    struct str name = files_path_name(visit->rest), accept = visit->reply.fields.accept;
    return accept.data != NULL && str_list_has(accept, STR("text/html")) &&
           (name.size == 0 || memchr(name.data, '.', name.size) == NULL);
}

static void refuse(struct visit *visit, unsigned status)
{
    struct str path = {visit->path.text, visit->path.size};
    if (status == 403 || status >= 500)
        files_complain(visit->reply.files, "%.*s: %s", (int)path.size, path.data,
                       status == 403   ? "may not be read (grant the right to the workers' user)"
                       : status == 503 ? "cannot be opened: too many files are open"
                                       : "cannot be read");
    bool varies = visit->reply.varies_by_accept;
    finish(visit, files_reply_status(&visit->reply, status, varies ? STR("Vary") : STR(""),
                                     varies ? STR("Accept") : STR("")));
}

// What there is no file for: the application's, if the route is the whole site.
static void miss(struct visit *visit, unsigned status)
{
    const struct files *files = visit->reply.files;
    unsigned other;
    bool is_missing = status == 404 || status == FILES_IS_FOLDER;
    visit->reply.varies_by_accept = is_missing && files->fallback.size > 0;
    if (visit->reply.varies_by_accept && is_navigation(visit) &&
        send_name(visit, files->fallback, "no-cache", &other))
        return;
    if (!is_missing || visit->folder->prefix.size > 0)
        refuse(visit, is_missing ? 404 : status);
}

static void look_up(struct visit *visit)
{
    struct str name = visit->rest;
    unsigned status;
    if (name.size > 0)
        name.data++, name.size--;
    bool is_folder = files_path_is_folder(visit->rest);
    if (is_folder ? send_index(visit, name, &status)
                  : send_name(visit, name, cache_control_of(visit->reply.files, name), &status))
        return;
    if (!is_folder && status == FILES_IS_FOLDER && has_index(visit, name) && redirect(visit))
        return;
    miss(visit, status);
}

static void answer(void *owner, struct request *request)
{
    struct files *files = owner;
    const struct request_head *head = request_head(request);
    struct visit visit = {
        .reply = {
            .files = files, .request = request, .head = head, .status = 200, .is_local = true}};
    files_path_decode(&visit.path, files_path_split(head->target, &visit.query));
    visit.folder = files_folders_find(&files->routes, &visit.path, &visit.rest);
    must(visit.folder != NULL);
    files_fields_take(&visit.reply.fields, head);
    visit.ask = (struct files_ask){&visit.reply.fields, head, clock_milliseconds()};
    if (!files_is_read(head))
        finish(&visit, files_reply_status(&visit.reply, 405, STR("Allow"), STR("GET, HEAD")));
    else if (visit.path.kind == FILES_PATH_MALFORMED)
        refuse(&visit, 400);
    else if (visit.path.kind == FILES_PATH_NOBODYS)
        refuse(&visit, 404);
    else
        look_up(&visit);
}

struct local files_local(struct files *files)
{
    return (struct local){.takes = takes, .answer = answer, .owner = files, .on_others = true};
}

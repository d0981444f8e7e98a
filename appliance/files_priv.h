// files_priv.h - what the parts of files.h share: folders, what is found in them, and the way from
// there to an answer.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "archive.h"
#include "buf.h"
#include "err.h"
#include "files.h"
#include "files_coding.h"
#include "files_condition.h"
#include "files_mime.h"
#include "files_path.h"
#include "files_range.h"
#include "request.h"
#include "str.h"

enum {
    FILES_NAME_MAX = 2 * FILES_PATH_MAX, // bytes of a name in a folder, with an ending and NUL
    FILES_ETAG_MAX = 48,
    FILES_KNOWN = 1024, // files whose siblings are remembered
};

// A route's.
struct files_folder {
    struct str prefix; // of its paths; in the settings
    // In the archive: its name there, "app/static"; archive is NULL on disk.
    const struct archive *archive;
    char *path;        // on disk: absolute, as it was given, without a '/' at its end
    int fd;            // of that path, which is looked at again each second; -1: in the archive
    int64_t looked_at; // monotonic milliseconds
};

struct files_folders {
    struct files_folder *items; // by falling length of their prefixes
    size_t count;
};

// What a name has beside itself.
struct files_known {
    uint64_t key;      // of its folder and name; 0: nobody's
    int64_t looked_at; // monotonic milliseconds
    unsigned siblings; // 1 << coding
};

struct files {
    struct files_setup setup;
    struct files_folders routes, sends;
    struct str fallback;
    int64_t archive_time; // of what is in the archive: Unix time, seconds
    char cache_control[48];
    struct files_cache *cache;
    pthread_mutex_t lock; // of known, and of folders that are looked at again
    struct files_known known[FILES_KNOWN];
    int64_t complained_at; // monotonic milliseconds
    unsigned complaints;   // that were left out since
};

// What was found, to be sent: a file on disk or a member.
struct files_item {
    const struct files_type *type;
    enum files_coding coding;
    bool varies;      // the answer depends on Accept-Encoding
    uint64_t size;    // bytes
    int64_t modified; // Unix time, seconds
    size_t etag_size;
    char etag[FILES_ETAG_MAX];
    int fd;                              // on disk, the item's; -1: a member
    const struct archive_member *member; // NULL: on disk
    bool is_wrapped; // the deflated member's bytes as they are, made to a gzip file
};

// Statuses of a search, beside those of HTTP.
enum { FILES_FOUND = 0, FILES_IS_FOLDER = 1 };

// --- files_folder.c ---

// All that routes name; base: what relative ones are relative to.
int files_folders_open(struct files_folders *folders, const struct files *files,
                       char *const *routes, size_t count, const char *option, struct err *err);
void files_folders_close(struct files_folders *folders);
// The first whose prefix a path is below; NULL: none. *rest: what is behind the prefix.
struct files_folder *files_folders_find(const struct files_folders *folders,
                                        const struct files_path *path, struct str *rest);
// Who asks, and when.
struct files_ask {
    const struct files_fields *fields;
    const struct request_head *head;
    int64_t now; // monotonic milliseconds
};

// A name in a folder ("css/main.css"), in the coding that the client likes best: FILES_FOUND, and
// the item is to be given back; FILES_IS_FOLDER; or the status that answers.
unsigned files_folder_find(struct files *files, struct files_folder *folder, struct str name,
                           const struct files_ask *ask, struct files_item *item);
void files_item_close(struct files_item *item);

// --- files_disk.c ---

// A folder's descriptor, for looking up alone.
int files_disk_open_folder(const char *path, struct err *err);
// If there is another folder at its path by now, go on with that. With the lock.
void files_disk_look_again(struct files_folder *folder, int64_t now);
// A regular file beneath the folder, for reading: FILES_FOUND, with descriptor, size and time;
// FILES_IS_FOLDER; or a status and errno.
unsigned files_disk_open(const struct files_folder *folder, const char *name,
                         struct files_item *item, int64_t *nanoseconds);
// A descriptor for reading, found step by step: links are followed that lead to something in the
// folder, absolute ones as well. real: the folder's path without links. -1: errno.
int files_disk_walk(int folder, const char *real, const char *name);

// --- files_archive.c ---

// FILES_FOUND, FILES_IS_FOLDER or 404.
unsigned files_archive_find(const struct files *files, const struct files_folder *folder,
                            const char *name, struct files_item *item);

// Bytes that are sent, and what they belong to.
struct files_bytes {
    struct str bytes;
    void (*release)(void *owner); // any thread; NULL: they stay
    void *owner;
};
// A member as the item wants it, in memory. 0; 1: it is too large for that; -1: damaged, or memory
// is short, which the log says.
int files_archive_bytes(struct files *files, const struct files_item *item,
                        struct files_bytes *out);
// Or piece by piece, from byte start on, size bytes: the response's source, its owner and release.
// -1: damaged, or memory is short.
int files_archive_stream(struct files *files, const struct files_item *item, uint64_t start,
                         uint64_t size, struct body_source *source, struct response *response);

// --- files_cache.c ---

// Members in another form than in the archive: the latest ones, up to a limit. Any thread.
struct files_cache *files_cache_new(void);
void files_cache_free(struct files_cache *cache);
// Held until it is given back. False: it is not here.
bool files_cache_find(struct files_cache *cache, const struct archive_member *member, bool wrapped,
                      struct files_bytes *out);
// Takes bytes of malloc, and gives them out as above.
void files_cache_put(struct files_cache *cache, const struct archive_member *member, bool wrapped,
                     char *data, size_t size, struct files_bytes *out);

// --- files_parts.c ---

// Several ranges of a representation (RFC 9110 section 14.6): their boundary, and how long the body
// is.
struct files_parts; // opaque

// bytes: the representation in memory; or a descriptor. Both are taken over, but not on failure
// (NULL). type must outlive it.
struct files_parts *files_parts_new(const struct files_ranges *ranges,
                                    const struct files_item *item, struct str type, int fd,
                                    const struct files_bytes *bytes);
// Before the first piece.
uint64_t files_parts_size(struct files_parts *parts);
const char *files_parts_boundary(const struct files_parts *parts);
int files_parts_next(void *parts, struct str *piece);
void files_parts_free(void *parts);

// --- files_send.c ---

struct files_reply {
    struct files *files;
    struct request *request;
    const struct request_head *head;
    struct files_fields fields;
    int64_t now;               // seconds since 1970, of the answer
    unsigned status;           // of the application's answer; 200
    bool is_local;             // nobody has written a head yet
    const char *cache_control; // NULL: not told
    bool varies_by_accept;     // the answer depends on Accept
};

// Answer with what was found, which is given back. False: out of memory.
bool files_reply_item(struct files_reply *reply, struct files_item *item);
// GET or HEAD.
bool files_is_read(const struct request_head *head);
// A short text; with a field beside, if name is not empty.
bool files_reply_status(struct files_reply *reply, unsigned status, struct str name,
                        struct str value);

// --- files.c ---

// A line of the log, one each second at most: how many were left out is told with the next one.
void files_complain(struct files *files, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

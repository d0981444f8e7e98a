// archive.h - the zip at the end of our own executable (packaging/FORMAT.md): found, checked and
// indexed once, read from the mapping. Immutable after archive_open, so any thread and any forked
// process may use it without a lock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

struct archive; // opaque

// One member. Names are relative, '/'-separated, without "." and ".." parts; directories have no
// entry of their own: they exist where a member's name passes through them.
struct archive_member {
    struct str name;        // in the mapping
    size_t size;            // bytes, inflated
    size_t stored_size;     // bytes, in the file
    uint64_t header_offset; // of its local header, from the file's start
    uint32_t crc32;
    bool deflated; // else stored
};

enum archive_kind { ARCHIVE_NOTHING, ARCHIVE_FILE, ARCHIVE_FOLDER };

// Map the file at path and index its archive. On success *out is the caller's, to be ended by
// archive_close. Errors: the file cannot be read; there is no archive or a damaged one ("PATH:
// damaged archive: ...").
int archive_open(struct archive **out, const char *path, struct err *err);
void archive_close(struct archive *archive);

// Of what has been read so far nothing needs to stay in memory: it is read again when it is wanted.
void archive_let_go(const struct archive *archive);

// The same on bytes in memory, which must stay valid: what archive_open does after mapping (and the
// fuzzer's way in).
int archive_index(struct archive **out, const void *data, size_t size, struct err *err);

// The path that archive_open was given, absolute and free of links ("" after archive_index).
const char *archive_path(const struct archive *archive);

// Bytes of the file that precede the archive: the bare executable.
size_t archive_offset(const struct archive *archive);

// Members are sorted by name (bytewise): the members of a folder are neighbours.
size_t archive_count(const struct archive *archive);
const struct archive_member *archive_at(const struct archive *archive, size_t index);

// The member of that very name, or NULL.
const struct archive_member *archive_find(const struct archive *archive, struct str name);

// What a name stands for. "" is the root folder; a trailing '/' is not taken.
enum archive_kind archive_kind_of(const struct archive *archive, struct str name);

// The direct children of a folder, one call each, in the members' order (a folder sorts as its name
// with a '/'), folders named once. *cursor starts at 0.
// Returns false when there are no more. *name is the child's own name (no '/').
bool archive_next_child(const struct archive *archive, struct str folder, size_t *cursor,
                        struct str *name, enum archive_kind *kind);

// The member's bytes where they are stored plainly (then *out points into the mapping, checked
// against the CRC at the first call only when check is true); -1 with an error for deflated or
// damaged ones.
int archive_view(const struct archive *archive, const struct archive_member *member, bool check,
                 struct str *out, struct err *err);

// A deflated member's bytes as they are in the mapping (RFC 1951), unchecked; -1 with an error for
// stored or damaged ones.
int archive_view_deflated(const struct archive *archive, const struct archive_member *member,
                          struct str *out, struct err *err);

// Copy or inflate the member into out (member->size bytes) and check its CRC.
int archive_read(const struct archive *archive, const struct archive_member *member, void *out,
                 struct err *err);

// files_path.h - from a request target to the name of a file below a folder, as text. Pure. What it
// gives out holds no dot segment, no empty or hidden one, no backslash and no control character, so
// it cannot lead out of a folder but by links.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "str.h"

enum { FILES_PATH_MAX = 1024 }; // bytes of a decoded path

// What a path is, the worst that is found in it.
enum files_path_kind {
    FILES_PATH_FINE,
    // It can be no file of ours: a segment that begins with '.', which are "." and "..", too; an
    // encoded slash, a backslash, a control character, bytes that are not UTF-8 (RFC 3629), a path
    // that is too long. Answered as a file that is not there, so that nothing can be learnt.
    FILES_PATH_NOBODYS,
    // A NUL, or a '%' that starts no octet (RFC 3986 section 2.1).
    FILES_PATH_MALFORMED,
};

struct files_path {
    enum files_path_kind kind;
    size_t size;
    size_t encoded_slash; // offset in text of the first '/' that was encoded; SIZE_MAX: none
    // Percent-decoded once, begins with '/', runs of slashes are one. Not the whole path where that
    // is too long. A NUL behind.
    char text[FILES_PATH_MAX + 1];
};

// The path of a request target, in origin form or absolute form (RFC 9112 section 3.2), as it came;
// "" where it has none ("*", "host:443"). *query: with its '?', or "".
struct str files_path_split(struct str target, struct str *query);

// Whether a path as it came is that one, which is decoded: unreserved characters and others may be
// encoded (RFC 3986 section 6.2.2.2), but no slash. Or is spelt as that one is.
bool files_path_is(struct str raw, struct str path);

// Decode and judge it; or judge one that is not encoded.
void files_path_decode(struct files_path *path, struct str raw);
void files_path_take(struct files_path *path, struct str text);

// What of a path lies below a prefix ("/static", "": all does): "" or from a '/' on. False: it is
// not below; an encoded slash separates nothing (RFC 3986 section 2.2), so "/static%2fa" is not.
bool files_path_strip(const struct files_path *path, struct str prefix, struct str *rest);

// Whether the path ends in a '/'.
bool files_path_is_folder(struct str path);

// Its last segment: "" behind a '/' at the end.
struct str files_path_name(struct str path);

// Append it, percent-encoded (RFC 3986 section 3.3). -1: there is no room.
int files_path_encode(struct buf *out, struct str path);

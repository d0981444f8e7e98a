// mount_priv.h - what the parts of the mount share: from a path to what it stands for in the
// archive, and the calls on that.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "archive.h"

struct mount_place {
    const struct archive *archive;
    struct timespec time; // of all there is in the archive
    enum archive_kind kind;
    int missing;                         // ARCHIVE_NOTHING: the errno value that says why
    const struct archive_member *member; // ARCHIVE_FILE
    struct str folder;                   // ARCHIVE_FOLDER: its name, in the archive ("": the root)
    uint64_t inode;                      // its number: unique, never 0
};

// True when the path lies below our executable's: *place is what it stands for. False: the path is
// the kernel's business. Allocates nothing; errno is left alone.
bool mount_locate(const char *path, struct mount_place *place);

// The number of the file or folder whose full name, in the archive's mapping, ends there.
uint64_t mount_inode(const struct archive *archive, const char *end);

// The calls of these names on a place: results and errno as theirs.
int mount_stat(const struct mount_place *place, struct stat *out);
int mount_access(const struct mount_place *place, int mode);
int mount_open(const struct mount_place *place, int flags);
FILE *mount_fopen(const struct mount_place *place, const char *mode);
int mount_readlink(const struct mount_place *place); // fails: nothing in an archive is a link
int mount_mkdir(const struct mount_place *place);    // fails: nothing can be made in it
int mount_xattr(const struct mount_place *place);    // fails: there are no extended attributes

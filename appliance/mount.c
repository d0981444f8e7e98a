// mount.c - the archive's members as files: what a path below our executable's stands for, how it
// is described and opened. The calls of the C library that lead here are wrapped in mount_wrap.c;
// folders are read in mount_folder.c.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "log.h"
#include "mount.h"
#include "mount_priv.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U // Linux 6.3
#endif

enum {
    MOUNT_DEVICE = 0x4c501,    // st_dev: odd, and not one of the kernel's
    MOUNT_BLOCK = 4096,        // st_blksize, bytes
    TIME_EARLIEST = 315532800, // 1980-01-01 00:00:00 UTC: what is older, zip cannot tell
    WRITE_FLAGS = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC,
};

// What is mounted. The prefix is the executable's path and a '/'.
struct mount {
    const struct archive *archive;
    struct timespec time; // every member's: see executable_time
    size_t prefix_size;
    char prefix[];
};
static struct mount *mounted;

// When the executable was put where it is. The times in the archive are all alike, so that the same
// input gives the same bytes. As times of files they would have browsers keep for good what they
// once loaded: validators (Last-Modified, and ETag in most frameworks) are made of a file's time
// and size.
static struct timespec executable_time(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0 || status.st_mtim.tv_sec < TIME_EARLIEST)
        return (struct timespec){.tv_sec = TIME_EARLIEST};
    return status.st_mtim;
}

void mount_archive(const struct archive *archive)
{
    struct mount *next = NULL;
    if (archive != NULL) {
        size_t size = strlen(archive_path(archive));
        next = malloc(sizeof *next + size + 2);
        must(size > 0);
        must_have(next != NULL);
        next->archive = archive;
        next->time = executable_time(archive_path(archive));
        next->prefix_size = size + 1;
        memcpy(next->prefix, archive_path(archive), size);
        memcpy(next->prefix + size, "/", 2);
    }
    free(__atomic_exchange_n(&mounted, next, __ATOMIC_ACQ_REL));
}

const char *mount_prefix(void)
{
    const struct mount *mount = __atomic_load_n(&mounted, __ATOMIC_ACQUIRE);
    return mount != NULL ? mount->prefix : NULL;
}

// --- From a path to a place ---

// A path below the executable with its "//", "." and ".." resolved by the text alone: there are no
// links in an archive.
struct normal {
    char text[PATH_MAX];
    size_t size;
    bool wants_folder; // ended in "/", "." or ".."
};

enum normalised { NORMAL, NORMAL_TOO_LONG, NORMAL_OUTSIDE };

static enum normalised add_part(struct normal *normal, const char *part, size_t size)
{
    bool up = size == 2 && part[0] == '.' && part[1] == '.';
    normal->wants_folder = up || size == 0 || (size == 1 && part[0] == '.');
    if (up && normal->size == 0)
        return NORMAL_OUTSIDE;
    if (up) {
        const char *slash = memrchr(normal->text, '/', normal->size);
        normal->size = slash == NULL ? 0 : (size_t)(slash - normal->text);
    }
    if (normal->wants_folder)
        return NORMAL;
    if (normal->size + 1 + size >= sizeof normal->text)
        return NORMAL_TOO_LONG;
    if (normal->size > 0)
        normal->text[normal->size++] = '/';
    memcpy(normal->text + normal->size, part, size);
    normal->size += size;
    return NORMAL;
}

static enum normalised normalise(const char *path, struct normal *normal)
{
    normal->size = 0;
    for (;;) {
        size_t size = strcspn(path, "/");
        enum normalised result = add_part(normal, path, size);
        if (result != NORMAL || path[size] == '\0')
            return result;
        path += size + 1;
    }
}

// Why there is nothing of that name: a part before its last is a file, or there is no such thing.
static int missing_reason(const struct archive *archive, struct str name)
{
    for (size_t i = 1; i < name.size; i++) {
        if (name.data[i] == '/' && archive_find(archive, (struct str){name.data, i}) != NULL)
            return ENOTDIR;
    }
    return ENOENT;
}

// A number that is not taken from a table: where in the archive the full name ends.
uint64_t mount_inode(const struct archive *archive, const char *end)
{
    return (uint64_t)(end - archive_at(archive, 0)->name.data) + 1;
}

// A folder has no entry of its own: its name is the beginning of its first child's.
static void locate_folder(struct mount_place *place, struct str name)
{
    size_t cursor = 0;
    struct str child;
    enum archive_kind kind;
    place->folder = STR("");
    place->inode = 1;
    if (name.size == 0)
        return;
    bool found = archive_next_child(place->archive, name, &cursor, &child, &kind);
    must(found);
    const char *end = child.data - 1;
    place->folder = (struct str){end - name.size, name.size};
    place->inode = mount_inode(place->archive, end);
}

static void locate_name(struct mount_place *place, struct str name, bool wants_folder)
{
    place->kind = archive_kind_of(place->archive, name);
    if (place->kind == ARCHIVE_FILE && wants_folder) {
        place->kind = ARCHIVE_NOTHING;
        place->missing = ENOTDIR;
    } else if (place->kind == ARCHIVE_NOTHING) {
        place->missing = missing_reason(place->archive, name);
    } else if (place->kind == ARCHIVE_FILE) {
        place->member = archive_find(place->archive, name);
        struct str own = place->member->name;
        place->inode = mount_inode(place->archive, own.data + own.size);
    } else {
        locate_folder(place, name);
    }
}

bool mount_locate(const char *path, struct mount_place *place)
{
    const struct mount *mount = __atomic_load_n(&mounted, __ATOMIC_ACQUIRE);
    if (mount == NULL || strncmp(path, mount->prefix, mount->prefix_size) != 0)
        return false;
    struct normal normal;
    enum normalised result = normalise(path + mount->prefix_size, &normal);
    if (result == NORMAL_OUTSIDE)
        return false;
    *place = (struct mount_place){
        .archive = mount->archive, .time = mount->time, .missing = ENAMETOOLONG};
    if (result == NORMAL)
        locate_name(place, (struct str){normal.text, normal.size}, normal.wants_folder);
    return true;
}

// --- Describing ---

static int fail(int errnum)
{
    errno = errnum;
    return -1;
}

int mount_stat(const struct mount_place *place, struct stat *out)
{
    if (place->kind == ARCHIVE_NOTHING)
        return fail(place->missing);
    memset(out, 0, sizeof *out);
    out->st_dev = MOUNT_DEVICE;
    out->st_ino = (ino_t)place->inode;
    out->st_mode = place->kind == ARCHIVE_FILE ? S_IFREG | 0444 : S_IFDIR | 0555;
    out->st_nlink = 1;
    out->st_uid = geteuid();
    out->st_gid = getegid();
    out->st_size = place->kind == ARCHIVE_FILE ? (off_t)place->member->size : 0;
    out->st_blksize = MOUNT_BLOCK;
    out->st_blocks = (out->st_size + 511) / 512;
    out->st_atim = out->st_mtim = out->st_ctim = place->time;
    return 0;
}

int mount_access(const struct mount_place *place, int mode)
{
    if (place->kind == ARCHIVE_NOTHING)
        return fail(place->missing);
    if ((mode & W_OK) != 0)
        return fail(EROFS);
    if ((mode & X_OK) != 0 && place->kind == ARCHIVE_FILE)
        return fail(EACCES);
    return 0;
}

int mount_readlink(const struct mount_place *place)
{
    return fail(place->kind == ARCHIVE_NOTHING ? place->missing : EINVAL);
}

int mount_mkdir(const struct mount_place *place)
{
    if (place->kind != ARCHIVE_NOTHING)
        return fail(EEXIST);
    return fail(place->missing == ENOENT ? EROFS : place->missing);
}

// Copying a file asks for these, and takes this answer as that there are none.
int mount_xattr(const struct mount_place *place)
{
    return fail(place->kind == ARCHIVE_NOTHING ? place->missing : ENOTSUP);
}

// --- Opening ---

static int write_all(int fd, struct str bytes)
{
    size_t done = 0;
    while (done < bytes.size) {
        ssize_t count = pwrite(fd, bytes.data + done, bytes.size - done, (off_t)done);
        if (count < 0 && errno != EINTR)
            return -1;
        if (count > 0)
            done += (size_t)count;
    }
    return 0;
}

// The member's content into fd. An errno value has no room for what is damaged: the log tells.
static int copy_member(const struct mount_place *place, int fd)
{
    struct err err;
    struct str bytes;
    _free_ char *inflated = NULL;
    int status;
    if (place->member->deflated) {
        inflated = malloc(place->member->size + 1);
        if (inflated == NULL)
            return fail(ENOMEM);
        bytes = (struct str){inflated, place->member->size};
        status = archive_read(place->archive, place->member, inflated, &err);
    } else {
        status = archive_view(place->archive, place->member, true, &bytes, &err);
    }
    if (status < 0) {
        log_error("mount", "%s: %s", archive_path(place->archive), err.text);
        return fail(EIO);
    }
    return write_all(fd, bytes);
}

static int make_memfd(unsigned flags)
{
    // Without a word on executability newer kernels grumble, or refuse; older ones do not know it.
    int fd = memfd_create("limpet", flags | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("limpet", flags | MFD_ALLOW_SEALING);
    return fd;
}

static int open_member(const struct mount_place *place, int flags)
{
    const struct timespec times[2] = {place->time, place->time};
    _close_ int fd = make_memfd((flags & O_CLOEXEC) != 0 ? MFD_CLOEXEC : 0);
    if (fd < 0 || copy_member(place, fd) < 0)
        return -1;
    // fstat says of the descriptor what stat says of the path, save for numbers that only the
    // kernel gives.
    if (futimens(fd, times) < 0 || fchmod(fd, 0444) < 0)
        return -1;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return -1;
    return steal_fd(&fd);
}

// A folder cannot be opened: no descriptor could stand for it. EISDIR is what Python's open() makes
// of any folder; whoever asks for a folder's descriptor learns that there are none here.
int mount_open(const struct mount_place *place, int flags)
{
    bool missing = place->kind == ARCHIVE_NOTHING;
    if ((flags & WRITE_FLAGS) != 0 && !(missing && (flags & O_CREAT) == 0))
        return fail(EROFS);
    if (missing)
        return fail(place->missing);
    if (place->kind == ARCHIVE_FOLDER)
        return fail((flags & (O_DIRECTORY | O_PATH)) != 0 ? ENOTSUP : EISDIR);
    if ((flags & O_DIRECTORY) != 0)
        return fail(ENOTDIR);
    return open_member(place, flags);
}

FILE *mount_fopen(const struct mount_place *place, const char *mode)
{
    if (strchr("rwa", mode[0]) == NULL || mode[0] == '\0') {
        errno = EINVAL;
        return NULL;
    }
    int flags = mode[0] != 'r' ? O_WRONLY | O_CREAT : strchr(mode, '+') != NULL ? O_RDWR : O_RDONLY;
    if (strchr(mode, 'e') != NULL)
        flags |= O_CLOEXEC;
    _close_ int fd = mount_open(place, flags);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (file != NULL)
        steal_fd(&fd);
    return file;
}

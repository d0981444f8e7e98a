// mount_folder.c - reading the archive's folders: opendir and its kin, wrapped as in mount_wrap.c.
// A DIR is opaque, so that ours cannot carry a mark which none of the C library's could have. Ours
// are told apart by their address instead: they lie in one fixed table, and comparing with its
// bounds looks into nothing. As descriptors are, folders open at a time are limited.
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "mount_priv.h"

enum { FOLDERS_MAX = 1024 }; // open at a time; memory is touched by those in use only

struct folder {
    bool used; // taken and given back atomically
    const struct archive *archive;
    struct str name;
    size_t cursor; // archive_next_child's, and what telldir says
    struct dirent entry;
};
static struct folder folders[FOLDERS_MAX];

// Ours, or NULL for the C library's.
static struct folder *own_folder(DIR *stream)
{
    uintptr_t offset = (uintptr_t)stream - (uintptr_t)folders;
    if (offset >= sizeof folders)
        return NULL;
    struct folder *folder = &folders[offset / sizeof *folder];
    must(offset % sizeof *folder == 0 && __atomic_load_n(&folder->used, __ATOMIC_RELAXED));
    return folder;
}

static DIR *open_folder(const struct mount_place *place)
{
    if (place->kind != ARCHIVE_FOLDER) {
        errno = place->kind == ARCHIVE_FILE ? ENOTDIR : place->missing;
        return NULL;
    }
    for (size_t i = 0; i < FOLDERS_MAX; i++) {
        struct folder *folder = &folders[i];
        if (__atomic_test_and_set(&folder->used, __ATOMIC_ACQUIRE))
            continue;
        folder->archive = place->archive;
        folder->name = place->folder;
        folder->cursor = 0;
        return (DIR *)(void *)folder;
    }
    errno = EMFILE;
    return NULL;
}

// The next child, or NULL at the end. "." and ".." are left out: POSIX allows it, nobody misses
// them.
static struct dirent *read_folder(struct folder *folder)
{
    struct str name;
    enum archive_kind kind;
    struct dirent *entry = &folder->entry;
    if (!archive_next_child(folder->archive, folder->name, &folder->cursor, &name, &kind))
        return NULL;
    must(name.size < sizeof entry->d_name);
    entry->d_ino = (ino_t)mount_inode(folder->archive, name.data + name.size);
    entry->d_off = (off_t)folder->cursor;
    entry->d_reclen = sizeof *entry;
    entry->d_type = kind == ARCHIVE_FOLDER ? DT_DIR : DT_REG;
    memcpy(entry->d_name, name.data, name.size);
    entry->d_name[name.size] = '\0';
    return entry;
}

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path)
{
    struct mount_place place;
    return mount_locate(path, &place) ? open_folder(&place) : __real_opendir(path);
}

int __real_closedir(DIR *stream);
int __wrap_closedir(DIR *stream);
int __wrap_closedir(DIR *stream)
{
    struct folder *folder = own_folder(stream);
    if (folder == NULL)
        return __real_closedir(stream);
    __atomic_clear(&folder->used, __ATOMIC_RELEASE);
    return 0;
}

struct dirent *__real_readdir(DIR *stream);
struct dirent *__wrap_readdir(DIR *stream);
struct dirent *__wrap_readdir(DIR *stream)
{
    struct folder *folder = own_folder(stream);
    return folder != NULL ? read_folder(folder) : __real_readdir(stream);
}

#ifdef __GLIBC__
// readdir under _FILE_OFFSET_BITS=64; the structs are the same there (see mount_wrap.c).
struct dirent *__real_readdir64(DIR *stream);
struct dirent *__wrap_readdir64(DIR *stream);
struct dirent *__wrap_readdir64(DIR *stream)
{
    struct folder *folder = own_folder(stream);
    return folder != NULL ? read_folder(folder) : __real_readdir64(stream);
}
#endif

long __real_telldir(DIR *stream);
long __wrap_telldir(DIR *stream);
long __wrap_telldir(DIR *stream)
{
    struct folder *folder = own_folder(stream);
    return folder != NULL ? (long)folder->cursor : __real_telldir(stream);
}

void __real_seekdir(DIR *stream, long position);
void __wrap_seekdir(DIR *stream, long position);
void __wrap_seekdir(DIR *stream, long position)
{
    struct folder *folder = own_folder(stream);
    if (folder == NULL)
        __real_seekdir(stream, position);
    else
        folder->cursor = (size_t)position;
}

void __real_rewinddir(DIR *stream);
void __wrap_rewinddir(DIR *stream);
void __wrap_rewinddir(DIR *stream)
{
    struct folder *folder = own_folder(stream);
    if (folder == NULL)
        __real_rewinddir(stream);
    else
        folder->cursor = 0;
}

int __real_dirfd(DIR *stream);
int __wrap_dirfd(DIR *stream);
int __wrap_dirfd(DIR *stream)
{
    if (own_folder(stream) == NULL)
        return __real_dirfd(stream);
    errno = ENOTSUP; // no descriptor could stand for it: see mount_open
    return -1;
}

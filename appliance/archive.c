// archive.c - maps the zip behind our own executable, and gives names, folders and content out of
// it. The check and the index are archive_index.c; that members look like files is mount.c.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zlib.h>

#include "archive_priv.h"
#include "check.h"
#include "cleanup.h"

static int index_bytes(struct archive **out, const void *data, size_t size, const char *path,
                       struct err *err)
{
    struct archive *archive = calloc(1, sizeof *archive);
    must_have(archive != NULL);
    archive->data = data;
    archive->size = size;
    archive->path = strdup(path);
    must_have(archive->path != NULL);
    if (archive_build_index(archive, err) < 0) {
        archive_close(archive);
        return -1;
    }
    *out = archive;
    return 0;
}

int archive_index(struct archive **out, const void *data, size_t size, struct err *err)
{
    return index_bytes(out, data, size, "", err);
}

// Map the whole file for reading. The mapping is the caller's.
static int map_file(const char *path, void **out, size_t *out_size, struct err *err)
{
    _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return err_system(err, errno, "%s", path);
    if (!S_ISREG(status.st_mode))
        return err_set(err, ERR_FAILED, "%s: not a file", path);
    if (status.st_size == 0)
        return err_set(err, ERR_FAILED, "%s: no archive: the file is empty", path);
    if ((uint64_t)status.st_size > SIZE_MAX)
        return err_system(err, EFBIG, "%s", path);
    void *mapping = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapping == MAP_FAILED)
        return err_system(err, errno, "%s", path);
    *out = mapping;
    *out_size = (size_t)status.st_size;
    return 0;
}

int archive_open(struct archive **out, const char *path, struct err *err)
{
    // Links are resolved: programs find their own files by paths that they resolve too.
    _free_ char *canonical = realpath(path, NULL);
    void *mapping = NULL;
    size_t size = 0;
    if (canonical == NULL)
        return err_system(err, errno, "%s", path);
    if (map_file(canonical, &mapping, &size, err) < 0)
        return -1;
    if (index_bytes(out, mapping, size, canonical, err) < 0) {
        munmap(mapping, size);
        return err_wrap(err, "%s", path);
    }
    (*out)->mapping = mapping;
    return 0;
}

void archive_close(struct archive *archive)
{
    if (archive == NULL)
        return;
    if (archive->mapping != NULL)
        munmap(archive->mapping, archive->size);
    free(archive->path);
    free(archive->members);
    free(archive->verified);
    free(archive);
}

void archive_let_go(const struct archive *archive)
{
    if (archive->mapping != NULL)
        madvise(archive->mapping, archive->size, MADV_DONTNEED);
}

// --- Look-up ---

const char *archive_path(const struct archive *archive)
{
    return archive->path;
}

size_t archive_offset(const struct archive *archive)
{
    return archive->offset;
}

size_t archive_count(const struct archive *archive)
{
    return archive->count;
}

const struct archive_member *archive_at(const struct archive *archive, size_t index)
{
    must(index < archive->count);
    return &archive->members[index];
}

int archive_compare_names(struct str a, struct str b)
{
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

// Where a name sorts relative to all that lies in the folder: 0 for what does.
static int compare_with_folder(struct str name, struct str folder)
{
    if (folder.size == 0)
        return 0;
    if (name.size <= folder.size) {
        int order = memcmp(name.data, folder.data, name.size);
        return order != 0 ? order : -1;
    }
    int order = memcmp(name.data, folder.data, folder.size);
    return order != 0 ? order : (unsigned char)name.data[folder.size] - '/';
}

const struct archive_member *archive_find(const struct archive *archive, struct str name)
{
    size_t low = 0, high = name.size > 0 ? archive->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = archive_compare_names(archive->members[middle].name, name);
        if (order == 0)
            return &archive->members[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

// Index of the first member, from low on, that sorts behind the folder's content, or (behind =
// false) not before it.
static size_t folder_bound(const struct archive *archive, struct str folder, size_t low,
                           bool behind)
{
    size_t high = archive->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_with_folder(archive->members[middle].name, folder);
        if (order < 0 || (behind && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum archive_kind archive_kind_of(const struct archive *archive, struct str name)
{
    if (name.size == 0)
        return ARCHIVE_FOLDER;
    if (archive_find(archive, name) != NULL)
        return ARCHIVE_FILE;
    size_t index = folder_bound(archive, name, 0, false);
    if (index < archive->count && compare_with_folder(archive->members[index].name, name) == 0)
        return ARCHIVE_FOLDER;
    return ARCHIVE_NOTHING;
}

bool archive_next_child(const struct archive *archive, struct str folder, size_t *cursor,
                        struct str *name, enum archive_kind *kind)
{
    // The cursor is one more than the index of the member to look at, so that 0 can mean the start.
    size_t index = *cursor > 0 ? *cursor - 1 : folder_bound(archive, folder, 0, false);
    if (index >= archive->count || compare_with_folder(archive->members[index].name, folder) != 0)
        return false;
    struct str full = archive->members[index].name;
    size_t start = folder.size > 0 ? folder.size + 1 : 0;
    const char *slash = memchr(full.data + start, '/', full.size - start);
    struct str child = {full.data, slash == NULL ? full.size : (size_t)(slash - full.data)};
    size_t next = slash == NULL ? index + 1 : folder_bound(archive, child, index, true);
    *kind = slash == NULL ? ARCHIVE_FILE : ARCHIVE_FOLDER;
    *name = (struct str){full.data + start, child.size - start};
    *cursor = next + 1;
    return true;
}

// --- Content ---

// The member's stored bytes, once its local header has proved to say what the directory does.
static int stored_bytes(const struct archive *archive, const struct archive_member *member,
                        const unsigned char **out, struct err *err)
{
    must(member >= archive->members && member < archive->members + archive->count);
    const unsigned char *local = archive->data + member->header_offset;
    uint16_t method = member->deflated ? ZIP_DEFLATED : ZIP_STORED;
    bool agrees = zip_32(local) == ZIP_LOCAL_SIGNATURE &&
                  (zip_16(local + 6) & ~ZIP_FLAG_UTF8) == 0 && zip_16(local + 8) == method &&
                  zip_32(local + 14) == member->crc32 &&
                  zip_32(local + 18) == member->stored_size && zip_32(local + 22) == member->size &&
                  zip_16(local + 26) == member->name.size && zip_16(local + 28) == 0 &&
                  memcmp(local + ZIP_LOCAL_SIZE, member->name.data, member->name.size) == 0;
    if (!agrees)
        return archive_damaged(err, member->name, "its header does not agree with the directory");
    *out = local + ZIP_LOCAL_SIZE + member->name.size;
    return 0;
}

static int check_sum(const struct archive_member *member, const void *bytes, struct err *err)
{
    if (crc32_z(0, bytes, member->size) != member->crc32)
        return archive_damaged(err, member->name, "wrong check sum");
    return 0;
}

int archive_view(const struct archive *archive, const struct archive_member *member, bool check,
                 struct str *out, struct err *err)
{
    const unsigned char *stored;
    if (member->deflated)
        return err_set(err, ERR_FAILED, "%.*s: is deflated: read it instead",
                       (int)member->name.size, member->name.data);
    if (stored_bytes(archive, member, &stored, err) < 0)
        return -1;
    // Two threads may both find it unverified: they check twice and agree.
    unsigned char *verified = &archive->verified[member - archive->members];
    if (check && !__atomic_load_n(verified, __ATOMIC_RELAXED)) {
        if (check_sum(member, stored, err) < 0)
            return -1;
        __atomic_store_n(verified, 1, __ATOMIC_RELAXED);
    }
    *out = (struct str){(const char *)stored, member->size};
    return 0;
}

int archive_view_deflated(const struct archive *archive, const struct archive_member *member,
                          struct str *out, struct err *err)
{
    const unsigned char *stored;
    if (!member->deflated)
        return err_set(err, ERR_FAILED, "%.*s: is not deflated", (int)member->name.size,
                       member->name.data);
    if (stored_bytes(archive, member, &stored, err) < 0)
        return -1;
    *out = (struct str){(const char *)stored, member->stored_size};
    return 0;
}

static int inflate_member(const struct archive_member *member, const unsigned char *stored,
                          void *out, struct err *err)
{
    unsigned char nothing;
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)stored,
                       .avail_in = (uInt)member->stored_size,
                       .next_out = member->size > 0 ? out : &nothing,
                       .avail_out = (uInt)member->size};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return err_system(err, ENOMEM, "%.*s", (int)member->name.size, member->name.data);
    int status = inflate(&stream, Z_FINISH);
    bool whole = status == Z_STREAM_END && stream.avail_in == 0 && stream.avail_out == 0;
    inflateEnd(&stream);
    return whole ? 0 : archive_damaged(err, member->name, "does not inflate to its size");
}

int archive_read(const struct archive *archive, const struct archive_member *member, void *out,
                 struct err *err)
{
    const unsigned char *stored;
    if (stored_bytes(archive, member, &stored, err) < 0)
        return -1;
    if (member->deflated && inflate_member(member, stored, out, err) < 0)
        return -1;
    if (!member->deflated && member->size > 0)
        memcpy(out, stored, member->size);
    return check_sum(member, out, err);
}

// archive_index.c - checks the zip and builds its index. Nothing in the file is trusted: there is
// an index only when every count, offset and name holds. packaging/FORMAT.md is strict, so that
// there is one way to read a file, and no room in the archive for hidden bytes.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "archive_priv.h"
#include "utf8.h"

enum {
    NAME_MAX_BYTES = 1024,
    PART_MAX_BYTES = 255, // what a directory entry holds
    SHOWN_NAME = 200,     // bytes of a name in a message
    // Deflate makes at most 1032 bytes out of one: a size beyond that is a lie, told before memory
    // is asked for.
    INFLATE_RATIO_MAX = 1032,
};

// --- The executable in front ---

// Where an ELF header keeps what tells the file's end (System V ABI, chapter 4).
struct elf_layout {
    size_t size;
    size_t table_offset; // of e_shoff, an address wide
    size_t entry_size;   // of e_shentsize; e_shnum is next
    bool wide;
};
static const struct elf_layout elf_32 = {52, 32, 46, false}, elf_64 = {64, 40, 58, true};

// Bytes of the executable: linkers and strip write its section header table last. 0 when it is no
// ELF file: a plain zip is an archive too.
static int executable_size(const struct archive *archive, uint64_t *out, struct err *err)
{
    const unsigned char *data = archive->data;
    *out = 0;
    if (archive->size < 6 || memcmp(data, "\177ELF", 4) != 0)
        return 0;
    const struct elf_layout *layout = data[4] == 2 ? &elf_64 : &elf_32;
    if (data[4] < 1 || data[4] > 2 || data[5] != 1)
        return err_set(err, ERR_FAILED, "not a little-endian executable");
    if (archive->size < layout->size)
        return err_set(err, ERR_FAILED, "no archive: truncated within the executable's header");
    const unsigned char *field = data + layout->table_offset;
    uint64_t table = layout->wide ? zip_64(field) : zip_32(field);
    const unsigned char *entry = data + layout->entry_size;
    uint64_t size = (uint64_t)zip_16(entry) * zip_16(entry + 2);
    if (table > archive->size || size > archive->size - table)
        return err_set(err, ERR_FAILED,
                       "no archive: the file has %zu bytes, its executable alone more (truncated?)",
                       archive->size);
    *out = table + size > layout->size ? table + size : layout->size;
    return 0;
}

// --- The index ---

static int damaged(struct err *err, const char *what)
{
    return err_set(err, ERR_FAILED, "damaged archive: %s", what);
}

int archive_damaged(struct err *err, struct str name, const char *what)
{
    int shown = name.size > SHOWN_NAME ? SHOWN_NAME : (int)name.size;
    return err_set(err, ERR_FAILED, "damaged archive: %.*s: %s", shown, name.data, what);
}

// The end record: only at the very end, without a comment.
static int read_end(struct archive *archive, struct err *err)
{
    uint64_t executable;
    if (executable_size(archive, &executable, err) < 0)
        return -1;
    if (archive->size == executable)
        return err_set(err, ERR_FAILED, "no archive behind the executable (truncated?)");
    bool room = archive->size - executable >= ZIP_END_SIZE;
    const unsigned char *end = archive->data + (room ? archive->size - ZIP_END_SIZE : 0);
    if (!room || zip_32(end) != ZIP_END_SIGNATURE || zip_16(end + 20) != 0)
        return err_set(err, ERR_FAILED, "%s: the file does not end with an end record (%s)",
                       executable > 0 ? "damaged archive" : "no archive",
                       "truncated, or appended to?");
    uint16_t count = zip_16(end + 10);
    uint32_t size = zip_32(end + 12), offset = zip_32(end + 16);
    if (count == UINT16_MAX || size == UINT32_MAX || offset == UINT32_MAX)
        return damaged(err, "zip64 and offsets of 4 GB or more are not supported");
    if (zip_16(end + 4) != 0 || zip_16(end + 6) != 0 || zip_16(end + 8) != count)
        return damaged(err, "the end record speaks of several disks");
    if (offset < executable || (uint64_t)offset + size != archive->size - ZIP_END_SIZE)
        return damaged(err, "the directory does not lie between the executable and the end record");
    if (size / ZIP_ENTRY_SIZE < count)
        return damaged(err, "the directory is too small for its number of members");
    archive->directory = offset;
    archive->offset = (size_t)executable;
    archive->count = count;
    return 0;
}

static bool good_part(const char *part, size_t size)
{
    bool dots = (size == 1 && part[0] == '.') || (size == 2 && part[0] == '.' && part[1] == '.');
    return size > 0 && size <= PART_MAX_BYTES && !dots;
}

static bool good_name(struct str name)
{
    size_t part = 0;
    if (name.size == 0 || name.size > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0, length; i < name.size; i += length) {
        length = utf8_size((struct str){name.data + i, name.size - i});
        if (length == 0 || name.data[i] == '\0' || name.data[i] == '\\')
            return false;
        if (name.data[i] != '/')
            continue;
        if (!good_part(name.data + part, i - part))
            return false;
        part = i + 1;
    }
    return good_part(name.data + part, name.size - part);
}

// What FORMAT.md rules out in an entry of the directory; NULL when there is nothing.
static const char *entry_fault(const unsigned char *entry, const struct archive_member *member)
{
    uint16_t method = zip_16(entry + 10);
    if ((zip_16(entry + 8) & ~ZIP_FLAG_UTF8) != 0)
        return "encrypted or otherwise unsupported";
    if (method != ZIP_STORED && method != ZIP_DEFLATED)
        return "neither stored nor deflated";
    if (zip_16(entry + 30) != 0 || zip_16(entry + 32) != 0 || zip_16(entry + 34) != 0)
        return "its entry has extra fields or a comment";
    if (method == ZIP_STORED && member->size != member->stored_size)
        return "stored, but of two sizes";
    if (method == ZIP_DEFLATED && member->size / INFLATE_RATIO_MAX > member->stored_size)
        return "its size is impossible";
    if (zip_32(entry + 42) != member->header_offset)
        return "not where the member before it ends";
    return NULL;
}

// One entry of the directory, at *position, which moves behind it. header_offset is where the
// member has to be.
static int read_entry(const struct archive *archive, size_t *position, uint64_t header_offset,
                      struct archive_member *member, struct err *err)
{
    const unsigned char *entry = archive->data + *position;
    size_t room = archive->size - ZIP_END_SIZE - *position;
    if (room < ZIP_ENTRY_SIZE || zip_32(entry) != ZIP_ENTRY_SIGNATURE ||
        zip_16(entry + 28) > room - ZIP_ENTRY_SIZE)
        return err_set(err, ERR_FAILED, "damaged archive: no directory entry at offset %zu",
                       *position);
    struct str name = {(const char *)entry + ZIP_ENTRY_SIZE, zip_16(entry + 28)};
    if (!good_name(name))
        return err_set(err, ERR_FAILED, "damaged archive: bad member name at offset %zu",
                       *position + ZIP_ENTRY_SIZE);
    *position += ZIP_ENTRY_SIZE + name.size;
    *member = (struct archive_member){.name = name,
                                      .crc32 = zip_32(entry + 16),
                                      .stored_size = zip_32(entry + 20),
                                      .size = zip_32(entry + 24),
                                      .header_offset = header_offset,
                                      .deflated = zip_16(entry + 10) == ZIP_DEFLATED};
    const char *fault = entry_fault(entry, member);
    return fault == NULL ? 0 : archive_damaged(err, name, fault);
}

// A name cannot be a member and a folder too. Sorted, a folder's members are neighbours: only the
// folders that the previous name does not share are new.
static int check_folders(const struct archive *archive, size_t index, struct err *err)
{
    struct str name = archive->members[index].name;
    struct str before = index > 0 ? archive->members[index - 1].name : STR("");
    size_t shared = 0;
    while (shared < name.size && shared < before.size && name.data[shared] == before.data[shared])
        shared++;
    for (size_t i = shared; i < name.size; i++) {
        if (name.data[i] == '/' && archive_find(archive, (struct str){name.data, i}) != NULL)
            return archive_damaged(err, name, "below a member that is no folder");
    }
    return 0;
}

static int read_members(struct archive *archive, struct err *err)
{
    size_t position = archive->directory;
    uint64_t next = archive->directory;
    if (archive->count > 0) {
        next = zip_32(archive->data + position + 42);
        if (next < archive->offset)
            return damaged(err, "its first member lies in the executable");
        archive->offset = (size_t)next;
    } else {
        archive->offset = archive->directory;
    }
    for (size_t i = 0; i < archive->count; i++) {
        struct archive_member *member = &archive->members[i];
        if (read_entry(archive, &position, next, member, err) < 0)
            return -1;
        next += (uint64_t)ZIP_LOCAL_SIZE + member->name.size + member->stored_size;
        if (next > archive->directory)
            return archive_damaged(err, member->name, "reaches into the directory");
        if (i > 0 && archive_compare_names(archive->members[i - 1].name, member->name) >= 0)
            return archive_damaged(err, member->name, "out of order, or twice there");
    }
    if (next != archive->directory || position != archive->size - ZIP_END_SIZE)
        return damaged(err, "there are bytes that belong to no member");
    for (size_t i = 0; i < archive->count; i++) {
        if (check_folders(archive, i, err) < 0)
            return -1;
    }
    return 0;
}

int archive_build_index(struct archive *archive, struct err *err)
{
    if (read_end(archive, err) < 0)
        return -1;
    archive->members = calloc(archive->count + 1, sizeof *archive->members);
    archive->verified = calloc(archive->count + 1, 1);
    if (archive->members == NULL || archive->verified == NULL)
        return err_system(err, ENOMEM, "index of %zu members", archive->count);
    return read_members(archive, err);
}

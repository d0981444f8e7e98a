// fuzz_archive.c - any bytes as an appliance file: index them; when that succeeds walk all members
// and folders and read everything. What must not happen shows under AddressSanitizer; what must
// hold is checked with must(). Seeds: seed_archive.py.
#include <stdint.h>
#include <stdlib.h>

#include "archive.h"
#include "check.h"

enum { CONTENT_MAX = 1 << 20 }; // bytes of one member that are read: a deflated one may claim more

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_member(const struct archive *archive, const struct archive_member *member)
{
    struct err err;
    struct str view = {NULL, 0};
    must(archive_find(archive, member->name) == member);
    must(archive_kind_of(archive, member->name) == ARCHIVE_FILE);
    if (archive_view(archive, member, true, &view, &err) == 0)
        must(view.size == member->size && !member->deflated);
    if (member->size > CONTENT_MAX)
        return;
    char *content = malloc(member->size);
    must(content != NULL || member->size == 0);
    if (archive_read(archive, member, content, &err) == 0 && !member->deflated)
        must(view.size == 0 || memcmp(view.data, content, view.size) == 0);
    free(content);
}

// Every folder below this one. The number of members found in them.
static size_t walk(const struct archive *archive, struct str folder)
{
    size_t cursor = 0, found = 0, passed = 0;
    struct str name;
    enum archive_kind kind;
    must(archive_kind_of(archive, folder) == ARCHIVE_FOLDER);
    while (archive_next_child(archive, folder, &cursor, &name, &kind)) {
        must(++passed <= archive_count(archive));
        // The child's full name lies in the archive, right before and in its own.
        size_t before = folder.size > 0 ? folder.size + 1 : 0;
        struct str full = {name.data - before, name.size + before};
        must(archive_kind_of(archive, full) == kind);
        found += kind == ARCHIVE_FILE ? 1 : walk(archive, full);
    }
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct archive *archive;
    struct err err;
    if (archive_index(&archive, data, size, &err) < 0)
        return 0;
    must(archive_offset(archive) <= size);
    for (size_t i = 0; i < archive_count(archive); i++)
        read_member(archive, archive_at(archive, i));
    must(walk(archive, (struct str){"", 0}) == archive_count(archive));
    archive_close(archive);
    return 0;
}

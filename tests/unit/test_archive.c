// test_archive.c - good archives are read whole; whatever is wrong with one is refused and named.
#include "archive.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"
#include "zip_builder.h"

static const struct str long_text = STR(
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");

// app/a.py, app/static/css/x.css (deflated), app/static/empty, app/static-other, lib/é.py,
// limpet/settings
static void build_good(struct zip_builder *zip)
{
    zip_init(zip);
    zip_add_elf(zip, true);
    zip_add(zip, STR("app/a.py"), STR("print()\n"), false);
    zip_add(zip, STR("app/static-other"), STR("o"), false);
    zip_add(zip, STR("app/static/css/x.css"), long_text, true);
    zip_add(zip, STR("app/static/empty"), STR(""), false);
    zip_add(zip, STR("app/static/void"), STR(""), true);
    zip_add(zip, STR("lib/\xc3\xa9.py"), STR("e"), false);
    zip_add(zip, STR("limpet/settings"), STR("target = a\n"), false);
    zip_end(zip);
}

static void check_read(const struct archive *archive, const char *name, struct str expected)
{
    struct err err = {0};
    char content[256] = {0};
    const struct archive_member *member = archive_find(archive, str_of(name));
    CHECK(member != NULL);
    if (member == NULL)
        return;
    CHECK(member->size == expected.size && member->size < sizeof content);
    CHECK(archive_read(archive, member, content, &err) == 0);
    CHECK(memcmp(content, expected.data, expected.size) == 0);
}

static void test_read(void)
{
    struct zip_builder zip;
    struct archive *archive = NULL;
    struct err err = {0};
    build_good(&zip);
    CHECK(archive_index(&archive, zip.data, zip.size, &err) == 0);
    if (archive == NULL)
        return;
    CHECK(archive_count(archive) == 7);
    CHECK(archive_offset(archive) == ZIP_BUILDER_ELF);
    CHECK_STR(archive_path(archive), "");
    check_read(archive, "app/a.py", STR("print()\n"));
    check_read(archive, "app/static/css/x.css", long_text);
    check_read(archive, "app/static/empty", STR(""));
    check_read(archive, "app/static/void", STR(""));
    check_read(archive, "lib/\xc3\xa9.py", STR("e"));
    CHECK(archive_find(archive, STR("app/static")) == NULL);
    CHECK(archive_find(archive, STR("zzz")) == NULL);
    CHECK(archive_find(archive, (struct str){NULL, 0}) == NULL);
    archive_close(archive);
    zip_fini(&zip);
}

static void test_view(void)
{
    struct zip_builder zip;
    struct archive *archive = NULL;
    struct err err = {0};
    struct str view = {NULL, 0};
    build_good(&zip);
    CHECK(archive_index(&archive, zip.data, zip.size, &err) == 0);
    const struct archive_member *stored = archive_find(archive, STR("app/a.py"));
    CHECK(archive_view(archive, stored, true, &view, &err) == 0);
    CHECK(str_equal(view, STR("print()\n")));
    CHECK((const unsigned char *)view.data > zip.data &&
          (const unsigned char *)view.data < zip.data + zip.size);
    const struct archive_member *deflated = archive_find(archive, STR("app/static/css/x.css"));
    CHECK(archive_view(archive, deflated, false, &view, &err) < 0);
    CHECK_STR(err.text, "app/static/css/x.css: is deflated: read it instead");
    CHECK(archive_view_deflated(archive, deflated, &view, &err) == 0);
    CHECK(view.size == deflated->stored_size &&
          (const unsigned char *)view.data ==
              zip.data + deflated->header_offset + 30 + deflated->name.size);
    CHECK(archive_view_deflated(archive, stored, &view, &err) < 0);
    CHECK_STR(err.text, "app/a.py: is not deflated");
    archive_close(archive);
    zip_fini(&zip);
}

static void test_kinds(void)
{
    struct zip_builder zip;
    struct archive *archive = NULL;
    struct err err = {0};
    build_good(&zip);
    CHECK(archive_index(&archive, zip.data, zip.size, &err) == 0);
    CHECK(archive_kind_of(archive, STR("")) == ARCHIVE_FOLDER);
    CHECK(archive_kind_of(archive, STR("app")) == ARCHIVE_FOLDER);
    CHECK(archive_kind_of(archive, STR("app/static")) == ARCHIVE_FOLDER);
    CHECK(archive_kind_of(archive, STR("app/static/css")) == ARCHIVE_FOLDER);
    CHECK(archive_kind_of(archive, STR("app/a.py")) == ARCHIVE_FILE);
    CHECK(archive_kind_of(archive, STR("app/")) == ARCHIVE_NOTHING);
    CHECK(archive_kind_of(archive, STR("/app")) == ARCHIVE_NOTHING);
    CHECK(archive_kind_of(archive, STR("ap")) == ARCHIVE_NOTHING);
    CHECK(archive_kind_of(archive, STR("app/a.py/x")) == ARCHIVE_NOTHING);
    CHECK(archive_kind_of(archive, STR("app/stati")) == ARCHIVE_NOTHING);
    CHECK(archive_kind_of(archive, STR("zzz")) == ARCHIVE_NOTHING);
    archive_close(archive);
    zip_fini(&zip);
}

// The children of a folder as "name name/ ".
static const char *list(const struct archive *archive, struct str folder)
{
    static char text[512];
    size_t cursor = 0, used = 0;
    struct str name;
    enum archive_kind kind;
    text[0] = '\0';
    while (archive_next_child(archive, folder, &cursor, &name, &kind))
        used += (size_t)snprintf(text + used, sizeof text - used, "%.*s%s ", (int)name.size,
                                 name.data, kind == ARCHIVE_FOLDER ? "/" : "");
    return text;
}

static void test_children(void)
{
    struct zip_builder zip;
    struct archive *archive = NULL;
    struct err err = {0};
    build_good(&zip);
    CHECK(archive_index(&archive, zip.data, zip.size, &err) == 0);
    CHECK_STR(list(archive, STR("")), "app/ lib/ limpet/ ");
    CHECK_STR(list(archive, STR("app")), "a.py static-other static/ ");
    CHECK_STR(list(archive, STR("app/static")), "css/ empty void ");
    CHECK_STR(list(archive, STR("app/static/css")), "x.css ");
    CHECK_STR(list(archive, STR("limpet")), "settings ");
    CHECK_STR(list(archive, STR("app/a.py")), "");
    CHECK_STR(list(archive, STR("nothing")), "");
    archive_close(archive);
    zip_fini(&zip);
}

static void test_empty(void)
{
    struct zip_builder zip;
    struct archive *archive = NULL;
    struct err err = {0};
    zip_init(&zip);
    zip_add_elf(&zip, false);
    zip_end(&zip);
    CHECK(archive_index(&archive, zip.data, zip.size, &err) == 0);
    CHECK(archive_count(archive) == 0 && archive_offset(archive) == 52);
    CHECK_STR(list(archive, STR("")), "");
    CHECK(archive_kind_of(archive, STR("")) == ARCHIVE_FOLDER);
    CHECK(archive_find(archive, STR("a")) == NULL);
    archive_close(archive);
    zip_fini(&zip);
}

static void test_plain_zip(void)
{
    struct zip_builder zip;
    struct archive *archive = NULL;
    struct err err = {0};
    zip_init(&zip);
    zip_add(&zip, STR("a"), STR("x"), false);
    zip_end(&zip);
    CHECK(archive_index(&archive, zip.data, zip.size, &err) == 0);
    CHECK(archive_offset(archive) == 0 && archive_count(archive) == 1);
    archive_close(archive);
    zip_fini(&zip);
}

// --- Damage that the index finds ---

// Index the bytes, which lie at the very end of a readable page, so that a read past them shows.
static void check_refused(const void *data, size_t size, const char *expected)
{
    struct archive *archive = NULL;
    struct err err = {0};
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size / page + 1) * page;
    char *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED && mprotect(map + room, page, PROT_NONE) == 0);
    memcpy(map + room - size, data, size);
    CHECK(archive_index(&archive, map + room - size, size, &err) == -1);
    CHECK_CONTAINS(err.text, expected);
    munmap(map, room + page);
}

// What to change in the good file: an integer at an offset into its directory entry or local header
// (of member 2, deflated, or 0, stored), the end record or the file.
struct damage {
    enum { AT_ENTRY, AT_STORED_ENTRY, AT_END, AT_FILE } where;
    size_t offset, bytes;
    uint64_t value;
    const char *expected;
};

static const struct damage damages[] = {
    {AT_FILE, 4, 1, 3, "not a little-endian executable"},
    {AT_FILE, 5, 1, 2, "not a little-endian executable"},
    {AT_FILE, 40, 8, UINT64_MAX, "its executable alone more"},
    {AT_FILE, 40, 8, 1 << 20, "its executable alone more"},
    {AT_FILE, 58, 4, UINT32_MAX, "its executable alone more"},
    {AT_FILE, 40, 8, 70, "its first member lies in the executable"},
    {AT_END, 0, 4, 0, "damaged archive: the file does not end with an end record"},
    {AT_END, 20, 2, 1, "does not end with an end record"},
    {AT_END, 10, 2, 0xffff, "zip64"},
    {AT_END, 12, 4, UINT32_MAX, "zip64 and offsets of 4 GB"},
    {AT_END, 16, 4, UINT32_MAX, "zip64"},
    {AT_END, 4, 2, 1, "several disks"},
    {AT_END, 6, 2, 1, "several disks"},
    {AT_END, 8, 2, 6, "several disks"},
    {AT_END, 8, 4, 0x00060006, "belong to no member"},
    {AT_END, 8, 4, 0, "belong to no member"},
    {AT_END, 8, 4, 0x00080008, "no directory entry"},
    {AT_END, 8, 4, 0xfff0fff0, "too small for its number of members"},
    {AT_END, 16, 4, 1, "does not lie between"},
    {AT_END, 12, 4, 4000000000, "does not lie between"},
    {AT_ENTRY, 0, 4, 0x02014b51, "no directory entry at offset"},
    {AT_ENTRY, 8, 2, 1, "x.css: encrypted"},
    {AT_ENTRY, 8, 2, 8, "x.css: encrypted or otherwise unsupported"},
    {AT_ENTRY, 10, 2, 9, "x.css: neither stored nor deflated"},
    {AT_ENTRY, 24, 4, 0xf0000000, "x.css: its size is impossible"},
    {AT_STORED_ENTRY, 24, 4, 9, "app/a.py: stored, but of two sizes"},
    {AT_ENTRY, 20, 4, UINT32_MAX, "x.css: reaches into the directory"},
    {AT_ENTRY, 20, 4, 1, "app/static/empty: not where the member before it ends"},
    {AT_ENTRY, 28, 2, 0xffff, "no directory entry"},
    {AT_ENTRY, 28, 2, 0, "bad member name"},
    {AT_ENTRY, 30, 2, 4, "x.css: its entry has extra fields or a comment"},
    {AT_ENTRY, 32, 2, 4, "extra fields or a comment"},
    {AT_ENTRY, 34, 2, 1, "extra fields or a comment"},
    {AT_ENTRY, 42, 4, UINT32_MAX, "x.css: not where"},
    {AT_STORED_ENTRY, 42, 4, UINT32_MAX, "reaches into the directory"},
    {AT_STORED_ENTRY, 42, 4, 63, "its first member lies in the executable"},
    {AT_STORED_ENTRY, 42, 4, 65, "static-other: not where the member before it ends"},
};

static void test_damages(void)
{
    for (size_t i = 0; i < UNIT_COUNT(damages); i++) {
        const struct damage *damage = &damages[i];
        struct zip_builder zip;
        build_good(&zip);
        size_t start = damage->where == AT_ENTRY          ? zip.members[2].entry_offset
                       : damage->where == AT_STORED_ENTRY ? zip.members[0].entry_offset
                       : damage->where == AT_END          ? zip.end
                                                          : 0;
        zip_poke(&zip, start + damage->offset, damage->value, damage->bytes);
        check_refused(zip.data, zip.size, damage->expected);
        zip_fini(&zip);
    }
}

static void test_bad_names(void)
{
    char long_name[1025], long_part[256];
    memset(long_part, 'p', sizeof long_part);
    for (size_t i = 0; i < sizeof long_name; i++)
        long_name[i] = i % 100 == 99 ? '/' : 'n';
    const struct str names[] = {
        STR(""),
        STR("/a"),
        STR("a/"),
        STR("a//b"),
        STR("."),
        STR(".."),
        STR("a/./b"),
        STR("a/../b"),
        STR("a/.."),
        STR("a\\b"),
        STR("a\0b"),
        STR("\x80"),
        STR("\xc3"),
        STR("\xc0\xaf"),
        STR("\xe0\x80\xaf"),
        STR("\xed\xa0\x80"),
        STR("\xf4\x90\x80\x80"),
        STR("\xf0\x80\x80\xaf"),
        STR("\xff"),
        STR("\xc3/"),
        {long_name, sizeof long_name},
        {long_part, sizeof long_part},
    };
    for (size_t i = 0; i < UNIT_COUNT(names); i++) {
        struct zip_builder zip;
        zip_init(&zip);
        zip_add(&zip, names[i], STR("x"), false);
        zip_end(&zip);
        check_refused(zip.data, zip.size, "damaged archive: bad member name at offset ");
        zip_fini(&zip);
    }
}

static void test_longest_names(void)
{
    char name[1024];
    memset(name, 'p', sizeof name);
    for (size_t i = 255; i < sizeof name; i += 256)
        name[i] = '/';
    name[sizeof name - 1] = 'p';
    name[sizeof name - 128] = '/'; // no part above 255 bytes
    const struct str names[] = {{name, sizeof name}, STR("...\xf4\x8f\xbf\xbf \xee\x80\x80")};
    for (size_t i = 0; i < UNIT_COUNT(names); i++) {
        struct zip_builder zip;
        struct archive *archive = NULL;
        struct err err = {0};
        zip_init(&zip);
        zip_add(&zip, names[i], STR("x"), false);
        zip_end(&zip);
        CHECK(archive_index(&archive, zip.data, zip.size, &err) == 0);
        CHECK_STR(err.text, "");
        CHECK(archive != NULL && archive_find(archive, names[i]) != NULL);
        archive_close(archive);
        zip_fini(&zip);
    }
}

static void test_bad_order(void)
{
    static const struct {
        struct str names[3];
        const char *expected;
    } cases[] = {
        {{STR("a"), STR("c"), STR("b")}, "b: out of order, or twice there"},
        {{STR("a"), STR("b"), STR("b")}, "b: out of order, or twice there"},
        {{STR("b"), STR("a"), STR("c")}, "a: out of order, or twice there"},
        {{STR("a"), STR("a/b"), STR("c")}, "a/b: below a member that is no folder"},
        {{STR("a"), STR("a-"), STR("a/b/c")}, "a/b/c: below a member that is no folder"},
        {{STR("x/a"), STR("x/a.b"), STR("x/a/c/d")}, "x/a/c/d: below a member that is no folder"},
    };
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct zip_builder zip;
        zip_init(&zip);
        for (size_t j = 0; j < 3; j++)
            zip_add(&zip, cases[i].names[j], STR("x"), false);
        zip_end(&zip);
        check_refused(zip.data, zip.size, cases[i].expected);
        zip_fini(&zip);
    }
}

static void test_gaps(void)
{
    struct zip_builder zip;
    zip_init(&zip);
    zip_add(&zip, STR("a"), STR("x"), false);
    zip_put(&zip, "gap", 3);
    zip_end(&zip);
    check_refused(zip.data, zip.size, "damaged archive: there are bytes that belong to no member");
    zip_fini(&zip);
}

// Every shorter file is refused, and so is a longer one.
static void test_truncated(void)
{
    struct zip_builder zip;
    build_good(&zip);
    for (size_t size = 0; size < zip.size; size++) {
        const char *expected = size > ZIP_BUILDER_ELF ? "damaged archive: " : "no archive";
        check_refused(zip.data, size, expected);
    }
    check_refused(zip.data, ZIP_BUILDER_ELF, "no archive behind the executable (truncated?)");
    check_refused(zip.data, 40, "no archive: truncated within the executable's header");
    zip_put(&zip, "\n", 1);
    check_refused(zip.data, zip.size, "truncated, or appended to?");
    zip_fini(&zip);
}

// --- Damage that shows when a member is read ---

static void check_unreadable(struct zip_builder *zip, size_t index, const char *expected)
{
    struct archive *archive = NULL;
    struct err err = {0};
    char content[256];
    struct str view;
    CHECK(archive_index(&archive, zip->data, zip->size, &err) == 0);
    if (archive == NULL)
        return;
    const struct archive_member *member = archive_at(archive, index);
    CHECK(archive_read(archive, member, content, &err) == -1);
    CHECK_CONTAINS(err.text, expected);
    if (!member->deflated) {
        CHECK(archive_view(archive, member, true, &view, &err) == -1);
        CHECK_CONTAINS(err.text, expected);
    }
    archive_close(archive);
}

static void test_headers_disagree(void)
{
    static const size_t offsets[] = {0, 6, 8, 14, 18, 22, 26, 28, 30};
    for (size_t i = 0; i < UNIT_COUNT(offsets); i++) {
        for (size_t index = 0; index < 3; index += 2) {
            struct zip_builder zip;
            build_good(&zip);
            zip.data[zip.members[index].header_offset + offsets[i]] ^= 1;
            check_unreadable(&zip, index, "its header does not agree with the directory");
            zip_fini(&zip);
        }
    }
}

static void test_content_damaged(void)
{
    struct zip_builder zip;
    build_good(&zip);
    zip.data[zip.members[0].header_offset + 30 + 8] ^= 1;
    check_unreadable(&zip, 0, "damaged archive: app/a.py: wrong check sum");
    zip_fini(&zip);
    // A member that inflates to less or to more than it says.
    for (uint32_t size = 89; size <= 91; size += 2) {
        build_good(&zip);
        CHECK(zip.members[2].size == 90);
        zip_poke(&zip, zip.members[2].entry_offset + 24, size, 4);
        zip_poke(&zip, zip.members[2].header_offset + 22, size, 4);
        check_unreadable(&zip, 2, "x.css: does not inflate to its size");
        zip_fini(&zip);
    }
    build_good(&zip);
    zip_poke(&zip, zip.members[2].entry_offset + 16, 1, 4);
    zip_poke(&zip, zip.members[2].header_offset + 14, 1, 4);
    check_unreadable(&zip, 2, "x.css: wrong check sum");
    zip_fini(&zip);
    build_good(&zip);
    zip.data[zip.members[2].header_offset + 30 + zip.members[2].name_size] = 0xff;
    check_unreadable(&zip, 2, "x.css: does not inflate to its size");
    zip_fini(&zip);
}

static void test_view_unchecked(void)
{
    struct zip_builder zip;
    struct archive *archive = NULL;
    struct err err = {0};
    struct str view = {NULL, 0};
    build_good(&zip);
    zip.data[zip.members[0].header_offset + 30 + 8] ^= 1;
    CHECK(archive_index(&archive, zip.data, zip.size, &err) == 0);
    const struct archive_member *member = archive_at(archive, 0);
    CHECK(archive_view(archive, member, false, &view, &err) == 0);
    CHECK(archive_view(archive, member, true, &view, &err) == -1);
    zip.data[zip.members[0].header_offset + 30 + 8] ^= 1;
    CHECK(archive_view(archive, member, true, &view, &err) == 0);
    // Once found right it is not summed up again.
    zip.data[zip.members[0].header_offset + 30 + 8] ^= 1;
    CHECK(archive_view(archive, member, true, &view, &err) == 0);
    archive_close(archive);
    zip_fini(&zip);
}

// Bytes hidden in a member, behind the end of what inflates.
static void test_hidden_bytes(void)
{
    struct zip_builder zip;
    zip_init(&zip);
    zip_add(&zip, STR("a"), long_text, true);
    zip_put(&zip, "hidden", 6);
    zip.members[0].stored_size += 6;
    zip_poke(&zip, zip.members[0].header_offset + 18, zip.members[0].stored_size, 4);
    zip_end(&zip);
    check_unreadable(&zip, 0, "damaged archive: a: does not inflate to its size");
    zip_fini(&zip);
}

// --- Files ---

static char folder[] = "/tmp/limpet-archive-XXXXXX";

static const char *write_file(const char *name, const void *data, size_t size)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fwrite(data, 1, size, file) == size);
    if (file != NULL)
        fclose(file);
    return path;
}

static void test_open(void)
{
    struct zip_builder zip;
    struct archive *archive = NULL;
    struct err err = {0};
    char link[PATH_MAX], canonical[PATH_MAX];
    build_good(&zip);
    const char *path = write_file("shop", zip.data, zip.size);
    snprintf(link, sizeof link, "%s/link", folder);
    CHECK(symlink("shop", link) == 0 && realpath(path, canonical) != NULL);
    CHECK(archive_open(&archive, link, &err) == 0);
    CHECK_STR(err.text, "");
    if (archive != NULL)
        CHECK_STR(archive_path(archive), canonical);
    check_read(archive, "app/static/css/x.css", long_text);
    archive_close(archive);
    unlink(link);
    unlink(path);
    zip_fini(&zip);
}

static void test_open_errors(void)
{
    struct archive *archive = NULL;
    struct err err = {0};
    char expected[PATH_MAX];
    const char *path = write_file("empty", "", 0);
    CHECK(archive_open(&archive, path, &err) == -1);
    snprintf(expected, sizeof expected, "%s: no archive: the file is empty", path);
    CHECK_STR(err.text, expected);
    path = write_file("empty", "text", 4);
    CHECK(archive_open(&archive, path, &err) == -1);
    snprintf(expected, sizeof expected, "%s: no archive: ", path);
    CHECK(strncmp(err.text, expected, strlen(expected)) == 0);
    unlink(path);
    CHECK(archive_open(&archive, path, &err) == -1);
    snprintf(expected, sizeof expected, "%s: No such file or directory", path);
    CHECK_STR(err.text, expected);
    CHECK(archive_open(&archive, folder, &err) == -1);
    snprintf(expected, sizeof expected, "%s: not a file", folder);
    CHECK_STR(err.text, expected);
    CHECK(err.kind == ERR_FAILED);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_read),
    UNIT_CASE(test_view),
    UNIT_CASE(test_kinds),
    UNIT_CASE(test_children),
    UNIT_CASE(test_empty),
    UNIT_CASE(test_plain_zip),
    UNIT_CASE(test_damages),
    UNIT_CASE(test_bad_names),
    UNIT_CASE(test_longest_names),
    UNIT_CASE(test_bad_order),
    UNIT_CASE(test_gaps),
    UNIT_CASE(test_truncated),
    UNIT_CASE(test_headers_disagree),
    UNIT_CASE(test_content_damaged),
    UNIT_CASE(test_view_unchecked),
    UNIT_CASE(test_hidden_bytes),
    UNIT_CASE(test_open),
    UNIT_CASE(test_open_errors),
};

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    int status = unit_main("archive", cases, UNIT_COUNT(cases));
    rmdir(folder);
    return status;
}

// test_files_mime.c - types by endings, and what is a fingerprint and what is a word, a date or a
// number.
#include "files_mime.h"

#include "unit.h"

static void test_types(void)
{
    static const struct {
        const char *name, *type;
        bool compressible;
    } rows[] = {
        {"index.html", "text/html; charset=utf-8", true},
        {"a.b.CSS", "text/css; charset=utf-8", true},
        {"main.js", "text/javascript; charset=utf-8", true},
        {"main.mjs", "text/javascript; charset=utf-8", true},
        {"data.json", "application/json", true},
        {"logo.svg", "image/svg+xml", true},
        {"x.webmanifest", "application/manifest+json", true},
        {"x.wasm", "application/wasm", true},
        {"x.woff2", "font/woff2", false},
        {"x.PNG", "image/png", false},
        {"3.3gp", "video/3gpp", false},
        {"x.zst", "application/zstd", false},
        {"x.tar.gz", "application/gzip", false},
        {"x.unknown", "application/octet-stream", true},
        {"x.averyveryverylongending", "application/octet-stream", true},
        {"README", "application/octet-stream", true},
        {"x.", "application/octet-stream", true},
        {"", "application/octet-stream", true},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct files_type *type = files_mime_of(str_of(rows[i].name));
        CHECK(str_equal(type->type, str_of(rows[i].type)));
        CHECK(type->is_compressible == rows[i].compressible);
    }
}

// A row in the wrong place would not be found.
static void test_each_ending(void)
{
    static const char *const endings[] = {
#define TYPE(ending, type, compressible) "x." ending,
#include "files_mime.def"
#undef TYPE
    };
    for (size_t i = 0; i < UNIT_COUNT(endings); i++) {
        const struct files_type *type = files_mime_of(str_of(endings[i]));
        CHECK(str_equal(type->ending, str_of(endings[i] + 2)));
    }
}

static void test_fingerprints(void)
{
    static const char *const rows[] = {
        "main.3f2a9c1b.js", // webpack
        "main.3f2a9c1b.js.map",
        "main.3F2A9C1B.js",
        "787.5e2a3c4f.chunk.js", // create-react-app
        "bundle.0123456789abcdef0123.chunk.js",
        "app-BX82hs9a.css", // Vite
        "index-D3f8Kx_q.js",
        "app-BX82hs9a.js.map",
        "base.55e7cbb9ba48.css", // Django's manifest
        "logo.55e7cbb9ba48.svg",
        "main-QH5G3XVB.js", // esbuild
        "chunk-7K2QX3AB.js",
        "application-0e1a44c8d4b1e2f30e1a44c8d4b1e2f30e1a44c8d4b1e2f30e1a44c8d4b1e2f3.js",
        "jquery.min-3f2a9c1b.js",
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        if (!files_mime_is_fingerprinted(str_of(rows[i])))
            printf("    %s\n", rows[i]);
        CHECK(files_mime_is_fingerprinted(str_of(rows[i])));
    }
}

static void test_no_fingerprints(void)
{
    static const char *const rows[] = {
        "main.js",
        "",
        ".",
        "3f2a9c1b",
        "3f2a9c1b.js", // a name of its own
        ".3f2a9c1b",
        "main.3f2a9c1b",   // an ending
        "main.3f2a9c1.js", // seven digits
        "jquery-3.7.1.min.js",
        "bootstrap.bundle.min.js",
        "report.20240101.pdf", // dates and numbers
        "report-20240101.pdf",
        "IMG-20240101.jpg",
        "scan-12345678.png",
        "backup-20240101120000.tar.gz",
        "best-decade2024.html", // words and numbers
        "music.decade2024.mp3",
        "app-template.css",
        "jquery-datatables.js",
        "report-Draft123.pdf",
        "photo-IMG12345.jpg",
        "doc-VERSION2.pdf",
        "lib-TimeLine.js",
        "the-defaced.html",
        "my-iPhone15.png",
        "a-facade99.css",
        "style.deadbeef.css", // no digit in it: rather asked for again
        "main.3f2a9C1b.js",   // both cases: nobody writes hex so
        "app-BX82hs9ab.css",  // nine
        "app_BX82hs9a.css",
        "font-awesome.css",
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        if (files_mime_is_fingerprinted(str_of(rows[i])))
            printf("    %s\n", rows[i]);
        CHECK(!files_mime_is_fingerprinted(str_of(rows[i])));
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_types),
    UNIT_CASE(test_each_ending),
    UNIT_CASE(test_fingerprints),
    UNIT_CASE(test_no_fingerprints),
};

int main(void)
{
    return unit_main("files_mime", cases, UNIT_COUNT(cases));
}

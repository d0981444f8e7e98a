// test_compress.c - which coding a client takes, which media types suit, and that decoders of
// others get back what went in: whole, in pieces that can be read as soon as they are flushed, with
// and without padding.
#include "compress.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "unit.h"

enum {
    BOTH = 1 << CODING_GZIP | 1 << CODING_ZSTD,
    TEXT_SIZE = 300 * 1000,
    MANY = 10 * 1000,
};

static char text[TEXT_SIZE];

// JSON-like, with some that repeats and some that does not.
static void make_text(void)
{
    size_t size = 0;
    uint32_t number = 1;
    while (size < TEXT_SIZE) {
        char line[80];
        number = number * 1664525 + 1013904223;
        int count = snprintf(line, sizeof line, "{\"id\": %u, \"name\": \"user-%x\"},\n",
                             number >> 16, number);
        for (int i = 0; i < count && size < TEXT_SIZE; i++)
            text[size++] = line[i];
    }
}

// --- decoders ---

struct decoder {
    z_stream zlib;
    ZSTD_DCtx *zstd;
    enum coding coding;
    size_t read; // bytes of what the compressor has put
    bool ended;
};

// In its place: zlib's state points back to it.
static void decoder_begin(struct decoder *decoder, enum coding coding)
{
    *decoder = (struct decoder){.coding = coding};
    if (coding == CODING_GZIP)
        CHECK(inflateInit2(&decoder->zlib, 15 + 16) == Z_OK);
    else
        decoder->zstd = ZSTD_createDCtx();
}

static void decoder_end(struct decoder *decoder)
{
    if (decoder->coding == CODING_GZIP)
        inflateEnd(&decoder->zlib);
    else
        ZSTD_freeDCtx(decoder->zstd);
}

static void inflate_more(struct decoder *decoder, struct str in, struct buf *out)
{
    decoder->zlib.next_in = (Bytef *)(uintptr_t)in.data;
    decoder->zlib.avail_in = (uInt)in.size;
    do {
        CHECK(buf_reserve(out, 4096) == 0);
        decoder->zlib.next_out = (Bytef *)out->data + out->size;
        decoder->zlib.avail_out = 4096;
        int result = inflate(&decoder->zlib, Z_SYNC_FLUSH);
        CHECK(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR);
        out->size += 4096 - decoder->zlib.avail_out;
        decoder->ended = decoder->ended || result == Z_STREAM_END;
    } while (decoder->zlib.avail_out == 0);
    CHECK(decoder->zlib.avail_in == 0);
}

static void unzstd_more(struct decoder *decoder, struct str in, struct buf *out)
{
    ZSTD_inBuffer from = {in.data, in.size, 0};
    bool is_full;
    do {
        CHECK(buf_reserve(out, 4096) == 0);
        ZSTD_outBuffer to = {out->data + out->size, 4096, 0};
        size_t result = ZSTD_decompressStream(decoder->zstd, &to, &from);
        CHECK(!ZSTD_isError(result));
        if (ZSTD_isError(result))
            return;
        out->size += to.pos;
        decoder->ended = decoder->ended || (result == 0 && in.size > 0);
        is_full = to.pos == to.size;
    } while (from.pos < from.size || is_full);
}

// All that the compressor has put and the decoder has not seen.
static void decode(struct decoder *decoder, const struct buf *coded, struct buf *out)
{
    struct str in = {buf_text(coded) + decoder->read, coded->size - decoder->read};
    decoder->read = coded->size;
    if (in.size > 0 && decoder->coding == CODING_GZIP)
        inflate_more(decoder, in, out);
    else if (in.size > 0)
        unzstd_more(decoder, in, out);
}

static bool is_text(const struct buf *out, size_t size)
{
    return out->size == size && memcmp(buf_text(out), text, size) == 0;
}

// --- Accept-Encoding ---

static enum coding choose(const char *accept)
{
    return coding_choose(str_of(accept), BOTH);
}

static void test_choose(void)
{
    static const struct {
        const char *accept;
        enum coding coding;
    } rows[] = {
        {"gzip", CODING_GZIP},
        {"zstd", CODING_ZSTD},
        {"GZip", CODING_GZIP},
        {"x-gzip", CODING_GZIP},
        {"gzip, deflate, br, zstd", CODING_ZSTD},
        {"gzip, deflate, br", CODING_GZIP},
        {"zstd;q=0.5, gzip", CODING_GZIP},
        {"zstd;q=0.5, gzip;q=0.5", CODING_ZSTD},
        {"gzip;q=0.999, zstd;q=0.998", CODING_GZIP},
        {"gzip;q=1.000", CODING_GZIP},
        {"gzip;q=0", CODING_NONE},
        {"gzip;q=0.000", CODING_NONE},
        {"gzip;q=0, zstd;q=0.001", CODING_ZSTD},
        {"*", CODING_ZSTD},
        {"*;q=0", CODING_NONE},
        {"gzip;q=0.2, *;q=0", CODING_GZIP},
        {"zstd;q=0, *", CODING_GZIP},
        {"gzip;q=0.5, *", CODING_ZSTD},
        {"identity", CODING_NONE},
        {"identity, gzip", CODING_GZIP},
        {"identity;q=1, gzip;q=0.5", CODING_NONE},
        {"identity;q=0.5, gzip;q=0.5", CODING_GZIP},
        {"identity;q=0", CODING_NONE},
        {"identity;q=0, *", CODING_ZSTD},
        {"", CODING_NONE},
        {" , ,", CODING_NONE},
        {"br", CODING_NONE},
        {"deflate", CODING_NONE},
        {"\tgzip\t;\tq=0.5\t", CODING_GZIP},
        {"gzip ; Q=0.5", CODING_GZIP},
        {"gzip, gzip;q=0", CODING_GZIP},
        {"gzip;q=0, gzip", CODING_NONE},
        // What is no weight is no consent.
        {"gzip;q=", CODING_NONE},
        {"gzip;q", CODING_NONE},
        {"gzip;", CODING_NONE},
        {"gzip;q=2", CODING_NONE},
        {"gzip;q=1.001", CODING_NONE},
        {"gzip;q=0.5555", CODING_NONE},
        {"gzip;q=-1", CODING_NONE},
        {"gzip;q=.5", CODING_NONE},
        {"gzip;level=9", CODING_NONE},
        {"gzippy", CODING_NONE},
        {"gz", CODING_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (choose(rows[i].accept) != rows[i].coding)
            printf("    Accept-Encoding: %s\n", rows[i].accept);
        CHECK(choose(rows[i].accept) == rows[i].coding);
    }
}

static void test_choose_of_a_set(void)
{
    CHECK(coding_choose(STR("gzip, zstd"), 1 << CODING_GZIP) == CODING_GZIP);
    CHECK(coding_choose(STR("gzip;q=0.1, zstd"), 1 << CODING_GZIP) == CODING_GZIP);
    CHECK(coding_choose(STR("zstd"), 1 << CODING_GZIP) == CODING_NONE);
    CHECK(coding_choose(STR("gzip, zstd"), 0) == CODING_NONE);
}

// --- media types ---

static void test_types(void)
{
    static const char *const good[] = {
        "text/html",
        "text/html; charset=utf-8",
        "TEXT/CSS",
        "text/event-stream",
        "application/json",
        "application/problem+json",
        "application/rss+xml",
        "image/svg+xml",
        "application/javascript ; x=y",
        "font/ttf",
        "application/wasm",
    };
    static const char *const bad[] = {
        "svg+xml",
        "video/x+json",
        "",
        "image/png",
        "image/jpeg",
        "video/mp4",
        "audio/ogg",
        "font/woff",
        "font/woff2",
        "application/zip",
        "text",
        "json",
        "text/",
        "application/pdf",
        "application/gzip",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CHECK(coding_suits(str_of(good[i])) && !coding_is_compressed(str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!coding_suits(str_of(bad[i])));
    CHECK(coding_is_compressed(STR("image/png")) && coding_is_compressed(STR("Video/MP4; a=b")));
    CHECK(!coding_is_compressed(STR("application/pdf")));
}

static void test_patterns(void)
{
    CHECK(coding_type_matches(STR("text/html; charset=x"), STR("text/html")));
    CHECK(coding_type_matches(STR("Text/HTML"), STR("text/*")));
    CHECK(!coding_type_matches(STR("text/htm"), STR("text/html")));
    CHECK(!coding_type_matches(STR("textual/html"), STR("text/*")));
    CHECK(!coding_type_matches(STR("text"), STR("text/*")));
    CHECK(coding_type_matches(STR("a/b"), STR("*/*")) && !coding_type_matches(STR(""), STR("*/*")));
}

static void test_pattern_check(void)
{
    static const char *const bad[] = {
        "text",   "/html", "text/", "te xt/html", "text/html;q=1", "text/ht*",
        "*/html", "a/b/c", "",      "text/**",    "text/html,",    "*"};
    struct err err;
    CHECK(coding_type_check("text/html", &err) == 0 && coding_type_check("text/*", &err) == 0);
    CHECK(coding_type_check("*/*", &err) == 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        err = (struct err){.kind = ERR_NONE};
        CHECK(coding_type_check(bad[i], &err) == -1 && err.kind == ERR_USAGE);
    }
}

// --- bodies ---

// Bytes that a whole body came to.
static size_t check_whole(enum coding coding, size_t size, size_t padding)
{
    _buf_ struct buf coded = BUF_INIT(2 * TEXT_SIZE), out = BUF_INIT(2 * TEXT_SIZE);
    struct decoder decoder;
    struct compressor *compressor = compressor_new(coding, true, size, padding);
    decoder_begin(&decoder, coding);
    CHECK(compressor != NULL);
    CHECK(compressor_put(compressor, (struct str){text, size}, false, true, &coded) == 0);
    decode(&decoder, &coded, &out);
    CHECK(decoder.ended && is_text(&out, size));
    decoder_end(&decoder);
    compressor_free(compressor);
    return coded.size;
}

static void test_whole(void)
{
    static const size_t sizes[] = {0, 1, 100, 10 * 1000, 128 * 1024, TEXT_SIZE};
    for (enum coding coding = CODING_GZIP; coding < CODING_COUNT; coding++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            size_t size = check_whole(coding, sizes[i], 0);
            CHECK(sizes[i] < 1000 || size < sizes[i] / 2);
        }
    }
}

// Its bytes are in what comes out, to the one with gzip and to a third with zstd; and a compressor
// that is used again has forgotten it.
static void test_padding(void)
{
    size_t plain = check_whole(CODING_GZIP, 5000, 0);
    for (size_t padding = 1; padding <= COMPRESSOR_PADDING_MAX; padding++)
        CHECK(check_whole(CODING_GZIP, 5000, padding) == plain + padding + 1);
    CHECK(check_whole(CODING_GZIP, 5000, 1000) == plain + COMPRESSOR_PADDING_MAX + 1);
    CHECK(check_whole(CODING_GZIP, 5000, 0) == plain);
    for (size_t size = 0; size <= TEXT_SIZE; size += TEXT_SIZE / 3) {
        plain = check_whole(CODING_ZSTD, size, 0);
        for (size_t padding = 0; padding <= COMPRESSOR_PADDING_MAX; padding++)
            CHECK(check_whole(CODING_ZSTD, size, padding) == plain + padding / 3 * 3);
        CHECK(check_whole(CODING_ZSTD, size, 0) == plain);
    }
}

// A one-shot decoder that wants to know the size from the frame's header.
static void test_padding_in_a_frame_of_known_size(void)
{
    static char out[5000];
    _buf_ struct buf coded = BUF_INIT(2 * TEXT_SIZE);
    struct compressor *compressor = compressor_new(CODING_ZSTD, true, 5000, 60);
    CHECK(compressor_put(compressor, (struct str){text, 5000}, false, true, &coded) == 0);
    CHECK(ZSTD_getFrameContentSize(coded.data, coded.size) == 5000);
    CHECK(ZSTD_decompress(out, sizeof out, coded.data, coded.size) == 5000);
    CHECK(memcmp(out, text, 5000) == 0);
    compressor_free(compressor);
}

// After each flush, all that went in comes out.
static void check_pieces(enum coding coding, bool whole, size_t piece, size_t padding)
{
    _buf_ struct buf coded = BUF_INIT(2 * TEXT_SIZE), out = BUF_INIT(2 * TEXT_SIZE);
    struct decoder decoder;
    decoder_begin(&decoder, coding);
    size_t total = piece * (100 * 1000 / piece);
    struct compressor *compressor = compressor_new(coding, whole, total, padding);
    for (size_t at = 0; at < total; at += piece) {
        bool flush = at / piece % 2 == 1;
        CHECK(compressor_put(compressor, (struct str){text + at, piece}, flush, false, &coded) ==
              0);
        decode(&decoder, &coded, &out);
        CHECK(!flush || is_text(&out, at + piece));
    }
    CHECK(compressor_put(compressor, STR(""), false, true, &coded) == 0);
    decode(&decoder, &coded, &out);
    CHECK(decoder.ended && is_text(&out, total));
    decoder_end(&decoder);
    compressor_free(compressor);
}

static void test_pieces(void)
{
    static const size_t pieces[] = {10, 1000, 50 * 1000};
    for (enum coding coding = CODING_GZIP; coding < CODING_COUNT; coding++) {
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
            check_pieces(coding, false, pieces[i], 0);
            check_pieces(coding, false, pieces[i], 77);
            check_pieces(coding, true, pieces[i], 0);
        }
    }
}

static void test_flush_of_nothing(void)
{
    for (enum coding coding = CODING_GZIP; coding < CODING_COUNT; coding++) {
        _buf_ struct buf coded = BUF_INIT(TEXT_SIZE);
        struct compressor *compressor = compressor_new(coding, false, 0, 50);
        CHECK(compressor_put(compressor, STR(""), true, false, &coded) == 0 && coded.size == 0);
        CHECK(compressor_put(compressor, STR("abc"), true, false, &coded) == 0 && coded.size > 3);
        size_t size = coded.size;
        CHECK(compressor_put(compressor, STR(""), true, false, &coded) == 0 && coded.size == size);
        compressor_free(compressor);
    }
}

// Many pieces that leave together cost little more than one.
static void test_pieces_that_leave_together(void)
{
    for (enum coding coding = CODING_GZIP; coding < CODING_COUNT; coding++) {
        _buf_ struct buf one = BUF_INIT(TEXT_SIZE), many = BUF_INIT(TEXT_SIZE);
        struct compressor *compressor = compressor_new(coding, false, 0, 0);
        CHECK(compressor_put(compressor, (struct str){text, MANY}, false, true, &one) == 0);
        compressor_free(compressor);
        compressor = compressor_new(coding, false, 0, 0);
        for (size_t i = 0; i < MANY; i++)
            CHECK(compressor_put(compressor, (struct str){text + i, 1}, false, false, &many) == 0);
        CHECK(compressor_put(compressor, STR(""), false, true, &many) == 0);
        compressor_free(compressor);
        CHECK(many.size < one.size + 20);
    }
}

static void test_full(void)
{
    for (enum coding coding = CODING_GZIP; coding < CODING_COUNT; coding++) {
        _buf_ struct buf coded = BUF_INIT(1000);
        struct compressor *compressor = compressor_new(coding, true, TEXT_SIZE, 0);
        CHECK(compressor_put(compressor, (struct str){text, TEXT_SIZE}, false, true, &coded) == -1);
        CHECK(coded.size <= 1000);
        compressor_free(compressor);
        CHECK(check_whole(coding, 1000, 0) < 1000);
    }
}

// Several at once: one is kept, the others are made and given back.
static void test_several(void)
{
    enum { COUNT = 5 };
    for (enum coding coding = CODING_GZIP; coding < CODING_COUNT; coding++) {
        struct compressor *compressors[COUNT];
        struct buf coded[COUNT];
        for (size_t i = 0; i < COUNT; i++) {
            buf_init(&coded[i], TEXT_SIZE);
            compressors[i] = compressor_new(coding, false, 0, i);
        }
        for (size_t at = 0; at < 5000; at += 500) {
            for (size_t i = 0; i < COUNT; i++)
                CHECK(compressor_put(compressors[i], (struct str){text + at, 500}, i % 2 == 0,
                                     at == 4500, &coded[i]) == 0);
        }
        for (size_t i = 0; i < COUNT; i++) {
            _buf_ struct buf out = BUF_INIT(TEXT_SIZE);
            struct decoder decoder;
            decoder_begin(&decoder, coding);
            decode(&decoder, &coded[i], &out);
            CHECK(decoder.ended && is_text(&out, 5000));
            decoder_end(&decoder);
            buf_fini(&coded[i]);
            compressor_free(compressors[i]);
        }
    }
    compressor_free(NULL);
}

// RFC 9659: what a client has to keep.
static void test_window(void)
{
    _buf_ struct buf coded = BUF_INIT(TEXT_SIZE);
    struct compressor *compressor = compressor_new(CODING_ZSTD, false, 0, 0);
    CHECK(compressor_put(compressor, (struct str){text, TEXT_SIZE}, false, true, &coded) == 0);
    unsigned char window = (unsigned char)coded.data[5]; // RFC 8878 section 3.1.1.1.2
    CHECK((window >> 3) + 10 <= 17);
    compressor_free(compressor);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_choose),
    UNIT_CASE(test_choose_of_a_set),
    UNIT_CASE(test_types),
    UNIT_CASE(test_patterns),
    UNIT_CASE(test_pattern_check),
    UNIT_CASE(test_whole),
    UNIT_CASE(test_padding),
    UNIT_CASE(test_padding_in_a_frame_of_known_size),
    UNIT_CASE(test_pieces),
    UNIT_CASE(test_flush_of_nothing),
    UNIT_CASE(test_pieces_that_leave_together),
    UNIT_CASE(test_full),
    UNIT_CASE(test_several),
    UNIT_CASE(test_window),
};

int main(void)
{
    make_text();
    return unit_main("compress", cases, UNIT_COUNT(cases));
}

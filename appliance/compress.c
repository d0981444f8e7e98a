// compress.c - what a client takes, and which media types are worth the work.
#include "compress.h"

#include <string.h>

const struct str coding_names[CODING_COUNT] = {
    [CODING_NONE] = {"identity", 8}, [CODING_GZIP] = {"gzip", 4}, [CODING_ZSTD] = {"zstd", 4}};

// What else a coding is called (RFC 9110 section 8.4.1.3).
static const struct str aliases[CODING_COUNT] = {[CODING_GZIP] = {"x-gzip", 6}};

enum { WEIGHT_MAX = 1000, WEIGHT_UNKNOWN = -1 };

// What stands before the mark, trimmed; the rest behind it, empty without one.
static struct str cut(struct str text, char mark, struct str *rest)
{
    const char *at = text.size > 0 ? memchr(text.data, mark, text.size) : NULL;
    struct str before = {text.data, at != NULL ? (size_t)(at - text.data) : text.size};
    *rest = (struct str){text.data + before.size, 0};
    if (at != NULL)
        *rest = (struct str){at + 1, text.size - before.size - 1};
    return str_trim(before);
}

// --- Accept-Encoding ---

// A qvalue (RFC 9110 section 12.4.2) in thousandths; what is none weighs nothing.
static int parse_weight(struct str text)
{
    int weight = 0, unit = 100;
    if (text.size == 0 || text.size > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
        (text.size > 1 && text.data[1] != '.'))
        return 0;
    weight = (text.data[0] - '0') * WEIGHT_MAX;
    for (size_t i = 2; i < text.size; i++, unit /= 10) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        weight += (text.data[i] - '0') * unit;
    }
    return weight <= WEIGHT_MAX ? weight : 0;
}

// ";q=0.5" without its semicolon.
static int parse_parameter(struct str text)
{
    struct str value, name = cut(text, '=', &value);
    return str_equal_nocase(name, STR("q")) ? parse_weight(str_trim(value)) : 0;
}

// Weights by coding, CODING_COUNT for "*". What is listed twice has the weight that stands first.
static void read_weights(struct str list, int weights[CODING_COUNT + 1])
{
    while (list.size > 0) {
        struct str element = cut(list, ',', &list), parameter;
        struct str name = cut(element, ';', &parameter);
        bool plain = memchr(element.data, ';', element.size) == NULL;
        int weight = plain ? WEIGHT_MAX : parse_parameter(parameter);
        for (size_t i = 0; i <= CODING_COUNT; i++) {
            bool is_it = i == CODING_COUNT
                             ? str_equal(name, STR("*"))
                             : str_equal_nocase(name, coding_names[i]) ||
                                   (aliases[i].size > 0 && str_equal_nocase(name, aliases[i]));
            if (is_it && weights[i] == WEIGHT_UNKNOWN)
                weights[i] = weight;
        }
    }
}

enum coding coding_choose(struct str accept_encoding, unsigned set)
{
    // From the better one on.
    static const enum coding order[] = {CODING_ZSTD, CODING_GZIP};
    int weights[CODING_COUNT + 1];
    for (size_t i = 0; i <= CODING_COUNT; i++)
        weights[i] = WEIGHT_UNKNOWN;
    read_weights(accept_encoding, weights);
    enum coding best = CODING_NONE;
    // A client that names identity has said how much it wants it; else any coding is better.
    int most = weights[CODING_NONE] - 1;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        enum coding coding = order[i];
        int weight = weights[coding] != WEIGHT_UNKNOWN ? weights[coding] : weights[CODING_COUNT];
        if ((set & 1U << coding) != 0 && weight > 0 && weight > most) {
            best = coding;
            most = weight;
        }
    }
    return best;
}

// --- media types ---

#define TYPE(text)             \
    {                          \
        text, sizeof(text) - 1 \
    }

static const struct str suiting[] = {
    TYPE("text/*"),
    TYPE("application/json"),
    TYPE("application/javascript"),
    TYPE("application/x-javascript"),
    TYPE("application/ecmascript"),
    TYPE("application/xml"),
    TYPE("application/x-ndjson"),
    TYPE("application/ndjson"),
    TYPE("application/jsonl"),
    TYPE("application/json-seq"),
    TYPE("application/yaml"),
    TYPE("application/x-yaml"),
    TYPE("application/toml"),
    TYPE("application/graphql"),
    TYPE("application/rtf"),
    TYPE("application/sql"),
    TYPE("application/wasm"),
    TYPE("application/x-sh"),
    TYPE("application/x-www-form-urlencoded"),
    TYPE("application/vnd.apple.mpegurl"),
    TYPE("application/vnd.ms-fontobject"),
    TYPE("application/x-font-ttf"),
    TYPE("application/x-font-opentype"),
    TYPE("font/ttf"),
    TYPE("font/otf"),
    TYPE("font/collection"),
};

static const struct str compressed[] = {
    TYPE("image/*"),
    TYPE("audio/*"),
    TYPE("video/*"),
    TYPE("font/woff"),
    TYPE("font/woff2"),
    TYPE("application/font-woff"),
    TYPE("application/font-woff2"),
    TYPE("application/zip"),
    TYPE("application/gzip"),
    TYPE("application/x-gzip"),
    TYPE("application/zstd"),
    TYPE("application/x-bzip2"),
    TYPE("application/x-xz"),
    TYPE("application/x-7z-compressed"),
    TYPE("application/vnd.rar"),
    TYPE("application/x-rar-compressed"),
    TYPE("application/java-archive"),
    TYPE("application/epub+zip"),
};

#undef TYPE

// Without its parameters.
static struct str media_type(struct str content_type)
{
    struct str parameters;
    return cut(content_type, ';', &parameters);
}

bool coding_type_matches(struct str content_type, struct str pattern)
{
    struct str type = media_type(content_type);
    bool is_kind = pattern.size > 2 && memcmp(pattern.data + pattern.size - 2, "/*", 2) == 0;
    if (!is_kind)
        return str_equal_nocase(type, pattern);
    size_t size = pattern.size - 1; // with the '/'
    if (str_equal(pattern, STR("*/*")))
        return type.size > 0;
    return type.size > size && strncasecmp(type.data, pattern.data, size) == 0;
}

static bool matches_any(struct str type, const struct str *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (coding_type_matches(type, patterns[i]))
            return true;
    }
    return false;
}

// RFC 6839: "application/problem+json".
static bool has_suffix(struct str type, struct str suffix)
{
    return type.size > suffix.size && memchr(type.data, '/', type.size) != NULL &&
           str_equal_nocase((struct str){type.data + type.size - suffix.size, suffix.size}, suffix);
}

bool coding_is_compressed(struct str content_type)
{
    struct str type = media_type(content_type);
    return !has_suffix(type, STR("+xml")) &&
           matches_any(type, compressed, sizeof compressed / sizeof compressed[0]);
}

bool coding_suits(struct str content_type)
{
    struct str type = media_type(content_type);
    if (coding_is_compressed(type))
        return false;
    return has_suffix(type, STR("+json")) || has_suffix(type, STR("+xml")) ||
           matches_any(type, suiting, sizeof suiting / sizeof suiting[0]);
}

int coding_type_check(const char *text, struct err *err)
{
    const char *slash = strchr(text, '/');
    const char *star = strchr(text, '*');
    if (slash == NULL || slash == text || slash[1] == '\0' || strchr(slash + 1, '/') != NULL ||
        strpbrk(text, " \t;,") != NULL)
        return err_set(err, ERR_USAGE, "must be a media type, as text/html or text/*");
    if (star != NULL && strcmp(text, "*/*") != 0 && (star != slash + 1 || star[1] != '\0'))
        return err_set(err, ERR_USAGE, "a * stands for all behind the slash, as in text/*");
    return 0;
}

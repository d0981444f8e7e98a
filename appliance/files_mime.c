// files_mime.c - endings in a sorted table, fingerprints by their alphabet and how often it
// changes.
#include "files_mime.h"

#include <stddef.h>

static const struct files_type types[] = {
#define TYPE(ending, type, compressible) \
    {{ending, sizeof(ending) - 1}, {type, sizeof(type) - 1}, compressible},
#include "files_mime.def"
#undef TYPE
};

static const struct files_type unknown = {
    {"", 0}, {"application/octet-stream", sizeof "application/octet-stream" - 1}, true};

enum { ENDING_MAX = 11, HEX_MIN = 8, HEX_MAX = 64, SHORT = 8 };

static int compare(struct str a, struct str b)
{
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

const struct files_type *files_mime_of(struct str name)
{
    const char *dot = name.size > 0 ? memrchr(name.data, '.', name.size) : NULL;
    size_t size = dot != NULL ? (size_t)(name.data + name.size - dot) - 1 : 0;
    char lower[ENDING_MAX];
    if (size == 0 || size > sizeof lower)
        return &unknown;
    for (size_t i = 0; i < size; i++) {
        char c = dot[i + 1];
        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    size_t low = 0, high = sizeof types / sizeof types[0];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(types[middle].ending, (struct str){lower, size});
        if (order == 0)
            return &types[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return &unknown;
}

// --- Fingerprints ---

enum { DIGIT = 1, LOWER = 2, UPPER = 4, OTHER = 8, LETTER = LOWER | UPPER };

static unsigned class_of(char c)
{
    if (c >= '0' && c <= '9')
        return DIGIT;
    if (c >= 'a' && c <= 'z')
        return LOWER;
    return c >= 'A' && c <= 'Z' ? UPPER : OTHER;
}

// What a part consists of.
struct letters {
    unsigned classes;       // all that are in it
    unsigned changes;       // from one class to another
    bool is_hex, is_base32; // nothing else is in it
};

static struct letters look_at(struct str part)
{
    struct letters out = {.is_hex = true, .is_base32 = true};
    for (size_t i = 0; i < part.size; i++) {
        char c = part.data[i];
        unsigned class = class_of(c);
        bool beyond_f = (class & LETTER) != 0 && (c | 0x20) > 'f';
        out.changes += i > 0 && class != class_of(part.data[i - 1]);
        out.classes |= class;
        out.is_hex = out.is_hex && class != OTHER && !beyond_f;
        out.is_base32 = out.is_base32 && (class == UPPER || (c >= '2' && c <= '7'));
    }
    return out;
}

static bool is_hex_print(struct str part)
{
    if (part.size < HEX_MIN || part.size > HEX_MAX)
        return false;
    struct letters letters = look_at(part);
    bool one_case = (letters.classes & LETTER) != LETTER;
    return letters.is_hex && one_case && letters.changes >= 2;
}

static bool is_short_print(struct str part)
{
    struct letters letters = look_at(part);
    if (letters.is_base32)
        return letters.changes >= 2;
    for (size_t i = 0; i < part.size; i++) {
        if (class_of(part.data[i]) == OTHER && part.data[i] != '-' && part.data[i] != '_')
            return false;
    }
    return (letters.classes & LETTER) == LETTER && letters.changes >= 4;
}

// Whether a fingerprint ends there.
static bool ends_print(struct str name, size_t end)
{
    size_t start = end;
    while (start > 0 && name.data[start - 1] != '.' && name.data[start - 1] != '-')
        start--;
    if (start > 0 && is_hex_print((struct str){name.data + start, end - start}))
        return true;
    return end > SHORT && name.data[end - SHORT - 1] == '-' &&
           is_short_print((struct str){name.data + end - SHORT, SHORT});
}

bool files_mime_is_fingerprinted(struct str name)
{
    for (size_t i = 1; i + 1 < name.size; i++) {
        if (name.data[i] == '.' && ends_print(name, i))
            return true;
    }
    return false;
}

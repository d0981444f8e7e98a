// files_path.c - one pass that decodes, one that judges. Segments are judged once they are decoded,
// so that no spelling of ".." gets by.
#include "files_path.h"

#include <stdint.h>
#include <strings.h>

#include "utf8.h"

static struct str from(struct str text, size_t at)
{
    return (struct str){text.data + at, text.size - at};
}

struct str files_path_split(struct str target, struct str *query)
{
    static const struct str schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < 2; i++) {
        size_t size = schemes[i].size, at = size;
        if (target.size < size || strncasecmp(target.data, schemes[i].data, size) != 0)
            continue;
        while (at < target.size && target.data[at] != '/' && target.data[at] != '?')
            at++;
        target = from(target, at);
        break;
    }
    const char *mark = target.size > 0 ? memchr(target.data, '?', target.size) : NULL;
    size_t size = mark != NULL ? (size_t)(mark - target.data) : target.size;
    *query = from(target, size);
    bool has_path = size > 0 && target.data[0] == '/';
    return (struct str){target.data, has_path ? size : 0};
}

// --- Decoding ---

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The octet that a '%' at the text's begin starts; -1: none.
static int octet(struct str text)
{
    int high = text.size >= 3 ? digit(text.data[1]) : -1;
    int low = high >= 0 ? digit(text.data[2]) : -1;
    return low >= 0 ? high * 16 + low : -1;
}

static void worsen(struct files_path *path, enum files_path_kind kind)
{
    if (kind > path->kind)
        path->kind = kind;
}

static void put(struct files_path *path, unsigned char c)
{
    if (c == '/' && path->size > 0 && path->text[path->size - 1] == '/')
        return;
    if (path->size == FILES_PATH_MAX)
        worsen(path, FILES_PATH_NOBODYS);
    else
        path->text[path->size++] = (char)c;
}

static void judge_octet(struct files_path *path, unsigned char c, bool encoded)
{
    if (c == '\0')
        worsen(path, FILES_PATH_MALFORMED);
    else if (c < 0x20 || c == 0x7f || c == '\\' || (c == '/' && encoded))
        worsen(path, FILES_PATH_NOBODYS);
}

static bool is_acceptable(struct str text)
{
    for (size_t at = 0; at < text.size;) {
        size_t size = utf8_size((struct str){text.data + at, text.size - at});
        bool is_hidden = text.data[at] == '.' && at > 0 && text.data[at - 1] == '/';
        if (size == 0 || is_hidden)
            return false;
        at += size;
    }
    return true;
}

static void judge_text(struct files_path *path)
{
    path->text[path->size] = '\0';
    struct str text = {path->text, path->size};
    if (path->size == 0 || path->text[0] != '/' || !is_acceptable(text))
        worsen(path, FILES_PATH_NOBODYS);
}

bool files_path_is(struct str raw, struct str path)
{
    size_t size = 0;
    if (str_equal(raw, path))
        return true;
    for (size_t at = 0; at < raw.size; at++, size++) {
        bool encoded = raw.data[at] == '%';
        int c = encoded ? octet(from(raw, at)) : (unsigned char)raw.data[at];
        if (size == path.size || c != (unsigned char)path.data[size] || (encoded && c == '/'))
            return false;
        at += encoded ? 2 : 0;
    }
    return size == path.size;
}

void files_path_decode(struct files_path *path, struct str raw)
{
    path->kind = FILES_PATH_FINE;
    path->size = 0;
    path->encoded_slash = SIZE_MAX;
    for (size_t at = 0; at < raw.size; at++) {
        bool encoded = raw.data[at] == '%';
        int c = encoded ? octet(from(raw, at)) : (unsigned char)raw.data[at];
        if (c < 0) {
            worsen(path, FILES_PATH_MALFORMED);
            c = '%';
        } else if (encoded) {
            at += 2;
        }
        judge_octet(path, (unsigned char)c, encoded);
        if (encoded && c == '/' && path->encoded_slash == SIZE_MAX)
            path->encoded_slash = path->size;
        put(path, (unsigned char)c);
    }
    judge_text(path);
}

void files_path_take(struct files_path *path, struct str text)
{
    path->kind = FILES_PATH_FINE;
    path->size = 0;
    path->encoded_slash = SIZE_MAX;
    for (size_t at = 0; at < text.size; at++) {
        judge_octet(path, (unsigned char)text.data[at], false);
        put(path, (unsigned char)text.data[at]);
    }
    judge_text(path);
}

// --- Parts ---

bool files_path_strip(const struct files_path *path, struct str prefix, struct str *rest)
{
    struct str text = {path->text, path->size};
    if (!str_starts(text, prefix) || path->encoded_slash <= prefix.size)
        return false;
    *rest = from(text, prefix.size);
    return rest->size == 0 || rest->data[0] == '/';
}

bool files_path_is_folder(struct str path)
{
    return path.size > 0 && path.data[path.size - 1] == '/';
}

struct str files_path_name(struct str path)
{
    const char *slash = path.size > 0 ? memrchr(path.data, '/', path.size) : NULL;
    return slash != NULL ? from(path, (size_t)(slash - path.data) + 1) : path;
}

// Unreserved characters, and others that mean themselves in a segment (pchar).
static bool is_plain(unsigned char c)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || (c != '\0' && strchr("/-._~!$&'()*+,;=:@", c));
}

int files_path_encode(struct buf *out, struct str path)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < path.size; i++) {
        unsigned char c = (unsigned char)path.data[i];
        char text[3] = {'%', digits[c / 16], digits[c % 16]};
        if (buf_append(out, is_plain(c) ? path.data + i : text, is_plain(c) ? 1 : 3) < 0)
            return -1;
    }
    return 0;
}

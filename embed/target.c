// target.c - a request target taken apart, still percent-encoded.
#include "target.h"

#include <string.h>

struct str target_authority(struct str target)
{
    const char *scheme_end = target.size > 0 && target.data[0] != '/'
                                 ? memmem(target.data, target.size, "://", 3)
                                 : NULL;
    if (scheme_end == NULL)
        return (struct str){target.data, 0};
    const char *end = target.data + target.size;
    const char *start = scheme_end + 3, *path = start;
    while (path < end && *path != '/' && *path != '?')
        path++;
    return (struct str){start, (size_t)(path - start)};
}

// absolute-form ("http://host/path", RFC 9112 section 3.2.2) stands for its path and query.
static struct str strip_authority(struct str target)
{
    struct str authority = target_authority(target);
    const char *path = authority.data + authority.size;
    return (struct str){path, (size_t)(target.data + target.size - path)};
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char target_next_octet(struct str path, size_t *at)
{
    size_t i = (*at)++;
    if (path.data[i] != '%' || i + 2 >= path.size)
        return path.data[i];
    int high = hex(path.data[i + 1]), low = hex(path.data[i + 2]);
    if (high < 0 || low < 0)
        return path.data[i];
    *at += 2;
    return (char)(high * 16 + low);
}

void target_split(struct str target, struct str *path, struct str *query)
{
    *path = strip_authority(target);
    *query = (struct str){path->data, 0};
    const char *mark = path->size > 0 ? memchr(path->data, '?', path->size) : NULL;
    if (mark != NULL) {
        *query = (struct str){mark + 1, (size_t)(path->data + path->size - mark - 1)};
        path->size = (size_t)(mark - path->data);
    }
    if (path->size == 0)
        *path = STR("/");
}

bool target_strip_prefix(struct str path, struct str prefix, struct str *out)
{
    size_t at = 0;
    for (size_t i = 0; i < prefix.size; i++) {
        if (at >= path.size || target_next_octet(path, &at) != prefix.data[i])
            return false;
    }
    *out = (struct str){path.data + at, path.size - at};
    return prefix.size == 0 || at == path.size || target_next_octet(path, &at) == '/';
}

// files_route.c - PREFIX=FOLDER.
#include "files_route.h"

#include <stdbool.h>
#include <string.h>

static bool has_dot_segment(struct str text)
{
    for (size_t at = 0; at < text.size;) {
        size_t size = 0;
        while (at + size < text.size && text.data[at + size] != '/')
            size++;
        if (size > 0 && text.data[at] == '.')
            return true;
        at += size + 1;
    }
    return false;
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.data[i] <= 0x20 || text.data[i] == 0x7f)
            return true;
    }
    return false;
}

int files_route_parse(struct files_route *out, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || *text != '/')
        return err_set(err, ERR_USAGE,
                       "must be PREFIX=FOLDER with a PREFIX that begins with '/', "
                       "as /static=static");
    struct str prefix = {text, (size_t)(equals - text)};
    while (prefix.size > 0 && prefix.data[prefix.size - 1] == '/')
        prefix.size--;
    if (memmem(prefix.data, prefix.size, "//", 2) != NULL)
        return err_set(err, ERR_USAGE, "the prefix has an empty part (write each '/' once)");
    if (has_dot_segment(prefix))
        return err_set(err, ERR_USAGE,
                       "the prefix has a part that begins with '.', and such paths "
                       "are never served");
    if (memchr(prefix.data, '%', prefix.size) != NULL)
        return err_set(err, ERR_USAGE, "the prefix has a '%%' (write it decoded, as it is)");
    if (memchr(prefix.data, '?', prefix.size) != NULL || has_control(prefix) ||
        memchr(prefix.data, '\\', prefix.size) != NULL)
        return err_set(err, ERR_USAGE,
                       "the prefix has a '?', '\\', blank or control character, "
                       "which no path has");
    if (equals[1] == '\0')
        return err_set(err, ERR_USAGE, "the folder is missing behind '='");
    out->prefix = prefix;
    out->folder = str_of(equals + 1);
    return 0;
}

int files_route_check(const char *text, struct err *err)
{
    struct files_route route;
    return files_route_parse(&route, text, err);
}

// config_parse.c - the parser of "key = value" lines, and no more: what keys there are and what
// their values mean is config.c's business. Reads what an archive holds, so it trusts nothing.
#include "config_parse.h"

#include <stdbool.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct str trimmed(struct str text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

static bool is_key_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

static bool is_key(struct str text)
{
    if (text.size == 0 || text.size > CONFIG_KEY_MAX)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_key_character(text.data[i]))
            return false;
    }
    return true;
}

// The bytes up to the next newline, taken from the front of *rest.
static struct str next_line(struct str *rest)
{
    const char *end = memchr(rest->data, '\n', rest->size);
    size_t size = end != NULL ? (size_t)(end - rest->data) : rest->size;
    struct str line = {rest->data, size};
    size_t taken = end != NULL ? size + 1 : size;
    rest->data += taken;
    rest->size -= taken;
    return line;
}

static int split(struct str line, size_t number, struct str *key, struct str *value,
                 struct err *err)
{
    const char *equals = memchr(line.data, '=', line.size);
    if (equals == NULL)
        return err_set(err, ERR_USAGE, "line %zu: no \"=\" in it (write: key = value)", number);
    size_t before = (size_t)(equals - line.data);
    *key = trimmed((struct str){line.data, before});
    *value = trimmed((struct str){equals + 1, line.size - before - 1});
    if (!is_key(*key))
        return err_set(
            err, ERR_USAGE,
            "line %zu: \"%.*s\" cannot be a key (letters, digits, \"-\", \"_\" and \".\", "
            "at most %d of them)",
            number, (int)(key->size < 80 ? key->size : 80), key->data, CONFIG_KEY_MAX);
    return 0;
}

static int parse_line(struct str line, size_t number, config_line_fn each, void *owner,
                      struct err *err)
{
    struct str key, value;
    if (line.size > CONFIG_LINE_MAX)
        return err_set(err, ERR_USAGE, "line %zu: longer than %d bytes", number, CONFIG_LINE_MAX);
    if (memchr(line.data, '\0', line.size) != NULL)
        return err_set(err, ERR_USAGE, "line %zu: a NUL byte in it", number);
    line = trimmed(line);
    if (line.size == 0 || line.data[0] == '#')
        return 0;
    if (split(line, number, &key, &value, err) < 0)
        return -1;
    return each(owner, number, key, value, err);
}

int config_parse(struct str text, config_line_fn each, void *owner, struct err *err)
{
    if (text.size > CONFIG_TEXT_MAX)
        return err_set(err, ERR_USAGE, "longer than %d bytes", CONFIG_TEXT_MAX);
    for (size_t number = 1; text.size > 0; number++) {
        if (parse_line(next_line(&text), number, each, owner, err) < 0)
            return -1;
    }
    return 0;
}

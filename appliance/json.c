// json.c - values, one behind the other, with commas between them.
#include "json.h"

#include <inttypes.h>
#include <stddef.h>

#include "utf8.h"

static void put(struct json *json, const char *data, size_t size)
{
    json->failed = json->failed || buf_append(json->out, data, size) < 0;
}

#define PUT(json, ...) ((json)->failed = (json)->failed || buf_printf((json)->out, __VA_ARGS__) < 0)

// Up to where the value begins.
static void put_name(struct json *json, const char *name)
{
    if (json->comma)
        put(json, ",", 1);
    if (name != NULL)
        PUT(json, "\"%s\":", name);
    json->comma = true;
}

void json_begin(struct json *json, const char *name, char bracket)
{
    put_name(json, name);
    put(json, &bracket, 1);
    json->comma = false;
}

void json_end(struct json *json, char bracket)
{
    put(json, &bracket, 1);
    json->comma = true;
}

// --- texts ---

static void put_character(struct json *json, const unsigned char *text, size_t size)
{
    if (size == 0)
        put(json, "\xef\xbf\xbd", 3); // U+FFFD
    else if (*text == '"' || *text == '\\')
        PUT(json, "\\%c", *text);
    else if (*text < 0x20 || *text == 0x7f)
        PUT(json, "\\u%04x", *text);
    else if (*text == 0xc2 && text[1] < 0xa0)
        PUT(json, "\\u%04x", text[1]);
    else
        put(json, (const char *)text, size);
}

void json_text(struct json *json, const char *name, struct str value)
{
    const unsigned char *text = (const unsigned char *)value.data;
    put_name(json, name);
    put(json, "\"", 1);
    for (size_t at = 0; at < value.size;) {
        size_t size = utf8_size((struct str){value.data + at, value.size - at});
        put_character(json, text + at, size);
        at += size > 0 ? size : 1;
    }
    put(json, "\"", 1);
}

// --- numbers ---

void json_flag(struct json *json, const char *name, bool value)
{
    put_name(json, name);
    PUT(json, "%s", value ? "true" : "false");
}

void json_number(struct json *json, const char *name, uint64_t value)
{
    put_name(json, name);
    PUT(json, "%" PRIu64, value);
}

void json_known(struct json *json, const char *name, int64_t value)
{
    put_name(json, name);
    if (value < 0)
        put(json, "null", 4);
    else
        PUT(json, "%" PRId64, value);
}

void json_seconds(struct json *json, const char *name, int64_t milliseconds)
{
    put_name(json, name);
    if (milliseconds < 0)
        put(json, "null", 4);
    else
        PUT(json, "%" PRId64 ".%03d", milliseconds / 1000, (int)(milliseconds % 1000));
}

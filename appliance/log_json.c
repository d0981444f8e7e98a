// log_json.c - records as JSON (RFC 8259): whatever bytes a message has, what comes out is one
// object on one line in valid UTF-8.
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "log_priv.h"
#include "utf8.h"

enum {
    ESCAPE_MAX = 6,  // bytes of a character as written: \u001b
    NAME_ROOM = 512, // bytes of a module's name as written, and of a request's id
    CLOSING = 2,     // "}
    OMITTED = sizeof " ... " - 1,
};

// One character, or one byte that is none, as it stands in a string of JSON. Returns how much of
// the text it was; *size: of what was written.
static size_t escape(struct str text, char out[static ESCAPE_MAX + 1], size_t *size)
{
    static const char shorts[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                  ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    unsigned char byte = (unsigned char)*text.data;
    size_t taken = utf8_size(text);
    if (taken == 0) {
        *size = (size_t)snprintf(out, ESCAPE_MAX + 1, "\\ufffd");
        return 1;
    }
    if (byte < sizeof shorts && shorts[byte] != 0) {
        out[0] = '\\';
        out[1] = shorts[byte];
        *size = 2;
    } else if (byte < 0x20 || byte == 0x7f) {
        *size = (size_t)snprintf(out, ESCAPE_MAX + 1, "\\u%04x", byte);
    } else if (byte == 0xc2 && (unsigned char)text.data[1] < 0xa0) {
        // U+0080 to U+009F, which drive terminals as well.
        *size = (size_t)snprintf(out, ESCAPE_MAX + 1, "\\u%04x", (unsigned char)text.data[1]);
    } else {
        memcpy(out, text.data, taken);
        *size = taken;
    }
    return taken;
}

// As much of the text as finds room, in whole characters. Returns the size of what was written;
// *taken: how much of the text it is.
static size_t escape_text(struct str text, char *out, size_t room, size_t *taken)
{
    size_t used = 0, at = 0;
    while (at < text.size) {
        char piece[ESCAPE_MAX + 1];
        size_t size, more = escape((struct str){text.data + at, text.size - at}, piece, &size);
        if (used + size > room)
            break;
        memcpy(out + used, piece, size);
        used += size;
        at += more;
    }
    *taken = at;
    return used;
}

size_t log_json_lines(struct str text, size_t room)
{
    size_t cost = 0, whole = 0;
    if (text.size * ESCAPE_MAX <= room)
        return text.size; // at its longest: it is looked at once, when it is written
    for (size_t at = 0; at < text.size;) {
        char piece[ESCAPE_MAX + 1];
        size_t size, more = escape((struct str){text.data + at, text.size - at}, piece, &size);
        cost += size;
        if (cost > room && whole > 0)
            return whole;
        at += more;
        if (text.data[at - 1] == '\n')
            whole = at;
    }
    return text.size;
}

// Where the end of a text begins that finds room, written at its longest.
static struct str tail(struct str text, size_t room)
{
    size_t size = room / ESCAPE_MAX;
    if (size >= text.size)
        return text;
    struct str end = {text.data + text.size - size, size};
    while (end.size > 0 && ((unsigned char)*end.data & 0xc0) == 0x80)
        end.data++, end.size--;
    return end;
}

static size_t write_message(struct str text, char *out, size_t room)
{
    size_t taken, used = escape_text(text, out, room, &taken);
    if (taken == text.size || room <= OMITTED)
        return used;
    // A traceback says at its end what has happened.
    room -= OMITTED;
    used = escape_text(text, out, room / 2, &taken);
    memcpy(out + used, " ... ", OMITTED);
    used += OMITTED;
    struct str rest = tail((struct str){text.data + taken, text.size - taken}, room - room / 2);
    return used + escape_text(rest, out + used, room - room / 2, &taken);
}

static size_t write_name(const char *key, const char *name, char *out)
{
    size_t taken, used = (size_t)snprintf(out, NAME_ROOM, ",\"%s\":\"", key);
    used += escape_text(str_of(name), out + used, NAME_ROOM - used - 1, &taken);
    out[used++] = '"';
    return used;
}

size_t log_json(const struct log_record *record, char *out, size_t room)
{
    char time[LOG_TIME_SIZE];
    log_format_time(record->time, time);
    size_t used =
        (size_t)snprintf(out, room, "{\"time\":\"%s\",\"level\":\"%s\"", time, record->level_name);
    used += write_name("role", record->role, out + used);
    used += (size_t)snprintf(out + used, room - used, ",\"pid\":%d", record->pid);
    used += write_name("module", record->module, out + used);
    if (*record->request != '\0')
        used += write_name("request", record->request, out + used);
    used += (size_t)snprintf(out + used, room - used, ",\"message\":\"");
    used += write_message(record->message, out + used, room - used - CLOSING);
    memcpy(out + used, "\"}", CLOSING);
    return used + CLOSING;
}

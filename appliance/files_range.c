// files_range.c - Range. Where RFC 9110 leaves the choice, it is nginx's: what begins as bytes= and
// is no list of ranges is answered 416.
#include "files_range.h"

#include <stdbool.h>
#include <strings.h>

struct reader {
    const char *at, *end;
};

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t'))
        reader->at++;
}

static bool at_digit(const struct reader *reader)
{
    return reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9';
}

static bool skip_char(struct reader *reader, char c)
{
    if (reader->at == reader->end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

// A number, which is largest where it would be larger: no file is. False: there is none.
static bool take_number(struct reader *reader, uint64_t *out)
{
    uint64_t number = 0;
    if (!at_digit(reader))
        return false;
    for (; at_digit(reader); reader->at++) {
        unsigned digit = (unsigned)(*reader->at - '0');
        number = number > (INT64_MAX - 9) / 10 ? INT64_MAX : number * 10 + digit;
    }
    *out = number;
    return true;
}

// One range-spec and the blanks around it: "0-499", "500-", "-200". False: it is none.
static bool take_range(struct reader *reader, uint64_t size, struct files_range *out)
{
    uint64_t first, last = INT64_MAX;
    skip_blanks(reader);
    bool is_suffix = !take_number(reader, &first);
    if (!skip_char(reader, '-'))
        return false;
    bool has_last = take_number(reader, &last);
    skip_blanks(reader);
    if (is_suffix && !has_last)
        return false;
    if (is_suffix)
        *out = (struct files_range){last < size ? size - last : 0, size};
    else if (has_last && last < first)
        return false;
    else
        *out = (struct files_range){first, last < size ? last + 1 : size};
    return true;
}

// Ranges, a comma between two; elements of the list may be empty (RFC 9110 section 5.6.1.2).
enum files_range_kind files_range_parse(struct files_ranges *out, struct str value, uint64_t size)
{
    struct reader reader = {value.data + 6, value.data + value.size};
    uint64_t sum = 0;
    bool is_whole = false;
    out->count = 0;
    if (value.data == NULL || value.size < 6 || strncasecmp(value.data, "bytes=", 6) != 0)
        return FILES_RANGE_WHOLE;
    while (reader.at < reader.end) {
        struct files_range range;
        skip_blanks(&reader);
        if (skip_char(&reader, ','))
            continue;
        if (!take_range(&reader, size, &range))
            return FILES_RANGE_OUTSIDE;
        if (reader.at < reader.end && *reader.at != ',')
            return FILES_RANGE_OUTSIDE;
        // Of an empty file, all that begins at its begin is the whole.
        if (range.start >= range.end && range.start > 0)
            continue;
        is_whole = is_whole || range.end == 0 || out->count == FILES_RANGE_MAX ||
                   range.end - range.start > size - sum;
        if (!is_whole) {
            out->items[out->count++] = range;
            sum += range.end - range.start;
        }
    }
    if (is_whole)
        return FILES_RANGE_WHOLE;
    return out->count > 0 ? FILES_RANGE_PARTS : FILES_RANGE_OUTSIDE;
}

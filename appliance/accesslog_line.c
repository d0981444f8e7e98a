// accesslog_line.c - the atoms of a line, one after the other.
#include "accesslog_line.h"

#include <string.h>

#include "accesslog_text.h"
#include "accesslog_value.h"

// Whether a text is a value of JSON as it is.
static bool is_bare(enum accesslog_value value)
{
    return value == ACCESSLOG_COMPLETE || value == ACCESSLOG_SERVED_HERE ||
           value == ACCESSLOG_BODY_OR_UNKNOWN;
}

// At most so many bytes, and no character cut.
static struct str shorten(struct str text, int precision)
{
    if (precision < 0 || text.size <= (size_t)precision)
        return text;
    text.size = (size_t)precision;
    while (text.size > 0 && (text.data[text.size] & 0xc0) == 0x80)
        text.size--;
    return text;
}

static char *write_text(const struct accesslog_line *in, char *at, char *end, struct str text)
{
    const struct accesslog_piece *piece = in->piece;
    if (piece->conversion == 'j') {
        if (text.data == NULL)
            return (char *)mempcpy(at, "null", 4);
        if (is_bare(piece->value))
            return (char *)mempcpy(at, text.data, text.size);
        *at++ = '"';
        at = accesslog_text_json(at, end - 1, text);
        *at++ = '"';
        return at;
    }
    if (text.data == NULL)
        text = STR("-");
    text = shorten(text, piece->precision);
    return in->writer->format->json_escapes ? accesslog_text_json(at, end, text)
                                            : accesslog_text_plain(at, end, text);
}

// --- dates ---

enum { SECOND = 1000000000 }; // nanoseconds

static int64_t ended(const struct accesslog_line *in)
{
    return in->entry->began + in->entry->duration;
}

static char *write_date(const struct accesslog_line *in, char *at)
{
    static const enum accesslog_date_form forms[ACCESSLOG_VALUES] = {
        [ACCESSLOG_DATE_BRACKETS] = ACCESSLOG_DATE_FORM_BRACKETS,
        [ACCESSLOG_DATE_COMMON] = ACCESSLOG_DATE_FORM_COMMON,
        [ACCESSLOG_DATE_BEGAN] = ACCESSLOG_DATE_FORM_BLANK,
        [ACCESSLOG_DATE_ISO] = ACCESSLOG_DATE_FORM_ISO,
    };
    enum accesslog_value value = in->piece->value;
    int64_t time = value == ACCESSLOG_DATE_BEGAN ? in->entry->began : ended(in);
    struct str date = accesslog_date(&in->writer->dates, forms[value], time / SECOND);
    bool quoted = in->piece->conversion == 'j';
    *at = '"';
    at += quoted;
    struct str shown = shorten(date, in->piece->precision);
    at = (char *)mempcpy(at, shown.data, shown.size);
    if (value == ACCESSLOG_DATE_ISO && in->piece->precision < 0) {
        unsigned part = (unsigned)(time / 1000000 % 1000);
        *at++ = '.';
        *at++ = (char)('0' + part / 100);
        *at++ = (char)('0' + part / 10 % 10);
        *at++ = (char)('0' + part % 10);
        *at++ = 'Z';
    }
    *at = '"';
    return at + quoted;
}

// --- numbers ---

// How a number counts, and how it is written where nothing is said.
static const struct scale {
    uint8_t exponent, decimals;
    bool whole; // what is behind the point is left out
} scales[ACCESSLOG_VALUES] = {
    [ACCESSLOG_DURATION_SECONDS] = {9, 0, true},
    [ACCESSLOG_DURATION_MILLISECONDS] = {6, 0, true},
    [ACCESSLOG_DURATION_MICROSECONDS] = {3, 0, true},
    [ACCESSLOG_DURATION] = {9, 6, false},
    [ACCESSLOG_DURATION_IN_MS] = {6, 3, false},
};

static char *write_number(const struct accesslog_line *in, char *at)
{
    static const uint32_t units[] = {1,      10,      100,      1000,      10000,
                                     100000, 1000000, 10000000, 100000000, 1000000000};
    const struct accesslog_piece *piece = in->piece;
    const struct scale *scale = &scales[piece->value];
    int64_t read = accesslog_value_number(in);
    uint64_t number = read > 0 ? (uint64_t)read : 0;
    unsigned exponent = scale->exponent, decimals = scale->decimals;
    if (scale->whole || piece->conversion == 'd')
        number /= units[exponent], exponent = decimals = 0;
    if (piece->conversion == 'f')
        decimals = piece->precision >= 0 ? (unsigned)piece->precision : 6;
    if (exponent == 0 && decimals == 0)
        return accesslog_text_number(at, number);
    return accesslog_text_decimal(at, number, exponent, decimals);
}

// --- a line ---

// To the piece's width.
static char *pad(const struct accesslog_piece *piece, char *start, char *at)
{
    size_t size = (size_t)(at - start);
    if (size >= piece->width)
        return at;
    size_t missing = piece->width - size;
    bool zeros = piece->zeros && accesslog_kind_of(piece->value) == ACCESSLOG_NUMBER;
    if (piece->left) {
        memset(at, ' ', missing);
    } else {
        memmove(start + missing, start, size);
        memset(start, zeros ? '0' : ' ', missing);
    }
    return at + missing;
}

// Whether the whole piece is left out.
static bool is_missing(const struct accesslog_line *in, struct str text)
{
    if (!in->piece->only_if_known)
        return false;
    if (in->piece->value == ACCESSLOG_SAMPLE)
        return in->writer->sample == 1;
    return accesslog_kind_of(in->piece->value) == ACCESSLOG_TEXT && text.data == NULL;
}

static char *write_piece(const struct accesslog_line *in, char *at, char *end)
{
    const struct accesslog_piece *piece = in->piece;
    enum accesslog_kind kind = accesslog_kind_of(piece->value);
    struct str text = kind == ACCESSLOG_TEXT ? accesslog_value_text(in) : (struct str){NULL, 0};
    if (is_missing(in, text))
        return at;
    at = (char *)mempcpy(at, piece->before.data, piece->before.size);
    char *start = at;
    if (kind == ACCESSLOG_TEXT)
        at = write_text(in, at, end, text);
    else
        at = kind == ACCESSLOG_DATE ? write_date(in, at) : write_number(in, at);
    return piece->simple ? at : pad(piece, start, at);
}

size_t accesslog_line_write(struct accesslog_writer *writer, const struct accesslog_entry *entry,
                            char out[static ACCESSLOG_LINE_MAX])
{
    const struct accesslog_format *format = writer->format;
    struct accesslog_line in = {writer, entry, format->pieces};
    char *at = out;
    for (; in.piece->value != ACCESSLOG_NOTHING; in.piece++)
        at = write_piece(&in, at, out + format->line_max - in.piece->reserve);
    at = (char *)mempcpy(at, in.piece->before.data, in.piece->before.size);
    return (size_t)(at - out);
}

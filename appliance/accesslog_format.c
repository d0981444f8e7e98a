// accesslog_format.c - formats of access logs, as text.
#include "accesslog_format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "accesslog_format_priv.h"
#include "near.h"

// nginx's "combined", and what is common to it and its predecessors.
#define COMMON "%(addr)s - %(user)s [%(time_local)s] \"%(request)s\" %(status)s %(body_bytes_sent)s"
#define COMBINED COMMON " \"%(referer)s\" \"%(user_agent)s\""
#define JSON                                                                                     \
    "{\"time\":%(time_utc)j,\"client\":%(addr)j,\"user\":%(user)j,\"method\":%(method)j,"        \
    "\"target\":%(target)j,\"protocol\":%(protocol)j,\"request\":%(request_unread)j,"            \
    "\"status\":%(status)j,\"bytes\":%(bytes_sent)j,\"body_bytes\":%(body_bytes_sent)j,"         \
    "\"bytes_received\":%(bytes_received)j,\"duration_ms\":%(dt_ms)j,\"complete\":%(complete)j," \
    "\"scheme\":%(scheme)j,\"host\":%(host)j,\"referer\":%(referer)j,"                           \
    "\"user_agent\":%(user_agent)j,\"request_id\":%(request_id)j,\"worker\":%(worker)j,"         \
    "\"connection\":%(connection)j,\"connection_requests\":%(connection_requests)j,"             \
    "\"tls_version\":%(tls_version)j,\"tls_cipher\":%(tls_cipher)j,"                             \
    "\"server_name\":%(server_name)j,\"client_subject\":%(client_subject)j,\"sample\":%(sample)j}"

static const struct {
    const char *name;
    const char *text;
} formats[] = {{"combined", COMBINED}, {"common", COMMON}, {"json", JSON}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    NUMBER_SIZE = 40,     // bytes of a number or a date, at most
    TEXT_SIZE_MOST = 512, // of a line, for each text that is behind another
};

// --- the parts of a text ---

struct reader {
    char *at; // what is still to be read, of the format's own copy
    struct accesslog_format *format;
    struct err *err;
};

// The literal text up to the next atom, "%%" undone in place. 1: at is behind the atom's '%'; 0: at
// the end.
static int read_literal(struct reader *in, struct str *literal)
{
    char *out = in->at;
    literal->data = out;
    for (; *in->at != '\0'; in->at++, literal->size++) {
        unsigned char c = (unsigned char)*in->at;
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return err_set(in->err, ERR_USAGE, "has a control character (byte 0x%02x)", c);
        if (c == '%' && *++in->at != '%')
            return 1;
        *out++ = (char)c;
    }
    return 0;
}

// What stands in the parentheses; braces may hold others.
static int read_name(struct reader *in, struct str *name)
{
    if (*in->at != '(')
        return err_set(in->err, ERR_USAGE,
                       "\"%%%.8s\" is no atom: they are written %%(NAME)s, a percent sign is %%%%",
                       in->at);
    char *start = ++in->at;
    bool braces = false;
    for (; *in->at != '\0' && (braces || *in->at != ')'); in->at++)
        braces = *in->at == '{' || (braces && *in->at != '}');
    *name = (struct str){start, (size_t)(in->at - start)};
    if (*in->at == '\0')
        return err_set(in->err, ERR_USAGE, "\"%%(%.40s\" has no closing parenthesis", start);
    in->at++;
    return 0;
}

static int take_number(struct reader *in, int most, int *out)
{
    *out = 0;
    for (; *in->at >= '0' && *in->at <= '9'; in->at++) {
        *out = *out * 10 + *in->at - '0';
        if (*out > most)
            return -1;
    }
    return 0;
}

// Of Python's conversions those that make sense, and JSON.
static bool converts(const struct accesslog_piece *piece)
{
    bool number = accesslog_kind_of(piece->value) == ACCESSLOG_NUMBER;
    switch (piece->conversion) {
    case 's':
        return true;
    case 'j':
        return piece->simple;
    case 'd':
        return number && piece->precision < 0;
    case 'f':
        return number && piece->precision <= 9;
    default:
        return false;
    }
}

static char conversion_of(char letter)
{
    if (letter == 'i' || letter == 'u')
        return 'd';
    return letter == 'F' ? 'f' : letter;
}

// What is behind the parentheses: [-0][WIDTH][.PRECISION]LETTER.
static int read_conversion(struct reader *in, struct str name, struct accesslog_piece *piece)
{
    const char *start = in->at;
    int width = 0, precision = -1;
    for (; *in->at == '-' || *in->at == '0'; in->at++)
        *(*in->at == '-' ? &piece->left : &piece->zeros) = true;
    bool good = take_number(in, ACCESSLOG_WIDTH_MAX, &width) == 0;
    if (good && *in->at == '.') {
        in->at++;
        good = take_number(in, INT8_MAX, &precision) == 0;
    }
    piece->conversion = conversion_of(*in->at);
    piece->width = (uint8_t)width;
    piece->precision = (int8_t)precision;
    piece->simple = width == 0 && precision < 0;
    in->at += *in->at != '\0';
    if (good && converts(piece))
        return 0;
    bool number = accesslog_kind_of(piece->value) == ACCESSLOG_NUMBER;
    return err_set(in->err, ERR_USAGE, "\"%%(%.*s)%.*s\" cannot be: it is %s", (int)name.size,
                   name.data, (int)(in->at - start), start,
                   number ? "a number: s, d, j, or with at most 9 decimals as .3f"
                          : "a text: s or j, or with a width and a length as -20.40s");
}

static int read_piece(struct reader *in, struct accesslog_piece *piece)
{
    struct str name;
    *piece = (struct accesslog_piece){.precision = -1};
    int atom = read_literal(in, &piece->before);
    if (atom <= 0)
        return atom;
    if (read_name(in, &name) < 0 || accesslog_format_find(piece, name, in->err) < 0 ||
        read_conversion(in, name, piece) < 0)
        return -1;
    return 1;
}

static int read_pieces(struct accesslog_format *format, struct err *err)
{
    struct reader in = {format->text, format, err};
    for (;;) {
        int more = read_piece(&in, &format->pieces[format->count++]);
        if (more <= 0)
            return more;
        if (format->count > ACCESSLOG_ATOMS_MAX)
            return err_set(err, ERR_USAGE, "has more than %d atoms", ACCESSLOG_ATOMS_MAX);
    }
}

// --- a format ---

// What may be written of a piece, at least: so that a long value leaves room for those behind it.
static size_t needs(const struct accesslog_piece *piece, size_t text_size)
{
    enum accesslog_kind kind = accesslog_kind_of(piece->value);
    size_t size = kind == ACCESSLOG_TEXT ? text_size : NUMBER_SIZE;
    if (piece->value == ACCESSLOG_NOTHING)
        size = 0;
    return piece->before.size + (size > piece->width ? size : piece->width);
}

static void share_line(struct accesslog_format *format, size_t line_max)
{
    size_t fixed = 1, texts = 1; // the newline
    for (size_t i = 0; i < format->count; i++) {
        fixed += needs(&format->pieces[i], 0);
        texts += accesslog_kind_of(format->pieces[i].value) == ACCESSLOG_TEXT;
    }
    // The format itself needs more, and who writes it knows.
    format->line_max = fixed < line_max / 2 ? line_max : ACCESSLOG_LINE_MAX;
    // A third of what is left is shared, and the rest is for who comes first.
    size_t share = (format->line_max - fixed) / 3 / texts;
    share = share < TEXT_SIZE_MOST ? share : TEXT_SIZE_MOST;
    size_t behind = 1;
    for (size_t i = format->count; i-- > 0;) {
        format->pieces[i].reserve = behind;
        behind += needs(&format->pieces[i], share);
    }
}

static int check_text(const char *text, const struct accesslog_format *format, struct err *err)
{
    if (format->count > 1)
        return 0;
    struct near best = {.distance = NEAR_NOTHING};
    for (size_t i = 0; i < COUNT(formats); i++)
        near_consider(&best, str_of(text), formats[i].name);
    if (best.word != NULL)
        return err_set(err, ERR_USAGE, "no format is called that (did you mean \"%s\"?)",
                       best.word);
    return err_set(
        err, ERR_USAGE,
        "is neither combined, common nor json, and has no atoms: they are written %%(NAME)s");
}

static int compile(struct accesslog_format *format, const char *text, bool own, struct err *err)
{
    if (read_pieces(format, err) < 0 || check_text(text, format, err) < 0)
        return -1;
    format->json_escapes = *text == '{';
    // Text before a value that may be missing is its key.
    for (size_t i = 0; own && i < format->count; i++)
        format->pieces[i].only_if_known = format->pieces[i].conversion == 'j';
    share_line(format, ACCESSLOG_LINE_MAX);
    return 0;
}

void accesslog_format_fit(struct accesslog_format *format, size_t line_max)
{
    share_line(format, line_max);
}

int accesslog_format_new(struct accesslog_format **out, const char *text, struct err *err)
{
    bool own = false;
    for (size_t i = 0; i < COUNT(formats) && !own; i++) {
        own = strcmp(text, formats[i].name) == 0;
        text = own ? formats[i].text : text;
    }
    *out = NULL;
    if (*text == '\0')
        return err_set(err, ERR_USAGE, "is empty");
    if (strlen(text) > ACCESSLOG_FORMAT_MAX)
        return err_set(err, ERR_USAGE, "is longer than %d bytes", ACCESSLOG_FORMAT_MAX);
    struct accesslog_format *format =
        calloc(1, sizeof *format + (ACCESSLOG_ATOMS_MAX + 1) * sizeof format->pieces[0]);
    if (format == NULL || (format->text = strdup(text)) == NULL ||
        compile(format, text, own, err) < 0) {
        if (format == NULL || format->text == NULL)
            err_system(err, ENOMEM, "format of the access log");
        accesslog_format_free(format);
        return -1;
    }
    *out = format;
    return 0;
}

void accesslog_format_free(struct accesslog_format *format)
{
    if (format == NULL)
        return;
    free(format->text);
    free(format);
}

// --- checks of options ---

int accesslog_format_check(const char *text, struct err *err)
{
    struct accesslog_format *format;
    if (accesslog_format_new(&format, text, err) < 0)
        return -1;
    accesslog_format_free(format);
    return 0;
}

int accesslog_format_check_skip(const char *text, struct err *err)
{
    if (*text != '/')
        return err_set(err, ERR_USAGE, "must begin with \"/\"");
    if (text[1] == '\0')
        return err_set(err, ERR_USAGE, "\"/\" is every path (leave --access-log out)");
    if (strpbrk(text, "?#%") != NULL)
        return err_set(err, ERR_USAGE,
                       "must be a plain path, decoded, without \"?\", \"#\" and \"%%\"");
    return 0;
}

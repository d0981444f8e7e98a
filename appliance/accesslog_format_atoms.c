// accesslog_format_atoms.c - what the names of atoms stand for.
#include <string.h>

#include "accesslog_format_priv.h"
#include "near.h"

enum { SHOWN = 60 }; // bytes of a name in a message

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct named {
    const char *name;
    enum accesslog_value value;
} names[] = {
#define NAME(text, what) {text, ACCESSLOG_##what},
#include "accesslog_format_names.def"
#undef NAME
};

// For a message.
#define NAME(text, what) " " text
static const char all_names[] = "there are"
#include "accesslog_format_names.def"
                                " header{NAME} response_header{NAME} {NAME}i {NAME}o {NAME}e";
#undef NAME

// Keys of WSGI's environ that are the server's own; HTTP_NAME is a header.
static const struct named environ[] = {
    {"REQUEST_METHOD", ACCESSLOG_METHOD},
    {"PATH_INFO", ACCESSLOG_PATH_DECODED},
    {"QUERY_STRING", ACCESSLOG_QUERY},
    {"RAW_URI", ACCESSLOG_TARGET},
    {"REQUEST_URI", ACCESSLOG_TARGET},
    {"REMOTE_ADDR", ACCESSLOG_ADDRESS},
    {"REMOTE_PORT", ACCESSLOG_REMOTE_PORT},
    {"REMOTE_USER", ACCESSLOG_USER},
    {"SERVER_NAME", ACCESSLOG_LOCAL_ADDRESS},
    {"SERVER_PORT", ACCESSLOG_LOCAL_PORT},
    {"SERVER_PROTOCOL", ACCESSLOG_PROTOCOL},
    {"wsgi.url_scheme", ACCESSLOG_SCHEME},
    {"SSL_PROTOCOL", ACCESSLOG_TLS_VERSION},
    {"SSL_CIPHER", ACCESSLOG_TLS_CIPHER},
    {"SSL_TLS_SNI", ACCESSLOG_SERVER_NAME},
    {"SSL_CLIENT_S_DN", ACCESSLOG_CLIENT_SUBJECT},
    {"SSL_CLIENT_I_DN", ACCESSLOG_CLIENT_ISSUER},
    {"SSL_CLIENT_M_SERIAL", ACCESSLOG_CLIENT_SERIAL},
};

static const struct named *find(const struct named *table, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_equal(name, str_of(table[i].name)))
            return &table[i];
    }
    return NULL;
}

// The name that was meant; NULL: none is near.
static const char *guess(const struct named *table, size_t count, struct str name)
{
    struct near best = {.distance = NEAR_NOTHING};
    for (size_t i = 0; i < count; i++) {
        if (str_equal_nocase(name, str_of(table[i].name)))
            return table[i].name;
        if (name.size > 1 && table[i].name[1] != '\0')
            near_consider(&best, name, table[i].name);
    }
    return best.word;
}

static int is_unknown(struct str name, const char *meant, const char *else_text, struct err *err)
{
    int shown = (int)(name.size < SHOWN ? name.size : SHOWN);
    if (meant != NULL)
        return err_set(err, ERR_USAGE, "there is no atom \"%%(%.*s)s\" (did you mean \"%s\"?)",
                       shown, name.data, meant);
    return err_set(err, ERR_USAGE, "there is no atom \"%%(%.*s)s\" (%s)", shown, name.data,
                   else_text);
}

// RFC 9110 section 5.1.
static bool is_header_name(struct str name)
{
    for (size_t i = 0; i < name.size; i++) {
        unsigned char c = (unsigned char)name.data[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
            return false;
    }
    return name.size > 0;
}

// "{KEY}e": name is all of it.
static int find_environ(struct accesslog_piece *piece, struct str name, struct str key,
                        struct err *err)
{
    const struct named *known = find(environ, COUNT(environ), key);
    if (known != NULL) {
        piece->value = known->value;
        return 0;
    }
    bool header = str_starts(key, STR("HTTP_")) && key.size > 5;
    struct str field = header ? (struct str){key.data + 5, key.size - 5} : key;
    if (!header && !str_equal(key, STR("CONTENT_TYPE")) && !str_equal(key, STR("CONTENT_LENGTH")))
        return is_unknown(name, guess(environ, COUNT(environ), key),
                          "of the environ there are HTTP_NAME and what the server puts there", err);
    char *underscore;
    while ((underscore = memchr(field.data, '_', field.size)) != NULL)
        *underscore = '-';
    piece->value = ACCESSLOG_HEADER;
    piece->name = field;
    return 0;
}

// "header{NAME}", "response_header{NAME}", "{NAME}i", "{NAME}o", "{NAME}e".
static int find_braced(struct accesslog_piece *piece, struct str name, const char *brace,
                       struct err *err)
{
    const char *end = name.data + name.size;
    const char *close = memchr(brace, '}', (size_t)(end - brace));
    struct str before = {name.data, (size_t)(brace - name.data)};
    struct str inside = {brace + 1, close != NULL ? (size_t)(close - brace - 1) : 0};
    struct str behind = {close + 1, close != NULL ? (size_t)(end - close - 1) : 0};
    bool plain = before.size == 0 && behind.size == 1;
    if (plain && *behind.data == 'e' && inside.size > 0)
        return find_environ(piece, name, inside, err);
    if (str_equal(before, STR("header")) && behind.size == 0)
        piece->value = ACCESSLOG_HEADER;
    else if (str_equal(before, STR("response_header")) && behind.size == 0)
        piece->value = ACCESSLOG_RESPONSE_HEADER;
    else if (plain && (*behind.data == 'i' || *behind.data == 'o'))
        piece->value = *behind.data == 'i' ? ACCESSLOG_HEADER : ACCESSLOG_RESPONSE_HEADER;
    if (piece->value == ACCESSLOG_NOTHING || close == NULL)
        return is_unknown(name, NULL,
                          "braces are in header{NAME}, response_header{NAME}, "
                          "{NAME}i, {NAME}o and {NAME}e",
                          err);
    if (!is_header_name(inside))
        return is_unknown(name, NULL, "no header has such a name", err);
    piece->name = inside;
    return 0;
}

int accesslog_format_find(struct accesslog_piece *piece, struct str name, struct err *err)
{
    const char *brace = name.size > 0 ? memchr(name.data, '{', name.size) : NULL;
    if (brace != NULL)
        return find_braced(piece, name, brace, err);
    const struct named *known = find(names, COUNT(names), name);
    if (known == NULL &&
        (str_equal(name, STR("header")) || str_equal(name, STR("response_header"))))
        return is_unknown(name, NULL, "which header? as in header{Referer}", err);
    if (known == NULL)
        return is_unknown(name, guess(names, COUNT(names), name), all_names, err);
    piece->value = known->value;
    // These two are headers with names of their own.
    if (known->value == ACCESSLOG_HEADER)
        piece->name =
            known->name[0] == 'f' || known->name[0] == 'r' ? STR("Referer") : STR("User-Agent");
    return 0;
}

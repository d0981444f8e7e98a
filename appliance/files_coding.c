// files_coding.c - Accept-Encoding, without a copy.
#include "files_coding.h"

const struct files_coding_row files_codings[FILES_CODING_COUNT] = {
    [FILES_BROTLI] = {{"br", 2}, {".br", 3}, {"-br", 3}},
    [FILES_ZSTD] = {{"zstd", 4}, {".zst", 4}, {"-zst", 4}},
    [FILES_GZIP] = {{"gzip", 4}, {".gz", 3}, {"-gz", 3}},
};

enum { UNSAID = -1, FULL = 1000 };

// The part before a separator, which is taken off with it.
static struct str take_part(struct str *text, char separator)
{
    const char *end = memchr(text->data, separator, text->size);
    size_t size = end != NULL ? (size_t)(end - text->data) : text->size;
    struct str part = str_trim((struct str){text->data, size});
    size += end != NULL;
    *text = (struct str){text->data + size, text->size - size};
    return part;
}

// A weight (RFC 9110 section 12.4.2) in thousandths: "0", "0.5", "1.000". What is none: 0.
static short weight_of(struct str text)
{
    int weight = 0, unit = FULL;
    if (text.size < 1 || text.size > 5 || (text.size > 1 && text.data[1] != '.'))
        return 0;
    for (size_t i = 0; i < text.size; i += i == 0 ? 2 : 1, unit /= 10) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        weight += (text.data[i] - '0') * unit;
    }
    return (short)(weight > FULL ? 0 : weight);
}

static short element_weight(struct str parameters)
{
    while (parameters.size > 0) {
        struct str parameter = take_part(&parameters, ';');
        if (parameter.size >= 2 && strncasecmp(parameter.data, "q=", 2) == 0)
            return weight_of((struct str){parameter.data + 2, parameter.size - 2});
    }
    return FULL;
}

static void take_element(struct files_taste *taste, struct str element, short *others)
{
    struct str token = take_part(&element, ';');
    short weight = element_weight(element);
    if (str_equal(token, STR("*")))
        *others = weight;
    else if (str_equal_nocase(token, STR("identity")))
        taste->plain = weight;
    else if (str_equal_nocase(token, STR("x-gzip")))
        taste->weights[FILES_GZIP] = weight;
    for (int i = 0; i < FILES_CODING_COUNT; i++) {
        if (str_equal_nocase(token, files_codings[i].token))
            taste->weights[i] = weight;
    }
}

static void take_list(struct files_taste *taste, struct str list, short *others)
{
    while (list.size > 0)
        take_element(taste, take_part(&list, ','), others);
}

void files_coding_taste(struct files_taste *taste, const struct files_fields *fields,
                        const struct request_head *head)
{
    short others = UNSAID;
    *taste = (struct files_taste){{UNSAID, UNSAID, UNSAID}, UNSAID};
    if (fields->accept_encoding.data != NULL && !fields->encoding_repeated)
        take_list(taste, fields->accept_encoding, &others);
    for (size_t i = 0; fields->encoding_repeated && i < head->header_count; i++) {
        if (str_equal_nocase(head->headers[i].name, STR("accept-encoding")))
            take_list(taste, head->headers[i].value, &others);
    }
    for (int i = 0; i < FILES_CODING_COUNT; i++) {
        if (taste->weights[i] == UNSAID)
            taste->weights[i] = others == UNSAID ? 0 : others;
    }
    // Unless it is said, the plain file is the last choice, but one.
    if (taste->plain == UNSAID)
        taste->plain = others == 0 ? 0 : 1;
}

enum files_coding files_coding_choose(const struct files_taste *taste, unsigned set)
{
    enum files_coding best = FILES_PLAIN;
    short weight = 0;
    for (int i = 0; i < FILES_CODING_COUNT; i++) {
        if ((set & 1u << i) != 0 && taste->weights[i] > weight) {
            best = (enum files_coding)i;
            weight = taste->weights[i];
        }
    }
    return weight >= taste->plain ? best : FILES_PLAIN;
}

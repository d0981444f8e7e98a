// http_security.c - fields that tell browsers to be careful: of no use to other clients, and of no
// harm.
#include "http_security_priv.h"

#include "head.h"
#include "http_priv.h"

#define TEXT(literal)                \
    {                                \
        literal, sizeof(literal) - 1 \
    }
#define FIELD(name, value)                              \
    {                                                   \
        TEXT(name), value, TEXT(name ": " value "\r\n") \
    }
static const struct {
    struct str name;
    const char *value;
    struct str line;
} fields[] = {
    FIELD("X-Content-Type-Options", "nosniff"),
    FIELD("X-Frame-Options", "SAMEORIGIN"),
    FIELD("Referrer-Policy", "strict-origin-when-cross-origin"),
    FIELD("Cross-Origin-Opener-Policy", "same-origin"),
};
#undef FIELD
#undef TEXT

enum { FIELDS = sizeof fields / sizeof fields[0], ALL = (1 << FIELDS) - 1 };

// Which of them are there, as bits.
static unsigned find(const struct head *head)
{
    struct head_line line;
    size_t position = 0;
    unsigned found = 0;
    while (head_next_line(head, &position, &line)) {
        for (unsigned i = 0; i < FIELDS; i++)
            found |= (unsigned)str_equal_nocase(line.name, fields[i].name) << i;
    }
    return found;
}

void http_security_add(struct head *head)
{
    unsigned found = find(head);
    if (found == 0) {
        buf_append_str(&head->lines, STR(HTTP_SECURITY_LINES));
        return;
    }
    for (unsigned i = 0; i < FIELDS && found != ALL; i++) {
        if ((found >> i & 1) == 0)
            buf_append_str(&head->lines, fields[i].line);
    }
}

void http_security_add_to(struct MHD_Response *out)
{
    for (unsigned i = 0; i < FIELDS && out != NULL; i++)
        MHD_add_response_header(out, fields[i].name.data, fields[i].value);
}

// files_condition.c - entity tags compared, dates compared, and in what order.
#include "files_condition.h"

#include "files_date.h"

// --- Fields ---

struct field_row {
    struct str name;
    size_t offset;   // of its value in files_fields
    size_t repeated; // of the flag; 0: there is none
};

#define FIELD(literal, member)                                                   \
    {                                                                            \
        {literal, sizeof(literal) - 1}, offsetof(struct files_fields, member), 0 \
    }
#define LIST(literal, member, flag)                                            \
    {                                                                          \
        {literal, sizeof(literal) - 1}, offsetof(struct files_fields, member), \
            offsetof(struct files_fields, flag)                                \
    }

static const struct field_row rows[] = {
    LIST("if-match", if_match, match_repeated),
    LIST("if-none-match", if_none_match, none_match_repeated),
    FIELD("if-modified-since", if_modified_since),
    FIELD("if-unmodified-since", if_unmodified_since),
    FIELD("if-range", if_range),
    FIELD("range", range),
    FIELD("accept", accept),
    LIST("accept-encoding", accept_encoding, encoding_repeated),
};

static void take_field(struct files_fields *fields, const struct header *header)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!str_equal_nocase(header->name, rows[i].name))
            continue;
        struct str *value = (struct str *)((char *)fields + rows[i].offset);
        if (value->data == NULL)
            *value = header->value;
        else if (rows[i].repeated != 0)
            *((bool *)fields + rows[i].repeated) = true;
        return;
    }
}

void files_fields_take(struct files_fields *fields, const struct request_head *head)
{
    *fields = (struct files_fields){.range = {NULL, 0}};
    for (size_t i = 0; i < head->header_count; i++) {
        const struct header *header = &head->headers[i];
        // The names begin with these letters.
        char first = header->name.size > 4 ? (char)(header->name.data[0] | 0x20) : '\0';
        if (first == 'i' || first == 'r' || first == 'a')
            take_field(fields, header);
    }
}

// --- Entity tags ---

struct tag {
    bool weak;
    struct str opaque; // with its quotes
};

// The entity tag that a text begins with, which is taken off (RFC 9110 section 8.8.3). False: none.
static bool take_tag(struct str *text, struct tag *out)
{
    struct str rest = *text;
    out->weak = str_starts(rest, STR("W/"));
    if (out->weak)
        rest = (struct str){rest.data + 2, rest.size - 2};
    if (rest.size < 2 || rest.data[0] != '"')
        return false;
    const char *end = memchr(rest.data + 1, '"', rest.size - 1);
    if (end == NULL)
        return false;
    size_t size = (size_t)(end - rest.data) + 1;
    out->opaque = (struct str){rest.data, size};
    *text = (struct str){rest.data + size, rest.size - size};
    return true;
}

static bool tags_match(const struct tag *tag, struct str own, bool strongly)
{
    struct tag other;
    if (!take_tag(&own, &other) || own.size > 0)
        return false;
    return str_equal(tag->opaque, other.opaque) && !(strongly && (tag->weak || other.weak));
}

// Whether a list, or "*", has an entity tag. What comes behind a fault in the list does not count.
static bool list_matches(struct str list, struct str own, bool strongly)
{
    struct tag tag;
    list = str_trim(list);
    if (str_equal(list, STR("*")))
        return true;
    while (list.size > 0) {
        if (list.data[0] == ',' || list.data[0] == ' ' || list.data[0] == '\t') {
            list.data++, list.size--;
            continue;
        }
        if (!take_tag(&list, &tag) || (list.size > 0 && strchr(", \t", list.data[0]) == NULL))
            return false;
        if (tags_match(&tag, own, strongly))
            return true;
    }
    return false;
}

static bool field_matches(const struct request_head *head, struct str name, struct str own,
                          bool strongly)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const struct header *header = &head->headers[i];
        if (str_equal_nocase(header->name, name) && list_matches(header->value, own, strongly))
            return true;
    }
    return false;
}

// --- Conditions ---

// A date that is none makes no condition.
static bool date_of(struct str value, int64_t now, int64_t *out)
{
    return value.data != NULL && files_date_parse(str_trim(value), now, out);
}

static bool has_precondition(const struct files_fields *fields)
{
    return fields->if_match.data != NULL || fields->if_unmodified_since.data != NULL ||
           fields->if_none_match.data != NULL || fields->if_modified_since.data != NULL;
}

static bool judge_match(const struct files_fields *fields, const struct request_head *head,
                        const struct files_validators *validators, int64_t now)
{
    int64_t date;
    if (fields->if_match.data != NULL && fields->match_repeated)
        return field_matches(head, STR("if-match"), validators->etag, true);
    if (fields->if_match.data != NULL)
        return list_matches(fields->if_match, validators->etag, true);
    if (validators->modified >= 0 && date_of(fields->if_unmodified_since, now, &date))
        return validators->modified <= date;
    return true;
}

static bool is_modified(const struct files_fields *fields, const struct request_head *head,
                        const struct files_validators *validators, int64_t now)
{
    int64_t date;
    if (fields->if_none_match.data != NULL && fields->none_match_repeated)
        return !field_matches(head, STR("if-none-match"), validators->etag, false);
    if (fields->if_none_match.data != NULL)
        return !list_matches(fields->if_none_match, validators->etag, false);
    if (validators->modified >= 0 && date_of(fields->if_modified_since, now, &date))
        return validators->modified > date;
    return true;
}

enum files_condition files_condition_judge(const struct files_fields *fields,
                                           const struct request_head *head,
                                           const struct files_validators *validators, int64_t now)
{
    if (!has_precondition(fields))
        return FILES_CONDITION_HOLDS;
    if (!judge_match(fields, head, validators, now))
        return FILES_CONDITION_FAILED;
    return is_modified(fields, head, validators, now) ? FILES_CONDITION_HOLDS
                                                      : FILES_CONDITION_NOT_MODIFIED;
}

bool files_condition_ranges(const struct files_fields *fields,
                            const struct files_validators *validators, int64_t now)
{
    struct str value = str_trim(fields->if_range);
    struct tag tag;
    int64_t date;
    if (value.data == NULL)
        return true;
    if (take_tag(&value, &tag))
        return value.size == 0 && tags_match(&tag, validators->etag, true);
    return date_of(value, now, &date) && date == validators->modified;
}

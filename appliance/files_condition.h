// files_condition.h - the conditions of a request on what is there (RFC 9110 section 13). Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "request.h"
#include "str.h"

// The fields of a request that files look at; data is NULL where there is none. Of a field that
// came several times, the first; lists take all of them.
struct files_fields {
    struct str if_match, if_none_match, if_modified_since, if_unmodified_since, if_range, range;
    struct str accept, accept_encoding;
    bool match_repeated, none_match_repeated, encoding_repeated; // there are more of it
};

void files_fields_take(struct files_fields *fields, const struct request_head *head);

// What is there. An entity tag as it is sent, with its quotes; "" and -1: it has none.
struct files_validators {
    struct str etag;
    int64_t modified; // Unix time, seconds
};

enum files_condition {
    FILES_CONDITION_HOLDS,
    FILES_CONDITION_NOT_MODIFIED, // 304
    FILES_CONDITION_FAILED,       // 412
};

// In the order of RFC 9110 section 13.2.2, of a GET or HEAD. head: where repeated fields are. now:
// Unix time, of the dates of RFC 850.
enum files_condition files_condition_judge(const struct files_fields *fields,
                                           const struct request_head *head,
                                           const struct files_validators *validators, int64_t now);

// Whether Range counts: there is no If-Range, or it is of what is there (section 13.1.5): strong
// comparison of entity tags, and exactly the date.
bool files_condition_ranges(const struct files_fields *fields,
                            const struct files_validators *validators, int64_t now);

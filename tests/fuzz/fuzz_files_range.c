// fuzz_files_range.c - any bytes as Range, conditions and Accept-Encoding, a field a line, of a
// representation whose size is in the first eight bytes: no range is empty or outside, all together
// are not more than the whole.
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "files_coding.h"
#include "files_condition.h"
#include "files_date.h"
#include "files_range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS = 8 };
static const char *const names[FIELDS] = {
    "range",    "if-match",        "if-none-match", "if-modified-since", "if-unmodified-since",
    "if-range", "accept-encoding", "if-none-match"};
#define NOW INT64_C(1795000000)

static void check_ranges(struct str value, uint64_t size)
{
    static struct files_ranges ranges;
    uint64_t sum = 0;
    enum files_range_kind kind = files_range_parse(&ranges, value, size);
    if (kind != FILES_RANGE_PARTS)
        return;
    must(ranges.count > 0 && ranges.count <= FILES_RANGE_MAX);
    for (size_t i = 0; i < ranges.count; i++) {
        must(ranges.items[i].start < ranges.items[i].end && ranges.items[i].end <= size);
        sum += ranges.items[i].end - ranges.items[i].start;
    }
    must(sum <= size);
}

static void check_date(struct str value)
{
    char text[FILES_DATE_SIZE];
    int64_t time, again;
    if (!files_date_parse(value, NOW, &time) || time < 0)
        return;
    files_date_write(text, time);
    must(files_date_parse(str_of(text), NOW, &again));
    must(again == time || time > INT64_C(253402300799));
}

static void check_fields(const struct header *headers, size_t count)
{
    static const struct files_validators validators = {{"\"a-1\"", 5}, 784111777};
    struct request_head head = {.headers = headers, .header_count = count};
    struct files_fields fields;
    struct files_taste taste;
    files_fields_take(&fields, &head);
    files_condition_judge(&fields, &head, &validators, NOW);
    files_condition_ranges(&fields, &validators, NOW);
    files_coding_taste(&taste, &fields, &head);
    for (unsigned set = 0; set < 8; set++) {
        enum files_coding coding = files_coding_choose(&taste, set);
        must(coding == FILES_PLAIN || (set & 1u << coding) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct header headers[FIELDS];
    uint64_t whole = 0;
    size_t count = 0;
    if (size < sizeof whole)
        return 0;
    memcpy(&whole, data, sizeof whole);
    whole >>= whole & 63;
    const char *at = (const char *)data + sizeof whole, *end = (const char *)data + size;
    while (at < end && count < FIELDS) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline : end;
        headers[count] = (struct header){str_of(names[count]), {at, (size_t)(stop - at)}};
        count++;
        at = stop + 1;
    }
    for (size_t i = 0; i < count; i++) {
        check_date(headers[i].value);
        check_ranges(headers[i].value, whole & INT64_MAX);
    }
    check_fields(headers, count);
    return 0;
}

// fuzz_target.c - any bytes as a prefix, a newline, and a request target: what it is taken apart
// into lies in it, and what lies below the prefix is what stripping leaves.
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct str whole, struct str part)
{
    must(part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

static void check_split(struct str target, struct str path, struct str query)
{
    must(path.size > 0 && memchr(path.data, '?', path.size) == NULL);
    if (!str_equal(path, STR("/")))
        check_inside(target, path);
    check_inside(target, query);
    must(query.size == 0 || query.data[-1] == '?');
}

// The octets of a path; never more than its bytes.
static struct str decode(struct str path, char *out)
{
    size_t count = 0, at = 0;
    while (at < path.size) {
        size_t before = at;
        out[count] = target_next_octet(path, &at);
        must(at == before + 1 || (at == before + 3 && path.data[before] == '%'));
        must(at == before + 3 || out[count] == path.data[before]);
        count++;
    }
    must(at == path.size);
    return (struct str){out, count};
}

static void check_prefix(struct str path, struct str prefix)
{
    char *octets = malloc(path.size + 1), *left = malloc(path.size + 1);
    must(octets != NULL && left != NULL);
    struct str decoded = decode(path, octets), rest;
    bool starts = str_starts(decoded, prefix);
    bool ends = decoded.size == prefix.size || (starts && octets[prefix.size] == '/');
    bool below = target_strip_prefix(path, prefix, &rest);
    must(below == (starts && (prefix.size == 0 || ends)));
    if (below) {
        check_inside(path, rest);
        must(rest.data + rest.size == path.data + path.size);
        must(decode(rest, left).size == decoded.size - prefix.size);
        must(memcmp(left, octets + prefix.size, decoded.size - prefix.size) == 0);
    }
    free(octets);
    free(left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *mark = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t prefix_size = mark != NULL ? (size_t)(mark - data) : 0;
    size_t used = prefix_size + (mark != NULL);
    struct str prefix = {(const char *)data, prefix_size};
    struct str target = {(const char *)data + used, size - used}, path, query;
    target_split(target, &path, &query);
    check_split(target, path, query);
    check_inside(target, target_authority(target));
    check_prefix(path, prefix);
    check_prefix(path, STR(""));
    return 0;
}

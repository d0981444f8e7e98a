// fuzz_forwarded.c - any bytes as the fields of a proxy: whoever is told of stands there, and what
// the trusted proxy puts behind it all counts, whatever was before.
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "forwarded.h"
#include "limiter_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS = 8 };

static const struct str names[] = {
    {"Forwarded", 9}, {"X-Forwarded-For", 15}, {"X-Forwarded-Proto", 17}, {"Host", 4}};

static struct proxies *make_proxies(void)
{
    struct proxies *proxies;
    struct err err;
    char *texts[] = {"10.0.0.0/8", "::1", "unix"};
    must(proxies_new(&proxies, texts, 3, &err) == 0);
    return proxies;
}

// With an entry of the proxy's own behind the first bytes.
static void check_appended(const struct proxies *proxies, const uint8_t *data, size_t size,
                           bool standard)
{
    static const struct str entries[] = {{", 192.0.2.1", 11}, {", for=192.0.2.1;proto=https", 27}};
    struct str entry = entries[standard];
    char *text = malloc(size + entry.size);
    must(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    memcpy(text + size, entry.data, entry.size);
    struct header header = {names[standard ? 0 : 1], {text, size + entry.size}};
    struct forwarded told;
    forwarded_read(&told, &header, 1, proxies);
    must(told.client.family == AF_INET && told.client.bytes[0] == 192);
    must(!told.malformed && !told.disagrees);
    must(!standard || (told.scheme != NULL && strcmp(told.scheme, "https") == 0));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct proxies *proxies;
    struct header headers[FIELDS];
    size_t count = 0;
    if (proxies == NULL)
        proxies = make_proxies();
    check_appended(proxies, data, size, false);
    check_appended(proxies, data, size, true);
    uint64_t number;
    limiter_address_parse((struct str){(const char *)data, size}, &number);
    // Lines, each with its field in the first byte.
    const char *at = (const char *)data, *end = at + size;
    while (at < end && count < FIELDS) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        line = line != NULL ? line : end;
        headers[count++] = (struct header){names[(unsigned char)*at % 4],
                                           {at + 1, line > at ? (size_t)(line - at) - 1 : 0}};
        at = line + 1;
    }
    struct forwarded told;
    char text[ADDRESS_TEXT_MAX];
    forwarded_read(&told, headers, count, proxies);
    must(told.client.family == AF_UNSPEC || told.client.family == AF_INET ||
         told.client.family == AF_INET6);
    must(told.scheme == NULL || strncmp(told.scheme, "http", 4) == 0);
    address_write(&told.client, text);
    return 0;
}

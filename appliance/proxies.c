// proxies.c - a list of networks, looked through from its beginning: it has a few entries.
#include "proxies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

struct proxies {
    bool local; // peers at unix sockets
    size_t count;
    struct network networks[];
};

static bool is_local(const char *text)
{
    return strcmp(text, "unix") == 0;
}

static int parse(struct network *out, const char *text, struct err *err)
{
    if (strcmp(text, "*") == 0)
        return err_set(err, ERR_USAGE,
                       "would let everybody say who he is (name the proxies; all addresses are "
                       "0.0.0.0/0 and ::/0)");
    return network_parse(out, text, err);
}

int proxies_check(const char *text, struct err *err)
{
    struct network ignored;
    return is_local(text) ? 0 : parse(&ignored, text, err);
}

int proxies_new(struct proxies **out, char *const *texts, size_t count, struct err *err)
{
    struct proxies *proxies = calloc(1, sizeof *proxies + count * sizeof proxies->networks[0]);
    if (proxies == NULL)
        return err_system(err, ENOMEM, "--trusted-proxies");
    for (size_t i = 0; i < count; i++) {
        if (is_local(texts[i])) {
            proxies->local = true;
        } else if (parse(&proxies->networks[proxies->count++], texts[i], err) < 0) {
            free(proxies);
            return err_wrap(err, "--trusted-proxies %s", texts[i]);
        }
    }
    *out = proxies;
    return 0;
}

void proxies_free(struct proxies *proxies)
{
    free(proxies);
}

bool proxies_trust(const struct proxies *proxies, const struct address *address)
{
    if (proxies == NULL)
        return false;
    if (address->family == AF_UNIX)
        return proxies->local;
    for (size_t i = 0; i < proxies->count; i++) {
        if (network_holds(&proxies->networks[i], address->family, address->bytes))
            return true;
    }
    return false;
}

// hosts.c - a list of names, looked through from its beginning: it has a few entries.
#include "hosts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"

enum {
    NAME_MAX_SIZE = 253, // bytes of a DNS name
    LABEL_MAX = 63,      // and of what is between its dots
};

enum kind { KIND_NAME, KIND_BELOW, KIND_NAME_AND_BELOW, KIND_ADDRESS };

struct host {
    enum kind kind;
    struct str name;        // of the three; of the two it begins with a dot
    struct address address; // of the last
};

struct hosts {
    size_t count;
    struct host entries[];
};

static bool is_label_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
}

static bool is_name(struct str text)
{
    size_t label = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '.' && label > 0)
            label = 0;
        else if (!is_label_byte(text.data[i]) || ++label > LABEL_MAX)
            return false;
    }
    return label > 0 && text.size <= NAME_MAX_SIZE;
}

static struct str without_brackets(struct str text)
{
    bool has = text.size >= 2 && text.data[0] == '[' && text.data[text.size - 1] == ']';
    return has ? (struct str){text.data + 1, text.size - 2} : text;
}

static struct str without_last_dot(struct str text)
{
    text.size -= text.size > 1 && text.data[text.size - 1] == '.';
    return text;
}

static int parse(struct host *out, const char *given, struct err *err)
{
    struct str text = without_last_dot(str_of(given));
    *out = (struct host){.kind = KIND_NAME, .name = text};
    if (str_equal(text, STR("*")))
        return err_set(err, ERR_USAGE, "means all hosts (leave --allowed-hosts out)");
    if (address_parse(&out->address, without_brackets(text))) {
        out->kind = KIND_ADDRESS;
        return 0;
    }
    if (str_starts(text, STR("*."))) {
        out->kind = KIND_BELOW;
        out->name = (struct str){text.data + 1, text.size - 1};
    } else if (str_starts(text, STR("."))) {
        out->kind = KIND_NAME_AND_BELOW;
    }
    bool dotted = out->kind != KIND_NAME;
    if (!is_name((struct str){out->name.data + dotted, out->name.size - dotted}))
        return err_set(err, ERR_USAGE,
                       "is no host (write shop.example, .example, *.example or an address, without "
                       "scheme and port)");
    return 0;
}

int hosts_check(const char *text, struct err *err)
{
    struct host ignored;
    return parse(&ignored, text, err);
}

int hosts_new(struct hosts **out, char *const *texts, size_t count, struct err *err)
{
    struct hosts *hosts = calloc(1, sizeof *hosts + count * sizeof hosts->entries[0]);
    if (hosts == NULL)
        return err_system(err, ENOMEM, "--allowed-hosts");
    for (; hosts->count < count; hosts->count++) {
        const char *text = texts[hosts->count];
        if (parse(&hosts->entries[hosts->count], text, err) < 0) {
            free(hosts);
            return err_wrap(err, "--allowed-hosts %s", text);
        }
    }
    *out = hosts;
    return 0;
}

void hosts_free(struct hosts *hosts)
{
    free(hosts);
}

static bool ends_with(struct str text, struct str end)
{
    return text.size > end.size &&
           strncasecmp(text.data + text.size - end.size, end.data, end.size) == 0;
}

static bool matches(const struct host *entry, struct str name)
{
    struct str apex = {entry->name.data + 1, entry->name.size - 1};
    switch (entry->kind) {
    case KIND_NAME:
        return str_equal_nocase(name, entry->name);
    case KIND_BELOW:
        return ends_with(name, entry->name);
    case KIND_NAME_AND_BELOW:
        return ends_with(name, entry->name) || str_equal_nocase(name, apex);
    case KIND_ADDRESS:
        break;
    }
    return false;
}

bool hosts_have(const struct hosts *hosts, struct str host)
{
    struct address address;
    bool is_address = address_parse(&address, without_brackets(host));
    struct str name = without_last_dot(host);
    // The grammar of Host has room for much that is no name ("*.example", ".example").
    if (!is_address && !is_name(name))
        return false;
    for (size_t i = 0; i < hosts->count; i++) {
        const struct host *entry = &hosts->entries[i];
        if (is_address && entry->kind == KIND_ADDRESS && address_equal(&entry->address, &address))
            return true;
        if (!is_address && matches(entry, name))
            return true;
    }
    return false;
}

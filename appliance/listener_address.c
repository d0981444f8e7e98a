// listener_address.c - reads what --listen takes. Pure: asks nobody whether the host, the folder or
// the user are there; the opening does.
#include "listener_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "str.h"

enum { SHOWN = 200 }; // bytes of what the operator wrote in a message

// --- TCP ---

static bool is_number(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static int parse_port(struct listener_address *address, const char *text, struct err *err)
{
    char *end;
    unsigned long port = is_number(text) && strlen(text) <= 5 ? strtoul(text, &end, 10) : 65536;
    if (port > 65535)
        return err_set(err, ERR_USAGE, "the port must be a number between 0 and 65535");
    address->port = (uint16_t)port;
    return 0;
}

// "[::1]:8000"; a zone may follow the address ("fe80::1%eth0").
static int parse_brackets(struct listener_address *address, char *text, struct err *err)
{
    struct in6_addr ignored;
    char *end = strchr(text, ']'), literal[INET6_ADDRSTRLEN];
    if (end == NULL)
        return err_set(err, ERR_USAGE, "no \"]\" behind the IPv6 address (write [::1]:8000)");
    *end = '\0';
    snprintf(literal, sizeof literal, "%.*s", (int)strcspn(text + 1, "%"), text + 1);
    if (inet_pton(AF_INET6, literal, &ignored) != 1)
        return err_set(err, ERR_USAGE, "what is in brackets is no IPv6 address");
    address->host = text + 1;
    if (end[1] != ':')
        return err_set(err, ERR_USAGE, "no port (write [%s]:8000)", address->host);
    return parse_port(address, end + 2, err);
}

// What cannot be meant as HOST:PORT and shows what else was meant.
static int refuse_lookalikes(const char *text, struct err *err)
{
    const char *scheme = strstr(text, "://");
    if (scheme != NULL)
        return err_set(err, ERR_USAGE, "an address is wanted, not a URL (write %.*s)",
                       (int)strcspn(scheme + 3, "/"), scheme + 3);
    if (strchr(text, '/') != NULL)
        return err_set(err, ERR_USAGE, "looks like a path (write unix:%.*s)", SHOWN, text);
    return 0;
}

static int parse_tcp(struct listener_address *address, char *text, struct err *err)
{
    if (refuse_lookalikes(text, err) < 0)
        return -1;
    if (*text == '[')
        return parse_brackets(address, text, err);
    char *colon = strrchr(text, ':');
    address->host = text;
    if (colon == NULL && is_number(text)) {
        address->host = "127.0.0.1";
        return parse_port(address, text, err);
    }
    if (colon == NULL)
        return err_set(err, ERR_USAGE, "no port (write %.*s:8000)", SHOWN, text);
    if (strchr(text, ':') != colon)
        return err_set(err, ERR_USAGE, "an IPv6 address stands in brackets (write [::1]:8000)");
    *colon = '\0';
    if (strcmp(text, "*") == 0)
        return err_set(err, ERR_USAGE, "all addresses are written without one (write :%s)",
                       colon + 1);
    if (*text == '\0')
        address->host = NULL;
    return parse_port(address, colon + 1, err);
}

// --- unix sockets ---

static int parse_unix(struct listener_address *address, char *text, struct err *err)
{
    address->path = text;
    if (*address->path == '\0')
        return err_set(err, ERR_USAGE, "no path (write unix:/run/shop.sock)");
    return 0;
}

// --- systemd ---

// What may be a name is systemd's business, save that a colon cannot stand in LISTEN_FDNAMES.
static int parse_systemd(struct listener_address *address, char *text, struct err *err)
{
    address->systemd = true;
    if (*text == '\0')
        return 0;
    address->name = text + 1;
    if (text[1] == '\0' || strchr(text + 1, ':') != NULL)
        return err_set(err, ERR_USAGE,
                       "no name of a socket behind \"systemd:\" (write FileDescriptorName= of "
                       "the .socket unit, or systemd alone for all sockets)");
    return 0;
}

// --- settings ---

static int parse_mode(struct listener_address *address, char *value, struct err *err)
{
    size_t size = strlen(value);
    char *end;
    unsigned long mode = 01000;
    if (size > 0 && size <= 4 && strspn(value, "01234567") == size)
        mode = strtoul(value, &end, 8);
    if (mode > 0777)
        return err_set(err, ERR_USAGE, "mode=%.*s: not an octal mode (write mode=0660)", SHOWN,
                       value);
    address->mode = (mode_t)mode;
    return 0;
}

static int parse_owner(struct listener_address *address, char *value, struct err *err)
{
    char *colon = strchr(value, ':');
    if (*value == '\0' || (colon != NULL && (colon[1] == '\0' || strchr(colon + 1, ':') != NULL)))
        return err_set(err, ERR_USAGE,
                       "owner=%.*s: write owner=USER, owner=USER:GROUP or "
                       "owner=:GROUP",
                       SHOWN, value);
    if (colon != NULL) {
        *colon = '\0';
        address->group = colon + 1;
    }
    if (*value != '\0')
        address->owner = value;
    return 0;
}

static int parse_verify(struct listener_address *address, char *value, struct err *err)
{
    static const char *const names[] = {[CLIENT_VERIFY_OFF] = "off",
                                        [CLIENT_VERIFY_OPTIONAL] = "optional",
                                        [CLIENT_VERIFY_REQUIRE] = "require"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(value, names[i]) != 0)
            continue;
        address->says_verify = true;
        address->client_verify = (enum client_verify)i;
        return 0;
    }
    return err_set(err, ERR_USAGE,
                   "client-verify=%.*s: write client-verify=off, client-verify=optional or "
                   "client-verify=require",
                   SHOWN, value);
}

static int parse_kind(struct listener_address *address, char *value, struct err *err)
{
    enum listener_kind kind = strcmp(value, "tls") == 0 ? LISTENER_TLS : LISTENER_PLAIN;
    if (address->says_kind && address->kind != kind)
        return err_set(err, ERR_USAGE, "tls and plain exclude each other (leave one of them out)");
    address->says_kind = true;
    address->kind = kind;
    return 0;
}

static int parse_proxy(struct listener_address *address, char *value, struct err *err)
{
    (void)value, (void)err;
    address->proxy_protocol = true;
    return 0;
}

enum form { FORM_TCP, FORM_UNIX, FORM_SYSTEMD };

static enum form form_of(const struct listener_address *address)
{
    if (address->systemd)
        return FORM_SYSTEMD;
    return address->path != NULL ? FORM_UNIX : FORM_TCP;
}

static int refuse_setting(const struct listener_address *address, const char *text, struct err *err)
{
    switch (form_of(address)) {
    case FORM_UNIX:
        return err_set(err, ERR_USAGE,
                       "\"%.*s\" is no setting of a unix socket (there are mode=0660, "
                       "owner=USER:GROUP, tls, client-verify=require and proxy-protocol)",
                       SHOWN, text);
    case FORM_SYSTEMD:
        return err_set(err, ERR_USAGE,
                       "\"%.*s\" is no setting here (there are tls, plain, proxy-protocol and "
                       "client-verify=require; SocketMode=, SocketUser= and SocketGroup= stand in "
                       "the .socket unit)",
                       SHOWN, text);
    case FORM_TCP:
        break;
    }
    return err_set(
        err, ERR_USAGE,
        "\"%.*s\" is no setting of a TCP address (there are tls, plain, proxy-protocol and "
        "client-verify=require; another address is another --listen)",
        SHOWN, text);
}

enum { SETTING_COUNT = 6 };

static const struct setting {
    struct str name; // with its "=", if a value follows
    bool has_value;
    bool of_unix; // of no others
    int (*parse)(struct listener_address *address, char *value, struct err *err);
} settings[SETTING_COUNT] = {
    {{"mode=", 5}, true, true, parse_mode},
    {{"owner=", 6}, true, true, parse_owner},
    {{"client-verify=", 14}, true, false, parse_verify},
    {{"tls", 3}, false, false, parse_kind},
    {{"plain", 5}, false, false, parse_kind},
    {{"proxy-protocol", 14}, false, false, parse_proxy},
};

static bool is_meant(const struct setting *setting, const struct listener_address *address,
                     struct str text)
{
    bool named =
        setting->has_value ? str_starts(text, setting->name) : str_equal(text, setting->name);
    return named && (!setting->of_unix || form_of(address) == FORM_UNIX);
}

static int parse_setting(struct listener_address *address, char *text, bool seen[SETTING_COUNT],
                         struct err *err)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *setting = &settings[i];
        if (!is_meant(setting, address, str_of(text)))
            continue;
        if (seen[i])
            return err_set(err, ERR_USAGE, "%s is given twice (leave one of them out)",
                           setting->name.data);
        seen[i] = true;
        return setting->parse(address, text + (setting->has_value ? setting->name.size : 0), err);
    }
    return refuse_setting(address, text, err);
}

static int parse_settings(struct listener_address *address, char *text, struct err *err)
{
    bool seen[SETTING_COUNT] = {false};
    char *rest = text, *setting;
    while ((setting = strsep(&rest, ",")) != NULL) {
        if (parse_setting(address, setting, seen, err) < 0)
            return -1;
    }
    bool is_plain = listener_address_kind(address, address->path != NULL, true) == LISTENER_PLAIN;
    if (address->says_verify && is_plain)
        return err_set(err, ERR_USAGE,
                       address->says_kind
                           ? "client-verify= is for TLS (leave it out, or plain)"
                           : "client-verify= is for TLS, which a unix socket speaks where "
                             "\",tls\" says so (add it, or leave client-verify= out)");
    return 0;
}

// --- all ---

static bool is_systemd(const char *text)
{
    struct str word = STR("systemd");
    return str_starts(str_of(text), word) &&
           (text[word.size] == '\0' || text[word.size] == ':' || text[word.size] == ',');
}

int listener_address_parse(struct listener_address *address, const char *text, struct err *err)
{
    *address = (struct listener_address){.mode = LISTENER_FILE_MODE, .listed = true};
    address->text = strdup(text);
    must_have(address->text != NULL);
    char *rest = address->text;
    strsep(&rest, ","); // what follows are settings
    int result;
    if (is_systemd(text))
        result = parse_systemd(address, address->text + sizeof "systemd" - 1, err);
    else if (str_starts(str_of(text), STR("unix:")))
        result = parse_unix(address, address->text + sizeof "unix:" - 1, err);
    else
        result = parse_tcp(address, address->text, err);
    if (result == 0 && rest != NULL)
        result = parse_settings(address, rest, err);
    if (result < 0)
        listener_address_fini(address);
    return result;
}

void listener_address_fini(struct listener_address *address)
{
    free(address->text);
    *address = (struct listener_address){.text = NULL};
}

int listener_address_check(const char *text, struct err *err)
{
    struct listener_address address;
    if (listener_address_parse(&address, text, err) < 0)
        return -1;
    listener_address_fini(&address);
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool listener_address_equal(const struct listener_address *a, const struct listener_address *b)
{
    if (a->systemd || b->systemd)
        return a->systemd == b->systemd && same_text(a->name, b->name);
    if (a->path != NULL || b->path != NULL)
        return same_text(a->path, b->path);
    return a->port != 0 && a->port == b->port && same_text(a->host, b->host);
}

enum listener_kind listener_address_kind(const struct listener_address *address, bool is_unix,
                                         bool has_certificate)
{
    if (address->says_kind || address->kind == LISTENER_REDIRECT ||
        address->kind == LISTENER_METRICS)
        return address->kind;
    return has_certificate && !is_unix ? LISTENER_TLS : LISTENER_PLAIN;
}

void listener_address_describe(const struct listener_address *address, char *out, size_t size)
{
    const char *host = address->host != NULL ? address->host : "";
    if (address->systemd)
        snprintf(out, size, "systemd%s%s", address->name != NULL ? ":" : "",
                 address->name != NULL ? address->name : "");
    else if (address->path != NULL)
        snprintf(out, size, "unix:%s", address->path);
    else
        snprintf(out, size, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, address->port);
}

// status_page_allow.c - the peer's address, and those that proxies tell, beside a list of networks.
#include "status_page_allow.h"

#include <arpa/inet.h>
#include <stdlib.h>

static char *const loopback[] = {(char[]){"127.0.0.0/8"}, (char[]){"::1"}};

int status_page_allow_init(struct status_page_allow *allow, char *const *texts, size_t count,
                           struct err *err)
{
    if (count == 0) {
        texts = loopback;
        count = sizeof loopback / sizeof loopback[0];
    }
    *allow = (struct status_page_allow){calloc(count, sizeof(struct network)), 0};
    if (allow->networks == NULL)
        return err_set(err, ERR_FAILED, "out of memory");
    for (; allow->count < count; allow->count++) {
        const char *text = texts[allow->count];
        if (network_parse(&allow->networks[allow->count], text, err) < 0) {
            status_page_allow_fini(allow);
            return err_wrap(err, "%s", text);
        }
    }
    return 0;
}

void status_page_allow_fini(struct status_page_allow *allow)
{
    free(allow->networks);
    *allow = (struct status_page_allow){NULL, 0};
}

static bool has(const struct status_page_allow *allow, struct str address)
{
    char text[INET6_ADDRSTRLEN];
    // IPv4 on a socket that takes both.
    struct str mapped = STR("::ffff:");
    if (address.size > mapped.size && strncasecmp(address.data, mapped.data, mapped.size) == 0 &&
        memchr(address.data, '.', address.size) != NULL)
        address = (struct str){address.data + mapped.size, address.size - mapped.size};
    if (address.size >= sizeof text)
        return false;
    memcpy(text, address.data, address.size);
    text[address.size] = '\0';
    for (size_t i = 0; i < allow->count; i++) {
        if (network_has(&allow->networks[i], text))
            return true;
    }
    return false;
}

// --- what proxies tell ---

// The address of a node (RFC 7239 section 6), "[2001:db8::1]:4711": in quotes or not, with its port
// or without. What is none stays what it is.
static struct str node_address(struct str node)
{
    if (node.size >= 2 && node.data[0] == '"' && node.data[node.size - 1] == '"')
        node = (struct str){node.data + 1, node.size - 2};
    const char *end = NULL;
    if (node.size > 0 && node.data[0] == '[') {
        end = memchr(node.data, ']', node.size);
        return end != NULL ? (struct str){node.data + 1, (size_t)(end - node.data - 1)} : node;
    }
    end = memchr(node.data, ':', node.size);
    bool has_port = end != NULL && memrchr(node.data, ':', node.size) == end;
    return has_port ? (struct str){node.data, (size_t)(end - node.data)} : node;
}

// The part of a list before the next separator, blanks around it left aside; *list goes behind it.
static struct str next_part(struct str *list, const char *separators)
{
    size_t size = 0;
    while (size < list->size && strchr(separators, list->data[size]) == NULL)
        size++;
    struct str part = {list->data, size};
    size_t skipped = size < list->size ? size + 1 : size;
    *list = (struct str){list->data + skipped, list->size - skipped};
    return str_trim(part);
}

static bool all_addresses(const struct status_page_allow *allow, struct str list)
{
    while (list.size > 0) {
        struct str part = next_part(&list, ",");
        if (part.size > 0 && !has(allow, node_address(part)))
            return false;
    }
    return true;
}

// The parameters "for" of Forwarded. No address has a comma or a semicolon in it, so that a list
// can be taken apart at all of them: what others in quotes have can only refuse.
static bool all_forwarded(const struct status_page_allow *allow, struct str list)
{
    struct str name = STR("for=");
    while (list.size > 0) {
        struct str part = next_part(&list, ",;");
        bool is_for = part.size >= name.size && strncasecmp(part.data, name.data, name.size) == 0;
        struct str node = {part.data + name.size, is_for ? part.size - name.size : 0};
        if (is_for && !has(allow, node_address(node)))
            return false;
    }
    return true;
}

bool status_page_allow_has(const struct status_page_allow *allow, const struct request_head *head)
{
    if (head->peer_address.size > 0 && !has(allow, head->peer_address))
        return false;
    for (size_t i = 0; i < head->header_count; i++) {
        struct str name = head->headers[i].name, value = head->headers[i].value;
        bool is_list = str_equal_nocase(name, STR("x-forwarded-for")) ||
                       str_equal_nocase(name, STR("x-real-ip"));
        if (is_list && !all_addresses(allow, value))
            return false;
        if (str_equal_nocase(name, STR("forwarded")) && !all_forwarded(allow, value))
            return false;
    }
    return true;
}

// accesslog_value.c - what is known of a request, atom by atom.
#include "accesslog_value.h"

#include <string.h>

#include "accesslog_text.h"
#include "tls_facts.h"

#define UNKNOWN ((struct str){NULL, 0})

// --- texts: what is not known has no data ---

static struct str text_or_unknown(const char *text)
{
    return text != NULL && *text != '\0' ? str_of(text) : UNKNOWN;
}

static struct str known_text(struct str text)
{
    return text.size > 0 ? text : UNKNOWN;
}

static struct str get_address(const struct accesslog_line *in)
{
    const struct request_head *head = in->entry->head;
    // A unix socket's peers have none: as nginx says it.
    return head->peer_address.size > 0 ? head->peer_address : STR("unix:");
}

static struct str get_unknown(const struct accesslog_line *in)
{
    (void)in;
    return UNKNOWN;
}

// Behind what the scratch holds already.
static void join(struct accesslog_writer *writer, size_t *size, struct str text)
{
    size_t room = sizeof writer->scratch - *size;
    size_t taken = text.size < room ? text.size : room;
    if (taken > 0)
        memcpy(writer->scratch + *size, text.data, taken);
    *size += taken;
}

// Nearly all names differ in size or in the last letter.
static bool is_named(struct str a, struct str b)
{
    return a.size == b.size && ((a.data[a.size - 1] ^ b.data[b.size - 1]) & 0x1f) == 0 &&
           str_equal_nocase(a, b);
}

// The first value, or all of them in order (RFC 9110 section 5.3).
static struct str get_named(const struct accesslog_line *in, struct str name)
{
    const struct request_head *head = in->entry->head;
    struct str found = UNKNOWN;
    size_t joined = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        const struct header *header = &head->headers[i];
        if (!is_named(header->name, name))
            continue;
        if (found.data != NULL) {
            if (joined == 0)
                join(in->writer, &joined, found);
            join(in->writer, &joined, STR(", "));
            join(in->writer, &joined, header->value);
        }
        found = header->value.data != NULL ? header->value : STR("");
    }
    return joined > 0 ? (struct str){in->writer->scratch, joined} : found;
}

static struct str get_header(const struct accesslog_line *in)
{
    return get_named(in, in->piece->name);
}

// The next "NAME: VALUE\r\n", which is taken off; false: there is none.
static bool next_line(struct str *lines, struct header *header)
{
    const char *end = lines->size > 0 ? memmem(lines->data, lines->size, "\r\n", 2) : NULL;
    if (end == NULL)
        return false;
    size_t size = (size_t)(end - lines->data);
    const char *colon = memchr(lines->data, ':', size);
    size_t name_size = colon != NULL ? (size_t)(colon - lines->data) : size;
    size_t skipped = name_size + 2 < size ? name_size + 2 : size;
    header->name = (struct str){lines->data, name_size};
    header->value = (struct str){lines->data + skipped, size - skipped};
    *lines = (struct str){end + 2, lines->size - size - 2};
    return true;
}

static struct str get_response_header(const struct accesslog_line *in)
{
    struct str lines = in->entry->answer_lines, found = UNKNOWN;
    struct header header;
    size_t joined = 0;
    while (next_line(&lines, &header)) {
        if (!is_named(header.name, in->piece->name))
            continue;
        if (found.data != NULL) {
            if (joined == 0)
                join(in->writer, &joined, found);
            join(in->writer, &joined, STR(", "));
            join(in->writer, &joined, header.value);
        }
        found = header.value;
    }
    return joined > 0 ? (struct str){in->writer->scratch, joined} : found;
}

static struct str get_user(const struct accesslog_line *in)
{
    struct str value = get_named(in, STR("Authorization")), user;
    if (value.data == NULL || value.data == in->writer->scratch)
        return UNKNOWN;
    return accesslog_text_user(value, in->writer->scratch, &user) ? user : UNKNOWN;
}

static bool was_read(const struct accesslog_line *in)
{
    return in->entry->head->method.size > 0;
}

// libmicrohttpd has a NUL where it has cut the line already.
static struct str get_unread(const struct accesslog_line *in)
{
    char *text = in->writer->scratch;
    size_t size = 0;
    if (was_read(in) || in->entry->line.size == 0)
        return UNKNOWN;
    join(in->writer, &size, in->entry->line);
    for (size_t i = 0; i < size; i++)
        text[i] = text[i] == '\0' ? ' ' : text[i];
    return (struct str){text, size};
}

static struct str get_request(const struct accesslog_line *in)
{
    const struct request_head *head = in->entry->head;
    size_t size = 0;
    if (!was_read(in))
        return get_unread(in);
    join(in->writer, &size, head->method);
    join(in->writer, &size, STR(" "));
    join(in->writer, &size, head->target);
    join(in->writer, &size, STR(" "));
    join(in->writer, &size, head->version);
    return (struct str){in->writer->scratch, size};
}

static struct str get_method(const struct accesslog_line *in)
{
    return known_text(in->entry->head->method);
}

static struct str get_target(const struct accesslog_line *in)
{
    return known_text(in->entry->head->target);
}

static struct str get_path(const struct accesslog_line *in)
{
    return was_read(in) ? accesslog_text_target(in->entry->head->target).path : UNKNOWN;
}

static struct str get_decoded(const struct accesslog_line *in)
{
    struct str path = get_path(in);
    size_t size = 0;
    for (size_t at = 0; at < path.size && size < sizeof in->writer->scratch;)
        in->writer->scratch[size++] = accesslog_text_octet(path, &at);
    return path.data != NULL ? (struct str){in->writer->scratch, size} : UNKNOWN;
}

static struct str get_query(const struct accesslog_line *in)
{
    struct str query = accesslog_text_target(in->entry->head->target).query;
    if (!was_read(in))
        return UNKNOWN;
    return query.data != NULL ? query : STR("");
}

static struct str get_protocol(const struct accesslog_line *in)
{
    return known_text(in->entry->head->version);
}

static struct str get_scheme(const struct accesslog_line *in)
{
    return text_or_unknown(in->entry->head->scheme);
}

// RFC 9112 section 3.2.2: the target's goes before the field's.
static struct str get_host(const struct accesslog_line *in)
{
    struct str target = in->entry->head->target, authority = STR("");
    if (target.size > 0 && *target.data != '/')
        authority = accesslog_text_target(target).authority;
    return authority.size > 0 ? authority : known_text(get_named(in, STR("Host")));
}

static struct str get_request_id(const struct accesslog_line *in)
{
    return known_text(in->entry->request_id);
}

static struct str get_local_address(const struct accesslog_line *in)
{
    const struct endpoint *endpoint = in->entry->head->endpoint;
    return endpoint != NULL ? text_or_unknown(endpoint->address) : UNKNOWN;
}

static struct str get_tls_version(const struct accesslog_line *in)
{
    const struct tls_facts *tls = in->entry->head->tls;
    return tls != NULL ? text_or_unknown(tls->protocol) : UNKNOWN;
}

static struct str get_tls_cipher(const struct accesslog_line *in)
{
    const struct tls_facts *tls = in->entry->head->tls;
    return tls != NULL ? text_or_unknown(tls->cipher) : UNKNOWN;
}

static struct str get_server_name(const struct accesslog_line *in)
{
    const struct tls_facts *tls = in->entry->head->tls;
    return tls != NULL ? text_or_unknown(tls->server_name) : UNKNOWN;
}

static const struct tls_client *client_of(const struct accesslog_line *in)
{
    const struct tls_facts *tls = in->entry->head->tls;
    return tls != NULL ? tls->client : NULL;
}

static struct str get_client_subject(const struct accesslog_line *in)
{
    const struct tls_client *client = client_of(in);
    return client != NULL ? text_or_unknown(client->subject) : UNKNOWN;
}

static struct str get_client_issuer(const struct accesslog_line *in)
{
    const struct tls_client *client = client_of(in);
    return client != NULL ? text_or_unknown(client->issuer) : UNKNOWN;
}

static struct str get_client_serial(const struct accesslog_line *in)
{
    const struct tls_client *client = client_of(in);
    return client != NULL ? text_or_unknown(client->serial) : UNKNOWN;
}

static struct str in_scratch(const struct accesslog_line *in, const char *end)
{
    return (struct str){in->writer->scratch, (size_t)(end - in->writer->scratch)};
}

static struct str get_body(const struct accesslog_line *in)
{
    if (in->entry->body_sent == 0)
        return UNKNOWN;
    return in_scratch(in, accesslog_text_number(in->writer->scratch, in->entry->body_sent));
}

static struct str get_pid_brackets(const struct accesslog_line *in)
{
    in->writer->scratch[0] = '<';
    char *end = accesslog_text_number(in->writer->scratch + 1, in->writer->pid);
    *end = '>';
    return in_scratch(in, end + 1);
}

static struct str get_complete(const struct accesslog_line *in)
{
    return in->entry->complete ? STR("true") : STR("false");
}

static struct str get_served_here(const struct accesslog_line *in)
{
    return in->entry->served_here ? STR("true") : STR("false");
}

static struct str (*const texts[])(const struct accesslog_line *in) = {
    [ACCESSLOG_ADDRESS] = get_address,
    [ACCESSLOG_UNKNOWN] = get_unknown,
    [ACCESSLOG_USER] = get_user,
    [ACCESSLOG_REQUEST] = get_request,
    [ACCESSLOG_REQUEST_UNREAD] = get_unread,
    [ACCESSLOG_METHOD] = get_method,
    [ACCESSLOG_TARGET] = get_target,
    [ACCESSLOG_PATH] = get_path,
    [ACCESSLOG_PATH_DECODED] = get_decoded,
    [ACCESSLOG_QUERY] = get_query,
    [ACCESSLOG_PROTOCOL] = get_protocol,
    [ACCESSLOG_SCHEME] = get_scheme,
    [ACCESSLOG_HOST] = get_host,
    [ACCESSLOG_HEADER] = get_header,
    [ACCESSLOG_RESPONSE_HEADER] = get_response_header,
    [ACCESSLOG_REQUEST_ID] = get_request_id,
    [ACCESSLOG_LOCAL_ADDRESS] = get_local_address,
    [ACCESSLOG_TLS_VERSION] = get_tls_version,
    [ACCESSLOG_TLS_CIPHER] = get_tls_cipher,
    [ACCESSLOG_SERVER_NAME] = get_server_name,
    [ACCESSLOG_CLIENT_SUBJECT] = get_client_subject,
    [ACCESSLOG_CLIENT_ISSUER] = get_client_issuer,
    [ACCESSLOG_CLIENT_SERIAL] = get_client_serial,
    [ACCESSLOG_BODY_OR_UNKNOWN] = get_body,
    [ACCESSLOG_PID_BRACKETS] = get_pid_brackets,
    [ACCESSLOG_COMPLETE] = get_complete,
    [ACCESSLOG_SERVED_HERE] = get_served_here,
};

struct str accesslog_value_text(const struct accesslog_line *in)
{
    return texts[in->piece->value](in);
}

// --- numbers ---

int64_t accesslog_value_number(const struct accesslog_line *in)
{
    const struct accesslog_entry *entry = in->entry;
    const struct endpoint *endpoint = entry->head->endpoint;
    switch (in->piece->value) {
    case ACCESSLOG_STATUS:
        return entry->status;
    case ACCESSLOG_BODY_SENT:
        return (int64_t)entry->body_sent;
    case ACCESSLOG_BYTES_SENT:
        return (int64_t)entry->bytes_sent;
    case ACCESSLOG_BYTES_RECEIVED:
        return (int64_t)entry->bytes_received;
    case ACCESSLOG_PID:
        return in->writer->pid;
    case ACCESSLOG_WORKER:
        return in->writer->worker;
    case ACCESSLOG_CONNECTION:
        return (int64_t)entry->connection;
    case ACCESSLOG_ON_CONNECTION:
        return (int64_t)entry->on_connection;
    case ACCESSLOG_REMOTE_PORT:
        return entry->head->peer_port;
    case ACCESSLOG_LOCAL_PORT:
        return endpoint != NULL ? endpoint->port : 0;
    case ACCESSLOG_SAMPLE:
        return entry->status >= 500 ? 1 : in->writer->sample;
    default:
        return entry->duration;
    }
}

// http_compress.c - which answers of the application are coded, and what their heads say then (RFC
// 9110 sections 8.4, 8.8.3 and 12.5.5). By whoever does the request's work.
#include "http_compress.h"

#include <stdlib.h>
#include <sys/random.h>

#include "check.h"
#include "http_priv.h"
#include "tls_facts.h"

enum {
    WHOLE_MAX = CODER_BATCH, // bytes of a body that is coded at once
    ACCEPT_MAX = 512,        // bytes of Accept-Encoding, all lines together
};

// What a head says that matters here.
struct facts {
    struct str content_type; // empty: none
    bool is_settled;         // its body is not to be touched
    bool varies;             // Vary names Accept-Encoding, or everything
    bool has_vary;
};

// Fields that say of a body what would not be true of a coded one.
static bool settles(const struct head_line *line)
{
    static const struct str names[] = {
        {"content-encoding", 16}, {"content-range", 13}, {"content-digest", 14},
        {"repr-digest", 11},      {"digest", 6},         {"content-md5", 11},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_equal_nocase(line->name, names[i]))
            return true;
    }
    return str_equal_nocase(line->name, STR("cache-control")) &&
           str_list_has(line->value, STR("no-transform"));
}

static struct facts examine(const struct head *head)
{
    struct facts facts = {.is_settled = false};
    struct head_line line;
    for (size_t at = 0; !facts.is_settled && head_next_line(head, &at, &line);) {
        if (str_equal_nocase(line.name, STR("content-type"))) {
            facts.content_type = line.value;
        } else if (str_equal_nocase(line.name, STR("vary"))) {
            facts.has_vary = true;
            facts.varies = facts.varies || str_list_has(line.value, STR("*")) ||
                           str_list_has(line.value, STR("accept-encoding"));
        } else {
            facts.is_settled = settles(&line);
        }
    }
    return facts;
}

static bool suits(const struct http_compression *settings, struct str content_type)
{
    if (content_type.size == 0 || coding_is_compressed(content_type))
        return false;
    if (settings->type_count == 0)
        return coding_suits(content_type);
    for (size_t i = 0; i < settings->type_count; i++) {
        if (coding_type_matches(content_type, str_of(settings->types[i])))
            return true;
    }
    return false;
}

// That of a 304 is of the 200 in its place, of which it may tell nothing else.
static bool varies_unseen(const struct http_compression *settings, const struct facts *facts,
                          unsigned status)
{
    return status == 304 && !facts->is_settled &&
           (facts->content_type.size == 0 || suits(settings, facts->content_type));
}

static bool status_suits(unsigned status)
{
    return (status < 300 && status != 204 && status != 205 && status != 206) || status >= 400;
}

// Bytes, as far as they are known; -1: they are not.
static int64_t size_of(const struct response *response)
{
    if (response->content_length >= 0)
        return response->content_length;
    return response->source == NULL ? (int64_t)response->body.size : -1;
}

// Whether somebody who takes a coding gets this answer coded. HEAD and GET are told the same.
static bool is_candidate(const struct request *request, const struct response *response,
                         const struct facts *facts)
{
    const struct http_compression *settings = request->http->setup->compression;
    int64_t size = size_of(response);
    // What is known of a body that HEAD leaves out is what the application says of it.
    bool is_left_out = str_equal(request->head.method, STR("HEAD")) && size == 0;
    return !facts->is_settled && status_suits(response->status) &&
           (size < 0 || is_left_out || (size > 0 && size >= settings->min_size)) &&
           suits(settings, facts->content_type);
}

// --- what the client says ---

struct wishes {
    enum coding coding;
    size_t padding; // bytes
};

// An answer that has a secret beside what others can choose gives it away by its size, after enough
// tries (BREACH): it is made less certain.
static size_t random_padding(void)
{
    uint16_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number)
        return COMPRESSOR_PADDING_MAX / 2;
    return 1 + number % COMPRESSOR_PADDING_MAX;
}

// Several lines are one list (RFC 9110 section 5.3).
static struct wishes ask(const struct request *request)
{
    const unsigned all = 1U << CODING_GZIP | 1U << CODING_ZSTD;
    char accept[ACCEPT_MAX];
    size_t size = 0;
    struct wishes wishes = {CODING_NONE, 0};
    bool has_secret = request->head.tls != NULL && request->head.tls->client != NULL;
    for (size_t i = 0; i < request->head.header_count; i++) {
        const struct header *header = &request->head.headers[i];
        has_secret = has_secret || str_equal_nocase(header->name, STR("cookie")) ||
                     str_equal_nocase(header->name, STR("authorization"));
        if (!str_equal_nocase(header->name, STR("accept-encoding")) ||
            header->value.size + 1 > ACCEPT_MAX - size)
            continue;
        memcpy(accept + size, header->value.data, header->value.size);
        size += header->value.size;
        accept[size++] = ',';
    }
    if (size > 0)
        wishes.coding = coding_choose((struct str){accept, size}, all);
    if (has_secret && wishes.coding != CODING_NONE)
        wishes.padding = random_padding();
    return wishes;
}

// --- what the head says then ---

static int add_vary(struct head *head, const struct facts *facts)
{
    struct head_line line;
    if (facts->varies)
        return 0;
    if (!facts->has_vary)
        return head_add(head, STR("Vary"), STR("Accept-Encoding")) == HEAD_FINE ? 0 : -1;
    for (size_t at = 0; head_next_line(head, &at, &line);) {
        bool is_empty = line.value.size == 0;
        if (str_equal_nocase(line.name, STR("vary")))
            return head_insert(head, line.value_begin + line.value.size,
                               is_empty ? STR("Accept-Encoding") : STR(", Accept-Encoding"));
    }
    return 0;
}

// What is the same only for who decodes it is no strong validator (RFC 9110 section 8.8.1), and
// ranges would be of what nobody has seen.
static void weaken(struct head *head)
{
    struct head_line line;
    size_t next = 0;
    for (size_t at = 0; head_next_line(head, &next, &line); at = next) {
        bool is_strong = line.value.size > 0 && *line.value.data == '"';
        if (str_equal_nocase(line.name, STR("accept-ranges"))) {
            head_remove_line(head, &line);
            next = at;
        } else if (is_strong && str_equal_nocase(line.name, STR("etag"))) {
            next += head_insert(head, line.value_begin, STR("W/")) == 0 ? 2 : 0;
        }
    }
}

static bool describe(struct head *head, enum coding coding)
{
    // Room for the weak mark, too.
    if (buf_reserve(&head->lines, 64) < 0)
        return false;
    head_add(head, STR("Content-Encoding"), coding_names[coding]);
    weaken(head);
    return true;
}

// --- the body ---

static bool code_whole(struct request *request, struct str body, const struct wishes *wishes)
{
    struct buf *out = &request->answer.sending;
    struct compressor *compressor =
        compressor_new(wishes->coding, true, body.size, wishes->padding);
    if (compressor == NULL)
        return false;
    out->size = 0;
    bool fits = compressor_put(compressor, body, false, true, out) == 0 && out->size < body.size;
    compressor_free(compressor);
    if (!fits)
        out->size = 0;
    return fits;
}

// A small body, or one that is here already, has a compressor with all its memory; one that is
// only announced may be as slow as it likes.
static bool begin_coder(struct request *request, const struct response *response,
                        const struct wishes *wishes)
{
    struct http_coder *coder = &request->answer.coder;
    bool is_here = response->source == NULL && response->body.size > 0;
    int64_t size = is_here ? (int64_t)response->body.size : response->content_length;
    bool is_whole = is_here || (size >= 0 && size <= WHOLE_MAX);
    coder->compressor =
        compressor_new(wishes->coding, is_whole, is_whole ? (size_t)size : 0, wishes->padding);
    buf_init(&coder->pushed, SIZE_MAX / 4);
    return coder->compressor != NULL;
}

static enum http_coded code(struct request *request, const struct response *response)
{
    struct wishes wishes = ask(request);
    struct answer *answer = &request->answer;
    size_t size = response->source == NULL ? response->body.size : 0;
    bool at_once = size > 0 && size <= WHOLE_MAX;
    if (wishes.coding == CODING_NONE)
        return CODED_NOT;
    if (at_once ? !code_whole(request, response->body, &wishes)
                : !begin_coder(request, response, &wishes))
        return CODED_NOT;
    if (describe(&answer->head, wishes.coding))
        return at_once ? CODED_WHOLE : CODED_STREAM;
    answer->sending.size = 0;
    http_coder_free(&answer->coder);
    return CODED_NOT;
}

// The fields that GET would get (RFC 9110 section 9.3.2).
static enum http_coded code_head(struct request *request)
{
    struct wishes wishes = ask(request);
    if (wishes.coding == CODING_NONE || !describe(&request->answer.head, wishes.coding))
        return CODED_NOT;
    return CODED_HEAD;
}

enum http_coded http_compress(struct request *request, const struct response *response,
                              bool with_body)
{
    struct head *head = &request->answer.head;
    bool is_file = response->source != NULL && response->source->fd >= 0;
    if (request->http->setup->compression == NULL || request->local != NULL ||
        request->answer.is_replaced || is_file || request->ended)
        return CODED_NOT;
    struct facts facts = examine(head);
    if (varies_unseen(request->http->setup->compression, &facts, response->status))
        add_vary(head, &facts);
    bool is_head = str_equal(request->head.method, STR("HEAD"));
    if (!is_candidate(request, response, &facts) || add_vary(head, &facts) < 0 ||
        !(with_body || is_head) || !str_equal(request->head.version, STR("HTTP/1.1")))
        return CODED_NOT;
    return is_head ? code_head(request) : code(request, response);
}

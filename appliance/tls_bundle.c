// tls_bundle.c - a header with magic, counts and the ticket keys at a fixed place, then every slice
// as its size and its bytes. Written and read by the same binary on the same machine (an upgrade
// makes its own), so numbers are in the machine's order; read with the suspicion of a parser all
// the same. No cryptography.
#include "tls_bundle.h"

#include <stdlib.h>

#include "check.h"

enum {
    // More than this is no server any more; a bound, so that a damaged count asks for no memory.
    IDENTITIES_MAX = 65536,
    SLICES_PER_IDENTITY = 4,
    IDENTITY_SIZE_MIN = SLICES_PER_IDENTITY * sizeof(uint32_t) + sizeof(int64_t), // bytes
};

static const char magic[8] = "limpTLS1";

struct header {
    char magic[sizeof magic];
    uint64_t size; // of the whole bundle, in bytes
    uint64_t identity_count;
    struct tls_ticket_key ticket_keys[TLS_TICKET_KEY_COUNT];
};

// --- write ---

static size_t slice_size(struct str slice)
{
    return sizeof(uint32_t) + slice.size;
}

size_t tls_bundle_size(const struct tls_material *material)
{
    size_t size = sizeof(struct header);
    for (size_t i = 0; i < material->identity_count; i++) {
        const struct tls_identity *identity = &material->identities[i];
        size += slice_size(identity->names) + slice_size(identity->chain) +
                slice_size(identity->key) + slice_size(identity->staple) +
                sizeof identity->staple_until;
    }
    return size + slice_size(material->client_ca) + slice_size(material->client_crl);
}

static unsigned char *put_bytes(unsigned char *out, const void *data, size_t size)
{
    if (size > 0)
        memcpy(out, data, size);
    return out + size;
}

static unsigned char *put_slice(unsigned char *out, struct str slice)
{
    uint32_t size = (uint32_t)slice.size;
    must(size == slice.size);
    return put_bytes(put_bytes(out, &size, sizeof size), slice.data, slice.size);
}

void tls_bundle_write(const struct tls_material *material, unsigned char *out)
{
    struct header header = {.size = tls_bundle_size(material),
                            .identity_count = material->identity_count};
    unsigned char *begin = out;
    must(material->identity_count <= IDENTITIES_MAX);
    memcpy(header.magic, magic, sizeof magic);
    out = put_bytes(out, &header, sizeof header);
    tls_bundle_set_ticket_keys(begin, material->ticket_keys);
    for (size_t i = 0; i < material->identity_count; i++) {
        const struct tls_identity *identity = &material->identities[i];
        out = put_slice(out, identity->names);
        out = put_slice(out, identity->chain);
        out = put_slice(out, identity->key);
        out = put_slice(out, identity->staple);
        out = put_bytes(out, &identity->staple_until, sizeof identity->staple_until);
    }
    out = put_slice(out, material->client_ca);
    out = put_slice(out, material->client_crl);
    must((size_t)(out - begin) == header.size);
}

void tls_bundle_set_ticket_keys(unsigned char *bundle,
                                const struct tls_ticket_key keys[static TLS_TICKET_KEY_COUNT])
{
    memcpy(bundle + offsetof(struct header, ticket_keys), keys,
           TLS_TICKET_KEY_COUNT * sizeof keys[0]);
}

// --- read ---

struct reader {
    const char *data;
    size_t left; // bytes
};

static int take_bytes(struct reader *reader, void *out, size_t size)
{
    if (reader->left < size)
        return -1;
    memcpy(out, reader->data, size);
    reader->data += size;
    reader->left -= size;
    return 0;
}

static int take_slice(struct reader *reader, struct str *out)
{
    uint32_t size;
    if (take_bytes(reader, &size, sizeof size) < 0 || reader->left < size)
        return -1;
    *out = (struct str){reader->data, size};
    reader->data += size;
    reader->left -= size;
    return 0;
}

// Names are read as C strings one behind the other: the last one has to end, too.
static int check_names(struct str names)
{
    return names.size == 0 || names.data[names.size - 1] == '\0' ? 0 : -1;
}

static int take_identity(struct reader *reader, struct tls_identity *out)
{
    if (take_slice(reader, &out->names) < 0 || check_names(out->names) < 0 ||
        take_slice(reader, &out->chain) < 0 || take_slice(reader, &out->key) < 0 ||
        take_slice(reader, &out->staple) < 0)
        return -1;
    return take_bytes(reader, &out->staple_until, sizeof out->staple_until);
}

static int take_header(struct reader *reader, struct tls_material *out)
{
    struct header header;
    size_t size = reader->left;
    if (take_bytes(reader, &header, sizeof header) < 0 ||
        memcmp(header.magic, magic, sizeof magic) != 0 || header.size != size ||
        header.identity_count > IDENTITIES_MAX ||
        header.identity_count > reader->left / IDENTITY_SIZE_MIN)
        return -1;
    out->identity_count = (size_t)header.identity_count;
    memcpy(out->ticket_keys, header.ticket_keys, sizeof out->ticket_keys);
    return 0;
}

static int take_material(struct reader *reader, struct tls_material *out)
{
    if (take_header(reader, out) < 0)
        return -1;
    out->identities = calloc(out->identity_count + 1, sizeof *out->identities);
    must_have(out->identities != NULL);
    for (size_t i = 0; i < out->identity_count; i++) {
        if (take_identity(reader, &out->identities[i]) < 0)
            return -1;
    }
    if (take_slice(reader, &out->client_ca) < 0 || take_slice(reader, &out->client_crl) < 0)
        return -1;
    return reader->left == 0 ? 0 : -1;
}

int tls_bundle_read(struct tls_material *out, const void *data, size_t size, struct err *err)
{
    struct reader reader = {data, size};
    *out = (struct tls_material){.identity_count = 0};
    if (take_material(&reader, out) == 0)
        return 0;
    free(out->identities);
    *out = (struct tls_material){.identity_count = 0};
    return err_set(err, ERR_FAILED, "the bundle of certificates is damaged");
}

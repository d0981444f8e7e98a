// tls_load.c - the order in which everything is read, and the result: one allocation a slice, so
// that a key is in memory as often as needed and is wiped.
#include "tls_load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <mbedtls/platform_util.h>

#include "check.h"
#include "cleanup.h"
#include "tls_library.h"
#include "tls_load_priv.h"

enum {
    WARNINGS_MAX = 1 << 16,         // bytes
    MESSAGE_MAX = (16 << 10) - 128, // bytes of a record, without the lengths within
};

int64_t tls_load_clock(void)
{
    return tls_library_clock_is_set() ? tls_library_time() : 0;
}

void tls_load_looked_at(struct tls_loading *loading, const char *path)
{
    struct tls_loaded *out = loading->out;
    out->paths = reallocarray(out->paths, out->path_count + 1, sizeof *out->paths);
    char *copy = strdup(path);
    must(out->paths != NULL && copy != NULL);
    out->paths[out->path_count++] = copy;
}

int tls_load_read(struct tls_loading *loading, struct tls_file *out, const char *path,
                  struct err *err)
{
    tls_load_looked_at(loading, path);
    return tls_file_read(out, path, err);
}

void tls_load_warn(struct tls_loading *loading, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    buf_printf(&loading->out->warnings, "%s\n", line);
}

// --- the result ---

static void free_slice(struct str *slice)
{
    free((char *)(uintptr_t)slice->data);
    *slice = (struct str){NULL, 0};
}

static void free_identity(struct tls_identity *identity)
{
    if (identity->key.data != NULL)
        mbedtls_platform_zeroize((char *)(uintptr_t)identity->key.data, identity->key.size);
    free_slice(&identity->names);
    free_slice(&identity->chain);
    free_slice(&identity->key);
    free_slice(&identity->staple);
}

static char *names_text(struct str names)
{
    _buf_ struct buf text = BUF_INIT(2 * TLS_NAMES_MAX);
    for (const char *name = NULL; (name = tls_load_next_name(names, name)) != NULL;)
        buf_printf(&text, "%s%s", text.size > 0 ? ", " : "", name);
    char *copy = strdup(buf_text(&text));
    must_have(copy != NULL);
    return copy;
}

static void fill_facts(struct tls_certificate_facts *facts, const struct tls_chain *chain)
{
    const mbedtls_x509_crt *own = &chain->certificates[0];
    facts->file = strdup(chain->file);
    facts->serial = tls_library_serial(own->serial.p, own->serial.len);
    must(facts->file != NULL && facts->serial != NULL);
    facts->names = names_text(buf_str(&chain->names));
    snprintf(facts->kind, sizeof facts->kind, "%s", chain->kind);
    facts->not_before = tls_load_seconds(&own->valid_from);
    facts->not_after = tls_load_seconds(&own->valid_to);
}

static struct str chain_bytes(const struct tls_chain *chain)
{
    size_t size = 0, used = 0;
    for (size_t i = 0; i < chain->count; i++)
        size += chain->certificates[i].raw.len;
    char *bytes = malloc(size + 1);
    must_have(bytes != NULL);
    for (size_t i = 0; i < chain->count; i++) {
        memcpy(bytes + used, chain->certificates[i].raw.p, chain->certificates[i].raw.len);
        used += chain->certificates[i].raw.len;
    }
    return (struct str){bytes, size};
}

static struct str key_bytes(const struct tls_private *key)
{
    unsigned char der[TLS_DER_MAX];
    int size = mbedtls_pk_write_key_der(&key->context, der, sizeof der);
    must(size > 0);
    struct str bytes = tls_copy(der + sizeof der - size, (size_t)size);
    mbedtls_platform_zeroize(der, sizeof der);
    return bytes;
}

static void fill(struct tls_loaded *out, struct tls_chain *chains)
{
    size_t count = 0, index = 0;
    for (const struct tls_chain *chain = chains; chain != NULL; chain = chain->next)
        count++;
    out->material.identities = calloc(count + 1, sizeof *out->material.identities);
    out->facts = calloc(count + 1, sizeof *out->facts);
    must(out->material.identities != NULL && out->facts != NULL);
    out->material.identity_count = count;
    for (struct tls_chain *chain = chains; chain != NULL; chain = chain->next, index++) {
        out->material.identities[index] =
            (struct tls_identity){.names = tls_copy(chain->names.data, chain->names.size),
                                  .chain = chain_bytes(chain),
                                  .key = key_bytes(chain->key),
                                  .staple = chain->staple,
                                  .staple_until = chain->staple_until};
        chain->staple = (struct str){NULL, 0};
        fill_facts(&out->facts[index], chain);
    }
}

// --- the order ---

// All of it is one message of the handshake, which the library sends in one record.
static int check_size(const struct tls_chain *chain, struct err *err)
{
    size_t size = chain->staple.size;
    for (size_t i = 0; i < chain->count; i++)
        size += chain->certificates[i].raw.len;
    if (size <= MESSAGE_MAX)
        return 0;
    return err_set(err, ERR_FAILED,
                   "%s: its certificates%s have %zu bytes, but clients can be sent %d (spread its "
                   "names over several certificates)",
                   chain->file, chain->staple.size > 0 ? " and the OCSP response" : "", size,
                   MESSAGE_MAX);
}

static int load_servers(struct tls_loading *loading, struct err *err)
{
    const struct config *config = loading->config;
    if (tls_load_password(loading, err) < 0)
        return -1;
    for (size_t i = 0; i < config->tls_certificate.count; i++) {
        if (tls_load_item(loading, config->tls_certificate.items[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < config->tls_key.count; i++) {
        _tls_file_ struct tls_file file = {.data = NULL};
        if (tls_load_read(loading, &file, config->tls_key.items[i], err) < 0 ||
            tls_load_key(loading, &file, err) < 0)
            return -1;
    }
    if (tls_load_compare(loading, err) < 0 || tls_load_match(loading, err) < 0)
        return -1;
    for (size_t i = 0; i < config->tls_ocsp.count; i++) {
        if (tls_load_staple(loading, config->tls_ocsp.items[i], err) < 0)
            return -1;
    }
    for (const struct tls_chain *chain = loading->chains; chain != NULL; chain = chain->next) {
        if (check_size(chain, err) < 0)
            return -1;
    }
    return 0;
}

int tls_load(struct tls_loaded *out, const struct config *config, int64_t now, struct err *err)
{
    struct tls_loading loading = {.config = config, .now = now, .out = out};
    *out = (struct tls_loaded){.warnings = BUF_INIT(WARNINGS_MAX)};
    if (now == 0 && config->tls_certificate.count > 0)
        tls_load_warn(&loading, "the clock here is not set: no certificate's dates are looked at");
    int result = tls_library_start(err);
    if (result == 0 && (result = load_servers(&loading, err)) == 0 &&
        (result = tls_load_clients(&loading, err)) == 0)
        fill(out, loading.chains);
    if (result < 0) {
        free_slice(&out->material.client_ca);
        free_slice(&out->material.client_crl);
    }
    tls_load_chains_free(loading.chains);
    tls_load_keys_free(loading.keys);
    tls_file_fini(&loading.password_file);
    return result;
}

void tls_certificate_facts_free(struct tls_certificate_facts *facts, size_t count)
{
    for (size_t i = 0; facts != NULL && i < count; i++) {
        free(facts[i].file);
        free(facts[i].names);
        free(facts[i].serial);
    }
    free(facts);
}

void tls_loaded_fini(struct tls_loaded *loaded)
{
    for (size_t i = 0; i < loaded->material.identity_count; i++)
        free_identity(&loaded->material.identities[i]);
    tls_certificate_facts_free(loaded->facts, loaded->material.identity_count);
    free(loaded->material.identities);
    free_slice(&loaded->material.client_ca);
    free_slice(&loaded->material.client_crl);
    for (size_t i = 0; i < loaded->path_count; i++)
        free(loaded->paths[i]);
    free(loaded->paths);
    buf_fini(&loaded->warnings);
    explicit_bzero(loaded->material.ticket_keys, sizeof loaded->material.ticket_keys);
    *loaded = (struct tls_loaded){.path_count = 0};
}

// tls_stream_facts.c - what is known of a connection.
#include "tls_stream_priv.h"

bool tls_stream_said_end(const struct tls_stream *stream)
{
    return stream->said_end;
}

bool tls_stream_is_done(const struct tls_stream *stream)
{
    return stream->is_done;
}

const char *tls_stream_version(const struct tls_stream *stream)
{
    return stream->is_done ? mbedtls_ssl_get_version(&stream->ssl) : NULL;
}

const struct tls_cipher *tls_stream_cipher(const struct tls_stream *stream)
{
    return stream->is_done ? tls_cipher_of(mbedtls_ssl_get_ciphersuite_id_from_ssl(&stream->ssl))
                           : NULL;
}

const char *tls_stream_alpn(const struct tls_stream *stream)
{
    return stream->is_done ? mbedtls_ssl_get_alpn_protocol(&stream->ssl) : NULL;
}

static bool has(const int *ciphers, int cipher)
{
    while (*ciphers != 0 && *ciphers != cipher)
        ciphers++;
    return *ciphers != 0;
}

const int *tls_stream_shared_ciphers(struct tls_stream *stream)
{
    if (!stream->is_server || !stream->is_done || !stream->hello.is_over)
        return NULL;
    // The client's list, without what we do not offer: once for all.
    int *to = stream->hello.ciphers;
    for (const int *from = to; *from != 0; from++) {
        if (has(stream->ciphers, *from))
            *to++ = *from;
    }
    *to = 0;
    return stream->hello.ciphers;
}

bool tls_stream_is_resumed(const struct tls_stream *stream)
{
    return stream->is_done && mbedtls_ssl_is_resumed(&stream->ssl);
}

size_t tls_stream_certificates(const struct tls_stream *stream, bool verified, struct str *out,
                               size_t max)
{
    size_t count = 0;
    if (verified) {
        for (; count < stream->verdict.verified_count; count++) {
            if (count < max)
                out[count] = stream->verdict.verified[count];
        }
        return count;
    }
    const mbedtls_x509_crt *certificate =
        stream->is_done ? mbedtls_ssl_get_peer_cert(&stream->ssl) : NULL;
    for (; certificate != NULL && certificate->raw.p != NULL; certificate = certificate->next) {
        if (count < max)
            out[count] = (struct str){(const char *)certificate->raw.p, certificate->raw.len};
        count++;
    }
    // Of a session that was resumed the library may have none.
    if (count == 0 && tls_stream_is_resumed(stream) && stream->offered != NULL) {
        struct str known = tls_resumption_certificate(stream->offered);
        if (known.size > 0 && count++ < max)
            out[0] = known;
    }
    return count;
}

void tls_stream_keep_authority(const struct tls_stream *stream, struct tls_setup *setup)
{
    const struct tls_verdict *verdict = &stream->verdict;
    if (stream->setup == setup && !stream->has_switched && !verdict->is_limited &&
        verdict->code == TLS_VERIFY_OK && verdict->verified_count > 0)
        tls_trust_add_found(&setup->trust, verdict->verified[verdict->verified_count - 1]);
}

int tls_stream_verdict(const struct tls_stream *stream)
{
    return (int)stream->verdict.code;
}

struct str tls_stream_unique(const struct tls_stream *stream)
{
    size_t size = 0;
    const unsigned char *bytes =
        stream->is_done ? mbedtls_ssl_get_tls_unique(&stream->ssl, &size) : NULL;
    return (struct str){(const char *)bytes, size};
}

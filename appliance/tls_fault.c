// tls_fault.c - errors of mbedTLS in OpenSSL's words.
#include "tls_fault.h"

#include <ctype.h>
#include <mbedtls/asn1.h>
#include <mbedtls/base64.h>
#include <mbedtls/bignum.h>
#include <mbedtls/cipher.h>
#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/md.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

int tls_fault_set(struct tls_fault *fault, enum tls_fault_kind kind, const char *library,
                  const char *reason, const char *format, ...)
{
    va_list arguments;
    *fault = (struct tls_fault){.kind = kind, .library = library, .reason = reason};
    va_start(arguments, format);
    vsnprintf(fault->text, sizeof fault->text, format, arguments);
    va_end(arguments);
    return -1;
}

int tls_fault_system(struct tls_fault *fault, int error_number)
{
    *fault = (struct tls_fault){.kind = TLS_FAULT_SYSTEM, .number = error_number};
    return -1;
}

int tls_fault_memory(struct tls_fault *fault)
{
    *fault = (struct tls_fault){.kind = TLS_FAULT_MEMORY};
    return -1;
}

// --- alerts ---

// As OpenSSL calls an alert that the peer has sent (ssl/ssl_err.c there). Numbers: RFC 8446 section
// 6, RFC 5246 section 7.2.
static const struct {
    int number;
    const char *reason;
} alerts[] = {
    {MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE, "SSLV3_ALERT_UNEXPECTED_MESSAGE"},
    {MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC, "SSLV3_ALERT_BAD_RECORD_MAC"},
    {MBEDTLS_SSL_ALERT_MSG_DECRYPTION_FAILED, "TLSV1_ALERT_DECRYPTION_FAILED"},
    {MBEDTLS_SSL_ALERT_MSG_RECORD_OVERFLOW, "TLSV1_ALERT_RECORD_OVERFLOW"},
    {MBEDTLS_SSL_ALERT_MSG_DECOMPRESSION_FAILURE, "SSLV3_ALERT_DECOMPRESSION_FAILURE"},
    {MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE, "SSLV3_ALERT_HANDSHAKE_FAILURE"},
    {MBEDTLS_SSL_ALERT_MSG_NO_CERT, "SSLV3_ALERT_NO_CERTIFICATE"},
    {MBEDTLS_SSL_ALERT_MSG_BAD_CERT, "SSLV3_ALERT_BAD_CERTIFICATE"},
    {MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT, "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"},
    {MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED, "SSLV3_ALERT_CERTIFICATE_REVOKED"},
    {MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED, "SSLV3_ALERT_CERTIFICATE_EXPIRED"},
    {MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN, "SSLV3_ALERT_CERTIFICATE_UNKNOWN"},
    {MBEDTLS_SSL_ALERT_MSG_ILLEGAL_PARAMETER, "SSLV3_ALERT_ILLEGAL_PARAMETER"},
    {MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA, "TLSV1_ALERT_UNKNOWN_CA"},
    {MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED, "TLSV1_ALERT_ACCESS_DENIED"},
    {MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR, "TLSV1_ALERT_DECODE_ERROR"},
    {MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR, "TLSV1_ALERT_DECRYPT_ERROR"},
    {MBEDTLS_SSL_ALERT_MSG_EXPORT_RESTRICTION, "TLSV1_ALERT_EXPORT_RESTRICTION"},
    {MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION, "TLSV1_ALERT_PROTOCOL_VERSION"},
    {MBEDTLS_SSL_ALERT_MSG_INSUFFICIENT_SECURITY, "TLSV1_ALERT_INSUFFICIENT_SECURITY"},
    {MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR, "TLSV1_ALERT_INTERNAL_ERROR"},
    {MBEDTLS_SSL_ALERT_MSG_INAPROPRIATE_FALLBACK, "TLSV1_ALERT_INAPPROPRIATE_FALLBACK"},
    {MBEDTLS_SSL_ALERT_MSG_USER_CANCELED, "TLSV1_ALERT_USER_CANCELLED"},
    {MBEDTLS_SSL_ALERT_MSG_NO_RENEGOTIATION, "TLSV1_ALERT_NO_RENEGOTIATION"},
    {MBEDTLS_SSL_ALERT_MSG_MISSING_EXTENSION, "TLSV13_ALERT_MISSING_EXTENSION"},
    {MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_EXT, "TLSV1_UNSUPPORTED_EXTENSION"},
    {111, "TLSV1_CERTIFICATE_UNOBTAINABLE"},
    {MBEDTLS_SSL_ALERT_MSG_UNRECOGNIZED_NAME, "TLSV1_UNRECOGNIZED_NAME"},
    {113, "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE"},
    {114, "TLSV1_BAD_CERTIFICATE_HASH_VALUE"},
    {MBEDTLS_SSL_ALERT_MSG_UNKNOWN_PSK_IDENTITY, "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY"},
    {116, "TLSV13_ALERT_CERTIFICATE_REQUIRED"},
    {MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL, "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"},
};

// OpenSSL's text of a reason is its name in small letters.
static int set_reason(struct tls_fault *fault, const char *library, const char *reason)
{
    tls_fault_set(fault, TLS_FAULT_SSL, library, reason, "%s", reason);
    for (char *at = fault->text; *at != '\0'; at++)
        *at = *at == '_' ? ' ' : (char)tolower((unsigned char)*at);
    return -1;
}

static int set_alert(struct tls_fault *fault, int alert)
{
    for (size_t i = 0; i < COUNT(alerts); i++) {
        if (alerts[i].number == alert)
            return set_reason(fault, "SSL", alerts[i].reason);
    }
    return tls_fault_set(fault, TLS_FAULT_SSL, "SSL", NULL, "the peer has sent alert number %d",
                         alert);
}

// --- the library's errors ---

static const struct {
    int error;
    const char *library, *reason;
} reasons[] = {
    {MBEDTLS_ERR_SSL_INVALID_RECORD, "SSL", "WRONG_VERSION_NUMBER"},
    {MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, "SSL", "UNSUPPORTED_PROTOCOL"},
    {MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE, "SSL", "NO_SHARED_CIPHER"},
    {MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL, "SSL", "NO_APPLICATION_PROTOCOL"},
    {MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, "SSL", "UNEXPECTED_MESSAGE"},
    {MBEDTLS_ERR_SSL_UNEXPECTED_RECORD, "SSL", "UNEXPECTED_RECORD"},
    {MBEDTLS_ERR_SSL_INVALID_MAC, "SSL", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"},
    {MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE, "SSL", "PEER_DID_NOT_RETURN_A_CERTIFICATE"},
    {MBEDTLS_ERR_SSL_BAD_CERTIFICATE, "SSL", "CERTIFICATE_VERIFY_FAILED"},
    {MBEDTLS_ERR_SSL_DECODE_ERROR, "SSL", "LENGTH_MISMATCH"},
    {MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER, "SSL", "ILLEGAL_PARAMETER"},
    {MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION, "SSL", "BAD_EXTENSION"},
    {MBEDTLS_ERR_SSL_UNRECOGNIZED_NAME, "SSL", "CALLBACK_FAILED"},
    {MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL, "SSL", "EXCESSIVE_MESSAGE_SIZE"},
    {MBEDTLS_ERR_SSL_BAD_CONFIG, "SSL", "BAD_VALUE"},
    {MBEDTLS_ERR_SSL_PK_TYPE_MISMATCH, "SSL", "WRONG_SIGNATURE_TYPE"},
    {MBEDTLS_ERR_ECP_VERIFY_FAILED, "SSL", "BAD_SIGNATURE"},
    {MBEDTLS_ERR_RSA_VERIFY_FAILED, "SSL", "BAD_SIGNATURE"},
    {MBEDTLS_ERR_PEM_NO_HEADER_FOOTER_PRESENT, "PEM", "NO_START_LINE"},
    {MBEDTLS_ERR_PEM_INVALID_DATA, "PEM", "BAD_BASE64_DECODE"},
    {MBEDTLS_ERR_PK_PASSWORD_MISMATCH, "PEM", "BAD_DECRYPT"},
    {MBEDTLS_ERR_PK_UNKNOWN_PK_ALG, "SSL", "UNKNOWN_CERTIFICATE_TYPE"},
};

static const int out_of_memory[] = {
    MBEDTLS_ERR_SSL_ALLOC_FAILED, MBEDTLS_ERR_X509_ALLOC_FAILED,   MBEDTLS_ERR_PK_ALLOC_FAILED,
    MBEDTLS_ERR_PEM_ALLOC_FAILED, MBEDTLS_ERR_MPI_ALLOC_FAILED,    MBEDTLS_ERR_ECP_ALLOC_FAILED,
    MBEDTLS_ERR_MD_ALLOC_FAILED,  MBEDTLS_ERR_CIPHER_ALLOC_FAILED, MBEDTLS_ERR_ASN1_ALLOC_FAILED,
};

int tls_fault_library(struct tls_fault *fault, int error, int alert)
{
    for (size_t i = 0; i < COUNT(out_of_memory); i++) {
        if (error == out_of_memory[i])
            return tls_fault_memory(fault);
    }
    if (error == MBEDTLS_ERR_SSL_CONN_EOF)
        return tls_fault_set(fault, TLS_FAULT_EOF, "SSL", "UNEXPECTED_EOF_WHILE_READING",
                             "EOF occurred in violation of protocol");
    if (error == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE && alert >= 0)
        return set_alert(fault, alert);
    for (size_t i = 0; i < COUNT(reasons); i++) {
        if (error == reasons[i].error)
            return set_reason(fault, reasons[i].library, reasons[i].reason);
    }
    char text[sizeof fault->text];
    mbedtls_strerror(error, text, sizeof text);
    return tls_fault_set(fault, TLS_FAULT_SSL, "SSL", NULL, "%s", text);
}

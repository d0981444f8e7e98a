// environ_tls.h - what a WSGI environ says of TLS, by the names of Apache's mod_ssl, which nginx's
// users and applications know as well.
#pragma once

#include "py.h"
#include "tls_facts.h"

// Keys that are the same for most requests of a TLS listener, into a prepared dict.
int environ_tls_prepare(PyObject *environ);

// What differs: SSL_PROTOCOL, SSL_CIPHER, SSL_TLS_SNI; of a verified client SSL_CLIENT_VERIFY
// ("SUCCESS", else "NONE"), SSL_CLIENT_S_DN, SSL_CLIENT_S_DN_CN and SSL_CLIENT_I_DN (RFC 4514),
// SSL_CLIENT_M_SERIAL, SSL_CLIENT_V_START, SSL_CLIENT_V_END, SSL_CLIENT_CERT (PEM), and
// SSL_CLIENT_CERT_CHAIN_0 and so on, the certificates behind that. 0, or -1 with an exception set.
int environ_tls_set(PyObject *environ, const struct tls_facts *facts);

void environ_tls_fini(void);

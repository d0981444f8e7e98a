// tls_object.h - object identifiers as OpenSSL names and numbers them: what ssl.txt2obj and
// ssl.nid2obj know. The table has what X.509 and TLS use.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

struct tls_object {
    int number;             // OpenSSL's NID
    const char *short_name; // "serverAuth"
    const char *long_name;  // "TLS Web Server Authentication"
    const char *dotted;     // "1.3.6.1.5.5.7.3.1"
};

// NULL: not known.
const struct tls_object *tls_object_by_number(int number);
// Dotted numbers, and names, too, if by_name.
const struct tls_object *tls_object_by_text(const char *text, bool by_name);
// Of the contents of an OBJECT IDENTIFIER in DER.
const struct tls_object *tls_object_by_der(struct str oid);
// Dotted numbers of such contents into out; false: they are none, or too long.
bool tls_object_dotted(struct str oid, char *out, size_t size);

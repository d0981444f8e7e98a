// print_tls.c - not a test: prints what tls_certificate, tls_ciphers and tls_object make of things,
// as JSON, a line each; for tests that compare it with an ordinary Python's (tests/e2e).
//   print_tls certificates FILE...   the first certificate of each
//   print_tls ciphers LIST...        what each list chooses
//   print_tls objects [TEXT...]      the table; or what each text is a name or the numbers of
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "tls_certificate.h"
#include "tls_ciphers.h"
#include "tls_object.h"

enum { OBJECTS_MAX = 2000 };

// Bytes of UTF-8, or any: JSON's reader says what they are.
static void print_text(struct str text)
{
    putchar('"');
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < ' ' || byte == '"' || byte == '\\' || byte == 0x7f)
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
    putchar('"');
}

static void print_string(const char *text)
{
    if (text == NULL)
        printf("null");
    else
        print_text(str_of(text));
}

static void print_bytes(struct str bytes)
{
    printf("{\"bytes\": \"");
    for (size_t i = 0; i < bytes.size; i++)
        printf("%02x", (unsigned char)bytes.data[i]);
    printf("\"}");
}

static void print_fault(const struct tls_fault *fault)
{
    printf("{\"error\": ");
    print_string(fault->text);
    printf("}\n");
}

// --- certificates ---

static void print_names(const struct tls_name_parts *names)
{
    printf("[");
    for (size_t i = 0; i < names->count; i++) {
        const struct tls_name_part *part = &names->parts[i];
        printf("%s%s[", i == 0 ? "" : part->begins ? "], " : ", ", part->begins ? "[" : "");
        print_text(part->kind);
        printf(", ");
        part->is_bytes ? print_bytes(part->value) : print_text(part->value);
        printf("]");
    }
    printf("%s]", names->count > 0 ? "]" : "");
}

static void print_texts(const char *key, const struct tls_texts *texts)
{
    if (texts->count == 0)
        return;
    printf(", \"%s\": [", key);
    for (size_t i = 0; i < texts->count; i++) {
        printf("%s", i > 0 ? ", " : "");
        print_text(texts->texts[i]);
    }
    printf("]");
}

static void print_alt_names(const struct tls_certificate_text *facts)
{
    if (facts->alt_names == NULL)
        return;
    printf(", \"subjectAltName\": [");
    for (size_t i = 0; i < facts->alt_name_count; i++) {
        const struct tls_alt_name *name = &facts->alt_names[i];
        printf("%s[", i > 0 ? ", " : "");
        print_text(name->kind);
        printf(", ");
        if (str_equal(name->kind, STR("DirName")))
            print_names(&name->names);
        else
            print_text(name->value);
        printf("]");
    }
    printf("]");
}

static void print_facts(const struct tls_certificate_text *facts)
{
    printf("{\"subject\": ");
    print_names(&facts->subject);
    printf(", \"issuer\": ");
    print_names(&facts->issuer);
    printf(", \"version\": %d, \"serialNumber\": ", facts->version);
    print_text(facts->serial);
    printf(", \"notBefore\": ");
    print_text(facts->not_before);
    printf(", \"notAfter\": ");
    print_text(facts->not_after);
    print_alt_names(facts);
    print_texts("OCSP", &facts->ocsp);
    print_texts("caIssuers", &facts->ca_issuers);
    print_texts("crlDistributionPoints", &facts->crl_points);
    printf("}\n");
}

static void print_certificate(const char *path)
{
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    struct tls_certificate_text facts;
    struct str der = {NULL, 0};
    if (tls_certificate_load(&der, path, &fault) == 0 &&
        tls_certificate_read(&facts, der, &fault) == 0) {
        print_facts(&facts);
        tls_certificate_fini(&facts);
    } else {
        print_fault(&fault);
    }
    free((void *)(uintptr_t)der.data);
}

// --- ciphers ---

static void print_cipher(const struct tls_cipher *cipher)
{
    printf("{\"id\": %u, \"name\": \"%s\", \"protocol\": \"%s\", \"description\": \"%s\", ",
           0x03000000U | cipher->number, cipher->name, cipher->protocol, cipher->description);
    printf("\"strength_bits\": %d, \"alg_bits\": %d, \"aead\": %s, \"symmetric\": \"%s\", ",
           cipher->strength_bits, cipher->algorithm_bits, cipher->digest == NULL ? "true" : "false",
           cipher->symmetric);
    printf("\"digest\": ");
    print_string(cipher->digest);
    printf(", \"kea\": \"%s\", \"auth\": \"%s\"}", cipher->kea, cipher->auth);
}

static void print_list(const char *list)
{
    struct tls_fault fault = {.kind = TLS_FAULT_NONE};
    int numbers[TLS_CIPHERS_MAX], level = -1;
    if (tls_ciphers_parse(list, numbers, &level, &fault) < 0) {
        print_fault(&fault);
        return;
    }
    printf("{\"level\": %d, \"ciphers\": [", level);
    for (size_t i = 0; numbers[i] != 0; i++) {
        printf("%s", i > 0 ? ", " : "");
        print_cipher(tls_cipher_of(numbers[i]));
    }
    printf("]}\n");
}

// --- objects ---

static void print_object(const struct tls_object *object)
{
    if (object == NULL) {
        printf("null\n");
        return;
    }
    printf("[%d, ", object->number);
    print_string(object->short_name);
    printf(", ");
    print_string(object->long_name);
    printf(", ");
    print_string(object->dotted);
    printf("]\n");
}

static void print_named(const char *text)
{
    print_object(tls_object_by_text(text, true));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(const char *argument);
    } verbs[] = {
        {"certificates", print_certificate}, {"ciphers", print_list}, {"objects", print_named}};
    const char *verb = argc > 1 ? argv[1] : "";
    for (int i = 0; strcmp(verb, "objects") == 0 && argc == 2 && i < OBJECTS_MAX; i++) {
        if (tls_object_by_number(i) != NULL)
            print_object(tls_object_by_number(i));
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        for (int j = 2; strcmp(verb, verbs[i].name) == 0 && j < argc; j++)
            verbs[i].print(argv[j]);
    }
    return 0;
}

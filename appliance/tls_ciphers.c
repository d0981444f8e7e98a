// tls_ciphers.c - OpenSSL's language for lists of cipher suites (openssl-ciphers(1), "CIPHER LIST
// FORMAT"). A list is a row of suites, each in use or not; every word moves those that it matches.
#include "tls_ciphers.h"

#include <stdbool.h>
#include <string.h>

#include "str.h"

const char tls_ciphers_default[] =
    "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM";

// --- suites ---

// OTHER is a bit of each set below: what no suite of this build has.
enum { OTHER = 1 };
enum version { TLS_1_0 = 2, TLS_1_2 = 4, TLS_1_3 = 8 }; // the first that has the suite
enum key_exchange { KEY_ANY = 2, ECDHE = 4 };
enum authentication { AUTH_ANY = 2, RSA = 4, ECDSA = 8, NAMED = RSA | ECDSA };
enum encryption { AES128 = 2, AES256 = 4, AES128GCM = 8, AES256GCM = 16, CHACHA20 = 32 };
enum digest { AEAD = 2, SHA1 = 4, SHA256 = 8, SHA384 = 16 };
enum strength { HIGH = 2, FIPS = 4 };
enum { ENCRYPTED = AES128 | AES256 | AES128GCM | AES256GCM | CHACHA20 };

// What SSLContext.get_ciphers calls them.
#define NAME_TLS_1_0 "TLSv1.0"
#define NAME_TLS_1_2 "TLSv1.2"
#define NAME_TLS_1_3 "TLSv1.3"
#define NAME_KEY_ANY "kx-any"
#define NAME_ECDHE "kx-ecdhe"
#define NAME_AUTH_ANY "auth-any"
#define NAME_RSA "auth-rsa"
#define NAME_ECDSA "auth-ecdsa"
#define NAME_AES128 "aes-128-cbc"
#define NAME_AES256 "aes-256-cbc"
#define NAME_AES128GCM "aes-128-gcm"
#define NAME_AES256GCM "aes-256-gcm"
#define NAME_CHACHA20 "chacha20-poly1305"
#define NAME_AEAD NULL
#define NAME_SHA1 "sha1"
#define NAME_SHA256 "sha256"
#define NAME_SHA384 "sha384"
#define BITS(encryption) (((encryption) & (AES128 | AES128GCM)) != 0 ? 128 : 256)

static const struct tls_cipher ciphers[] = {
#define SUITE(number, name, iana, version, key, auth, encryption, digest, description) \
    {number,     name,        NAME_##version,    BITS(encryption), BITS(encryption),   \
     NAME_##key, NAME_##auth, NAME_##encryption, NAME_##digest,    description},
#include "tls_ciphers.def"
#undef SUITE
};

// What a suite is, or which ones a word means: sets of the bits above. 0: whatever it is.
struct pattern {
    unsigned version, key_exchange, authentication, encryption, digest, strength;
    int number; // of the one suite
};

struct named_pattern {
    const char *name;
    const char *other_name; // IANA's; NULL: none
    struct pattern pattern;
};

// In the same order as ciphers.
static const struct named_pattern suites[] = {
#define SUITE(number, name, iana, version, key, auth, encryption, digest, description)      \
    {name,                                                                                  \
     iana,                                                                                  \
     {version, key, auth, encryption, digest, HIGH | ((encryption) == CHACHA20 ? 0 : FIPS), \
      number}},
#include "tls_ciphers.def"
#undef SUITE
};

static const struct named_pattern aliases[] = {
#define ALIAS(name, ...) {name, NULL, {__VA_ARGS__}},
#include "tls_ciphers_aliases.def"
#undef ALIAS
};

enum {
    SUITE_COUNT = sizeof suites / sizeof suites[0],
    ALIAS_COUNT = sizeof aliases / sizeof aliases[0],
};
_Static_assert((int)SUITE_COUNT < (int)TLS_CIPHERS_MAX, "a list holds all suites and its end");

const struct tls_cipher *tls_cipher_of(int number)
{
    for (size_t i = 0; i < SUITE_COUNT; i++) {
        if (ciphers[i].number == number)
            return &ciphers[i];
    }
    return NULL;
}

// --- the row of suites ---

struct place {
    size_t suite; // index
    bool is_used;
};

struct row {
    struct place places[SUITE_COUNT];
    size_t count;
};

// What a word does with the suites that it matches.
enum action {
    ACTION_ADD,    // those not in use, at the end
    ACTION_LAST,   // those in use, to the end
    ACTION_REMOVE, // those in use; if they are added again, they come first
    ACTION_KILL,   // all of them, for good
    ACTION_COMMAND,
};

static bool is_matched(const struct pattern *pattern, const struct pattern *suite)
{
    return (pattern->number == 0 || pattern->number == suite->number) &&
           (pattern->version == 0 || (pattern->version & suite->version) != 0) &&
           (pattern->key_exchange == 0 || (pattern->key_exchange & suite->key_exchange) != 0) &&
           (pattern->authentication == 0 ||
            (pattern->authentication & suite->authentication) != 0) &&
           (pattern->encryption == 0 || (pattern->encryption & suite->encryption) != 0) &&
           (pattern->digest == 0 || (pattern->digest & suite->digest) != 0) &&
           (pattern->strength == 0 || (pattern->strength & suite->strength) != 0);
}

static void append(struct row *row, const struct row *others)
{
    memcpy(row->places + row->count, others->places, others->count * sizeof others->places[0]);
    row->count += others->count;
}

static void apply(struct row *row, const struct pattern *pattern, enum action action)
{
    struct row matched = {.count = 0}, rest = {.count = 0};
    for (size_t i = 0; i < row->count; i++) {
        struct place place = row->places[i];
        bool is_subject = action == ACTION_KILL || place.is_used == (action != ACTION_ADD);
        if (is_subject && is_matched(pattern, &suites[place.suite].pattern)) {
            place.is_used = action == ACTION_ADD || action == ACTION_LAST;
            matched.places[matched.count++] = place;
        } else {
            rest.places[rest.count++] = place;
        }
    }
    row->count = 0;
    if (action == ACTION_REMOVE)
        append(row, &matched);
    append(row, &rest);
    if (action == ACTION_ADD || action == ACTION_LAST)
        append(row, &matched);
}

static void sort_by_strength(struct row *row)
{
    static const struct pattern strengths[] = {
        {.encryption = AES256 | AES256GCM | CHACHA20},
        {.encryption = AES128 | AES128GCM},
    };
    for (size_t i = 0; i < sizeof strengths / sizeof strengths[0]; i++)
        apply(row, &strengths[i], ACTION_LAST);
}

// --- words ---

static bool is_separator(char character)
{
    return character != '\0' && strchr(": ;,", character) != NULL;
}

static struct str take_name(const char **at)
{
    const char *begin = *at;
    while ((**at >= 'A' && **at <= 'Z') || (**at >= 'a' && **at <= 'z') ||
           (**at >= '0' && **at <= '9') || (**at != '\0' && strchr("-.=_", **at) != NULL))
        (*at)++;
    return (struct str){begin, (size_t)(*at - begin)};
}

static bool is_named(const struct named_pattern *pattern, struct str name)
{
    return str_equal(str_of(pattern->name), name) ||
           (pattern->other_name != NULL && str_equal(str_of(pattern->other_name), name));
}

// A suite's version is no part of what its name means.
static bool find_pattern(struct str name, struct pattern *out)
{
    for (size_t i = 0; i < SUITE_COUNT; i++) {
        if (suites[i].pattern.version != TLS_1_3 && is_named(&suites[i], name)) {
            *out = suites[i].pattern;
            out->version = 0;
            return true;
        }
    }
    for (size_t i = 0; i < ALIAS_COUNT; i++) {
        if (is_named(&aliases[i], name)) {
            *out = aliases[i].pattern;
            return true;
        }
    }
    return false;
}

// What both mean; false: nothing can be both.
static bool narrow(unsigned *set, unsigned other)
{
    if (*set == 0 || other == 0) {
        *set |= other;
        return true;
    }
    *set &= other;
    return *set != 0;
}

static bool narrow_pattern(struct pattern *pattern, const struct pattern *other)
{
    pattern->number = other->number; // as OpenSSL: that of the last name counts
    return narrow(&pattern->key_exchange, other->key_exchange) &&
           narrow(&pattern->authentication, other->authentication) &&
           narrow(&pattern->encryption, other->encryption) &&
           narrow(&pattern->digest, other->digest) && narrow(&pattern->strength, other->strength) &&
           narrow(&pattern->version, other->version);
}

// Names with "+" between them. -1: there is no name where one should be; 0: one is not known, or
// they exclude each other; 1: the pattern.
static int take_pattern(const char **at, struct pattern *out)
{
    bool goes_on = true;
    *out = (struct pattern){.number = 0};
    while (goes_on) {
        struct pattern part;
        struct str name = take_name(at);
        if (name.size == 0)
            return -1;
        goes_on = **at == '+';
        if (goes_on)
            (*at)++;
        if (!find_pattern(name, &part) || !narrow_pattern(out, &part))
            return 0;
    }
    return 1;
}

static void skip_word(const char **at)
{
    while (**at != '\0' && !is_separator(**at))
        (*at)++;
}

static int take_command(const char **at, struct row *row, int *security_level)
{
    static const struct str level = STR("SECLEVEL=");
    struct str name = take_name(at);
    int result = 0;
    if (str_equal(name, STR("STRENGTH")))
        sort_by_strength(row);
    else if (str_starts(name, level) && name.size == level.size + 1 &&
             name.data[level.size] >= '0' && name.data[level.size] <= '5')
        *security_level = name.data[level.size] - '0';
    else
        result = -1;
    skip_word(at);
    return result;
}

static enum action take_action(const char **at)
{
    static const char marks[] = {
        [ACTION_LAST] = '+', [ACTION_REMOVE] = '-', [ACTION_KILL] = '!', [ACTION_COMMAND] = '@'};
    for (enum action action = ACTION_LAST; action <= ACTION_COMMAND; action++) {
        if (**at == marks[action]) {
            (*at)++;
            return action;
        }
    }
    return ACTION_ADD;
}

static int take_word(const char **at, struct row *row, int *security_level)
{
    struct pattern pattern;
    enum action action = take_action(at);
    if (action == ACTION_COMMAND)
        return take_command(at, row, security_level);
    int taken = take_pattern(at, &pattern);
    if (taken > 0)
        apply(row, &pattern, action);
    else
        skip_word(at);
    return taken < 0 ? -1 : 0;
}

static int take_words(const char *at, struct row *row, int *security_level)
{
    int result = 0;
    while (result == 0 && *at != '\0') {
        if (is_separator(*at))
            at++;
        else
            result = take_word(&at, row, security_level);
    }
    return result;
}

// RFC 6460: these stand for a whole list, whatever is behind them.
static const char *without_suite_b(const char *text)
{
    static const char strong[] = "ECDHE-ECDSA-AES256-GCM-SHA384",
                      both[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384";
    static const struct {
        struct str name;
        const char *list;
    } lists[] = {
        {STR("SUITEB128ONLY"), "ECDHE-ECDSA-AES128-GCM-SHA256"},
        {STR("SUITEB128C2"), strong},
        {STR("SUITEB128"), both},
        {STR("SUITEB192"), strong},
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (str_starts(str_of(text), lists[i].name))
            return lists[i].list;
    }
    return text;
}

static void take_default(const char **text, struct row *row)
{
    static const struct str name = STR("DEFAULT");
    static const struct pattern all = {.encryption = ENCRYPTED};
    if (!str_starts(str_of(*text), name))
        return;
    apply(row, &all, ACTION_ADD);
    *text += name.size;
}

int tls_ciphers_parse(const char *text, int out[static TLS_CIPHERS_MAX], int *security_level,
                      struct tls_fault *fault)
{
    struct row row = {.count = 0};
    size_t count = 0, count_of_tls13 = 0;
    for (size_t i = 0; i < SUITE_COUNT; i++) {
        if (suites[i].pattern.version == TLS_1_3)
            out[count++] = suites[i].pattern.number;
        else
            row.places[row.count++] = (struct place){.suite = i};
    }
    count_of_tls13 = count;
    text = without_suite_b(text);
    take_default(&text, &row);
    int result = take_words(text, &row, security_level);
    for (size_t i = 0; result == 0 && i < row.count; i++) {
        if (row.places[i].is_used)
            out[count++] = suites[row.places[i].suite].pattern.number;
    }
    out[count] = 0;
    if (result == 0 && count > count_of_tls13)
        return 0;
    return tls_fault_set(fault, TLS_FAULT_SSL, NULL, NULL, "No cipher can be selected.");
}

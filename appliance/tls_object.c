// tls_object.c - the table of object identifiers, and their numbers out of DER (X.690 section
// 8.19).
#include "tls_object.h"

#include <stdlib.h>

enum {
    // As OpenSSL: longer ones are none (RFC 2578 section 3.5: 128 numbers of 32 bits).
    CONTENTS_MAX = 586,                                // bytes
    BITS_PER_BYTE = 7,                                 // of a number
    DIGITS_MAX = CONTENTS_MAX * BITS_PER_BYTE / 3 + 2, // of the largest number, in decimal
    SECOND_NUMBERS = 40,                               // below the first numbers 0 and 1
};

static const struct tls_object objects[] = {
#define OBJECT(number, short_name, long_name, dotted) {number, short_name, long_name, dotted},
#include "tls_object.def"
#undef OBJECT
};

enum { OBJECT_COUNT = sizeof objects / sizeof objects[0] };

static int compare_numbers(const void *key, const void *object)
{
    return *(const int *)key - ((const struct tls_object *)object)->number;
}

const struct tls_object *tls_object_by_number(int number)
{
    return bsearch(&number, objects, OBJECT_COUNT, sizeof objects[0], compare_numbers);
}

// By which of its texts an object is looked for.
enum text { TEXT_DOTTED, TEXT_SHORT, TEXT_LONG };

static const struct tls_object *find(const char *text, enum text which)
{
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        const char *const texts[] = {[TEXT_DOTTED] = objects[i].dotted,
                                     [TEXT_SHORT] = objects[i].short_name,
                                     [TEXT_LONG] = objects[i].long_name};
        if (strcmp(texts[which], text) == 0)
            return &objects[i];
    }
    return NULL;
}

const struct tls_object *tls_object_by_text(const char *text, bool by_name)
{
    const struct tls_object *found = NULL;
    if (by_name)
        found = find(text, TEXT_SHORT);
    if (by_name && found == NULL)
        found = find(text, TEXT_LONG);
    return found != NULL ? found : find(text, TEXT_DOTTED);
}

const struct tls_object *tls_object_by_der(struct str oid)
{
    char dotted[256]; // longer than any in the table
    return tls_object_dotted(oid, dotted, sizeof dotted) ? find(dotted, TEXT_DOTTED) : NULL;
}

// --- dotted numbers ---

// Of any size: digits, the lowest first.
struct decimal {
    size_t count; // without zeros in front, but at least 1
    unsigned char digits[DIGITS_MAX];
};

// Shift by a byte of the contents, and take in that byte.
static void decimal_take(struct decimal *number, unsigned char byte)
{
    unsigned carry = byte & 0x7fU;
    for (size_t i = 0; i < number->count || carry > 0; i++) {
        unsigned digit = (i < number->count ? number->digits[i] * 128U : 0) + carry;
        if (i == number->count)
            number->count++;
        number->digits[i] = (unsigned char)(digit % 10);
        carry = digit / 10;
    }
}

// By so many tens; the number must not be less.
static void decimal_subtract_tens(struct decimal *number, int tens)
{
    for (size_t i = 1; tens > 0; i++) {
        int digit = number->digits[i] - tens;
        number->digits[i] = (unsigned char)((digit + 10) % 10);
        tens = digit < 0 ? 1 : 0;
    }
    while (number->count > 1 && number->digits[number->count - 1] == 0)
        number->count--;
}

static bool is_less(const struct decimal *number, int tens)
{
    return number->count == 1 || (number->count == 2 && number->digits[1] < tens);
}

struct text_out {
    char *data;
    size_t size, used;
};

static bool put_digit(struct text_out *out, char character)
{
    if (out->used + 1 >= out->size)
        return false;
    out->data[out->used++] = character;
    out->data[out->used] = '\0';
    return true;
}

static bool put_number(struct text_out *out, const struct decimal *number)
{
    bool fits = put_digit(out, '.');
    for (size_t i = number->count; fits && i > 0; i--)
        fits = put_digit(out, (char)('0' + number->digits[i - 1]));
    return fits;
}

// The first two numbers stand in one (X.690 section 8.19.4).
static bool put_first(struct text_out *out, struct decimal *number)
{
    int first = 0;
    while (first < 2 && !is_less(number, SECOND_NUMBERS / 10)) {
        decimal_subtract_tens(number, SECOND_NUMBERS / 10);
        first++;
    }
    return put_digit(out, (char)('0' + first)) && put_number(out, number);
}

bool tls_object_dotted(struct str oid, char *out, size_t size)
{
    struct text_out text = {.data = out, .size = size};
    struct decimal number = {.count = 1};
    bool begins = true;
    if (oid.size == 0 || oid.size > CONTENTS_MAX ||
        ((unsigned char)oid.data[oid.size - 1] & 0x80) != 0)
        return false;
    for (size_t i = 0; i < oid.size; i++) {
        unsigned char byte = (unsigned char)oid.data[i];
        if (begins && byte == 0x80) // a number may not begin with zeros
            return false;
        decimal_take(&number, byte);
        begins = (byte & 0x80) == 0;
        if (!begins)
            continue;
        if (!(text.used == 0 ? put_first(&text, &number) : put_number(&text, &number)))
            return false;
        number.count = 1;
        number.digits[0] = 0;
    }
    return true;
}

// fuzz_compress.c - any bytes as Accept-Encoding and as a media type: what is chosen is of the set,
// was named or covered by a star, and was not refused; and no field changes what another coding
// would get.
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Whether the text has the other somewhere, in any case.
static bool mentions(struct str text, struct str other)
{
    for (size_t i = 0; i + other.size <= text.size; i++) {
        if (strncasecmp(text.data + i, other.data, other.size) == 0)
            return true;
    }
    return false;
}

static void check_choice(struct str accept, unsigned set)
{
    enum coding coding = coding_choose(accept, set);
    if (coding == CODING_NONE)
        return;
    must((set & 1U << coding) != 0);
    must(mentions(accept, coding_names[coding]) || mentions(accept, STR("*")));
    // Alone, it would be chosen as well.
    must(coding_choose(accept, 1U << coding) == coding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // Of just that size, so that a byte behind it is found out.
    char *text = malloc(size > 0 ? size : 1);
    must(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    struct str field = {text, size};
    for (unsigned set = 0; set < 1U << CODING_COUNT; set++)
        check_choice(field, set);
    if (coding_suits(field))
        must(mentions(field, STR("/")) && !coding_is_compressed(field));
    if (coding_type_matches(field, STR("text/*")))
        must(mentions(field, STR("text/")));
    free(text);
    return 0;
}

// files_mime.h - what a file's name tells of its content. Pure.
#pragma once

#include <stdbool.h>

#include "str.h"

struct files_type {
    struct str ending;    // lower case, without the '.'
    struct str type;      // the value of Content-Type
    bool is_compressible; // may lie there in a coding, too (files_coding.h)
};

// By the last ending of a name, in any case; application/octet-stream where it has none that is
// known.
const struct files_type *files_mime_of(struct str name);

// Whether a name changes with the content, so that clients may keep the file for good. It does with
// a part that no human gives, between a '.' or '-' and a '.':
//   - 8 to 64 hexadecimal digits in one case, with letters and digits in turn (main.3f2a9c1b.js,
//     name.55e7cbb9ba48.css, app-0e1a44c8.chunk.js),
//   - behind '-', exactly 8 characters of base32 with letters and digits in turn (esbuild's
//     main-QH5G3XVB.js) or of base64url that change between upper case, lower case and digits at
//     least four times (Vite's app-BX82hs9a.css).
// "In turn": at least two changes between letters and digits, which no date and no numbered word
// has. A fingerprint that looks like a word is taken for one, which costs a question of the client.
bool files_mime_is_fingerprinted(struct str name);

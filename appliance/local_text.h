// local_text.h - what local answers of text have in common: who asks for a path, and the answer.
#pragma once

#include <stdbool.h>

#include "buf.h"
#include "request.h"
#include "str.h"

// Whether a request is for that path, whatever its method and query are: in
// origin or absolute form (RFC 9112 section 3.2), and with characters of it percent-encoded.
bool local_text_is_for(const struct request *request, const char *path);

// Answer with a text that nobody keeps; what is not GET or HEAD, with 405. The content is the
// answer's from here on.
void local_text_answer(struct request *request, unsigned status, struct str type,
                       struct buf *content);

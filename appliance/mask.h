// mask.h - text from anywhere, made harmless for a terminal and for who counts lines.
#pragma once

#include <stddef.h>

// A '?' for each byte of a control character (of ASCII, DEL, and the C1 ones of Unicode) and for
// each that is no UTF-8; all other bytes stay. In place.
void mask_controls(char *text, size_t size);
// The same of a line of a log, whose tabs stay.
void mask_line(char *text, size_t size);

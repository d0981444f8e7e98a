// config_value.h - the values of settings as text: reading and writing numbers and their units.
// Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_VALUE_TEXT = 64 }; // bytes that any number needs as text, its NUL included

// 0, or -1 where the text is not of that form or the number does not fit; then out is left alone.
int config_read_integer(const char *text, int64_t *out); // "8000", "-1"
int config_read_size(const char *text, int64_t *out);    // "65536", "64k", "16M", "2G": bytes
int config_read_duration(const char *text,
                         int64_t *out);            // "30", "30s", "1h30m", "500ms": milliseconds
int config_read_flag(const char *text, bool *out); // "true", "false", yes, no, on, off, 1, 0

// The text that reads back as that number, with the largest units that hold it exactly.
void config_write_integer(int64_t number, char out[static CONFIG_VALUE_TEXT]);
void config_write_size(int64_t bytes, char out[static CONFIG_VALUE_TEXT]);
void config_write_duration(int64_t milliseconds, char out[static CONFIG_VALUE_TEXT]);

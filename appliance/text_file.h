// text_file.h - small files that somebody else writes: what the kernel tells below /proc and /sys.
#pragma once

#include <sys/types.h>

// The file's first bytes into out, with a NUL behind them; what does not fit is left out. How many
// they are, or -1 with errno; then out is "".
ssize_t text_file_read(const char *path, char *out, size_t size);

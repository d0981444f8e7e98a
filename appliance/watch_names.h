// watch_names.h - which names in an application's folder are those of sources.
#pragma once

#include <stdbool.h>

// A file whose change counts.
bool watch_names_source(const char *name);

// A folder that is not looked into.
bool watch_names_skipped(const char *name);

// A file whose folder holds installed packages: a virtual environment.
bool watch_names_environment(const char *name);

// Whether the folder holds such a file.
bool watch_names_is_environment(const char *folder);

// embed.h - the one symbol that the Python bridge shows to the appliance (runtime.h says what it
// does).
#pragma once

#include "runtime.h"

extern const struct runtime python_runtime;

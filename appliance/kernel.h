// kernel.h - whether the kernel that we run on has what we cannot do without.
#pragma once

#include <stdbool.h>

#include "err.h"

// The oldest that works: memfd_create, getrandom and seals are as old (ARCHITECTURE.md, "Kernels").
enum { KERNEL_MAJOR = 3, KERNEL_MINOR = 17 };

// Whether a release as uname(2) tells it ("4.14.98-imx_4.14+g1") is of a version before that one.
// One that begins with no version is not.
bool kernel_is_before(const char *release, unsigned major, unsigned minor);

// ERR_FAILED on a kernel before KERNEL_MAJOR.KERNEL_MINOR.
int kernel_check(struct err *err);

// resident.h - pages of our own file that were needed once, as to start, and stay in memory because
// nobody else wants them.
#pragma once

struct archive;

// Let go of free memory, and of what this process has in memory of its executable's code and
// constants and of the archive: what is needed again comes back by itself, mostly without a look at
// the disk, since the kernel keeps files as long as it has room. Nothing that this process has
// written is among it.
void resident_release(const struct archive *archive);

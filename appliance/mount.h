// mount.h - makes the archive's members look like files below the path of our own executable, to
// every caller of libc in this process: /srv/shop is the executable,
// /srv/shop/app/templates/base.html a file in it. open, stat, access, opendir and their kin are
// wrapped at link time (-Wl,--wrap); other paths go to the kernel untouched. An opened member is a
// sealed memfd: a real descriptor, of any use (mmap, fstat, sendfile), never a file on disk.
#pragma once

struct archive;

// Show the archive below its archive_path. Call once, before threads start; it must stay open for
// good. NULL takes it away again (tests).
void mount_archive(const struct archive *archive);

// The executable's path and a '/', below which members are; NULL: there are none. Valid as long as
// the archive is shown.
const char *mount_prefix(void);

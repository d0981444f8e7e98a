// mount_wrap.c - the C library's calls that take a path, as the linker's --wrap redirects them:
// every call of a NAME listed in mount.symbols comes to __wrap_NAME; __real_NAME is the C
// library's. A path below our executable's is answered from the archive, any other goes on
// untouched. Calls that are not wrapped (chdir, unlink, rename, chmod ...) reach the kernel, for
// which the executable is no folder: they fail with ENOTDIR.
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "mount_priv.h"

// Below our executable's path only absolute paths can lie: a folder's descriptor never matters.

// The third argument of open is there only when a file may be made.
#define MODE_ARGUMENT(flags, mode)                                   \
    do {                                                             \
        if (((flags)&O_CREAT) || ((flags)&O_TMPFILE) == O_TMPFILE) { \
            va_list arguments;                                       \
            va_start(arguments, flags);                              \
            (mode) = va_arg(arguments, mode_t);                      \
            va_end(arguments);                                       \
        }                                                            \
    } while (0)

#define WRAP_OPEN(name)                                  \
    int __real_##name(const char *path, int flags, ...); \
    int __wrap_##name(const char *path, int flags, ...); \
    int __wrap_##name(const char *path, int flags, ...)  \
    {                                                    \
        struct mount_place place;                        \
        mode_t mode = 0;                                 \
        MODE_ARGUMENT(flags, mode);                      \
        if (mount_locate(path, &place))                  \
            return mount_open(&place, flags);            \
        return __real_##name(path, flags, mode);         \
    }

#define WRAP_OPENAT(name)                                            \
    int __real_##name(int folder, const char *path, int flags, ...); \
    int __wrap_##name(int folder, const char *path, int flags, ...); \
    int __wrap_##name(int folder, const char *path, int flags, ...)  \
    {                                                                \
        struct mount_place place;                                    \
        mode_t mode = 0;                                             \
        MODE_ARGUMENT(flags, mode);                                  \
        if (mount_locate(path, &place))                              \
            return mount_open(&place, flags);                        \
        return __real_##name(folder, path, flags, mode);             \
    }

// A call whose parameters are fixed: WRAP(type, name, (parameters), (arguments), answer).
#define WRAP(type, name, parameters, arguments, answer)                         \
    type __real_##name parameters;                                              \
    type __wrap_##name parameters;                                              \
    type __wrap_##name parameters                                               \
    {                                                                           \
        struct mount_place place;                                               \
        return mount_locate(path, &place) ? (answer) : __real_##name arguments; \
    }

#define WRAP_STAT(name) \
    WRAP(int, name, (const char *path, struct stat *out), (path, out), mount_stat(&place, out))
#define WRAP_FSTATAT(name)                                                       \
    WRAP(int, name, (int folder, const char *path, struct stat *out, int flags), \
         (folder, path, out, flags), mount_stat(&place, out))
#define WRAP_FOPEN(name)                                                   \
    WRAP(FILE *, name, (const char *path, const char *mode), (path, mode), \
         mount_fopen(&place, mode))

WRAP_OPEN(open)
WRAP_OPENAT(openat)
WRAP_FOPEN(fopen)
#if _REDIR_TIME64
// What musl's headers make of them where time_t was 32 bits long once (ARM).
WRAP_STAT(__stat_time64)
WRAP_STAT(__lstat_time64)
WRAP_FSTATAT(__fstatat_time64)
#else
WRAP_STAT(stat)
WRAP_STAT(lstat)
WRAP_FSTATAT(fstatat)
#endif

#ifdef __GLIBC__
// What glibc's headers make of the above under _FILE_OFFSET_BITS=64. The structs are the same
// there.
_Static_assert(sizeof(off_t) == 8 && sizeof(long) == 8, "struct stat64 is struct stat");
WRAP_OPEN(open64)
WRAP_OPENAT(openat64)
WRAP_FOPEN(fopen64)
WRAP_STAT(stat64)
WRAP_STAT(lstat64)
WRAP_FSTATAT(fstatat64)
#endif

WRAP(int, access, (const char *path, int mode), (path, mode), mount_access(&place, mode))
WRAP(int, faccessat, (int folder, const char *path, int mode, int flags),
     (folder, path, mode, flags), mount_access(&place, mode))
WRAP(ssize_t, readlink, (const char *path, char *out, size_t size), (path, out, size),
     mount_readlink(&place))
WRAP(ssize_t, readlinkat, (int folder, const char *path, char *out, size_t size),
     (folder, path, out, size), mount_readlink(&place))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), mount_mkdir(&place))
WRAP(int, mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode),
     mount_mkdir(&place))

#define WRAP_GETXATTR(name)                                                          \
    WRAP(ssize_t, name, (const char *path, const char *key, void *out, size_t size), \
         (path, key, out, size), mount_xattr(&place))
#define WRAP_LISTXATTR(name)                                                           \
    WRAP(ssize_t, name, (const char *path, char *out, size_t size), (path, out, size), \
         mount_xattr(&place))

WRAP_GETXATTR(getxattr)
WRAP_GETXATTR(lgetxattr)
WRAP_LISTXATTR(listxattr)
WRAP_LISTXATTR(llistxattr)

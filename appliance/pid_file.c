// pid_file.c - a process id in a file, and whether that process still is the one that wrote it:
// numbers are given out again, most of all the low ones after a boot.
#include "pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "text_file.h"

enum {
    CONTENT_MAX = 32, // bytes of a file that can be one of ours
    STAT_MAX = 1024,  // bytes of /proc/PID/stat
    // What clocks and file systems (FAT: two seconds) may be wrong by.
    TOLERANCE = 3000, // milliseconds
};

static int refuse(const char *path, int errnum, struct err *err)
{
    static const struct {
        int errnum;
        const char *text;
    } reasons[] = {
        {ENOENT, "its folder does not exist; create it"},
        {ENOTDIR, "its folder is not a folder; remove what is there"},
        {EACCES, "permission denied; change who may write there"},
        {EPERM, "permission denied; change who may write there"},
        {EROFS, "its file system is read-only; mount it for writing"},
        {ENOSPC, "its file system is full; make room"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].errnum == errnum)
            return err_set(err, ERR_FAILED, "cannot write %s: %s, or choose another --pid-file",
                           path, reasons[i].text);
    }
    return err_system(err, errnum, "cannot write %s (choose another --pid-file)", path);
}

static int refuse_content(const char *path, struct err *err)
{
    return err_set(err, ERR_FAILED, "%s is no pid file; remove it or choose another --pid-file",
                   path);
}

// --- what is there ---

// The process id that the bytes are, 0 for nothing but blanks (a NUL is what a file may be full of
// after a loss of power), -1 for anything else.
static pid_t parse(const char *text, size_t size)
{
    static const char blanks[] = " \t\r\n"; // its NUL is one of them
    int64_t pid = 0;
    while (size > 0 && memchr(blanks, text[size - 1], sizeof blanks) != NULL)
        size--;
    while (size > 0 && memchr(blanks, *text, sizeof blanks) != NULL) {
        text++;
        size--;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9' || pid > INT_MAX / 10)
            return -1;
        pid = pid * 10 + (text[i] - '0');
    }
    return (size > 0 && pid == 0) || pid > INT_MAX ? -1 : (pid_t)pid;
}

// The process id in the file as parse gives it, and when it was written, in milliseconds of the
// date; 0 when there is no file. -2 with errno.
static pid_t read_pid(const char *path, int64_t *written)
{
    char content[CONTENT_MAX + 1];
    struct stat status;
    if (stat(path, &status) < 0)
        return errno == ENOENT ? 0 : -2;
    if (!S_ISREG(status.st_mode) || status.st_size > CONTENT_MAX)
        return -1;
    ssize_t size = text_file_read(path, content, sizeof content);
    if (size < 0)
        return -2;
    *written = (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000;
    return parse(content, (size_t)size);
}

// --- whose it is ---

// Field 3 of /proc/PID/stat, and 22 as milliseconds since boot. The program's name before them may
// have anything in it.
static int read_process(pid_t pid, char *state, int64_t *started)
{
    enum { BETWEEN = 19 };
    char path[64], text[STAT_MAX];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (text_file_read(path, text, sizeof text) <= 0)
        return -1;
    const char *field = strrchr(text, ')');
    if (field == NULL || field[1] != ' ' || field[2] == '\0')
        return -1;
    field += 2;
    *state = *field;
    for (int i = 0; i < BETWEEN; i++) {
        field = strchr(field, ' ');
        if (field == NULL)
            return -1;
        field++;
    }
    *started = strtoll(field, NULL, 10) * 1000 / sysconf(_SC_CLK_TCK);
    return 0;
}

// Whether the process runs and can be the one that wrote its number at that time. Without a /proc,
// any that runs can.
static bool runs_since(pid_t pid, int64_t written)
{
    char state;
    int64_t started;
    if (kill(pid, 0) < 0 && errno == ESRCH)
        return false;
    if (read_process(pid, &state, &started) < 0)
        return true;
    int64_t boot = (clock_read(CLOCK_REALTIME) - clock_read(CLOCK_BOOTTIME)) / 1000000;
    bool ended = state == 'Z' || state == 'X';
    return !ended && boot + started <= written + TOLERANCE;
}

// --- the folder ---

// The path's folder into out: "." where it names none.
static void folder_of(const char *path, char out[static PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        snprintf(out, PATH_MAX, ".");
    else
        snprintf(out, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

int pid_file_claim(const char *path, pid_t except, struct err *err)
{
    char folder[PATH_MAX];
    int64_t written = 0;
    if (strlen(path) >= sizeof folder)
        return refuse(path, ENAMETOOLONG, err);
    pid_t pid = read_pid(path, &written);
    if (pid == -2)
        return refuse(path, errno, err);
    if (pid == -1)
        return refuse_content(path, err);
    if (pid != 0 && pid != getpid() && pid != except && runs_since(pid, written))
        return err_set(err, ERR_FAILED,
                       "%s names process %d, which is running; stop it, or choose another "
                       "--pid-file",
                       path, (int)pid);
    folder_of(path, folder);
    // The effective user counts: whoever has a server started as another one by its mode bits.
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
        return refuse(path, errno, err);
    return 0;
}

// --- writing ---

static int write_pid(int fd)
{
    char text[CONTENT_MAX];
    int size = snprintf(text, sizeof text, "%d\n", (int)getpid());
    ssize_t count = write(fd, text, (size_t)size);
    if (count == size)
        return fchmod(fd, 0644);
    if (count >= 0)
        errno = ENOSPC;
    return -1;
}

int pid_file_write(const char *path, struct err *err)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary)
        return refuse(path, ENAMETOOLONG, err);
    _close_ int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return refuse(path, errno, err);
    if (write_pid(fd) == 0 && rename(temporary, path) == 0)
        return 0;
    int errnum = errno;
    unlink(temporary);
    return refuse(path, errnum, err);
}

void pid_file_remove(const char *path)
{
    int64_t written;
    if (read_pid(path, &written) == getpid())
        unlink(path);
}

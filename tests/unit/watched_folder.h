// watched_folder.h - a real folder, what is done in it, and what counts as a change of it.
// inotify's calls are passed on from here, so that its limits can be played.
#pragma once

#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"
#include "watch_names.h"

// --- inotify ---

static int start_errno;       // what inotify_init1 fails with; 0: it does not
static int watches_left = -1; // before ENOSPC; -1: no limit
static unsigned watches_added;

int inotify_init1(int flags)
{
    if (start_errno == 0)
        return (int)syscall(SYS_inotify_init1, flags);
    errno = start_errno;
    return -1;
}

int inotify_init(void)
{
    return inotify_init1(0);
}

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    if (watches_left == 0) {
        errno = ENOSPC;
        return -1;
    }
    watches_left -= watches_left > 0;
    watches_added++;
    return (int)syscall(SYS_inotify_add_watch, fd, path, mask);
}

int inotify_rm_watch(int fd, int wd)
{
    return (int)syscall(SYS_inotify_rm_watch, fd, wd);
}

// --- a folder to watch: the working folder, "shop" in a temporary one ---

static char base[] = "/tmp/limpet-watch-XXXXXX";
static struct watch *watch;

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status, (void)type, (void)at;
    return remove(path);
}

static void remove_all(const char *path)
{
    CHECK(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

static void write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
}

static void make(const char *folder)
{
    CHECK(mkdir(folder, 0755) == 0);
}

static void move(const char *from, const char *to)
{
    CHECK(rename(from, to) == 0);
}

static void fresh_folder(void)
{
    CHECK(chdir(base) == 0);
    if (access("shop", F_OK) == 0)
        remove_all("shop");
    make("shop");
    CHECK(chdir("shop") == 0);
    write_file("app.py");
    start_errno = 0;
    watches_left = -1;
}

static inline struct watch *open_on(const char *folder, const char *file)
{
    struct err err = {.text = ""};
    struct watch_setup setup = {.folder = folder, .files = &file, .file_count = file != NULL};
    struct watch *opened = watch_open(&setup, &err);
    CHECK_STR(err.text, "");
    CHECK(opened != NULL);
    return opened;
}

static inline void begin(void)
{
    fresh_folder();
    watch = open_on(".", NULL);
}

static inline void end(void)
{
    watch_close(watch);
    CHECK(chdir(base) == 0);
}

// What has happened is queued by the kernel before the call returns that did it: nothing to wait
// for.
static inline const char *changed(void)
{
    const char *path = watch_take(watch);
    return path != NULL ? path : "(nothing)";
}

#define CHECK_CHANGED(path) CHECK_STR(changed(), path)
#define CHECK_UNCHANGED() CHECK_STR(changed(), "(nothing)")

// What is written to the log between the two calls.
static int log_pipe[2], real_stderr;

static inline void begin_log(void)
{
    CHECK(pipe2(log_pipe, O_CLOEXEC) == 0);
    real_stderr = dup(STDERR_FILENO);
    dup2(log_pipe[1], STDERR_FILENO);
    close(log_pipe[1]);
}

static inline const char *end_log(void)
{
    static char text[8192];
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    ssize_t size = read(log_pipe[0], text, sizeof text - 1);
    text[size > 0 ? size : 0] = '\0';
    close(log_pipe[0]);
    return text;
}

static inline unsigned count_lines(const char *text)
{
    unsigned count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

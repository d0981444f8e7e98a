// played_application.h - the reactor and the runtime of a played server's workers: what the
// application does is its name. Included by played_server.h: it defines the reactor's functions.
#pragma once

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "played_tls.h"
#include "reactor.h"
#include "runtime.h"
#include "scoreboard.h"
#include "unit.h"

// --- the played reactor: answers each connection with its pid and closes it ---
struct reactor {
    const struct reactor_setup *setup;
    struct pollfd polls[2]; // control, listener
    unsigned control_calls;
    uint64_t answered;
    bool draining;
    bool stuck;    // never finishes
    bool deserted; // but can be left
};

static atomic_int *starts; // of the application, in all processes of a test
static const char *application;

struct reactor *reactor_new(const struct reactor_setup *setup, struct err *err)
{
    if (strcmp(application, "no reactor") == 0) {
        err_set(err, ERR_FAILED, "no reactor to be had");
        return NULL;
    }
    struct reactor *reactor = calloc(1, sizeof *reactor);
    reactor->setup = setup;
    reactor->stuck = strcmp(application, "stuck") == 0;
    reactor->polls[0] = (struct pollfd){.fd = setup->control_fd, .events = POLLIN};
    reactor->polls[1] = (struct pollfd){.fd = setup->listeners[0].fd, .events = POLLIN};
    return reactor;
}

void reactor_free(struct reactor *reactor)
{
    free(reactor);
}

void reactor_wait(struct reactor *reactor)
{
    poll(reactor->polls, 2, -1);
}

static void answer(struct reactor *reactor)
{
    const struct reactor_setup *setup = reactor->setup;
    int pid = (int)getpid();
    int fd = accept(reactor->polls[1].fd, NULL, NULL);
    if (fd < 0)
        return; // another worker was faster
    if (++reactor->answered == setup->request_limit)
        setup->worn(setup->owner);
    ssize_t ignored = send(fd, &pid, sizeof pid, MSG_NOSIGNAL);
    (void)ignored;
    close(fd);
}

struct request *reactor_next(struct reactor *reactor)
{
    if (reactor->polls[0].revents != 0) {
        reactor->setup->control(reactor->setup->owner);
        // One that stays readable would keep the processor busy while requests finish.
        if (++reactor->control_calls == 100)
            log_error("fake", "spinning");
    }
    if (reactor->polls[1].revents != 0)
        answer(reactor);
    if (reactor->draining && reactor->deserted)
        reactor->setup->desert(reactor->setup->owner);
    return NULL;
}

void reactor_drain(struct reactor *reactor, bool patient)
{
    log_info("fake", patient ? "draining patiently" : "draining");
    reactor->draining = true;
    reactor->polls[1].fd = -1;
}

void reactor_give_up(struct reactor *reactor, int64_t limit)
{
    log_info("fake", "giving up what takes more than %d", (int)limit);
    reactor->deserted = true;
}

bool reactor_finished(const struct reactor *reactor)
{
    return reactor->draining && !reactor->stuck;
}

// --- the played runtime: what the application does is its name ---
static unsigned count_sockets(void)
{
    char target[64];
    unsigned count = 0;
    DIR *fds = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(fds)) != NULL;) {
        ssize_t size = readlinkat(dirfd(fds), entry->d_name, target, sizeof target - 1);
        target[size > 0 ? size : 0] = '\0';
        if (strncmp(target, "socket:", 7) == 0 || strcmp(target, "anon_inode:[signalfd]") == 0)
            count++;
    }
    closedir(fds);
    return count;
}

static void report_inheritance(void)
{
    char byte, name[32] = "";
    struct rlimit limit;
    const char *input = read(STDIN_FILENO, &byte, 1) == 0 ? "ended" : "open";
    FILE *comm = fopen("/proc/self/comm", "r");
    if (comm == NULL || fgets(name, sizeof name, comm) == NULL)
        log_error("fake", "no name");
    fclose(comm);
    name[strcspn(name, "\n")] = '\0';
    getrlimit(RLIMIT_NOFILE, &limit);
    log_info("fake", "sockets=%u input=%s name=%s raised=%d", count_sockets(), input, name,
             limit.rlim_cur > 256);
}

static int fake_start(const struct runtime_setup *setup, char *description, size_t size,
                      struct err *err)
{
    int before = atomic_fetch_add(starts, 1);
    application = setup->target;
    report_inheritance();
    if (strcmp(application, "broken") == 0 ||
        (strcmp(application, "breaks once") == 0 && before == 4) ||
        (strcmp(application, "breaks later") == 0 && before > 0))
        return err_set(err, ERR_FAILED, "%s: no module named 'broken'", application);
    if (strcmp(application, "crashes") == 0)
        raise(SIGALRM);
    if (strcmp(application, "leaves") == 0)
        _exit(3);
    bool later = strcmp(application, "loads long later") == 0 && before > 0;
    if (later || strcmp(application, "loads long") == 0) {
        log_info("fake", "loading");
        for (;;)
            pause();
    }
    snprintf(description, size, "%s %s", setup->interface, setup->target);
    return 0;
}

static int fake_run(const struct runtime_run *run, struct err *err)
{
    struct reactor *reactor = run->reactor;
    struct scoreboard_task *task = scoreboard_join(run->board);
    (void)err;
    if (reactor->stuck)
        scoreboard_begin(task, STR("GET"), STR("/stuck"));
    for (; !reactor_finished(reactor); reactor_next(reactor))
        reactor_wait(reactor);
    scoreboard_leave(run->board, task);
    return 0;
}

static int fake_tell(enum runtime_event event, struct err *err)
{
    (void)err;
    if (event == RUNTIME_STUCK)
        log_info("fake", "traceback");
    if (event == RUNTIME_FORKED_CHILD)
        log_info("fake", "forked");
    if (event == RUNTIME_LAST)
        log_info("fake", "the last one");
    return event == RUNTIME_LAST_WANTED && strcmp(application, "tidies up") == 0;
}

static void fake_stop(void)
{
    log_info("fake", "runtime stopped");
    printf("buffered by a worker\n");
}

static const struct runtime fake = {
    .name = "fake",
    .start = fake_start,
    .run = fake_run,
    .tell = fake_tell,
    .stop = fake_stop,
};

// played_server.h - a server to supervise: supervisor.c and worker.c with real forks and signals,
// over a runtime and a reactor that are played here. Its log is read from a pipe: the lines tell
// what happened, the end of the file that no process is left. Every wait is for a condition and
// gives up after WAIT_MAX. Included by one test program only: it defines the reactor's functions.
#pragma once

#include "supervisor.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "ipc.h"
#include "log.h"
#include "reactor.h"
#include "runtime.h"
#include "unit.h"
#include "worker.h"

enum { WAIT_MAX = 20000 }; // milliseconds

// --- the played reactor: answers each connection with its pid and closes it ---

struct reactor {
    const struct reactor_setup *setup;
    struct pollfd polls[2]; // control, listener
    unsigned control_calls;
    bool draining;
    bool stuck; // never finishes
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

static void answer(int listener)
{
    int pid = (int)getpid();
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        return; // another worker was faster
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
        answer(reactor->polls[1].fd);
    return NULL;
}

void reactor_drain(struct reactor *reactor)
{
    log_info("fake", "draining");
    reactor->draining = true;
    reactor->polls[1].fd = -1;
}

bool reactor_finished(const struct reactor *reactor)
{
    return reactor->draining && !reactor->stuck;
}

// --- the played runtime: what the application does is its name ---

static unsigned count_sockets(void)
{
    unsigned count = 0;
    char target[64];
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
        (strcmp(application, "breaks later") == 0 && before > 0))
        return err_set(err, ERR_FAILED, "%s: no module named 'broken'", application);
    if (strcmp(application, "crashes") == 0)
        raise(SIGALRM);
    if (strcmp(application, "leaves") == 0)
        _exit(3);
    if (strcmp(application, "loads long") == 0) {
        log_info("fake", "loading");
        for (;;)
            pause();
    }
    snprintf(description, size, "%s %s", setup->interface, setup->target);
    return 0;
}

static int fake_run(struct reactor *reactor, unsigned threads, int64_t idle, struct err *err)
{
    (void)threads, (void)idle, (void)err;
    for (; !reactor_finished(reactor); reactor_next(reactor))
        reactor_wait(reactor);
    return 0;
}

static void fake_stop(void)
{
    log_info("fake", "runtime stopped");
    printf("buffered by a worker\n");
}

static const struct runtime fake = {
    .name = "fake", .start = fake_start, .run = fake_run, .stop = fake_stop};

// --- a server under test ---

struct server {
    pid_t pid;
    int log;          // read end
    char text[65536]; // what has been read of it
    size_t used;
    size_t seen; // wait_line looks behind this
    int status;  // wait status once it has ended
    int (*worker)(const struct inherit *inherit);
    int closed_fd; // is closed before it starts, -1: none
    struct config config;
};

static struct server server;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static _Noreturn void run_server(int log_fd)
{
    struct supervisor_setup setup = {
        .config = &server.config, .runtime = &fake, .worker = server.worker};
    struct rlimit limit;
    struct err err = {.text = ""};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 256;
    setrlimit(RLIMIT_NOFILE, &limit);
    int input = open("/", O_RDONLY | O_CLOEXEC);
    dup2(input, STDIN_FILENO); // workers must not get it
    close(input);
    dup2(log_fd, STDERR_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    close(log_fd);
    if (server.closed_fd >= 0)
        close(server.closed_fd);
    log_set_level(LOG_LEVEL_DEBUG);
    setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
    printf("buffered by the supervisor\n");
    int result = supervisor_run(&setup, &err);
    if (result < 0)
        fprintf(stderr, "limpet: %s\n", err.text);
    fflush(NULL);
    _exit(result < 0 ? err_exit_status(&err) : 0);
}

static void prepare(const char *target, int workers)
{
    server = (struct server){.log = -1, .worker = worker_main, .closed_fd = -1};
    server.config = (struct config){.host = "127.0.0.1", .target = target, .backlog = 16};
    server.config.interface.name = "wsgi";
    server.config.workers = workers;
    server.config.graceful_timeout = 60000;
    atomic_store(starts, 0);
}

static void launch(void)
{
    int fds[2];
    CHECK(pipe2(fds, O_CLOEXEC) == 0);
    fflush(NULL);
    server.pid = fork();
    if (server.pid == 0)
        run_server(fds[1]);
    close(fds[1]);
    server.log = fds[0];
}

// More of the log. False at its end, or when nothing comes until then.
static bool read_more(int64_t until)
{
    struct pollfd poll_fd = {.fd = server.log, .events = POLLIN};
    int64_t left = until - now_ms();
    if (left <= 0 || poll(&poll_fd, 1, (int)left) != 1)
        return false;
    size_t room = sizeof server.text - 1 - server.used;
    ssize_t size = read(server.log, server.text + server.used, room);
    if (size <= 0)
        return false;
    server.used += (size_t)size;
    server.text[server.used] = '\0';
    return true;
}

// The text behind the part of a line, once there is such a line behind the one found before; NULL:
// it never came.
static const char *wait_line(const char *part)
{
    int64_t until = now_ms() + WAIT_MAX;
    do {
        const char *found = strstr(server.text + server.seen, part);
        if (found != NULL && strchr(found, '\n') != NULL) {
            server.seen = (size_t)(found - server.text) + strlen(part);
            return found + strlen(part);
        }
    } while (read_more(until));
    printf("    no \"%s\" in the log:\n%s", part, server.text + server.seen);
    return NULL;
}

#define CHECK_LINE(part) CHECK(wait_line(part) != NULL)

// The number behind the part of a line, 0: it never came.
static int wait_number(const char *part)
{
    const char *text = wait_line(part);
    return text != NULL ? (int)strtol(text, NULL, 10) : 0;
}

// Read the log until all who can write to it have gone: supervisor and workers.
static bool wait_all_gone(void)
{
    int64_t until = now_ms() + WAIT_MAX;
    while (read_more(until))
        continue;
    bool gone = now_ms() < until;
    if (!gone)
        kill(server.pid, SIGKILL);
    close(server.log);
    return waitpid(server.pid, &server.status, 0) == server.pid && gone;
}

static bool exited_with(int code)
{
    return wait_all_gone() && WIFEXITED(server.status) && WEXITSTATUS(server.status) == code;
}

static void tell(pid_t pid, int number)
{
    CHECK(pid > 0);
    if (pid > 0)
        kill(pid, number);
}

static unsigned count_in_log(const char *part)
{
    unsigned count = 0;
    for (const char *p = server.text; (p = strstr(p, part)) != NULL; p++)
        count++;
    return count;
}

enum { REFUSED = -1 };

// The pid of the worker that answers on the port; REFUSED: nobody listens, 0: nobody answers.
static int ask(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval limit = {.tv_sec = WAIT_MAX / 1000};
    int pid = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        pid = REFUSED;
    else if (recv(fd, &pid, sizeof pid, MSG_WAITALL) != (ssize_t)sizeof pid)
        pid = 0;
    close(fd);
    return pid;
}

static int wait_port(void)
{
    return wait_number("on http://127.0.0.1:");
}

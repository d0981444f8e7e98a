// played_server.h - a server to supervise: supervisor.c and worker.c with real forks and signals,
// over a runtime and a reactor that are played here. Its log is read from a pipe: the lines tell
// what happened, the end of the file that no process is left. Every wait is for a condition and
// gives up after WAIT_MAX. Included by one test program only: it defines the reactor's functions.
#pragma once

#include "supervisor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "log.h"
#include "runtime.h"
#include "played_application.h"
#include "unit.h"
#include "worker.h"

enum { WAIT_MAX = 20000 }; // milliseconds

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

static _Noreturn void run_server(int log_fd)
{
    static char *arguments[] = {(char *)"limpet", NULL};
    struct supervisor_setup setup = {.name = "limpet",
                                     .path = "/proc/self/exe",
                                     .arguments = arguments,
                                     .config = &server.config,
                                     .runtime = &fake,
                                     .worker = server.worker,
                                     .template_worker = worker_template_main};
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
    server.config.rss_sample_interval = 100;
    server.config.rss_samples = 2;
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
    int64_t left = until - clock_milliseconds();
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
    int64_t until = clock_milliseconds() + WAIT_MAX;
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
    int64_t until = clock_milliseconds() + WAIT_MAX;
    while (read_more(until))
        continue;
    bool gone = clock_milliseconds() < until;
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

// notify.c - one datagram a message, on a socket of its own: messages are rare, and a descriptor
// kept would be one more that workers have to close.
#include "notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"

enum { MESSAGE_MAX = 2048 }; // bytes

// A process has one service manager.
static struct {
    char socket[sizeof((struct sockaddr_un *)0)->sun_path + 1]; // as it was given; "": none
    struct sockaddr_un name;
    socklen_t name_size;
    int64_t watchdog; // microseconds; 0: none
} state;

// "/run/systemd/notify", or "@name" for a name that is in no file system.
static void read_socket(const char *text)
{
    size_t size = strlen(text);
    state.socket[0] = '\0';
    if (size == 0)
        return;
    if ((text[0] != '/' && text[0] != '@') || size < 2) {
        log_warning("notify", "ignoring NOTIFY_SOCKET=%.200s: neither a path nor @NAME", text);
        return;
    }
    // A path may fill its field; we keep the NUL, as systemd does.
    if (size >= sizeof state.name.sun_path) {
        log_warning("notify", "ignoring NOTIFY_SOCKET: %zu bytes, at most %zu are possible", size,
                    sizeof state.name.sun_path - 1);
        return;
    }
    snprintf(state.socket, sizeof state.socket, "%s", text);
    state.name = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(state.name.sun_path, text, size);
    if (text[0] == '@')
        state.name.sun_path[0] = '\0';
    state.name_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}

static int64_t read_number(const char *text)
{
    char *end;
    errno = 0;
    int64_t number = strtoll(text, &end, 10);
    return errno != 0 || end == text || *end != '\0' || number < 0 ? 0 : number;
}

// Meant for the process of that number, or for whoever reads it.
static void read_watchdog(const char *microseconds, const char *pid)
{
    bool ours = pid == NULL || read_number(pid) == getpid();
    state.watchdog = microseconds != NULL && ours ? read_number(microseconds) : 0;
}

void notify_init(void)
{
    const char *text = getenv("NOTIFY_SOCKET");
    read_socket(text != NULL ? text : "");
    read_watchdog(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

// WATCHDOG_PID stays out, for it would be another's; without it the successor may take it as its
// own.
void notify_restore(void)
{
    char number[32];
    if (state.socket[0] != '\0')
        setenv("NOTIFY_SOCKET", state.socket, 1);
    if (state.watchdog == 0)
        return;
    snprintf(number, sizeof number, "%" PRId64, state.watchdog);
    setenv("WATCHDOG_USEC", number, 1);
}

void notify_send(const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list arguments;
    if (state.socket[0] == '\0')
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    _close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, message, strlen(message), MSG_NOSIGNAL,
                         (const struct sockaddr *)&state.name, state.name_size) < 0)
        log_debug("notify", "cannot send to %s: %s", state.socket, strerror(errno));
}

void notify_reloading(void)
{
    notify_send("RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_read(CLOCK_MONOTONIC) / 1000);
}

int64_t notify_watchdog_interval(void)
{
    int64_t interval = state.watchdog / 2000;
    return state.watchdog > 0 && interval == 0 ? 1 : interval;
}

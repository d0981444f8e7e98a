// command_logs.c - "logs": ask the server that our own settings name for the lines that it keeps,
// a piece at a time. Lines come about in the order of time; a piece is put into it exactly.
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "commands.h"
#include "control.h"
#include "signals.h"

enum { PAUSE = 333 }; // milliseconds between two questions

// What is asked for, and where we are.
struct reader {
    const struct program *program;
    const char *path;
    const char *status; // "any", "404"
    int64_t since;      // Unix time, milliseconds
    bool follow;
    uint64_t cursor;
    uint64_t head; // behind all that there was at first; 0: not asked yet
};

struct line {
    int64_t time;
    struct str text;
};

// A signal's handler has nowhere else to say it.
static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

// --- what a server says ---

static int compare(const void *a, const void *b)
{
    const struct line *one = a, *other = b;
    if (one->time != other->time)
        return one->time < other->time ? -1 : 1;
    return one->text.data < other->text.data ? -1 : one->text.data > other->text.data;
}

// -1: the end of our output, for which there is no need of words; errno says why.
static int print(const char *text, struct line **lines)
{
    size_t count = 0;
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        count++;
    *lines = calloc(count + 1, sizeof **lines);
    if (*lines == NULL)
        return -1;
    for (size_t i = 0; i < count; i++) {
        char *blank;
        int64_t time = strtoll(text, &blank, 10);
        size_t size = strcspn(text, "\n");
        const char *begin = blank < text + size ? blank + 1 : text + size;
        (*lines)[i] = (struct line){time, {begin, (size_t)(text + size - begin)}};
        text += size + 1;
    }
    qsort(*lines, count, sizeof **lines, compare);
    for (size_t i = 0; i < count; i++) {
        struct str line = (*lines)[i].text;
        if (fwrite(line.data, 1, line.size, stdout) != line.size || putchar('\n') == EOF)
            return -1;
    }
    return fflush(stdout);
}

static void tell_gap(const struct reader *reader, const char *gap)
{
    static const struct {
        const char *word, *text;
    } texts[] = {
        {"overwritten", "lines were overwritten before they could be read: the server needs more "
                        "--log-memory to keep them for longer"},
        {"renewed", "another server has taken over; what it has logged begins here"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(gap, texts[i].word) == 0)
            fprintf(stderr, "%s: %s\n", reader->program->name, texts[i].text);
    }
}

// --- questions ---

static int ask(struct reader *reader, struct buf *answer, struct err *err)
{
    char line[CONTROL_LINE_MAX];
    int size = snprintf(line, sizeof line, "logs %" PRIu64 " %" PRId64 " %s %s\n", reader->cursor,
                        reader->since, reader->status, reader->follow ? "follow" : "once");
    return control_ask(reader->path, (struct str){line, (size_t)size}, answer, err);
}

// Print what there is next; *more: there is more at once. 1: our output has come to its end.
static int read_on(struct reader *reader, bool *more, struct err *err)
{
    _buf_ struct buf answer = BUF_INIT(CONTROL_ANSWER_MAX);
    _free_ struct line *lines = NULL;
    char state[8], gap[16];
    uint64_t head;
    int begin = 0;
    if (ask(reader, &answer, err) < 0)
        return reader->head != 0 ? err_wrap(err, "the log ends here") : -1;
    if (sscanf(buf_text(&answer), "%" SCNu64 " %" SCNu64 " %7s %15s%n", &reader->cursor, &head,
               state, gap, &begin) != 4 ||
        answer.data[begin] != '\n')
        return err_set(err, ERR_FAILED, "what the server on %.200s says of its logs is no answer",
                       reader->path);
    tell_gap(reader, gap);
    reader->head = reader->head == 0 ? head : reader->head;
    // Without end, where it is written faster than read.
    bool enough = !reader->follow && (reader->cursor >= reader->head || strcmp(gap, "whole") != 0);
    *more = strcmp(state, "more") == 0 && !enough;
    if (print(answer.data + begin + 1, &lines) == 0)
        return 0;
    if (errno == EPIPE || interrupted)
        return 1;
    return err_system(err, errno, "cannot write the lines");
}

// Whether somebody may still read what we write.
static bool pause_until_next(void)
{
    struct pollfd output = {.fd = fileno(stdout)};
    return poll(&output, 1, PAUSE) <= 0;
}

static int read_all(struct reader *reader, struct err *err)
{
    bool more = true;
    while (!interrupted && (more || (reader->follow && pause_until_next()))) {
        int result = read_on(reader, &more, err);
        if (result != 0)
            return result > 0 || interrupted ? 0 : -1;
    }
    return 0;
}

int command_logs(const struct program *program, const struct command *command, int argc,
                 char **argv, struct err *err)
{
    struct config config;
    int result = command_configure(program, command, argc, argv, &config, err);
    if (result == 0 && (result = command_require_socket(command, &config, err)) == 0) {
        int64_t now = clock_read(CLOCK_REALTIME) / 1000000;
        struct reader reader = {
            .program = program,
            .path = config.control_socket,
            .status = config.status != NULL ? config.status : "any",
            .since = config.since > 0 ? now - config.since : 0,
            .follow = config.follow,
        };
        signals_on_interrupt(interrupt);
        result = read_all(&reader, err);
    }
    config_fini(&config);
    return result < 0 ? -1 : 0;
}

// title.c - the kernel shows as our command line what is in the memory where it passed the
// arguments, and goes on into the environment behind them when the arguments' last byte is no NUL.
#include "title.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "check.h"

enum {
    TITLE_MAX = 256, // bytes of a title, its NUL included
    SHORT_MAX = 16,  // of the one in /proc/PID/comm
};

// A process is started once.
static struct {
    char *memory; // where the kernel looks
    size_t size;
    size_t used;      // bytes of it that are not ours any more: of the arguments, or of a title
    char **arguments; // as we were started
    char **given;     // those that main works with
    char **environment;
    char **original; // the environment as the kernel passed it
} state;

// An array and its strings in one piece.
static char **copy_strings(char *const *strings)
{
    size_t count = 0, size = 0;
    for (; strings[count] != NULL; count++)
        size += strlen(strings[count]) + 1;
    char **copy = malloc((count + 1) * sizeof *copy + size);
    must_have(copy != NULL);
    char *text = (char *)(copy + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(strings[i]) + 1;
        copy[i] = memcpy(text, strings[i], length);
        text += length;
    }
    copy[count] = NULL;
    return copy;
}

// Where the strings end that begin at start and follow each other without a gap.
static char *end_of(char *start, char *const *strings)
{
    for (; *strings != NULL && *strings == start; strings++)
        start += strlen(start) + 1;
    return start;
}

// The C library keeps the program's name for its own messages.
static void keep_program_name(char *old, char *copy)
{
    size_t folder = (size_t)(program_invocation_short_name - old);
    program_invocation_name = copy;
    program_invocation_short_name = folder < strlen(copy) ? copy + folder : copy;
}

char **title_init(int argc, char **argv)
{
    state.arguments = copy_strings(argv);
    state.given = copy_strings(argv);
    state.environment = copy_strings(environ);
    state.original = environ;
    if (argc > 0) {
        state.memory = argv[0];
        state.used = (size_t)(end_of(argv[0], argv) - argv[0]);
        state.size = (size_t)(end_of(argv[0] + state.used, environ) - argv[0]);
        keep_program_name(argv[0], state.given[0]);
    }
    environ = state.environment;
    return state.given;
}

void title_hide(const char *variable)
{
    size_t size = strlen(variable);
    for (char **entry = state.original; entry != NULL && *entry != NULL; entry++) {
        if (strncmp(*entry, variable, size) == 0 && (*entry)[size] == '=')
            memset(*entry + size + 1, '*', strlen(*entry + size + 1));
    }
}

char *const *title_arguments(void)
{
    return state.arguments;
}

// Overwrites no more than it has to: what other programs read as our environment stays as it is
// while titles are no longer than the arguments were.
static void show(const char *title)
{
    if (state.size == 0)
        return;
    size_t size = strlen(title);
    if (size > state.size - 1)
        size = state.size - 1;
    memcpy(state.memory, title, size);
    if (size < state.used)
        memset(state.memory + size, 0, state.used - size);
    else
        state.memory[size] = '\0';
    if (size + 1 > state.used)
        state.used = size + 1;
}

// Bytes of the text when at most size of them may stay, without half a character at the end.
static size_t cut(const char *text, size_t size)
{
    size_t length = strlen(text);
    if (length <= size)
        return length;
    while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
        size--;
    return size;
}

static void shorten(const char *name, const char *role, const char *number,
                    char out[static SHORT_MAX])
{
    size_t room = SHORT_MAX - 1 - strlen(": ") - strlen(number);
    size_t name_size = strlen(name), role_size = strlen(role);
    if (name_size + role_size > room)
        role_size = number[0] == '\0' && name_size + 1 < room ? room - name_size : 1;
    name_size = cut(name, room - role_size);
    must(snprintf(out, SHORT_MAX, "%.*s: %.*s%s", (int)name_size, name, (int)role_size, role,
                  number) < SHORT_MAX);
}

void title_set(const char *name, const char *role, unsigned number)
{
    char tail[SHORT_MAX] = "", title[TITLE_MAX], brief[SHORT_MAX];
    if (number != 0)
        snprintf(tail, sizeof tail, " %u", number);
    snprintf(title, sizeof title, "%.*s: %s%s", (int)cut(name, TITLE_MAX / 2), name, role, tail);
    show(title);
    shorten(name, role, tail, brief);
    prctl(PR_SET_NAME, brief);
}

int title_check(const char *name, struct err *err)
{
    size_t size = strlen(name);
    if (size == 0)
        return err_set(err, ERR_USAGE, "must not be empty");
    if (size > TITLE_NAME_MAX)
        return err_set(err, ERR_USAGE, "longer than %d bytes", TITLE_NAME_MAX);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return err_set(err, ERR_USAGE, "must not have control characters");
    }
    return 0;
}

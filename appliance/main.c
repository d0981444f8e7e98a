// main.c - role choice only: find ourselves, open what we carry, run the command that we were
// called for, and report what went wrong, once.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "archive.h"
#include "commands.h"
#include "embed.h"
#include "kernel.h"
#include "mount.h"
#include "title.h"

// The path of our own executable; without /proc, as we were called.
static const char *own_path(char path[static PATH_MAX])
{
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (size > 0) {
        path[size] = '\0';
        return path;
    }
    const char *called = (const char *)getauxval(AT_EXECFN);
    return called != NULL ? called : "";
}

static int run(struct program *program, struct archive **archive, int argc, char **argv,
               struct err *err)
{
    char path[PATH_MAX];
    if (kernel_check(err) < 0)
        return -1;
    if (archive_open(archive, own_path(path), err) < 0)
        return -1;
    mount_archive(*archive);
    if (program_init(program, *archive, &python_runtime, environ, err) < 0)
        return -1;
    const struct command *command = command_choose(program, &argc, &argv, err);
    if (command == NULL)
        return -1;
    return command->run(program, command, argc, argv, err);
}

int main(int argc, char **argv)
{
    struct archive *archive = NULL;
    struct program program = {.name = "limpet"};
    struct err err = {.kind = ERR_NONE};
    int status = run(&program, &archive, argc, title_init(argc, argv), &err);
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", program.name, err.text);
        status = err_exit_status(&err);
    }
    program_fini(&program);
    return status;
}

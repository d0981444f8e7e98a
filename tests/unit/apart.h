// apart.h - a part of a test in a process of its own, for what cannot be undone.
#pragma once

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

// Failed checks in it fail the case.
static void run_apart(void (*run)(void))
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        run();
        fflush(NULL);
        _exit(unit_failures != 0);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

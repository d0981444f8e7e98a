// played_main.h - the main function of tests over a played server, and how most of them end.
#pragma once

#include <sys/mman.h>

#include "played_server.h"

static inline void stop_server(void)
{
    tell(server.pid, SIGTERM);
    CHECK(exited_with(0));
}

// What a test program does: count the starts of the application in memory that all processes share.
static inline int played_main(const char *name, const struct unit_case *cases, size_t count)
{
    starts = mmap(NULL, sizeof *starts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (starts == MAP_FAILED)
        return 1;
    return unit_main(name, cases, count);
}

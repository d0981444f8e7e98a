// scoreboard.c - a memfd mapped by supervisor and worker. An entry has one writer; a reader may see
// a line that is half written, which only shows in what it prints.
#include "scoreboard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"

static size_t size_of(unsigned count)
{
    return sizeof(struct scoreboard) + count * sizeof(struct scoreboard_task);
}

// The threads of the application, the one with the baton, and who stands by.
static unsigned tasks_for(unsigned threads)
{
    return threads + 2;
}

int scoreboard_attach(struct scoreboard_map *map, int fd, unsigned threads, struct err *err)
{
    unsigned count = tasks_for(threads);
    *map = (struct scoreboard_map){.fd = fd, .task_count = count};
    void *memory = mmap(NULL, size_of(count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        int errnum = errno;
        scoreboard_free(map);
        return err_system(err, errnum, "cannot map a scoreboard");
    }
    map->board = memory;
    return 0;
}

int scoreboard_new(struct scoreboard_map *map, unsigned threads, struct err *err)
{
    *map = (struct scoreboard_map){.fd = -1};
    _close_ int fd = memfd_create("scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    // A worker that shrank it would have its supervisor killed by SIGBUS.
    if (fd < 0 || ftruncate(fd, (off_t)size_of(tasks_for(threads))) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return err_system(err, errno, "cannot make a scoreboard");
    return scoreboard_attach(map, steal_fd(&fd), threads, err);
}

void scoreboard_free(struct scoreboard_map *map)
{
    if (map->board != NULL)
        munmap(map->board, size_of(map->task_count));
    if (map->fd >= 0)
        close(map->fd);
    *map = (struct scoreboard_map){.fd = -1};
}

struct scoreboard_task *scoreboard_join(const struct scoreboard_map *map)
{
    if (map == NULL || map->board == NULL)
        return NULL;
    for (unsigned i = 0; i < map->task_count; i++) {
        struct scoreboard_task *task = &map->board->tasks[i];
        if (atomic_exchange(&task->taken, 1) == 0) {
            map->board->threads++;
            return task;
        }
    }
    return NULL;
}

void scoreboard_leave(const struct scoreboard_map *map, struct scoreboard_task *task)
{
    if (task == NULL)
        return;
    map->board->threads--;
    task->taken = 0;
}

static size_t append(char *line, size_t used, struct str text)
{
    size_t left = SCOREBOARD_LINE - 1 - used;
    size_t size = text.size < left ? text.size : left;
    memcpy(line + used, text.data, size);
    return used + size;
}

void scoreboard_begin(struct scoreboard_task *task, struct str method, struct str target)
{
    if (task == NULL)
        return;
    size_t used = append(task->line, 0, method);
    used = append(task->line, used, STR(" "));
    used = append(task->line, used, target);
    task->line[used] = '\0';
    // A few milliseconds late, and much cheaper than the exact time.
    int64_t now = clock_coarse_milliseconds();
    atomic_store_explicit(&task->since, now, memory_order_release);
}

void scoreboard_end(struct scoreboard_task *task)
{
    if (task == NULL)
        return;
    int64_t since = atomic_load_explicit(&task->since, memory_order_relaxed);
    if (since > 0)
        atomic_store_explicit(&task->since, -since, memory_order_release);
}

void scoreboard_line(const struct scoreboard_task *task, char out[static SCOREBOARD_LINE])
{
    memcpy(out, task->line, SCOREBOARD_LINE);
    out[SCOREBOARD_LINE - 1] = '\0';
    for (char *at = out; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f)
            *at = '?';
    }
}

const struct scoreboard_task *scoreboard_oldest(const struct scoreboard_map *map)
{
    const struct scoreboard_task *oldest = NULL;
    int64_t first = INT64_MAX;
    for (unsigned i = 0; i < map->task_count; i++) {
        int64_t since = map->board->tasks[i].since;
        if (since > 0 && since < first) {
            first = since;
            oldest = &map->board->tasks[i];
        }
    }
    return oldest;
}

const struct scoreboard_task *scoreboard_latest(const struct scoreboard_map *map)
{
    const struct scoreboard_task *latest = NULL;
    int64_t last = 0;
    for (unsigned i = 0; i < map->task_count; i++) {
        int64_t since = map->board->tasks[i].since;
        // The least number of all has no negative.
        int64_t began = since == INT64_MIN ? INT64_MAX : since < 0 ? -since : since;
        if (began > last) {
            last = began;
            latest = &map->board->tasks[i];
        }
    }
    return latest;
}

unsigned scoreboard_busy(const struct scoreboard_map *map)
{
    unsigned busy = 0;
    for (unsigned i = 0; i < map->task_count; i++)
        busy += map->board->tasks[i].since > 0;
    return busy;
}

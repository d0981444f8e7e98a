// supervisor_memory.c - lines that are kept in memory, for who asks on the control socket: a piece
// at a time, so that neither a large memory nor a filter that nothing passes holds us up.
#include "supervisor_memory_priv.h"

#include <errno.h>
#include <inttypes.h>

#include "check.h"
#include "clock.h"

enum {
    TEXT_MAX = 256 << 10,   // bytes of lines in one answer
    SLOTS_MAX = 1 << 14,    // of memory that are looked at for one answer
    ANSWER_MAX = 512 << 10, // bytes, with the times
    FLIGHT_MAX = 1000,      // milliseconds that a line may take to be written
};

static bool is_wanted(const struct control_logs *logs, const struct sink_line *line)
{
    return (logs->since == 0 || line->time >= logs->since) &&
           (logs->most == 0 || (line->status >= logs->least && line->status <= logs->most));
}

static void put_line(struct buf *out, const struct sink_line *line)
{
    must_have(buf_printf(out, "%" PRId64 " ", line->time) == 0 &&
              buf_append_str(out, line->text) == 0 && buf_append(out, "\n", 1) == 0);
}

// Until there is no more, or it is enough for one answer: false then.
static bool gather(const struct sink_ring *ring, const struct control_logs *logs,
                   struct sink_ring_cursor *cursor, enum sink_ring_gap *gap, struct buf *out)
{
    static struct sink_ring_reading reading; // large, and read by one thread alone
    int64_t settled = logs->follow ? clock_read(CLOCK_REALTIME) / 1000000 - FLIGHT_MAX : INT64_MAX;
    uint64_t first = 0;
    while (out->size < TEXT_MAX && (first == 0 || cursor->position - first < SLOTS_MAX)) {
        enum sink_ring_found found = sink_ring_next(ring, cursor, settled, &reading);
        *gap = reading.gap > *gap ? reading.gap : *gap;
        if (found == SINK_RING_END)
            return true;
        if (found == SINK_RING_FOUND && is_wanted(logs, &reading.line))
            put_line(out, &reading.line);
        first = first == 0 ? cursor->position : first;
    }
    return false;
}

int supervisor_tell_logs(const struct supervisor *supervisor, const struct control_logs *logs,
                         struct buf *out, struct err *err)
{
    static const char *const gaps[] = {[SINK_RING_WHOLE] = "whole",
                                       [SINK_RING_OVERWRITTEN] = "overwritten",
                                       [SINK_RING_RENEWED] = "renewed"};
    const struct sink_ring *ring = supervisor->ring;
    struct sink_ring_cursor cursor = {logs->cursor};
    enum sink_ring_gap gap = SINK_RING_WHOLE;
    _buf_ struct buf lines = BUF_INIT(ANSWER_MAX);
    if (ring == NULL)
        return err_set(err, ERR_FAILED,
                       "the server keeps no log in memory; start it with --log memory or "
                       "--access-log=memory");
    bool end = gather(ring, logs, &cursor, &gap, &lines);
    if (buf_printf(out, "%" PRIu64 " %" PRIu64 " %s %s\n", cursor.position, sink_ring_head(ring),
                   end ? "end" : "more", gaps[gap]) < 0 ||
        buf_append_str(out, buf_str(&lines)) < 0)
        return err_system(err, ENOMEM, "no answer");
    return 0;
}

// control_parse.c - the grammar of requests: words with one blank between, of printable ASCII.
#include "control.h"

#include <inttypes.h>

#include "config_option.h"
#include "near.h"

static struct str without(struct str text, size_t size)
{
    return (struct str){text.data + size, text.size - size};
}

static int take_nothing(struct control_request *out, struct str rest, struct err *err)
{
    (void)out;
    if (rest.size == 0)
        return 0;
    return err_set(err, ERR_USAGE, "unexpected \"%.*s\"", (int)rest.size, rest.data);
}

static int take_form(struct control_request *out, struct str rest, struct err *err)
{
    out->json = str_equal(rest, STR("json"));
    if (out->json || str_equal(rest, STR("table")))
        return 0;
    return err_set(err, ERR_USAGE, "status comes as table or json, not \"%.*s\"", (int)rest.size,
                   rest.data);
}

static int take_workers(struct control_request *out, struct str rest, struct err *err)
{
    const struct config_option *workers = &config_options[CONFIG_OPTION_workers];
    int64_t number = 0;
    size_t i = 0;
    if (rest.size == 0)
        return err_set(err, ERR_USAGE, "scale needs a number of workers");
    for (; i < rest.size && rest.data[i] >= '0' && rest.data[i] <= '9'; i++) {
        if (number <= workers->maximum)
            number = number * 10 + (rest.data[i] - '0');
    }
    if (i < rest.size || number < workers->minimum || number > workers->maximum)
        return err_set(err, ERR_USAGE,
                       "scale %.*s: the number of workers must be between %" PRId64 " and %" PRId64,
                       (int)rest.size, rest.data, workers->minimum, workers->maximum);
    out->workers = (unsigned)number;
    return 0;
}

// --- logs ---

// The next word of what is left, without the blank behind it.
static struct str take_word(struct str *rest)
{
    const char *blank = rest->size > 0 ? memchr(rest->data, ' ', rest->size) : NULL;
    struct str word = {rest->data, blank != NULL ? (size_t)(blank - rest->data) : rest->size};
    *rest = without(*rest, word.size + (blank != NULL));
    return word;
}

static bool read_number(struct str word, uint64_t maximum, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < word.size; i++) {
        unsigned digit = (unsigned)(unsigned char)word.data[i] - '0';
        if (digit > 9 || *out > (maximum - digit) / 10)
            return false;
        *out = *out * 10 + digit;
    }
    return word.size > 0;
}

static bool read_status(struct str word, struct control_logs *logs)
{
    uint64_t number;
    struct str digits = {word.data,
                         word.size == 3 && str_equal(without(word, 1), STR("xx")) ? 1 : 3};
    if (str_equal(word, STR("any")))
        return true;
    if (word.size != 3 || !read_number(digits, 599, &number))
        return false;
    logs->least = (unsigned)(digits.size == 1 ? number * 100 : number);
    logs->most = logs->least + (digits.size == 1 ? 99 : 0);
    return logs->least >= 100 && logs->most <= 599;
}

static int take_logs(struct control_request *out, struct str rest, struct err *err)
{
    struct control_logs *logs = &out->logs;
    struct str given = rest, cursor = take_word(&rest), since = take_word(&rest);
    struct str status = take_word(&rest);
    uint64_t time;
    logs->follow = str_equal(rest, STR("follow"));
    if (read_number(cursor, UINT64_MAX, &logs->cursor) && read_number(since, INT64_MAX, &time) &&
        read_status(status, logs) && (logs->follow || str_equal(rest, STR("once")))) {
        logs->since = (int64_t)time;
        return 0;
    }
    return err_set(err, ERR_USAGE,
                   "logs needs a cursor, a time, a status (any, 404, 5xx) and once or follow, not "
                   "\"%.*s\"",
                   (int)given.size, given.data);
}

// The one line without its newline.
static int take_line(struct str *line, struct err *err)
{
    const char *end = line->size > 0 ? memchr(line->data, '\n', line->size) : NULL;
    size_t size = end != NULL ? (size_t)(end - line->data) : line->size;
    if (size >= CONTROL_LINE_MAX)
        return err_set(err, ERR_USAGE, "a line of more than %d bytes", CONTROL_LINE_MAX);
    for (size_t i = 0; i < size; i++) {
        if (line->data[i] < 0x20 || line->data[i] > 0x7e)
            return err_set(err, ERR_USAGE, "a byte that is no printable character");
    }
    if (end == NULL)
        return err_set(err, ERR_USAGE, "a line without an end");
    if (size + 1 < line->size)
        return err_set(err, ERR_USAGE, "more than one line");
    if (size > 0 && line->data[size - 1] == ' ')
        return err_set(err, ERR_USAGE, "a blank at the end of the line");
    line->size = size;
    return 0;
}

static const struct {
    const char *word;
    enum control_action action;
    int (*take)(struct control_request *out, struct str rest, struct err *err);
} table[] = {
    {"status", CONTROL_STATUS, take_form},    {"logs", CONTROL_LOGS, take_logs},
    {"reload", CONTROL_RELOAD, take_nothing}, {"restart", CONTROL_RESTART, take_nothing},
    {"stop", CONTROL_STOP, take_nothing},     {"scale", CONTROL_SCALE, take_workers},
};
enum { TABLE_COUNT = sizeof table / sizeof table[0] };

static int unknown(struct str word, struct err *err)
{
    struct near best = {.distance = NEAR_NOTHING};
    for (size_t i = 0; i < TABLE_COUNT; i++)
        near_consider(&best, word, table[i].word);
    if (best.word != NULL)
        return err_set(err, ERR_USAGE, "unknown request \"%.*s\" (did you mean \"%s\"?)",
                       (int)word.size, word.data, best.word);
    return err_set(err, ERR_USAGE, "unknown request \"%.*s\"", (int)word.size, word.data);
}

int control_parse(struct control_request *out, struct str line, struct err *err)
{
    if (take_line(&line, err) < 0)
        return -1;
    const char *blank = line.size > 0 ? memchr(line.data, ' ', line.size) : NULL;
    struct str word = {line.data, blank != NULL ? (size_t)(blank - line.data) : line.size};
    struct str rest = without(line, word.size + (blank != NULL));
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (!str_equal(word, str_of(table[i].word)))
            continue;
        *out = (struct control_request){.action = table[i].action};
        return table[i].take(out, rest, err);
    }
    return unknown(word, err);
}

// config_set.c - what each kind of option takes for a value, and how it is kept. Values are read
// into a struct value first, so that a bad or a weaker one leaves the configuration as it was.
#include "config_set.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cleanup.h"
#include "near.h"

enum { VALUE_MAX = 1 << 14 }; // bytes; all of them together must fit CONFIG_TEXT_MAX

// A value that was read and found good.
struct value {
    int64_t number;
    bool flag;
    struct config_choice choice;
    char text[CONFIG_VALUE_TEXT]; // as it prints back; "" where that is as it was given
};

typedef int (*read_fn)(const struct config_option *option, const char *text, struct value *value,
                       struct err *err);

void config_write(const struct config_option *option, int64_t number,
                  char out[static CONFIG_VALUE_TEXT])
{
    if (option->kind == KIND_SIZE)
        config_write_size(number, out);
    else if (option->kind == KIND_DURATION)
        config_write_duration(number, out);
    else
        config_write_integer(number, out);
}

static int check_range(const struct config_option *option, const char *problem, struct err *err)
{
    char minimum[CONFIG_VALUE_TEXT], maximum[CONFIG_VALUE_TEXT];
    config_write(option, option->minimum, minimum);
    config_write(option, option->maximum, maximum);
    return err_set(err, ERR_USAGE, "%smust be between %s and %s%s", problem, minimum, maximum,
                   option->automatic != NULL ? ", or auto" : "");
}

static int read_number(const struct config_option *option, const char *text, struct value *value,
                       struct err *err)
{
    static const struct {
        int (*read)(const char *text, int64_t *out);
        const char *problem;
    } kinds[] = {
        [KIND_INTEGER] = {config_read_integer, "not a whole number, "},
        [KIND_SIZE] = {config_read_size, "not a size as 65536, 64k or 16M, "},
        [KIND_DURATION] = {config_read_duration, "not a duration as 30, 30s, 1h30m or 500ms, "},
    };
    if (option->automatic != NULL && strcmp(text, "auto") == 0) {
        value->number = option->automatic();
        if (value->number < option->minimum)
            value->number = option->minimum;
        if (value->number > option->maximum)
            value->number = option->maximum;
        return 0;
    }
    if (kinds[option->kind].read(text, &value->number) < 0)
        return check_range(option, kinds[option->kind].problem, err);
    if (value->number < option->minimum || value->number > option->maximum)
        return check_range(option, "", err);
    config_write(option, value->number, value->text);
    return 0;
}

static int read_flag(const struct config_option *option, const char *text, struct value *value,
                     struct err *err)
{
    (void)option;
    if (config_read_flag(text, &value->flag) < 0)
        return err_set(err, ERR_USAGE, "must be true or false");
    memcpy(value->text, value->flag ? "true" : "false",
           value->flag ? sizeof "true" : sizeof "false");
    return 0;
}

static int read_choice(const struct config_option *option, const char *text, struct value *value,
                       struct err *err)
{
    struct near best = {.distance = NEAR_NOTHING};
    _buf_ struct buf names = BUF_INIT(CONFIG_METAVAR_MAX * 2);
    for (int i = 0; i < CONFIG_CHOICES_MAX && option->choices[i] != NULL; i++) {
        const char *name = option->choices[i];
        if (strcmp(text, name) == 0) {
            value->choice = (struct config_choice){i, name};
            return 0;
        }
        near_consider(&best, str_of(text), name);
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", name);
    }
    if (best.word != NULL)
        return err_set(err, ERR_USAGE, "must be one of %s (did you mean %s?)", buf_text(&names),
                       best.word);
    return err_set(err, ERR_USAGE, "must be one of %s", buf_text(&names));
}

// Empty is "none" where that is the default: the way to undo a weaker source.
static int read_string(const struct config_option *option, const char *text, struct value *value,
                       struct err *err)
{
    (void)value;
    if (*text == '\0' && (option->standard != NULL || option->kind == KIND_LIST))
        return err_set(err, ERR_USAGE, "must not be empty");
    if (*text != '\0' && option->check != NULL)
        return option->check(text, err);
    return 0;
}

static const read_fn readers[] = {
    [KIND_STRING] = read_string,   [KIND_INTEGER] = read_number, [KIND_SIZE] = read_number,
    [KIND_DURATION] = read_number, [KIND_FLAG] = read_flag,      [KIND_CHOICE] = read_choice,
    [KIND_LIST] = read_string,
};

// Every value must fit a "key = value" line and come back from it the same.
static int check_text(const struct config_option *option, const char *text, struct err *err)
{
    size_t size = strlen(text);
    if (size > VALUE_MAX)
        return err_set(err, ERR_USAGE, "longer than %d bytes", VALUE_MAX);
    if (strpbrk(text, "\n\r") != NULL)
        return err_set(err, ERR_USAGE, "a newline in the value (it must be a single line)");
    // A secret is never written into one.
    if (!option->secret && size > 0 &&
        (strchr(" \t", text[0]) != NULL || strchr(" \t", text[size - 1]) != NULL))
        return err_set(err, ERR_USAGE, "a blank at the start or the end of the value");
    return 0;
}

static char *copied(const char *text)
{
    char *copy = strdup(text);
    must_have(copy != NULL);
    return copy;
}

static void *field_of(struct config *config, const struct config_option *option)
{
    return (char *)config + option->offset;
}

static struct config_setting *setting_of(struct config *config, const struct config_option *option)
{
    return &config->settings[option - config_options];
}

static void list_append(struct config_list *list, const char *text)
{
    char **items = reallocarray(list->items, list->count + 1, sizeof *items);
    must_have(items != NULL);
    items[list->count] = copied(text);
    list->items = items;
    list->count++;
}

static void list_fini(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct config_list){NULL, 0};
}

void config_unset(struct config *config, const struct config_option *option)
{
    struct config_setting *setting = setting_of(config, option);
    if (option->kind == KIND_LIST)
        list_fini(field_of(config, option));
    if (option->kind == KIND_STRING)
        *(const char **)field_of(config, option) = NULL;
    free(setting->text);
    setting->text = NULL;
}

void config_reset(struct config *config, const struct config_option *option)
{
    struct err err;
    config_unset(config, option);
    setting_of(config, option)->source = CONFIG_DEFAULT;
    must(option->standard == NULL ||
         config_set(config, option, CONFIG_DEFAULT, option->standard, &err) == 0);
}

static void store(struct config *config, const struct config_option *option,
                  const struct value *value, const char *text)
{
    void *field = field_of(config, option);
    if (option->kind == KIND_LIST) {
        list_append(field, text);
        return;
    }
    config_unset(config, option);
    struct config_setting *setting = setting_of(config, option);
    setting->text = *text != '\0' ? copied(value->text[0] != '\0' ? value->text : text) : NULL;
    switch (option->kind) {
    case KIND_STRING:
        *(const char **)field = setting->text;
        break;
    case KIND_FLAG:
        *(bool *)field = value->flag;
        break;
    case KIND_CHOICE:
        *(struct config_choice *)field = value->choice;
        break;
    default:
        *(int64_t *)field = value->number;
    }
}

int config_set(struct config *config, const struct config_option *option, enum config_source source,
               const char *text, struct err *err)
{
    struct config_setting *setting = setting_of(config, option);
    struct value value = {.number = 0};
    if (check_text(option, text, err) < 0 || readers[option->kind](option, text, &value, err) < 0)
        return -1;
    if (source < setting->source)
        return 0;
    if (source > setting->source && option->kind == KIND_LIST)
        config_unset(config, option);
    setting->source = source;
    store(config, option, &value, text);
    return 0;
}

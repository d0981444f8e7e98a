// test_config_text.c - the option table as help and as documentation.
#include "config.h"
#include "config_option.h"
#include "config_set.h"
#include "unit.h"

// The word alone: --log is no --log-level.
static bool has_word(const char *text, const char *word)
{
    while ((text = strstr(text, word)) != NULL) {
        text += strlen(word);
        if (*text != '-' && !(*text >= 'a' && *text <= 'z'))
            return true;
    }
    return false;
}

static void test_help_and_documentation_name_every_option(void)
{
    static const enum config_scope scopes[] = {SCOPE_SERVE,   SCOPE_CHECK,   SCOPE_PACK,
                                               SCOPE_INSPECT, SCOPE_STATUS,  SCOPE_CTL,
                                               SCOPE_LOGS,    SCOPE_INSTALL, SCOPE_UNINSTALL};
    _buf_ struct buf document = BUF_INIT(1 << 16);
    config_document(&document);
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        char word[80], variable[CONFIG_NAME_MAX];
        const struct config_option *option = &config_options[i];
        CHECK(option->help != NULL && option->scopes != 0);
        bool argument = config_option_allowed_in(option, PLACE_COMMAND_LINE);
        config_option_variable(option->name, variable);
        snprintf(word, sizeof word,
                 option->positional ? "TARGET"
                 : argument         ? "--%s"
                                    : "LIMPET_%s",
                 argument ? option->name : variable + strlen("LIMPET_"));
        char cell[sizeof word + 2];
        snprintf(cell, sizeof cell, "`%s`", word);
        CHECK_CONTAINS(buf_text(&document), cell);
        CHECK_CONTAINS(buf_text(&document), option->help);
        if (config_option_allowed_in(option, PLACE_ENVIRONMENT))
            CHECK_CONTAINS(buf_text(&document), variable);
        for (size_t k = 0; k < UNIT_COUNT(scopes); k++) {
            _buf_ struct buf help = BUF_INIT(1 << 16);
            config_help(scopes[k], &help);
            CHECK(has_word(buf_text(&help), word) == ((option->scopes & scopes[k]) != 0));
        }
    }
}

static void test_help_lines(void)
{
    _buf_ struct buf help = BUF_INIT(1 << 16);
    config_help(SCOPE_SERVE | SCOPE_PACK, &help);
    CHECK_CONTAINS(buf_text(&help),
                   "  --port NUMBER                TCP port to listen on; 0 takes any "
                   "free one (0 to 65535) [8000]\n");
    CHECK_CONTAINS(buf_text(&help),
                   "  --log-level error|warning|info|debug\n"
                   "                               how much the log says [info]\n");
    CHECK_CONTAINS(buf_text(&help), "  -o, --output FILE            the binary to write\n");
    CHECK_CONTAINS(buf_text(&help), " (1 to 512, auto) [auto]\n");
    CHECK_CONTAINS(buf_text(&help), "\n  --graceful-timeout DURATION  time ");
    CHECK_CONTAINS(buf_text(&help), "as site-packages (repeatable)\n");
    for (const char *line = buf_text(&help); *line != '\0'; line += strcspn(line, "\n") + 1)
        CHECK(strcspn(line, "\n") <= 100);
}

static void test_documentation_rows(void)
{
    _buf_ struct buf out = BUF_INIT(1 << 16);
    config_document(&out);
    CHECK_CONTAINS(
        buf_text(&out),
        "\n| `--port` | NUMBER, 0 to 65535 | `8000` | `LIMPET_PORT` | `port` | serve, check, "
        "pack, install | at the next start | TCP port to listen on; 0 takes any free one |\n");
    CHECK_CONTAINS(buf_text(&out),
                   "\n| `-h`, `--help` | switch | | | | serve, check, pack, inspect, status, "
                   "ctl, logs, install, uninstall | ");
    CHECK_CONTAINS(buf_text(&out),
                   "\n| `--interface` | `auto`, `wsgi`, `asgi`, `rsgi` | `auto` | ");
    // As many cells in every row as in the head.
    for (const char *line = buf_text(&out); *line != '\0'; line = strchr(line, '\n') + 1) {
        size_t bars = 0;
        for (const char *p = line; *p != '\n'; p++)
            bars += *p == '|';
        CHECK(bars == 9);
    }
}

// No option has a size yet.
static void test_sizes_write_with_their_unit(void)
{
    struct config_option option = {.name = "body", .kind = KIND_SIZE};
    char text[CONFIG_VALUE_TEXT];
    config_write(&option, 16 << 20, text);
    CHECK_STR(text, "16M");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_help_and_documentation_name_every_option),
    UNIT_CASE(test_help_lines),
    UNIT_CASE(test_documentation_rows),
    UNIT_CASE(test_sizes_write_with_their_unit),
};

int main(void)
{
    return unit_main("config_text", cases, UNIT_COUNT(cases));
}

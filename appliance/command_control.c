// command_control.c - "status" and "ctl": ask the server that our own settings name on its control
// socket, and say what it says.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "control.h"

int command_require_socket(const struct command *command, const struct config *config,
                           struct err *err)
{
    if (config->control_socket != NULL)
        return 0;
    return err_set(err, ERR_USAGE,
                   "%s needs a server that was started with --control-socket PATH, and the same "
                   "--control-socket PATH here",
                   command->name);
}

static int ask(const struct command *command, const struct config *config, struct str line,
               struct err *err)
{
    _buf_ struct buf answer = BUF_INIT(CONTROL_ANSWER_MAX);
    if (command_require_socket(command, config, err) < 0 ||
        control_ask(config->control_socket, line, &answer, err) < 0)
        return -1;
    if (fwrite(buf_text(&answer), 1, answer.size, stdout) != answer.size || fflush(stdout) != 0)
        return err_system(err, errno, "cannot write the answer");
    return 0;
}

int command_status(const struct program *program, const struct command *command, int argc,
                   char **argv, struct err *err)
{
    struct config config;
    int result = command_configure(program, command, argc, argv, &config, err);
    if (result == 0)
        result =
            ask(command, &config, config.json ? STR("status json\n") : STR("status table\n"), err);
    config_fini(&config);
    return result < 0 ? -1 : 0;
}

// The request that the arguments mean, checked as the server will check it.
static int make_request(const struct program *program, const struct config *config, struct buf *out,
                        struct err *err)
{
    struct control_request request;
    if (config->word_count == 0)
        return err_set(err, ERR_USAGE, "nothing to do (write: %s ctl reload|restart|stop|scale N)",
                       program->name);
    const char *word = config->words[0];
    if (strcmp(word, "status") == 0 || strcmp(word, "logs") == 0)
        return err_set(err, ERR_USAGE, "ctl: %s is a command of its own (write: %s %s)", word,
                       program->name, word);
    for (size_t i = 0; i < config->word_count; i++)
        buf_printf(out, "%s%s", i > 0 ? " " : "", config->words[i]);
    if (buf_append_str(out, STR("\n")) < 0)
        return err_set(err, ERR_USAGE, "the arguments are too long");
    if (control_parse(&request, buf_str(out), err) < 0)
        return err_wrap(err, "ctl");
    return 0;
}

int command_ctl(const struct program *program, const struct command *command, int argc, char **argv,
                struct err *err)
{
    _buf_ struct buf request = BUF_INIT(CONTROL_ANSWER_MAX);
    struct config config;
    int result = command_configure(program, command, argc, argv, &config, err);
    if (result == 0 && (result = make_request(program, &config, &request, err)) == 0)
        result = ask(command, &config, buf_str(&request), err);
    config_fini(&config);
    return result < 0 ? -1 : 0;
}

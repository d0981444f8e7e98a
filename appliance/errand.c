// errand.c - fork, a pipe for the answer, wait. The answer is a struct answer and then its bytes:
// the text of the error, or what run put into its buffer.
#include "errand.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

enum {
    ERRAND_ANSWER_MAX = 1 << 20, // bytes
    ERRAND_FINISH = 10,          // seconds
};

struct answer {
    enum err_kind kind; // ERR_NONE: what follows is the result
    size_t size;        // of what follows
};

static bool write_all(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t count = write(fd, p, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        p += count;
        size -= (size_t)count;
    }
    return true;
}

static bool read_all(int fd, void *data, size_t size)
{
    char *p = data;
    while (size > 0) {
        ssize_t count = read(fd, p, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        p += count;
        size -= (size_t)count;
    }
    return true;
}

// The child's life.
static _Noreturn void serve_errand(const struct errand *errand, int fd, pid_t parent)
{
    _buf_ struct buf out = BUF_INIT(ERRAND_ANSWER_MAX);
    struct err err = {.kind = ERR_NONE};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    bool failed = errand->run(errand->owner, &out, &err) < 0;
    struct str text = failed ? str_of(err.text) : buf_str(&out);
    struct answer answer = {.kind = failed ? err.kind : ERR_NONE, .size = text.size};
    if (!write_all(fd, &answer, sizeof answer) || !write_all(fd, text.data, text.size))
        _exit(1);
    close(fd);
    alarm(ERRAND_FINISH);
    if (!failed && errand->finish != NULL)
        errand->finish(errand->owner);
    _exit(0);
}

// 0, or -1 where the child ended without a whole answer; then err is not set.
static int read_answer(int fd, struct answer *answer, struct buf *text)
{
    if (!read_all(fd, answer, sizeof *answer) || answer->size > ERRAND_ANSWER_MAX)
        return -1;
    text->maximum = answer->size;
    if (buf_reserve(text, answer->size) < 0 || !read_all(fd, text->data, answer->size))
        return -1;
    text->data[answer->size] = '\0';
    text->size = answer->size;
    return 0;
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return 0;
    }
    return status;
}

static int ended_early(const struct errand *errand, int status, struct err *err)
{
    if (WIFSIGNALED(status))
        return err_set(err, ERR_FAILED, "%s: ended by signal %d (%s)", errand->what,
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    return err_set(err, ERR_FAILED, "%s: ended with status %d before it was done", errand->what,
                   WEXITSTATUS(status));
}

int errand_run(const struct errand *errand, struct buf *out, struct err *err)
{
    _buf_ struct buf text = BUF_INIT(0);
    struct answer answer;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_system(err, errno, "%s: no pipe", errand->what);
    _close_ int reading = ends[0];
    _close_ int writing = ends[1];
    pid_t parent = getpid();
    fflush(NULL); // what is buffered now must not be written twice
    pid_t pid = fork();
    if (pid < 0)
        return err_system(err, errno, "%s: no process", errand->what);
    if (pid == 0) {
        close(steal_fd(&reading));
        serve_errand(errand, writing, parent);
    }
    close(steal_fd(&writing));
    int result = read_answer(reading, &answer, &text);
    int status = wait_for(pid);
    if (result < 0)
        return ended_early(errand, status, err);
    if (answer.kind != ERR_NONE)
        return err_set(err, answer.kind, "%s", buf_text(&text));
    if (buf_append_str(out, buf_str(&text)) < 0)
        return err_set(err, ERR_FAILED, "%s: the answer is too long", errand->what);
    return 0;
}

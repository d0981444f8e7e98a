// test_sandbox.c - what the filter says to every number of a call, by an interpreter of its
// program; and what a process that has entered a sandbox is refused, each in a process of its own.
// What this kernel has not is left out, and says so.
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "apart.h"
#include "cleanup.h"
#include "config.h"
#include "log.h"
#include "sandbox_filter.h"
#include "sandbox_landlock.h"

// Those of all processors, and those that 32-bit ARM has beside them (__ARM_NR_BASE).
enum { NUMBERS = 2048, ARM_BASE = 0xf0000, ARM_NUMBERS = 16 };

static struct config config;
static struct err err;

// --- the filter's program, played ---

static uint32_t jump(const struct sock_filter *instruction, uint32_t value)
{
    bool holds = false;
    switch (BPF_OP(instruction->code)) {
    case BPF_JA:
        return instruction->k;
    case BPF_JEQ:
        holds = value == instruction->k;
        break;
    case BPF_JGE:
        holds = value >= instruction->k;
        break;
    case BPF_JSET:
        holds = (value & instruction->k) != 0;
        break;
    default:
        CHECK(!"a jump that is known");
    }
    return holds ? instruction->jt : instruction->jf;
}

// Its answer; steps: how many instructions that took.
static uint32_t play(const struct sock_filter *program, size_t count, struct seccomp_data data,
                     unsigned *steps)
{
    uint32_t value = 0;
    *steps = 0;
    for (size_t at = 0; at < count; at++) {
        const struct sock_filter *instruction = &program[at];
        ++*steps;
        switch (BPF_CLASS(instruction->code)) {
        case BPF_LD:
            memcpy(&value, (const char *)&data + instruction->k, sizeof value);
            break;
        case BPF_ALU:
            value &= instruction->k;
            break;
        case BPF_JMP:
            at += jump(instruction, value);
            break;
        case BPF_RET:
            return instruction->k;
        default:
            CHECK(!"an instruction that is known");
            return 0;
        }
    }
    CHECK(!"an answer before the end");
    return 0;
}

static uint32_t ask(bool programs, struct seccomp_data data)
{
    struct sock_filter program[SANDBOX_FILTER_MAX];
    unsigned steps;
    return play(program, sandbox_filter_build(program, programs), data, &steps);
}

#define ASK(programs, ...) \
    ask(programs, (struct seccomp_data){.arch = sandbox_filter_architecture, __VA_ARGS__})
#define REFUSED(errnum) (SECCOMP_RET_ERRNO | (errnum))

static uint32_t expected(enum sandbox_verdict verdict)
{
    static const uint32_t answers[] = {
        [SANDBOX_ABSENT] = REFUSED(ENOSYS),
        [SANDBOX_ALLOW] = SECCOMP_RET_ALLOW,
        [SANDBOX_DENY] = REFUSED(EPERM),
        // With arguments of zero:
        [SANDBOX_CLONE] = SECCOMP_RET_ALLOW,
        [SANDBOX_IOCTL] = SECCOMP_RET_ALLOW,
        [SANDBOX_PERSONALITY] = SECCOMP_RET_ALLOW,
        [SANDBOX_PRCTL] = SECCOMP_RET_ALLOW,
        [SANDBOX_SOCKET] = REFUSED(EAFNOSUPPORT),
        [SANDBOX_MODE_SECOND] = SECCOMP_RET_ALLOW,
        [SANDBOX_MODE_THIRD] = SECCOMP_RET_ALLOW,
        [SANDBOX_LIMITS] = SECCOMP_RET_ALLOW,
        [SANDBOX_PRIORITY] = SECCOMP_RET_ALLOW,
        [SANDBOX_IO_PRIORITY] = REFUSED(EPERM),
        [SANDBOX_SCHEDULING] = SECCOMP_RET_ALLOW,
    };
    return answers[verdict];
}

static void test_every_number_is_answered_as_its_row_says(void)
{
    struct sock_filter program[SANDBOX_FILTER_MAX];
    for (int programs = 0; programs <= 1; programs++) {
        size_t count = sandbox_filter_build(program, programs);
        unsigned most = 0;
        for (unsigned at = 0; at < NUMBERS + ARM_NUMBERS; at++) {
            unsigned steps, number = at < NUMBERS ? at : ARM_BASE + at - NUMBERS;
            struct seccomp_data data = {.arch = sandbox_filter_architecture, .nr = (int)number};
            uint32_t answer = play(program, count, data, &steps);
            CHECK(answer == expected(sandbox_filter_verdict(number, programs)));
            most = steps > most ? steps : most;
        }
        CHECK(count < 600 && most < 24);
        printf("    %zu instructions, at most %u for a call\n", count, most);
    }
}

// What a processor has of its own: flushing its cache for new code (breakpoint and the rest of a
// debugger's stay closed), a thread's pointer.
static void test_a_processors_own_calls(void)
{
#if defined __arm__
    static const unsigned allowed[] = {0xf0002, 0xf0003, 0xf0004, 0xf0005};
    static const unsigned absent[] = {0xf0000, 0xf0001, 0xf0006};
#elif defined __riscv
    static const unsigned allowed[] = {SYS_riscv_flush_icache};
    static const unsigned absent[] = {0xf0002, 0xf0005};
#elif defined __x86_64__
    static const unsigned allowed[] = {SYS_arch_prctl};
    static const unsigned absent[] = {0xf0002, 0xf0005, 0x40000000 | SYS_read};
#else
    static const unsigned allowed[] = {SYS_read};
    static const unsigned absent[] = {0xf0002, 0xf0005};
#endif
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        CHECK(ASK(false, .nr = (int)allowed[i]) == SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        CHECK(ASK(false, .nr = (int)absent[i]) == REFUSED(ENOSYS));
}

static void test_calls_that_no_server_needs_are_denied(void)
{
    static const int denied[] = {
        SYS_mount,
        SYS_umount2,
        SYS_pivot_root,
        SYS_chroot,
        SYS_ptrace,
        SYS_reboot,
        SYS_process_vm_readv,
        SYS_process_vm_writev,
        SYS_kexec_load,
        SYS_init_module,
        SYS_finit_module,
        SYS_delete_module,
        SYS_bpf,
        SYS_perf_event_open,
        SYS_userfaultfd,
        SYS_keyctl,
        SYS_add_key,
        SYS_request_key,
        SYS_unshare,
        SYS_setns,
        SYS_open_by_handle_at,
        SYS_swapon,
        SYS_swapoff,
#ifdef SYS_clock_settime
        SYS_settimeofday,
        SYS_clock_settime,
#else // 32 bits: by the name that has 64 for the time
        SYS_clock_settime64,
#endif
        SYS_adjtimex,
        SYS_clock_adjtime,
        SYS_sethostname,
        SYS_setdomainname,
        SYS_acct,
        SYS_quotactl,
        SYS_io_uring_setup,
        SYS_io_uring_enter,
        SYS_io_uring_register,
        SYS_syslog,
        SYS_move_mount,
        SYS_fsopen,
        SYS_fsmount,
        SYS_open_tree,
        SYS_pidfd_getfd,
        SYS_kcmp,
        SYS_fanotify_init,
        SYS_vhangup,
#ifdef __x86_64__
        SYS_iopl,
        SYS_ioperm,
        SYS_modify_ldt,
#endif
    };
    for (size_t i = 0; i < UNIT_COUNT(denied); i++)
        CHECK(ASK(true, .nr = denied[i]) == REFUSED(EPERM));
}

static void test_libraries_do_without_what_is_absent(void)
{
    CHECK(ASK(true, .nr = SYS_clone3) == REFUSED(ENOSYS));
    CHECK(ASK(true, .nr = 1000) == REFUSED(ENOSYS));
    CHECK(ASK(true, .nr = INT32_MAX) == REFUSED(ENOSYS));
    CHECK(ASK(true, .nr = -1) == REFUSED(ENOSYS));
    CHECK(ASK(true, .nr = 0x40000000 | SYS_read) == REFUSED(ENOSYS)); // x32
}

static void test_programs_are_started_where_that_is_allowed(void)
{
    CHECK(ASK(true, .nr = SYS_execve) == SECCOMP_RET_ALLOW);
    CHECK(ASK(true, .nr = SYS_execveat) == SECCOMP_RET_ALLOW);
    CHECK(ASK(false, .nr = SYS_execve) == REFUSED(EPERM));
    CHECK(ASK(false, .nr = SYS_execveat) == REFUSED(EPERM));
}

static void test_arguments_are_looked_at(void)
{
    const uint64_t spaces[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                               CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
    for (size_t i = 0; i < UNIT_COUNT(spaces); i++)
        CHECK(ASK(true, .nr = SYS_clone, .args = {spaces[i] | SIGCHLD}) == REFUSED(EPERM));
    CHECK(ASK(true, .nr = SYS_clone, .args = {CLONE_VM | CLONE_THREAD | CLONE_SIGHAND}) ==
          SECCOMP_RET_ALLOW);
    CHECK(ASK(true, .nr = SYS_ioctl, .args = {0, TIOCSTI}) == REFUSED(EPERM));
    // The kernel takes the lower half alone.
    CHECK(ASK(true, .nr = SYS_ioctl, .args = {0, 1ULL << 32 | TIOCSTI}) == REFUSED(EPERM));
    CHECK(ASK(true, .nr = SYS_ioctl, .args = {0, TIOCLINUX}) == REFUSED(EPERM));
    CHECK(ASK(true, .nr = SYS_ioctl, .args = {0, FIONREAD}) == SECCOMP_RET_ALLOW);
    CHECK(ASK(true, .nr = SYS_prctl, .args = {PR_SET_DUMPABLE, 1}) == REFUSED(EPERM));
    CHECK(ASK(true, .nr = SYS_prctl, .args = {PR_SET_DUMPABLE, 0}) == SECCOMP_RET_ALLOW);
    CHECK(ASK(true, .nr = SYS_prctl, .args = {PR_SET_NAME, 1}) == SECCOMP_RET_ALLOW);
    CHECK(ASK(true, .nr = SYS_personality, .args = {UINT32_MAX}) == SECCOMP_RET_ALLOW);
    CHECK(ASK(true, .nr = SYS_personality, .args = {0x0040000}) == REFUSED(EPERM));
}

static void test_modes_without_the_bits_of_other_peoples_rights(void)
{
    CHECK(ASK(true, .nr = SYS_fchmod, .args = {3, 01777}) == SECCOMP_RET_ALLOW);
    CHECK(ASK(true, .nr = SYS_fchmodat, .args = {3, S_ISUID, 0755}) == SECCOMP_RET_ALLOW);
    for (mode_t bit = S_ISGID; bit <= S_ISUID; bit <<= 1) {
        CHECK(ASK(true, .nr = SYS_fchmod, .args = {3, bit | 0755}) == REFUSED(EPERM));
        CHECK(ASK(true, .nr = SYS_fchmodat, .args = {3, 0, bit | 0755}) == REFUSED(EPERM));
#ifdef SYS_fchmodat2
        CHECK(ASK(true, .nr = SYS_fchmodat2, .args = {3, 0, bit | 0755}) == REFUSED(EPERM));
#endif
#ifdef SYS_chmod
        CHECK(ASK(true, .nr = SYS_chmod, .args = {0, bit | 0755}) == REFUSED(EPERM));
#endif
    }
}

static void test_limits_and_priorities_are_the_callers(void)
{
    const uint64_t high = 1ULL << 40;
    CHECK(ASK(true, .nr = SYS_prlimit64, .args = {0, 7, 4096, 0}) == SECCOMP_RET_ALLOW);
    CHECK(ASK(true, .nr = SYS_prlimit64, .args = {9, 7, 0, 4096}) == SECCOMP_RET_ALLOW);
    CHECK(ASK(true, .nr = SYS_prlimit64, .args = {9, 7, 4096, 0}) == REFUSED(EPERM));
    CHECK(ASK(true, .nr = SYS_prlimit64, .args = {9, 7, high, 0}) == REFUSED(EPERM));
    CHECK(ASK(true, .nr = SYS_setpriority, .args = {0, 0, 5}) == SECCOMP_RET_ALLOW);
    CHECK(ASK(true, .nr = SYS_setpriority, .args = {0, 9, 5}) == REFUSED(EPERM));
    CHECK(ASK(true, .nr = SYS_setpriority, .args = {1, 0, 5}) == REFUSED(EPERM));
    CHECK(ASK(true, .nr = SYS_ioprio_set, .args = {1, 0, 5}) == SECCOMP_RET_ALLOW);
    CHECK(ASK(true, .nr = SYS_ioprio_set, .args = {1, 9, 5}) == REFUSED(EPERM));
    CHECK(ASK(true, .nr = SYS_ioprio_set, .args = {2, 0, 5}) == REFUSED(EPERM));
    CHECK(ASK(true, .nr = SYS_sched_setscheduler, .args = {0}) == SECCOMP_RET_ALLOW);
    CHECK(ASK(true, .nr = SYS_sched_setscheduler, .args = {9}) == REFUSED(EPERM));
    CHECK(ASK(true, .nr = SYS_sched_setparam, .args = {9}) == REFUSED(EPERM));
    CHECK(ASK(true, .nr = SYS_sched_setattr, .args = {9}) == REFUSED(EPERM));
}

static uint32_t ask_socket(uint64_t family, uint64_t type)
{
    return ASK(true, .nr = SYS_socket, .args = {family, type});
}

static void test_sockets_are_the_usual_ones(void)
{
    CHECK(ask_socket(AF_UNIX, SOCK_STREAM) == SECCOMP_RET_ALLOW);
    CHECK(ask_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC) == SECCOMP_RET_ALLOW);
    CHECK(ask_socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK) == SECCOMP_RET_ALLOW);
    CHECK(ask_socket(AF_NETLINK, SOCK_RAW) == SECCOMP_RET_ALLOW); // getifaddrs
    CHECK(ask_socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC) == REFUSED(EPERM));
    CHECK(ask_socket(AF_INET6, SOCK_RAW) == REFUSED(EPERM));
    CHECK(ask_socket(AF_INET, SOCK_PACKET) == REFUSED(EPERM));
    CHECK(ask_socket(AF_PACKET, SOCK_RAW) == REFUSED(EAFNOSUPPORT));
    CHECK(ask_socket(AF_VSOCK, SOCK_STREAM) == REFUSED(EAFNOSUPPORT));
    CHECK(ask_socket(AF_ALG, SOCK_SEQPACKET) == REFUSED(EAFNOSUPPORT));
}

static void test_other_architectures_end(void)
{
    CHECK(ask(true, (struct seccomp_data){.arch = AUDIT_ARCH_I386, .nr = 4}) ==
          SECCOMP_RET_KILL_PROCESS);
}

// --- settings ---

static int configure(int argc, char **argv)
{
    struct config_request request = {.scope = SCOPE_SERVE,
                                     .program = "limpet",
                                     .command = "serve",
                                     .argc = argc,
                                     .argv = argv,
                                     .packed = STR("")};
    config_fini(&config);
    err = (struct err){.kind = ERR_NONE};
    return config_read(&config, &request, &err);
}

#define CONFIGURE(...)                                                \
    configure(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
              (char **)(uintptr_t)(const char *[]){__VA_ARGS__})

static void test_paths_that_are_named_have_to_be_there(void)
{
    CHECK(CONFIGURE("--writable", "/nowhere/at/all") == 0 && sandbox_check(&config, &err) < 0);
    CHECK_STR(err.text, "--writable /nowhere/at/all: No such file or directory; create it, or name "
                        "another");
    CHECK(CONFIGURE("--readable", "/nowhere/at/all") == 0 && sandbox_check(&config, &err) < 0);
    CHECK_CONTAINS(err.text, "--readable /nowhere/at/all: ");
    CHECK(CONFIGURE("--writable", "/usr/..") == 0 && sandbox_check(&config, &err) < 0);
    CHECK_CONTAINS(err.text, "that is /, and with it the whole machine");
    CHECK(CONFIGURE("--writable", "/") == 0 && sandbox_check(&config, &err) == 0);
    CHECK(CONFIGURE("--sandbox", "off", "--writable", "/nowhere") == 0 &&
          sandbox_check(&config, &err) == 0);
}

static void test_what_is_refused_is_explained(void)
{
    static const char *const refused[] = {
        "PermissionError: [Errno 13] Permission denied: '/srv/x'",
        "PermissionError: [Errno 1] Operation not permitted",
        "sqlite3.OperationalError: unable to open database file",
        "django.db.utils.OperationalError: attempt to write a readonly database"};
    CHECK(CONFIGURE("--writable", "/usr") == 0);
    for (size_t i = 0; i < UNIT_COUNT(refused); i++) {
        _buf_ struct buf line = BUF_INIT(4096);
        CHECK(sandbox_explain(&config, refused[i], strlen(refused[i]), &line));
        CHECK_CONTAINS(buf_text(&line), ", /usr; --writable PATH adds to that");
    }
    _buf_ struct buf none = BUF_INIT(4096);
    CHECK(!sandbox_explain(&config, "ValueError: 1", 13, &none) && none.size == 0);
    CHECK(CONFIGURE("--sandbox", "off") == 0);
    CHECK(!sandbox_explain(&config, refused[0], strlen(refused[0]), &none));
}

static void test_it_says_what_it_is(void)
{
    _buf_ struct buf on = BUF_INIT(4096), off = BUF_INIT(4096);
    bool whole = sandbox_landlock_version() > 0 && sandbox_filter_is_there();
    CHECK(CONFIGURE("--sandbox", "strict") == 0 && sandbox_describe(&config, &on) == whole);
    CHECK_CONTAINS(buf_text(&on), "strict (");
    CHECK_CONTAINS(buf_text(&on), whole ? "(seccomp, Landlock ABI " : "this kernel has no ");
    CHECK(CONFIGURE("--sandbox", "off") == 0 && sandbox_describe(&config, &off));
    CHECK_STR(buf_text(&off), "off");
}

// --- inside ---

static char folder[] = "/var/tmp/limpet-sandbox-XXXXXX"; // set by main

static bool enter(void)
{
    struct sandbox_setup setup = {
        .config = &config, .executable = "/proc/self/exe", .folder = AT_FDCWD};
    sandbox_bound(&config, geteuid() == 0);
    bool entered = sandbox_enter(&setup, &err) == 0;
    CHECK(entered);
    return entered;
}

static int try_to_open(const char *path, int flags)
{
    _close_ int fd = open(path, flags | O_CLOEXEC, 0600);
    return fd >= 0 ? 0 : errno;
}

static void files_inside(void)
{
    if (CONFIGURE("--readable", "/var/log", "--working-dir", "/usr") < 0 || !enter())
        return;
    CHECK(try_to_open("/usr/new", O_WRONLY | O_CREAT) == EACCES);
    CHECK(try_to_open("/etc/hosts", O_RDONLY) != EACCES);
    CHECK(try_to_open("/etc/shadow", O_RDONLY) == EACCES);
    CHECK(try_to_open("/etc", O_RDONLY | O_DIRECTORY) == 0);
    CHECK(try_to_open("/var/log", O_RDONLY | O_DIRECTORY) == 0);
    CHECK(try_to_open("/var/lib", O_RDONLY | O_DIRECTORY) == EACCES);
    CHECK(try_to_open("/root", O_RDONLY | O_DIRECTORY) == EACCES);
    CHECK(try_to_open("/dev/null", O_RDWR) == 0);
    CHECK(try_to_open("/dev/urandom", O_RDONLY) == 0);
    CHECK(try_to_open("/dev/kmsg", O_RDONLY) == EACCES);
    CHECK(try_to_open("/dev/mem", O_RDONLY) == EACCES || errno == ENOENT);
    CHECK(chdir(folder) == 0 && try_to_open("new", O_WRONLY | O_CREAT) == 0);
    CHECK(rename("new", "newer") == 0 && mkdir("sub", 0700) == 0);
    CHECK(rename("newer", "sub/newer") == 0 && truncate("sub/newer", 1) == 0);
    CHECK(unlink("sub/newer") == 0 && rmdir("sub") == 0);
}

static void test_files_inside(void)
{
    if (sandbox_landlock_version() > 0)
        run_apart(files_inside);
    else
        printf("    left out: this kernel has no Landlock\n");
}

static void calls_inside(void)
{
    if (CONFIGURE("--sandbox", "strict") < 0 || !enter())
        return;
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHECK(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER);
    CHECK(unshare(CLONE_NEWUSER) < 0 && errno == EPERM);
    CHECK(syscall(SYS_mount, 0, 0, 0, 0, 0) < 0 && errno == EPERM);
    CHECK(syscall(SYS_ptrace, 0, 0, 0, 0) < 0 && errno == EPERM);
    CHECK(syscall(SYS_clone3, 0, 0) < 0 && errno == ENOSYS);
    CHECK(execl("/bin/true", "true", NULL) < 0 && errno == EPERM);
    CHECK(socket(AF_INET, SOCK_RAW, 1) < 0 && errno == EPERM);
    CHECK(prctl(PR_CAPBSET_READ, 21 /* CAP_SYS_ADMIN */, 0, 0, 0) == 0 || geteuid() != 0);
}

static void test_calls_inside(void)
{
    if (sandbox_filter_is_there())
        run_apart(calls_inside);
    else
        printf("    left out: this kernel has no seccomp\n");
}

// What a container's filter may do: refuse one call, and the sandbox stands within it.
static bool refuse(unsigned first, unsigned last)
{
    struct sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = UNIT_COUNT(instructions), .filter = instructions};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

static void without_landlock_inside(void)
{
    if (CONFIGURE("--sandbox", "strict") < 0)
        return;
    CHECK(refuse(446, 446)); // landlock_restrict_self
    if (!enter())
        return;
    CHECK(try_to_open("/var/lib", O_RDONLY | O_DIRECTORY) == 0);
    CHECK(unshare(CLONE_NEWUSER) < 0 && errno == EPERM);
}

static void without_rules_inside(void)
{
    if (CONFIGURE("--sandbox", "on") < 0)
        return;
    CHECK(refuse(445, 446));
    CHECK(enter() && try_to_open("/var/lib", O_RDONLY | O_DIRECTORY) == 0);
}

static void without_capset_inside(void)
{
    if (CONFIGURE("--sandbox", "on") < 0)
        return;
    CHECK(geteuid() != 0 || setuid(65534) == 0);
    CHECK(refuse(SYS_capset, SYS_capset));
    CHECK(enter());
}

static void test_what_is_refused_to_the_sandbox_itself(void)
{
    if (!sandbox_filter_is_there())
        return;
    run_apart(without_landlock_inside);
    run_apart(without_rules_inside);
    run_apart(without_capset_inside);
}

#if defined __x86_64__ && !defined __SANITIZE_ADDRESS__
// A call by the gate of 32-bit programs: getpid, number 20 there.
static void test_calls_of_other_architectures_inside(void)
{
    int status = 0;
    if (!sandbox_filter_is_there())
        return;
    CHECK(CONFIGURE("--sandbox", "on") == 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        long result;
        if (!enter())
            _exit(1);
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
        _exit(2);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    // SIGSEGV: a kernel without 32-bit programs.
    CHECK(WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV);
}
#endif

static void off_inside(void)
{
    if (CONFIGURE("--sandbox", "off") < 0 || !enter())
        return;
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
    CHECK(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0);
    CHECK(try_to_open("/var/lib", O_RDONLY | O_DIRECTORY) == 0);
}

static void test_off(void)
{
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0)
        run_apart(off_inside);
    else
        printf("    left out: confined already\n");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_every_number_is_answered_as_its_row_says),
    UNIT_CASE(test_a_processors_own_calls),
    UNIT_CASE(test_calls_that_no_server_needs_are_denied),
    UNIT_CASE(test_libraries_do_without_what_is_absent),
    UNIT_CASE(test_programs_are_started_where_that_is_allowed),
    UNIT_CASE(test_arguments_are_looked_at),
    UNIT_CASE(test_modes_without_the_bits_of_other_peoples_rights),
    UNIT_CASE(test_limits_and_priorities_are_the_callers),
    UNIT_CASE(test_sockets_are_the_usual_ones),
    UNIT_CASE(test_other_architectures_end),
    UNIT_CASE(test_paths_that_are_named_have_to_be_there),
    UNIT_CASE(test_what_is_refused_is_explained),
    UNIT_CASE(test_it_says_what_it_is),
    UNIT_CASE(test_files_inside),
    UNIT_CASE(test_calls_inside),
    UNIT_CASE(test_what_is_refused_to_the_sandbox_itself),
#if defined __x86_64__ && !defined __SANITIZE_ADDRESS__
    UNIT_CASE(test_calls_of_other_architectures_inside),
#endif
    UNIT_CASE(test_off),
};

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    int status = unit_main("sandbox", cases, UNIT_COUNT(cases));
    rmdir(folder);
    config_fini(&config);
    return status;
}

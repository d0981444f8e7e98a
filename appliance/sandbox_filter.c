// sandbox_filter.c - a binary search over ranges of call numbers, so that every call costs some
// seven comparisons. Kernels since 5.11 find out which calls are allowed whatever their arguments,
// and then run no filter for them: that is all of those a server makes while it serves, but socket.
#include "sandbox_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

#if defined __x86_64__
#define NATIVE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define NATIVE AUDIT_ARCH_AARCH64
#elif defined __riscv && __riscv_xlen == 64
#define NATIVE AUDIT_ARCH_RISCV64
#elif defined __ARM_EABI__
#define NATIVE AUDIT_ARCH_ARM
#else
#error "seccomp's name of this architecture"
#endif

#ifndef SECCOMP_FILTER_FLAG_TSYNC
#define SECCOMP_FILTER_FLAG_TSYNC (1UL << 0)
#endif
#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif

const uint32_t sandbox_filter_architecture = NATIVE;

// Beyond all rows; what is not among them, x32's numbers as well, is absent. But for what ARM has
// of its own: a processor's cache that is to see new code (what libffi writes), and a thread's
// pointer.
enum { NUMBERS = 512, RANGES_MAX = NUMBERS, ARM_FIRST = 0xf0002, ARM_COUNT = 4 };

// --- what the table says ---

enum sandbox_verdict sandbox_filter_verdict(unsigned number, bool programs)
{
    static const unsigned char table[NUMBERS] = {
#define CALL(name, verdict) [__NR_##name] = SANDBOX_##verdict,
#include "sandbox_calls.def"
#undef CALL
    };
    enum sandbox_verdict verdict = number < NUMBERS ? table[number] : SANDBOX_ABSENT;
#ifdef __arm__
    if (number - ARM_FIRST < ARM_COUNT)
        return SANDBOX_ALLOW;
#endif
    if (verdict == SANDBOX_PROGRAM)
        return programs ? SANDBOX_ALLOW : SANDBOX_DENY;
    return verdict;
}

// --- what becomes of a call, in BPF ---

// Of struct seccomp_data; the lower half of an argument, which comes first on both architectures.
// Those that are looked at are int, or have flags there alone.
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define LOAD_ARGUMENT(index) LOAD(offsetof(struct seccomp_data, args) + (index) * sizeof(uint64_t))
#define IF(condition, value, then, otherwise) \
    BPF_JUMP(BPF_JMP | (condition) | BPF_K, (uint32_t)(value), then, otherwise)
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, action)
#define ALLOWED ANSWER(SECCOMP_RET_ALLOW)
#define REFUSED(errnum) ANSWER(SECCOMP_RET_ERRNO | (errnum))

static const struct sock_filter absent[] = {REFUSED(ENOSYS)};
static const struct sock_filter allow[] = {ALLOWED};
static const struct sock_filter deny[] = {REFUSED(EPERM)};

static const struct sock_filter clone_call[] = {
    LOAD_ARGUMENT(0),
    IF(BPF_JSET,
       CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
           CLONE_NEWNET,
       1, 0),
    ALLOWED,
    REFUSED(EPERM),
};

static const struct sock_filter ioctl_call[] = {
    LOAD_ARGUMENT(1), IF(BPF_JEQ, TIOCSTI, 2, 0), IF(BPF_JEQ, TIOCLINUX, 1, 0), ALLOWED,
    REFUSED(EPERM),
};

static const struct sock_filter personality_call[] = {
    LOAD_ARGUMENT(0), IF(BPF_JEQ, UINT32_MAX, 1, 0), IF(BPF_JEQ, PER_LINUX, 0, 1), ALLOWED,
    REFUSED(EPERM),
};

// Keys of TLS are in it, and whoever may dump it may read them.
static const struct sock_filter prctl_call[] = {
    LOAD_ARGUMENT(0), IF(BPF_JEQ, PR_SET_DUMPABLE, 0, 2),
    LOAD_ARGUMENT(1), IF(BPF_JEQ, 0, 0, 1),
    ALLOWED,          REFUSED(EPERM),
};

static const struct sock_filter socket_call[] = {
    LOAD_ARGUMENT(0),
    IF(BPF_JEQ, AF_UNIX, 8, 0),
    IF(BPF_JEQ, AF_NETLINK, 7, 0),
    IF(BPF_JEQ, AF_INET, 2, 0),
    IF(BPF_JEQ, AF_INET6, 1, 0),
    REFUSED(EAFNOSUPPORT),
    LOAD_ARGUMENT(1),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf), // without SOCK_CLOEXEC and SOCK_NONBLOCK
    IF(BPF_JEQ, SOCK_RAW, 2, 0),
    IF(BPF_JEQ, SOCK_PACKET, 1, 0),
    ALLOWED,
    REFUSED(EPERM),
};

// What a program may do that has these bits is not for the worker to give away. Files that are made
// with them lose them as soon as anything is written: nobody here has CAP_FSETID.
#define MODE_CALL(argument) \
    LOAD_ARGUMENT(argument), IF(BPF_JSET, S_ISUID | S_ISGID, 1, 0), ALLOWED, REFUSED(EPERM)

static const struct sock_filter mode_second_call[] = {MODE_CALL(1)};
static const struct sock_filter mode_third_call[] = {MODE_CALL(2)};

// Of whom: 0 is the caller. Where new limits would be read is an address, both halves of it.
static const struct sock_filter limits_call[] = {
    LOAD_ARGUMENT(0),
    IF(BPF_JEQ, 0, 4, 0),
    LOAD_ARGUMENT(2),
    IF(BPF_JEQ, 0, 0, 3),
    LOAD(offsetof(struct seccomp_data, args) + 2 * sizeof(uint64_t) + sizeof(uint32_t)),
    IF(BPF_JEQ, 0, 0, 1),
    ALLOWED,
    REFUSED(EPERM),
};

enum { IO_PRIORITY_PROCESS = 1 }; // IOPRIO_WHO_PROCESS of linux/ioprio.h, which is newer

#define PRIORITY_CALL(process)                                                                     \
    LOAD_ARGUMENT(0), IF(BPF_JEQ, process, 0, 3), LOAD_ARGUMENT(1), IF(BPF_JEQ, 0, 0, 1), ALLOWED, \
        REFUSED(EPERM)

static const struct sock_filter priority_call[] = {PRIORITY_CALL(PRIO_PROCESS)};
static const struct sock_filter io_priority_call[] = {PRIORITY_CALL(IO_PRIORITY_PROCESS)};

static const struct sock_filter scheduling_call[] = {
    LOAD_ARGUMENT(0),
    IF(BPF_JEQ, 0, 0, 1),
    ALLOWED,
    REFUSED(EPERM),
};

struct block {
    const struct sock_filter *instructions;
    size_t count;
};

#define BLOCK(array)                              \
    {                                             \
        array, sizeof(array) / sizeof((array)[0]) \
    }

static const struct block blocks[] = {
    [SANDBOX_ABSENT] = BLOCK(absent),
    [SANDBOX_ALLOW] = BLOCK(allow),
    [SANDBOX_DENY] = BLOCK(deny),
    [SANDBOX_CLONE] = BLOCK(clone_call),
    [SANDBOX_IOCTL] = BLOCK(ioctl_call),
    [SANDBOX_PERSONALITY] = BLOCK(personality_call),
    [SANDBOX_PRCTL] = BLOCK(prctl_call),
    [SANDBOX_SOCKET] = BLOCK(socket_call),
    [SANDBOX_MODE_SECOND] = BLOCK(mode_second_call),
    [SANDBOX_MODE_THIRD] = BLOCK(mode_third_call),
    [SANDBOX_LIMITS] = BLOCK(limits_call),
    [SANDBOX_PRIORITY] = BLOCK(priority_call),
    [SANDBOX_IO_PRIORITY] = BLOCK(io_priority_call),
    [SANDBOX_SCHEDULING] = BLOCK(scheduling_call),
};

// --- the search ---

struct range {
    unsigned first; // number; it ends where the next begins
    enum sandbox_verdict verdict;
};

struct program {
    struct sock_filter *out;
    size_t count;
    struct range ranges[RANGES_MAX + 3];
};

static void add(struct program *program, const struct sock_filter *instructions, size_t count)
{
    must(program->count + count <= SANDBOX_FILTER_MAX);
    memcpy(program->out + program->count, instructions, count * sizeof *instructions);
    program->count += count;
}

// Adds what differs from the range before, of the numbers first to last; returns the new count.
static size_t add_ranges(struct range *ranges, size_t count, unsigned first, unsigned last,
                         bool programs)
{
    for (unsigned number = first; number <= last; number++) {
        enum sandbox_verdict verdict = sandbox_filter_verdict(number, programs);
        if (count == 0 || ranges[count - 1].verdict != verdict)
            ranges[count++] = (struct range){number, verdict};
    }
    return count;
}

static size_t find_ranges(struct range *ranges, bool programs)
{
    size_t count = add_ranges(ranges, 0, 0, NUMBERS, programs);
    return add_ranges(ranges, count, ARM_FIRST, ARM_FIRST + ARM_COUNT, programs);
}

// A jump over more instructions than fit into its eight bits goes by a second one.
static void jump_over(struct program *program, size_t at, unsigned number)
{
    size_t distance = program->count - at - 1;
    if (distance <= UINT8_MAX) {
        program->out[at] = (struct sock_filter)IF(BPF_JGE, number, (unsigned char)distance, 0);
        return;
    }
    must(program->count < SANDBOX_FILTER_MAX);
    memmove(program->out + at + 2, program->out + at + 1, distance * sizeof *program->out);
    program->count++;
    program->out[at] = (struct sock_filter)IF(BPF_JGE, number, 0, 1);
    program->out[at + 1] =
        (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA | BPF_K, (uint32_t)distance);
}

// Ranges first to last, both included; as deep as the logarithm of their count.
static void search(struct program *program, size_t first, size_t last)
{
    if (first == last) {
        const struct block *block = &blocks[program->ranges[first].verdict];
        add(program, block->instructions, block->count);
        return;
    }
    size_t middle = first + (last - first + 1) / 2, at = program->count;
    add(program, allow, 1); // room for the comparison
    search(program, first, middle - 1);
    jump_over(program, at, program->ranges[middle].first);
    search(program, middle, last);
}

size_t sandbox_filter_build(struct sock_filter *out, bool programs)
{
    static const struct sock_filter head[] = {
        LOAD(offsetof(struct seccomp_data, arch)),
        IF(BPF_JEQ, NATIVE, 1, 0),
        ANSWER(SECCOMP_RET_KILL_PROCESS),
        LOAD(offsetof(struct seccomp_data, nr)),
    };
    struct program program = {.out = out};
    add(&program, head, sizeof head / sizeof head[0]);
    search(&program, 0, find_ranges(program.ranges, programs) - 1);
    return program.count;
}

// --- the kernel ---

bool sandbox_filter_is_there(void)
{
    uint32_t action = SECCOMP_RET_ERRNO;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

// Without SPEC_ALLOW, kernels before 5.16 switch a part of the processor's speculation off for the
// process, which costs far more than the filter.
int sandbox_filter_enter(bool programs, struct err *err)
{
    static const unsigned long flags[] = {
        SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, SECCOMP_FILTER_FLAG_TSYNC};
    struct sock_filter instructions[SANDBOX_FILTER_MAX];
    struct sock_fprog program = {.filter = instructions};
    program.len = (unsigned short)sandbox_filter_build(instructions, programs);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags[i], &program);
        if (result == 0)
            return 0;
        if (result > 0) // a thread that goes by a filter of its own
            return err_set(err, ERR_FAILED, "--sandbox: thread %ld cannot be confined", result);
        if (errno != EINVAL)
            break;
    }
    return err_system(err, errno, "--sandbox: cannot filter system calls");
}

#ifdef __SANITIZE_ADDRESS__
// LeakSanitizer looks at a process as a debugger does, and ends one that may not be looked at with
// a failure: what is confined, as every program that a worker runs, goes without.
int __lsan_is_turned_off(void);

int __lsan_is_turned_off(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}
#endif

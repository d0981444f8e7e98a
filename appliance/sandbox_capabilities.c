// sandbox_capabilities.c - of what root may do, the part that servers do: who files belong to,
// ports below 1024, becoming somebody else. Not: mounts, modules, networks, devices, the clock,
// tracing.
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_priv.h"

enum { CAPABILITIES_MAX = 64 };

// Without CAP_FSETID: it would let files keep setuid and setgid bits while they are written.
static const unsigned char kept[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,          CAP_KILL,
                                     CAP_SETGID, CAP_SETUID,       CAP_NET_BIND_SERVICE};

static bool is_kept(unsigned capability)
{
    for (size_t i = 0; i < sizeof kept; i++) {
        if (kept[i] == capability)
            return true;
    }
    return false;
}

void sandbox_drop_bounds(bool stays_root)
{
    // Who may not do it has none to lose; numbers beyond the kernel's are refused, too.
    for (unsigned i = 0; i < CAPABILITIES_MAX; i++) {
        if (!stays_root || !is_kept(i))
            prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    }
}

int sandbox_keep_capabilities(struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, sets) < 0)
        return err_system(err, errno, "--sandbox: cannot read capabilities");
    bool changes = false;
    for (unsigned i = 0; i < CAPABILITIES_MAX; i++) {
        __u32 bit = CAP_TO_MASK(i);
        struct __user_cap_data_struct *set = &sets[CAP_TO_INDEX(i)];
        if (is_kept(i) || ((set->permitted | set->effective | set->inheritable) & bit) == 0)
            continue;
        changes = true;
        set->permitted &= ~bit;
        set->effective &= ~bit;
        set->inheritable &= ~bit;
    }
    // Where capset is refused, there is nothing to drop either. Ambient ones are inheritable.
    if (!changes && sets[0].inheritable == 0 && sets[1].inheritable == 0)
        return 0;
    // Kernels before 4.3 have no such set.
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return err_system(err, errno, "--sandbox: cannot drop ambient capabilities");
    if (syscall(SYS_capset, &header, sets) < 0)
        return err_system(err, errno, "--sandbox: cannot drop capabilities");
    return 0;
}

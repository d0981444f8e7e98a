// crash_frames.c - which functions of C were under way, by the tables that gcc leaves for it and
// libgcc's unwinder. No names: the binary has none, limpet.debug does.
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <unwind.h>

#include "crash_priv.h"

enum {
    FRAMES_MAX = 64,
    OWN_FRAMES_MAX = 16, // of the handler, before the first that counts
    ADDRESS_DIGITS = 16,
};

// A process is one program.
static struct {
    uintptr_t bias; // of addresses, against those it was linked for
    uintptr_t code, code_end;
    void *tables; // .eh_frame_hdr
    const unsigned char *build_id;
    size_t build_id_size;
} image;

// --- The machine's registers, as a signal finds them ---

#if defined __x86_64__

static uintptr_t position_of(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

// As a function does that has just been called and returns, but for the call itself, which is
// where the caller is.
static void leave_function(ucontext_t *context)
{
    greg_t *registers = context->uc_mcontext.gregs;
    registers[REG_RIP] = (greg_t)(*(uintptr_t *)registers[REG_RSP] - 1);
    registers[REG_RSP] += (greg_t)sizeof(uintptr_t);
}

#elif defined __aarch64__

static uintptr_t position_of(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.pc;
}

static void leave_function(ucontext_t *context)
{
    context->uc_mcontext.pc = context->uc_mcontext.regs[30] - 1;
}

#elif defined __riscv

static uintptr_t position_of(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.__gregs[0]; // that of x0, which is always 0
}

static void leave_function(ucontext_t *context)
{
    context->uc_mcontext.__gregs[0] = context->uc_mcontext.__gregs[1] - 1;
}

#elif defined __arm__

static uintptr_t position_of(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.arm_pc;
}

// Of musl: its one function in assembly that waits, in which a system call can be cancelled.
extern const char __cp_begin[] __attribute__((visibility("hidden")));
extern const char __cp_end[] __attribute__((visibility("hidden")));

static void leave_function(ucontext_t *context)
{
    mcontext_t *registers = &context->uc_mcontext;
    if (registers->arm_pc >= (uintptr_t)__cp_begin && registers->arm_pc <= (uintptr_t)__cp_end) {
        // It has put four of its caller's registers on the stack.
        const unsigned long *kept = (const unsigned long *)registers->arm_sp;
        registers->arm_r4 = kept[0];
        registers->arm_r5 = kept[1];
        registers->arm_r6 = kept[2];
        registers->arm_r7 = kept[3];
        registers->arm_sp = (uintptr_t)(kept + 4);
    }
    // Its lowest bit tells Thumb.
    registers->arm_pc = (registers->arm_lr & ~1UL) - 1;
}

#else
#error "which registers of this machine are the program counter and the stack pointer"
#endif

// --- The program's headers ---

static size_t aligned(size_t size, size_t alignment)
{
    return (size + alignment - 1) / alignment * alignment;
}

static void note_notes(const unsigned char *at, const ElfW(Phdr) * header)
{
    const unsigned char *end = at + header->p_memsz;
    size_t alignment = header->p_align == 8 ? 8 : 4;
    while ((size_t)(end - at) > sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
        const unsigned char *name = at + sizeof *note;
        size_t content = aligned(sizeof *note + note->n_namesz, alignment);
        size_t size = content + aligned(note->n_descsz, alignment);
        if (size > (size_t)(end - at))
            return;
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == sizeof ELF_NOTE_GNU &&
            memcmp(name, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0) {
            image.build_id = at + content;
            image.build_id_size = note->n_descsz;
        }
        at += size;
    }
}

// The program itself is the first there is.
static int note_program(struct dl_phdr_info *info, size_t size, void *owner)
{
    (void)size, (void)owner;
    image.bias = info->dlpi_addr;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD && (header->p_flags & PF_X)) {
            image.code = start;
            image.code_end = start + header->p_memsz;
        } else if (header->p_type == PT_GNU_EH_FRAME) {
            image.tables = (void *)start;
        } else if (header->p_type == PT_NOTE) {
            note_notes((const unsigned char *)start, header);
        }
    }
    return 1;
}

void crash_add_build_id(struct crash_text *text)
{
    crash_text_add(text, image.build_id_size > 0 ? "build id " : "no build id");
    for (size_t i = 0; i < image.build_id_size; i++)
        crash_text_add_hex(text, image.build_id[i], 2);
}

#if !defined __GLIBC__ && !defined __arm__
// libgcc was made for glibc, which it asks for the tables of an address; musl has no answer. The
// struct is that of glibc's <dlfcn.h>.
struct dl_find_object {
    unsigned long long flags;
    void *map_start;
    void *map_end;
    void *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};

int _dl_find_object(void *address, struct dl_find_object *found);

// Of musl: what a signal's handler returns to.
extern const char __restore_rt[] __attribute__((visibility("hidden")));

__attribute__((used)) int _dl_find_object(void *address, struct dl_find_object *found)
{
    uintptr_t at = (uintptr_t)address;
    if (image.tables == NULL || at < image.code || at >= image.code_end)
        return -1;
    // An address is looked up by the byte before it, that of the call which returns there. This
    // one is behind no call but whatever the linker has put there, whose table would lead astray.
    // Without any, libgcc knows the code.
    if (at + 1 == (uintptr_t)__restore_rt)
        return -1;
    *found = (struct dl_find_object){
        .map_start = (void *)image.code,
        .map_end = (void *)image.code_end,
        .eh_frame = image.tables,
    };
    return 0;
}
#endif

// --- Frames ---

struct walk {
    ucontext_t *context; // of the first frame that counts
    bool left;           // it is a call's, a byte before where that returns to
    bool begun;
    bool in_main;     // the frame before was main's
    unsigned skipped; // before the first that counts
    unsigned count;
};

static void write_frame(struct walk *walk, uintptr_t address, bool is_call)
{
    struct crash_text text = {.size = 0};
    crash_text_add(&text, "    #");
    crash_text_add_decimal(&text, walk->count++, 1);
    crash_text_add(&text, " 0x");
    crash_text_add_hex(&text, address, ADDRESS_DIGITS);
    if (address >= image.code && address <= image.code_end) {
        crash_text_add(&text, " limpet+0x");
        // What is behind a call that never returns may be another function.
        crash_text_add_hex(&text, address - image.bias - is_call, 1);
    }
    crash_text_add(&text, "\n");
    crash_text_write(&text);
}

#ifdef __arm__

enum {
    // Those of this machine (EHABI, .ARM.exidx) are true where calls are made, and a signal comes
    // anywhere: before a function has put on the stack what its table takes from there, say.
    TABLES_TELL_OF_SIGNALS = false
};

// A function's registers, as libgcc's _Unwind_Backtrace hands them over: the tables have no word
// for a signal's frame, so that the way from the handler back is closed to it. It is begun where
// the signal came from instead.
struct arm_registers {
    uintptr_t to_be_saved; // of the floating-point unit's; it is libgcc that sets it
    uintptr_t core[16];
};

_Unwind_Reason_Code __gnu_Unwind_Backtrace(_Unwind_Trace_Fn visit, void *owner,
                                           struct arm_registers *registers);

static void walk_from(const ucontext_t *context, _Unwind_Trace_Fn visit, void *owner)
{
    struct arm_registers registers = {.to_be_saved = 0};
    // They stand one behind the other, from r0 on.
    memcpy(registers.core, &context->uc_mcontext.arm_r0, sizeof registers.core);
    // That function goes on as if it were called by the one whose registers these are: the position
    // is made of lr, and functions are looked up by two bytes before where a call returns to.
    registers.core[14] = registers.core[15] + 2;
    __gnu_Unwind_Backtrace(visit, owner, &registers);
}

// The first is. What stood in its lr is there again for what leads to its caller.
static bool is_start(struct _Unwind_Context *function, const struct walk *walk, uintptr_t address)
{
    (void)address;
    _Unwind_SetGR(function, 14, walk->context->uc_mcontext.arm_lr);
    return true;
}

static _Unwind_Reason_Code visit_start(struct _Unwind_Context *context, void *visited)
{
    (void)context;
    *(bool *)visited = true;
    return _URC_END_OF_STACK;
}

// Whether there are tables that lead from the signal's function to its caller.
static bool has_tables(const ucontext_t *context)
{
    bool visited = false;
    walk_from(context, visit_start, &visited);
    return visited;
}

#else

enum { TABLES_TELL_OF_SIGNALS = true };

static void walk_from(const ucontext_t *context, _Unwind_Trace_Fn visit, void *owner)
{
    (void)context; // which the handler's frame leads to
    _Unwind_Backtrace(visit, owner);
}

static bool is_start(struct _Unwind_Context *function, const struct walk *walk, uintptr_t address)
{
    (void)function;
    return address == position_of(walk->context);
}

// Whether there are tables that lead from the signal's function to its caller.
static bool has_tables(const ucontext_t *context)
{
    return _Unwind_FindEnclosingFunction((void *)(position_of(context) + 1)) != NULL;
}

#endif

int main(int argc, char **argv);

static bool is_in_main(struct _Unwind_Context *function)
{
    return (_Unwind_GetRegionStart(function) | 1) == ((uintptr_t)main | 1); // 1: tells ARM's Thumb
}

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *owner)
{
    struct walk *walk = owner;
    int exact = 0;
    uintptr_t address = _Unwind_GetIPInfo(context, &exact);
    bool first = !walk->begun && is_start(context, walk, address);
    walk->begun |= first;
    if (!walk->begun)
        return ++walk->skipped < OWN_FRAMES_MAX ? _URC_NO_REASON : _URC_END_OF_STACK;
    if (address == 0 && walk->count > 0)
        return _URC_END_OF_STACK;
    if (walk->count == FRAMES_MAX) {
        struct crash_text text = {.size = 0};
        crash_text_add(&text, "    ...\n");
        crash_text_write(&text);
        return _URC_END_OF_STACK;
    }
    if (first)
        write_frame(walk, position_of(walk->context) + walk->left, walk->left);
    else
        write_frame(walk, address, !exact);
    // Nothing leads from main's caller to the kernel: where it would return to is what an earlier
    // program left in a register.
    bool last = walk->in_main;
    walk->in_main = is_in_main(context);
    return last ? _URC_END_OF_STACK : _URC_NO_REASON;
}

static void leave_to_caller(struct walk *walk)
{
    leave_function(walk->context);
    walk->left = true;
    walk->begun = false;
}

void crash_write_frames(ucontext_t *context)
{
    mcontext_t kept = context->uc_mcontext;
    uintptr_t position = position_of(context);
    struct walk walk = {.context = context};
    // What has no tables is in assembly, and has nothing on the stack, or is no function at all: a
    // wrong pointer was called. The caller is where it would return to.
    if (!has_tables(context)) {
        write_frame(&walk, position, false);
        leave_to_caller(&walk);
    }
    walk_from(context, visit, &walk);
    if (walk.count == 1 && !walk.left && !TABLES_TELL_OF_SIGNALS) {
        leave_to_caller(&walk);
        if (has_tables(context))
            walk_from(context, visit, &walk);
    }
    if (walk.count == 0)
        write_frame(&walk, position, false);
    context->uc_mcontext = kept;
}

static _Unwind_Reason_Code visit_one(struct _Unwind_Context *context, void *owner)
{
    (void)context, (void)owner;
    return _URC_END_OF_STACK;
}

void crash_frames_init(void)
{
    if (image.code != 0)
        return;
    dl_iterate_phdr(note_program, NULL);
    _Unwind_Backtrace(visit_one, NULL);
}

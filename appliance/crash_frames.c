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
// where the caller is. The position.
static uintptr_t leave_function(ucontext_t *context)
{
    greg_t *registers = context->uc_mcontext.gregs;
    registers[REG_RIP] = (greg_t)(*(uintptr_t *)registers[REG_RSP] - 1);
    registers[REG_RSP] += (greg_t)sizeof(uintptr_t);
    return position_of(context);
}

#elif defined __aarch64__

static uintptr_t position_of(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.pc;
}

static uintptr_t leave_function(ucontext_t *context)
{
    context->uc_mcontext.pc = context->uc_mcontext.regs[30] - 1;
    return position_of(context);
}

#elif defined __riscv

static uintptr_t position_of(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.__gregs[0]; // that of x0, which is always 0
}

static uintptr_t leave_function(ucontext_t *context)
{
    context->uc_mcontext.__gregs[0] = context->uc_mcontext.__gregs[1] - 1;
    return position_of(context);
}

#elif defined __arm__

static uintptr_t position_of(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.arm_pc;
}

static uintptr_t leave_function(ucontext_t *context)
{
    // Its lowest bit tells Thumb, whose calls are two bytes at least.
    context->uc_mcontext.arm_pc = (context->uc_mcontext.arm_lr & ~1UL) - 2;
    return position_of(context);
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

#ifndef __GLIBC__
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
    uintptr_t start; // the first frame that counts
    bool left;       // it is a call's, a byte before where that returns to
    bool begun;
    unsigned skipped; // before it
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

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *owner)
{
    struct walk *walk = owner;
    int exact = 0;
    uintptr_t address = _Unwind_GetIPInfo(context, &exact);
    bool first = !walk->begun && address == walk->start;
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
        write_frame(walk, address + walk->left, walk->left);
    else
        write_frame(walk, address, !exact);
    return _URC_NO_REASON;
}

// Whether there are tables that lead from there to its caller.
static bool has_tables(uintptr_t position)
{
#ifdef __arm__
    // Which has an index of its own kind, of all code.
    return position >= image.code && position < image.code_end;
#else
    return _Unwind_FindEnclosingFunction((void *)(position + 1)) != NULL;
#endif
}

void crash_write_frames(ucontext_t *context)
{
    mcontext_t kept = context->uc_mcontext;
    uintptr_t position = position_of(context);
    struct walk walk = {.start = position};
    // What has no tables is in assembly, and has nothing on the stack, or is no function at all: a
    // wrong pointer was called. The caller is where it would return to.
    if (!has_tables(position)) {
        write_frame(&walk, position, false);
        walk.start = leave_function(context);
        walk.left = true;
    }
    _Unwind_Backtrace(visit, &walk);
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

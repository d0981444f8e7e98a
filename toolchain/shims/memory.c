// memory.c - memcpy, memmove, memset, memcmp, memchr and memrchr for x86-64 and aarch64, in place
// of musl's: an interpreter copies and compares small pieces all day, and musl's versions cost it a
// factor. On other machines this file is empty and musl's own serve.
//
// One idea carries all of them: 16 bytes at a time, and where the size is no multiple of 16, the
// last 16 bytes once more (overlapping what was done) instead of a loop over the rest. Nothing
// outside the given ranges is ever read or written, so they are right at the edge of a mapping and
// under tools that watch every access.
//
// The linker takes these instead of musl's because the object comes before libc.a. The compiler
// knows the functions by name, so that a test gives them other names (MEMORY_NAME).
#if defined(__x86_64__) || (defined(__aarch64__) && defined(__AARCH64EL__))

#include <stddef.h>
#include <stdint.h>

#ifdef __x86_64__
#include <cpuid.h>
#else
#include <arm_neon.h>
#endif

#ifndef MEMORY_NAME
#define MEMORY_NAME(name) name
#endif
#define MEMORY_STRING(text) MEMORY_STRING_OF(text)
#define MEMORY_STRING_OF(text) #text

// A loop that copies would otherwise be recognised as memcpy and become a call to itself.
#ifdef __clang__
#define NO_SELF_CALL __attribute__((no_builtin))
#else
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#define NO_SELF_CALL
#endif

// Link-time optimisation sees no caller of these until it has made calls of its own: keep them.
#define PUBLIC __attribute__((used, noinline)) NO_SELF_CALL
#define INLINE static inline __attribute__((always_inline)) NO_SELF_CALL

void *MEMORY_NAME(memmove)(void *destination, const void *source, size_t size);
void *MEMORY_NAME(memset)(void *destination, int byte, size_t size);
int MEMORY_NAME(memcmp)(const void *left, const void *right, size_t size);
void *MEMORY_NAME(memchr)(const void *memory, int byte, size_t size);
void *MEMORY_NAME(memrchr)(const void *memory, int byte, size_t size);

// ---- Pieces of memory, at any alignment and of any type -----------------------------------------

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef bytes16 any16 __attribute__((aligned(1), may_alias));
typedef uint64_t any8 __attribute__((aligned(1), may_alias));
typedef uint32_t any4 __attribute__((aligned(1), may_alias));
typedef uint16_t any2 __attribute__((aligned(1), may_alias));

INLINE bytes16 load16(const unsigned char *p)
{
    return *(const any16 *)p;
}

INLINE uint64_t load8(const unsigned char *p)
{
    return *(const any8 *)p;
}

INLINE uint32_t load4(const unsigned char *p)
{
    return *(const any4 *)p;
}

INLINE uint16_t load2(const unsigned char *p)
{
    return *(const any2 *)p;
}

INLINE void store16(unsigned char *p, bytes16 value)
{
    *(any16 *)p = value;
}

INLINE void store8(unsigned char *p, uint64_t value)
{
    *(any8 *)p = value;
}

INLINE void store4(unsigned char *p, uint32_t value)
{
    *(any4 *)p = value;
}

INLINE void store2(unsigned char *p, uint16_t value)
{
    *(any2 *)p = value;
}

INLINE bytes16 repeat16(int byte)
{
    return (bytes16){0} + (uint8_t)byte;
}

// ---- Which of 16 bytes are equal ----------------------------------------------------------------

// A comparison yields a byte of ones for each pair of equal bytes, a byte of zeros for each other.
// As a number, which can be tested and searched, that is LANE_BITS bits a byte, the first byte's
// lowest.
typedef int8_t equal16 __attribute__((vector_size(16)));

#ifdef __x86_64__
enum { LANE_BITS = 1 };
#define ALL_LANES UINT64_C(0xffff)

INLINE uint64_t lanes(equal16 equal)
{
    typedef char chars16 __attribute__((vector_size(16)));
    return (uint64_t)(unsigned)__builtin_ia32_pmovmskb128((chars16)equal);
}
#else
enum { LANE_BITS = 4 };
#define ALL_LANES UINT64_MAX

// No instruction takes one bit from each byte here; dropping half of each byte is the cheapest
// thing like it.
INLINE uint64_t lanes(equal16 equal)
{
    uint8x8_t narrow = vshrn_n_u16((uint16x8_t)equal, 4);
    return vget_lane_u64(vreinterpret_u64_u8(narrow), 0);
}
#endif

// The lanes of the first size bytes, fewer than 16.
INLINE uint64_t lanes_below(size_t size)
{
    return (UINT64_C(1) << (size * LANE_BITS)) - 1;
}

// The index of the first and the last byte marked in lanes, which must not be 0.
INLINE size_t first_lane(uint64_t lanes)
{
    return (size_t)__builtin_ctzll(lanes) / LANE_BITS;
}

INLINE size_t last_lane(uint64_t lanes)
{
    return (size_t)(63 - __builtin_clzll(lanes)) / LANE_BITS;
}

// ---- The processor's own string instructions ----------------------------------------------------

// From this size on "rep movsb" and "rep stosb" beat 16-byte moves, where the processor has them in
// the fast form (ERMS). Until the constructor has asked it, no size is large enough, which is right
// everywhere.
#ifdef __x86_64__
enum { STRING_COPY_PAYS = 2048, STRING_SET_PAYS = 2048 }; // bytes, measured

static size_t string_copy_from = SIZE_MAX;
static size_t string_set_from = SIZE_MAX;

// A constructor, because there is nobody to call: the first copies happen before main.
__attribute__((constructor)) static void ask_processor(void)
{
    const unsigned enhanced_rep = 1U << 9; // in EBX of leaf 7, subleaf 0
    unsigned eax, ebx, ecx, edx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || (ebx & enhanced_rep) == 0)
        return;
    string_copy_from = STRING_COPY_PAYS;
    string_set_from = STRING_SET_PAYS;
}

INLINE void string_copy(unsigned char *to, const unsigned char *from, size_t size)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

INLINE void string_set(unsigned char *to, int byte, size_t size)
{
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
}
#endif

// ---- Copying ------------------------------------------------------------------------------------

// All small copies load everything before they store anything, so that overlap does not matter to
// them.
INLINE void copy_up_to_16(unsigned char *to, const unsigned char *from, size_t size)
{
    if (size >= 8) {
        uint64_t head = load8(from), tail = load8(from + size - 8);
        store8(to, head);
        store8(to + size - 8, tail);
    } else if (size >= 4) {
        uint32_t head = load4(from), tail = load4(from + size - 4);
        store4(to, head);
        store4(to + size - 4, tail);
    } else if (size >= 2) {
        uint16_t head = load2(from), tail = load2(from + size - 2);
        store2(to, head);
        store2(to + size - 2, tail);
    } else if (size == 1) {
        *to = *from;
    }
}

INLINE void copy_up_to_32(unsigned char *to, const unsigned char *from, size_t size)
{
    bytes16 head = load16(from), tail = load16(from + size - 16);
    store16(to, head);
    store16(to + size - 16, tail);
}

struct block64 {
    bytes16 part[4];
};

INLINE struct block64 load64(const unsigned char *p)
{
    return (struct block64){{load16(p), load16(p + 16), load16(p + 32), load16(p + 48)}};
}

INLINE void store64(unsigned char *p, struct block64 block)
{
    store16(p, block.part[0]);
    store16(p + 16, block.part[1]);
    store16(p + 32, block.part[2]);
    store16(p + 48, block.part[3]);
}

INLINE void copy_up_to_64(unsigned char *to, const unsigned char *from, size_t size)
{
    bytes16 head = load16(from), second = load16(from + 16);
    bytes16 last_but_one = load16(from + size - 32), tail = load16(from + size - 16);
    store16(to, head);
    store16(to + 16, second);
    store16(to + size - 32, last_but_one);
    store16(to + size - 16, tail);
}

INLINE void copy_up_to_128(unsigned char *to, const unsigned char *from, size_t size)
{
    struct block64 head = load64(from), tail = load64(from + size - 64);
    store64(to, head);
    store64(to + size - 64, tail);
}

// More than 128 bytes, first to last: right unless the destination starts inside the source. What
// an overlapping destination would overwrite before its turn comes, the two ends, is loaded first
// and stored last. The stores between them are aligned, as every one that crosses a cache line
// costs double.
INLINE void copy_forward(unsigned char *to, const unsigned char *from, size_t size)
{
    bytes16 head = load16(from);
    struct block64 tail = load64(from + size - 64);
    unsigned char *end = to + size - 64;
    size_t skip = 16 - ((uintptr_t)to & 15);
    unsigned char *p = to + skip;
    for (const unsigned char *q = from + skip; p < end; p += 64, q += 64)
        store64(p, load64(q));
    store64(end, tail);
    store16(to, head);
}

// The same, last to first: right unless the source starts inside the destination.
INLINE void copy_backward(unsigned char *to, const unsigned char *from, size_t size)
{
    struct block64 head = load64(from);
    bytes16 tail = load16(from + size - 16);
    unsigned char *end = to + size;
    size_t skip = (uintptr_t)end & 15;
    unsigned char *p = end - skip;
    for (const unsigned char *q = from + size - skip; p > to + 64; p -= 64, q -= 64)
        store64(p - 64, load64(q - 64));
    store64(to, head);
    store16(end - 16, tail);
}

PUBLIC void *MEMORY_NAME(memmove)(void *destination, const void *source, size_t size)
{
    unsigned char *to = destination;
    const unsigned char *from = source;
    size_t ahead = (size_t)to - (size_t)from; // wraps: large when the destination comes first
    if (size <= 16)
        copy_up_to_16(to, from, size);
    else if (size <= 32)
        copy_up_to_32(to, from, size);
    else if (size <= 64)
        copy_up_to_64(to, from, size);
    else if (size <= 128)
        copy_up_to_128(to, from, size);
    else if (ahead < size)
        copy_backward(to, from, size);
#ifdef __x86_64__
    // Overlapping ranges turn the string instruction slow.
    else if (size >= string_copy_from && 0 - ahead >= size)
        string_copy(to, from, size);
#endif
    else
        copy_forward(to, from, size);
    return destination;
}

// Two names for one function: a single copy of it stays in the cache, and callers of memcpy whose
// ranges overlap against the rules get what they meant.
void *MEMORY_NAME(memcpy)(void *destination, const void *source, size_t size)
    __attribute__((alias(MEMORY_STRING(MEMORY_NAME(memmove)))));

// ---- Filling ------------------------------------------------------------------------------------

INLINE void set_up_to_16(unsigned char *to, bytes16 pattern, size_t size)
{
    typedef uint64_t words16 __attribute__((vector_size(16)));
    uint64_t word = ((words16)pattern)[0];
    if (size >= 8) {
        store8(to, word);
        store8(to + size - 8, word);
    } else if (size >= 4) {
        store4(to, (uint32_t)word);
        store4(to + size - 4, (uint32_t)word);
    } else if (size >= 2) {
        store2(to, (uint16_t)word);
        store2(to + size - 2, (uint16_t)word);
    } else if (size == 1) {
        *to = (unsigned char)word;
    }
}

INLINE void set_up_to_64(unsigned char *to, bytes16 pattern, size_t size)
{
    store16(to, pattern);
    store16(to + size - 16, pattern);
    if (size <= 32)
        return;
    store16(to + 16, pattern);
    store16(to + size - 32, pattern);
}

INLINE void set_aligned(unsigned char *to, bytes16 pattern, size_t size)
{
    struct block64 block = {{pattern, pattern, pattern, pattern}};
    unsigned char *end = to + size - 64;
    store16(to, pattern);
    for (unsigned char *p = to + 16 - ((uintptr_t)to & 15); p < end; p += 64)
        store64(p, block);
    store64(end, block);
}

PUBLIC void *MEMORY_NAME(memset)(void *destination, int byte, size_t size)
{
    unsigned char *to = destination;
    bytes16 pattern = repeat16(byte);
    if (size <= 16)
        set_up_to_16(to, pattern, size);
    else if (size <= 64)
        set_up_to_64(to, pattern, size);
#ifdef __x86_64__
    else if (size >= string_set_from)
        string_set(to, byte, size);
#endif
    else
        set_aligned(to, pattern, size);
    return destination;
}

// ---- Comparing ----------------------------------------------------------------------------------

// The sign of the first difference of two equally long big-endian numbers is that of the bytes.
INLINE int order(uint64_t left, uint64_t right)
{
    return (left > right) - (left < right);
}

INLINE int compare_up_to_16(const unsigned char *left, const unsigned char *right, size_t size)
{
    if (size >= 8) {
        uint64_t a = load8(left), b = load8(right);
        if (a == b) {
            a = load8(left + size - 8);
            b = load8(right + size - 8);
        }
        return order(__builtin_bswap64(a), __builtin_bswap64(b));
    }
    if (size >= 4) {
        uint64_t a = (uint64_t)__builtin_bswap32(load4(left)) << 32;
        uint64_t b = (uint64_t)__builtin_bswap32(load4(right)) << 32;
        return order(a | __builtin_bswap32(load4(left + size - 4)),
                     b | __builtin_bswap32(load4(right + size - 4)));
    }
    if (size == 0)
        return 0;
    size_t middle = size / 2;
    uint32_t a = (uint32_t)(left[0] << 16 | left[middle] << 8 | left[size - 1]);
    uint32_t b = (uint32_t)(right[0] << 16 | right[middle] << 8 | right[size - 1]);
    return order(a, b);
}

// As memcmp, for 16 bytes.
INLINE int compare_16(const unsigned char *left, const unsigned char *right)
{
    uint64_t unequal = lanes(load16(left) == load16(right)) ^ ALL_LANES;
    if (unequal == 0)
        return 0;
    size_t i = first_lane(unequal);
    return left[i] - right[i];
}

INLINE int is_equal_64(const unsigned char *left, const unsigned char *right)
{
    struct block64 a = load64(left), b = load64(right);
    equal16 equal = (a.part[0] == b.part[0]) & (a.part[1] == b.part[1]) & (a.part[2] == b.part[2]) &
                    (a.part[3] == b.part[3]);
    return lanes(equal) == ALL_LANES;
}

PUBLIC int MEMORY_NAME(memcmp)(const void *left, const void *right, size_t size)
{
    const unsigned char *a = left, *b = right;
    if (size <= 16)
        return compare_up_to_16(a, b, size);
    for (; size >= 128 && is_equal_64(a, b); size -= 64) {
        a += 64;
        b += 64;
    }
    for (; size > 16; size -= 16) {
        int difference = compare_16(a, b);
        if (difference != 0)
            return difference;
        a += 16;
        b += 16;
    }
    return compare_16(a + size - 16, b + size - 16);
}

// ---- Searching ----------------------------------------------------------------------------------

// The lanes of the bytes equal to the pattern's, in a piece of fewer than 16 bytes.
INLINE uint64_t lanes_in_short(const unsigned char *p, size_t size, bytes16 pattern)
{
    typedef uint64_t words16 __attribute__((vector_size(16)));
    words16 piece = {0, 0};
    if (size >= 8) {
        piece[0] = load8(p);
        // In two steps, as a shift by 64 is undefined.
        piece[1] = load8(p + size - 8) >> 1 >> (127 - 8 * size);
    } else if (size >= 4) {
        piece[0] = load4(p) | (uint64_t)load4(p + size - 4) << (8 * (size - 4));
    } else if (size > 0) {
        size_t middle = size / 2;
        piece[0] = p[0] | (uint64_t)p[middle] << (8 * middle);
        piece[0] |= (uint64_t)p[size - 1] << (8 * (size - 1));
    }
    return lanes((bytes16)piece == pattern) & lanes_below(size);
}

INLINE void *first_in(const unsigned char *p, uint64_t found)
{
    return found != 0 ? (void *)((uintptr_t)p + first_lane(found)) : NULL;
}

INLINE void *last_in(const unsigned char *p, uint64_t found)
{
    return found != 0 ? (void *)((uintptr_t)p + last_lane(found)) : NULL;
}

INLINE int is_in_64(const unsigned char *p, bytes16 pattern)
{
    struct block64 block = load64(p);
    equal16 found = (block.part[0] == pattern) | (block.part[1] == pattern) |
                    (block.part[2] == pattern) | (block.part[3] == pattern);
    return lanes(found) != 0;
}

// From an aligned address on.
INLINE void *find_aligned(const unsigned char *p, bytes16 pattern, size_t size)
{
    for (; size >= 16; size -= 16) {
        while (((uintptr_t)p & 63) == 0 && size >= 128 && !is_in_64(p, pattern)) {
            p += 64;
            size -= 64;
        }
        uint64_t found = lanes(load16(p) == pattern);
        if (found != 0)
            return first_in(p, found);
        p += 16;
    }
    return first_in(p, lanes_in_short(p, size, pattern));
}

// A caller may name a size far beyond the end of the memory when it knows that the byte comes
// before (C17 7.24.5.1; musl's printf does so with every %s). So no load may reach into a page
// behind the one where the byte is found: aligned loads never do, and the first, unaligned one is
// watched.
PUBLIC void *MEMORY_NAME(memchr)(const void *memory, int byte, size_t size)
{
    enum { PAGE = 4096 }; // the smallest there is
    const unsigned char *p = memory;
    bytes16 pattern = repeat16(byte);
    size_t page_left = PAGE - ((uintptr_t)p & (PAGE - 1));
    if (size < 16 && size <= page_left)
        return first_in(p, lanes_in_short(p, size, pattern));
    if (page_left < 16) {
        uint64_t found = lanes_in_short(p, page_left, pattern);
        if (found != 0)
            return first_in(p, found);
        return find_aligned(p + page_left, pattern, size - page_left);
    }
    uint64_t found = lanes(load16(p) == pattern);
    if (found != 0)
        return first_in(p, found);
    size_t skip = 16 - ((uintptr_t)p & 15);
    return find_aligned(p + skip, pattern, size - skip);
}

PUBLIC void *MEMORY_NAME(memrchr)(const void *memory, int byte, size_t size)
{
    const unsigned char *start = memory;
    bytes16 pattern = repeat16(byte);
    if (size < 16)
        return last_in(start, lanes_in_short(start, size, pattern));
    while (size >= 128 && !is_in_64(start + size - 64, pattern))
        size -= 64;
    for (; size > 16; size -= 16) {
        uint64_t found = lanes(load16(start + size - 16) == pattern);
        if (found != 0)
            return last_in(start + size - 16, found);
    }
    return last_in(start, lanes(load16(start) == pattern));
}

#else
typedef int memory_is_musl_s; // a translation unit may not be empty
#endif

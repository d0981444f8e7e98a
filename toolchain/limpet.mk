# limpet.mk - compiles and links limpet itself, its unit tests and its fuzzers. Called by build.sh, which passes:
#   OUT              folder for everything made here
#   CC TARGET_STATIC COMPILE_FLAGS LINK_FLAGS   by target and profile
#   PYTHON           prefix of the CPython recipe;  PARTS  prefixes of the other libraries
#   BUILD_PYTHON     a CPython of the same version that runs here (freezes, packs)
#   TOOLS            what the names of the target's binutils begin with
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wvla \
            -fno-common -Werror
# The seed: what link-time optimisation finds in an object is named by chance otherwise, and no build is like another.
FLAGS = -D_GNU_SOURCE -std=gnu17 $(WARNINGS) -ffunction-sections -fdata-sections $(COMPILE_FLAGS) -frandom-seed=$(@:$(OUT)/%=%) \
         -Iappliance -I$(OUT)/gen $(addprefix -I,$(addsuffix /include,$(PARTS)))
# Python's headers are not warning-clean by our measure, so they are system headers.
PYTHON_FLAGS := -isystem $(PYTHON)/include -isystem $(PYTHON)/include/internal

APPLIANCE := $(wildcard appliance/*.c)
EMBED := $(wildcard embed/*.c)
SHIMS := $(if $(filter 1,$(TARGET_STATIC)),$(wildcard toolchain/shims/*.c))
object = $(patsubst %.c,$(OUT)/obj/%.o,$(1))
APPLIANCE_OBJECTS := $(call object,$(filter-out appliance/main.c,$(APPLIANCE)))
OBJECTS := $(OUT)/obj/appliance/main.o $(APPLIANCE_OBJECTS) $(call object,$(EMBED)) $(call object,$(SHIMS)) \
           $(OUT)/obj/gen/frozen.o $(OUT)/obj/gen/frozen_blob.o

# Functions of libc that see the archive as files (appliance/mount.h).
MOUNT_FLAGS := $(foreach symbol,$(shell grep -v '^\#' appliance/mount.symbols),-Wl,--wrap=$(symbol))

# What appliance/ stands on.
SERVER_LIBRARIES := -lmicrohttpd -lmbedtls -lmbedx509 -lmbedcrypto -lz -lzstd
LIBRARY_PATHS := $(addprefix -L,$(addsuffix /lib,$(PARTS)))
PYTHON_LIBRARIES := $(PYTHON)/lib/libpython3.14.a $(filter-out %/libpython3.14.a,$(wildcard $(PYTHON)/lib/*.a))
LIBRARIES := $(SERVER_LIBRARIES) -lscrypt-kdf -lsqlite3 -lbz2 -llzma -lffi -lm -lpthread \
             $(if $(filter 0,$(TARGET_STATIC)),-ldl -lutil)
# musl gives threads the stack size that stands in the program header; CPython needs more than its default.
# gcc leaves the index of unwind tables, by which a crash finds its frames, out of static binaries. On RISC-V gcc before 13
# calls functions of its own for atomics of 8 and 16 bits.
LINK := $(LINK_FLAGS) -Wl,--gc-sections -Wl,-z,stack-size=1048576 -Wl,--build-id -Wl,--eh-frame-hdr \
        $(if $(filter 1,$(TARGET_STATIC)),-latomic)

.PHONY: all unit threads
all: $(OUT)/limpet $(OUT)/limpet.debug $(if $(filter 1,$(TARGET_STATIC)),$(OUT)/limpet.spdx.json)

# --- generated ------------------------------------------------------------------------------------------------

# name version licence of what is linked or packed in, for "version" and "inspect".
LINKED := python musl libmicrohttpd mbedtls zlib sqlite libffi bzip2 xz zstd scrypt tzdata ca-certificates
$(OUT)/gen/parts: toolchain/sources.lock VERSION toolchain/limpet.mk
	@mkdir -p $(@D)
	@{ echo "limpet $$(cat VERSION) MIT"; \
	   for part in $(LINKED); do awk -v n=$$part '$$1 == n { print $$1, $$2, $$5 }' toolchain/sources.lock; done; \
	   echo "$(notdir $(PIP_WHEEL))" | awk -F- '{ print $$1, $$2, "MIT" }'; } >$@

$(OUT)/gen/version.h: $(OUT)/gen/parts
	@{ echo "#pragma once"; echo "#include <stdint.h>"; \
	   echo "#define LIMPET_BUILD_TIME INT64_C($$(git log -1 --format=%ct 2>/dev/null || echo $$SOURCE_DATE_EPOCH))"; \
	   echo "#define LIMPET_VERSION \"$$(cat VERSION)\""; \
	   awk '$$1 == "musl" { print "#define LIMPET_LIBC \"musl-" $$2 "\"" }' $<; \
	   echo "#define LIMPET_PARTS \\"; sed 's/.*/    "&\\n" \\/' $<; echo; } >$@

OWN_PYTHON := limpet=embed/py/__init__.py \
    $(foreach file,$(filter-out embed/py/__init__.py,$(wildcard embed/py/*.py)),limpet.$(basename $(notdir $(file)))=$(file)) \
    $(foreach file,$(filter-out packaging/base.py,$(wildcard packaging/*.py)),limpet.$(basename $(notdir $(file)))=$(file))
OWN_PYTHON_FILES := $(wildcard embed/py/*.py packaging/*.py)

$(OUT)/gen/frozen.c: toolchain/freeze.py $(OWN_PYTHON_FILES) $(OUT)/gen/inputs | $(OUT)/gen/version.h
	@$(BUILD_PYTHON) toolchain/freeze.py --stdlib $(PYTHON)/lib/python3.14 --output $(OUT)/gen \
	    $(foreach module,$(OWN_PYTHON),--module $(module))

# The status page, and the policy that lets a browser run it and nothing else.
$(OUT)/gen/page/status.html: toolchain/status_page.py $(wildcard appliance/page/*)
	@python3 -B $< appliance/page $(@D)

# What the parts and flags are: whatever is made from them is made anew when they change, in whichever direction of time.
INPUTS := $(CC) $(COMPILE_FLAGS) $(LINK_FLAGS) $(PYTHON) $(PARTS) $(BUILD_PYTHON)
$(shell mkdir -p $(OUT)/gen && echo '$(INPUTS)' | cmp -s - $(OUT)/gen/inputs || echo '$(INPUTS)' >$(OUT)/gen/inputs)

# --- limpet ---------------------------------------------------------------------------------------------------

$(OUT)/obj/appliance/main.o: FLAGS += -Iembed

$(OUT)/obj/appliance/%.o: appliance/%.c $(OUT)/gen/inputs | $(OUT)/gen/version.h
	@mkdir -p $(@D)
	@$(CC) $(FLAGS) -include appliance/banned.h -MMD -MP -c $< -o $@

$(OUT)/obj/embed/%.o: embed/%.c $(OUT)/gen/inputs | $(OUT)/gen/version.h
	@mkdir -p $(@D)
	@$(CC) $(FLAGS) $(PYTHON_FLAGS) -Iembed -MMD -MP -c $< -o $@

$(OUT)/obj/toolchain/shims/%.o: toolchain/shims/%.c $(OUT)/gen/inputs | $(OUT)/gen/version.h
	@mkdir -p $(@D)
	@$(CC) $(FLAGS) $(PYTHON_FLAGS) -fno-lto -fno-builtin -MMD -MP -c $< -o $@

$(OUT)/obj/gen/frozen.o: $(OUT)/gen/frozen.c
	@mkdir -p $(@D)
	@$(CC) $(FLAGS) $(PYTHON_FLAGS) -c $< -o $@

$(OUT)/obj/gen/frozen_blob.o: $(OUT)/gen/frozen.c
	@mkdir -p $(@D)
	@$(CC) -c $(OUT)/gen/frozen.S -o $@

$(OUT)/limpet.elf: $(OBJECTS) $(OUT)/gen/inputs appliance/mount.symbols toolchain/limpet.mk
	@$(CC) $(COMPILE_FLAGS) -o $@ $(OBJECTS) $(PYTHON_LIBRARIES) $(LIBRARY_PATHS) $(LIBRARIES) $(MOUNT_FLAGS) $(LINK)

$(OUT)/limpet.stripped: $(OUT)/limpet.elf
	@if [ "$(TARGET_STATIC)" = 1 ]; then $(TOOLS)strip -o $@ $<; else cp $< $@; fi

# What addr2line and gdb need to make sense of a crash: the names and lines that the binary is without.
$(OUT)/limpet.debug: $(OUT)/limpet.elf
	@$(TOOLS)objcopy --only-keep-debug $< $@

$(OUT)/limpet: $(OUT)/limpet.stripped $(OUT)/gen/parts $(OUT)/gen/page/status.html $(wildcard $(OUT)/gen/library $(LICENCES)/* packaging/*.py)
	@$(BUILD_PYTHON) packaging/base.py --output $@ --elf $< --parts $(OUT)/gen/parts --wheel $(PIP_WHEEL) \
	    --sources $(OUT)/gen/lib $(OUT)/gen/page $(foreach licence,$(wildcard $(LICENCES)/*),--licence $(notdir $(licence))=$(licence))

# What the binary is made of, for whoever has to know (SPDX 2.3). Its time is the binary's own.
$(OUT)/limpet.spdx.json: $(OUT)/limpet toolchain/sbom.py toolchain/sources.lock $(wildcard toolchain/patches/*/*.patch)
	@python3 -B toolchain/sbom.py --binary $< --parts $(OUT)/gen/parts --lock toolchain/sources.lock \
	    --licences $(LICENCES) --patches toolchain/patches --wheel $(PIP_WHEEL) \
	    --python-source "$$(toolchain/fetch.sh python)" --output $@ \
	    --created "$$(sed -n 's/.*LIMPET_BUILD_TIME INT64_C(\(.*\))/\1/p' $(OUT)/gen/version.h)"

# --- limpet with allocations that fail on demand (tests/torture): those of ours and of what reads the network ------------------

TORTURED := malloc calloc realloc posix_memalign aligned_alloc strdup strndup mmap
RENAME := $(TOOLS)objcopy $(foreach symbol,$(TORTURED),--redefine-sym $(symbol)=torture_$(symbol))
TORTURED_OBJECTS := $(patsubst $(OUT)/obj/%,$(OUT)/torture/%,$(filter $(OUT)/obj/appliance/% $(OUT)/obj/embed/%,$(OBJECTS)))
TORTURED_LIBRARIES := $(addprefix $(OUT)/torture/,libmicrohttpd.a libmbedtls.a libmbedx509.a libmbedcrypto.a)

$(OUT)/torture/%.o: $(OUT)/obj/%.o
	@mkdir -p $(@D)
	@$(RENAME) $< $@

$(OUT)/torture/lib%.a: $(OUT)/gen/inputs
	@mkdir -p $(@D)
	@$(RENAME) $(firstword $(wildcard $(addsuffix /lib/lib$*.a,$(PARTS)))) $@

$(OUT)/torture/torture.o: tests/torture/torture.c $(OUT)/gen/inputs
	@mkdir -p $(@D)
	@$(CC) $(FLAGS) -Wno-missing-prototypes -fno-builtin -c $< -o $@

$(OUT)/torture/limpet.elf: $(TORTURED_OBJECTS) $(TORTURED_LIBRARIES) $(OUT)/torture/torture.o $(OUT)/limpet.elf
	@$(CC) $(COMPILE_FLAGS) -o $@ $(TORTURED_OBJECTS) $(filter-out $(OUT)/obj/appliance/% $(OUT)/obj/embed/%,$(OBJECTS)) \
	    $(OUT)/torture/torture.o $(PYTHON_LIBRARIES) -L$(OUT)/torture $(LIBRARY_PATHS) $(LIBRARIES) $(MOUNT_FLAGS) $(LINK)

$(OUT)/torture/limpet: $(OUT)/torture/limpet.elf $(OUT)/limpet
	@$(BUILD_PYTHON) packaging/base.py --output $@ --elf $< --parts $(OUT)/gen/parts --wheel $(PIP_WHEEL) \
	    --sources $(OUT)/gen/lib $(OUT)/gen/page $(foreach licence,$(wildcard $(LICENCES)/*),--licence $(notdir $(licence))=$(licence))

torture: $(OUT)/torture/limpet
.PHONY: torture

# --- unit tests: every module in one library, so that a test takes what it needs and may fake the rest ------------------

UNIT := $(basename $(notdir $(wildcard tests/unit/test_*.c)))
SHIM_UNIT := test_malloc test_dl
UNIT := $(if $(filter 1,$(TARGET_STATIC)),$(UNIT),$(filter-out $(SHIM_UNIT),$(UNIT)))

$(OUT)/unit/libappliance.a: $(APPLIANCE_OBJECTS)
	@mkdir -p $(@D)
	@rm -f $@
	$(TOOLS)gcc-ar rcs $@ $^

$(OUT)/unit/%.o: tests/unit/%.c $(OUT)/gen/inputs | $(OUT)/gen/version.h
	@mkdir -p $(@D)
	@$(CC) $(FLAGS) -Itests/unit -Itoolchain/shims -I. -MMD -MP -c $< -o $@

$(OUT)/unit/%: $(OUT)/unit/%.o $(OUT)/unit/libappliance.a
	@$(CC) $(COMPILE_FLAGS) -o $@ $(filter-out %.a,$^) $(OUT)/unit/libappliance.a $(LIBRARY_PATHS) $(SERVER_LIBRARIES) -lpthread $(LINK)

$(OUT)/unit/test_mount: $(OUT)/unit/test_mount.o $(OUT)/unit/libappliance.a
	@$(CC) $(COMPILE_FLAGS) -o $@ $< $(OUT)/unit/libappliance.a $(LIBRARY_PATHS) $(SERVER_LIBRARIES) -lpthread $(MOUNT_FLAGS) $(LINK)

# The shims beside what they stand on: CPython's allocator, and the functions in dl's table (the test includes dl.c).
$(OUT)/unit/test_malloc: $(OUT)/obj/toolchain/shims/malloc.o
$(OUT)/unit/test_malloc $(OUT)/unit/test_dl: $(OUT)/unit/%: $(OUT)/unit/%.o
	@$(CC) $(COMPILE_FLAGS) -o $@ $^ $(PYTHON_LIBRARIES) $(LIBRARY_PATHS) $(LIBRARIES) $(LINK)

# Of embed/, what stands without Python.
$(OUT)/unit/test_target.o $(OUT)/unit/fuzz_target.o: FLAGS += -Iembed
$(OUT)/unit/test_target $(OUT)/unit/replay_target: $(OUT)/obj/embed/target.o

# The fuzzers' entries with a main that replays their corpora (tests/fuzz).
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

$(OUT)/unit/fuzz_%.o $(OUT)/unit/replay.o: FLAGS += -Wno-missing-prototypes
$(OUT)/unit/%.o: tests/fuzz/%.c $(OUT)/gen/inputs | $(OUT)/gen/version.h
	@mkdir -p $(@D)
	@$(CC) $(FLAGS) -MMD -MP -c $< -o $@

$(OUT)/unit/replay_%: $(OUT)/unit/fuzz_%.o $(OUT)/unit/replay.o $(OUT)/unit/libappliance.a
	@$(CC) $(COMPILE_FLAGS) -o $@ $^ $(LIBRARY_PATHS) $(SERVER_LIBRARIES) -lpthread $(LINK)

# Programs that end-to-end tests ask what a module thinks, and the certificates of CPython's tests.
ASKED := verify_chain print_tls

$(OUT)/unit/certdata: $(OUT)/gen/inputs
	@mkdir -p $(@D)
	@ln -sfn $(PYTHON)/lib/python3.14/test/certdata $@

unit: $(addprefix $(OUT)/unit/,$(UNIT) $(addprefix replay_,$(FUZZERS)) $(ASKED) certdata)

# What ThreadSanitizer watches.
threads: $(addprefix $(OUT)/unit/,test_pool test_pool_load test_pool_loop test_reactor_threads test_sink test_sink_ring \
	test_tls_handshakes)

-include $(wildcard $(OUT)/obj/*/*.d $(OUT)/obj/*/*/*.d $(OUT)/unit/*.d)

# fuzz.mk - the fuzzers: appliance/ (but main.c), what of embed/ needs no Python, and tests/fuzz, by clang with libFuzzer's
# instrumentation and the sanitizers'. Called by fuzz.sh, which passes:
#   OUT      folder for everything made here;  GEN  generated headers of the ordinary build
#   PARTS    prefixes of libmicrohttpd and mbedTLS, made the same way;  SANITIZERS  their flags
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

FLAGS := -D_GNU_SOURCE -std=gnu17 -O1 -g $(SANITIZERS) -Iappliance -Iembed -I$(GEN) $(addprefix -I,$(addsuffix /include,$(PARTS)))
SOURCES := $(filter-out appliance/main.c,$(wildcard appliance/*.c)) embed/target.c
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,fuzz_%,$(wildcard tests/fuzz/fuzz_*.c))
LIBRARIES := $(addprefix -L,$(addsuffix /lib,$(PARTS))) -lmicrohttpd -lmbedtls -lmbedx509 -lmbedcrypto -lz -lzstd -lpthread

.PHONY: all
all: $(addprefix $(OUT)/,$(FUZZERS))

# Whatever is made by these flags is made anew when they change.
$(shell mkdir -p $(OUT)/obj && echo '$(FLAGS)' | cmp -s - $(OUT)/obj/flags || echo '$(FLAGS)' >$(OUT)/obj/flags)

$(OUT)/obj/%.o: %.c $(OUT)/obj/flags
	@mkdir -p $(@D)
	@clang $(FLAGS) -include appliance/banned.h -MMD -MP -c $< -o $@

$(OUT)/obj/libappliance.a: $(patsubst %.c,$(OUT)/obj/%.o,$(SOURCES))
	@rm -f $@
	@ar rcs $@ $^

$(OUT)/fuzz_%: $(OUT)/obj/tests/fuzz/fuzz_%.o $(OUT)/obj/libappliance.a
	@clang $(SANITIZERS) -fsanitize=fuzzer $^ $(LIBRARIES) -o $@

-include $(wildcard $(OUT)/obj/*/*.d $(OUT)/obj/*/*/*.d)

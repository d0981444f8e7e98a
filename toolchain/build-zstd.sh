SOURCE=zstd
NEEDS="musl"

build() {
    # Its assembly decoder is left out where the sanitizers would not see into it.
    make -C lib -j"$jobs" CC="$CC" AR="$AR" CFLAGS="$CFLAGS" ZSTD_LEGACY_SUPPORT=0 \
        ZSTD_NO_ASM=$((1 - TARGET_STATIC)) libzstd.a
    install_static lib/zstd.h lib/zdict.h lib/zstd_errors.h -- lib/libzstd.a
}

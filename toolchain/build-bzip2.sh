SOURCE=bzip2
NEEDS="musl"

build() {
    make -j"$jobs" CC="$CC" AR="$AR" RANLIB="$RANLIB" CFLAGS="$CFLAGS -D_FILE_OFFSET_BITS=64" libbz2.a
    install_static bzlib.h -- libbz2.a
}

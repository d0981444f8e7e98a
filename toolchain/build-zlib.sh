SOURCE=zlib
NEEDS="musl"

build() {
    CFLAGS="$CFLAGS -O3" ./configure --static --prefix="$PREFIX"
    make -j"$jobs" libz.a
    install_static zlib.h zconf.h -- libz.a
}

# HTTP/1.1 without its own TLS, authentication, form parser and cookies: those are done above it.
SOURCE=libmicrohttpd
NEEDS="musl"

build() {
    # Zeroing each connection's pool costs a 48 KiB memset a request and makes all of it resident;
    # the sanitizer build keeps it so that a read of stale pool memory shows.
    [ "$TARGET_STATIC" = 0 ] || CFLAGS="$CFLAGS -DMHD_POOL_NO_ZERO"
    # Its configure insists on a pkg-config that works; nothing is asked of it.
    PKG_CONFIG=/bin/true ./configure -q "${cross_options[@]}" --prefix="$PREFIX" --disable-shared --enable-static --disable-https --disable-doc \
        --disable-examples --disable-tools --disable-curl --disable-bauth --disable-dauth \
        --disable-postprocessor --disable-cookie --enable-epoll=yes --disable-asserts
    make -j"$jobs"
    make install
}

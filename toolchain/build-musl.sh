# musl, and limpet-cc: the host's gcc turned towards it.
SOURCE=musl

build() {
    # With the tables that lead from a function to its caller, which musl leaves out unless told otherwise: a crash in
    # here shows who called.
    ./configure --prefix="$PREFIX" --syslibdir="$PREFIX/lib" --disable-shared --enable-wrapper=gcc \
        "${cross_options[@]}" CC="$CC" \
        CFLAGS="-O2 -fasynchronous-unwind-tables"
    make -j"$jobs"
    make install
    # The kernel's headers belong to no C library.
    local name folder
    for name in linux asm asm-generic mtd; do
        for folder in $TARGET_HEADERS; do
            [ -d "$folder/$name" ] || continue
            ln -s "$folder/$name" "$STAGE/include/"
            break
        done
    done
    ls "$STAGE"/include/{linux,asm,asm-generic} >/dev/null
    # CPython's configure asks --print-multiarch and compares; -static -no-pie belong here so that
    # configure's probes can run what they link. Nothing that is compiled keeps the name of this machine's folder.
    cat >"$STAGE/bin/limpet-cc" <<WRAPPER
#!/bin/sh
[ "\$1" = --print-multiarch ] && { echo $TARGET_TRIPLE; exit 0; }
exec $CC -static -no-pie -ffile-prefix-map=$cache/= "\$@" -specs "$PREFIX/lib/musl-gcc.specs"
WRAPPER
    chmod +x "$STAGE/bin/limpet-cc"
}

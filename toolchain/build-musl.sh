# musl, and limpet-cc: the host's gcc turned towards it.
SOURCE=musl

build() {
    # With the tables that lead from a function to its caller, which musl leaves out unless told otherwise: a crash in
    # here shows who called.
    ./configure --prefix="$PREFIX" --syslibdir="$PREFIX/lib" --disable-shared CC=gcc \
        CFLAGS="-O2 -fasynchronous-unwind-tables"
    make -j"$jobs"
    make install
    # The kernel's headers belong to no C library.
    local include=$STAGE/include
    ln -s /usr/include/linux /usr/include/asm-generic /usr/include/mtd "$include/"
    ln -s "/usr/include/$(gcc -print-multiarch)/asm" "$include/asm"
    # CPython's configure asks --print-multiarch and compares; -static -no-pie belong here so that
    # configure's probes can run what they link.
    cat >"$STAGE/bin/limpet-cc" <<WRAPPER
#!/bin/sh
[ "\$1" = --print-multiarch ] && { echo $TARGET_TRIPLE; exit 0; }
exec gcc -static -no-pie "\$@" -specs "$PREFIX/lib/musl-gcc.specs"
WRAPPER
    chmod +x "$STAGE/bin/limpet-cc"
}

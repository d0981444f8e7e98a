SOURCE=libffi
NEEDS="musl"

build() {
    [ -x configure ] || autoreconf -fi
    # Without a build folder of its own making, which newer autotools name otherwise than its Makefile expects.
    ./configure -q "${cross_options[@]}" --prefix="$PREFIX" --disable-shared --disable-docs --disable-multi-os-directory --disable-builddir
    make -j"$jobs"
    make install
}

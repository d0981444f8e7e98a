SOURCE=libffi
NEEDS="musl"

build() {
    [ -x configure ] || autoreconf -fi
    ./configure -q --prefix="$PREFIX" --disable-shared --disable-docs --disable-multi-os-directory
    make -j"$jobs"
    make install
}

# liblzma only: none of the programs.
SOURCE=xz
NEEDS="musl"

build() {
    ./configure -q "${cross_options[@]}" --prefix="$PREFIX" --disable-shared --enable-static --disable-xz --disable-xzdec \
        --disable-lzmadec --disable-lzmainfo --disable-scripts --disable-doc --disable-nls
    make -j"$jobs"
    make install
}

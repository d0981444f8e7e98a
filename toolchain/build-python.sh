# CPython as a static library with every extension module inside, its standard library, and a bin/python
# for the build's own use.
SOURCE=python
NEEDS="musl zlib bzip2 xz zstd libffi sqlite"
PROFILED=1
NATIVE=1

# What configure finds out by running a program, which it cannot do for another machine: the answers of musl and Linux.
# Of what processors answer differently the compiler and libffi are asked.
cross_answers() {
    local is_signed=no has_complex=no
    $CC -include stddef.h -fsyntax-only -x c - <<<'_Static_assert((wchar_t)-1 < 0, "");' 2>/dev/null && is_signed=yes
    # All of it is read: the compiler would fail where nobody does, or not, as it happens.
    $CC $CPPFLAGS -E -dM -include ffi.h -x c /dev/null | grep FFI_TARGET_HAS_COMPLEX_TYPE >/dev/null && has_complex=yes
    cat <<ANSWERS
ac_cv_pthread_is_default=yes
ac_cv_pthread_system_supported=yes
ac_cv_posix_semaphores_enabled=yes
ac_cv_broken_sem_getvalue=no
ac_cv_computed_gotos=yes
ac_cv_aligned_required=no
ac_cv_wchar_t_signed=$is_signed
ac_cv_ffi_complex_double_supported=$has_complex
ac_cv_buggy_getaddrinfo=no
ac_cv_working_tzset=yes
ac_cv_have_chflags=no
ac_cv_have_lchflags=no
ac_cv_file__dev_ptmx=yes
ac_cv_file__dev_ptc=no
ANSWERS
}

configure_python() { # FOLDER [configure option...]
    local folder=$1
    shift
    mkdir -p "$folder"
    cd "$folder"
    if is_cross; then
        cross_answers >answers
        export CONFIG_SITE=$folder/answers
        set -- "${cross_options[@]}" --with-build-python="$NATIVE_PREFIX/bin/python" "$@"
    fi
    # Every library by name: there is no pkg-config in the target's world. By a relative path, since the interpreter keeps it.
    # The optimisation is that of CFLAGS, which make takes from the environment as well and puts behind all others.
    env OPT="-DNDEBUG" MODULE_BUILDTYPE=static LINKFORSHARED=" " CFLAGS="$CFLAGS -fno-semantic-interposition" \
        LDFLAGS="$LDFLAGS -Wl,-z,stack-size=1048576" \
        ZLIB_CFLAGS=" " ZLIB_LIBS="-lz" BZIP2_CFLAGS=" " BZIP2_LIBS="-lbz2" \
        LIBLZMA_CFLAGS=" " LIBLZMA_LIBS="-llzma" LIBZSTD_CFLAGS=" " LIBZSTD_LIBS="-lzstd" \
        LIBFFI_CFLAGS=" " LIBFFI_LIBS="-lffi" LIBSQLITE3_CFLAGS=" " LIBSQLITE3_LIBS="-lsqlite3" \
        ../src/configure -q --prefix=/usr/local --disable-shared --without-ensurepip \
        --with-pkg-config=no --disable-test-modules --with-system-libmpdec=no \
        --with-openssl=/nonexistent --without-readline \
        --with-builtin-hashlib-hashes=md5,sha1,sha2,sha3,blake2 "$@"
}

build() {
    local source_folder=$PWD build_folder
    build_folder=$(dirname "$PWD")/build
    if [ "$TARGET_STATIC" = 0 ]; then
        configure_python "$build_folder" --with-address-sanitizer --without-mimalloc --without-pymalloc
        make -j"$jobs"
    elif [ "$profile" = fast ]; then
        configure_python "$build_folder"
        make -j"$jobs"
    else
        build_trained
    fi
    install_python
}

# PGO + LTO, by the profile that is kept for this compiler and processor (profiles/README.md), so that two builds are the
# same. Without one the build trains itself, if it can run what it builds. The objects hold both what limpet's own link
# optimises and what a plain link takes: the programs of CPython's build, three of them, do with the latter, which saves
# minutes.
build_trained() {
    local profile_data
    profile_data=$toolchain/profiles/python-$TARGET_ARCH-gcc-$("${TARGET_TOOLS}gcc" -dumpfullversion).tar.xz
    if [ ! -f "$profile_data" ]; then
        if is_cross; then
            configure_python "$build_folder" --with-lto
            name_objects
            make -j"$jobs" LDFLAGS_NODIST=-fno-lto
            return
        fi
        profile_data=$STAGE/profile.tar.xz
        train "$profile_data"
    fi
    configure_python "$build_folder" --enable-optimizations --with-lto
    name_objects
    tar xf "$profile_data"
    touch profile-run-stamp
    make -j"$jobs" LDFLAGS_NODIST=-fno-lto PROFILE_TASK=-h
}

# What link-time optimisation finds in an object has a name by chance, unless there is a seed: no build would be like another.
name_objects() {
    sed -i 's/^PY_STDMODULE_CFLAGS=.*/& -frandom-seed=$@/' Makefile
    grep -q '^PY_STDMODULE_CFLAGS=.* -frandom-seed=' Makefile
}

# train FILE: how often each line runs in a training run, as .gcda files in an archive. The profile is taken from a build
# without LTO, whose training is quicker to link; it fits the LTO build, where the objects have the same names.
train() {
    configure_python "$build_folder-training" --enable-optimizations
    make -j"$jobs" profile-gen-stamp
    # The task ends with an error on musl (locale tests, missing test modules): what counts is the
    # profile that it wrote.
    ./python -m test --pgo --timeout=1200 || true
    # Functions of the C library's headers are found by the path of these, which is another one in each cache: what has
    # some does without, or it would be optimised on some machines alone.
    find . -name '*.gcno' -exec grep -lF "${CC%/bin/*}/include/" {} + | sed 's/gcno$/gcda/' | xargs -r rm -f
    # A process that a test left behind may write its own at its end.
    for _ in 1 2 3; do
        ! find . -name '*.gcda' -print0 | sort -z |
            XZ_OPT=-9 tar cJf "$1" --owner=0 --group=0 --mtime=@0 --null -T - || return 0
        sleep 5
    done
    return 1
}

install_python() {
    cd "$build_folder"
    mkdir -p "$STAGE/bin" "$STAGE/lib" "$STAGE/include"
    cp -r "$source_folder/Lib" "$STAGE/lib/python3.14"
    cp build/lib.*/_sysconfigdata__*.py "$STAGE/lib/python3.14/"
    cp python "$STAGE/bin/python"
    cp -r "$source_folder/Include/." "$STAGE/include/"
    cp pyconfig.h "$STAGE/include/"
    cp libpython3.14.a "$STAGE/lib/"
    find Modules -name '*.a' -exec cp {} "$STAGE/lib/" \;
}

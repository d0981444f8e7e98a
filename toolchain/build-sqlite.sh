# SQLite from its amalgamation, made by its own build with a tool of the build machine.
SOURCE=sqlite
NEEDS="musl"

build() {
    CC=gcc CFLAGS="" LDFLAGS="" ./configure --prefix="$PREFIX" --disable-tcl --disable-shared
    make sqlite3.c CC=gcc CFLAGS="" LDFLAGS=""
    # Word splitting of the flags is wanted.
    # shellcheck disable=SC2086
    $CC $CFLAGS -DSQLITE_THREADSAFE=1 -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE \
        -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_DBSTAT_VTAB \
        -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_DEFAULT_MEMSTATUS=0 -DHAVE_USLEEP=1 \
        -c sqlite3.c -o sqlite3.o
    "$AR" rcs libsqlite3.a sqlite3.o
    install_static sqlite3.h sqlite3ext.h -- libsqlite3.a
}

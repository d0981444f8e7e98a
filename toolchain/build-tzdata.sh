# The Python package "tzdata" (PEP 615): zoneinfo finds it when the machine has no time zones.
SOURCE=tzdata

build() {
    local package=$STAGE/tzdata
    mkdir -p "$package"
    zic -b slim -d "$package/zoneinfo" \
        africa antarctica asia australasia europe northamerica southamerica etcetera backward factory
    # Names are listed before the index files join them.
    (cd "$package/zoneinfo" && find . -type f | sed 's|^\./||' | sort) >"$package/zones"
    cp iso3166.tab zone.tab zone1970.tab leapseconds "$package/zoneinfo/"
    find "$package" -type d -exec touch {}/__init__.py \;
    printf 'IANA_VERSION = "%s"\n' "$(cat version)" >"$package/__init__.py"
}

# debian.sh - other suites and architectures of Debian than this machine's, by its own mirror and keyring: sourced by
# what the tests fetch from there.
# shellcheck shell=bash

# The mirror that this machine's apt asks.
debian_mirror() {
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Identifier: Packages' 'Origin: Debian' |
        awk '$2 == "Debian" && !found++ { print $1 }')
    if [ -z "$mirror" ]; then
        echo "no Debian mirror is configured" >&2
        return 1
    fi
    echo "$mirror"
}

# An apt of its own in a folder, in which no package is installed: its options are left in the array apt_options.
apt_elsewhere() { # FOLDER SUITE [ARCHITECTURE]
    local folder=$1 suite=$2 architecture=${3:-$(dpkg --print-architecture)} mirror
    mirror=$(debian_mirror) || return 1
    mkdir -p "$folder/lists/partial" "$folder/archives/partial" "$folder/etc/preferences.d"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$folder/etc/sources.list"
    apt_options=(-q -q -o Dir::Etc::sourcelist="$folder/etc/sources.list" -o Dir::Etc::sourceparts=-
        -o Dir::Etc::preferencesparts="$folder/etc/preferences.d" -o Dir::State::lists="$folder/lists"
        -o Dir::Cache="$folder" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root
        -o APT::Architecture="$architecture" -o APT::Architectures="$architecture")
}

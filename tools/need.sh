# Sourced by the other scripts: asks for what a new machine may lack.

# need PACKAGE COMMAND…: if the command fails, installs Debian's package where we may, or names it and ends.
need() {
    local package=$1
    shift
    if "$@" >/dev/null 2>&1; then return; fi
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "missing on this machine (Debian's package $package): $*" >&2
        exit 1
    fi
    echo "installing $package" >&2
    apt-get -q update >&2
    DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "$package" >&2
}

# Sourced by the other scripts: asks for what a new machine may lack.

# need PACKAGE COMMAND…: if the command fails, names Debian's package that brings it and ends. Only where
# INSTALL_MISSING=1 says so, as in a machine that exists for this one run, is the package installed instead.
need() {
    local package=$1
    shift
    if "$@" >/dev/null 2>&1; then return; fi
    if [ "${INSTALL_MISSING:-0}" != 1 ]; then
        echo "This needs \"$*\". On Debian and Ubuntu: sudo apt-get install $package" >&2
        exit 1
    fi
    echo "installing $package" >&2
    # One list of many may be out of order just now; whether the package is in another shows next.
    apt-get -q update >&2 || echo "not all package lists could be read" >&2
    DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "$package" >&2
}

# need_of ARCHITECTURE PACKAGE COMMAND…: the same for a package of another processor, which dpkg has to be told of first.
need_of() {
    local architecture=$1
    shift
    if "${@:2}" >/dev/null 2>&1; then return; fi
    if [ "${INSTALL_MISSING:-0}" != 1 ]; then
        echo "This needs \"${*:2}\". On Debian and Ubuntu: sudo sh -c" \
            "'dpkg --add-architecture $architecture && apt-get update && apt-get install $1'" >&2
        exit 1
    fi
    dpkg --add-architecture "$architecture"
    need "$@"
}

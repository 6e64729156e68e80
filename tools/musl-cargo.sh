#!/usr/bin/env bash
# Runs cargo for a musl target, with what that needs of the machine:
#
#   tools/musl-cargo.sh TARGET build --release
#
# The targets are those of tools/musl-target.sh. Another processor's need Debian's compilers for it. Whoever has others names
# them as cargo and the cc crate want it, such as
#
#   CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=aarch64-linux-musl-gcc
#   CC_aarch64_unknown_linux_musl=aarch64-linux-musl-gcc
set -euo pipefail
tools=$(dirname "$0")
. "$tools/need.sh"

target=${1:?a musl target, such as x86_64-unknown-linux-musl}
shift
. "$tools/musl-target.sh"
lower=${target//-/_}
upper=${lower^^}

compiler=CC_$lower archiver=AR_$lower linker=CARGO_TARGET_${upper}_LINKER
if [ $is_native = 1 ]; then
    need musl-tools command -v musl-gcc
    export "$compiler=${!compiler:-musl-gcc}"
elif [ -z "${!compiler:-}" ]; then
    need_compilers
    export "$compiler=$gnu-gcc -specs $musl/musl-gcc.specs" "$archiver=${!archiver:-$gnu-ar}" \
        "$linker=${!linker:-$gnu-gcc}"
fi

sysroot=$("$tools/musl-sysroot.sh" "$target")
# These would hide the flags below, which are for the target alone.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS RUSTDOCFLAGS CARGO_ENCODED_RUSTDOCFLAGS
flags=
if [ "$sysroot" != "$(rustc --print sysroot)" ]; then
    # libgcc holds the arithmetic that musl-gcc expects beside it; rustup's target would bring its own.
    flags="--sysroot=$sysroot -Clink-arg=-lgcc"
fi
if [ -f "$(rustc --print target-libdir --target "$target")/self-contained/libc.a" ]; then
    # The addresses that are put right at a start take a fortieth of the room in this form. The musl that rustup brings
    # knows it, Debian's does not yet.
    flags="$flags -Clink-arg=-Wl,-z,pack-relative-relocs"
fi
# Where each function finds its caller takes a quarter less room when it keeps that in a register: 150 KB, for 10 KB of code.
flags="$flags -Cforce-frame-pointers=yes"
# Tests within documentation are built by rustdoc, which takes no other names for paths; nobody ships them.
export "CARGO_TARGET_${upper}_RUSTDOCFLAGS=$flags"
# Where this was built and where its crates lie must not be seen in what is built, so that others can build the same. They must
# lie there already, or the first build on a machine would not know where.
cargo fetch -q --locked --target "$target" >&2
for crates in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
    flags="$flags --remap-path-prefix=$crates=/crates"
done
flags="$flags --remap-path-prefix=$PWD=/authnzerver"
# What C writes into a program for __DATE__ and __TIME__. Always the same, since nothing is compiled anew when it changes.
export SOURCE_DATE_EPOCH=315532800
export "CARGO_TARGET_${upper}_RUSTFLAGS=$flags"
CARGO_BUILD_TARGET=$target exec cargo "$@"

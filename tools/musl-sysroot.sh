#!/usr/bin/env bash
# Prints the path of a sysroot in which the installed rustc finds the standard library for musl.
#
#   tools/musl-sysroot.sh [TARGET]       TARGET is x86_64-unknown-linux-musl unless named
#
# The library is built from its source, without what would turn the addresses of a backtrace into names: that is 180 KB
# of every binary, and a stripped one has no names. It is kept under MUSL_CACHE (~/.cache/musl-sysroot). Source and musl
# come from rustup (`rust-src` and the target), or else from Debian. Where there is no source, rustup's own library has to
# do, but not for 32 bits: there our library knows times after 2038, which rustup's does not.
#
#   MUSL_CACHE        where built sysroots are kept, one for each rustc
#   MUSL_STD_SOURCE   a tar archive of the release's `library/` folder, used before all others
#   DEBIAN_MIRROR     the Debian mirror to ask, if not the one this machine already uses
set -euo pipefail
tools=$(cd "$(dirname "$0")" && pwd)
. "$tools/need.sh"
target=${1:-x86_64-unknown-linux-musl}
. "$tools/musl-target.sh"
version=$(rustc --version | cut -d' ' -f2)
hash=$(rustc -vV | sed -n 's/^commit-hash: //p')
# For size, as the program is; what a request spends its time in is the program's own, or instantiated there. The library's own
# switch for that has short sorts in place of fast ones, of which the program would have fifty, each for another type.
opt_level=s
features=panic-unwind,optimize_for_size
cache=${MUSL_CACHE:-$HOME/.cache/musl-sysroot}/$version-${hash:0:9}-$opt_level-$features-$target

log() { echo "musl-sysroot: $*" >&2; }
fail() { log "$*"; exit 1; }

rustc_has_std() { compgen -G "$(rustc --print target-libdir --target "$target")/libstd-*.rlib" >/dev/null; }

# Debian's version of the package that holds exactly this release's source, downloaded but not installed.
# The suites are newer than the machine's own, so they are read beside its apt lists and never enter them.
debian_source() {
    local mirror=${DEBIAN_MIRROR:-} codename suite package
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    find_mirror() { apt-get indextargets --format '$(SITE)' "Codename: $codename" | head -n1; }
    mirror=${mirror:-$(find_mirror)}
    if [ -z "$mirror" ] && [ "${INSTALL_MISSING:-0}" = 1 ]; then
        log "reading the machine's package lists"
        apt-get -q update >&2
        mirror=$(find_mirror)
    fi
    [ -n "$mirror" ] ||
        fail "this machine has no package lists; run 'sudo apt-get update', or name a mirror in DEBIAN_MIRROR"
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    for suite in trixie-backports sid; do
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
    done >"$work/apt/sources"
    apt_aside() {
        "apt-$1" -q -o Dir::Etc::sourcelist="$work/apt/sources" -o Dir::Etc::sourceparts=- \
            -o Dir::State::lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" \
            -o APT::Sandbox::User=root "${@:2}"
    }
    apt_aside get update >&2
    package=$(apt_aside cache madison rust-src |
        awk -F'|' -v v="$version" '{gsub(/ /, "", $2)} index($2, v "+") == 1 {print $2; exit}')
    [ -n "$package" ] || fail "Debian has no source of Rust $version (package rust-src); use rustup's target"
    (cd "$work" && apt_aside get download "rust-src=$package" >&2)
    dpkg-deb --fsys-tarfile "$work"/rust-src_*.deb |
        tar x -C "$work" --strip-components=4 --wildcards "./usr/src/rustc-$version/library/*"
    rm "$work"/rust-src_*.deb
}

# LLVM's unwinder, compiled against musl: what rustup's musl target carries. gcc's own one is of no use here,
# because Debian builds it against glibc. The source comes out of a Python package that carries it.
build_unwinder() {
    local source=$work/ziglang/lib/libunwind objects=$work/unwind file
    python3 -m pip download -q --disable-pip-version-check --no-deps -d "$work" ziglang==0.15.2 >&2
    python3 - "$work" <<'PYTHON'
import glob, sys, zipfile
work = sys.argv[1]
wheel = zipfile.ZipFile(glob.glob(work + "/ziglang-*.whl")[0])
for name in wheel.namelist():
    if "/lib/libunwind/" in name:
        wheel.extract(name, work)
PYTHON
    rm "$work"/ziglang-*.whl
    mkdir "$objects"
    local flags=(-specs "$musl/musl-gcc.specs" -O2 -fPIC -funwind-tables -fvisibility=hidden -fno-gnu-unique
        -D_LIBUNWIND_IS_NATIVE_ONLY -DNDEBUG "-I$source/include" "-ffile-prefix-map=$work=/")
    for file in Unwind-sjlj UnwindLevel1-gcc-ext UnwindLevel1; do
        "$gnu-gcc" "${flags[@]}" -std=c99 -D_GNU_SOURCE -fexceptions -c "$source/src/$file.c" -o "$objects/$file.o"
    done
    for file in UnwindRegistersRestore UnwindRegistersSave; do
        "$gnu-gcc" "${flags[@]}" -c "$source/src/$file.S" -o "$objects/$file.o"
    done
    # The second is what 32-bit ARM has in place of DWARF's tables, and empty for others.
    for file in libunwind Unwind-EHABI; do
        "$gnu-g++" "${flags[@]}" -std=c++17 -fno-exceptions -fno-rtti -nostdinc++ -fno-threadsafe-statics \
            -c "$source/src/$file.cpp" -o "$objects/$file.o"
    done
    "$gnu-ar" rcs "$1/libunwind.a" "$objects"/*.o
}

# On 32 bits the library asks musl for the time by a name of before 2020 that ends in 2038. This has it ask by the name with 64
# bits, as it does where the C library is glibc. Other times that it hands over are spans, or since the machine's start.
widen_time() {
    local file=$work/library/std/src/sys/pal/unix/time.rs
    awk '
        { print }
        /pub fn now\(clock: libc::clockid_t\)/ { inside = 1 }
        inside && /use crate::sys::cvt;/ {
            inside = 0
            print "        unsafe extern \"C\" {"
            print "            fn __clock_gettime64(clock: libc::clockid_t, time: *mut [i64; 2]) -> libc::c_int;"
            print "        }"
            print "        if true {"
            print "            let mut time = [0_i64; 2];"
            print "            cvt(unsafe { __clock_gettime64(clock, &mut time) }).unwrap();"
            print "            return Timespec::new(time[0], time[1] & 0xffff_ffff).unwrap();"
            print "        }"
        }' "$file" >"$file.new"
    grep -q __clock_gettime64 <(diff "$file" "$file.new") || fail "the library of Rust $version reads the clock in another way"
    mv "$file.new" "$file"
}

# The standard library, built the way Rust's own build does it. RUSTC_BOOTSTRAP is set here and nowhere else.
build_std() {
    (
        cd "$work"
        unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET
        export RUSTC_BOOTSTRAP=1 CARGO_PROFILE_RELEASE_OPT_LEVEL=$opt_level
        local upper=${target//-/_} crates remap= manifest=$work/library/sysroot/Cargo.toml
        # Crates that were unpacked only by the build would keep the path of this machine's.
        cargo fetch -q --locked --manifest-path "$manifest" --target "$target" >&2
        for crates in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
            remap="$remap --remap-path-prefix=$crates=/crates"
        done
        export "CARGO_TARGET_${upper^^}_RUSTFLAGS=-Zforce-unstable-if-unmarked -Cembed-bitcode=yes \
--remap-path-prefix=$work=/rustc/$hash$remap"
        cargo build -q --release --locked --manifest-path "$manifest" \
            --target "$target" --features $features --target-dir "$work/target" >&2
    )
    cp "$work/target/$target/release/deps/"*.rlib "$1/"
}

# The files that start and end a program, musl itself, and the unwinder.
collect_musl() {
    if rustc_has_std; then
        cp "$(rustc --print target-libdir --target "$target")"/self-contained/* "$1/"
        return
    fi
    need_compilers
    need python3-pip python3 -m pip --version
    build_unwinder "$1"
    # musl's own files, and gcc's for constructors.
    cp "$musl"/{crt1,Scrt1,rcrt1,crti,crtn}.o "$musl/libc.a" "$1/"
    cp "$(dirname "$("$gnu-gcc" -print-file-name=crtbeginS.o)")"/{crtbegin,crtbeginS,crtend,crtendS}.o "$1/"
}

# The source of this release's library, as `library/` in the working folder.
collect_source() {
    local component
    component=$(rustc --print sysroot)/lib/rustlib/src/rust/library
    if [ -n "${MUSL_STD_SOURCE:-}" ]; then
        tar xf "$MUSL_STD_SOURCE" -C "$work"
        return
    fi
    if command -v rustup >/dev/null && [ ! -d "$component" ]; then
        log "trying: rustup component add rust-src"
        timeout 300 rustup component add rust-src >&2 || log "rustup could not add it"
    fi
    if [ -d "$component" ]; then
        cp -r "$component" "$work/library"
    elif rustc_has_std; then
        return 1
    else
        debian_source
    fi
}

if [ -f "$cache/ok" ]; then
    echo "$cache/sysroot"
    exit 0
fi
if ! rustc_has_std && command -v rustup >/dev/null; then
    log "trying: rustup target add $target"
    timeout 300 rustup target add "$target" >&2 || log "rustup could not add it"
fi

# Built beside its final place and moved there when whole, so a broken-off run leaves nothing half-made.
mkdir -p "$(dirname "$cache")"
build=$(mktemp -d "$cache.XXXXXX")
trap 'rm -rf "$build"' EXIT
work=$build/work
libraries=$build/sysroot/lib/rustlib/$target/lib
mkdir -p "$work" "$libraries/self-contained"
if ! collect_source; then
    [ "$processor" != armv7 ] || fail "there is no source of the library, which 32 bits need"
    log "there is no source of the library; the binary gets rustup's own, which is 180 KB larger"
    rustc --print sysroot
    exit 0
fi
log "building the standard library of Rust $version for $target (a minute or more, once)"
collect_musl "$libraries/self-contained"
[ "$processor" != armv7 ] || widen_time
build_std "$libraries"
rm -rf "$work"
touch "$build/ok"
rm -rf "$cache"
mv "$build" "$cache"
trap - EXIT
echo "$cache/sysroot"

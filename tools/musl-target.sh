# Sourced by the other scripts with `target` set to one of the targets that we ship: says what Debian calls that processor's
# compiler, musl and packages.

processor=${target%%-*}
case $target in
    x86_64-unknown-linux-musl) gnu=x86_64-linux-gnu musl=x86_64-linux-musl debian=amd64 ;;
    aarch64-unknown-linux-musl) gnu=aarch64-linux-gnu musl=aarch64-linux-musl debian=arm64 ;;
    armv7-unknown-linux-musleabihf) gnu=arm-linux-gnueabihf musl=arm-linux-musleabihf debian=armhf ;;
    *) echo "$target is no target of ours; they are named in tools/musl-target.sh" >&2; exit 2 ;;
esac
musl=/usr/lib/$musl
if [ "$processor" = "$(uname -m)" ]; then is_native=1; else is_native=0; fi

# Asks for what compiles C and C++ for the target, against musl. Debian lets musl be installed for several processors beside
# each other.
need_compilers() {
    need "gcc-${gnu//_/-}" "$gnu-gcc" --version
    need "g++-${gnu//_/-}" "$gnu-g++" --version
    if [ $is_native = 1 ]; then
        need musl-tools test -f "$musl/libc.a"
    else
        need_of "$debian" "musl-dev:$debian" test -f "$musl/libc.a"
    fi
}

# Asks for what runs a program of another processor, at another time too; sets `emulator`.
need_emulator() {
    emulator=qemu-$processor
    if [ "$processor" = armv7 ]; then emulator=qemu-arm; fi
    need qemu-user command -v "$emulator"
    need libfaketime compgen -G '/usr/lib/*/faketime/libfaketime.so.1'
}

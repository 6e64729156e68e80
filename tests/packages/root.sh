#!/usr/bin/env bash
# Makes a small Debian in a folder, as root, unless it is there: what a .deb is tried in.
#
#   root.sh FOLDER [ARCHITECTURE]        another processor's needs qemu-user-static and binfmt_misc
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/need.sh
folder=${1:?the folder}
architecture=${2:-$(dpkg --print-architecture)}
[ ! -e "$folder/done" ] || exit 0
need debootstrap debootstrap --version

codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
find_mirror() { apt-get indextargets --format '$(SITE)' "Codename: $codename" | head -n1; }
mirror=${DEBIAN_MIRROR:-$(find_mirror)}
if [ -z "$mirror" ] && [ "${INSTALL_MISSING:-0}" = 1 ]; then
    apt-get -q update >&2
    mirror=$(find_mirror)
fi
[ -n "$mirror" ] || { echo "This machine has no package lists: run 'apt-get update', or name a mirror in DEBIAN_MIRROR" >&2; exit 1; }
rm -rf "$folder"
mkdir -p "$folder"
debootstrap --arch="$architecture" --variant=minbase --include=systemd,init-system-helpers,make "$codename" "$folder" "$mirror" >"$folder.log" 2>&1 ||
    { tail -n 20 "$folder.log" >&2; exit 1; }
# Downloaded packages are of no more use.
rm -rf "$folder"/var/cache/apt/archives/*.deb
touch "$folder/done"

"""A Debian of its own with systemd as its first process, in namespaces of its own: nothing that it does reaches this machine.
As root, and only where the kernel has cgroup2."""

import contextlib, ctypes, os, pathlib, shutil, subprocess, tempfile, time

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
NAMESPACES = ["--mount", "--pid", "--cgroup", "--net", "--ipc", "--uts"]
CLONE_NEWNET = 0x40000000
BOOT_SECONDS = 120

# Makes the folder $0 the root of what there is to see, as systemd wants to find it, and becomes systemd.
BOOT = """
mount --make-rprivate /
mount --bind "$0" "$0"
cd "$0"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mkdir -p outside
pivot_root . outside
cd /
umount -l /outside
rmdir /outside
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
"""


def cgroup2():
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options = line.split()[:4]
        if kind == "cgroup2" and "rw" in options.split(","):
            return pathlib.Path(place)
    return None


class Machine:
    """Boots a copy of the root."""

    def __init__(self, root):
        self.room = pathlib.Path(tempfile.mkdtemp(prefix="machine-"))
        self.root = self.room / "root"
        subprocess.run(["cp", "-a", root, self.root], check=True)
        self.group = cgroup2() / self.room.name
        self.group.mkdir()
        into_group = f"echo 0 > {self.group}/cgroup.procs; exec \"$@\""
        self.outer = subprocess.Popen(["sh", "-euc", into_group, "sh", "unshare", *NAMESPACES, "--fork", "--kill-child",
                                       "sh", "-euc", BOOT, str(self.root)], stdin=subprocess.DEVNULL)
        self.first = self.wait_for_first()
        self.run("systemctl", "is-system-running", "--wait", check=False)

    def wait_for_first(self):
        """The process ID, as this machine sees it, of the other's systemd, once that takes orders."""
        deadline = time.monotonic() + BOOT_SECONDS
        children = pathlib.Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        while time.monotonic() < deadline:
            assert self.outer.poll() is None, "systemd does not boot"
            with contextlib.suppress(OSError):
                first = int((children.read_text().split() or ["0"])[0])
                if first and pathlib.Path(f"/proc/{first}/root/run/systemd/private").exists():
                    return first
            time.sleep(0.1)
        raise AssertionError("systemd does not boot")

    def run(self, *command, check=True, **options):
        """Runs a command there, and gives what it printed."""
        inside = ["nsenter", f"--target={self.first}", "--mount", "--pid", "--net", "--ipc", "--uts", "--root", "--wd",
                  "env", "-i", *(f"{name}={value}" for name, value in ENVIRONMENT.items()), *command]
        done = subprocess.run(inside, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, **options)
        assert not check or done.returncode == 0, f"{' '.join(command)}: status {done.returncode}\n{done.stdout}"
        return done.stdout.strip()

    def enter_network(self):
        """This thread, and threads that it starts, reach that machine's loopback, and nothing else."""
        with open(f"/proc/{self.first}/ns/net") as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

    def stop(self):
        """Its first process ends with the one outside, and what it ran with that."""
        self.outer.kill()
        self.outer.wait()
        for folder, _, _ in os.walk(self.group, topdown=False):
            for _ in range(100):
                try:
                    os.rmdir(folder)
                    break
                except OSError:
                    time.sleep(0.1)
        shutil.rmtree(self.room)

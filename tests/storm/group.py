"""A program in a control group with a limit of memory: of systemd's where that runs, otherwise one made by hand, as root, in version 2
or 1. Nothing here goes on without a limit that is known to hold."""

import contextlib, os, pathlib, shutil, subprocess, time

# Seconds until a group that was asked for is there.
PATIENCE = 10


class Unavailable(Exception):
    """Why there is no such group on this machine."""


class Version:
    """How the files of one version of control groups are called, and where its groups lie."""

    def __init__(self, number, mount, root):
        self.number, self.mount, self.root = number, mount, root
        self.limit, self.swap, self.peak, self.kills = {
            1: ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control"),
            2: ("memory.max", "memory.swap.max", "memory.peak", "memory.events"),
        }[number]

    def group_of(self, pid):
        """Where a process is."""
        for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "" if self.number == 2 else "memory" in controllers.split(","):
                return self.mount / os.path.relpath(path, self.root)
        return self.mount


def versions():
    """Those that limit memory here; the newer one first."""
    found = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        place, _, system = line.partition(" - ")
        root, mount = place.split()[3:5]
        kind, _, options = system.split(" ", 2)
        mount = pathlib.Path(mount)
        if kind == "cgroup2" and "memory" in (mount / "cgroup.controllers").read_text().split():
            found.insert(0, Version(2, mount, root))
        elif kind == "cgroup" and "memory" in options.split(","):
            found.append(Version(1, mount, root))
    return found


class Group:
    """A program that was started in a group of its own."""

    def __init__(self, limit_bytes, command, **popen):
        self.limit_bytes, self.made = limit_bytes, None
        reasons = []
        for way in (self.by_systemd, self.by_hand):
            try:
                way(command, popen)
                break
            except (OSError, Unavailable) as error:
                reasons.append(str(error))
        else:
            raise Unavailable("memory cannot be limited here: " + "; ".join(reasons))
        try:
            limit = self.read(self.version.limit)
            if limit != str(limit_bytes):
                raise Unavailable(f"{self.path} limits memory to {limit} and not to {limit_bytes}")
        except BaseException:
            self.end()
            raise

    def by_systemd(self, command, popen):
        if not pathlib.Path("/run/systemd/system").is_dir() or not shutil.which("systemd-run"):
            raise Unavailable("systemd does not run")
        whose = [] if os.geteuid() == 0 else ["--user"]
        limits = [f"--property=MemoryMax={self.limit_bytes}", "--property=MemorySwapMax=0"]
        # It becomes the program, once that is where it should be.
        self.process = subprocess.Popen(["systemd-run", *whose, "--scope", "--quiet", "--collect", *limits, "--", *command], **popen)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            for self.version in versions():
                self.path = self.version.group_of(self.process.pid)
                with contextlib.suppress(OSError):
                    if self.path.name.endswith(".scope") and self.read(self.version.limit) == str(self.limit_bytes):
                        return
            time.sleep(0.02)
        self.end()
        raise Unavailable("systemd-run makes no group")

    def by_hand(self, command, popen):
        if os.geteuid() != 0:
            raise Unavailable("without systemd it takes root to make a group")
        reasons = ["no group that limits memory is mounted"]
        for self.version in versions():
            self.path = self.made = self.version.mount / f"authnzerver-storm-{os.getpid()}"
            try:
                if self.version.number == 2:
                    (self.version.mount / "cgroup.subtree_control").write_text("+memory")
                self.path.mkdir()
                (self.path / self.version.limit).write_text(str(self.limit_bytes))
            except OSError as error:
                reasons.append(f"version {self.version.number}: {error}")
                with contextlib.suppress(OSError):
                    self.path.rmdir()
                continue
            # Not every kernel counts what is swapped out. Without, a machine that swaps shows less than it could.
            with contextlib.suppress(OSError):
                (self.path / self.version.swap).write_text("0" if self.version.number == 2 else str(self.limit_bytes))
            enter = f'echo $$ > "{self.path}/cgroup.procs" && exec "$@"'
            self.process = subprocess.Popen(["sh", "-c", enter, "sh", *command], **popen)
            return
        raise Unavailable("; ".join(reasons))

    def read(self, file):
        return (self.path / file).read_text().strip()

    def peak_bytes(self):
        """The most that it ever took, or nothing where the kernel does not say."""
        with contextlib.suppress(FileNotFoundError):
            return int(self.read(self.version.peak))

    def kills(self):
        """How many processes of the group the kernel has killed for want of memory. Some kernels do not count them in version 1; that a
        process has ended shows anyway."""
        counts = dict(line.split() for line in self.read(self.version.kills).splitlines())
        return int(counts.get("oom_kill", 0))

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        if self.made:
            # The kernel takes a moment to see that it is empty.
            end = time.monotonic() + PATIENCE
            while self.made.exists() and time.monotonic() < end:
                with contextlib.suppress(OSError):
                    self.made.rmdir()
                time.sleep(0.02)

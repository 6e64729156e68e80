"""The life of a .deb under systemd as the first process: it starts when it is installed, says when it serves, is started again
when it hangs, hands its socket over, backs up by the timer, upgrades, stops and goes. Then the same program by `make install`.

    under_systemd.py --root=ROOT --old=OLD.deb --new=NEW.deb [--archive=authnzerver-….tar.gz]"""

import argparse, contextlib, http.client, pathlib, re, shutil, sys, threading, time
from machine import Machine, cgroup2

PORT = 13431
PATIENCE_SECONDS = 60
# Fewer than the unit's StartLimitBurst.
RESTARTS = 3


def says(text):
    print(f"--- {text}", flush=True)


def health():
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", "/health", headers={"Host": "localhost"})
        return connection.getresponse().status


def eventually(what, holds):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.05)


class Service:
    """authnzerver.service on a machine."""

    def __init__(self, machine):
        self.machine = machine

    def systemctl(self, *words, check=True):
        return self.machine.run("systemctl", *words, check=check)

    def shows(self, name, unit="authnzerver.service"):
        return self.systemctl("show", "--value", f"--property={name}", unit)

    def state(self):
        return self.shows("ActiveState") + "/" + self.shows("SubState")

    def journal(self):
        return self.machine.run("journalctl", "--no-pager", "--quiet", "--unit=authnzerver.service")

    def drop_in(self, unit, text):
        folder = self.machine.root / f"etc/systemd/system/{unit}.d"
        folder.mkdir(exist_ok=True)
        (folder / "test.conf").write_text(text)
        self.systemctl("daemon-reload")

    def restart(self):
        """However often it was."""
        self.systemctl("reset-failed", "authnzerver")
        self.systemctl("restart", "authnzerver")

    def no_drop_in(self, unit):
        shutil.rmtree(self.machine.root / f"etc/systemd/system/{unit}.d")
        self.systemctl("daemon-reload")


class Visitors:
    """Ask again and again, each time over a new connection, and note how often that fails."""

    def __init__(self, count):
        self.failures, self.answers, self.ending = [], 0, False
        self.threads = [threading.Thread(target=self.visit) for _ in range(count)]

    def visit(self):
        while not self.ending:
            try:
                status = health()
                assert status == 200, f"HTTP {status}"
                self.answers += 1
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failures.append(repr(error))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        for thread in self.threads:
            thread.join()


def installs_and_starts(service, package):
    print(service.machine.run("apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", "install", package))
    # apt has returned, so systemd has been told that it serves: no second try is needed.
    assert health() == 200
    assert service.state() == "active/running", service.state()
    assert service.shows("User") == "authnzerver"
    owner = service.machine.run("stat", "-c", "%a %U", "/var/lib/authnzerver/.authdb.sqlite")
    assert owner == "600 authnzerver", owner


def serves_once_started(service):
    for _ in range(RESTARTS):
        service.restart()
        assert health() == 200
    assert service.shows("Type") == "notify"


def reloads(service):
    process = service.shows("MainPID")
    before = service.journal().count("\n")
    service.systemctl("reload", "authnzerver")
    eventually("the log tells of the reload", lambda: service.journal().count("\n") > before)
    assert (service.shows("MainPID"), health()) == (process, 200)
    print(service.journal().splitlines()[-1])


def hangs(service):
    # As in the unit, but sooner.
    service.drop_in("authnzerver.service", "[Service]\nWatchdogSec=3\n")
    service.restart()
    process, restarts = service.shows("MainPID"), int(service.shows("NRestarts"))
    fed = service.shows("WatchdogTimestampMonotonic")
    eventually("it feeds the watchdog", lambda: service.shows("WatchdogTimestampMonotonic") != fed)
    service.machine.run("sh", "-c", f"kill -STOP {process}")
    eventually("a server that hangs is started again",
               lambda: int(service.shows("NRestarts")) > restarts and service.state() == "active/running")
    assert service.shows("MainPID") != process and health() == 200
    assert "Watchdog timeout" in service.journal()
    service.no_drop_in("authnzerver.service")
    service.restart()


def hands_over(service):
    # Visitors below ask more often than one address may.
    with open(service.machine.root / "etc/authnzerver/authnzerver.env", "a") as settings:
        settings.write("AUTHNZERVER_RATELIMITS=none\n")
    service.systemctl("stop", "authnzerver")
    service.systemctl("enable", "--now", "authnzerver.socket")
    # The first who knocks starts it.
    assert health() == 200
    with Visitors(4) as visitors:
        for _ in range(RESTARTS):
            service.restart()
    assert not visitors.failures, visitors.failures[:3]
    assert visitors.answers > RESTARTS, visitors.answers
    print(f"{RESTARTS} restarts, {visitors.answers} requests answered, none failed")


def backs_up(service):
    folder = service.machine.root / "var/lib/authnzerver-backups"
    service.drop_in("authnzerver-backup.timer", "[Timer]\nOnCalendar=\nOnCalendar=*:*:*\nRandomizedDelaySec=0\nAccuracySec=1\n")
    service.systemctl("enable", "--now", "authnzerver-backup.timer")
    eventually("the timer has a backup made", lambda: list(folder.glob("*.sqlite*")))
    service.systemctl("disable", "--now", "authnzerver-backup.timer")
    eventually("it ends", lambda: service.shows("ActiveState", "authnzerver-backup.service") in ("inactive", "failed"))
    assert service.shows("Result", "authnzerver-backup.service") == "success"
    service.no_drop_in("authnzerver-backup.timer")
    print(service.machine.run("ls", "-l", "/var/lib/authnzerver-backups"))


def is_confined(service):
    said = service.machine.run("systemd-analyze", "security", "--no-pager", "authnzerver.service").splitlines()[-1]
    print(said)
    assert float(re.search(r"\d+\.\d+", said).group()) <= 1.3


def upgrades(service, package):
    process = service.shows("MainPID")
    with Visitors(2) as visitors:
        print(service.machine.run("dpkg", "-i", package))
    # By the socket nobody notices.
    assert not visitors.failures, visitors.failures[:3]
    assert service.shows("MainPID") != process
    knows_alice(service)


def command(service, *words, **options):
    """As an operator types it, who is root; what it writes must stay the server's."""
    return service.machine.run("authnzerver", *words, "--basedir=/var/lib/authnzerver", **options)


def adds_alice(service):
    command(service, "user", "add", "alice@example.org", "--name=Alice", "--password=-", "--yes", input="correct horse battery staple\n")
    knows_alice(service)


def knows_alice(service):
    assert "alice@example.org" in command(service, "user", "list")
    others = service.machine.run("find", "/var/lib/authnzerver/", "!", "-user", "authnzerver")
    assert not others, f"not the server's: {others}"


def goes(service):
    print(service.machine.run("dpkg", "-r", "authnzerver"))
    for unit in ("authnzerver.service", "authnzerver.socket"):
        assert service.shows("ActiveState", unit) == "inactive", unit
    assert (service.machine.root / "var/lib/authnzerver/.authdb.sqlite").exists()
    print(service.machine.run("dpkg", "-P", "authnzerver"))
    assert not (service.machine.root / "var/lib/authnzerver").exists()
    assert not service.systemctl("list-unit-files", "--no-legend", "authnzerver*", check=False)


def by_make(service, archive):
    """docs/install.md, "Any Linux with systemd", where nobody has made a user."""
    machine = service.machine
    machine.run("userdel", "authnzerver", check=False)
    shutil.copy(archive, machine.root / "root/release.tar.gz")
    name = archive.name.removesuffix(".tar.gz")
    machine.run("tar", "xf", "/root/release.tar.gz", "-C", "/root")
    print(machine.run("make", "-C", f"/root/{name}", "install", "BINARY=./authnzerver"))
    machine.run("systemctl", "enable", "--now", "authnzerver")
    assert health() == 200 and service.state() == "active/running"
    assert service.shows("DynamicUser") == "yes"
    assert (machine.root / "var/lib/authnzerver").is_symlink(), "the user was not made for the run"
    is_confined(service)
    machine.run("systemctl", "disable", "--now", "authnzerver")
    print(machine.run("make", "-C", f"/root/{name}", "uninstall"))
    left = machine.run("find", "/usr/local", "/etc/systemd/system", "-name", "authnz*")
    assert not left, left
    assert (machine.root / "var/lib/private/authnzerver/.authdb.sqlite").exists()


def main():
    parser = argparse.ArgumentParser()
    for name in ("root", "old", "new"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--archive", type=pathlib.Path)
    arguments = parser.parse_args()
    if not cgroup2():
        print("there is no cgroup2 here, so systemd cannot be the first process of anything: not tried")
        return
    machine = Machine(arguments.root)
    service = Service(machine)
    try:
        machine.enter_network()
        for name in ("old", "new"):
            shutil.copy(getattr(arguments, name), machine.root / f"root/{name}.deb")
        says(f"install {arguments.old.name} under systemd {machine.run('systemctl', '--version').split()[1]}")
        installs_and_starts(service, "/root/old.deb")
        adds_alice(service)
        says("systemctl restart returns when it serves")
        serves_once_started(service)
        says("reload")
        reloads(service)
        says("a server that hangs")
        hangs(service)
        says("the socket is handed over")
        hands_over(service)
        says("the timer of backups")
        backs_up(service)
        says("the sandbox")
        is_confined(service)
        says(f"upgrade to {arguments.new.name} under load")
        upgrades(service, "/root/new.deb")
        says("remove and purge")
        goes(service)
        if arguments.archive:
            says(f"make install from {arguments.archive.name}, and make uninstall")
            by_make(service, arguments.archive)
    except BaseException:
        with contextlib.suppress(AssertionError):
            print(service.journal(), file=sys.stderr)
        raise
    finally:
        machine.stop()
    says("all is well")


main()

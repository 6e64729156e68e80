"""A PostgreSQL primary and its synchronous standby, and what can happen to them."""

import os, pathlib, signal, subprocess, time

BIN = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
SETTINGS = """
listen_addresses = '127.0.0.1'
max_connections = 48
shared_buffers = 64MB
max_wal_size = 64MB
min_wal_size = 32MB
wal_sender_timeout = 5s
wal_keep_size = 64MB
hot_standby = on
log_min_messages = fatal
"""


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def as_owner(*command):
    """PostgreSQL refuses to run as root."""
    return run("runuser", "-u", "postgres", "--", *command)


class Node:
    def __init__(self, room, name, port):
        self.room, self.name, self.port, self.data = room, name, port, room / name

    def start(self):
        as_owner(BIN / "pg_ctl", "-D", self.data, "-l", self.room / f"{self.name}.log", "-w", "-t", "60", "start")

    def make(self):
        as_owner(BIN / "initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--no-sync")
        self.configure()
        self.start()
        self.sql("CREATE ROLE accounts LOGIN")
        self.sql("CREATE DATABASE accounts OWNER accounts")

    def configure(self):
        with open(self.data / "postgresql.conf", "a") as file:
            file.write(f"{SETTINGS}\nport = {self.port}\nunix_socket_directories = '{self.room}'\n")

    def follow(self, primary):
        """Becomes the synchronous standby of another node."""
        run("rm", "-rf", self.data)
        as_owner(BIN / "pg_basebackup", "-D", self.data, "-h", primary.room, "-p", primary.port, "-U", "postgres", "-R", "-c", "fast")
        self.configure()
        # Once it is the primary itself it has no standby to wait for.
        with open(self.data / "postgresql.auto.conf", "a") as file:
            file.write("synchronous_standby_names = ''\n")
        self.start()
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.sql("SELECT pg_reload_conf()")
        until(lambda: primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1")

    def sql(self, statement, database="postgres"):
        return run("psql", "--no-psqlrc", "-qtA", "-v", "ON_ERROR_STOP=1", "-h", self.room, "-p", self.port, "-U", "postgres",
                   "-d", database, "-c", statement)

    def takes_writes(self):
        try:
            return self.sql("SELECT NOT pg_is_in_recovery()") == "t"
        except AssertionError:
            return False

    def pids(self):
        try:
            postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        except OSError:
            return []
        children = subprocess.run(["pgrep", "-P", str(postmaster)], capture_output=True, text=True).stdout.split()
        return [postmaster, *map(int, children)]

    def signal(self, number):
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self):
        """As if the machine were gone."""
        pids = self.pids()
        self.signal(signal.SIGKILL)
        until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids))

    def promote(self):
        as_owner(BIN / "pg_ctl", "-D", self.data, "-w", "promote")

    def stop(self):
        subprocess.run(["runuser", "-u", "postgres", "--", BIN / "pg_ctl", "-D", self.data, "-m", "immediate", "stop"],
                       capture_output=True)


def until(happened, seconds=60):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)

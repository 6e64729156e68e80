"""Replicates a server's database with Litestream while it is written to, kills the server, restores the replica, and
compares. A round for each end of a server; after each, Litestream starts again, as deploy/authnzerver-litestream.service
has it. With --no-restart it goes on, and sooner or later a round fails."""

import argparse, atexit, base64, contextlib, http.client, json, os, pathlib, signal, socket, sqlite3, subprocess, tempfile, threading, time
from cryptography.fernet import Fernet

ROOT = pathlib.Path(__file__).parents[2]
THREADS = 4
# Seconds within which the replica has caught up after the last write, on a busy machine.
LAG_MAX = 30
VISITOR = {"ip_address": "192.0.2.7", "user_agent": "Browser/1.0", "user_id": None, "expires": 1, "extra_info_json": None}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    def __init__(self, program, directory):
        self.program, self.directory, self.port = program, directory, free_port()
        environment = dict(os.environ, AUTHNZERVER_PWNEDURL="none", AUTHNZERVER_RATELIMITS="none",
                           AUTHNZERVER_ARGON2="m=19456,t=2,p=1", AUTHNZERVER_PORT=str(self.port),
                           AUTHNZERVER_LOGLEVEL="warning")
        self.process = subprocess.Popen([program, f"--basedir={directory}"], env=environment)
        while True:
            assert self.process.poll() is None, "the server does not start"
            # A connection alone says little: a server that starts tries the port out first, and drops who comes then.
            with contextlib.suppress(OSError, http.client.HTTPException):
                health = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LAG_MAX)
                health.request("GET", "/health", headers={"Host": "localhost"})
                health.getresponse().read()
                health.close()
                break
            time.sleep(0.05)
        self.box = Fernet((directory / ".authnzerver-secret-key").read_bytes())

    def ask(self, connection, request, body):
        message = {"request": request, "body": body, "reqid": "1", "client_ipaddr": "192.0.2.7"}
        sealed = base64.b64encode(self.box.encrypt(json.dumps(message).encode()))
        connection.request("POST", "/", sealed, {"Host": "localhost"})
        return json.loads(self.box.decrypt(base64.b64decode(connection.getresponse().read())))["response"]

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def write_until_it_ends(self, answered):
        """Starts sessions, and now and then signs somebody up, until the server is gone."""
        def write(number):
            connection, count = self.connect(), 0
            try:
                while True:
                    batch = {"requests": [{"request": "session-new", "body": VISITOR}] * 8}
                    answers = self.ask(connection, "batch", batch)["answers"]
                    answered.extend(answer["response"]["session_token"] for answer in answers)
                    count += 1
                    if count % 50 == 0:
                        self.ask(connection, "user-new", {"full_name": "A", "password": "correct horse battery staple",
                                                          "email": f"a{number}-{self.port}-{count}@example.org"})
            except (OSError, http.client.HTTPException):
                pass
        threads = [threading.Thread(target=write, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        return threads


def dump(path):
    """Every row of every table that is the server's."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    names = [name for (name,) in connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_litestream%' ESCAPE '\\'"
        " AND name NOT LIKE 'sqlite_stat%' ORDER BY name")]
    return {name: sorted(map(repr, connection.execute(f"SELECT * FROM {name}"))) for name in names}


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--litestream", required=True)
    parser.add_argument("--server", default=ROOT / "target/debug/authnzerver")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--no-restart", action="store_true", help="leave Litestream running when the server has ended")
    arguments = parser.parse_args()
    room = pathlib.Path(tempfile.mkdtemp(prefix="litestream-"))
    directory, replica = room / "server", room / "replica"
    directory.mkdir(mode=0o700)
    database, config = directory / ".authdb.sqlite", room / "litestream.yml"
    text = (ROOT / "deploy/litestream.yml").read_text()
    config.write_text(text.replace("/var/lib/authnzerver-replica", str(replica)).replace("/var/lib/authnzerver", str(directory)))
    litestream, answered = None, []

    def start_litestream():
        log = open(room / "litestream.log", "a")
        started = subprocess.Popen([arguments.litestream, "replicate", "-config", config], stdout=log, stderr=log)
        atexit.register(started.kill)
        return started

    for number, end in enumerate([signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGKILL]):
        server = Server(arguments.server, directory)
        threads = server.write_until_it_ends(answered)
        litestream = litestream or start_litestream()
        time.sleep(arguments.seconds)
        largest = os.path.getsize(f"{database}-wal")
        began = time.monotonic()
        server.process.send_signal(end)
        server.process.wait()
        took = time.monotonic() - began
        for thread in threads:
            thread.join()
        # A commit that the kill cut off may be in the log for Litestream and not for SQLite: what Litestream writes next
        # goes over it, and the replica is damaged until Litestream reads the database anew, as it does at its start.
        time.sleep(2)
        if not arguments.no_restart:
            litestream.terminate()
            litestream.wait()
            litestream = start_litestream()
        began, lag = time.monotonic(), 0
        restored = room / f"restored-{number}.sqlite"
        while True:
            run(arguments.litestream, "restore", "-config", config, "-o", restored, database, umask=0o077)
            ours, theirs = dump(database), dump(restored)
            gone = {name: len(set(ours[name]) - set(theirs[name])) for name in ours}
            extra = {name: len(set(theirs[name]) - set(ours[name])) for name in ours}
            lag = time.monotonic() - began
            if not any(gone.values()):
                break
            assert lag < LAG_MAX, f"round {number}: not in the replica: {gone}"
            restored.unlink()
            time.sleep(1)
        assert sum(extra.values()) <= THREADS, f"round {number}: not in the database: {extra}"
        new = room / f"new-{number}"
        new.mkdir(mode=0o700)
        for name in (".authnzerver-secret-key", ".authnzerver-salt"):
            (new / name).write_bytes((directory / name).read_bytes())
            (new / name).chmod(0o400)
        run(arguments.server, "restore", restored, f"--basedir={new}")
        run(arguments.server, "db", "check", f"--basedir={new}")
        run(arguments.server, "events", "verify", f"--basedir={new}")
        second = Server(arguments.server, new)
        connection = second.connect()
        missing = sum(not second.ask(connection, "session-exists", {"session_token": token})["success"]
                      for token in answered[-500:])
        second.process.terminate()
        second.process.wait()
        assert missing == 0, f"{missing} sessions that were answered are not in the replica"
        print(f"round {number} ({end.name}, gone after {took:.1f} s): {len(ours['sessions'])} sessions, "
              f"{len(ours['users'])} users, {len(ours['events'])} events are there after {lag:.0f} s; the log beside the database had "
              f"{largest >> 10} KiB", flush=True)
    litestream.terminate()
    litestream.wait()


main()

"""Tries a binary out the way it is shipped, on this machine's processor or on another one under qemu: a start from nothing,
sign-up, login, session, kill -9, restart, and a database of the Python authnzerver. Under faketime, too, where it is given:
in 2040, which a clock of 32 bits does not know.

    smoke.py --server=dist/authnzerver-armv7 --runner='qemu-arm' [--faketime=/path/to/libfaketime.so.1]"""

import argparse, atexit, base64, contextlib, http.client, json, os, pathlib, shlex, shutil, signal, socket, sqlite3, subprocess, tempfile, threading, time
from cryptography.fernet import Fernet

ROOT = pathlib.Path(__file__).parents[2]
PYTHON_MADE = ROOT / "tests/data/python-authdb"
PASSWORD = "correct horse battery staple"
VISITOR = {"ip_address": "192.0.2.7", "user_agent": "Browser/1.0", "user_id": None, "expires": 1, "extra_info_json": None}
# A user of no account, as the image has it.
NOBODY = 65532
# Seconds that a start may take under qemu, on a busy machine.
PATIENCE = 120
IN_2040 = "@2040-03-01 12:00:00"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    def __init__(self, command, directory, faketime=None, preexec=None, **settings):
        self.port = free_port()
        environment = dict(os.environ, **settings, AUTHNZERVER_PWNEDURL="none", AUTHNZERVER_PORT=str(self.port),
                           AUTHNZERVER_LOGLEVEL="warning", AUTHNZERVER_HASHTHREADS="1")
        if faketime:
            # qemu's own clock, which the program under it is given.
            environment.update(LD_PRELOAD=faketime, TZ="UTC", FAKETIME=IN_2040, FAKETIME_DONT_FAKE_MONOTONIC="1")
        if preexec:
            environment.pop("SSL_CERT_FILE", None)
            self.process = subprocess.Popen([*command, "--basedir=/data"], env=environment, preexec_fn=preexec)
        else:
            self.process = subprocess.Popen([*command, f"--basedir={directory}"], env=environment)
        atexit.register(self.process.kill)
        began = time.monotonic()
        while True:
            assert self.process.poll() is None, "the server does not start"
            assert time.monotonic() - began < PATIENCE, "the server takes too long to start"
            # A connection alone says little: a server that starts tries the port out first, and drops who comes then.
            with contextlib.suppress(OSError, http.client.HTTPException):
                health = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
                health.request("GET", "/health", headers={"Host": "localhost"})
                health.getresponse().read()
                health.close()
                break
            time.sleep(0.02)
        self.start_seconds = time.monotonic() - began
        self.box = Fernet((directory / ".authnzerver-secret-key").read_bytes())

    def ask(self, request, **body):
        message = {"request": request, "body": body, "reqid": "1", "client_ipaddr": "192.0.2.7"}
        # What is sealed has the time of day in it.
        sealed = base64.b64encode(self.box.encrypt_at_time(json.dumps(message).encode(), int(self.now())))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("POST", "/", sealed, {"Host": "localhost"})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, f"{request}: HTTP {answer.status}: {text}"
        return json.loads(self.box.decrypt(base64.b64decode(text)))["response"]

    def now(self):
        """What time it is to the server."""
        return time.time()

    def memory_kib(self):
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    def end(self, how):
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)


class ServerIn2040(Server):
    def now(self):
        # IN_2040.
        return 2_214_216_000


def succeeds(answer):
    assert answer["success"], answer
    return answer


def logs_in(server, email, password):
    token = succeeds(server.ask("session-new", **VISITOR))["session_token"]
    user = succeeds(server.ask("user-login", session_token=token, email=email, password=password))["user_id"]
    return user, succeeds(server.ask("session-new", **VISITOR | {"user_id": user}))["session_token"]


def from_nothing(command, room):
    """A server's first day, its death, and the next morning."""
    server = Server(command, room)
    about = {"start": server.start_seconds, "memory": server.memory_kib()}
    succeeds(server.ask("user-new", full_name="Alice", email="alice@example.org", password=PASSWORD))
    succeeds(server.ask("user-set-emailverified", email="alice@example.org"))
    user, token = logs_in(server, "alice@example.org", PASSWORD)
    wrong = server.ask("user-login", session_token=succeeds(server.ask("session-new", **VISITOR))["session_token"],
                       email="alice@example.org", password="wrong")
    assert not wrong["success"], wrong
    server.end(signal.SIGKILL)
    server = Server(command, room)
    found = succeeds(server.ask("session-exists", session_token=token))["session_info"]
    assert found["user_id"] == user, found
    logs_in(server, "alice@example.org", PASSWORD)
    assert server.end(signal.SIGTERM) == 0
    for words in (["db", "check"], ["events", "verify"], ["backup", str(room / "backup.sqlite")]):
        done = subprocess.run([*command, *words, f"--basedir={room}"], capture_output=True, text=True)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return about


def python_made(command, room):
    """Takes over what the Python authnzerver left behind, with its sessions and passwords."""
    for name, target in (("authdb.sqlite", ".authdb.sqlite"), ("secret-key", ".authnzerver-secret-key"), ("salt", ".authnzerver-salt")):
        shutil.copyfile(PYTHON_MADE / name, room / target)
        (room / target).chmod(0o600)
    known = json.loads((PYTHON_MADE / "manifest.json").read_text())
    server = Server(command, room)
    users = {user["who"]: user for user in known["users"]}
    for who in ("alice", "dave", "eve", "yamada"):
        user, _ = logs_in(server, users[who]["email"], users[who]["password"])
        assert user == users[who]["user_id"]
    live = next(session for session in known["sessions"] if session["why"] == "live")
    found = succeeds(server.ask("session-exists", session_token=live["session_token"]))["session_info"]
    # Far beyond 2038.
    assert found["expires"].startswith("2099-01-01T00:00:00.123456"), found
    assert server.end(signal.SIGTERM) == 0


def in_2040(command, room, faketime):
    """A clock and a span of 32 bits end in 2038."""
    server = ServerIn2040(command, room, faketime)
    token = succeeds(server.ask("session-new", **VISITOR))["session_token"]
    expires = succeeds(server.ask("session-exists", session_token=token))["session_info"]["expires"]
    assert expires.startswith("2040-03-02T12:0"), expires
    server.end(signal.SIGKILL)
    server = ServerIn2040(command, room, faketime)
    succeeds(server.ask("session-exists", session_token=token))
    assert server.end(signal.SIGTERM) == 0


def beyond_two_gib(command, room):
    """Offsets and sizes of 32 bits with a sign end at 2 GiB, without one at 4 GiB: a database whose rows lie beyond both.
    The file has holes, so it takes little of the disk."""
    page, pages = 4096, (5 << 30) // 4096
    server = Server(command, room)
    assert server.end(signal.SIGTERM) == 0
    path = room / ".authdb.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA page_size").fetchone() == (page,)
        assert database.execute("PRAGMA freelist_count").fetchone() == (0,)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        count = database.execute("PRAGMA page_count").fetchone()[0]
    # The list of free pages is empty, so SQLite appends what is new behind the last page that the header counts.
    with open(path, "r+b") as file:
        file.truncate(page * pages)
        file.seek(28)
        file.write(pages.to_bytes(4, "big"))
    server = Server(command, room)
    token = None
    for _ in range(64):
        token = succeeds(server.ask("session-new", **VISITOR))["session_token"]
    server.end(signal.SIGKILL)
    server = Server(command, room)
    succeeds(server.ask("session-exists", session_token=token))
    assert server.end(signal.SIGTERM) == 0
    size = path.stat().st_size
    assert size > page * pages, f"nothing was written beyond page {pages}: {size} bytes, at first {count} pages"


class MailServer(threading.Thread):
    """Takes one email on loopback."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.email = self.listener.getsockname()[1], None

    def run(self):
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rwb") as stream:
            def say(reply):
                stream.write(reply + b"\r\n")
                stream.flush()
            say(b"220 here")
            while line := stream.readline():
                if line.startswith(b"DATA"):
                    say(b"354 go on")
                    self.email = b"".join(iter(stream.readline, b".\r\n"))
                say(b"250 OK")


def without_names(program, room):
    """A root with nothing in it but the program, as an image has it: nobody there says where localhost is."""
    shutil.copyfile(program, room / "authnzerver")
    (room / "authnzerver").chmod(0o755)
    room.chmod(0o755)
    data = room / "data"
    data.mkdir(mode=0o700)
    os.chown(data, NOBODY, NOBODY)

    def enter():
        os.chroot(room)
        os.chdir("/data")
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    mail = MailServer()
    mail.start()
    settings = {"AUTHNZERVER_EMAILSERVER": "localhost", "AUTHNZERVER_EMAILPORT": str(mail.port)}
    server = Server(["/authnzerver"], data, preexec=enter, AUTHNZERVER_LISTEN="localhost", **settings)
    for words in (["health"], ["health", f"--url=http://localhost:{server.port}"],
                  ["call", "session-exists", '{"session_token": "x"}', f"--url=http://localhost:{server.port}"], ["mail", "test", "a@example.org"]):
        environment = settings | {"AUTHNZERVER_PORT": str(server.port), "AUTHNZERVER_LISTEN": "localhost"}
        done = subprocess.run(["/authnzerver", *words, "--basedir=/data"], preexec_fn=enter, env=environment, capture_output=True, text=True)
        assert done.returncode == (1 if words[0] == "call" else 0), f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
    mail.join(PATIENCE)
    assert mail.email, "no email came"
    assert server.end(signal.SIGTERM) == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--runner", default="")
    parser.add_argument("--faketime")
    arguments = parser.parse_args()
    command = [*shlex.split(arguments.runner), str(pathlib.Path(arguments.server).resolve())]
    with tempfile.TemporaryDirectory(prefix="smoke-") as room:
        rooms = [pathlib.Path(room, name) for name in ("nothing", "python", "later", "large", "image")]
        for each in rooms:
            each.mkdir(mode=0o700)
        about = from_nothing(command, rooms[0])
        python_made(command, rooms[1])
        beyond_two_gib(command, rooms[3])
        alone = not arguments.runner and os.geteuid() == 0
        if alone:
            without_names(pathlib.Path(arguments.server), rooms[4])
        if arguments.faketime:
            in_2040(command, rooms[2], arguments.faketime)
    print(f"smoke: {arguments.server}: first start {about['start']:.1f} s, idle with {about['memory'] / 1024:.0f} MiB; sign-up, login, "
          f"session, kill -9, restart, a Python-made database, a database of 5 GiB{', no /etc/hosts' if alone else ''}{', the year 2040' if arguments.faketime else ''}: all is well")


main()

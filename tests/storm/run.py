"""More logins than a small server can do, under a limit of memory that leaves it one hashing thread: nobody gets a wrong answer, the
kernel kills nothing, sessions are looked up meanwhile, and afterwards it goes on as before.

    run.py --server=dist/authnzerver [--memory=48] [--clients=64,256] [--seconds=3]

--memory is in MiB. Needs systemd, or root; without both it fails."""

import argparse, base64, collections, contextlib, http.client, json, os, pathlib, random, re, signal, socket, subprocess, sys, tempfile
import threading, time
from cryptography.fernet import Fernet
from group import Group, Unavailable

PASSWORD = "correct horse battery staple"
COST = "m=19456,t=2,p=1"
# Whose owners log in, and those on which others try passwords.
OWNED, GUESSED = 24, 24
# An answer takes no longer than this: the queue before the hashing threads holds ten seconds.
ANSWER_SECONDS = 60
# Of so many answers one is the last on its connection, so that others get in.
ANSWERS_EACH = 4
PROBE_SECONDS = 0.02
WRONG = "user does not exist or password doesn't match"
# What whoever types a wrong password may be told.
REFUSALS = {WRONG, "too soon after a failed attempt"}
BUSY = "503"


class Wrong(Exception):
    """An answer that nobody should get."""


class Caller:
    """A connection of its own, from an address of its own."""

    def __init__(self, port, box, address):
        self.port, self.box, self.address, self.connection, self.answered = port, box, address, None, 0

    def ask(self, request, body):
        """The answer; `BUSY` for a 503. Nothing where a new connection was cut: it was one too many, and its refusal was overtaken by the
        end of the connection."""
        message = {"request": request, "body": body, "reqid": 1, "client_ipaddr": self.address}
        sealed = base64.b64encode(self.box.encrypt(json.dumps(message).encode()))
        if self.connection is None:
            self.connection, self.answered = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS), 0
        try:
            self.connection.request("POST", "/", sealed, {"Host": "localhost"})
            answer = self.connection.getresponse()
            text = answer.read()
        except (ConnectionError, http.client.RemoteDisconnected) as error:
            was_answered = self.answered > 0
            self.hang_up()
            if was_answered:
                raise Wrong(f"{request}: a connection that was served is cut: {error!r}") from None
            return None
        self.answered += 1
        if answer.will_close:
            self.hang_up()
        if answer.status == 503:
            if int(answer.headers.get("Retry-After", 0)) < 1:
                raise Wrong(f"{request}: 503 without Retry-After")
            return BUSY
        if answer.status != 200:
            raise Wrong(f"{request}: {answer.status} {text!r}")
        return json.loads(self.box.decrypt(base64.b64decode(text)))

    def hang_up(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Server:
    def __init__(self, program, memory_bytes, directory):
        self.directory = directory
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        environment = {"PATH": os.environ["PATH"], "AUTHNZERVER_PWNEDURL": "none", "AUTHNZERVER_PORT": str(self.port),
                       "AUTHNZERVER_RATELIMITS": "none", "AUTHNZERVER_ARGON2": COST, "AUTHNZERVER_USERLOCKTRIES": "1000",
                       "AUTHNZERVER_BACKOFF": "refuse"}
        # What speaks to the user's systemd.
        environment |= {name: os.environ[name] for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS") if name in os.environ}
        with open(directory / "log", "w") as log:
            self.group = Group(memory_bytes, [program, f"--basedir={directory}"], env=environment, stdout=log, stderr=log)
        self.process = self.group.process

    def start(self):
        end = time.monotonic() + ANSWER_SECONDS
        while self.health() != 200:
            self.must_live()
            if time.monotonic() > end:
                raise Wrong("the server does not start")
            time.sleep(0.05)
        self.box = Fernet((self.directory / ".authnzerver-secret-key").read_bytes())

    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    def health(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
            with contextlib.closing(connection):
                connection.request("GET", "/health", headers={"Host": "localhost"})
                return connection.getresponse().status

    def must_live(self):
        if self.process.poll() is not None:
            raise Wrong("it is not there")
        if self.group.kills():
            raise Wrong("the kernel has killed for want of memory")

    def caller(self, address="192.0.2.1"):
        return Caller(self.port, self.box, address)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(ANSWER_SECONDS):
            raise Wrong(f"asked to stop, the server ends with {self.process.returncode}")


def login(email, password, address):
    return {"email": email, "password": password, "ip_address": address, "user_agent": "storm"}


def success(answer, what):
    if answer in (None, BUSY) or not answer["success"]:
        raise Wrong(f"{what}: {answer}")
    return answer["response"]


class Storm:
    """Everybody who asks at once, and what they were told."""

    def __init__(self, server, owners):
        self.server, self.owners = server, owners
        self.ending, self.told, self.wrong, self.lock = threading.Event(), collections.Counter(), [], threading.Lock()
        self.probed = []

    def counted(self, what):
        with self.lock:
            self.told[what] += 1

    def guarded(self, work, *arguments):
        def run():
            try:
                work(*arguments)
            except Exception as error:
                self.wrong.append(repr(error))
                self.ending.set()
        return threading.Thread(target=run, daemon=True)

    def logs_in(self, number):
        """Half of them know their password. Of the others, half try accounts that nobody has."""
        chance, address = random.Random(number), f"10.{number}.0.1"
        caller = self.server.caller(address)
        while not self.ending.is_set():
            knows = number % 2 == 0
            if knows:
                email, password = chance.choice(list(self.owners)), PASSWORD
            else:
                guessed = f"guessed-{chance.randrange(GUESSED)}" if chance.random() < 0.5 else f"nobody-{chance.randrange(10**9)}"
                email, password = f"{guessed}@example.org", f"wrong {chance.random()}"
            answer = caller.ask("login", login(email, password, address))
            if answer is None or answer == BUSY:
                self.counted("cut" if answer is None else BUSY)
                time.sleep(chance.uniform(0.05, 0.2))
                continue
            if knows and success(answer, email)["user"]["user_id"] != self.owners[email]:
                raise Wrong(f"{email} is logged in as somebody else: {answer}")
            if not knows and (answer["success"] or answer["failure_reason"] not in REFUSALS):
                raise Wrong(f"a wrong password: {answer}")
            self.counted("logged in" if knows else answer["failure_reason"])
            if chance.randrange(ANSWERS_EACH) == 0:
                caller.hang_up()

    def looks_up(self, token, email, ready):
        """On a connection that was there before."""
        caller = self.server.caller()
        success(caller.ask("session-exists", {"session_token": token}), "a session")
        ready.release()
        while not self.ending.is_set():
            begun = time.monotonic()
            answer = success(caller.ask("session-exists", {"session_token": token}), "a session during the storm")
            self.probed.append(time.monotonic() - begun)
            if answer["session_info"]["email"] != email:
                raise Wrong(f"another session: {answer}")
            time.sleep(PROBE_SECONDS)

    def rage(self, clients, seconds, token, email):
        ready = threading.Semaphore(0)
        threads = [self.guarded(self.looks_up, token, email, ready)]
        threads[0].start()
        if not ready.acquire(timeout=ANSWER_SECONDS):
            raise Wrong(f"no session is looked up: {self.wrong}")
        threads += [self.guarded(self.logs_in, number) for number in range(clients)]
        for thread in threads[1:]:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.ending.is_set():
            self.server.must_live()
            time.sleep(0.05)
        self.ending.set()
        for thread in threads:
            thread.join(ANSWER_SECONDS)
            if thread.is_alive():
                raise Wrong("a request is never answered")
        if self.wrong:
            self.server.must_live()
            raise Wrong("; ".join(sorted(set(self.wrong))[:5]))
        for needed in ("logged in", WRONG):
            if not self.told[needed]:
                raise Wrong(f"nobody was told: {needed}")


def as_before(server, owners, token, email):
    """One of each, each with its answer at once."""
    server.must_live()
    caller = server.caller()
    success(caller.ask("session-exists", {"session_token": token}), "the session afterwards")
    new = success(caller.ask("login", login(email, PASSWORD, "192.0.2.1")), "a login afterwards")
    if new["user"]["user_id"] != owners[email]:
        raise Wrong(f"{email} is logged in as somebody else: {new}")
    success(caller.ask("session-exists", {"session_token": new["session_token"]}), "a new session")
    refused = caller.ask("login", login("nobody@example.org", f"wrong {time.time()}", "192.0.2.1"))
    if refused == BUSY or refused["success"] or refused["failure_reason"] not in REFUSALS:
        raise Wrong(f"a wrong password afterwards: {refused}")
    caller.hang_up()


def tried(server, options):
    server.start()
    caller, owners = server.caller(), {}
    for kind, count in (("owner", OWNED), ("guessed", GUESSED)):
        for number in range(count):
            email = f"{kind}-{number}@example.org"
            made = success(caller.ask("internal-user-add", {"email": email, "full_name": "A Person", "password": PASSWORD}), email)
            if kind == "owner":
                owners[email] = made["user_id"]
    email = next(iter(owners))
    token = success(caller.ask("login", login(email, PASSWORD, "192.0.2.1")), email)["session_token"]
    caller.hang_up()
    for clients in options.clients:
        storm = Storm(server, owners)
        storm.rage(clients, options.seconds, token, email)
        as_before(server, owners, token, email)
        told = ", ".join(f"{count} {what}" for what, count in sorted(storm.told.items()))
        times = sorted(storm.probed)
        print(f"{clients} clients for {options.seconds:g} s: {told}; {len(times)} sessions looked up meanwhile, "
              f"{times[len(times) // 2] * 1000:.0f} ms in the middle and {times[-1] * 1000:.0f} ms at most", flush=True)
    peak = server.group.peak_bytes()
    server.must_live()
    server.stop()
    if re.search(r"panick?ed", server.log()):
        raise Wrong("the server has panicked")
    print(f"{COST} under {options.memory} MiB: every answer was right, and nothing was killed"
          + (f"; the group took {peak / 2**20:.1f} MiB at most, pages of files among them" if peak else ""))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True, type=pathlib.Path)
    parser.add_argument("--memory", type=int, default=48)
    parser.add_argument("--clients", type=lambda text: [int(one) for one in text.split(",")], default=[64, 256])
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    # Not where files are kept in memory: they would count.
    place = os.environ.get("CARGO_TARGET_DIR", "target")
    with tempfile.TemporaryDirectory(dir=place, prefix="storm-") as directory:
        directory, server = pathlib.Path(directory).resolve(), None
        try:
            server = Server(options.server.resolve(), options.memory * 2**20, directory)
            tried(server, options)
        except (Wrong, Unavailable) as error:
            end = "goes on"
            if server:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    end = f"has ended with {server.process.wait(1)}"
                error = f"{server.log()[-2000:]}{error}; the server {end}"
            sys.exit(str(error))
        finally:
            if server:
                server.group.end()


main()

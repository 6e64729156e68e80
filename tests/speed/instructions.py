"""Counts the instructions that the server executes for each of its hot requests, under Valgrind's callgrind, and compares them
with what was counted before (instructions.json). Other than times, these numbers are the same on a busy machine.

    instructions.py --server=dist/authnzerver [--only=session-exists] [--write] [--keep=DIRECTORY]

Ends with 1 if a request takes more than the tolerance beyond its number. --write writes the numbers anew; --keep leaves
callgrind's files in a directory, for callgrind_annotate."""

import argparse, base64, contextlib, http.client, json, os, pathlib, re, signal, socket, subprocess, sys, tempfile, time
from cryptography.fernet import Fernet

NUMBERS = pathlib.Path(__file__).parent / "instructions.json"
TOLERANCE = 0.03
# Seconds until a server under Valgrind must have started, or have answered.
PATIENCE = 120
WARM_UP = 300
COUNTED = 200
ROWS = 100


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """The server under callgrind, which counts only while it is told to."""

    def __init__(self, program, directory):
        self.directory = directory
        self.port = free_port()
        environment = {"PATH": os.environ["PATH"], "AUTHNZERVER_PWNEDURL": "none", "AUTHNZERVER_PORT": str(self.port),
                       "AUTHNZERVER_HASHTHREADS": "1", "AUTHNZERVER_WORKERS": "1", "AUTHNZERVER_RATELIMITS": "none"}
        valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={directory}/callgrind.out",
                    "--dump-line=no"]
        with open(directory / "log", "w") as log:
            self.process = subprocess.Popen([*valgrind, program, f"--basedir={directory}"], env=environment, stderr=log, stdout=log)
        end = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < end, "the server takes too long to start"
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
                self.connection.request("GET", "/health", headers={"Host": "localhost"})
                self.connection.getresponse().read()
                break
            time.sleep(0.05)
        self.box = Fernet((directory / ".authnzerver-secret-key").read_bytes())

    def seal(self, request, body):
        message = {"request": request, "body": body, "reqid": 1, "client_ipaddr": "192.0.2.7"}
        return base64.b64encode(self.box.encrypt(json.dumps(message).encode()))

    def send(self, sealed):
        self.connection.request("POST", "/", sealed, {"Host": "localhost"})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, (answer.status, text)
        return text

    def ask(self, request, body):
        answer = json.loads(self.box.decrypt(base64.b64decode(self.send(self.seal(request, body)))))
        assert answer["success"], answer
        return answer["response"]

    def control(self, *arguments):
        subprocess.run(["callgrind_control", *arguments, str(self.process.pid)], check=True, stdout=subprocess.DEVNULL)

    def count(self, name, bodies):
        """Instructions for one request. The same number every time, within a thousandth or two."""
        sealed = [self.seal(name.split("+")[0], body) for body in bodies]
        for number in range(WARM_UP):
            self.send(sealed[number % len(sealed)])
        self.control("--instr=on")
        self.control("--zero")
        for number in range(COUNTED):
            self.send(sealed[number % len(sealed)])
        self.control(f"--dump={name}")
        self.control("--instr=off")
        newest = max(self.directory.glob("callgrind.out.*"), key=lambda path: int(path.suffix[1:]))
        totals = re.search(r"^(?:totals|summary): (\d+)", newest.read_text(), re.M)
        newest.rename(self.directory / f"{name}.callgrind")
        return int(totals[1]) // COUNTED

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)


def hot_requests(server):
    """Each with the bodies that are sent in turn."""
    visitor = {"ip_address": "192.0.2.7", "user_agent": "Browser/1.0", "user_id": None, "expires": 1, "extra_info_json": None}
    tokens = [server.ask("session-new", visitor)["session_token"] for _ in range(ROWS)]
    access = {"user_id": 1, "user_role": "superuser", "action": "view", "target_name": "dataset", "target_owner": 1,
              "target_visibility": "private", "target_sharedwith": ""}
    key = server.ask("apikey-new-nosession", {
        "issuer": "test", "audience": "test", "subject": "test", "apiversion": 1, "expires_seconds": 86400,
        "not_valid_before": 0, "user_id": 1, "user_role": "superuser", "ip_address": "192.0.2.7", "refresh_expires": 86400,
        "refresh_nbf": 0})
    sessions = [{"session_token": token} for token in tokens]
    yield "session-exists", sessions
    yield "user-check-access", [access]
    yield "apikey-verify-nosession", [{"apikey_dict": json.loads(key["apikey"]), "user_id": 1, "user_role": "superuser"}]
    yield "batch", [{"requests": [{"request": "session-exists", "body": session}, {"request": "user-check-access", "body": access}]}
                    for session in sessions]
    yield "session-new", [visitor]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True, type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    known = json.loads(NUMBERS.read_text()) if NUMBERS.exists() else {}
    counted, worse = {}, []
    with tempfile.TemporaryDirectory() as directory:
        directory = options.keep or pathlib.Path(directory)
        directory.mkdir(exist_ok=True)
        server = Server(options.server.resolve(), directory)
        for name, bodies in hot_requests(server):
            if options.only and name not in options.only.split(","):
                continue
            counted[name] = server.count(name, bodies)
            before = known.get(name)
            change = f"{counted[name] / before - 1:+7.1%}" if before else "    new"
            print(f"{name:26} {counted[name]:9,} instructions {change}")
            if not before or counted[name] > before * (1 + TOLERANCE):
                worse.append(name)
        server.end()
    if options.write:
        NUMBERS.write_text(json.dumps(known | counted, indent=4) + "\n")
    elif worse:
        sys.exit(f"more than {TOLERANCE:.0%} over what {NUMBERS.name} says: {', '.join(worse)}. If it has to be, write the "
                 "numbers anew (make speed-numbers) and say why in the commit.")


main()

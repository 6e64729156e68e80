"""Clients of two processes, and what they find out: each looks through the other process for what one has acknowledged. An answer
that is no verdict (503, or none at all) says nothing; everything else has to be right."""

import base64, contextlib, http.client, json, os, random, subprocess, threading, time
from cryptography.fernet import Fernet

PASSWORD = "correct horse battery staple"
# The longest time within which a request is answered, whatever has happened to the database.
ANSWER_SECONDS = 60
KEY = {"issuer": "iss", "audience": "aud", "subject": ["/a"], "apiversion": "v1", "expires_seconds": 90000, "not_valid_before": 0,
       "user_role": "authenticated", "ip_address": "192.0.2.1", "refresh_expires": 90000, "refresh_nbf": 0}
RENEWAL = {"ip_address": "192.0.2.1", "expires_seconds": 90000, "not_valid_before": 0, "refresh_expires": 90000, "refresh_nbf": 0}


class Unknown(Exception):
    """Nobody knows what came of it."""


class Process:
    """A server. Each runs as another user, so that one can be cut off."""

    def __init__(self, program, directory, port, user, url, settings=()):
        self.program, self.directory, self.port, self.user = program, directory, port, user
        self.environment = dict(os.environ, AUTHNZERVER_PWNEDURL="none", AUTHNZERVER_RATELIMITS="none",
                                AUTHNZERVER_ARGON2="m=19456,t=2,p=1", AUTHNZERVER_PORT=str(port), AUTHNZERVER_AUTHDB=url,
                                AUTHNZERVER_USERLOCKTRIES="1000", AUTHNZERVER_LOGLEVEL="warning",
                                AUTHNZERVER_BACKOFF="refuse", **dict(settings))

    def start(self):
        log = open(self.directory / "log", "a")
        self.process = subprocess.Popen([self.program, f"--basedir={self.directory}"], env=self.environment, user=self.user,
                                        group=self.user, extra_groups=[], stdout=log, stderr=log)

    def health(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
            connection.request("GET", "/health", headers={"Host": "localhost"})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text)
        return 0, {}

    def kill(self):
        self.process.kill()
        self.process.wait()


class Cluster:
    """What the clients share: the processes, when writes were acknowledged, and what is wrong."""

    def __init__(self, processes, box, no_verdicts=()):
        # What a proxy answers by itself is no verdict either.
        self.processes, self.box, self.no_verdicts = processes, box, no_verdicts
        self.acknowledged, self.unknown, self.slowest = [[] for _ in processes], 0, 0.0
        self.wrong, self.sessions, self.users = [], {}, {}
        self.ending, self.count = threading.Event(), 0


class Client(threading.Thread):
    def __init__(self, cluster, name):
        super().__init__(daemon=True)
        self.cluster, self.name, self.random = cluster, name, random.Random(name)
        self.connections, self.serial, self.last = {}, 0, 0

    def ask(self, request, body, process=None):
        """The answer; `Unknown` where there is none."""
        cluster = self.cluster
        if process is None:
            process = self.last = (self.last + self.random.choice([0, 1, 1])) % len(cluster.processes)
        message = {"request": request, "body": body, "reqid": "1", "client_ipaddr": "192.0.2.7"}
        sealed = base64.b64encode(cluster.box.encrypt(json.dumps(message).encode()))
        begun = time.monotonic()
        try:
            connection = self.connections.get(process)
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", cluster.processes[process].port, timeout=ANSWER_SECONDS)
                self.connections[process] = connection
            connection.request("POST", "/", sealed, {"Host": "localhost"})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.connections.pop(process, None)
            if isinstance(error, TimeoutError):
                cluster.wrong.append(f"{self.name}: no answer to {request} within {ANSWER_SECONDS} s")
            cluster.unknown += 1
            time.sleep(0.05)
            raise Unknown from None
        cluster.slowest = max(cluster.slowest, time.monotonic() - begun)
        if answer.status == 503 or answer.status in cluster.no_verdicts:
            if answer.getheader("Retry-After") is None and not cluster.no_verdicts:
                cluster.wrong.append(f"{self.name}: a 503 to {request} without Retry-After")
            cluster.unknown += 1
            time.sleep(0.05)
            raise Unknown
        if answer.status != 200:
            cluster.wrong.append(f"{self.name}: {answer.status} to {request}")
            raise Unknown
        response = json.loads(cluster.box.decrypt(base64.b64decode(text)))["response"]
        cluster.count += 1
        return response

    def expect(self, success, what, request, body, process=None):
        response = self.ask(request, body, process)
        if response["success"] != success:
            self.cluster.wrong.append(f"{self.name}: {what}: {response}")
            raise Unknown
        return response

    def persists(self, request, body, process=None):
        """Asks until there is an answer."""
        while not self.cluster.ending.is_set():
            with contextlib.suppress(Unknown):
                return self.ask(request, body, process)
        raise Unknown

    def run(self):
        while not self.cluster.ending.is_set():
            with contextlib.suppress(Unknown):
                self.work()

    def signs_up(self):
        self.serial += 1
        email = f"{self.name}-{self.serial}@example.org"
        made = self.expect(True, "a sign-up is refused", "user-new", {"full_name": "A", "email": email, "password": PASSWORD})
        self.cluster.users[email] = made["user_id"]
        self.persists("user-set-emailverified", {"email": email})
        return email, made["user_id"]

    def new_session(self, user_id):
        body = {"ip_address": "192.0.2.7", "user_agent": "Browser/1.0", "user_id": user_id, "expires": 9, "extra_info_json": None}
        return self.expect(True, "a session is refused", "session-new", body)["session_token"]

    def checks(self, email, password, success, what):
        self.expect(success, what, "user-passcheck-nosession", {"email": email, "password": password})


class Person(Client):
    """Signs up, logs in, starts and ends sessions."""

    def work(self):
        email, user_id = self.signs_up()
        for _ in range(6):
            token = self.new_session(user_id)
            self.cluster.sessions[token] = True
            self.expect(True, "a session that was acknowledged is lost", "session-exists", {"session_token": token})
            self.checks(email, PASSWORD, True, "the right password is wrong")
            old = self.random.choice(list(self.cluster.sessions.items()))
            if old[1]:
                self.expect(True, "an old session is lost", "session-exists", {"session_token": old[0]})
            ended = self.new_session(user_id)
            self.expect(True, "a session cannot be ended", "session-delete", {"session_token": ended})
            self.expect(False, "a session that was ended goes on", "session-exists", {"session_token": ended})


class Locker(Client):
    """Locks and unlocks one account, and logs in to it in between."""

    def work(self):
        email, user_id = self.signs_up()
        for _ in range(10):
            for action, success in (("lock", False), ("unlock", True)):
                self.persists("internal-user-lock", {"target_userid": user_id, "action": action})
                self.checks(email, PASSWORD, success, f"after {action}, a login is {'refused' if success else 'let in'}")


class Keys(Client):
    """Issues, renews and revokes API keys."""

    def work(self):
        _, user_id = self.signs_up()
        for _ in range(5):
            made = self.expect(True, "a key is refused", "apikey-new-nosession", dict(KEY, user_id=user_id))
            time.sleep(1.1)
            key = {"apikey_dict": json.loads(made["apikey"]), "user_id": user_id, "user_role": "authenticated"}
            self.expect(True, "a key that was acknowledged is lost", "apikey-verify-nosession", key)
            renewal = dict(key, refresh_token=made["refresh_token"], **RENEWAL)
            renewed = self.expect(True, "a key is not renewed", "apikey-refresh-nosession", renewal)
            self.expect(False, "a key is renewed twice", "apikey-refresh-nosession", renewal)
            key["apikey_dict"] = json.loads(renewed["apikey"])
            time.sleep(1.1)
            self.expect(True, "a key cannot be revoked", "apikey-revoke-nosession", key)
            self.expect(False, "a key that was revoked is valid", "apikey-verify-nosession", key)


class Guesser(Client):
    """Tries wrong passwords. None is ever right."""

    def work(self):
        email, _ = self.signs_up()
        for number in range(20):
            self.checks(email, f"wrong {number}", False, "a wrong password is right")
            time.sleep(0.05)


class Probe(Client):
    """Writes through one process, as often as it is let, and notes when that worked."""

    def __init__(self, cluster, name, process):
        super().__init__(cluster, name)
        self.process = process

    def work(self):
        body = {"ip_address": "192.0.2.7", "user_agent": "Probe/1.0", "user_id": None, "expires": 9, "extra_info_json": None}
        made = self.expect(True, "a session is refused", "session-new", body, self.process)
        self.cluster.acknowledged[self.process].append(time.monotonic())
        self.cluster.sessions[made["session_token"]] = True
        time.sleep(0.02)


def longest_gap(times, begun, ended):
    """Seconds without an acknowledged write."""
    times = [begun, *(at for at in sorted(times) if begun <= at <= ended), ended]
    return max(after - before for before, after in zip(times, times[1:]))

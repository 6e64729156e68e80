"""The two servers, each in a base directory of its own, and the sealed messages that they are asked with."""

import base64
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from cryptography.fernet import Fernet

ADMIN_EMAIL = "root@example.org"
ADMIN_PASSWORD = "the-first-administrators-passphrase"
KEY = Fernet.generate_key()
BOX = Fernet(KEY)
SMTP_SERVER = pathlib.Path(__file__).parents[1] / "mail" / "smtp_server.py"
# Enough of the public suffixes to refuse a name that is a link; the original would fetch all of them when it starts.
PUBLIC_SUFFIXES = ".com\n.net\n.org\n.co.uk\n"

RUNNING = []


class DoesNotStart(Exception):
    """What a program said instead of serving."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class MailServer:
    """A mail server on loopback that takes every letter, for both."""

    def __init__(self, folder):
        folder.mkdir()
        command = [sys.executable, SMTP_SERVER, "--emails", folder, "--tls", "none"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class Server:
    """One running server. `original` says which of the two the program is."""

    def __init__(self, program, original, base, mail_port):
        self.base = base
        self.port = free_port()
        # The name that a password must not resemble is this machine's, for both.
        settings = {
            "AUTHDB": f"sqlite:///{base / 'auth.sqlite'}",
            "BASEDIR": str(base),
            "SECRET": KEY.decode(),
            "PIISALT": "a-salt-for-both-of-them",
            "LISTEN": "127.0.0.1",
            "PORT": str(self.port),
            "WORKERS": "2",
            "RATELIMITS": "none",
            "USERLOCKTRIES": "3",
            "EMAILSERVER": "127.0.0.1",
            "EMAILPORT": str(mail_port),
            "EMAILSENDER": "Authnzerver <authnzerver@example.org>",
            "ADMIN_EMAIL": ADMIN_EMAIL,
            "ADMIN_PASSWORD": ADMIN_PASSWORD,
        }
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        if original:
            environment |= self.offline()
        else:
            settings |= {"PWNEDURL": "none", "SERVERNAME": socket.getfqdn(), "ARGON2": "m=19456,t=2,p=1"}
        environment |= {f"AUTHNZERVER_{name}": value for name, value in settings.items()}
        self.log = base / "log.txt"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program], env=environment, cwd=base, stdout=log, stderr=log, start_new_session=True
            )
        RUNNING.append(self)
        self.wait_until_it_serves()

    def offline(self):
        """What lets the original start and run without the Internet: its copy of the public suffixes, which it keeps in
        the home directory and trusts for a week; and a proxy where nobody listens, so that its look-up of leaked
        passwords, which no setting turns off, fails at once and lets the password pass."""
        cache = self.base / "home" / ".cache" / "authnzerver"
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "public-suffixes.txt").write_text(PUBLIC_SUFFIXES)
        nobody = "http://127.0.0.1:9"
        return {"HOME": str(self.base / "home"), "HTTP_PROXY": nobody, "HTTPS_PROXY": nobody}

    def wait_until_it_serves(self):
        for _ in range(1200):
            if self.process.poll() is not None:
                break
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
        raise DoesNotStart(f"{self.process.args[0]} does not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def stop(self):
        """Ends the server with its workers, which are processes of its own session."""
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(timeout=20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        RUNNING.remove(self)

    def exchange(self, method, path, data=None, host=None):
        """Sends bytes as they are; returns the status, the type of what came back, and that."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data, method=method)
        if host:
            request.add_header("Host", host)
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return reply.status, reply.headers["Content-Type"], reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], error.read()

    def ask(self, message):
        """Seals a message; returns what the answer says, opened."""
        status, content_type, reply = self.exchange("POST", "/", seal(message))
        if status != 200:
            return {"http": status, "type": content_type}
        return {"http": status, "type": content_type, **json.loads(BOX.decrypt(base64.b64decode(reply)))}


def seal(message):
    return base64.b64encode(BOX.encrypt(json.dumps(message).encode()))


def copy_base(source, target):
    """A new base directory with the database of a server that has stopped."""
    target.mkdir(parents=True)
    for file in source.iterdir():
        if file.is_file() and file.name != "log.txt":
            shutil.copy2(file, target)
    return target

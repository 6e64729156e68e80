#!/usr/bin/env python3
"""A real server and a mail server for the live tests of all clients: `server.py PROGRAM`, with target/python's Python.

It prints a JSON object that tells where they are. Then it takes one word a line from standard input and prints
`{"done": true}` after each: `stop`, `start`, `add NEW_KEY` (beside the others), `only KEY`. It ends with standard input.
"""

import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

MAIL_SERVER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "mail" / "smtp_server.py"
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ADMIN = {"email": "root@example.org", "password": "the-first-administrators-passphrase"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, program, folder, mail_port):
        self.port = free_port()
        self.program = program
        self.folder = folder
        self.keys = [KEY]
        settings = {
            "SECRET": "",
            "PIISALT": "the-salt-of-the-live-tests",
            "PORT": str(self.port),
            "WORKERS": "2",
            "EMAILSERVER": "127.0.0.1",
            "EMAILPORT": str(mail_port),
            "EMAILSENDER": "Authnzerver <authnzerver@example.org>",
            "ADMIN_EMAIL": ADMIN["email"],
            "ADMIN_PASSWORD": ADMIN["password"],
            "PWNEDURL": "none",
            "LOGINLINK": "1",
            "EMAILCHANGE": "proof",
            "SERVERNAME": "auth.internal",
            "ARGON2": "m=7168,t=5,p=1",
            "BASEDIR": str(folder),
            "AUTHDB": f"sqlite:///{folder}/auth.sqlite",
            # Only what the test of it asks for is limited: the others ask from other addresses.
            "RATELIMITS": os.environ.get("RATELIMITS", "ipaddr:60000; user:60000; session:60000; apikey:60000; burst:1000"),
        }
        settings["SECRET"] = str(folder / "key")
        # A test may bring a policy of its own, or have codes typed.
        if "POLICY" in os.environ:
            settings["PERMISSIONS"] = os.environ["POLICY"]
        settings["CODES"] = os.environ.get("CODES", "link")
        # And a certificate, with its key in the same file.
        self.scheme = "https" if "CERTIFICATE" in os.environ else "http"
        if self.scheme == "https":
            settings["TLSCERTFILE"] = settings["TLSCERTKEY"] = os.environ["CERTIFICATE"]
        self.environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self.environment |= {f"AUTHNZERVER_{name}": value for name, value in settings.items()}
        self.process = None

    def start(self):
        (self.folder / "key").write_text("\n".join(self.keys) + "\n")
        (self.folder / "key").chmod(0o600)
        log = open(self.folder / "log.txt", "ab")
        self.process = subprocess.Popen(
            [self.program], env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                # Whether its certificate is good is for the tests to find out.
                trusting = ssl._create_unverified_context()
                return urllib.request.urlopen(f"{self.scheme}://127.0.0.1:{self.port}/health", timeout=5, context=trusting).close()
            except OSError:
                time.sleep(0.05)
        sys.exit(f"the server does not start:\n{(self.folder / 'log.txt').read_text()[-3000:]}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=30)

    def has_keys(self, keys):
        """A restart and not a reload, so that nobody has to wait until a reload has happened."""
        self.stop()
        self.keys = keys
        self.start()


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o700)
        (folder / "emails").mkdir()
        command = [sys.executable, MAIL_SERVER, "--emails", folder / "emails", "--tls", "none"]
        mail = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        server = Server(sys.argv[1], folder, int(mail.stdout.readline()))
        try:
            server.start()
            about = {"url": f"{server.scheme}://127.0.0.1:{server.port}", "key": KEY, "admin": ADMIN}
            print(json.dumps({**about, "emails": str(folder / "emails")}), flush=True)
            for line in sys.stdin:
                word, *rest = line.split()
                actions = {
                    "stop": server.stop,
                    "start": server.start,
                    "add": lambda: server.has_keys(server.keys + rest),
                    "only": lambda: server.has_keys(rest),
                }
                actions[word]()
                print(json.dumps({"done": True}), flush=True)
        finally:
            server.stop()
            mail.stdin.close()
            mail.wait()


if __name__ == "__main__":
    main()

"""What the tests share: the vectors, a server that says what it is told to, and a real one."""

import asyncio
import email
import email.policy
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

from authnzerver_client import AsyncClient, Client

ROOT = pathlib.Path(__file__).resolve().parents[3]
VECTORS = json.loads((ROOT / "clients" / "vectors.json").read_text())
SERVER = ROOT / "clients" / "tests" / "server.py"
# The built server.
PROGRAM = os.environ.get("AUTHNZERVER", str(ROOT / "target" / "debug" / "authnzerver"))
# A Python with a mail server.
MAIL_PYTHON = os.environ.get("MAIL_PYTHON", str(ROOT / "target" / "python" / "bin" / "python"))


class Scripted:
    """Answers over HTTP as it is told to, the last reply again and again; counts what it was asked."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.asked = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.server = threading.Thread(target=self.serve, daemon=True)
        self.server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Closed only when nobody waits for it any more: the next one may get the same descriptor.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.server.join()
        self.listener.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection, connection.makefile("rb") as lines:
            try:
                while line := lines.readline():
                    length = 0
                    while line not in (b"\r\n", b""):
                        name, _, value = line.partition(b":")
                        length = int(value) if name.lower() == b"content-length" else length
                        line = lines.readline()
                    lines.read(length)
                    reply = self.replies[min(self.asked, len(self.replies) - 1)]
                    self.asked += 1
                    connection.sendall(written(reply))
                    if "cut" in reply:
                        return
            except OSError:
                pass


def written(reply):
    body = reply["body"].encode()
    if "repeat" in reply:
        letter, times = reply["repeat"]
        body = letter.encode() * times
    headers = {**reply["headers"], "Content-Length": reply.get("claimed", len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply['status']} Words\r\n{lines}\r\n".encode() + body[: reply.get("cut")]


class Real:
    """A real server, with a mail server; `about` may name its `POLICY`, `CERTIFICATE` or `CODES`."""

    def __init__(self, **about):
        command = [MAIL_PYTHON, "-B", SERVER, PROGRAM]
        environment = {**os.environ, **about}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        about = json.loads(self.process.stdout.readline() or sys.exit("there is no server to test against"))
        self.url, self.key, self.admin = about["url"], about["key"], about["admin"]
        self.emails = pathlib.Path(about["emails"])

    def tell(self, words):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        assert json.loads(self.process.stdout.readline())["done"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def code(self, address):
        """The newest code that was emailed to an address; waits until there is one, and forgets it."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for file in sorted(self.emails.glob("*.eml"), reverse=True):
                message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
                text = message.get_body(("plain",)).get_content()
                found = re.search(r"(?:[?&]code=|^)([A-Za-z0-9_-]{9,})\s*$", text, re.M)
                if message["To"] and address in message["To"] and found:
                    file.unlink()
                    return found[1]
            time.sleep(0.02)
        raise AssertionError(f"no email came to {address}")


class InAsyncio:
    """The asyncio client with the methods of the other, so that both pass the same tests."""

    def __init__(self, url, keys, **more):
        self.loop = asyncio.new_event_loop()
        self.client = AsyncClient(url, keys, **more)

    def at(self, address, user_agent):
        return InAsyncioCaller(self.loop, self.client.at(address, user_agent))

    def close(self):
        self.loop.run_until_complete(self.client.close())
        # Connections say good-bye on the loop.
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


class InAsyncioCaller:
    def __init__(self, loop, caller):
        self.loop = loop
        self.caller = caller

    def __getattr__(self, name):
        method = getattr(self.caller, name)
        return lambda *given, **named: self.loop.run_until_complete(method(*given, **named))


BOTH = (Client, InAsyncio)

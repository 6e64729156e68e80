"""The Python of docs/guide.md, put together and used by people."""

import http.client
import logging
import os
import pathlib
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest
from unittest import mock
from urllib.parse import urlencode

from support import ROOT, Real

ORIGIN = "https://notes.example"
PASSWORD = "quiet-lanterns-over-9-hills"
TEXT = (ROOT / "docs" / "guide.md").read_text()
BLOCKS = re.findall(r"^```python( asgi)?\n(.*?)^```$", TEXT, re.M | re.S)
# What is run, by its name.
COMMANDS = dict(re.findall(r"^\| (gunicorn|uvicorn) \| `([^`]+)`", TEXT, re.M))


class Person:
    """Somebody with a browser, at an address of their own."""

    def __init__(self, app, address):
        self.browser = app.test_client()
        self.options = {"base_url": ORIGIN, "environ_overrides": {"REMOTE_ADDR": address}}

    def get(self, path, **headers):
        return self.told(self.browser.get(path, headers=headers, **self.options))

    def post(self, path, form, page):
        token = re.search('name="csrf" value="([^"]+)"', self.get(page)[1])[1]
        return self.told(self.browser.post(path, data={**form, "csrf": token}, **self.options))

    def told(self, answer):
        return answer.status_code, answer.get_data(as_text=True)


class ServedPerson:
    """Somebody with a browser, whose requests come over HTTP."""

    def __init__(self, port):
        self.port = port
        self.cookies = {}

    def ask(self, method, path, form=None):
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if form:
            headers |= {"Origin": ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, urlencode(form) if form else None, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        for cookie in answer.msg.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, text

    def logs_in(self, form):
        token = re.search('name="csrf" value="([^"]+)"', self.ask("GET", "/login")[1])[1]
        return self.ask("POST", "/login", {**form, "csrf": token})[0]


class WithServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Real(POLICY=str(ROOT / "examples" / "site" / "policy.json"))
        cls.addClassCleanup(cls.server.close)

    def code(self, *blocks):
        """A program of these blocks, and the folder that its key is in."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        key = pathlib.Path(folder.name) / "key"
        key.write_text(self.server.key)
        code = "\n".join(blocks)
        for shown, real in (("http://127.0.0.1:13431", self.server.url), ("run/.authnzerver-secret-key", str(key))):
            self.assertIn(shown, code)
            code = code.replace(shown, real)
        return code, key.parent


class Guide(WithServer):
    def program(self, *blocks):
        code, _ = self.code(*blocks)
        module = types.ModuleType("guide")
        exec(compile(code, "docs/guide.md", "exec"), module.__dict__)
        return module

    def joined(self, app, name, address):
        person, email = Person(app, address), f"{name}@example.org"
        given = {"full_name": name, "email": email, "new_password": PASSWORD}
        self.assertEqual(person.post("/signup", given, "/signup")[0], 200)
        code = self.server.code(email)
        self.assertEqual(person.post("/verify", {"code": code}, f"/verify?code={code}")[0], 303)
        self.assertEqual(person.post("/login", {"email": email, "password": PASSWORD}, "/login")[0], 303)
        return person

    def test_the_program(self):
        guide = self.program(*(code for kind, code in BLOCKS if not kind))
        self.addCleanup(guide.client.close)
        visitor = Person(guide.app, "192.0.2.60")
        self.assertEqual(visitor.get("/"), (200, "anonymous None"))
        for path in ("/notes/new", "/desk", "/write", "/accounts", "/history"):
            self.assertEqual(visitor.get(path)[0], 303, path)
        self.assertEqual((visitor.get("/notes/1")[0], visitor.get("/api/me")[0]), (404, 401))
        self.assertEqual(visitor.post("/cart", {"item": "tea"}, "/login")[0], 200)
        self.assertEqual(visitor.post("/cart", {"item": "cups"}, "/login")[0], 200)
        self.assertEqual(visitor.get("/cart")[1], "tea cups")

        ann, ben = self.joined(guide.app, "ann", "192.0.2.61"), self.joined(guide.app, "ben", "192.0.2.62")
        numbers = [int(person.get("/")[1].split()[1]) for person in (ann, ben)]
        self.assertEqual(ann.post("/notes/new", {"title": "Plans"}, "/notes/new"), (200, "Plans"))
        self.assertEqual((ann.get("/write")[0], ann.get("/desk")[0], ann.get("/accounts")[0]), (200, 403, 403))
        guide.NOTES[1].update(owner=numbers[0], shared_with=[numbers[1]])
        self.assertEqual([person.get("/notes/1")[0] for person in (ann, ben, visitor)], [200, 200, 404])
        self.assertEqual(ann.get("/history")[1], "1 sessions, login.succeeded")
        key = re.search("azk_[A-Za-z0-9_]+", ann.post("/keys", {"name": "x", "scopes": "view:note"}, "/keys")[1])[0]
        self.assertEqual(visitor.get("/api/me", Authorization=f"Bearer {key}"), (200, str(numbers[0])))

        # A login by email, to which what was noted comes along.
        self.assertEqual(visitor.post("/login-link", {"email": "ann@example.org"}, "/login-link")[0], 200)
        code = self.server.code("ann@example.org")
        self.assertEqual(visitor.post("/login-link", {"code": code}, f"/login-link?code={code}")[0], 303)
        self.assertEqual(visitor.get("/"), (200, f"authenticated {numbers[0]}"))
        self.assertEqual(visitor.get("/cart")[1], "tea cups")

        admin = Person(guide.app, "192.0.2.63")
        self.assertEqual(admin.post("/login", self.server.admin, "/login")[0], 303)
        self.assertEqual((admin.get("/accounts")[0], admin.get("/desk")[0]), (200, 200))

        self.server.tell("stop")
        logging.disable()
        self.addCleanup(logging.disable, logging.NOTSET)
        status, text = Person(guide.app, "192.0.2.66").get("/notes/1")
        self.server.tell("start")
        self.assertEqual(status, 503, text)

    def test_the_looks_and_the_proxy(self):
        from authnzerver_client.site.wsgi import Wsgi

        guide = self.program(*(code for kind, code in BLOCKS if not kind))
        self.addCleanup(guide.client.close)
        guide.app.wsgi_app = Wsgi(guide.app.wsgi_app, guide.pretty, guide.client)
        status, text = Person(guide.app, "192.0.2.64").get("/login", **{"Accept-Language": "de-AT"})
        self.assertEqual(status, 200)
        for part in ('<html lang="de">', "<h1>Anmelden</h1>", "E-Mail-Adresse"):
            self.assertIn(part, text)
        request = mock.Mock(peer="127.0.0.1", headers={"x-real-ip": "203.0.113.5"})
        self.assertEqual(guide.behind.client_address(request), "203.0.113.5")

    def test_the_program_for_asyncio(self):
        from fastapi.testclient import TestClient

        guide = self.program(*(code for kind, code in BLOCKS if kind))
        with TestClient(guide.program, ORIGIN, client=("192.0.2.65", 1)) as browser:
            self.assertEqual(browser.get("/login").status_code, 200)
            # Whether there is somebody with the number 4 is up to the other tests.
            self.assertIn(browser.get("/").json(), ({"may": False}, {"may": True}))


class Running(WithServer):
    """The programs of the guide, by the very commands that it shows."""

    def test_gunicorn(self):
        self.is_a_site_in_two_processes("gunicorn", [code for kind, code in BLOCKS if not kind])

    def test_uvicorn(self):
        self.is_a_site_in_two_processes("uvicorn", [code for kind, code in BLOCKS if kind])

    def is_a_site_in_two_processes(self, name, blocks):
        self.assertIn("--workers 2", COMMANDS[name])
        more = '\n@app.get("/process")\ndef process():\n    return str(__import__("os").getpid())\n'
        code, folder = self.code(*blocks, more)
        (folder / "app.py").write_text(code)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        # Gunicorn would leave a socket at home.
        gunicorn = f"--bind=127.0.0.1:{port} --no-control-socket"
        environment = {**os.environ, "GUNICORN_CMD_ARGS": gunicorn, "UVICORN_PORT": str(port)}
        environment["PATH"] = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
        log = open(folder / "log.txt", "w+")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            shlex.split(COMMANDS[name]), cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        admin = ServedPerson(port)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.assertEqual(admin.logs_in(self.server.admin), 303)
                break
            except OSError:
                self.assertIsNone(process.poll(), (folder / "log.txt").read_text())
                self.assertLess(time.monotonic(), deadline, (folder / "log.txt").read_text())
                time.sleep(0.05)
        self.assertEqual(admin.ask("GET", "/sessions")[0], 200)
        self.assertEqual(ServedPerson(port).ask("GET", "/sessions")[0], 303)
        self.assertEqual(admin.ask("GET", "/")[0], 200)
        # Each process knows who it is, whichever the login came to.
        seen = set()
        while len(seen) < 2 and time.monotonic() < deadline:
            threads = [threading.Thread(target=lambda: seen.add(self.process_of(admin))) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(len(seen), 2, seen)
        self.assertNotIn(None, seen)

    def process_of(self, person):
        """Which process answers somebody who is logged in; None where it does not know that."""
        status, text = person.ask("GET", "/process")
        return text if status == 200 and person.ask("GET", "/keys")[0] == 200 else None


if __name__ == "__main__":
    unittest.main()

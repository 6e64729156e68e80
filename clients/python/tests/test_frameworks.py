"""The few lines that the README shows, in Flask, Django, FastAPI and Tornado themselves."""

import asyncio
import http.client
import logging
import re
import sys
import threading
import unittest
from urllib.parse import urlencode

from authnzerver_client import AsyncClient, Client
from authnzerver_client.site import Site, current
from authnzerver_client.site.asgi import Asgi
from authnzerver_client.site.asgi import may as may_later
from authnzerver_client.site.guards import role_required
from authnzerver_client.site.wsgi import Wsgi, may
from support import Real

ORIGIN = "https://localhost"
QUESTION = {"action": "view", "item": "dataset", "owner": 1, "visibility": "public"}
urlpatterns = []


def setUpModule():
    # Frameworks write down each error of a program.
    logging.disable()


def tearDownModule():
    logging.disable(logging.NOTSET)


class Frameworks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Real()
        cls.addClassCleanup(cls.server.close)
        cls.client = Client(cls.server.url, cls.server.key)
        cls.addClassCleanup(cls.client.close)
        cls.site = Site("A site", [ORIGIN], cls.client.keys)
        cls.site.guard("/staff", roles=["superuser"])

    def logs_in_and_sends_a_form(self, get, post):
        """`get` and `post` return a status and a text; the program tells at / who it is, and at /form its field a."""
        self.assertEqual(get("/"), (200, "None"))
        self.assertEqual(get("/ask"), (200, "True"))
        # What the program asks and gets no answer to.
        self.server.tell("stop")
        status, text = get("/ask")
        self.server.tell("start")
        self.assertEqual(status, 503, text)
        self.assertIn("Please try again soon", text)
        self.assertEqual([get(path)[0] for path in ("/staff", "/view")], [303, 303])
        token = self.token(get("/login")[1])
        self.assertEqual(post("/login", {**self.server.admin, "csrf": token})[0], 303)
        self.assertEqual([get(path) for path in ("/", "/staff", "/view")], [(200, "1"), (200, "in"), (200, "seen")])
        token = self.token(get("/logout")[1])
        self.assertEqual(post("/form", {"a": "b", "csrf": token}), (200, "b"))
        self.assertEqual(post("/form", {"a": "b"})[0], 403)

    def token(self, text):
        return re.search('name="csrf" value="([^"]+)"', text)[1]

    def under_wsgi(self, browser):
        options = {"base_url": ORIGIN, "environ_overrides": {"REMOTE_ADDR": "192.0.2.40"}}

        def told(answer):
            return answer.status_code, answer.get_data(as_text=True)

        self.logs_in_and_sends_a_form(
            lambda path: told(browser.get(path, **options)),
            lambda path, form: told(browser.post(path, data=form, **options)),
        )

    def test_flask(self):
        from flask import Flask, request

        app = Flask(__name__)
        app.get("/view", endpoint="view")(role_required("superuser")(lambda: "seen"))
        app.wsgi_app = Wsgi(app.wsgi_app, self.site, self.client)
        app.get("/")(lambda: str(request.environ["authnzerver"].user_id))
        app.get("/staff", endpoint="staff")(lambda: "in")
        app.post("/form", endpoint="form")(lambda: request.form["a"])
        app.get("/ask", endpoint="ask")(lambda: str(may(current(), **QUESTION)))
        self.under_wsgi(app.test_client())

    def test_django(self):
        import django
        from django.conf import settings
        from django.core.wsgi import get_wsgi_application
        from django.http import HttpResponse
        from django.urls import path
        from werkzeug.test import Client as Browser

        settings.configure(ROOT_URLCONF=sys.modules[__name__], ALLOWED_HOSTS=["*"], SECRET_KEY="of no use here")
        django.setup()
        urlpatterns[:] = [
            path("", lambda request: HttpResponse(str(request.environ["authnzerver"].user_id))),
            path("staff", lambda request: HttpResponse("in")),
            path("view", role_required("superuser")(lambda request: HttpResponse("seen"))),
            path("form", lambda request: HttpResponse(request.POST["a"])),
            path("ask", lambda request: HttpResponse(str(may(current(), **QUESTION)))),
        ]
        self.under_wsgi(Browser(Wsgi(get_wsgi_application(), self.site, self.client)))

    def test_fastapi(self):
        from fastapi import FastAPI, Request
        from fastapi.responses import PlainTextResponse
        from fastapi.testclient import TestClient

        app = FastAPI(default_response_class=PlainTextResponse)

        @app.get("/")
        def home(request: Request):
            return str(request.scope["authnzerver"].user_id)

        @app.get("/staff")
        def staff():
            return "in"

        @app.get("/view")
        @role_required("superuser")
        async def view():
            return "seen"

        @app.post("/form")
        async def form(request: Request):
            return re.search("a=([^&]*)", (await request.body()).decode())[1]

        @app.get("/ask")
        async def ask():
            return str(await may_later(current(), **QUESTION))

        program = Asgi(app, self.site, AsyncClient(self.server.url, self.server.key))
        with TestClient(program, ORIGIN, follow_redirects=False, raise_server_exceptions=False, client=("192.0.2.41", 1)) as browser:

            def told(answer):
                return answer.status_code, answer.text

            self.logs_in_and_sends_a_form(
                lambda path: told(browser.get(path)), lambda path, form: told(browser.post(path, data=form))
            )

    def test_tornado(self):
        from authnzerver_client.site.tornado import SiteHandler, pages
        from tornado.httpserver import HTTPServer
        from tornado.web import Application, RequestHandler

        class Home(SiteHandler, RequestHandler):
            def get(self):
                self.write(str(self.visit.user_id))

        class Staff(SiteHandler, RequestHandler):
            async def get(self):
                await self.note(seen=True)
                self.write("in")

        class View(SiteHandler, RequestHandler):
            @role_required("superuser")
            def get(self):
                self.write("seen")

        class Form(SiteHandler, RequestHandler):
            def post(self):
                self.write(self.get_body_argument("a"))

        class Ask(SiteHandler, RequestHandler):
            async def get(self):
                self.write(str(await may_later(self.visit, **QUESTION)))

        loop, started = asyncio.new_event_loop(), threading.Event()
        client = AsyncClient(self.server.url, self.server.key)

        async def serve():
            handlers = [("/", Home), ("/staff", Staff), ("/view", View), ("/form", Form), ("/ask", Ask), *pages()]
            self.tornado = HTTPServer(Application(handlers, authnzerver=(self.site, client)))
            self.tornado.listen(0, "127.0.0.1")
            self.port = next(iter(self.tornado._sockets.values())).getsockname()[1]
            started.set()
            self.ended = asyncio.Event()
            await self.ended.wait()
            self.tornado.stop()
            await self.tornado.close_all_connections()
            await client.close()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
        thread.start()
        started.wait()
        cookies = {}

        def asked(path, form=None):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
            if form is not None:
                headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": ORIGIN}
            connection.request("GET" if form is None else "POST", path, urlencode(form) if form else None, headers)
            answer = connection.getresponse()
            for cookie in answer.headers.get_all("Set-Cookie", []):
                name, _, value = cookie.split(";")[0].partition("=")
                cookies[name] = value
            text = answer.read().decode()
            connection.close()
            return answer.status, text

        try:
            self.logs_in_and_sends_a_form(asked, asked)
            token = cookies["__Host-session"]
            session = self.client.itself.session_info(session_token=token).session_info
            self.assertIs(session.extra_info_json["seen"], True)
        finally:
            loop.call_soon_threadsafe(self.ended.set)
            thread.join()
            loop.close()


if __name__ == "__main__":
    unittest.main()

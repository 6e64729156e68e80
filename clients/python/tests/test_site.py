"""A site, from sign-up to API keys, as a browser sees it, under WSGI and under ASGI."""

import asyncio
import io
import json
import re
import unittest
from dataclasses import replace
from html import unescape
from urllib.parse import unquote, unquote_to_bytes, urlencode, urlsplit

from authnzerver_client import AsyncClient, Client, KeyRing, Policy, Refused
from authnzerver_client.site import Request, Site, current
from authnzerver_client.site.asgi import Asgi
from authnzerver_client.site.asgi import may as may_later
from authnzerver_client.site.guards import login_required, role_required
from authnzerver_client.site.pages import Form, Input, Page, Row, content
from authnzerver_client.site.routes import ROUTES
from authnzerver_client.site.wsgi import Wsgi, may
from support import ROOT, Real

PASSWORD = "quiet-lanterns-over-9-hills"
OTHER_PASSWORD = "seven-harbours-and-1-bridge"
ORIGIN = "https://site.example"


def build(keys, more=lambda site: None):
    german = {"Log in": "Anmelden", "You may not see this page.": "Das ist nichts für Sie."}
    site = Site("A site", [ORIGIN], keys, login_link=True, keep_days=20, texts={"de": german}, static=["/static"])
    site.guard("/admin", roles=["staff", "superuser"])
    site.guard("/new", may=("create", "dataset"))
    site.guard("/users", may=("create", "user"))
    site.guard("/api", key=("view", "dataset"))
    site.guard("/api/staff", roles=["staff", "superuser"])
    more(site)
    return site


def text_of(visit):
    return f"hello {visit.user_id} {visit.key_owner} {visit.csrf_token}"


# What the program has behind paths of its own; all other paths tell who it is.
VIEWS = {
    "/own": login_required(lambda: "own"),
    "/own-staff": role_required("superuser")(lambda: "staff"),
    "/note": lambda: current().note("cart", ["tea"]) or current().csrf_token,
    "/forget": lambda: current().note("cart", None) or "",
    "/notes": lambda: str(current().notes.get("cart")),
}


def wsgi_program(environ, start_response):
    body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b""
    path, visit = environ["PATH_INFO"], environ["authnzerver"]
    if path == "/may":
        about = [may(visit, "view", "dataset", owner=1, visibility=reach) for reach in ("public", "private")]
        text = str(about)
    else:
        text = VIEWS.get(path, lambda: text_of(visit))()
    start_response("200 OK", [])
    return [text.encode() + body]


async def asgi_program(scope, receive, send):
    body = (await receive())["body"] if scope["method"] == "POST" else b""
    path, visit = scope["path"], scope["authnzerver"]
    if path == "/may":
        about = [await may_later(visit, "view", "dataset", owner=1, visibility=reach) for reach in ("public", "private")]
        text = str(about)
    else:
        text = VIEWS.get(path, lambda: text_of(visit))()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode() + body})


class Browser:
    """Keeps cookies as a browser does, and sends what a browser sends."""

    def __init__(self, ask, address):
        self.ask = ask
        self.address = address
        self.cookies = {}
        self.csrf = ""

    def get(self, path, **headers):
        return self.request("GET", path, b"", headers)

    def post(self, path, form, csrf=True, **headers):
        form = {**form, "csrf": self.csrf} if csrf else form
        headers = {"origin": ORIGIN, "sec-fetch-site": "same-origin", **headers}
        return self.request("POST", path, urlencode(form).encode(), headers)

    def request(self, method, path, body, headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body:
            headers |= {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(body))}
        status, sent, text = self.ask(method, path, headers, body, self.address)
        self.set_cookies = [value for name, value in sent if name.lower() == "set-cookie"]
        for cookie in self.set_cookies:
            name, _, value = cookie.split(";")[0].partition("=")
            if "Max-Age=0" in cookie:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        self.headers = {name.lower(): value for name, value in sent}
        found = re.search(r'name="csrf" value="([^"]+)"', text)
        self.csrf = found[1] if found else self.csrf
        self.location = dict((name.lower(), value) for name, value in sent).get("location")
        return status, text


class Sites(unittest.TestCase):
    """A site under WSGI and one under ASGI, and the server; `about` says how it is."""

    about = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Real(**cls.about)
        cls.addClassCleanup(cls.server.close)

    def wsgi(self, *more):
        client = Client(self.server.url, self.server.key, policy=Policy(tries=1))
        self.addCleanup(client.close)
        program = Wsgi(wsgi_program, build(client.keys, *more), client)

        def ask(method, path, headers, body, peer):
            parts, sent = urlsplit(f"{ORIGIN}{path}"), []
            environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
            environ |= {"REQUEST_METHOD": method, "QUERY_STRING": parts.query}
            environ |= {"PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1")}
            environ |= {"REMOTE_ADDR": peer, "wsgi.input": io.BytesIO(body)}
            environ |= {"CONTENT_TYPE": headers.get("content-type", ""), "CONTENT_LENGTH": str(len(body))}
            answer = b"".join(program(environ, lambda status, headers: sent.extend([status, headers])))
            return int(sent[0][:3]), sent[1], answer.decode()

        return ask

    def asgi(self, *more):
        loop = asyncio.new_event_loop()
        client = AsyncClient(self.server.url, self.server.key, policy=Policy(tries=1))

        def close():
            loop.run_until_complete(client.close())
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

        self.addCleanup(close)
        program = Asgi(asgi_program, build(client.keys, *more), client)

        def ask(method, path, headers, body, peer):
            parts, sent = urlsplit(f"{ORIGIN}{path}"), []
            scope = {"type": "http", "method": method, "path": unquote(parts.path), "query_string": parts.query.encode()}
            scope |= {"client": (peer, 1), "headers": [(n.encode(), v.encode()) for n, v in headers.items()]}

            async def receive():
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message):
                sent.append(message)

            loop.run_until_complete(program(scope, receive, send))
            headers = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
            return sent[0]["status"], headers, b"".join(one["body"] for one in sent[1:]).decode()

        return ask

    def both(self, *more):
        for place, ask in enumerate((self.wsgi(*more), self.asgi(*more))):
            with self.subTest(("WSGI", "ASGI")[place]):
                yield ask, f"{self._testMethodName}{place}@example.org", f"198.51.{len(self._testMethodName)}.{place}"

    def signed_up(self, ask, email, address):
        browser = Browser(ask, address)
        browser.get("/signup")
        status, text = browser.post("/signup", {"full_name": "Al & Co", "email": email, "new_password": PASSWORD})
        self.assertEqual(status, 200, text)
        code = self.server.code(email)
        browser.get(f"/verify?code={code}")
        self.assertEqual(browser.post("/verify", {"code": code})[0], 303)
        self.assertEqual(browser.location, "/login?said=verified")
        return browser

    def logged_in(self, ask, email, address):
        browser = self.signed_up(ask, email, address)
        browser.get("/login")
        self.assertEqual(browser.post("/login", {"email": email, "password": PASSWORD})[0], 303)
        return browser


class Journey(Sites):
    def test_from_sign_up_to_keys(self):
        for ask, email, address in self.both():
            browser = self.signed_up(ask, email, address)
            self.assertNotIn("__Host-session", browser.cookies)
            self.assertEqual(browser.get("/sessions")[0], 303)
            self.assertEqual(browser.location, "/login?next=/sessions")
            browser.get(browser.location)
            before = browser.csrf
            given = {"email": email, "password": PASSWORD, "next": "/sessions", "remember": "1"}
            self.assertEqual(browser.post("/login", given)[0], 303)
            self.assertEqual(browser.location, "/sessions")
            cookie = browser.set_cookies[-1]
            for part in ("__Host-session=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age="):
                self.assertIn(part, cookie)
            self.assertNotIn("Domain", cookie)
            # The token of before the login is bound to no session.
            self.assertEqual(browser.post("/logout", {"csrf": before}, csrf=False)[0], 403)

            self.assertIn("(this device)", browser.get("/sessions")[1])
            browser.get("/password")
            self.assertEqual(browser.post("/password", {"password": "wrong", "new_password": OTHER_PASSWORD})[0], 422)

            browser.get("/keys")
            text = browser.post("/keys", {"name": "mine", "scopes": "view:dataset"})[1]
            key = re.search(r"azk_[A-Za-z0-9_-]+", text)[0]
            api = Browser(ask, address)
            self.assertEqual(api.get("/api")[0], 401)
            self.assertEqual(api.get("/api", authorization="Bearer azk_no_key")[0], 401)
            self.assertEqual(api.get("/api/x", authorization=f"Bearer {key}")[0], 200)
            self.assertEqual(api.get("/api/staff", authorization=f"Bearer {key}")[0], 403, "a key is nobody")
            # No browser sends a key by itself, so nobody forges it.
            self.assertEqual(api.post("/api", {}, csrf=False, origin=None, authorization=f"Bearer {key}")[0], 200)

            browser.get("/logout")
            token = browser.cookies["__Host-session"]
            self.assertEqual(browser.post("/logout", {})[0], 303)
            self.assertNotIn("__Host-session", browser.cookies)
            browser.cookies["__Host-session"] = token
            self.assertEqual(browser.get("/sessions")[0], 303)

    def test_forgotten_password_ends_sessions(self):
        for ask, email, address in self.both():
            thief = self.logged_in(ask, email, address)
            owner = Browser(ask, address)
            owner.get("/forgot")
            self.assertEqual(owner.post("/forgot", {"email": email})[0], 200)
            code = self.server.code(email)
            owner.get(f"/reset?code={code}")
            self.assertEqual(owner.post("/reset", {"code": code, "new_password": "short"})[0], 422)
            self.assertEqual(owner.post("/reset", {"code": code, "new_password": OTHER_PASSWORD})[0], 303)
            self.assertEqual(thief.get("/sessions")[0], 303)

    def test_forged_forms_are_refused(self):
        for ask, email, address in self.both():
            browser = self.logged_in(ask, email, address)
            browser.get("/")
            browser.get("/logout")
            for path in ("/logout", "/anything-of-the-program"):
                self.assertEqual(browser.post(path, {}, csrf=False)[0], 403)
                self.assertEqual(browser.post(path, {"csrf": "x.y"}, csrf=False)[0], 403)
                self.assertEqual(browser.post(path, {}, origin="https://elsewhere.example")[0], 403)
                self.assertEqual(browser.post(path, {}, origin="null")[0], 403)
                self.assertEqual(browser.post(path, {}, sec_fetch_site="cross-site")[0], 403)
                self.assertEqual(browser.post(path, {}, sec_fetch_site="same-site")[0], 403)
            stranger = Browser(ask, address)
            stranger.get("/login")
            self.assertEqual(browser.post("/logout", {"csrf": stranger.csrf}, csrf=False)[0], 403)
            stranger.post("/login", self.server.admin)
            stranger.get("/logout")
            self.assertEqual(browser.post("/logout", {"csrf": stranger.csrf}, csrf=False)[0], 403)
            status, text = browser.post("/anything-of-the-program", {"a": "b"})
            self.assertEqual(status, 200)
            self.assertTrue(text.endswith(urlencode({"a": "b", "csrf": browser.csrf})), "the program still has the form")

    def test_guards_let_in_only_who_may(self):
        for ask, email, address in self.both():
            stranger, user = Browser(ask, address), self.logged_in(ask, email, address)
            for path in ("/admin", "/admin/x", "/new", "/users", "/keys", "/Admin", "//admin", "/x/../admin", "/%61dmin"):
                self.assertEqual(stranger.get(path)[0], 303, path)
            self.assertEqual(stranger.get("/static/../admin")[0], 303)
            self.assertEqual(stranger.request("BREW", "/", b"", {})[0], 403, "who knows what that changes")
            visitor = Browser(ask, address)
            with Client(self.server.url, self.server.key) as client:
                session = client.itself.session_new(user_id=None, expires=1, extra_info_json=None)
            visitor.cookies["__Host-session"] = session.session_token
            self.assertEqual((visitor.get("/keys")[0], visitor.location), (303, "/login?next=/keys"))
            for _ in range(2):
                # First with what is asked after the session, then in one batch with it.
                self.assertEqual(user.get("/admin")[0], 403)
                self.assertEqual(user.get("/new")[0], 200)
                self.assertEqual(user.get("/users")[0], 403)
            admin = Browser(ask, address)
            admin.get("/login")
            self.assertEqual(admin.post("/login", self.server.admin)[0], 303)
            self.assertEqual(admin.get("/admin")[0], 200)
            self.assertEqual(admin.get("/administrators")[0], 200)

    def test_a_login_leads_nowhere_else(self):
        for ask, email, address in self.both():
            browser = self.signed_up(ask, email, address)
            browser.get("/login?next=//elsewhere.example/")
            given = {"email": email, "password": PASSWORD}
            for onward in ("//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example", "/a\r\nX: y"):
                self.assertEqual(browser.post("/login", {**given, "next": onward})[0], 303)
                self.assertEqual(browser.location, "/")
                browser.get("/login")

    def test_nobody_is_let_in_while_the_server_is_gone(self):
        for ask, email, address in self.both():
            browser = self.logged_in(ask, email, address)
            self.server.tell("stop")
            for path in ("/sessions", "/new", "/api"):
                self.assertEqual(browser.get(path, authorization="Bearer azk_x_y")[0], 503, path)
            self.assertEqual(browser.get("/static/style.css")[0], 200, "what is everybody's needs no server")
            visitor = Browser(ask, address)
            self.assertEqual(visitor.get("/note")[0], 503, "what cannot be noted is not said to be")
            self.assertEqual(visitor.get("/may")[0], 503, "what the program asks")
            self.server.tell("start")
            self.assertEqual(browser.get("/sessions")[0], 200)


    def test_what_is_noted_about_a_visitor_outlives_the_login(self):
        for ask, email, address in self.both():
            self.signed_up(ask, email, address)
            visitor = Browser(ask, address)
            self.assertEqual(visitor.get("/notes")[1], "None")
            self.assertEqual(visitor.cookies, {}, "nothing was stored, so there is no session")
            visitor.get("/forget")
            self.assertNotIn("__Host-session", visitor.cookies)
            form = {"csrf": visitor.get("/note")[1]}
            anonymous = visitor.cookies["__Host-session"]
            self.assertNotIn("Max-Age", visitor.set_cookies[-1])
            self.assertEqual(visitor.get("/notes")[1], "['tea']")
            # The form was drawn before there was a session.
            self.assertEqual(visitor.post("/anything", form, csrf=False)[0], 200)
            self.assertEqual(visitor.get("/keys")[0], 303)
            visitor.get("/login")
            visitor.post("/login", {"email": email, "password": PASSWORD})
            self.assertNotEqual(visitor.cookies["__Host-session"], anonymous)
            self.assertEqual(visitor.get("/notes")[1], "['tea']")
            visitor.get("/forget")
            self.assertEqual(visitor.get("/notes")[1], "None")
            # What one user noted is not the next one's.
            visitor.get("/note")
            visitor.get("/login")
            visitor.post("/login", self.server.admin)
            self.assertEqual(visitor.get("/notes")[1], "None")
            stale = Browser(ask, address)
            stale.cookies["__Host-session"] = anonymous
            self.assertEqual(stale.get("/notes")[1], "None", "the visitor's session has ended")

    def test_remembered_sessions_last_from_the_last_visit(self):
        for ask, email, address in self.both():
            self.signed_up(ask, email, address)
            for remember in (True, False):
                browser = Browser(ask, address)
                browser.get("/login")
                form = {"email": email, "password": PASSWORD, **({"remember": "1"} if remember else {})}
                browser.post("/login", form)
                browser.get("/")
                self.assertEqual(browser.set_cookies, [], "it has just begun")
                # As it is some days later.
                with Client(self.server.url, self.server.key) as client:
                    user = client.itself.session_info(session_token=browser.cookies["__Host-session"]).session_info
                    session = client.at("192.0.2.9", "").session_new(
                        user_id=user.user_id, expires=10, extra_info_json={"remember": remember}
                    )
                browser.cookies["__Host-session"] = session.session_token
                browser.get("/")
                self.assertEqual(len(browser.set_cookies), remember)
                if remember:
                    age = int(re.search(r"__Host-session=.*Max-Age=(\d+)", browser.set_cookies[0])[1])
                    self.assertGreater(age, 19 * 86400)

    def test_views_have_guards_of_their_own(self):
        for ask, email, address in self.both():
            browser = Browser(ask, address)
            for path in ("/own", "/own-staff"):
                status, text = browser.get(path)
                self.assertEqual((status, browser.location, text), (303, f"/login?next={path}", ""))
            self.assertEqual(browser.get("/may")[1], "[True, False]")
            browser = self.logged_in(ask, email, address)
            self.assertEqual(browser.get("/own"), (200, "own"))
            status, text = browser.get("/own-staff", accept_language="fr, de-CH;q=0.8, en;q=0.5")
            self.assertEqual(status, 403)
            self.assertIn("Das ist nichts für Sie.", text)
            self.assertNotIn("staff", text)
            self.assertEqual(browser.get("/may")[1], "[True, False]")

    def test_pages_are_for_browsers_of_today(self):
        for ask, _, address in self.both():
            browser = Browser(ask, address)
            text = browser.get("/login", accept_language="de")[1]
            self.assertIn('<html lang="de">', text)
            self.assertIn("Anmelden</button>", text)
            # With no-referrer, browsers send `Origin: null` with the site's own forms.
            self.assertEqual(browser.headers["referrer-policy"], "same-origin")
            self.assertIn("frame-ancestors 'none'", browser.headers["content-security-policy"])
            for trick in ("/login?said=<b>x</b>", "/login?next=javascript:alert(1)", "/verify?code=%22><b>x</b>"):
                text = browser.get(trick)[1]
                self.assertNotIn("<b>x", text)
                self.assertNotIn("javascript:", text)

    def test_an_address_is_changed_and_changed_back(self):
        for ask, email, address in self.both():
            browser = self.logged_in(ask, email, address)
            other = f"new-{email}"
            browser.get("/email")
            self.assertEqual(browser.post("/email", {"email": email})[0], 422)
            self.assertEqual(browser.post("/email", {"email": other})[0], 200)
            code, undo = self.server.code(other), self.server.code(email)
            self.assertEqual(browser.get(f"/new-address?code={code}")[0], 200)
            stranger = Browser(ask, address)
            self.assertEqual(stranger.get(f"/new-address?code={code}")[0], 303)
            self.assertEqual(stranger.location, f"/login?next=/new-address%3Fcode%3D{code}")
            self.assertEqual(browser.post("/new-address", {"code": code})[0], 303)
            self.assertIn(other, browser.get("/email")[1])
            stranger.get(f"/old-address?code={undo}")
            self.assertEqual(stranger.post("/old-address", {"code": undo})[0], 303)
            self.assertEqual(stranger.location, "/forgot?said=undone")
            self.assertEqual(browser.get("/email")[0], 303, "all sessions have ended")

    def test_a_login_leads_back_to_all_that_was_asked_for(self):
        for ask, _, address in self.both():
            browser = Browser(ask, address)
            for path in ("/admin?a=1&a=2&b=%26%2F%5C", "/admin/%C3%A4%3F?q=%E2%82%AC+%25", "/admin/50%25", "/admin?next=//x.example"):
                self.assertEqual(browser.get(path)[0], 303)
                text = browser.get(browser.location)[1]
                self.assertEqual(unescape(re.search('name="next" value="([^"]*)"', text)[1]), path)
            for path in ("//x.example/../admin?x", "/%5Cx.example/../admin?x", "/%0A/../admin"):
                browser.get(path)
                self.assertNotIn("=//", browser.location)
                text = browser.get(browser.location)[1]
                self.assertRegex(text, r'name="next" value="/(|%5Cx.example/../admin\?x|%0A/../admin)"')

    def test_a_login_leads_nowhere_else(self):
        hostile = [
            *("//x.example", "///x.example", "https://x.example", "https:x.example", "//", "/\\x.example", "\\\\x.example"),
            *("/\t/x.example", "/\n/x.example", "/a\r\nX: y", "\t//x.example", " //x.example", "/\0/x.example", "/\x7f/x.example"),
            *("/\u2028/x.example", "\uff0f\uff0fx.example", "javascript:x", "x.example", "/\n"),
        ]
        for ask, _, address in self.both():
            browser = Browser(ask, address)
            for onward in hostile:
                text = browser.get(f"/login?{urlencode({'next': onward})}")[1]
                self.assertIn('name="next" value="/"', text, onward)

    def test_a_site_that_is_guarded_as_a_whole_shows_its_login(self):
        for ask, _, address in self.both(lambda site: site.guard("/")):
            browser = Browser(ask, address)
            self.assertEqual([browser.get(path)[0] for path in ("/", "/x", "/login", "/signup")], [303, 303, 200, 200])

    def test_a_login_by_email(self):
        for ask, email, address in self.both():
            browser = self.signed_up(ask, email, address)
            browser.get("/login-link")
            self.assertEqual(browser.post("/login-link", {"email": email})[0], 200)
            code = self.server.code(email)
            self.assertEqual(browser.get(f"/login-link?code={code}")[0], 200)
            self.assertEqual(browser.get("/sessions")[0], 303, "nothing happens by looking")
            browser.get(f"/login-link?code={code}")
            self.assertEqual(browser.post("/login-link", {"code": "wrong"})[0], 422)
            self.assertEqual(browser.post("/login-link", {"code": code})[0], 303)
            self.assertEqual(browser.get("/sessions")[0], 200)


class SecondFactor(Sites):
    def test_a_session_that_does_not_count_yet_is_ended(self):
        with Client(self.server.url, self.server.key) as client:
            site = build(client.keys)
            for due in (True, False):
                visit = site.visit(Request("POST", "/login", {}, {}, ""))
                flow, caller = ROUTES["/login"](site, visit), client.at("192.0.2.77", "")
                visit.request.form.update(self.server.admin)
                answer = replace(caller.ask(next(flow)), second_factor_due=due)
                with self.assertRaises(StopIteration) as done:
                    caller.ask(flow.send(answer))
                    flow.send(None)
                self.assertEqual(done.exception.value.status, 403 if due else 303)
                self.assertEqual(any(answer.session_token in cookie for cookie in visit.set_cookies), not due)
                if due:
                    with self.assertRaises(Refused):
                        caller.session_exists(session_token=answer.session_token)


class TypedCodes(Sites):
    """The same pages, where emails have a code to type."""

    about = {"CODES": "typed"}

    def test_codes_are_typed(self):
        for ask, email, address in self.both():
            browser = Browser(ask, address)
            browser.get("/signup")
            text = browser.post("/signup", {"full_name": "Al", "email": email, "new_password": PASSWORD})[1]
            self.types(browser, text, "/verify", email)
            browser.get("/login-link")
            text = browser.post("/login-link", {"email": email})[1]
            self.types(browser, text, "/login-link", email)
            self.assertEqual(browser.get("/sessions")[0], 200)
            browser.get("/email")
            text = browser.post("/email", {"email": f"new-{email}"})[1]
            self.types(browser, text, "/new-address", f"new-{email}")
            self.assertIn(f"new-{email}", browser.get("/email")[1])
            other = Browser(ask, address)
            other.get("/forgot")
            text = other.post("/forgot", {"email": f"new-{email}"})[1]
            self.types(other, text, "/reset", f"new-{email}", new_password=OTHER_PASSWORD)
            self.assertEqual(browser.get("/sessions")[0], 303)
            self.assertEqual(other.location, "/login?said=reset")
            status, text = other.post("/verify", {"email": email, "code": "0000-0000"})
            self.assertEqual(status, 422)
            self.is_asked_for(text, "", email)

    def types(self, browser, text, path, email, **more):
        """Sends the form that a page has for a code."""
        self.is_asked_for(text, path, email)
        status, text = browser.post(path, {"email": email, "code": self.server.code(email).lower(), **more})
        self.assertEqual(status, 303, text)

    def is_asked_for(self, text, path, email):
        self.assertIn(f'name="email" value="{email}"', text)
        self.assertIn("one-time-code", text)
        if path:
            self.assertIn(f'action="{path}"', text)


class Drawing(unittest.TestCase):
    def test_a_page_is_drawn_as_by_the_other_clients(self):
        told = json.loads((ROOT / "clients" / "tests" / "page.json").read_text())
        page = told["page"]

        def form(about):
            return about and Form(about["button"], [Input(**one) for one in about["inputs"]], about["action"])

        drawn = content(
            Page(
                **{key: page[key] for key in ("name", "title", "messages", "secret")},
                is_error=page["isError"],
                forms=[form(one) for one in page["forms"]],
                rows=[Row(row["title"], row["details"], form(row["form"])) for row in page["rows"]],
                links=[(link["path"], link["text"]) for link in page["links"]],
                csrf="TOKEN",
            )
        )
        self.assertEqual(drawn, told["content"])


class Address(unittest.TestCase):
    def test_over_http_a_site_is_on_this_machine_alone(self):
        keys = KeyRing("A" * 43)
        for origins in (["http://site.example"], [ORIGIN, "http://127.0.0.1:8000"], [], ["site.example"], [ORIGIN + "/x"]):
            with self.assertRaises(ValueError):
                Site("A site", origins, keys)
        visit = Site("A site", ["http://127.0.0.1:8000"], keys).visit(Request("GET", "/", {}, {}, ""))
        self.assertTrue(visit.csrf_token)
        self.assertNotIn("Secure", visit.set_cookies[0])

    def test_only_a_proxy_says_whose_request_it_is(self):
        site = Site("A site", [ORIGIN], KeyRing("A" * 43), proxies=["192.0.2.1"])
        for peer, told, seen in (
            ("192.0.2.1", "203.0.113.5", "203.0.113.5"),
            ("192.0.2.2", "203.0.113.5", "192.0.2.2"),
            ("192.0.2.1", "203.0.113.5, 198.51.100.1", "192.0.2.1"),
        ):
            headers = {"x-real-ip": told}
            self.assertEqual(site.client_address(Request("GET", "/", {}, headers, peer)), seen)


if __name__ == "__main__":
    unittest.main()

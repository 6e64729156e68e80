"""Journeys through the example site, in a browser: what people do, what strangers try, and whether all can use it."""

import http.server
import json
import re
import sys
import threading
import unittest
import urllib.error
import urllib.request

from playwright.sync_api import expect
from support import OTHER_PASSWORD, PASSWORD, ROOT, Browsers, Demo

sys.path.insert(0, str(ROOT / "tools/clients"))
import texts  # noqa: E402

# What the program of the site says by itself.
SAID_BY_APP = ("You may not do this.", "There is no such page, or it is not for you.", "private", "shared", "public")
browsers = None


def setUpModule():
    global browsers
    browsers = Browsers()


def tearDownModule():
    said = browsers.close()
    assert "Stopped; nothing is left." in said, said
    for url in (browsers.demo.site, browsers.demo.mail, browsers.demo.auth):
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.URLError:
            continue
        raise AssertionError(f"{url} is still there")


class Journey(unittest.TestCase):
    def person(self, name, **more):
        person = browsers.person(name, **more)
        self.addCleanup(lambda: self.assertEqual(person.dialogs, []))
        self.addCleanup(person.context.close)
        return person

    def administrator(self):
        email, password = browsers.demo.admin
        return self.person("Admin").logs_in(password, email)


class Accounts(Journey):
    def test_from_sign_up_to_logout(self):
        ann = self.person("Ann")
        ann.goes("/")
        ann.looks("home")
        ann.goes("/signup")
        ann.looks("signup")
        ann.signs_up("password")
        expect(ann.page.get_by_role("alert").first).to_be_visible()
        ann.looks("signup-refused")
        self.assertEqual(ann.page.get_by_label("E-mail address").input_value(), ann.email)
        ann.signs_up()
        ann.sees("Look at your e-mail")
        ann.looks("sent")
        ann.logs_in()
        ann.sees("do not fit together")
        ann.page.goto(browsers.demo.mail)
        ann.looks("emails")
        ann.opens_email("verify")
        ann.looks("verify")
        ann.clicks("Verify")
        ann.sees("Your e-mail address is verified.")
        # A link works once.
        ann.opens_email("verify")
        ann.clicks("Verify")
        ann.sees("does not work")
        ann.goes("/login")
        ann.looks("login")
        ann.logs_in("a-wrong-password-of-ann")
        ann.sees("do not fit together")
        ann.looks("login-refused")
        self.assertIsNone(ann.session())
        # The next try counts after a moment.
        self.until_it_counts(ann)
        ann.sees("Logged in as Ann")
        ann.clicks("Log out")
        ann.looks("logout")
        ann.presses("Log out")
        self.assertIsNone(ann.session())
        ann.is_logged_out()

    def until_it_counts(self, person):
        """Logs in as often as it takes until a failed attempt is no longer in the way."""
        for _ in range(200):
            person.logs_in()
            if person.session():
                return
        raise AssertionError("a right password is never looked at")

    def test_a_forgotten_password(self):
        ben = self.person("Ben")
        thief = self.person("Thief")
        ben.joins()
        thief.logs_in(email=ben.email)
        thief.sees("Logged in as Ben")
        forgetful = self.person("Ben")
        forgetful.goes("/login")
        forgetful.clicks("Forgot your password?")
        forgetful.looks("forgot")
        forgetful.fills("E-mail address", ben.email)
        forgetful.clicks("Send")
        forgetful.sees("is on its way")
        forgetful.opens_email("password")
        forgetful.looks("reset")
        forgetful.fills("New password", OTHER_PASSWORD)
        forgetful.clicks("Set password")
        forgetful.sees("Your new password is set.")
        thief.is_logged_out()
        forgetful.logs_in(OTHER_PASSWORD)
        forgetful.sees("Logged in as Ben")

    def test_a_new_password(self):
        cleo, elsewhere = self.person("Cleo").joins(), self.person("Cleo")
        elsewhere.logs_in()
        cleo.goes("/password")
        cleo.looks("password")
        cleo.fills("Current password", PASSWORD)
        cleo.fills("New password", "cleo")
        cleo.clicks("Change password")
        expect(cleo.page.get_by_role("alert").first).to_be_visible()
        cleo.fills("Current password", PASSWORD)
        cleo.fills("New password", OTHER_PASSWORD)
        cleo.clicks("Change password")
        cleo.sees("Your password is changed")
        elsewhere.is_logged_out()

    def test_two_browsers_at_once(self):
        dora = self.person("Dora").joins()
        phone = self.person("Dora", user_agent="Mozilla/5.0 (Android 16; Mobile) Gecko/150.0 Firefox/150.0")
        phone.logs_in(remember=True)
        phone.sees("Logged in as Dora")
        dora.goes("/sessions")
        dora.sees("Firefox, Android")
        dora.sees("Chrome, Linux (this device)")
        dora.looks("sessions")
        dora.page.get_by_role("button", name=re.compile("End: Firefox")).click()
        dora.sees("The session has ended.")
        phone.is_logged_out()
        phone.logs_in()
        dora.goes("/sessions")
        dora.clicks("End all others")
        dora.sees("The session has ended.")
        phone.is_logged_out()
        dora.goes("/sessions")
        dora.misses("Firefox")

    def test_api_keys(self):
        eve = self.person("Eve").joins()
        eve.goes("/keys")
        eve.looks("keys")
        eve.fills("Name", "A script")
        eve.clicks("Make a key")
        key = eve.page.locator(".secret").inner_text()
        eve.looks("keys-new")
        self.assertEqual(self.asked_with(key), (200, []))
        eve.goes("/keys")
        eve.misses(key)
        eve.page.get_by_role("button", name="Revoke: A script").click()
        eve.sees("The key is revoked.")
        self.assertEqual(self.asked_with(key)[0], 401)
        eve.fills("Name", "Too much")
        eve.fills("Scopes", "rule:world")
        eve.clicks("Make a key")
        expect(eve.page.get_by_role("alert").first).to_be_visible()

    def asked_with(self, key):
        request = urllib.request.Request(f"{browsers.demo.site}/api/notes", headers={"Authorization": f"Bearer {key}"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None

    def test_another_address_and_a_login_by_email(self):
        fay = self.person("Fay").joins()
        fay.goes("/email")
        fay.looks("email")
        old, fay.email = fay.email, "faye@example.org"
        fay.fills("New e-mail address", fay.email)
        fay.clicks("Send")
        fay.opens_email("address")
        fay.looks("new-address")
        fay.clicks("Change")
        fay.sees("Your e-mail address is changed.")
        fay.goes("/login-link")
        fay.looks("login-link")
        elsewhere = self.person("Fay")
        elsewhere.email = fay.email
        elsewhere.goes("/login-link")
        elsewhere.fills("E-mail address", fay.email)
        elsewhere.clicks("Send")
        elsewhere.opens_email("log in")
        elsewhere.presses("Log in")
        elsewhere.sees("Logged in as Fay")
        fay.email = old
        fay.opens_email("change")
        fay.looks("old-address")
        fay.clicks("Undo the change")
        fay.sees("The change is undone.")
        elsewhere.is_logged_out()

    def test_without_javascript(self):
        gil = self.person("Gil", java_script_enabled=False).joins()
        gil.goes("/notes")
        gil.fills("Title", "Without scripts")
        gil.clicks("Keep it")
        gil.sees("Without scripts")
        gil.goes("/logout")
        gil.presses("Log out")
        gil.is_logged_out()


class Codes(Journey):
    def test_a_code_that_is_typed(self):
        demo = Demo(AUTHNZERVER_CODES="typed")
        self.addCleanup(demo.stop)
        vic = self.person("Vic", demo=demo)
        vic.signs_up()
        vic.looks("sent-code")
        # In another tab, as people do.
        mail = self.person("Vic", demo=demo)
        code = re.search(r"^[0-9A-Z]{4}-[0-9A-Z]{4}$", mail.newest_email("verify").inner_text(), re.M)[0]
        vic.fills("Code from the e-mail", code.lower())
        vic.presses("Verify")
        vic.logs_in()
        vic.sees("Logged in as Vic")


class Languages(Journey):
    def test_each_text_is_in_german(self):
        """Those of the pages that the client draws, of the site's own, and what stands between them."""
        german = json.loads((ROOT / "examples/site/texts/de.json").read_text())
        needed = set(SAID_BY_APP)
        for file in (ROOT / "examples/site/templates").glob("*.html"):
            needed |= set(re.findall(r"""visit\.text\((?:"([^"]+)"|'[^']+')""", file.read_text()))
        needed |= texts.known()
        self.assertEqual(sorted(needed - german.keys() - {""}), [])
        for english, text in german.items():
            self.assertEqual(re.findall(r"{\w*}", english), re.findall(r"{\w*}", text))

    def test_somebody_reads_german(self):
        uwe = self.person("Uwe", locale="de-DE")
        uwe.goes("/login")
        expect(uwe.page.locator("html")).to_have_attribute("lang", "de")
        uwe.fills("E-Mail-Adresse", "uwe@example.org")
        uwe.fills("Passwort", PASSWORD)
        uwe.presses("Anmelden")
        uwe.sees("E-Mail-Adresse und Passwort passen nicht zusammen.")
        uwe.looks("login-german")
        uwe.goes("/nowhere")
        uwe.sees("Diese Seite gibt es nicht")


class Permissions(Journey):
    def test_a_shared_note(self):
        hal, ida, joe = (self.person(name).joins() for name in ("Hal", "Ida", "Joe"))
        hal.goes("/notes")
        hal.looks("notes")
        hal.fills("Title", "Plans")
        hal.fills("Text", "A walk along the river.")
        hal.clicks("Keep it")
        expect(hal.page).to_have_url(re.compile(r"/notes/\d+$"))
        address = hal.page.url
        hal.looks("note")
        for other in (ida, joe, self.person("Visitor")):
            self.assertEqual(other.goes(address).status, 404)
        hal.page.get_by_label("Those below").check()
        hal.fills("E-mail addresses", f"{ida.email} nobody@example.org")
        hal.clicks("Share")
        ida.goes("/notes")
        ida.clicks("Plans")
        ida.fills("Text", "A walk along the sea.")
        ida.clicks("Keep it")
        ida.misses("Delete this note")
        ida.misses("Who sees it")
        self.assertEqual(joe.goes(address).status, 404)
        joe.looks("refused")
        hal.goes(address)
        hal.sees("A walk along the sea.")
        hal.page.get_by_label("Everybody").check()
        hal.clicks("Share")
        visitor = self.person("Visitor")
        visitor.goes("/")
        visitor.clicks("Plans")
        visitor.sees("A walk along the sea.")
        visitor.misses("Change it")

        # A page for editors: refused until an administrator has made one of Joe.
        self.assertEqual(joe.goes("/desk").status, 403)
        admin = self.administrator()
        admin.goes("/admin")
        admin.looks("admin")
        admin.fills("E-mail address, or the whole name", "Joe")
        admin.clicks("Find")
        admin.misses("Ida")
        admin.page.get_by_label("Role: Joe", exact=True).select_option("editor")
        admin.presses("Set role: Joe")
        # Another role ends the sessions of the old one.
        joe.is_logged_out()
        joe.logs_in()
        joe.sees("Logged in as Joe")
        self.assertEqual(joe.goes("/desk").status, 200)
        joe.looks("desk")
        joe.page.get_by_role("button", name="Take back: Plans").click()
        joe.misses("Plans")
        self.assertEqual(visitor.goes(address).status, 404)

    def test_a_locked_account(self):
        kim, admin = self.person("Kim").joins(), self.administrator()
        self.assertEqual(kim.goes("/admin").status, 403)
        for action in ("Lock", "Unlock"):
            admin.goes("/admin")
            admin.fills("E-mail address, or the whole name", kim.email)
            admin.clicks("Find")
            admin.presses(f"{action}: Kim")
            kim.is_logged_out()
            kim.logs_in()
            if action == "Lock":
                kim.sees("do not fit together")
        kim.sees("Logged in as Kim")


class Strangers(Journey):
    """What a hostile page or user tries."""

    def setUp(self):
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(page):
                body = self.hostile.encode()
                page.send_response(200)
                page.send_header("Content-Type", "text/html")
                page.end_headers()
                page.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.hostile = ""

    def test_a_forged_form(self):
        lou = self.person("Lou").joins()
        for path, fields in (("/logout", {}), ("/notes", {"title": "Forged"}), ("/sessions", {"others": "1"})):
            inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
            inputs += '<input name="csrf" value="x.y">'
            self.hostile = f'<form method="post" action="{browsers.demo.site}{path}">{inputs}<button>Win</button></form>'
            # The same host with another port is the same site to cookies; the other name is another one.
            for host in ("127.0.0.1", "localhost"):
                lou.goes(f"http://{host}:{self.server.server_port}/")
                with lou.page.expect_navigation() as navigation:
                    lou.clicks("Win")
                self.assertEqual(navigation.value.status, 403)
        lou.goes("/notes")
        lou.sees("Logged in as Lou")
        lou.misses("Forged")

    def test_a_session_that_somebody_else_chose(self):
        mia, attacker = self.person("Mia").joins(), self.person("Attacker").joins()
        for chosen in ("chosen-by-somebody-else", attacker.session()):
            victim = self.person("Mia")
            victim.context.add_cookies([self.cookie(chosen)])
            victim.logs_in()
            victim.sees("Logged in as Mia")
            self.assertNotIn(victim.session(), (None, chosen, mia.session()))
            attacker.context.add_cookies([self.cookie(chosen)])
            attacker.is_logged_out()
        # Nor does an old cookie of one's own do anything after a logout.
        token = mia.session()
        mia.goes("/logout")
        mia.presses("Log out")
        mia.context.add_cookies([self.cookie(token)])
        mia.is_logged_out()

    def cookie(self, token):
        return {"name": "insecure-session", "value": token, "url": browsers.demo.site}

    def test_a_login_that_leads_elsewhere(self):
        ned = self.person("Ned").joins()
        for onward in ("//elsewhere.example/", "https://elsewhere.example/", "/%5Celsewhere.example", "/%09/elsewhere.example"):
            ned.goes(f"/login?next={onward}")
            ned.fills("E-mail address", ned.email)
            ned.fills("Password", PASSWORD)
            ned.presses("Log in")
            ned.sees("Logged in as Ned")
            self.assertTrue(ned.page.url.startswith(browsers.demo.site + "/"), ned.page.url)

    def test_names_that_are_programs(self):
        attack = "<img src=x onerror=alert(1)>"
        oz = self.person(f"Oz {attack}")
        oz.email = "oz@example.org"
        oz.joins()
        oz.goes("/notes")
        oz.fills("Title", attack)
        oz.fills("Text", f'"></textarea>{attack}')
        oz.clicks("Keep it")
        oz.page.get_by_label("Everybody").check()
        oz.fills("E-mail addresses", f'">{attack}'.lower().replace(" ", ""))
        oz.clicks("Share")
        self.shows_and_runs_nothing(oz, oz.page.url, "/", "/notes")
        oz.goes("/keys")
        oz.fills("Name", attack)
        oz.clicks("Make a key")
        self.shows_and_runs_nothing(oz, "/keys")
        oz.context.set_extra_http_headers({"User-Agent": attack})
        oz.logs_in()
        self.shows_and_runs_nothing(oz, "/sessions")
        admin = self.administrator()
        self.shows_and_runs_nothing(admin, "/admin", "/desk", f"/admin?find={attack}")
        self.shows_and_runs_nothing(oz, browsers.demo.mail)
        self.assertEqual(oz.goes(f"/notes/{'9' * 30}").status, 404)

    def shows_and_runs_nothing(self, person, *paths):
        for path in paths:
            person.goes(path)
            self.assertEqual(person.page.locator("img").count(), 0, path)
            self.assertEqual(person.page.locator("script").count(), 0, path)

    def test_a_page_in_a_frame(self):
        pam = self.person("Pam").joins()
        self.hostile = f'<iframe src="{browsers.demo.site}/sessions"></iframe><iframe src="{browsers.demo.site}/"></iframe>'
        pam.goes(f"http://127.0.0.1:{self.server.server_port}/")
        for frame in pam.page.frames[1:]:
            frame.wait_for_load_state()
            self.assertEqual(frame.locator(".brand").count(), 0, "what is not shown cannot be clicked on")


if __name__ == "__main__":
    unittest.main()

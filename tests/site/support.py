"""The demo as a newcomer starts it, and people who look at it in browsers of their own."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import axe_playwright_python
from playwright.sync_api import expect, sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
AXE = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
PASSWORD = "quiet-lanterns-over-9-hills"
OTHER_PASSWORD = "seven-harbours-and-1-bridge"
# Nobody has to wait, and hashes need not be hard to guess.
SETTINGS = {"AUTHNZERVER_RATELIMITS": "none", "AUTHNZERVER_ARGON2": "m=7168,t=5,p=1"}
# Where screenshots go; none are made without it.
SCREENSHOTS = os.environ.get("SCREENSHOTS")
PHONE = {"width": 390, "height": 844}
TIMEOUT_MS = int(os.environ.get("TIMEOUT_MS", 20000))
expect.set_options(timeout=TIMEOUT_MS)


class Demo:
    """`make demo`, until Ctrl-C."""

    def __init__(self, **settings):
        command = ["make", "--no-print-directory", "demo", "DEMO_PROFILE=dev"]
        environment = {**os.environ, **SETTINGS, **settings}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if "Ctrl-C" in line:
                break
        else:
            sys.exit(f"make demo ended:\n{self.said}")
        self.site, self.mail, self.auth = re.findall(r"http://127\.0\.0\.1:\d+", self.said)
        self.admin = re.search(r"administrator is (\S+) with the password (\S+)", self.said).groups()

    def stop(self):
        """As Ctrl-C does, which goes to all programs of a terminal."""
        os.killpg(self.process.pid, signal.SIGINT)
        said = self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait(timeout=60)
        return said


class Browsers:
    """Chromium, and the demo."""

    def __init__(self):
        self.playwright = sync_playwright().start()
        # The sandbox refuses root, who runs this in a machine that exists for it.
        arguments = ["--no-sandbox"] if os.getuid() == 0 else []
        self.chromium = self.playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        self.demo = Demo()

    def person(self, name, demo=None, **more):
        demo = demo or self.demo
        context = self.chromium.new_context(base_url=demo.site, **{"locale": "en-GB", "viewport": {"width": 900, "height": 650}, **more})
        context.set_default_timeout(TIMEOUT_MS)
        return Person(demo, context, name)

    def close(self):
        self.chromium.close()
        self.playwright.stop()
        return self.demo.stop()


class Person:
    """Somebody with a browser, who does what can be seen on the pages."""

    def __init__(self, demo, context, name):
        self.demo = demo
        self.context = context
        self.page = context.new_page()
        self.name = name
        self.email = f"{re.sub('[^a-z]', '', name.lower())}@example.org"
        # Nothing runs here: no page of the site has a script.
        self.dialogs = []
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def goes(self, path):
        return self.page.goto(path)

    def fills(self, label, value):
        self.page.get_by_label(label).fill(value)

    def clicks(self, name):
        """A button or a link, whichever has the name."""
        button, link = (self.page.get_by_role(role, name=name, exact=True) for role in ("button", "link"))
        button.or_(link).first.click()

    def presses(self, name):
        """A button of the page itself, when what it leads to has come."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=name, exact=True).click()

    def sees(self, text):
        expect(self.page.locator("body")).to_contain_text(text)

    def misses(self, text):
        expect(self.page.locator("body")).not_to_contain_text(text)

    def opens_email(self, words):
        """Opens the link of the newest email to this person whose subject has these words, on the page of emails."""
        self.newest_email(words).get_by_role("link", name="code=").click()

    def newest_email(self, words):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            self.page.goto(self.demo.mail)
            email = self.page.locator("article", has_text=f"To {self.email}").filter(has_text=words)
            if email.count():
                return email.first
        raise AssertionError(f"no email to {self.email} says {words}")

    def signs_up(self, password=PASSWORD):
        self.goes("/signup")
        self.fills("Name", self.name)
        self.fills("E-mail address", self.email)
        self.fills("Password", password)
        self.presses("Sign up")

    def verifies(self):
        self.opens_email("verify")
        self.clicks("Verify")
        self.sees("Your e-mail address is verified.")

    def logs_in(self, password=PASSWORD, email=None, remember=False):
        self.goes("/login")
        self.fills("E-mail address", email or self.email)
        self.fills("Password", password)
        if remember:
            self.page.get_by_label("Remember me").check()
        self.presses("Log in")
        return self

    def joins(self):
        self.signs_up()
        self.sees("Look at your e-mail")
        self.verifies()
        self.logs_in()
        self.sees(f"Logged in as {self.name}")
        return self

    def is_logged_out(self):
        self.goes("/sessions")
        expect(self.page).to_have_url(re.compile(r"/login\?next=/sessions$"))

    def session(self):
        cookies = {cookie["name"]: cookie["value"] for cookie in self.context.cookies()}
        return cookies.get("insecure-session")

    def looks(self, name):
        """Has axe look at the page, in light and dark, and on a phone; takes pictures of it where they are wanted."""
        wide = self.page.viewport_size
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            self.page.evaluate(AXE)
            # Only colours are others in the dark.
            rules = "{}" if scheme == "light" else "{runOnly: ['color-contrast']}"
            found = self.page.evaluate(f"axe.run({rules}).then(found => found.violations)")
            told = [f"{one['id']}: {one['help']}: {[node['html'] for node in one['nodes']]}" for one in found]
            assert not told, f"{name}, {scheme}: {told}"
            self.takes_picture(name, scheme)
        self.page.set_viewport_size(PHONE)
        needed = self.page.evaluate("document.documentElement.scrollWidth")
        assert needed <= PHONE["width"], f"{name} is {needed} wide on a phone of {PHONE['width']}"
        if name == "sessions":
            self.takes_picture(name, "phone")
        self.page.set_viewport_size(wide)
        self.page.emulate_media(color_scheme="light")

    def takes_picture(self, name, scheme):
        if SCREENSHOTS and (scheme != "dark" or name in ("home", "note")):
            path = pathlib.Path(SCREENSHOTS) / (f"{name}.png" if scheme == "light" else f"{name}-{scheme}.png")
            # Lists of whatever others did meanwhile are of any length.
            self.page.screenshot(path=path, full_page=name not in ("admin", "emails"))

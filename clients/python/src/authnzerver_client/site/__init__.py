"""A site's accounts: pages from sign-up to API keys, sessions in a cookie, guards, and protection against forged forms.

Put `Wsgi(program, site, client)` or `Asgi(program, site, client)` around a program, and it has all of that.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote, urlsplit

from .. import calls
from .._record import Call
from ..errors import AuthError, OverLimit, Refused, Unavailable
from ..keys import KeyRing
from ._web import HEADERS, SAFE, SECURITY_HEADERS, Request, Response, own_path, readings
from .pages import Page, content, draw, translated
from .routes import OWN, ROUTES, SAID
from .texts import Texts, preferred
from .visit import DELETE, Visit, current

__all__ = ["SECURITY_HEADERS", "Page", "Request", "Response", "Site", "Visit", "content", "current", "draw"]

HINTS_MAX = 4096
# For how long something is known about somebody who does not log in.
VISITOR_DAYS = 7
Lookup = Generator[Any, Any, "Response | None"]


@dataclass(frozen=True)
class Guard:
    """Who may see what lies below a path."""

    path: str
    roles: tuple[str, ...] = ()
    may: tuple[str, str] | None = None
    key: tuple[str, str] | None = None

    def covers(self, path: str) -> bool:
        """Whether it holds for a path."""
        own = self.path.rstrip("/").lower()
        return any(way == own or way.startswith(own + "/") for way in readings(path))


class Site:
    """What a site is called, where it is, and how it looks.

    `origins` are the addresses of the site as browsers see them, such as `https://example.org`; emails link to the
    first. Over `http://` a site can only be on one's own machine. `proxies` are the addresses of proxies in front of
    the site; from these alone `X-Real-IP` is taken.
    """

    def __init__(
        self,
        name: str,
        origins: Sequence[str],
        keys: KeyRing,
        *,
        proxies: Sequence[str] = (),
        render: Callable[[Page], str] = draw,
        language: str = "en",
        texts: Texts | None = None,
        password_hint: str = "At least 12 characters.",
        scopes: str = "",
        login_link: bool = False,
        keep_days: int = 0,
        static: Sequence[str] = (),
    ):
        """`render` draws a page, in the site's own looks. `texts` are, by language, what the English texts are in
        it; `language` is the one for whoever asks for none of them. `scopes` stand in the form for API keys.
        `login_link` has the page with which one logs in by email (the server needs `AUTHNZERVER_LOGINLINK`). Sessions
        of those who want to be remembered last `keep_days` from the last visit. Below `static`, nobody is looked up."""
        self.name = name
        self.origins = [origin.rstrip("/") for origin in origins]
        self.is_secure = _is_secure(self.origins)
        self.csrf_keys = keys.derived("csrf")
        self.password_hint, self.scopes, self.login_link = password_hint, scopes, login_link
        self._texts = texts or {}
        self._languages = list(dict.fromkeys([language, *self._texts]))
        self._keep_days = keep_days
        self._static = tuple(path.rstrip("/").lower() + "/" for path in static)
        self._proxies = frozenset(proxies)
        self._render = render
        self._guards = [Guard(path) for path in OWN]
        # Who a session belonged to when it was last seen: what can be asked together with who it belongs to now.
        self._hints: dict[str, tuple[int, str]] = {}

    def guard(
        self,
        path: str,
        *,
        roles: Sequence[str] = (),
        may: tuple[str, str] | None = None,
        key: tuple[str, str] | None = None,
    ) -> None:
        """Shows what lies at a path, and below it, only to whoever is logged in; with one of these roles; to whom the
        policy permits an action on a kind of item of theirs; or, instead of all that, to an API key that is good for
        it."""
        self._guards.append(Guard(path, tuple(roles), may, key))

    def address(self, path: str) -> str:
        """A page of the site, for an email."""
        return self.origins[0] + path

    def client_address(self, request: Request) -> str:
        """The end user's address."""
        told = request.headers.get("x-real-ip", "").strip()
        return told if request.peer in self._proxies and _is_address(told) else request.peer

    def visit(self, request: Request) -> Visit:
        """What is known before anything is asked."""
        return Visit(request, self)

    def language_of(self, request: Request) -> str:
        """The language of whoever asks."""
        return preferred(request.headers.get("accept-language", ""), self._languages)

    def text(self, text: str, language: str) -> str:
        """What an English text is in a language; the text itself, where nobody has said."""
        return self._texts.get(language, {}).get(text, text)

    def show(self, visit: Visit, page: Page, status: int = 200) -> Response:
        """A page with its token, in the visitor's language."""
        said = SAID.get(visit.request.query.get("said", "")) if visit.request.method == "GET" else None
        shown = replace(
            translated(replace(page, messages=[said, *page.messages]) if said else page, visit.text),
            csrf=visit.csrf_token,
            language=visit.language,
            visit=visit,
        )
        return Response(status, self._render(shown), list(HEADERS))

    def said(self, visit: Visit, status: int, message: str, headers: Sequence[tuple[str, str]] = ()) -> Response:
        """A page that says something, most likely no."""
        response = self.show(visit, Page("message", self.name, [message], is_error=status >= 400), status)
        response.headers += headers
        return response

    def answer(self, visit: Visit) -> Lookup:
        """Looks who it is, keeps out who may not, and answers what is a page of accounts; None for what is the
        program's own."""
        path = visit.request.path
        if visit.request.method in ("GET", "HEAD") and all(way.startswith(self._static) for way in readings(path)):
            return None
        # Whoever is to log in has to see the page for that, also where the whole site is guarded.
        is_open = path in ROUTES and path not in OWN
        guards = [] if is_open else [guard for guard in self._guards if guard.covers(path)]
        by_key = [guard for guard in guards if guard.key]
        if by_key:
            # A key is nobody who is logged in, so it does not pass a guard that wants somebody.
            if len(by_key) < len(guards):
                return self.said(visit, 403, "You may not see this page.")
            return (yield from self._check_key(visit, by_key))
        if visit.request.method not in SAFE and visit.is_forged(self.origins):
            return self.said(visit, 403, "Please go back, reload the page, and try again.")
        refusal = yield from self._look(visit, guards)
        if refusal:
            return refusal
        route = ROUTES.get(visit.request.path)
        if not route:
            return None
        if visit.request.method not in ("GET", "HEAD", "POST"):
            return self.said(visit, 405, "This page knows only GET and POST.")
        return (yield from route(self, visit))

    def _look(self, visit: Visit, guards: Sequence[Guard]) -> Lookup:
        token = visit.session_token
        if not token:
            return self.to_login(visit) if guards else None
        who = calls.session_info(session_token=token)
        wanted = [guard.may for guard in guards if guard.may]
        hint = self._hints.get(token) if wanted else None
        access = [self._access(hint, may) for may in wanted] if hint else []
        asked = yield (who, *access)
        try:
            visit.session = asked[who].session_info
        except Refused:
            self._hints.pop(token, None)
            visit.forget()
            return self.to_login(visit) if guards else None
        yield from self._prolong(visit)
        if not guards:
            return None
        if not visit.is_logged_in:
            return self.to_login(visit)
        if any(guard.roles and not visit.has_role(*guard.roles) for guard in guards):
            return self.said(visit, 403, "You may not see this page.")
        now = (visit.session.user_id, visit.session.user_role)
        if wanted and hint != now:
            # The first time, or the role has changed since: what was asked along was about somebody else.
            while len(self._hints) >= HINTS_MAX:
                self._hints.pop(next(iter(self._hints)), None)
            self._hints[token] = now
            access = [self._access(now, may) for may in wanted]
            asked = yield tuple(access)
        for call in access:
            try:
                asked[call]
            except Refused:
                return self.said(visit, 403, "You may not see this page.")
        return None

    def _prolong(self, visit: Visit) -> Generator[Any, Any, None]:
        """Has the session of somebody who wants to be remembered last from now on, once an hour."""
        if not (self._keep_days and visit.is_logged_in and visit.session and visit.notes.get("remember") is True):
            return
        left = visit.session.expires - datetime.now(timezone.utc)
        if left > timedelta(days=self._keep_days, hours=-1):
            return
        try:
            answer = yield calls.session_touch(session_token=visit.session_token or "", days=self._keep_days)
        except Refused:
            return
        # The operator may allow no more; then there is nothing to tell the browser either.
        if answer.expires > visit.session.expires:
            visit.keep(answer.expires)

    def finish(self, visit: Visit) -> Lookup:
        """Stores what the program noted, before its answer goes out."""
        changed = visit.changed_notes
        if not changed or visit.refusal:
            return None
        if visit.session_token and visit.session:
            yield calls.internal_session_edit(target_session_token=visit.session_token, update_dict=changed)
        elif any(value != DELETE for value in changed.values()):
            notes = {key: value for key, value in changed.items() if value != DELETE}
            answer = yield calls.session_new(user_id=None, expires=VISITOR_DAYS, extra_info_json=notes)
            visit.start(answer.session_token, answer.expires, remember=False)
        return None

    def login_days(self, remember: bool) -> int | None:
        """For how many days a login holds; None for as long as the server says."""
        return self._keep_days if remember and self._keep_days else None

    def _access(self, who: tuple[int, str], may: tuple[str, str]) -> Call[Any]:
        user_id, user_role = who
        return calls.user_check_access(
            user_id=user_id,
            user_role=user_role,
            action=may[0],
            target_name=may[1],
            target_owner=user_id,
            target_visibility="private",
            target_sharedwith=None,
        )

    def _check_key(self, visit: Visit, guards: Sequence[Guard]) -> Lookup:
        scheme, _, key = visit.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            return Response(401, "an API key is missing\n", [("WWW-Authenticate", "Bearer")])
        asked = [(guard.key or ("", "")) for guard in guards]
        checks = [calls.apikey_check(apikey=key.strip(), action=action, target_name=item) for action, item in asked]
        answers = yield tuple(checks)
        try:
            for check in checks:
                visit.key_owner = answers[check].user_id
        except Refused as refused:
            is_known = refused.reason in ("action not within the API key's scopes", "action not permitted")
            return Response(403 if is_known else 401, "the API key is not good for this\n")
        # What comes with a key is done for its owner, and for no cookie.
        visit.session_token = None
        return None

    def to_login(self, visit: Visit) -> Response:
        """Leads to the page on which one logs in, and back from there."""
        # With what stands behind it, such as the code of an email.
        onward = own_path(visit.request.target) if visit.request.method == "GET" else "/"
        response = Response.to(f"/login?next={quote(onward)}")
        response.headers.append(("Cache-Control", "no-store"))
        return response

    def failed(self, visit: Visit, error: AuthError) -> Response:
        """What an end user sees of an error."""
        if isinstance(error, Refused):
            return self.said(visit, 403, " ".join(error.messages))
        if isinstance(error, OverLimit):
            return self.said(visit, 429, "Please wait a moment, and try again.", [_wait(error.retry_after)])
        if isinstance(error, Unavailable):
            logging.getLogger(__name__).warning("authnzerver: %s", error)
            return self.said(visit, 503, "This does not work for now. Please try again soon.", [_wait(error.retry_after)])
        logging.getLogger(__name__).error("authnzerver: %s", error)
        return self.said(visit, 500, "This does not work.")


def _wait(seconds: float | None) -> tuple[str, str]:
    return ("Retry-After", str(int(seconds or 1)))


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _is_secure(origins: Sequence[str]) -> bool:
    """Whether a site is reached over HTTPS; if not, it must be on this very machine."""
    parts = [urlsplit(origin) for origin in origins]
    if any(part.path or part.query or not part.hostname for part in parts):
        raise ValueError("a site's origins are addresses without a path, such as https://example.org")
    if parts and all(part.scheme == "https" for part in parts):
        return True
    if parts and all(part.scheme == "http" and part.hostname in ("127.0.0.1", "::1", "localhost") for part in parts):
        return False
    raise ValueError("a site's origins are https://…, or http://127.0.0.1:PORT for one's own machine: sessions would be seen")

"""One request to a site: who asks, which cookies go back, and whether a form was sent by our own page."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timezone
from html import unescape
from typing import TYPE_CHECKING, Any

from .. import calls
from .._record import Call
from ..errors import AuthError, Refused
from ..types import SessionAndOwner
from ._web import Request, Response

if TYPE_CHECKING:
    from . import Site

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
ANONYMOUS = 2
DELETE = "__delete__"


@dataclass(frozen=True)
class Cookies:
    """What the site's cookies are called. Over HTTP, which is for one's own machine alone, browsers do not all take
    those of HTTPS; and there the programs of all ports share theirs."""

    secure: bool

    @property
    def session(self) -> str:
        """Holds the session."""
        return "__Host-session" if self.secure else "insecure-session"

    @property
    def visitor(self) -> str:
        """Ties forms to whoever has no session."""
        return "__Host-visitor" if self.secure else "insecure-visitor"

    def set(self, name: str, value: str, age: int | None = None) -> str:
        """A cookie that scripts and other sites do not get to see."""
        secure = " Secure;" if self.secure else ""
        lasts = "" if age is None else f"; Max-Age={age}"
        return f"{name}={value}; Path=/;{secure} HttpOnly; SameSite=Lax{lasts}"


class Visit:
    """What the site knows about the request that it answers. A WSGI program finds it in `environ["authnzerver"]`, an
    ASGI program in `scope["authnzerver"]`; either calls `current()`."""

    def __init__(self, request: Request, site: Site):
        self.request = request
        self.site = site
        self.cookies = Cookies(site.is_secure)
        self.session_token = request.cookie(self.cookies.session)
        self.session: SessionAndOwner | None = None
        """The live session and its owner; None without one."""
        self.key_owner: int | None = None
        """Whose API key it was, where a guard asks for one."""
        self.set_cookies: list[str] = []
        self.language = site.language_of(request)
        """The language of this visitor, of those that the site has."""
        self.caller: Any = None
        """Asks the server on behalf of this visitor: a `Caller` or, under ASGI and Tornado, an `AsyncCaller`."""
        self.refusal: Response | None = None
        """What is shown instead of what the program answers."""
        self.failure: AuthError | None = None
        """What kept the program from being answered, other than a refusal; shown where it says no more than that."""
        self.changed_notes: dict[str, Any] = {}
        self._visitor = request.cookie(self.cookies.visitor)

    @property
    def is_logged_in(self) -> bool:
        """Whether somebody is logged in."""
        return self.session is not None and self.session.user_id != ANONYMOUS

    @property
    def user_id(self) -> int | None:
        """Who is logged in."""
        return self.session.user_id if self.session and self.is_logged_in else None

    @property
    def name(self) -> str:
        """What to call whoever is logged in, as plain text."""
        return unescape(self.session.full_name or self.session.email) if self.session and self.is_logged_in else ""

    @property
    def role(self) -> str:
        """The role of whoever asks."""
        return self.session.user_role if self.session and self.is_logged_in else "anonymous"

    def has_role(self, *roles: str) -> bool:
        """Whether somebody with one of these roles is logged in."""
        return self.is_logged_in and self.role in roles

    def text(self, text: str) -> str:
        """A text in the language of this visitor."""
        return self.site.text(text, self.language)

    def access(
        self, action: str, item: str, *, owner: int, visibility: str = "private", shared_with: Iterable[int] = ()
    ) -> Call[Any]:
        """What to ask to learn whether the policy lets this visitor do something with an item: see `may` of
        `site.wsgi` and `site.asgi`."""
        return calls.user_check_access(
            user_id=self.user_id or ANONYMOUS,
            user_role=self.role,
            action=action,
            target_name=item,
            target_owner=owner,
            target_visibility=visibility,
            target_sharedwith=",".join(str(one) for one in shared_with) or None,
        )

    @property
    def notes(self) -> dict[str, Any]:
        """What the program noted about this visitor, logged in or not."""
        stored = self.session.extra_info_json if self.session else None
        notes = {**(stored if isinstance(stored, dict) else {}), **self.changed_notes}
        return {key: value for key, value in notes.items() if value != DELETE}

    def note(self, key: str, value: Any) -> None:
        """Notes something about this visitor, or forgets it with None: before the answer goes out. Whoever has no
        session gets one for it; a login takes over what was noted."""
        self.changed_notes[key] = DELETE if value is None else value

    def note_failure(self, error: AuthError) -> None:
        """Remembers what a program most likely does not know how to show. A refusal is an answer."""
        if not isinstance(error, Refused):
            self.failure = error

    def start(self, token: str, expires: datetime, *, remember: bool) -> None:
        """Another session from here on. Without `remember` its cookie ends with the browser."""
        self.session_token = token
        self.keep(expires if remember else None)

    def keep(self, expires: datetime | None) -> None:
        """Sets the session's cookie."""
        age = max(0, int((expires - datetime.now(timezone.utc)).total_seconds())) if expires else None
        self.set_cookies.append(self.cookies.set(self.cookies.session, self.session_token or "", age))

    def forget(self) -> None:
        """No session any more."""
        self.session_token, self.session = None, None
        self.set_cookies.append(self.cookies.set(self.cookies.session, "", 0))

    def forget_visitor(self) -> None:
        """Forms of before are not good any more."""
        if self._visitor:
            self._visitor = None
            self.set_cookies.append(self.cookies.set(self.cookies.visitor, "", 0))

    @property
    def csrf_token(self) -> str:
        """For the hidden field `csrf` of a form, or the header `X-CSRF-Token`. It is bound to the session, or to a
        cookie where there is none."""
        if not self.session_token and not self._visitor:
            self._visitor = secrets.token_urlsafe(24)
            self.set_cookies.append(self.cookies.set(self.cookies.visitor, self._visitor))
        nonce = secrets.token_urlsafe(12)
        return f"{nonce}.{_signature(self.site.csrf_keys[0], nonce, self._bound()[0])}"

    def is_forged(self, origins: Sequence[str]) -> bool:
        """Whether what changes something was not sent by a page of ours."""
        headers = self.request.headers
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return True
        if headers.get("origin", origins[0]) not in origins:
            return True
        token = headers.get(CSRF_HEADER) or self.request.form.get(CSRF_FIELD, "")
        nonce, _, signature = token.partition(".")
        if not token.isascii():
            return True
        # A visitor may have got a session with the page that holds the form; a login ends their cookie.
        expected = [_signature(key, nonce, bound) for key in self.site.csrf_keys for bound in self._bound()]
        return not any([hmac.compare_digest(signature, one) for one in expected])

    def _bound(self) -> list[str]:
        tokens = (("session", self.session_token), ("visitor", self._visitor))
        return [f"{kind} {token}" for kind, token in tokens if token]


_current: ContextVar[Visit] = ContextVar("authnzerver visit")


def current() -> Visit:
    """The visit that is being answered, wherever in the program."""
    return _current.get()


def enter(visit: Visit) -> None:
    """From here on it is this visit."""
    _current.set(visit)


def _signature(key: bytes, nonce: str, bound: str) -> str:
    return hmac.new(key, f"{nonce} {bound}".encode(), hashlib.sha256).hexdigest()

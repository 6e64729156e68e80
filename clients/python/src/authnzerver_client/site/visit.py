"""One request to a site: who asks, which cookies go back, and whether a form was sent by our own page."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timezone

from ..types import SessionAndOwner
from ._web import Request

SESSION_COOKIE = "__Host-session"
VISITOR_COOKIE = "__Host-visitor"
ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
ANONYMOUS = 2


class Visit:
    """What the site knows about the request that it answers. A WSGI program finds it in `environ["authnzerver"]`, an
    ASGI program in `scope["authnzerver"]`."""

    def __init__(self, request: Request, csrf_keys: Sequence[bytes]):
        self.request = request
        self.session_token = request.cookie(SESSION_COOKIE)
        self.session: SessionAndOwner | None = None
        """The live session and its owner; None without one."""
        self.key_owner: int | None = None
        """Whose API key it was, where a guard asks for one."""
        self.set_cookies: list[str] = []
        self._visitor = request.cookie(VISITOR_COOKIE)
        self._csrf_keys = csrf_keys

    @property
    def is_logged_in(self) -> bool:
        """Whether somebody is logged in."""
        return self.session is not None and self.session.user_id != ANONYMOUS

    @property
    def user_id(self) -> int | None:
        """Who is logged in."""
        return self.session.user_id if self.session and self.is_logged_in else None

    def has_role(self, *roles: str) -> bool:
        """Whether somebody with one of these roles is logged in."""
        return self.session is not None and self.is_logged_in and self.session.user_role in roles

    def start(self, token: str, expires: datetime, *, remember: bool) -> None:
        """Another session from here on. Without `remember` its cookie ends with the browser."""
        seconds = max(0, int((expires - datetime.now(timezone.utc)).total_seconds()))
        age = f"; Max-Age={seconds}" if remember else ""
        self.session_token = token
        self.set_cookies.append(f"{SESSION_COOKIE}={token}; {ATTRIBUTES}{age}")

    def forget(self) -> None:
        """No session any more."""
        self.session_token, self.session = None, None
        self.set_cookies.append(f"{SESSION_COOKIE}=; {ATTRIBUTES}; Max-Age=0")

    @property
    def csrf_token(self) -> str:
        """For the hidden field `csrf` of a form, or the header `X-CSRF-Token`. It is bound to the session, or to a
        cookie where there is none."""
        if not self.session_token and not self._visitor:
            self._visitor = secrets.token_urlsafe(24)
            self.set_cookies.append(f"{VISITOR_COOKIE}={self._visitor}; {ATTRIBUTES}")
        nonce = secrets.token_urlsafe(12)
        return f"{nonce}.{self._signature(self._csrf_keys[0], nonce)}"

    def is_forged(self, origins: Sequence[str]) -> bool:
        """Whether what changes something was not sent by a page of ours."""
        headers = self.request.headers
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return True
        if headers.get("origin", origins[0]) not in origins:
            return True
        token = headers.get(CSRF_HEADER) or self.request.form.get(CSRF_FIELD, "")
        nonce, _, signature = token.partition(".")
        if not (self.session_token or self._visitor) or not token.isascii():
            return True
        return not any(hmac.compare_digest(signature, self._signature(key, nonce)) for key in self._csrf_keys)

    def _signature(self, key: bytes, nonce: str) -> str:
        bound = f"session {self.session_token}" if self.session_token else f"visitor {self._visitor}"
        return hmac.new(key, f"{nonce} {bound}".encode(), hashlib.sha256).hexdigest()

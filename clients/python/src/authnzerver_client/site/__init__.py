"""A site's accounts: pages from sign-up to API keys, sessions in a cookie, guards, and protection against forged forms.

Put `Wsgi(program, site, client)` or `Asgi(program, site, client)` around a program, and it has all of that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .. import calls
from .._record import Call
from ..errors import AuthError, OverLimit, Refused, Unavailable
from ..keys import KeyRing
from ._web import HEADERS, UNSAFE, Request, Response
from .pages import Page, draw
from .routes import OWN, ROUTES
from .visit import Visit

__all__ = ["Page", "Request", "Response", "Site", "Visit", "draw"]

HINTS_MAX = 4096
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
        return path == self.path or path.startswith(self.path.rstrip("/") + "/")


class Site:
    """What a site is called and where it is.

    `origins` are the addresses of the site as browsers see them, such as `https://example.org`; emails link to the
    first. `proxies` are the addresses of proxies in front of the site; from these alone `X-Real-IP` is taken.
    """

    def __init__(
        self,
        name: str,
        origins: Sequence[str],
        keys: KeyRing,
        *,
        proxies: Sequence[str] = (),
        render: Callable[[Page], str] = draw,
    ):
        self.name = name
        self.origins = [origin.rstrip("/") for origin in origins]
        self._csrf_keys = keys.derived("csrf")
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
        return request.headers.get("x-real-ip", request.peer) if request.peer in self._proxies else request.peer

    def visit(self, request: Request) -> Visit:
        """What is known before anything is asked."""
        return Visit(request, self._csrf_keys)

    def show(self, visit: Visit, page: Page, status: int = 200) -> Response:
        """A page with its token."""
        shown = Page(page.name, page.title, page.messages, page.forms, page.rows, page.links, visit.csrf_token)
        return Response(status, self._render(shown), list(HEADERS))

    def answer(self, visit: Visit) -> Lookup:
        """Looks who it is, keeps out who may not, and answers what is a page of accounts; None for what is the
        program's own."""
        guards = [guard for guard in self._guards if guard.covers(visit.request.path)]
        by_key = [guard for guard in guards if guard.key]
        if by_key:
            return (yield from self._check_key(visit, by_key))
        if visit.request.method in UNSAFE and visit.is_forged(self.origins):
            return self._said(403, "Please go back, reload the page, and try again.")
        refusal = yield from self._look(visit, guards)
        if refusal:
            return refusal
        route = ROUTES.get(visit.request.path)
        if not route:
            return None
        if visit.request.method not in ("GET", "HEAD", "POST"):
            return self._said(405, "This page knows only GET and POST.")
        return (yield from route(self, visit))

    def _look(self, visit: Visit, guards: Sequence[Guard]) -> Lookup:
        token = visit.session_token
        if not token:
            return self._to_login(visit) if guards else None
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
            return self._to_login(visit) if guards else None
        if not guards:
            return None
        if not visit.is_logged_in:
            return self._to_login(visit)
        if any(guard.roles and not visit.has_role(*guard.roles) for guard in guards):
            return self._said(403, "You may not see this page.")
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
                return self._said(403, "You may not see this page.")
        return None

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

    def _to_login(self, visit: Visit) -> Response:
        onward = visit.request.path if visit.request.method == "GET" else "/"
        response = Response.to(f"/login?next={quote(onward)}")
        response.headers.append(("Cache-Control", "no-store"))
        return response

    def _said(self, status: int, message: str, headers: Sequence[tuple[str, str]] = ()) -> Response:
        return Response(status, self._render(Page("message", self.name, [message])), [*HEADERS, *headers])

    def failed(self, error: AuthError) -> Response:
        """What an end user sees of an error."""
        if isinstance(error, Refused):
            return self._said(403, " ".join(error.messages))
        if isinstance(error, OverLimit):
            return self._said(429, "Please wait a moment, and try again.", [_wait(error.retry_after)])
        if isinstance(error, Unavailable):
            logging.getLogger(__name__).warning("authnzerver: %s", error)
            return self._said(503, "This does not work for now. Please try again soon.", [_wait(error.retry_after)])
        logging.getLogger(__name__).error("authnzerver: %s", error)
        return self._said(500, "This does not work.")


def _wait(seconds: float | None) -> tuple[str, str]:
    return ("Retry-After", str(int(seconds or 1)))

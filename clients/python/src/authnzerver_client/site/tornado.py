"""A site under Tornado.

    class Home(SiteHandler, RequestHandler):
        def get(self):
            self.write(self.visit.name or "nobody")

    app = Application([("/", Home), *pages()], authnzerver=(site, AsyncClient(…)), login_url="/login")
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from tornado.web import HTTPError, RequestHandler

from ..aio import AsyncCaller, AsyncClient
from ..errors import AuthError
from . import Request, Response, Site, Visit
from ._web import fields, has_form
from .asgi import VisitCaller, run
from .routes import ROUTES
from .visit import enter

if TYPE_CHECKING:
    Base = RequestHandler
else:
    Base = object


class SiteHandler(Base):
    """Goes before `RequestHandler` among the bases of each handler. It looks who asks, keeps out who may not, and refuses
    forged forms, all in `prepare`; call this one first where a handler has its own. `self.visit` is the `Visit`, and
    Tornado's `current_user` the session of whoever is logged in. Leave Tornado's `xsrf_cookies` and `xheaders` off."""

    visit: Visit

    async def prepare(self) -> None:
        site, caller = self._about()
        enter(self.visit)
        try:
            response = await run(site.answer(self.visit), caller)
        except AuthError as error:
            response = site.failed(self.visit, error)
        if response:
            self.answer_with(response)

    def _about(self) -> tuple[Site, AsyncCaller]:
        site: Site
        client: AsyncClient
        site, client = self.application.settings["authnzerver"]
        asked = self.request
        headers = {name.lower(): value for name, value in asked.headers.items()}
        form = fields(asked.body) if has_form(headers) else {}
        path = asked.path or "/"
        about = (path, fields(asked.query), headers, asked.remote_ip or "", form, asked.uri or "/")
        request = Request(asked.method or "GET", *about)
        self.visit = site.visit(request)
        caller = client.at(site.client_address(request), headers.get("user-agent", ""))
        self.visit.caller = VisitCaller(caller, self.visit)
        return site, caller

    async def note(self, **values: Any) -> None:
        """Notes something about this visitor, or forgets it with None; see `Visit.note`."""
        for key, value in values.items():
            self.visit.note(key, value)
        await run(self.visit.site.finish(self.visit), self.visit.caller)

    def get_current_user(self) -> Any:
        return self.visit.session if self.visit.is_logged_in else None

    def answer_with(self, response: Response) -> None:
        """Answers with a page of the site's accounts."""
        self.set_status(response.status)
        for name, value in response.headers:
            self.set_header(name, value)
        self.finish(response.body)

    def write_error(self, status_code: int, **about: Any) -> None:
        visit = getattr(self, "visit", None)
        if visit and visit.failure and status_code >= 500:
            return self.answer_with(visit.site.failed(visit, visit.failure))
        return super().write_error(status_code, **about)

    def finish(self, chunk: Any = None) -> Any:
        self._set_cookies()
        return super().finish(chunk)

    def flush(self, include_footers: bool = False) -> Any:
        self._set_cookies()
        return super().flush(include_footers)

    def _set_cookies(self) -> None:
        # What is answered before anything was looked at has no visit.
        visit = getattr(self, "visit", None)
        if visit and not self._headers_written:
            for cookie in visit.set_cookies:
                self.add_header("Set-Cookie", cookie)
            visit.set_cookies.clear()


class _Page(SiteHandler, RequestHandler):
    """The page has been shown before it comes to this."""

    def get(self) -> Awaitable[None] | None:
        raise HTTPError(404)

    post = get


def pages() -> list[tuple[str, type[RequestHandler]]]:
    """Where the pages of accounts are, for the handlers of an application."""
    return [(path, _Page) for path in ROUTES]

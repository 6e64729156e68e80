"""A site under WSGI: Flask, Django and all others."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, TypeVar

from .._record import Answer, Call
from ..batch import Batch
from ..client import Caller, Client
from ..errors import AuthError, Refused
from . import Lookup, Request, Response, Site, Visit
from ._web import fields, has_form, target_of
from .visit import enter

Environ = dict[str, Any]
T = TypeVar("T", bound=Answer)
KEY = "authnzerver"


class Wsgi:
    """Goes around a WSGI program, which finds the `Visit` in `environ["authnzerver"]`."""

    def __init__(self, program: Callable[..., Iterable[bytes]], site: Site, client: Client):
        self._program = program
        self._site = site
        self._client = client

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = _request(environ)
        visit = self._site.visit(request)
        caller = self._client.at(self._site.client_address(request), request.headers.get("user-agent", ""))
        visit.caller = VisitCaller(caller, visit)
        enter(visit)
        try:
            response = run(self._site.answer(visit), caller)
            if not response:
                environ[KEY] = visit
                return self._ask_program(environ, start_response, visit, caller)
        except AuthError as error:
            response = self._site.failed(visit, error)
        return _send(response, visit, start_response)

    def _ask_program(
        self, environ: Environ, start_response: Callable[..., Any], visit: Visit, caller: Caller
    ) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            if visit.failure and status.startswith("5"):
                visit.refusal = self._site.failed(visit, visit.failure)
            if visit.refusal:
                return lambda _: None
            run(self._site.finish(visit), caller)
            return start_response(status, [*headers, *_cookies(visit)], *more)

        parts = self._program(environ, start)
        if not visit.refusal:
            return parts
        if hasattr(parts, "close"):
            parts.close()
        return _send(visit.refusal, visit, start_response)


class VisitCaller(Caller):
    """Asks on behalf of a visitor, and remembers why there was no answer."""

    def __init__(self, caller: Caller, visit: Visit):
        self.__dict__.update(caller.__dict__)
        self._visit = visit

    def ask(self, call: Call[T]) -> T:
        """Asks a call."""
        try:
            return super().ask(call)
        except AuthError as error:
            self._visit.note_failure(error)
            raise

    def together(self, *asked: Call[Any], stop_on_failure: bool = False) -> Batch:
        """Asks up to 16 calls in one message, each as if it had come alone."""
        try:
            return super().together(*asked, stop_on_failure=stop_on_failure)
        except AuthError as error:
            self._visit.note_failure(error)
            raise


def may(visit: Visit, action: str, item: str, **about: Any) -> bool:
    """Whether the policy lets a visitor do something with an item; see `Visit.access` for the rest."""
    try:
        visit.caller.ask(visit.access(action, item, **about))
    except Refused:
        return False
    return True


def run(flow: Lookup, caller: Caller) -> Response | None:
    """Asks what a flow wants to know."""
    step: Callable[[], Any] = lambda: next(flow)
    while True:
        try:
            wanted = step()
        except StopIteration as stop:
            result: Response | None = stop.value
            return result
        try:
            answer = caller.together(*wanted) if isinstance(wanted, tuple) else caller.ask(wanted)
        except AuthError as error:
            step = lambda error=error: flow.throw(error)  # type: ignore[misc]
        else:
            step = lambda answer=answer: flow.send(answer)  # type: ignore[misc]


def _request(environ: Environ) -> Request:
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    headers |= {"content-type": environ.get("CONTENT_TYPE", ""), "content-length": environ.get("CONTENT_LENGTH", "")}
    form = {}
    if has_form(headers):
        body = environ["wsgi.input"].read(int(headers["content-length"]))
        environ["wsgi.input"] = io.BytesIO(body)
        form = fields(body)
    path = (environ.get("PATH_INFO") or "/").encode("latin-1", "replace")
    query = environ.get("QUERY_STRING", "")
    about = (path.decode("utf-8", "replace"), fields(query), headers, environ.get("REMOTE_ADDR", ""), form)
    return Request(environ["REQUEST_METHOD"], *about, target_of(path, query))


def _cookies(visit: Visit) -> list[tuple[str, str]]:
    return [("Set-Cookie", cookie) for cookie in visit.set_cookies]


def _send(response: Response, visit: Visit, start_response: Callable[..., Any]) -> list[bytes]:
    body = response.body.encode()
    headers = [*response.headers, *_cookies(visit), ("Content-Length", str(len(body)))]
    start_response(f"{response.status} {HTTPStatus(response.status).phrase}", headers)
    return [] if visit.request.method == "HEAD" else [body]

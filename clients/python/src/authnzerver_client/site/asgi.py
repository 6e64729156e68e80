"""A site under ASGI: Starlette, FastAPI and all others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

from .._record import Answer, Call
from ..aio import AsyncCaller, AsyncClient
from ..batch import Batch
from ..errors import AuthError, Refused
from . import Lookup, Request, Response, Site, Visit
from ._web import fields, has_form, target_of
from .visit import enter

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T", bound=Answer)
KEY = "authnzerver"


class Asgi:
    """Goes around an ASGI program, which finds the `Visit` in `scope["authnzerver"]`. WebSockets are
    closed: nothing here knows how to guard them."""

    def __init__(self, program: Callable[..., Awaitable[None]], site: Site, client: AsyncClient):
        self._program = program
        self._site = site
        self._client = client

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # Nothing but the start and stop of the program is let through unseen.
            if scope["type"] == "lifespan":
                return await self._program(scope, receive, send)
            return await send({"type": "websocket.close", "code": 1008})
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        form = {}
        if has_form(headers):
            body = await _body(receive, int(headers["content-length"]))
            form, receive = fields(body), _again(body, receive)
        query = scope.get("query_string", b"")
        peer = (scope.get("client") or ("",))[0]
        target = target_of(scope["path"], query)
        request = Request(scope["method"], scope["path"], fields(query), headers, peer, form, target)
        visit = self._site.visit(request)
        caller = self._client.at(self._site.client_address(request), headers.get("user-agent", ""))
        visit.caller = VisitCaller(caller, visit)
        enter(visit)
        try:
            response = await run(self._site.answer(visit), caller)
        except AuthError as error:
            response = self._site.failed(visit, error)
        if response:
            return await _send(response, visit, send)
        scope[KEY] = visit
        instead: Response | None = None
        is_answered = False

        async def send_with_cookies(message: Message) -> None:
            nonlocal instead, is_answered
            if message["type"] == "http.response.start":
                is_answered = True
                instead = visit.refusal
                if visit.failure and message["status"] >= 500:
                    instead = self._site.failed(visit, visit.failure)
                try:
                    await run(self._site.finish(visit), caller)
                except AuthError as error:
                    instead = self._site.failed(visit, error)
                if instead:
                    return await _send(instead, visit, send)
                message = {**message, "headers": [*message.get("headers", []), *_cookies(visit)]}
            if not instead:
                await send(message)

        try:
            await self._program(scope, receive, send_with_cookies)
        except AuthError as error:
            if is_answered:
                raise
            await _send(self._site.failed(visit, error), visit, send)


class VisitCaller(AsyncCaller):
    """Asks on behalf of a visitor, and remembers why there was no answer."""

    def __init__(self, caller: AsyncCaller, visit: Visit):
        self.__dict__.update(caller.__dict__)
        self._visit = visit

    async def ask(self, call: Call[T]) -> T:
        """Asks a call."""
        try:
            return await super().ask(call)
        except AuthError as error:
            self._visit.note_failure(error)
            raise

    async def together(self, *asked: Call[Any], stop_on_failure: bool = False) -> Batch:
        """Asks up to 16 calls in one message, each as if it had come alone."""
        try:
            return await super().together(*asked, stop_on_failure=stop_on_failure)
        except AuthError as error:
            self._visit.note_failure(error)
            raise


async def may(visit: Visit, action: str, item: str, **about: Any) -> bool:
    """Whether the policy lets a visitor do something with an item; see `Visit.access` for the rest."""
    try:
        await visit.caller.ask(visit.access(action, item, **about))
    except Refused:
        return False
    return True


async def run(flow: Lookup, caller: AsyncCaller) -> Response | None:
    """Asks what a flow wants to know."""
    step: Callable[[], Any] = lambda: next(flow)
    while True:
        try:
            wanted = step()
        except StopIteration as stop:
            result: Response | None = stop.value
            return result
        try:
            answer = await (caller.together(*wanted) if isinstance(wanted, tuple) else caller.ask(wanted))
        except AuthError as error:
            step = lambda error=error: flow.throw(error)  # type: ignore[misc]
        else:
            step = lambda answer=answer: flow.send(answer)  # type: ignore[misc]


async def _body(receive: Receive, length: int) -> bytes:
    body = b""
    while len(body) < length:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body[:length]


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives what was read once more."""
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message


def _cookies(visit: Visit) -> list[tuple[bytes, bytes]]:
    return [(b"set-cookie", cookie.encode("ascii")) for cookie in visit.set_cookies]


async def _send(response: Response, visit: Visit, send: Send) -> None:
    body = response.body.encode()
    headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.headers]
    headers += [*_cookies(visit), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if visit.request.method == "HEAD" else body})

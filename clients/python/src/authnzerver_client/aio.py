"""The client for programs with asyncio."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from typing import Any, TypeVar

from . import calls
from ._http import HEAD_BYTES_MAX, Address, is_stale, read_head, request_bytes
from ._methods import AsyncRequests
from ._record import Answer, Call
from ._wire import Exchange, Policy, Reply, read
from .batch import Batch
from .errors import AuthError, BadAnswer, Unavailable
from .keys import KeyRing

T = TypeVar("T", bound=Answer)
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class AsyncClient:
    """Connections to one server, for one event loop. Ask as with `Client`."""

    def __init__(
        self, url: str, keys: KeyRing | str, *, policy: Policy | None = None, tls: ssl.SSLContext | None = None
    ):
        self._address = Address.of(url, tls)
        self.keys = KeyRing(keys) if isinstance(keys, str) else keys
        self.policy = policy or Policy()
        self._idle: list[tuple[float, Connection]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.itself = self.at("127.0.0.1", "")

    def at(self, address: str, user_agent: str) -> AsyncCaller:
        """Asks on behalf of the end user at this address, with this browser."""
        return AsyncCaller(self, address, user_agent)

    async def close(self) -> None:
        """Closes the idle connections."""
        idle, self._idle = self._idle, []
        for _, (_, writer) in idle:
            writer.close()
        if self._loop is asyncio.get_running_loop():
            # TLS says good-bye; whoever does not answer that is not waited for.
            ends = [asyncio.create_task(writer.wait_closed()) for _, (_, writer) in idle]
            if ends:
                await asyncio.wait(ends, timeout=1)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def exchange(self, exchange: Exchange) -> dict[str, Any]:
        """Sends a message as often as it may be sent, and returns the opened answer."""
        tried = 0
        while True:
            try:
                reply = await self._send(exchange.sealed())
                if not exchange.next_key(reply):
                    return exchange.answer(reply)
            except AuthError as error:
                tried += 1
                pause = self.policy.pause(error, exchange.only_reads, tried)
                if pause is None:
                    raise
                await asyncio.sleep(pause)

    async def _send(self, body: bytes) -> Reply:
        reader, writer = await self._connection()
        try:
            try:
                writer.write(request_bytes(self._address, body))
                await asyncio.wait_for(writer.drain(), self.policy.send_seconds)
                reply, stays_open = await asyncio.wait_for(self._receive(reader), self.policy.total_seconds)
            except asyncio.IncompleteReadError:
                raise Unavailable("the server closed the connection without an answer", maybe_done=True) from None
            except (OSError, asyncio.TimeoutError) as error:
                raise Unavailable(f"no answer: {_why(error)}", maybe_done=True) from None
        except BaseException:
            writer.close()
            raise
        if stays_open and len(self._idle) < self.policy.connections_max:
            self._idle.append((time.monotonic(), (reader, writer)))
        else:
            writer.close()
        return reply

    async def _receive(self, reader: asyncio.StreamReader) -> tuple[Reply, bool]:
        try:
            written = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self.policy.answer_seconds)
        except asyncio.LimitOverrunError:
            raise BadAnswer("the answer's head is too long") from None
        head = read_head(written, self.policy.answer_bytes_max)
        body = bytearray()
        while len(body) < head.length:
            part = reader.read(min(head.length - len(body), 1 << 18))
            received = await asyncio.wait_for(part, self.policy.answer_seconds)
            if not received:
                raise asyncio.IncompleteReadError(bytes(body), head.length)
            body += received
        return Reply(head.status, head.headers, bytes(body)), head.stays_open

    async def _connection(self) -> Connection:
        # Connections belong to the event loop that they were made in.
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._idle = loop, []
        while self._idle:
            since, (reader, writer) = self._idle.pop()
            is_old = time.monotonic() - since > self.policy.idle_seconds_max
            is_dead = reader.at_eof() or writer.is_closing()
            if not is_old and not is_dead and not is_stale(writer.get_extra_info("socket")):
                return reader, writer
            writer.close()
        address = self._address
        opening = asyncio.open_connection(
            address.host,
            address.port,
            ssl=address.tls,
            server_hostname=address.host if address.tls else None,
            limit=HEAD_BYTES_MAX,
        )
        try:
            return await asyncio.wait_for(opening, self.policy.connect_seconds)
        except (OSError, asyncio.TimeoutError) as error:
            raise Unavailable(f"the server cannot be reached: {_why(error)}", maybe_done=False) from None


class AsyncCaller(AsyncRequests):
    """Asks on behalf of one end user. Cheap to make: one for each request that the site gets."""

    def __init__(self, client: AsyncClient, address: str, user_agent: str):
        self.client = client
        self.address = address
        self._about: Mapping[str, str] = {"ip_address": address, "user_agent": user_agent}

    async def ask(self, call: Call[T]) -> T:
        """Asks a call."""
        exchange = Exchange(call, self.client.keys, self.address, self._about)
        return read(call, await self.client.exchange(exchange))

    async def together(self, *asked: Call[Any], stop_on_failure: bool = False) -> Batch:
        """Asks up to 16 calls in one message, each as if it had come alone."""
        batch = Batch(asked, self._about)
        call = calls.batch(requests=batch.requests(), stop_on_failure=stop_on_failure or None)
        exchange = Exchange(call, self.client.keys, self.address, self._about)
        exchange.only_reads = batch.only_reads
        return batch.answered(read(call, await self.client.exchange(exchange)))


def _why(error: BaseException) -> str:
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return "it took too long"
    return getattr(error, "strerror", None) or type(error).__name__

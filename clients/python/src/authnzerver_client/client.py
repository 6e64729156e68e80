"""The client for programs with threads."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any, TypeVar

from . import calls
from ._http import HEAD_BYTES_MAX, Address, is_stale, read_head, request_bytes
from ._methods import Requests
from ._record import Answer, Call
from ._wire import Exchange, Policy, Reply, read
from .batch import Batch
from .errors import AuthError, BadAnswer, Unavailable
from .keys import KeyRing

T = TypeVar("T", bound=Answer)


class Client:
    """Connections to one server, for all threads of a program.

    Ask through `at(address, user_agent)`, which names the end user on whose behalf it is; through `itself` for what
    the program does of its own accord.
    """

    def __init__(
        self, url: str, keys: KeyRing | str, *, policy: Policy | None = None, tls: ssl.SSLContext | None = None
    ):
        self._address = Address.of(url, tls)
        self.keys = KeyRing(keys) if isinstance(keys, str) else keys
        self.policy = policy or Policy()
        self._lock = threading.Lock()
        self._idle: list[tuple[float, socket.socket]] = []
        self.itself = self.at("127.0.0.1", "")

    def at(self, address: str, user_agent: str) -> Caller:
        """Asks on behalf of the end user at this address, with this browser."""
        return Caller(self, address, user_agent)

    def close(self) -> None:
        """Closes the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def exchange(self, exchange: Exchange) -> dict[str, Any]:
        """Sends a message as often as it may be sent, and returns the opened answer."""
        tried = 0
        while True:
            try:
                reply = self._send(exchange.sealed())
                if not exchange.next_key(reply):
                    return exchange.answer(reply)
            except AuthError as error:
                tried += 1
                pause = self.policy.pause(error, exchange.only_reads, tried)
                if pause is None:
                    raise
                time.sleep(pause)

    def _send(self, body: bytes) -> Reply:
        connection = self._connection()
        try:
            connection.settimeout(self.policy.send_seconds)
            try:
                connection.sendall(request_bytes(self._address, body))
                reply, stays_open = self._receive(connection)
            except OSError as error:
                raise Unavailable(f"no answer: {_why(error)}", maybe_done=True) from None
        except BaseException:
            connection.close()
            raise
        self._keep(connection, stays_open)
        return reply

    def _receive(self, connection: socket.socket) -> tuple[Reply, bool]:
        end = time.monotonic() + self.policy.total_seconds

        def some(length: int) -> bytes:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(min(left, self.policy.answer_seconds))
            return _some(connection, length)

        received = b""
        while b"\r\n\r\n" not in received:
            if len(received) > HEAD_BYTES_MAX:
                raise BadAnswer("the answer's head is too long")
            received += some(1 << 14)
        written, _, start = received.partition(b"\r\n\r\n")
        head = read_head(written, self.policy.answer_bytes_max)
        body = bytearray(start)
        while len(body) < head.length:
            body += some(min(head.length - len(body), 1 << 18))
        # What comes behind an answer nobody asked for.
        stays_open = head.stays_open and len(body) == head.length
        return Reply(head.status, head.headers, bytes(body[: head.length])), stays_open

    def _connection(self) -> socket.socket:
        while True:
            with self._lock:
                if not self._idle:
                    break
                since, connection = self._idle.pop()
            is_old = time.monotonic() - since > self.policy.idle_seconds_max
            if not is_old and not is_stale(connection):
                return connection
            connection.close()
        address = self._address
        try:
            connection = socket.create_connection((address.host, address.port), self.policy.connect_seconds)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.tls:
                return address.tls.wrap_socket(connection, server_hostname=address.host)
            return connection
        except OSError as error:
            raise Unavailable(f"the server cannot be reached: {_why(error)}", maybe_done=False) from None

    def _keep(self, connection: socket.socket, stays_open: bool) -> None:
        with self._lock:
            if stays_open and len(self._idle) < self.policy.connections_max:
                self._idle.append((time.monotonic(), connection))
                return
        connection.close()


class Caller(Requests):
    """Asks on behalf of one end user. Cheap to make: one for each request that the site gets."""

    def __init__(self, client: Client, address: str, user_agent: str):
        self.client = client
        self.address = address
        self._about: Mapping[str, str] = {"ip_address": address, "user_agent": user_agent}

    def ask(self, call: Call[T]) -> T:
        """Asks a call."""
        exchange = Exchange(call, self.client.keys, self.address, self._about)
        return read(call, self.client.exchange(exchange))

    def together(self, *asked: Call[Any], stop_on_failure: bool = False) -> Batch:
        """Asks up to 16 calls in one message, each as if it had come alone."""
        batch = Batch(asked, self._about)
        call = calls.batch(requests=batch.requests(), stop_on_failure=stop_on_failure or None)
        exchange = Exchange(call, self.client.keys, self.address, self._about)
        exchange.only_reads = batch.only_reads
        return batch.answered(read(call, self.client.exchange(exchange)))


def _some(connection: socket.socket, length: int) -> bytes:
    received = connection.recv(length)
    if not received:
        raise Unavailable("the server closed the connection without an answer", maybe_done=True)
    return received


def _why(error: OSError) -> str:
    return "it took too long" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__

"""As much of HTTP/1.1 as the server speaks. It only reads and writes bytes that others carry."""

from __future__ import annotations

import select
import ssl
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from .errors import BadAnswer

HEAD_BYTES_MAX = 16 << 10


@dataclass(frozen=True)
class Address:
    """Where the server listens."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    host_header: str

    @classmethod
    def of(cls, url: str, tls: ssl.SSLContext | None) -> Address:
        """Reads `http://HOST:PORT` or `https://HOST:PORT`."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError("the server's address is http://HOST:PORT or https://HOST:PORT")
        if parts.query or parts.fragment or parts.username:
            raise ValueError("the server's address has nothing behind its port")
        secure = parts.scheme == "https"
        context = (tls or ssl.create_default_context()) if secure else None
        return cls(parts.hostname, parts.port or (443 if secure else 80), context, parts.netloc)


def request_bytes(address: Address, body: bytes) -> bytes:
    """A whole request."""
    head = f"POST / HTTP/1.1\r\nHost: {address.host_header}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Content-Type: text/plain\r\n\r\n".encode("ascii") + body


@dataclass(frozen=True)
class Head:
    """The head of an answer."""

    status: int
    headers: dict[str, str]
    length: int

    @property
    def stays_open(self) -> bool:
        """Whether the connection can be used again."""
        return self.headers.get("connection", "").lower() != "close"


def read_head(head: bytes, body_bytes_max: int) -> Head:
    """Reads a head up to its empty line. A body without a length, or with too great a one, is refused."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or words[0] != "HTTP/1.1" or not (len(words[1]) == 3 and words[1].isdigit()):
        raise BadAnswer("no HTTP answer")
    headers: dict[str, str] = {}
    for line in filter(None, lines):
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or name != name.strip() or (name == "content-length" and name in headers):
            raise BadAnswer("malformed headers")
        headers[name] = value.strip()
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit() and len(length) < 16):
        raise BadAnswer("an answer without a length")
    if int(length) > body_bytes_max:
        raise BadAnswer("the answer is too long")
    return Head(int(words[1]), headers, int(length))


class _HasFileno(Protocol):
    def fileno(self) -> int: ...


def is_stale(connection: _HasFileno) -> bool:
    """Whether an idle connection can be read: then the server has closed it, or says what nobody asked for."""
    if not hasattr(select, "poll"):
        return bool(select.select([connection], [], [], 0)[0])
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))
